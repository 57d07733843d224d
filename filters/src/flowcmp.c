/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Comparing flows: bits, subset, disjoint, intersection, normal form. All by way of cubes.
 */
#include <flt/flowset.h>

#include "cube.h"

/* Marks header bits as counted; returns how many were not yet. The counted bits live in the mask of
 * a byte list that is otherwise like a cube's. */
static uint32_t count_bits(struct flt_cube *counted, const struct flt_term *term, uint32_t bits)
{
	uint32_t fresh = 0;
	for (uint32_t i = 0; i < term->width; i++) {
		uint8_t mask = (uint8_t)(bits >> 8 * (term->width - 1u - i));
		struct flt_cube_byte *b = NULL;
		for (uint32_t j = 0; j < counted->n_bytes && !b; j++)
			if (counted->bytes[j].base == term->base &&
			    counted->bytes[j].msh == term->msh &&
			    counted->bytes[j].offset == term->offset + i)
				b = &counted->bytes[j];
		if (!b) {
			b = &counted->bytes[counted->n_bytes++];
			*b = (struct flt_cube_byte){term->msh, (uint16_t)(term->offset + i),
			                            term->base, 0, 0};
		}
		fresh += (uint32_t)__builtin_popcount(mask & (uint8_t)~b->mask);
		b->mask |= mask;
	}
	return fresh;
}

/* The intersection of all positive ranges over the term's field. */
static void joint_range(const struct flt_cube *cube, const struct flt_term *term, uint32_t *low,
                        uint32_t *high)
{
	*low = term->low;
	*high = term->high;
	for (uint32_t i = 0; i < cube->n_terms; i++) {
		const struct flt_term *t = &cube->terms[i];
		if (t->test == FLT_TEST_RANGE && !t->negate && t->base == term->base &&
		    t->msh == term->msh && t->offset == term->offset && t->width == term->width) {
			*low = flt_max_u32(*low, t->low);
			*high = flt_min_u32(*high, t->high);
		}
	}
}

static uint32_t term_bits(const struct flt_cube *cube, const struct flt_term *term)
{
	uint32_t low, high;
	if (term->test == FLT_TEST_MASKED)
		return term->mask;
	joint_range(cube, term, &low, &high);
	if (low > high)
		return 0;
	uint32_t free_bits = flt_log2_ceil((uint64_t)high - low + 1);
	uint32_t below = free_bits >= 32 ? UINT32_MAX : (1u << free_bits) - 1;
	return flt_width_mask(term->width) & ~below;
}

uint32_t flt_conjunction_bits(const struct flt_conjunction *conjunction)
{
	struct flt_cube cube;
	uint32_t bits = 0;
	flt_cube_build(&cube, conjunction, NULL);
	cube.n_bytes = 0; /* from here on the bytes hold what was counted */
	for (uint32_t i = 0; i < cube.n_terms; i++)
		if (!cube.terms[i].negate)
			bits += count_bits(&cube, &cube.terms[i], term_bits(&cube, &cube.terms[i]));
	return bits;
}

bool flt_conjunction_empty(const struct flt_conjunction *a)
{
	struct flt_cube cube;
	flt_cube_build(&cube, a, NULL);
	return flt_cube_empty(&cube);
}

bool flt_conjunction_subset(const struct flt_conjunction *a, const struct flt_conjunction *b)
{
	struct flt_cube cube;
	flt_cube_build(&cube, a, NULL);
	if (flt_cube_empty(&cube))
		return true;
	for (uint32_t i = 0; i < b->n_terms; i++)
		if (!flt_cube_implies(&cube, &b->terms[i]))
			return false;
	return true;
}

bool flt_conjunction_disjoint(const struct flt_conjunction *a, const struct flt_conjunction *b)
{
	struct flt_cube cube;
	flt_cube_build(&cube, a, b);
	return flt_cube_empty(&cube);
}

bool flt_flow_subset(struct flt_flow a, struct flt_flow b)
{
	for (uint32_t i = 0; i < a.n; i++) {
		bool inside = flt_conjunction_empty(&a.conjunctions[i]);
		for (uint32_t j = 0; j < b.n && !inside; j++)
			inside = flt_conjunction_subset(&a.conjunctions[i], &b.conjunctions[j]);
		if (!inside)
			return false;
	}
	return true;
}

bool flt_flow_disjoint(struct flt_flow a, struct flt_flow b)
{
	for (uint32_t i = 0; i < a.n; i++)
		for (uint32_t j = 0; j < b.n; j++)
			if (!flt_conjunction_disjoint(&a.conjunctions[i], &b.conjunctions[j]))
				return false;
	return true;
}

static void remove_term(struct flt_conjunction *c, uint32_t i)
{
	c->n_terms--;
	memmove(&c->terms[i], &c->terms[i + 1], (c->n_terms - i) * sizeof(c->terms[0]));
}

/* Makes one range of all the positive ranges over one field, where they do not exclude each other.
 */
static void merge_ranges(struct flt_conjunction *c)
{
	struct flt_cube cube;
	cube.n_terms = c->n_terms;
	memcpy(cube.terms, c->terms, c->n_terms * sizeof(c->terms[0]));
	for (uint32_t i = 0; i < c->n_terms; i++) {
		struct flt_term *t = &c->terms[i];
		uint32_t low, high;
		if (t->test != FLT_TEST_RANGE || t->negate)
			continue;
		joint_range(&cube, t, &low, &high);
		if (low <= high) {
			t->low = low;
			t->high = high;
		}
	}
}

/* A range of one value is an exact field. */
static void simplify_term(struct flt_term *t)
{
	if (t->test == FLT_TEST_RANGE && t->low == t->high) {
		t->test = FLT_TEST_MASKED;
		t->mask = flt_width_mask(t->width);
		/* high shares its place with value and stays */
	}
}

static bool term_before(const struct flt_term *a, const struct flt_term *b)
{
	if (a->base != b->base)
		return a->base < b->base;
	if (a->msh != b->msh)
		return a->msh < b->msh;
	if (a->offset != b->offset)
		return a->offset < b->offset;
	if (a->width != b->width)
		return a->width < b->width;
	if (a->negate != b->negate)
		return a->negate < b->negate;
	if (a->test != b->test)
		return a->test < b->test;
	return a->mask != b->mask ? a->mask < b->mask : a->value < b->value;
}

static void sort_terms(struct flt_conjunction *c)
{
	for (uint32_t i = 1; i < c->n_terms; i++) {
		struct flt_term term = c->terms[i];
		uint32_t j = i;
		for (; j && term_before(&term, &c->terms[j - 1]); j--)
			c->terms[j] = c->terms[j - 1];
		c->terms[j] = term;
	}
}

/* Whether the terms other than number i imply it. */
static bool term_redundant(const struct flt_conjunction *c, uint32_t i)
{
	struct flt_cube cube = {0};
	for (uint32_t j = 0; j < c->n_terms; j++)
		if (j != i)
			flt_cube_add(&cube, &c->terms[j]);
	return !flt_cube_empty(&cube) && flt_cube_implies(&cube, &c->terms[i]);
}

void flt_conjunction_normalise(struct flt_conjunction *conjunction)
{
	merge_ranges(conjunction);
	for (uint32_t i = 0; i < conjunction->n_terms; i++)
		simplify_term(&conjunction->terms[i]);
	sort_terms(conjunction);
	for (uint32_t i = conjunction->n_terms; i-- > 0;)
		if (term_redundant(conjunction, i))
			remove_term(conjunction, i);
}

int flt_conjunction_intersect(const struct flt_conjunction *a, const struct flt_conjunction *b,
                              struct flt_conjunction *out)
{
	struct flt_cube cube;
	flt_cube_build(&cube, a, NULL);
	*out = *a;
	for (uint32_t i = 0; i < b->n_terms; i++) {
		if (flt_cube_implies(&cube, &b->terms[i]))
			continue;
		if (out->n_terms == FLT_CONJUNCTION_TERMS_MAX) {
			flt_conjunction_normalise(out);
			if (out->n_terms == FLT_CONJUNCTION_TERMS_MAX)
				return FLT_E_LIMIT;
		}
		out->terms[out->n_terms++] = b->terms[i];
	}
	flt_conjunction_normalise(out);
	return 0;
}
