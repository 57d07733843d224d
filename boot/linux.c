/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's struct boot_params (Documentation/arch/x86/boot.rst and zero-page.rst) becomes struct
 * boot_info. Boot loaders fill it, or the hybrid's own 16-bit code does. Fields are read at their
 * offsets: the struct is packed.
 */
#include <string.h>

#include "../exo/x86_64/x86.h"
#include "boot.h"
#include "efi.h"

enum {
	VIDEO_KIND = 0x00f, /* orig_video_isVGA */
	VIDEO_WIDTH = 0x012,
	VIDEO_HEIGHT = 0x014,
	VIDEO_DEPTH = 0x016,
	VIDEO_BASE = 0x018,
	VIDEO_PITCH = 0x024,
	VIDEO_RED = 0x027, /* positions; sizes stand before each */
	VIDEO_GREEN = 0x029,
	VIDEO_BLUE = 0x02b,
	VIDEO_FLAGS = 0x036,
	VIDEO_BASE_HIGH = 0x03a,
	RSDP = 0x070,
	PAYLOAD_HIGH = 0x0c0,
	PAYLOAD_SIZE_HIGH = 0x0c4,
	COMMAND_LINE_HIGH = 0x0c8,
	EFI_SIGNATURE = 0x1c0,
	EFI_TABLE = 0x1c4,
	EFI_TABLE_HIGH = 0x1d8,
	RANGES_N = 0x1e8,
	SECURE_BOOT = 0x1ec,
	PAYLOAD = 0x218,
	PAYLOAD_SIZE = 0x21c,
	COMMAND_LINE = 0x228,
	RANGES = 0x2d0,

	RANGE_BYTES = 20,
	RANGES_MOST = 128,
	VIDEO_VESA = 0x23, /* a linear framebuffer, by VBE or by EFI */
	VIDEO_EFI = 0x70,
	VIDEO_BASE_IS_LONG = 2,
	SECURE_BOOT_ENABLED = 3,
	EFI64 = 0x34364c45, /* "EL64" */
};
#define BELOW (1ull << 32) /* the direct map as entry.S makes it */

static uint32_t get(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, at, bytes);
	return value;
}

static uint64_t get_split(const uint8_t *params, unsigned low, unsigned high)
{
	return get(params + low, 4) | (uint64_t)get(params + high, 4) << 32;
}

static void take_framebuffer(struct boot_framebuffer *frame, const uint8_t *params)
{
	uint32_t kind = params[VIDEO_KIND], depth = get(params + VIDEO_DEPTH, 2);

	if ((kind != VIDEO_VESA && kind != VIDEO_EFI) || depth < 24)
		return;
	frame->base = get(params + VIDEO_BASE, 4);
	if ((get(params + VIDEO_FLAGS, 4) & VIDEO_BASE_IS_LONG) != 0)
		frame->base |= (uint64_t)get(params + VIDEO_BASE_HIGH, 4) << 32;
	frame->width = get(params + VIDEO_WIDTH, 2);
	frame->height = get(params + VIDEO_HEIGHT, 2);
	frame->pitch = get(params + VIDEO_PITCH, 2);
	frame->bits_per_pixel = (uint8_t)depth;
	frame->red_shift = params[VIDEO_RED];
	frame->green_shift = params[VIDEO_GREEN];
	frame->blue_shift = params[VIDEO_BLUE];
}

/* GRUB hands over no root pointer: EFI's own table has it. */
static uint64_t find_rsdp(uint64_t system_table)
{
	static const struct efi_guid new = EFI_ACPI_20, old = EFI_ACPI_10;
	const struct efi_system_table *table = x86_direct(system_table);
	const struct efi_configuration *entry;
	uint64_t found = 0;

	if (system_table == 0 || system_table > BELOW - sizeof(*table) ||
	    table->header.signature != EFI_SYSTEM_SIGNATURE)
		return 0;
	entry = x86_direct((uint64_t)table->configurations);
	for (uint64_t i = 0; i < table->n_configurations && i < 256; i++) {
		if ((uint64_t)table->configurations > BELOW - (i + 1) * sizeof(*entry))
			break;
		if (efi_guid_is(&entry[i].guid, &new))
			return entry[i].table;
		if (efi_guid_is(&entry[i].guid, &old))
			found = entry[i].table;
	}
	return found;
}

void boot_linux(struct boot_info *boot, uint64_t address)
{
	const uint8_t *params = x86_direct(address);
	uint64_t command_line = get_split(params, COMMAND_LINE, COMMAND_LINE_HIGH);

	boot->loader = "the Linux boot protocol";
	for (unsigned i = 0; i < params[RANGES_N] && i < RANGES_MOST; i++) {
		const uint8_t *range = params + RANGES + (size_t)i * RANGE_BYTES;

		boot_add_range(boot, get_split(range, 0, 4), get_split(range, 8, 12),
		               get(range + 16, 4));
	}
	if (command_line != 0 && command_line < BELOW - BOOT_COMMAND_LINE_MAX)
		boot_take_command_line(boot, x86_direct(command_line));
	boot->payload = get_split(params, PAYLOAD, PAYLOAD_HIGH);
	boot->payload_size = get_split(params, PAYLOAD_SIZE, PAYLOAD_SIZE_HIGH);
	boot->rsdp = get_split(params, RSDP, RSDP + 4);
	if (get(params + EFI_SIGNATURE, 4) == EFI64)
		boot->efi_system_table = get_split(params, EFI_TABLE, EFI_TABLE_HIGH);
	if (boot->rsdp == 0)
		boot->rsdp = find_rsdp(boot->efi_system_table);
	boot->secure_boot = params[SECURE_BOOT] == SECURE_BOOT_ENABLED;
	take_framebuffer(&boot->framebuffer, params);
}
