/* SPDX-License-Identifier: BSD-2-Clause */
/* Digests, and verdicts kept under them: see flt/digest.h. */
#include <flt/digest.h>

#include "table_internal.h"

enum {
	CHAIN_MAX = 8,    /* leaves of a chain, and */
	SHAPES_LOOK = 64, /* shapes of a table, that a digest looks at */
	KEEP_TURN = 4,    /* so many misses of a set to one that is kept */
	TYPE = 12,
	IPV4_FLAGS = 20, /* and offset; of IPv6 the next header */
	IPV6_NEXT = 20,
};

void flt_digest_begin(struct flt_digest *digest)
{
	*digest = (struct flt_digest){.least = 1};
}

/* The mask as a load of the bytes, the first one lowest, gives it. */
static void add_loaded(struct flt_digest *digest, uint32_t at, uint32_t width, uint32_t mask)
{
	uint8_t *bytes = (uint8_t *)digest->mask.words;
	for (uint32_t i = 0; i < width; i++)
		bytes[at + i] |= (uint8_t)(mask >> 8 * i);
	digest->least = flt_max_u32(digest->least, at + width);
}

/* Fields as shapes have them; those of terms are the same. */
static struct shape_field field_of(const struct flt_term *term)
{
	return (struct shape_field){
	        .base = term->base,
	        .width = term->width,
	        .offset = term->offset,
	        .msh = term->msh,
	        .mask = term->test == FLT_TEST_MASKED ? term->mask : flt_width_mask(term->width)};
}

/* Where it stands in this frame; false: not in reach. */
static bool locate(const struct shape_field *field, const struct flt_frame *frame, uint32_t *at)
{
	*at = field->offset;
	if (field->base == FLT_BASE_MSH) {
		if (field->msh >= FLT_DIGEST_BYTES || field->msh >= frame->len)
			return false;
		*at += 4 * (frame->data[field->msh] & 0xfu);
	}
	uint32_t end = *at + field->width; /* offsets are small */
	return end <= FLT_DIGEST_BYTES && end <= frame->len;
}

static void add_field(struct flt_digest *digest, const struct shape_field *field, uint32_t at,
                      uint32_t loaded)
{
	if (field->base == FLT_BASE_MSH)
		add_loaded(digest, field->msh, 1, 0xf);
	add_loaded(digest, at, field->width, loaded);
}

static uint32_t as_loaded(uint32_t mask, uint32_t width)
{
	return __builtin_bswap32(mask) >> (32 - 8 * width);
}

static bool add_whole(struct flt_digest *digest, const struct shape_field *field,
                      const struct flt_frame *frame)
{
	uint32_t at;
	if (!locate(field, frame, &at))
		return false;
	add_field(digest, field, at, as_loaded(field->mask, field->width));
	return true;
}

bool flt_digest_term(struct flt_digest *digest, const struct flt_term *term,
                     const struct flt_frame *frame)
{
	struct shape_field field = field_of(term);
	return term->base != FLT_BASE_LENGTH && add_whole(digest, &field, frame);
}

bool flt_digest_conjunction(struct flt_digest *digest, const struct flt_conjunction *conjunction,
                            const struct flt_frame *frame)
{
	for (uint32_t i = 0; i < conjunction->n_terms; i++)
		if (!flt_digest_term(digest, &conjunction->terms[i], frame))
			return false;
	return true;
}

/* --- tables --- */

/* A field by which the frame differs from what all keys of the shape have in common rules the shape
 * out, whatever else it tests. */
static bool add_difference(struct flt_digest *digest, const struct shape *shape,
                           const struct flt_frame *frame)
{
	for (uint32_t i = 0; i < shape->layout.n_fields; i++) {
		const struct shape_field *field = &shape->layout.fields[i];
		const struct common *common = &shape->common[field->word];
		uint64_t mask = __atomic_load_n(&common->mask, __ATOMIC_RELAXED);
		uint32_t at, bytes = 0, bits = as_loaded(field->mask, field->width);
		if (!bits || !locate(field, frame, &at))
			continue;
		bits &= (uint32_t)(mask >> field->shift);
		memcpy(&bytes, frame->data + at, field->width);
		if (((bytes ^ (uint32_t)(common->value >> field->shift)) & bits) == 0)
			continue;
		add_field(digest, field, at, bits);
		return true;
	}
	return false;
}

/* Terms that are checked for those that have the frame's key. */
static bool add_residual(struct flt_digest *digest, const struct shape *shape,
                         const struct flt_frame *frame)
{
	const struct leaf *leaf = flt_shape_chain(shape, frame);
	for (uint32_t n = 0; leaf; leaf = __atomic_load_n(&leaf->next, __ATOMIC_ACQUIRE), n++) {
		const struct flt_term *terms = leaf_residual(leaf, shape->layout.n_words);
		if (n == CHAIN_MAX)
			return false;
		for (uint32_t i = 0; i < leaf->n_residual; i++)
			if (!flt_digest_term(digest, &terms[i], frame))
				return false;
	}
	return true;
}

static bool add_shape(struct flt_digest *digest, const struct shape *shape,
                      const struct flt_frame *frame)
{
	if (add_difference(digest, shape, frame))
		return true;
	for (uint32_t i = 0; i < shape->layout.n_fields; i++)
		if (!add_whole(digest, &shape->layout.fields[i], frame))
			return false;
	return add_residual(digest, shape, frame);
}

static const struct view *view_of(const struct flt_table *table, uint32_t side)
{
	return __atomic_load_n(&table->sides[side].view, __ATOMIC_ACQUIRE);
}

bool flt_digest_table(struct flt_digest *digest, const struct flt_table *table,
                      const struct flt_frame *frame)
{
	const struct view *view = view_of(table, SIDE_DECIDE);
	if (view->n > SHAPES_LOOK || view_of(table, SIDE_TAP)->n)
		return false;
	for (uint32_t i = 0; i < view->n; i++)
		if (!add_shape(digest, view->shapes[i].shape, frame))
			return false;
	return true;
}

/* Tags and extension headers are looked behind by flt_fragment_parse; other frames are no fragments
 * by these bytes alone. */
bool flt_digest_no_fragment(struct flt_digest *digest, const struct flt_frame *frame)
{
	if (frame->len < IPV4_FLAGS + 2)
		return false;
	uint32_t type = flt_be16(frame->data + TYPE), next = frame->data[IPV6_NEXT];
	add_loaded(digest, TYPE, 2, 0xffff);
	add_loaded(digest, IPV4_FLAGS, 2, 0xffff);
	if (type == 0x8100 || type == 0x88a8)
		return false;
	return type != 0x86dd || (next != 0 && next != 43 && next != 44 && next != 60);
}

void flt_digest_key(const struct flt_digest *digest, const struct flt_frame *frame,
                    struct flt_digest_key *key)
{
	*key = (struct flt_digest_key){0};
	memcpy(key->words, frame->data, flt_min_u32(frame->len, FLT_DIGEST_BYTES));
	for (uint32_t i = 0; i < FLT_DIGEST_BYTES / 8; i++)
		key->words[i] &= digest->mask.words[i];
}

/* --- in two pieces --- */

enum { PIECE = sizeof(((struct flt_brief *)0)->mask[0]) };

/* Where the piece begins that holds the mask's first byte from `from` on; there is one. */
static uint32_t piece_at(const struct flt_digest *digest, uint32_t from)
{
	const uint8_t *bytes = (const uint8_t *)digest->mask.words;
	while (from < FLT_DIGEST_BYTES - PIECE && !bytes[from])
		from++;
	return flt_min_u32(from, FLT_DIGEST_BYTES - PIECE);
}

void flt_brief_make(struct flt_brief *brief, const struct flt_digest *digest,
                    const struct flt_digest_key *key, uint32_t first)
{
	const uint8_t *mask = (const uint8_t *)digest->mask.words;
	const uint8_t *wanted = (const uint8_t *)key->words;
	*brief = (struct flt_brief){.least = digest->least, .at = piece_at(digest, first + PIECE)};
	for (uint32_t i = 0; i < 2; i++) {
		memcpy(&brief->mask[i], mask + (i ? brief->at : first), PIECE);
		memcpy(&brief->key[i], wanted + (i ? brief->at : first), PIECE);
	}
	for (uint32_t i = 0; i < FLT_DIGEST_BYTES; i++)
		if (mask[i] && i - first >= PIECE && i - brief->at >= PIECE)
			brief->least = UINT32_MAX;
}

/* --- verdicts --- */

_Static_assert(offsetof(struct flt_table, generation) == 0, "flt_table_generation");

/* Whether nothing has changed since that generation was read. */
static bool is_still(const struct flt_table *first, uint64_t generation)
{
	return (generation & 1) == 0 &&
	       __atomic_load_n(&first->generation, __ATOMIC_ACQUIRE) == generation;
}

void flt_cache_begin(struct flt_cache *cache)
{
	memset(cache, 0, sizeof(*cache));
	for (uint32_t i = 0; i < FLT_CACHE_SETS; i++)
		cache->last[i] = &cache->sets[i].cached[0];
}

const struct flt_verdict *flt_cache_search(struct flt_cache *cache, uint64_t generation,
                                           const uint8_t *data, uint32_t length)
{
	uint32_t set = flt_cache_set(data);
	for (uint32_t i = 0; i < FLT_CACHE_WAYS; i++) {
		const struct flt_cached *cached = &cache->sets[set].cached[i];
		if (flt_cached_match(cached, generation, data, length)) {
			cache->last[set] = cached;
			return &cached->verdict;
		}
	}
	return NULL;
}

void flt_cache_keep(struct flt_cache *cache, const struct flt_table *const tables[2],
                    uint64_t generation, const struct flt_frame *frame,
                    const struct flt_verdict *verdict)
{
	if (!verdict->fixed || frame->len < FLT_CACHE_FRAME_MIN)
		return;
	uint32_t number = flt_cache_set(frame->data);
	struct flt_cache_set *set = &cache->sets[number];
	if (set->missed++ % KEEP_TURN != 0)
		return;
	struct flt_cached *cached = &set->cached[set->next % FLT_CACHE_WAYS];
	struct flt_digest digest;
	cached->generation = 1; /* no table's: the least is 2 */
	flt_digest_begin(&digest);
	digest.least = FLT_CACHE_FRAME_MIN;
	if (!flt_digest_no_fragment(&digest, frame) ||
	    !flt_digest_table(&digest, tables[0], frame) ||
	    !flt_digest_table(&digest, tables[1], frame))
		return;
	/* Where nothing has changed since the tables were asked, both were of one generation. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (!is_still(tables[0], generation))
		return;
	flt_digest_key(&digest, frame, &cached->key);
	flt_brief_make(&cached->brief, &digest, &cached->key, FLT_CACHE_FIRST);
	cached->mask = digest.mask;
	cached->least = digest.least;
	cached->verdict = *verdict;
	cached->generation = generation;
	cache->last[number] = cached;
	set->next++;
}
