/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PVH start info (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h) becomes
 * struct boot_info. The boot loader is trusted (exo/SECURITY.md), yet counts are bounded.
 */
#include "../exo/core/boot_info.h"
#include "../exo/x86_64/x86.h"
#include "boot.h"

enum {
	PVH_MAGIC = 0x336ec578,
};

struct pvh_start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, command_line, rsdp;
	uint64_t ranges; /* version 1 and later */
	uint32_t n_ranges, reserved;
};

struct pvh_module {
	uint64_t base, size, command_line, reserved;
};

struct pvh_range {
	uint64_t base, size;
	uint32_t type, reserved; /* numbered as ACPI does */
};

static struct boot_info boot_info;

static void take_command_line(struct boot_info *boot, const char *text)
{
	uint32_t i;

	for (i = 0; i < BOOT_COMMAND_LINE_MAX - 1 && text[i] != '\0'; i++)
		boot->command_line[i] = text[i];
	boot->command_line[i] = '\0';
	boot->command_line_cut = text[i] != '\0';
}

static void take_ranges(struct boot_info *boot, const struct pvh_start_info *info)
{
	const struct pvh_range *range = x86_direct(info->ranges);
	uint32_t n = info->version >= 1 ? info->n_ranges : 0;

	if (n > BOOT_RANGES_MAX)
		n = BOOT_RANGES_MAX;
	for (uint32_t i = 0; i < n; i++) {
		boot->ranges[i].base = range[i].base;
		boot->ranges[i].size = range[i].size;
		boot->ranges[i].type = range[i].type;
	}
	boot->n_ranges = n;
}

void boot_pvh(uint64_t start_info)
{
	const struct pvh_start_info *info = x86_direct(start_info);
	struct boot_info *boot = &boot_info;

	boot->loader = "PVH";
	if (info->magic == PVH_MAGIC) {
		take_ranges(boot, info);
		if (info->command_line != 0)
			take_command_line(boot, x86_direct(info->command_line));
		if (info->n_modules > 0) {
			const struct pvh_module *module = x86_direct(info->modules);

			boot->payload = module->base;
			boot->payload_size = module->size;
		}
		boot->rsdp = info->rsdp;
	}
	x86_main(boot, boot_tsc);
}
