/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cube: what is known of every frame that satisfies some terms. Comparison of flows, counting of
 * bits and normal forms are questions to a cube.
 *
 * It holds the terms themselves, with fields behind a header of variable length moved to their
 * fixed place where that header's length is known, and the header bits that they determine, byte by
 * byte, so that terms of different widths over the same bytes meet.
 */
#ifndef FLT_CUBE_H
#define FLT_CUBE_H

#include <flt/flow.h>

#include "internal.h"

enum {
	FLT_CUBE_TERMS_MAX = 2 * FLT_CONJUNCTION_TERMS_MAX, /* two conjunctions together */
	FLT_CUBE_BYTES_MAX = 4 * FLT_CUBE_TERMS_MAX,
};

/* Known bits of one byte of the frame. */
struct flt_cube_byte {
	uint16_t msh;
	uint16_t offset;
	uint8_t base;
	uint8_t mask;
	uint8_t value;
};

struct flt_cube {
	uint32_t n_terms;
	uint32_t n_bytes;
	bool contradiction; /* two terms demand different bits */
	struct flt_term terms[FLT_CUBE_TERMS_MAX];
	struct flt_cube_byte bytes[FLT_CUBE_BYTES_MAX];
};

/* The cube of a's and, where it is not NULL, b's terms together. */
void flt_cube_build(struct flt_cube *cube, const struct flt_conjunction *a,
                    const struct flt_conjunction *b);

/* Adds one more term; the caller keeps to FLT_CUBE_TERMS_MAX. */
void flt_cube_add(struct flt_cube *cube, const struct flt_term *term);

/* Whether it is proven that no frame satisfies the cube. */
bool flt_cube_empty(const struct flt_cube *cube);

/* Whether it is proven that every frame that satisfies the cube satisfies the term. */
bool flt_cube_implies(const struct flt_cube *cube, const struct flt_term *term);

/* The bounds of the term's field (its test does not matter); false where they are empty. */
bool flt_cube_interval(const struct flt_cube *cube, const struct flt_term *term, uint32_t *low,
                       uint32_t *high);

#endif
