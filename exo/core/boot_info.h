/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every entry path (PVH, Linux boot protocol, EFI) finds out about the machine before C code
 * proper starts. Filled in by boot/, read once by x86_64/ and core/. Addresses are physical.
 */
#ifndef CORE_BOOT_INFO_H
#define CORE_BOOT_INFO_H

#include <stdint.h>

enum {
	BOOT_RANGES_MAX = 256,
	BOOT_COMMAND_LINE_MAX = 8192, /* bytes, with the NUL */
};

/* Types of memory, numbered as in ACPI's address range types (ACPI 6.4, table 15.14). */
enum boot_range_type {
	BOOT_RAM = 1,
	BOOT_RESERVED = 2,
	BOOT_ACPI = 3,
	BOOT_ACPI_NVS = 4,
	BOOT_BAD = 5,
};

struct boot_range {
	uint64_t base, size;
	uint32_t type; /* enum boot_range_type; anything else is as reserved */
	uint32_t reserved;
};

/* A linear framebuffer; base 0: none. */
struct boot_framebuffer {
	uint64_t base;
	uint32_t width, height;
	uint32_t pitch; /* bytes of a line */
	uint8_t bits_per_pixel;
	uint8_t red_shift, green_shift, blue_shift; /* 8 bits each */
};

struct boot_info {
	const char *loader; /* for people: "PVH", "Linux boot protocol", "EFI" */
	uint32_t n_ranges;
	struct boot_range
	        ranges[BOOT_RANGES_MAX]; /* as the firmware gave them: may overlap, in any order */
	char command_line[BOOT_COMMAND_LINE_MAX]; /* NUL-terminated; cut where it was longer, see
	                                             command_line_cut */
	uint32_t command_line_cut;
	uint32_t secure_boot;           /* EFI: 1 where it is enabled */
	uint64_t payload, payload_size; /* size 0: none */
	uint64_t rsdp;                  /* ACPI root pointer; 0: search the BIOS areas */
	uint64_t efi_system_table;      /* 0: no EFI */
	struct boot_framebuffer framebuffer;
};

#endif
