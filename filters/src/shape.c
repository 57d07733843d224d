/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shapes: taking conjunctions apart, and making keys without compiled code. See table_internal.h.
 */
#include <flt/flowset.h>

#include "table_internal.h"

/* --- taking apart --- */

/* A field of the conjunction on its way into the key: a mask and one or two values. */
struct part {
	struct shape_field field;
	uint32_t n_values;
	uint32_t values[2];
};

static struct shape_field field_of(const struct flt_term *t, uint32_t mask)
{
	return (struct shape_field){.base = t->base,
	                            .width = t->width,
	                            .offset = t->offset,
	                            .msh = t->msh,
	                            .mask = mask};
}

/*
 * Cuts the numbers into blocks: see table_internal.h. *whole says that the range is exactly its
 * blocks, so that nothing is residual.
 */
static struct part part_of_range(const struct flt_term *t, bool *whole)
{
	uint32_t bits = flt_log2_ceil((uint64_t)t->high - t->low + 1);
	uint32_t below = bits >= 32 ? UINT32_MAX : (1u << bits) - 1;
	struct part part = {.field = field_of(t, flt_width_mask(t->width) & ~below)};
	part.values[0] = t->low & ~below;
	part.values[1] = t->high & ~below;
	part.n_values = part.values[0] == part.values[1] ? 1 : 2;
	*whole = !(t->low & below) && (t->high & below) == below;
	return part;
}

/* Fields at fixed places go first, short ones before long ones: what tells protocols apart comes
 * early. */
static uint32_t field_order(const struct shape_field *f)
{
	return (uint32_t)f->base << 31 | (uint32_t)(f->width > 2) << 30 | (uint32_t)f->msh << 16 |
	       (uint32_t)f->offset << 3 | (uint32_t)f->width;
}

static bool field_before(const struct shape_field *a, const struct shape_field *b)
{
	uint32_t x = field_order(a), y = field_order(b);
	return x != y ? x < y : a->mask > b->mask;
}

static void sort_parts(struct part *parts, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct part part = parts[i];
		uint32_t j = i;
		for (; j && field_before(&part.field, &parts[j - 1].field); j--)
			parts[j] = parts[j - 1];
		parts[j] = part;
	}
}

/* Gives each field its place in the key; false for one that does not fit. */
static bool place_field(struct shape_field *field, uint32_t used[SHAPE_WORDS_MAX])
{
	uint32_t bits = 8u * field->width;
	for (uint32_t w = 0; w < SHAPE_WORDS_MAX; w++) {
		if (used[w] + bits > 64)
			continue;
		field->word = (uint8_t)w;
		field->shift = (uint8_t)used[w];
		used[w] += bits;
		return true;
	}
	return false;
}

/* A value in network order as the bytes lie in the frame, loaded little-endian. */
static uint32_t as_loaded(uint32_t value, uint32_t width)
{
	return __builtin_bswap32(value) >> (32 - 8 * width);
}

static void put_value(struct shape_split *split, uint32_t key, const struct shape_field *field,
                      uint32_t value)
{
	split->keys[key][field->word] |= (uint64_t)as_loaded(value, field->width) << field->shift;
}

/* Adds a placed part to layout and keys; two values double the keys. */
static void add_part(struct shape_split *split, const struct part *part)
{
	uint32_t n = split->n_keys;
	split->layout.fields[split->layout.n_fields++] = part->field;
	if (!part->field.mask)
		return;
	split->layout.n_words = flt_max_u32(split->layout.n_words, part->field.word + 1u);
	for (uint32_t v = 1; v < part->n_values; v++) {
		memcpy(split->keys[n], split->keys[0], n * sizeof(split->keys[0]));
		split->n_keys += n;
	}
	for (uint32_t v = 0; v < part->n_values; v++)
		for (uint32_t k = 0; k < n; k++)
			put_value(split, v * n + k, &part->field, part->values[v]);
}

/* One term: a part, or residual, or both. Returns the number of parts (0 or 1). */
static uint32_t take_term(struct shape_split *split, const struct flt_term *t, uint32_t *doubled,
                          struct part *part)
{
	bool whole = true;
	if (t->negate || t->base == FLT_BASE_LENGTH) {
		split->residual[split->n_residual++] = *t;
		return 0;
	}
	if (t->test == FLT_TEST_MASKED) {
		*part = (struct part){field_of(t, t->mask), 1, {t->value, 0}};
		return 1;
	}
	*part = part_of_range(t, &whole);
	if (part->n_values == 2 && ++*doubled > 2) { /* at most four keys */
		part->field.mask = 0;
		part->n_values = 1;
		whole = false;
	}
	if (!whole)
		split->residual[split->n_residual++] = *t;
	return 1;
}

/* A field whose place in the key is taken up is checked behind the probe. */
static void make_residual(struct shape_split *split, const struct part *part)
{
	struct flt_term t = {.base = part->field.base,
	                     .width = part->field.width,
	                     .offset = part->field.offset,
	                     .msh = part->field.msh,
	                     .mask = part->field.mask,
	                     .value = part->values[0]};
	split->residual[split->n_residual++] = t;
}

void flt_shape_split(const struct flt_conjunction *conjunction, struct shape_split *split)
{
	struct flt_conjunction c = *conjunction;
	struct part parts[FLT_CONJUNCTION_TERMS_MAX];
	uint32_t n = 0, doubled = 0, used[SHAPE_WORDS_MAX] = {0};
	memset(split, 0, sizeof(*split));
	split->n_keys = 1;
	split->layout.n_words = 1;
	flt_conjunction_normalise(&c);
	for (uint32_t i = 0; i < c.n_terms; i++)
		n += take_term(split, &c.terms[i], &doubled, &parts[n]);
	sort_parts(parts, n);
	for (uint32_t i = 0; i < n; i++) {
		if (parts[i].field.mask && !place_field(&parts[i].field, used)) {
			if (parts[i].n_values == 1) /* two values: the range is residual already */
				make_residual(split, &parts[i]);
			parts[i].field.mask = 0;
			parts[i].n_values = 1;
		}
		add_part(split, &parts[i]);
	}
}

bool flt_shape_layout_equal(const struct shape_layout *a, const struct shape_layout *b)
{
	return a->n_fields == b->n_fields && a->n_words == b->n_words &&
	       !memcmp(a->fields, b->fields, a->n_fields * sizeof(a->fields[0]));
}

/* --- keys without compiled code --- */

static bool load_field(const struct shape_field *f, const struct flt_frame *frame, uint64_t *value)
{
	uint32_t at = f->offset, raw = 0;
	if (f->base == FLT_BASE_MSH) {
		if (f->msh >= frame->len)
			return false;
		at += 4 * (frame->data[f->msh] & 0xfu);
	}
	if (f->width > frame->len || at > frame->len - f->width)
		return false;
	memcpy(&raw, frame->data + at, f->width);
	*value = raw & as_loaded(f->mask, f->width);
	return true;
}

static bool make_key(const struct shape_layout *layout, const struct flt_frame *frame,
                     uint64_t *words)
{
	memset(words, 0, layout->n_words * sizeof(*words));
	for (uint32_t i = 0; i < layout->n_fields; i++) {
		const struct shape_field *f = &layout->fields[i];
		uint64_t value;
		if (!load_field(f, frame, &value))
			return false;
		words[f->word] |= value << f->shift;
	}
	return true;
}

static bool is_common(const uint64_t *words, uint32_t n, const struct common *common)
{
	for (uint32_t w = 0; w < n; w++)
		if ((words[w] ^ common[w].value) &
		    __atomic_load_n(&common[w].mask, __ATOMIC_RELAXED))
			return false;
	return true;
}

struct probe *flt_shape_interpret(const struct shape_layout *layout, const struct flt_frame *frames,
                                  const uint8_t *active, uint64_t n, struct probe *out,
                                  const struct common *common)
{
	for (uint64_t i = 0; i < n; i++) {
		if (!make_key(layout, &frames[active[i]], out->words) ||
		    !is_common(out->words, layout->n_words, common))
			continue;
		out->frame = active[i];
		out = (struct probe *)(void *)&out->words[layout->n_words];
	}
	return out;
}
