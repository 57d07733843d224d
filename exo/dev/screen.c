/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen. Bochs VBE: the dispi registers at MMIO offset 0x500 of BAR 2, the framebuffer in BAR
 * 0 (QEMU, docs/specs/standard-vga.rst).
 */
#include "screen.h"

#include <string.h>

#include "../core/boot_info.h"
#include "../core/machine.h"
#include "../x86_64/x86.h"
#include "pci.h"
#include "text.h"

enum {
	ID_BOCHS = 0x11111234, /* device and vendor */
	DISPI = 0x500,
	DISPI_BYTES = 0x16,
	REG_ID = 0,
	REG_WIDTH = 1,
	REG_HEIGHT = 2,
	REG_DEPTH = 3,
	REG_ENABLE = 4,
	REG_BANK = 5,
	REG_VIRTUAL_WIDTH = 6,
	REG_OFFSET_X = 8,
	REG_OFFSET_Y = 9,
	ID_MASK = 0xfff0,
	ID_VALUE = 0xb0c0,
	ENABLED = 0x01,
	LINEAR = 0x40,
	SIDE_MIN = 64,
	SIDE_MAX = 4096,
};

static struct boot_framebuffer screen;
static uint8_t *memory;
static unsigned wanted_width, wanted_height;

const struct boot_framebuffer *machine_screen(uint8_t **to)
{
	if (to != NULL) {
		*to = memory;
		dev_text_pause(true); /* somebody draws */
	}
	return &screen;
}

static void use(const struct boot_framebuffer *found)
{
	uint64_t size = (uint64_t)found->pitch * found->height;
	unsigned depth = found->bits_per_pixel;

	if ((depth != 32 && depth != 24) || found->width > UINT16_MAX ||
	    found->height > UINT16_MAX || found->pitch < (uint64_t)found->width * (depth / 8)) {
		x86_print("screen: %u bits per pixel, %u x %u: not used\n", depth, found->width,
		          found->height);
		return;
	}
	memory = x86_device_map(found->base, size);
	if (memory == NULL)
		return;
	screen = *found;
	x86_print("screen: %u x %u, %u bits per pixel\n", screen.width, screen.height, depth);
}

/* ---- Bochs VBE ---- */

static void set_mode(volatile uint16_t *dispi)
{
	dispi[REG_ENABLE] = 0;
	dispi[REG_WIDTH] = (uint16_t)wanted_width;
	dispi[REG_HEIGHT] = (uint16_t)wanted_height;
	dispi[REG_DEPTH] = 32;
	dispi[REG_BANK] = 0;
	dispi[REG_ENABLE] = ENABLED | LINEAR;
	dispi[REG_VIRTUAL_WIDTH] = (uint16_t)wanted_width;
	dispi[REG_OFFSET_X] = 0;
	dispi[REG_OFFSET_Y] = 0;
}

static void look_at(unsigned bus, unsigned device, unsigned function)
{
	const struct dev_pci f = {(uint8_t)bus, (uint8_t)device, (uint8_t)function};
	uint64_t room, registers_size, base, registers;
	volatile uint16_t *dispi;

	if (memory != NULL || dev_pci_read(&f, 0, 4) != (uint32_t)ID_BOCHS)
		return;
	base = dev_pci_bar(&f, 0, &room);
	registers = dev_pci_bar(&f, 2, &registers_size);
	if (base == 0 || registers == 0 || registers_size < DISPI + DISPI_BYTES ||
	    room / 4 / wanted_width < wanted_height)
		return;
	dev_pci_enable(&f);
	dispi = x86_device_map(registers + DISPI, DISPI_BYTES);
	if (dispi == NULL || (dispi[REG_ID] & ID_MASK) != ID_VALUE)
		return;
	set_mode(dispi);
	use(&(struct boot_framebuffer){.base = base,
	                               .width = dispi[REG_WIDTH],
	                               .height = dispi[REG_HEIGHT],
	                               .pitch = dispi[REG_VIRTUAL_WIDTH] * 4u,
	                               .bits_per_pixel = 32,
	                               .red_shift = 16,
	                               .green_shift = 8,
	                               .blue_shift = 0});
}

/* ---- What is wanted ---- */

static unsigned number(const char **text)
{
	unsigned n = 0;

	while (**text >= '0' && **text <= '9' && n <= SIDE_MAX)
		n = n * 10 + (unsigned)(*(*text)++ - '0');
	return n;
}

/* The word screen=WIDTHxHEIGHT. */
static bool wanted(const char *line)
{
	static const char name[] = "screen=";

	while (strncmp(line, name, sizeof(name) - 1) != 0) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
		if (*line == '\0')
			return false;
	}
	line += sizeof(name) - 1;
	wanted_width = number(&line);
	if (*line == 'x')
		line++;
	wanted_height = number(&line);
	if (wanted_width >= SIDE_MIN && wanted_width <= SIDE_MAX && wanted_height >= SIDE_MIN &&
	    wanted_height <= SIDE_MAX && wanted_width % 8 == 0)
		return true;
	x86_print("screen: screen=WIDTHxHEIGHT wants sides from %d to %d, the width a multiple of "
	          "8\n",
	          SIDE_MIN, SIDE_MAX);
	return false;
}

void dev_screen_init(const struct boot_framebuffer *found, const char *command_line)
{
	if (found->base != 0)
		use(found);
	else if (wanted(command_line))
		x86_pci_walk(look_at);
}
