/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Digests: which bits of a frame an answer depends on.
 *
 * What a conjunction or a table says of a frame follows from the header fields that their terms
 * test. A digest is the mask of those bits, as long as they lie in the first FLT_DIGEST_BYTES: two
 * frames that agree under it, both at least `least` bytes long, get the same answer from all that
 * was added to it. So an answer can be kept beside the masked bytes of the frame that it was given
 * for, and given again for some twenty instructions.
 *
 * Where a field stands may depend on a length nibble of the frame (FLT_BASE_MSH). A digest is made
 * with one frame in view and holds for those with the same nibbles: these are under the mask, too.
 *
 * Adding returns false where there is no such digest: the answer depends on bytes further behind,
 * on bytes that the frame in view has not, or on the frame's length. The digest is of no use then.
 */
#ifndef FLT_DIGEST_H
#define FLT_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "fragment.h"
#include "table.h"

enum {
	FLT_DIGEST_BYTES = 64,
	FLT_DIGEST_NIBBLES_MAX = 4,
	FLT_FIELDS_MAX = 32, /* distinct ones of a table */
};

/* A frame's bytes under a digest's mask. */
struct flt_digest_key {
	uint64_t words[FLT_DIGEST_BYTES / 8];
} __attribute__((aligned(16)));

struct flt_digest {
	struct flt_digest_key mask;
	uint32_t least; /* bytes that a frame must have to be compared */
	uint32_t n_nibbles;
	struct {
		uint8_t offset, value;
	} nibbles[FLT_DIGEST_NIBBLES_MAX]; /* of the frame in view */
};

/* Begins a digest to which nothing was added: it holds for every frame. */
void flt_digest_begin(struct flt_digest *digest);
bool flt_digest_term(struct flt_digest *digest, const struct flt_term *term,
                     const struct flt_frame *frame);
bool flt_digest_conjunction(struct flt_digest *digest, const struct flt_conjunction *conjunction,
                            const struct flt_frame *frame);
/* That flt_fragment_parse says NONE, which it did; false: other frames under the mask could be
 * fragments all the same. */
bool flt_digest_no_fragment(struct flt_digest *digest, const struct flt_frame *frame);

/* Whether a digest that was made for another frame may be used for the key of this one: it has all
 * bytes and the same nibbles. */
bool flt_digest_suits(const struct flt_digest *digest, const struct flt_frame *frame);
void flt_digest_key(const struct flt_digest *digest, const struct flt_frame *frame,
                    struct flt_digest_key *key);

/* Whether bytes of a frame have the key. FLT_DIGEST_BYTES of them can be read, and `least` are the
 * frame's. */
static inline __attribute__((always_inline)) bool flt_digest_match(
        const struct flt_digest_key *mask, const struct flt_digest_key *key, const uint8_t *data)
{
#ifdef __SSE2__
	const __m128i *m = (const __m128i *)(const void *)mask->words;
	const __m128i *k = (const __m128i *)(const void *)key->words;
	const __m128i *d = (const __m128i *)(const void *)data;
	__m128i differ = _mm_xor_si128(_mm_and_si128(_mm_loadu_si128(d), m[0]), k[0]);

	for (int i = 1; i < FLT_DIGEST_BYTES / 16; i++)
		differ = _mm_or_si128(
		        differ, _mm_xor_si128(_mm_and_si128(_mm_loadu_si128(d + i), m[i]), k[i]));
	return _mm_movemask_epi8(_mm_cmpeq_epi8(differ, _mm_setzero_si128())) == 0xffff;
#else
	uint64_t differ = 0;

	for (int i = 0; i < FLT_DIGEST_BYTES / 8; i++) {
		uint64_t word;

		__builtin_memcpy(&word, data + 8 * i, sizeof(word));
		differ |= (word & mask->words[i]) ^ key->words[i];
	}
	return differ == 0;
#endif
}

/*
 * Verdicts that a reader has been given, to be given again: one cache for each core and port, over
 * two tables, of which the second is asked where the first has no owner. Only frames that
 * are no fragments are kept, and only verdicts that say `fixed`. Verdicts of before a change of the
 * tables are never found: `generation` is the sum of the tables' own.
 *
 * There are four sets, chosen by two bits in which kinds of frames differ that should not share a
 * digest (of what IP calls version and header length); each has its digest, made anew when the
 * tables have changed, and some verdicts.
 */
enum {
	FLT_CACHE_KINDS = 4, /* a power of two */
	FLT_CACHE_KIND_BYTE = 14,
	FLT_CACHE_WAYS = 8, /* a power of two */
};

struct flt_cached {
	struct flt_digest_key key;
	struct flt_verdict verdict;
	uint64_t reserved[6];
};

struct flt_cache_kind {
	struct flt_digest digest;
	uint64_t generation; /* 0: no digest yet */
	uint32_t least;      /* the digest's, once there is a verdict; else UINT32_MAX */
	uint32_t last;       /* the verdict that was found or kept last */
	uint32_t n, next;    /* verdicts that there are; whose place the next one takes */
	uint32_t strange;    /* frames for which the digest is none */
	bool usable;
	struct flt_cached cached[FLT_CACHE_WAYS];
};

struct flt_cache {
	struct flt_cache_kind kinds[FLT_CACHE_KINDS];
} __attribute__((aligned(64)));

/* Changes with the table, and is never 0: to be read before the table is asked. */
uint64_t flt_table_generation(const struct flt_table *table);

/* Looks through the others; moves `last`. */
bool flt_cache_search(struct flt_cache_kind *kind, const uint8_t *data);
/* Keeps a verdict that the tables gave for the frame in this generation, where it can be. */
void flt_cache_keep(struct flt_cache *cache, const struct flt_table *const tables[2],
                    uint64_t generation, const struct flt_frame *frame,
                    const struct flt_verdict *verdict);

/* The verdict for a frame of `length` bytes, of which FLT_DIGEST_BYTES can be read however short it
 * is; NULL: ask the tables. */
static inline const struct flt_verdict *flt_cache_find(struct flt_cache *cache, uint64_t generation,
                                                       const uint8_t *data, uint32_t length)
{
	struct flt_cache_kind *kind =
	        &cache->kinds[data[FLT_CACHE_KIND_BYTE] & (FLT_CACHE_KINDS - 1)];

	if (kind->generation != generation || length < kind->least)
		return NULL;
	if (flt_digest_match(&kind->digest.mask, &kind->cached[kind->last].key, data) ||
	    flt_cache_search(kind, data))
		return &kind->cached[kind->last].verdict;
	return NULL;
}

#endif
