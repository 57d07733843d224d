/* SPDX-License-Identifier: BSD-2-Clause */
/* Digests, and verdicts kept under them: see flt/digest.h. */
#include <flt/digest.h>

#include "table_internal.h"

void flt_digest_begin(struct flt_digest *digest)
{
	*digest = (struct flt_digest){.least = FLT_CACHE_KIND_BYTE + 1};
}

static void add_bytes(struct flt_digest *digest, uint32_t at, uint32_t width, uint32_t mask)
{
	uint8_t *bytes = (uint8_t *)digest->mask.words;
	for (uint32_t i = 0; i < width; i++)
		bytes[at + i] |= (uint8_t)(mask >> 8 * (width - 1 - i));
	digest->least = flt_max_u32(digest->least, at + width);
}

/* The field's place in this frame depends on a nibble: another one is another digest. */
static bool add_nibble(struct flt_digest *digest, uint32_t offset, const struct flt_frame *frame,
                       uint32_t *at)
{
	if (offset >= FLT_DIGEST_BYTES || offset >= frame->len)
		return false;
	uint8_t value = frame->data[offset] & 0xf;
	uint32_t i = 0;
	*at += 4u * value;
	while (i < digest->n_nibbles && digest->nibbles[i].offset != offset)
		i++;
	if (i == FLT_DIGEST_NIBBLES_MAX)
		return false;
	digest->nibbles[i].offset = (uint8_t)offset;
	digest->nibbles[i].value = value;
	digest->n_nibbles = flt_max_u32(digest->n_nibbles, i + 1);
	add_bytes(digest, offset, 1, 0xf);
	return true;
}

bool flt_digest_term(struct flt_digest *digest, const struct flt_term *term,
                     const struct flt_frame *frame)
{
	uint32_t at = term->offset;
	if (term->base == FLT_BASE_LENGTH)
		return false;
	if (term->base == FLT_BASE_MSH && !add_nibble(digest, term->msh, frame, &at))
		return false;
	uint32_t end = at + term->width; /* at is below 8,192 */
	if (end > FLT_DIGEST_BYTES || end > frame->len)
		return false;
	add_bytes(digest, at, term->width,
	          term->test == FLT_TEST_MASKED ? term->mask : flt_width_mask(term->width));
	return true;
}

bool flt_digest_conjunction(struct flt_digest *digest, const struct flt_conjunction *conjunction,
                            const struct flt_frame *frame)
{
	for (uint32_t i = 0; i < conjunction->n_terms; i++)
		if (!flt_digest_term(digest, &conjunction->terms[i], frame))
			return false;
	return true;
}

static bool add_fields(struct flt_digest *digest, const struct fields *fields,
                       const struct flt_frame *frame)
{
	if (__atomic_load_n(&fields->unknown, __ATOMIC_ACQUIRE))
		return false;
	for (uint32_t i = 0; i < fields->n; i++)
		if (!flt_digest_term(digest, &fields->terms[i], frame))
			return false;
	return true;
}

enum {
	STRANGE_TURN = 16,
	TYPE = 12,
	IPV4_FLAGS = 20, /* and offset; of IPv6 the next header */
	IPV6_NEXT = 20,
};

/* Tags and extension headers are looked behind by flt_fragment_parse; other frames are no fragments
 * by these bytes alone. */
static bool is_simple(const struct flt_frame *frame)
{
	uint32_t type = flt_be16(frame->data + TYPE), next = frame->data[IPV6_NEXT];
	if (type == 0x8100 || type == 0x88a8)
		return false;
	return type != 0x86dd || (next != 0 && next != 43 && next != 44 && next != 60);
}

bool flt_digest_no_fragment(struct flt_digest *digest, const struct flt_frame *frame)
{
	if (frame->len < IPV4_FLAGS + 2)
		return false;
	add_bytes(digest, TYPE, 2, 0xffff);
	add_bytes(digest, IPV4_FLAGS, 2, 0xffff);
	return is_simple(frame);
}

bool flt_digest_suits(const struct flt_digest *digest, const struct flt_frame *frame)
{
	if (frame->len < digest->least)
		return false;
	for (uint32_t i = 0; i < digest->n_nibbles; i++)
		if ((frame->data[digest->nibbles[i].offset] & 0xf) != digest->nibbles[i].value)
			return false;
	return true;
}

void flt_digest_key(const struct flt_digest *digest, const struct flt_frame *frame,
                    struct flt_digest_key *key)
{
	*key = (struct flt_digest_key){0};
	memcpy(key->words, frame->data, flt_min_u32(frame->len, FLT_DIGEST_BYTES));
	for (uint32_t i = 0; i < FLT_DIGEST_BYTES / 8; i++)
		key->words[i] &= digest->mask.words[i];
}

/* --- verdicts --- */

static bool has_taps(const struct flt_table *table)
{
	return __atomic_load_n(&table->sides[SIDE_TAP].view, __ATOMIC_ACQUIRE)->n != 0;
}

static const struct fields *load_fields(const struct flt_table *table, uint64_t *generation)
{
	/* Acquire, twice: what has changed is seen by whoever sees that it has. */
	const struct fields *fields = __atomic_load_n(&table->fields, __ATOMIC_ACQUIRE);
	*generation += __atomic_load_n(&fields->generation, __ATOMIC_ACQUIRE);
	return fields;
}

uint64_t flt_table_generation(const struct flt_table *table)
{
	uint64_t generation = 0;
	(void)load_fields(table, &generation);
	return generation;
}

static void renew(struct flt_cache_kind *kind, const struct flt_table *const tables[2],
                  uint64_t generation, const struct flt_frame *frame)
{
	uint64_t now = 0;
	flt_digest_begin(&kind->digest);
	kind->usable = flt_digest_no_fragment(&kind->digest, frame);
	for (unsigned i = 0; i < 2; i++) {
		const struct fields *fields = load_fields(tables[i], &now);
		kind->usable = kind->usable && !has_taps(tables[i]) &&
		               add_fields(&kind->digest, fields, frame);
	}
	/* Generations only grow: where the sum is still the same, these are the fields of then. */
	kind->usable = kind->usable && now == generation;
	kind->generation = generation;
	kind->least = UINT32_MAX;
	kind->n = kind->next = kind->last = kind->strange = 0;
}

/* A digest that is none for this frame is given up for one that is, but not for every such frame.
 */
static bool stands(struct flt_cache_kind *kind, uint64_t generation, const struct flt_frame *frame)
{
	if (kind->generation != generation)
		return false;
	if (kind->usable && flt_digest_suits(&kind->digest, frame))
		return true;
	return ++kind->strange % STRANGE_TURN != 0;
}

bool flt_cache_search(struct flt_cache_kind *kind, const uint8_t *data)
{
	for (uint32_t i = 0; i < kind->n; i++) {
		if (flt_digest_match(&kind->digest.mask, &kind->cached[i].key, data)) {
			kind->last = i;
			return true;
		}
	}
	return false;
}

void flt_cache_keep(struct flt_cache *cache, const struct flt_table *const tables[2],
                    uint64_t generation, const struct flt_frame *frame,
                    const struct flt_verdict *verdict)
{
	if (!verdict->fixed || frame->len < IPV4_FLAGS + 2 || !is_simple(frame) ||
	    flt_table_generation(tables[0]) + flt_table_generation(tables[1]) != generation)
		return; /* the last: a change since the tables were asked */
	struct flt_cache_kind *kind =
	        &cache->kinds[frame->data[FLT_CACHE_KIND_BYTE] & (FLT_CACHE_KINDS - 1)];
	if (!stands(kind, generation, frame))
		renew(kind, tables, generation, frame);
	if (!kind->usable || !flt_digest_suits(&kind->digest, frame))
		return;
	struct flt_cached *cached = &kind->cached[kind->next];
	flt_digest_key(&kind->digest, frame, &cached->key);
	cached->verdict = *verdict;
	kind->last = kind->next;
	kind->next = (kind->next + 1) % FLT_CACHE_WAYS;
	kind->n = flt_min_u32(kind->n + 1, FLT_CACHE_WAYS);
	kind->least = kind->digest.least;
}
