/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cubes: the logic behind comparing flows. See cube.h.
 */
#include "cube.h"

static bool same_place(const struct flt_term *a, const struct flt_term *b)
{
	return a->base == b->base && a->msh == b->msh;
}

static bool same_field(const struct flt_term *a, const struct flt_term *b)
{
	return same_place(a, b) && a->offset == b->offset && a->width == b->width;
}

static const struct flt_cube_byte *find_byte(const struct flt_cube *cube,
                                             const struct flt_term *place, uint32_t offset)
{
	for (uint32_t i = 0; i < cube->n_bytes; i++) {
		const struct flt_cube_byte *b = &cube->bytes[i];
		if (b->offset == offset && b->base == place->base && b->msh == place->msh)
			return b;
	}
	return NULL;
}

static void learn_byte(struct flt_cube *cube, const struct flt_term *place, uint32_t offset,
                       uint8_t mask, uint8_t value)
{
	struct flt_cube_byte *b = (struct flt_cube_byte *)find_byte(cube, place, offset);
	if (!b) {
		if (cube->n_bytes == FLT_CUBE_BYTES_MAX)
			return; /* knowing less is always safe */
		b = &cube->bytes[cube->n_bytes++];
		*b = (struct flt_cube_byte){place->msh, (uint16_t)offset, place->base, 0, 0};
	}
	if ((b->value ^ value) & b->mask & mask)
		cube->contradiction = true;
	b->mask |= mask;
	b->value |= value & mask;
}

static void learn_bits(struct flt_cube *cube, const struct flt_term *place, uint32_t mask,
                       uint32_t value)
{
	for (uint32_t i = 0; i < place->width; i++) {
		uint32_t shift = 8 * (place->width - 1u - i);
		uint8_t byte_mask = (uint8_t)(mask >> shift);
		if (byte_mask)
			learn_byte(cube, place, place->offset + i, byte_mask,
			           (uint8_t)(value >> shift));
	}
}

/* The leading bits that all values from low to high share. */
static uint32_t common_prefix(uint32_t low, uint32_t high, uint32_t width)
{
	uint32_t differ = low ^ high;
	uint32_t below = differ ? (uint32_t)((2ull << (31 - __builtin_clz(differ))) - 1) : 0;
	return flt_width_mask(width) & ~below;
}

static void learn_term(struct flt_cube *cube, const struct flt_term *term)
{
	if (term->negate)
		return;
	if (term->test == FLT_TEST_MASKED) {
		learn_bits(cube, term, term->mask, term->value);
	} else {
		uint32_t mask = common_prefix(term->low, term->high, term->width);
		learn_bits(cube, term, mask, term->low & mask);
	}
}

/* Moves a field behind a variable header to its fixed place, where the header's length is known. */
static bool resolve(const struct flt_cube *cube, struct flt_term *term)
{
	static const struct flt_term frame = {.base = FLT_BASE_FRAME};
	if (term->base != FLT_BASE_MSH)
		return false;
	const struct flt_cube_byte *b = find_byte(cube, &frame, term->msh);
	if (!b || (b->mask & 0xf) != 0xf)
		return false;
	term->base = FLT_BASE_FRAME;
	term->msh = 0;
	term->offset = (uint16_t)(term->offset + 4u * (b->value & 0xfu));
	return true;
}

void flt_cube_add(struct flt_cube *cube, const struct flt_term *term)
{
	struct flt_term *own = &cube->terms[cube->n_terms++];
	*own = *term;
	learn_term(cube, own);
	/* Each round resolves at least one term for good, so there are at most n_terms rounds. */
	for (bool changed = true; changed;) {
		changed = false;
		for (uint32_t i = 0; i < cube->n_terms; i++) {
			if (resolve(cube, &cube->terms[i])) {
				learn_term(cube, &cube->terms[i]);
				changed = true;
			}
		}
	}
}

void flt_cube_build(struct flt_cube *cube, const struct flt_conjunction *a,
                    const struct flt_conjunction *b)
{
	cube->n_terms = 0;
	cube->n_bytes = 0;
	cube->contradiction = false;
	for (uint32_t i = 0; i < a->n_terms; i++)
		flt_cube_add(cube, &a->terms[i]);
	for (uint32_t i = 0; b && i < b->n_terms; i++)
		flt_cube_add(cube, &b->terms[i]);
}

static void known_bits(const struct flt_cube *cube, const struct flt_term *place, uint32_t *mask,
                       uint32_t *value)
{
	*mask = *value = 0;
	for (uint32_t i = 0; i < place->width; i++) {
		const struct flt_cube_byte *b = find_byte(cube, place, place->offset + i);
		*mask = *mask << 8 | (b ? b->mask : 0);
		*value = *value << 8 | (b ? b->value : 0);
	}
}

bool flt_cube_interval(const struct flt_cube *cube, const struct flt_term *field, uint32_t *low,
                       uint32_t *high)
{
	uint32_t mask, value;
	known_bits(cube, field, &mask, &value);
	*low = value;
	*high = value | (flt_width_mask(field->width) & ~mask);
	for (uint32_t i = 0; i < cube->n_terms; i++) {
		const struct flt_term *t = &cube->terms[i];
		if (t->negate || t->test != FLT_TEST_RANGE || !same_field(t, field))
			continue;
		*low = flt_max_u32(*low, t->low);
		*high = flt_min_u32(*high, t->high);
	}
	return *low <= *high;
}

/* Whether the field is known to lie within the captured bytes. */
static bool field_exists(const struct flt_cube *cube, const struct flt_term *field)
{
	if (field->base == FLT_BASE_LENGTH)
		return true;
	uint32_t end = (uint32_t)field->offset + field->width;
	for (uint32_t i = 0; i < cube->n_terms; i++) {
		const struct flt_term *t = &cube->terms[i];
		if (same_place(t, field) && (uint32_t)t->offset + t->width >= end)
			return true;
		/* A field behind a variable header lies at least at its offset from the start, and
		 * the byte with the length is there, too. */
		if (t->base == FLT_BASE_MSH && field->base == FLT_BASE_FRAME &&
		    ((uint32_t)t->offset + t->width >= end || (uint32_t)t->msh + 1 >= end))
			return true;
	}
	return false;
}

/*
 * Expresses a masked term's bits in field's coordinates; false where some of them lie outside it.
 */
static bool align_masked(const struct flt_term *term, const struct flt_term *field, uint32_t *mask,
                         uint32_t *value)
{
	if (!same_place(term, field))
		return false;
	*mask = *value = 0;
	for (uint32_t i = 0; i < term->width; i++) {
		uint32_t from = 8 * (term->width - 1u - i);
		uint32_t byte_mask = term->mask >> from & 0xff;
		int32_t at = term->offset + (int32_t)i - field->offset;
		if (!byte_mask)
			continue;
		if (at < 0 || at >= field->width)
			return false;
		uint32_t to = 8 * (field->width - 1u - (uint32_t)at);
		*mask |= byte_mask << to;
		*value |= (term->value >> from & 0xff) << to;
	}
	return true;
}

/* Whether every field value that matches `term`'s test (its negate aside) matches own's. */
static bool test_covers(const struct flt_term *own, const struct flt_term *term)
{
	uint32_t mask, value;
	if (own->test == FLT_TEST_MASKED && term->test == FLT_TEST_MASKED)
		return align_masked(own, term, &mask, &value) && !(mask & ~term->mask) &&
		       (term->value & mask) == value;
	if (own->test != FLT_TEST_RANGE || !same_field(own, term))
		return false;
	if (term->test == FLT_TEST_RANGE)
		return own->low <= term->low && term->high <= own->high;
	return own->low <= term->value &&
	       (term->value | (flt_width_mask(term->width) & ~term->mask)) <= own->high;
}

static bool implies_negated(const struct flt_cube *cube, const struct flt_term *term)
{
	uint32_t mask, value, low, high;
	if (term->test == FLT_TEST_MASKED) {
		known_bits(cube, term, &mask, &value);
		if ((value ^ term->value) & mask & term->mask)
			return true;
	}
	bool some = flt_cube_interval(cube, term, &low, &high);
	uint32_t least = term->test == FLT_TEST_RANGE ? term->low : term->value;
	uint32_t most = term->test == FLT_TEST_RANGE
	                        ? term->high
	                        : term->value | (flt_width_mask(term->width) & ~term->mask);
	if (!some || most < low || high < least)
		return true;
	for (uint32_t i = 0; i < cube->n_terms; i++)
		if (cube->terms[i].negate && test_covers(&cube->terms[i], term))
			return true;
	return false;
}

bool flt_cube_implies(const struct flt_cube *cube, const struct flt_term *asked)
{
	struct flt_term term = *asked;
	(void)resolve(cube, &term);
	if (!field_exists(cube, &term))
		return false;
	if (term.negate)
		return implies_negated(cube, &term);
	uint32_t mask, value, low, high;
	if (term.test == FLT_TEST_MASKED) {
		known_bits(cube, &term, &mask, &value);
		if (!(term.mask & ~mask))
			return (value & term.mask) == term.value;
	}
	if (!flt_cube_interval(cube, &term, &low, &high))
		return true;
	if (term.test == FLT_TEST_RANGE)
		return term.low <= low && high <= term.high;
	uint32_t prefix = common_prefix(low, high, term.width);
	return !(term.mask & ~prefix) && (low & term.mask) == term.value;
}

bool flt_cube_empty(const struct flt_cube *cube)
{
	if (cube->contradiction)
		return true;
	for (uint32_t i = 0; i < cube->n_terms; i++) {
		struct flt_term term = cube->terms[i];
		uint32_t low, high;
		if (!flt_cube_interval(cube, &term, &low, &high))
			return true;
		if (!term.negate)
			continue;
		term.negate = 0;
		if (flt_cube_implies(cube, &term))
			return true;
	}
	return false;
}
