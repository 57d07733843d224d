/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A picture that is put together from pieces of lines: each pixel group (RFC 4175, 4.3) becomes
 * pixels as the screen's call takes them. What does not come keeps what was there before.
 */
#ifndef DISPLAY_PICTURE_H
#define DISPLAY_PICTURE_H

#include "raw.h"

enum {
	PICTURE_WIDTH_MAX = 1920,
	PICTURE_HEIGHT_MAX = 1080,
};

/* How pixels travel; the names are those of RFC 4175, 6.1. */
struct picture_sampling {
	const char *name;
	uint8_t depth;         /* bits of a sample */
	uint8_t bytes;         /* of a pixel group */
	uint8_t width, height; /* pixels of a group */
	/* Writes a group's pixels: those of its second line at below[]. */
	void (*convert)(const uint8_t *group, const int *matrix, uint32_t *pixels, uint32_t *below);
};

struct picture {
	const struct picture_sampling *sampling;
	const int *matrix;      /* of Y'CbCr to R'G'B' */
	uint32_t width, height; /* multiples of a group's */
	uint32_t *pixels;       /* width × height: blue, green, red, unused */
};

/* NULL: there is none of that name and depth. */
const struct picture_sampling *picture_sampling(const char *name, unsigned depth);
/* The matrix of a colorimetry ("BT601-5", "BT709-2"); NULL: unknown. */
const int *picture_matrix(const char *colorimetry);
/* Whether a picture of width × height has whole groups, and is not too large. */
bool picture_fits(const struct picture_sampling *sampling, uint32_t width, uint32_t height);

/* Draws a piece. false: parts of it lie outside, or are no whole groups; nothing was drawn. */
bool picture_put(struct picture *picture, const struct raw_piece *piece);

#endif
