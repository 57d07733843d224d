/* SPDX-License-Identifier: BSD-2-Clause */
/* See text.h. VGA's registers: IBM's VGA reference; the CRT controller's cursor place is written
 * and read back to see whether there is one. */
#include "text.h"

#include "../core/boot_info.h"
#include "../x86_64/x86.h"

enum {
	CELL_DOTS = FONT_DOTS + 1,
	CELL_ROWS = FONT_ROWS + 2,
	WIDE = 1024, /* pixels from which dots are doubled */

	VGA_MEMORY = 0xb8000,
	VGA_COLUMNS = 80,
	VGA_ROWS = 25,
	VGA_BLANK = 0x0720, /* grey on black */
	CRTC_INDEX = 0x3d4,
	CRTC_DATA = 0x3d5,
	CRTC_CURSOR_START = 0x0a,
	CRTC_CURSOR_LOW = 0x0f,
	CURSOR_OFF = 0x20,
	GRAPHICS_INDEX = 0x3ce,
	GRAPHICS_DATA = 0x3cf,
	GRAPHICS_MISC = 6,
	MISC_GRAPHICS = 1,
	MISC_MAP = 0x0c, /* both bits: the window at b8000 */
};
#define GREY 0xc0u

static struct {
	volatile uint16_t *cells; /* VGA's text; NULL: pixels */
	uint8_t *pixels;          /* NULL and no cells: no screen */
	uint32_t pitch, colour;
	unsigned scale, columns, rows;
	unsigned column, row;
	bool paused;
} screen;

static uint8_t vga_read(uint16_t index_port, uint8_t index)
{
	x86_out8(index_port, index);
	return x86_in8(index_port + 1);
}

static void use_vga(void)
{
	uint8_t old = vga_read(CRTC_INDEX, CRTC_CURSOR_LOW), back, misc;

	x86_out8(CRTC_DATA, (uint8_t)~old);
	back = vga_read(CRTC_INDEX, CRTC_CURSOR_LOW);
	misc = vga_read(GRAPHICS_INDEX, GRAPHICS_MISC);
	if ((back ^ old) != 0xff || (misc & (MISC_GRAPHICS | MISC_MAP)) != MISC_MAP)
		return;
	x86_out8(CRTC_INDEX, CRTC_CURSOR_START);
	x86_out8(CRTC_DATA, CURSOR_OFF);
	screen.cells = x86_direct(VGA_MEMORY);
	screen.columns = VGA_COLUMNS;
	screen.rows = VGA_ROWS;
}

static void use_framebuffer(const struct boot_framebuffer *found)
{
	if (found->bits_per_pixel != 32 || found->pitch / 4 < found->width)
		return;
	screen.scale = found->width >= WIDE ? 2 : 1;
	screen.columns = found->width / (CELL_DOTS * screen.scale);
	screen.rows = found->height / (CELL_ROWS * screen.scale);
	screen.pitch = found->pitch;
	screen.colour =
	        GREY << found->red_shift | GREY << found->green_shift | GREY << found->blue_shift;
	if (screen.columns > 0 && screen.rows > 1)
		screen.pixels = x86_device_map(found->base, (uint64_t)found->pitch * found->height);
}

/* One line of dots; each is one or two pixels wide. */
static void draw_dots(uint32_t *at, unsigned dots)
{
	for (unsigned bit = 1u << FONT_DOTS; bit != 0; bit >>= 1) {
		uint32_t colour = (dots & bit >> 1) != 0 ? screen.colour : 0;

		*at++ = colour;
		if (screen.scale == 2)
			*at++ = colour;
	}
}

static void draw(unsigned column, unsigned row, char c)
{
	const uint8_t *glyph =
	        dev_font[c >= FONT_FIRST && c <= '~' ? c - FONT_FIRST : '?' - FONT_FIRST];
	uint8_t *at = screen.pixels + (uint64_t)row * CELL_ROWS * screen.scale * screen.pitch +
	              (uint64_t)column * CELL_DOTS * screen.scale * 4;

	for (unsigned y = 0; y < CELL_ROWS; y++) {
		for (unsigned again = 0; again < screen.scale; again++, at += screen.pitch)
			draw_dots((uint32_t *)(void *)at, y < FONT_ROWS ? glyph[y] : 0);
	}
}

static void clear_rest(unsigned column, unsigned row)
{
	unsigned height = CELL_ROWS * screen.scale, width = CELL_DOTS * screen.scale;

	for (unsigned i = column; screen.cells != NULL && i < screen.columns; i++)
		screen.cells[row * screen.columns + i] = VGA_BLANK;
	for (unsigned y = 0; screen.cells == NULL && y < height; y++) {
		uint64_t *at =
		        (void *)(screen.pixels + ((uint64_t)row * height + y) * screen.pitch +
		                 (uint64_t)column * width * 4);

		for (unsigned i = 0; i < (screen.columns - column) * width / 2; i++)
			at[i] = 0;
	}
}

static void new_line(void)
{
	if (screen.column < screen.columns)
		clear_rest(screen.column, screen.row);
	screen.column = 0;
	screen.row = screen.row + 1 < screen.rows ? screen.row + 1 : 0;
	clear_rest(0, screen.row + 1 < screen.rows ? screen.row + 1 : 0);
}

static void put(char c)
{
	if (c == '\n' || screen.column == screen.columns)
		new_line();
	if (c < ' ')
		return;
	if (screen.cells != NULL)
		screen.cells[screen.row * screen.columns + screen.column] =
		        (uint16_t)((VGA_BLANK & 0xff00) | (uint8_t)c);
	else
		draw(screen.column, screen.row, c);
	screen.column++;
}

void dev_text_init(const struct boot_framebuffer *found)
{
	if (found->base != 0)
		use_framebuffer(found);
	else
		use_vga();
}

void dev_text_write(const char *text, size_t size)
{
	if ((screen.cells == NULL && screen.pixels == NULL) || screen.paused)
		return;
	for (size_t i = 0; i < size; i++)
		put(text[i]);
}

void dev_text_pause(bool pause)
{
	screen.paused = pause && screen.pixels != NULL;
}
