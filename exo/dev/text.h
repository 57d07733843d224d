/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console on a screen: the firmware's framebuffer, or VGA's text mode. Lines wrap; at the
 * bottom the text goes on at the top, over what is oldest, with an empty line before it (scrolling
 * a framebuffer would cost more than a boot). Where there is no screen, writing costs nothing.
 */
#ifndef DEV_TEXT_H
#define DEV_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_framebuffer;

/* Takes the framebuffer, where boot/ found one of 32 bits a pixel, else VGA's text mode, where its
 * registers answer and say that it is on. Device memory can be mapped. */
void dev_text_init(const struct boot_framebuffer *found);
void dev_text_write(const char *text, size_t size);
/* An environment draws on the framebuffer: the console leaves it alone from then on; a panic takes
 * it back. */
void dev_text_pause(bool pause);

enum {
	FONT_FIRST = ' ',
	FONT_GLYPHS = '~' - ' ' + 1,
	FONT_ROWS = 7,
	FONT_DOTS = 5, /* of a row */
};
extern const uint8_t dev_font[FONT_GLYPHS][FONT_ROWS];

#endif
