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
 * A digest is made with one frame in view, and says of others what it says of that: where a field
 * stands behind a header of variable length (FLT_BASE_MSH), the length nibble is under the mask;
 * and what is ruled out for this frame by one field needs none of the others.
 *
 * Adding returns false where there is no such digest: the answer depends on bytes further behind,
 * on bytes that the frame in view has not, or on the frame's length. The digest is of no use then.
 */
#ifndef FLT_DIGEST_H
#define FLT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE4_1__
#include <smmintrin.h>
#endif

#include "fragment.h"
#include "table.h"

enum { FLT_DIGEST_BYTES = 64 };

/* A frame's bytes under a digest's mask. */
struct flt_digest_key {
	uint64_t words[FLT_DIGEST_BYTES / 8];
} __attribute__((aligned(16)));

struct flt_digest {
	struct flt_digest_key mask;
	uint32_t least; /* bytes that a frame must have to be compared */
};

/* Begins a digest to which nothing was added: it holds for every frame. */
void flt_digest_begin(struct flt_digest *digest);
bool flt_digest_term(struct flt_digest *digest, const struct flt_term *term,
                     const struct flt_frame *frame);
bool flt_digest_conjunction(struct flt_digest *digest, const struct flt_conjunction *conjunction,
                            const struct flt_frame *frame);
/* What a table's deciding entries answer, but for what programs say. False also where the table has
 * taps, which are asked for each frame. */
bool flt_digest_table(struct flt_digest *digest, const struct flt_table *table,
                      const struct flt_frame *frame);
/* That flt_fragment_parse says NONE, which it did; false: other frames under the mask could be
 * fragments all the same. */
bool flt_digest_no_fragment(struct flt_digest *digest, const struct flt_frame *frame);

void flt_digest_key(const struct flt_digest *digest, const struct flt_frame *frame,
                    struct flt_digest_key *key);

/* Whether bytes of a frame have the key. FLT_DIGEST_BYTES of them can be read, and `least` are the
 * frame's. */
static inline __attribute__((always_inline)) bool flt_digest_match(
        const struct flt_digest_key *mask, const struct flt_digest_key *key, const uint8_t *data)
{
#ifdef __SSE4_1__
	const __m128i *m = (const __m128i *)(const void *)mask->words;
	const __m128i *k = (const __m128i *)(const void *)key->words;
	const __m128i *d = (const __m128i *)(const void *)data;
	__m128i differ = _mm_xor_si128(_mm_and_si128(_mm_loadu_si128(d), m[0]), k[0]);

#pragma GCC unroll 4
	for (size_t i = 1; i < FLT_DIGEST_BYTES / 16; i++)
		differ = _mm_or_si128(
		        differ, _mm_xor_si128(_mm_and_si128(_mm_loadu_si128(d + i), m[i]), k[i]));
	return _mm_testz_si128(differ, differ);
#else
	uint64_t differ = 0;

	for (size_t i = 0; i < FLT_DIGEST_BYTES / 8; i++) {
		uint64_t word;

		__builtin_memcpy(&word, data + 8 * i, sizeof(word));
		differ |= (word & mask->words[i]) ^ key->words[i];
	}
	return differ == 0;
#endif
}

/* What of a digest lies in two pieces of 16 bytes, the first of them where the caller wants it:
 * compared in half the instructions. */
struct flt_brief {
	struct {
		uint64_t words[2];
	} __attribute__((aligned(16))) mask[2], key[2];
	uint32_t at;    /* where the second lies in a frame */
	uint32_t least; /* bytes that a frame must have; UINT32_MAX: it lies in more pieces */
};

void flt_brief_make(struct flt_brief *brief, const struct flt_digest *digest,
                    const struct flt_digest_key *key, uint32_t first);

/* Whether the frame's bytes from `at` on agree with one of the pieces. */
static inline __attribute__((always_inline)) bool flt_brief_piece(const struct flt_brief *brief,
                                                                  unsigned piece, const uint8_t *at)
{
#ifdef __SSE4_1__
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	__m128i differ = _mm_xor_si128(bytes, *(const __m128i *)&brief->key[piece]);

	return _mm_testz_si128(differ, *(const __m128i *)&brief->mask[piece]);
#else
	uint64_t words[2];

	__builtin_memcpy(words, at, sizeof(words));
	return (((words[0] ^ brief->key[piece].words[0]) & brief->mask[piece].words[0]) |
	        ((words[1] ^ brief->key[piece].words[1]) & brief->mask[piece].words[1])) == 0;
#endif
}

/* As flt_digest_match, for frames of brief->least bytes and more; `first` as it was made with. */
static inline __attribute__((always_inline)) bool flt_brief_match(const struct flt_brief *brief,
                                                                  const uint8_t *data,
                                                                  uint32_t first)
{
	return flt_brief_piece(brief, 0, data + first) &&
	       flt_brief_piece(brief, 1, data + brief->at);
}

/*
 * Verdicts that a reader has been given, to be given again: one cache for each core and port, over
 * two tables, of which the second is asked where the first has no owner. Only frames that are no
 * fragments are kept, and only verdicts that say `fixed`. Those of before a change of the tables
 * are never found. A frame belongs to one of several sets by one of its bytes (in IPv4 the
 * protocol; for others it will do as well), and is compared with that set's verdicts.
 */
enum {
	FLT_CACHE_SETS = 8, /* a power of two */
	FLT_CACHE_WAYS = 4, /* likewise */
	FLT_CACHE_FRAME_MIN = 24,
	FLT_CACHE_FIRST = 12, /* the type: what most verdicts depend on begins here */
};

struct flt_cached {
	struct flt_brief brief;
	struct flt_digest_key mask, key;
	struct flt_verdict verdict;
	uint64_t generation;
	uint32_t least; /* as in a digest */
} __attribute__((aligned(16)));

struct flt_cache_set {
	union {
		struct {
			struct flt_cached cached[FLT_CACHE_WAYS];
			uint32_t next; /* whose place the next one takes */
			uint32_t missed;
		};
		uint8_t size[1024]; /* so that finding one needs no multiplication */
	};
};

struct flt_cache {
	const struct flt_cached *last[FLT_CACHE_SETS]; /* that was found or kept last */
	struct flt_cache_set sets[FLT_CACHE_SETS];
};

_Static_assert(sizeof(struct flt_cache_set) == 1024, "a set is 1 KiB");

/* To be read before the tables are asked, of the first, which the second follows. It only grows,
 * and is even where nothing changes: what was kept in an odd one is never found again. */
static inline uint64_t flt_table_generation(const struct flt_table *first)
{
	/* Acquire: what has changed is seen by whoever sees that it has. */
	return __atomic_load_n((const uint64_t *)(const void *)first, __ATOMIC_ACQUIRE);
}

/* Empties a cache; before it is used. */
void flt_cache_begin(struct flt_cache *cache);
/* Keeps a verdict that the tables gave for the frame in this generation, where it can be; not each
 * time that it is told to. */
void flt_cache_keep(struct flt_cache *cache, const struct flt_table *const tables[2],
                    uint64_t generation, const struct flt_frame *frame,
                    const struct flt_verdict *verdict);

/* The set of a frame: ICMP, TCP and UDP apart. */
static inline uint32_t flt_cache_set(const uint8_t *data)
{
	return (data[23] & 4u * (FLT_CACHE_SETS - 1)) / 4;
}

/* The one of it that was found or kept last. Written such that it takes four instructions. */
static inline const struct flt_cached *flt_cache_recent(const struct flt_cache *cache,
                                                        const uint8_t *data)
{
	uintptr_t offset = (data[23] & 4u * (FLT_CACHE_SETS - 1)) * (sizeof(void *) / 4);

	return *(const struct flt_cached *const *)(const void *)((const uint8_t *)cache->last +
	                                                         offset);
}

static inline __attribute__((always_inline)) bool flt_cached_match(const struct flt_cached *cached,
                                                                   uint64_t generation,
                                                                   const uint8_t *data,
                                                                   uint32_t length)
{
	if (cached->generation != generation)
		return false;
	if (__builtin_expect(length >= cached->brief.least, 1))
		return flt_brief_match(&cached->brief, data, FLT_CACHE_FIRST);
	return cached->brief.least == UINT32_MAX && length >= cached->least &&
	       flt_digest_match(&cached->mask, &cached->key, data);
}

/* The verdict for a frame of `length` bytes, of which FLT_DIGEST_BYTES can be read however short it
 * is, where it is found in fewest instructions; NULL: ask flt_cache_find. */
static inline __attribute__((always_inline)) const struct flt_verdict *flt_cache_last(
        const struct flt_cache *cache, uint64_t generation, const uint8_t *data, uint32_t length)
{
	const struct flt_cached *last = flt_cache_recent(cache, data);

	return last->generation == generation && length >= last->brief.least &&
	                       flt_brief_match(&last->brief, data, FLT_CACHE_FIRST)
	               ? &last->verdict
	               : NULL;
}

/* Whether another frame gets a verdict that was found in a cache, and not changed there since, by
 * what it was found by; false: ask. */
static inline __attribute__((always_inline)) bool flt_cache_alike(const struct flt_verdict *found,
                                                                  const uint8_t *data,
                                                                  uint32_t length)
{
	const struct flt_cached *cached =
	        (const struct flt_cached *)(const void *)((const char *)found -
	                                                  offsetof(struct flt_cached, verdict));

	return length >= cached->brief.least &&
	       flt_brief_match(&cached->brief, data, FLT_CACHE_FIRST);
}

/* Whether all frames that agree with the one that a verdict was found for in the bits of `mask`,
 * FLT_DIGEST_BYTES long, and are as long, get that verdict. */
static inline bool flt_cache_follows(const struct flt_verdict *found, const uint8_t *mask)
{
	const struct flt_cached *cached =
	        (const struct flt_cached *)(const void *)((const char *)found -
	                                                  offsetof(struct flt_cached, verdict));
	uint64_t beyond = 0;

	for (size_t i = 0; i < FLT_DIGEST_BYTES / 8; i++) {
		uint64_t word;

		__builtin_memcpy(&word, mask + 8 * i, sizeof(word));
		beyond |= cached->mask.words[i] & ~word;
	}
	return beyond == 0;
}

const struct flt_verdict *flt_cache_search(struct flt_cache *cache, uint64_t generation,
                                           const uint8_t *data, uint32_t length);
/* The verdict for such a frame; NULL: ask the tables. */
static inline const struct flt_verdict *flt_cache_find(struct flt_cache *cache, uint64_t generation,
                                                       const uint8_t *data, uint32_t length)
{
	const struct flt_cached *last = flt_cache_recent(cache, data);

	return flt_cached_match(last, generation, data, length)
	               ? &last->verdict
	               : flt_cache_search(cache, generation, data, length);
}

#endif
