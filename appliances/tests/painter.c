/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An environment with a part of the screen: fills it with a gradient of its own colour, and tries
 * to paint beyond it on every side.
 *
 *     painter red|green|blue
 */
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>

enum {
	SIDE = 256, /* of the picture: as many pixels as one call moves */
};

/* Pixel (x, y) of the rectangle: the colour's brightness is the sum of both. */
static uint32_t colour_at(unsigned shift, uint32_t x, uint32_t y)
{
	return (64 + (x + y) % 192) << shift;
}

static int paint(const struct exo_cap *screen, const struct exo_pages *picture, unsigned shift,
                 int32_t left, int32_t top)
{
	uint32_t *pixels = picture->address;
	struct exo_blit block = {
	        .screen = *screen,
	        .x = left,
	        .y = top,
	        .width = SIDE,
	        .height = SIDE,
	        .source = picture->frame << EXO_PAGE_SHIFT,
	        .pitch = SIDE * 4,
	};

	for (uint32_t y = 0; y < SIDE; y++)
		for (uint32_t x = 0; x < SIDE; x++)
			pixels[y * SIDE + x] =
			        colour_at(shift, x + (uint32_t)left, y + (uint32_t)top);
	return exo_screen_blit(&block);
}

int exo_main(void)
{
	const struct exo_cap *screen = exo_start_cap(EXO_USE_SCREEN);
	const char *colour = exo_start_arg(1);
	struct exo_pages picture;
	unsigned shift;
	int wrong = 0;

	if (screen == NULL || colour == NULL ||
	    exo_pages_alloc(&picture, (uint32_t)(SIDE * SIDE * 4) / EXO_PAGE_SIZE) != 0)
		return 2;
	shift = strcmp(colour, "red") == 0 ? 16 : strcmp(colour, "green") == 0 ? 8 : 0;
	/* Far more than the rectangle: what does not belong to it must not show. */
	for (int32_t top = -SIDE; top < 4 * SIDE; top += SIDE)
		for (int32_t left = -SIDE; left < 4 * SIDE; left += SIDE)
			wrong += paint(screen, &picture, shift, left, top) != 0;
	exo_printf("%s: painted %llu pixels, %d refused\n", colour,
	           (unsigned long long)exo_account()->pixels, wrong);
	for (;;)
		exo_wait(0); /* its part stays its own */
}
