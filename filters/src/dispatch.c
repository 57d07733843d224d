/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which bytes of a frame tell a block's shapes apart: see table_internal.h.
 *
 * What is known of a shape's keys is what they have in common. A byte of the frame is worth looking
 * at where two shapes want different values of it; bytes are chosen greedily, each time the one
 * that separates the most pairs of shapes that no other has separated.
 */
#include "table_internal.h"

enum { CANDIDATES_MAX = 64 };

/* What all keys of a shape want of a byte: byte & mask == value. */
struct want {
	uint8_t mask, value;
};

static struct want want_of(const struct shape *shape, uint32_t offset)
{
	struct want want = {0, 0};
	for (uint32_t i = 0; i < shape->layout.n_fields; i++) {
		const struct shape_field *f = &shape->layout.fields[i];
		if (f->base != FLT_BASE_FRAME || !f->mask || offset < f->offset ||
		    offset - f->offset >= f->width)
			continue;
		const struct common *c = &shape->common[f->word];
		uint32_t shift = f->shift + 8 * (offset - f->offset);
		/* The mask's bytes stand in the key as in the frame: the first one lowest. */
		uint32_t field = f->mask >> 8 * (f->width - 1 - (offset - f->offset));
		uint8_t mask = (uint8_t)(field & c->mask >> shift);
		want.value = (uint8_t)((want.value & ~mask) | (c->value >> shift & mask));
		want.mask |= mask;
	}
	return want;
}

static uint32_t find_candidates(const struct view_shape *shapes, uint32_t n, uint16_t *out)
{
	uint32_t found = 0;
	for (uint32_t s = 0; s < n; s++)
		for (uint32_t i = 0; i < shapes[s].shape->layout.n_fields; i++) {
			const struct shape_field *f = &shapes[s].shape->layout.fields[i];
			for (uint32_t b = 0; f->base == FLT_BASE_FRAME && b < f->width; b++) {
				uint32_t k = 0;
				while (k < found && out[k] != f->offset + b)
					k++;
				if (k == found && found < CANDIDATES_MAX)
					out[found++] = (uint16_t)(f->offset + b);
			}
		}
	return found;
}

/* Pairs that the byte separates and nothing has before; with `take` they count as separated. */
static uint32_t separate(const struct view_shape *shapes, uint32_t n, uint32_t offset,
                         uint64_t *separated, bool take)
{
	struct want wants[BLOCK_SHAPES];
	uint32_t pairs = 0;
	for (uint32_t i = 0; i < n; i++) {
		wants[i] = want_of(shapes[i].shape, offset);
		if (!wants[i].mask)
			continue;
		for (uint32_t j = 0; j < i; j++) {
			uint32_t both = wants[i].mask & wants[j].mask;
			if (!((wants[i].value ^ wants[j].value) & both) || separated[i] >> j & 1)
				continue;
			pairs++;
			separated[i] |= (uint64_t)take << j;
		}
	}
	return pairs;
}

void flt_dispatch_add(struct dispatch *d, const struct shape *shape, uint32_t number)
{
	uint64_t bit = 1ull << number;
	for (uint32_t k = 0; k < d->n; k++) {
		struct want want = want_of(shape, d->offset[k]);
		for (uint32_t byte = 0; byte < 256; byte++)
			if (!((byte ^ want.value) & want.mask) && !(d->shapes[k][byte] & bit))
				__atomic_store_n(&d->shapes[k][byte], d->shapes[k][byte] | bit,
				                 __ATOMIC_RELEASE);
	}
}

void flt_dispatch_make(struct dispatch *d, const struct view_shape *shapes, uint32_t n)
{
	uint64_t separated[BLOCK_SHAPES] = {0};
	uint16_t candidates[CANDIDATES_MAX];
	uint32_t n_candidates = find_candidates(shapes, n, candidates);
	for (d->n = 0; d->n < DISPATCH_BYTES_MAX; d->n++) {
		uint32_t best = 0, best_pairs = 0;
		for (uint32_t i = 0; i < n_candidates; i++) {
			uint32_t pairs = separate(shapes, n, candidates[i], separated, false);
			if (pairs > best_pairs) {
				best = candidates[i];
				best_pairs = pairs;
			}
		}
		if (!best_pairs)
			break;
		(void)separate(shapes, n, best, separated, true);
		d->offset[d->n] = (uint16_t)best;
		d->least = flt_max_u32(d->least, best + 1);
	}
	for (uint32_t s = 0; s < n; s++)
		flt_dispatch_add(d, shapes[s].shape, s);
}
