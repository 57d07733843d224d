/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen: a linear framebuffer, given out in rectangles. Nobody maps it: the kernel copies
 * pixels out of an environment's own frames, clipped to the rectangle that the key stands for.
 */
#ifndef EXO_SCREEN_H
#define EXO_SCREEN_H

#include <stdint.h>

#include "cap.h"

enum {
	EXO_BLIT_PIXELS_MAX = 65536, /* of one call, before clipping */
};

struct exo_rect {
	uint16_t x, y, width, height; /* pixels; x to the right, y down */
};

/* Argument of EXO_CALL_SCREEN_CREATE: a new rectangle. With an authority (EXO_KIND_SCREEN with
 * ALLOC) it may be anywhere on the screen where no other is; with a key to a rectangle, with GRANT,
 * it is a part of that one, at coordinates of the screen, and ends with it. */
struct exo_screen_create {
	struct exo_cap from;
	struct exo_rect rect; /* of the screen; not empty */
	uint32_t owner;       /* as in struct exo_frame_alloc */
	uint32_t reserved;    /* 0 */
	struct exo_cap out;   /* written: WRITE, GRANT and FREE, held by the caller */
};

/* Argument of EXO_CALL_SCREEN_BLIT. */
struct exo_blit {
	struct exo_cap screen;  /* EXO_KIND_SCREEN with WRITE */
	int32_t x, y;           /* of the picture's corner, from the rectangle's; may lie outside */
	uint32_t width, height; /* of the picture */
	uint64_t source;   /* physical address of its first pixel: 4 bytes each, blue, green, red,
	                      unused; a multiple of 4, in contiguous frames of the caller's own */
	uint32_t pitch;    /* bytes from line to line, a multiple of 4 */
	uint32_t reserved; /* 0 */
};

#endif
