/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PVH start info (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h) becomes
 * struct boot_info. The boot loader is trusted (exo/SECURITY.md), yet counts are bounded.
 */
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

void boot_pvh(struct boot_info *boot, uint64_t start_info)
{
	const struct pvh_start_info *info = x86_direct(start_info);
	const struct pvh_range *range;

	boot->loader = "PVH";
	if (info->magic != PVH_MAGIC)
		return;
	range = x86_direct(info->ranges);
	for (uint32_t i = 0; info->version >= 1 && i < info->n_ranges && i < BOOT_RANGES_MAX; i++)
		boot_add_range(boot, range[i].base, range[i].size, range[i].type);
	if (info->command_line != 0)
		boot_take_command_line(boot, x86_direct(info->command_line));
	if (info->n_modules > 0) {
		const struct pvh_module *module = x86_direct(info->modules);

		boot->payload = module->base;
		boot->payload_size = module->size;
	}
	boot->rsdp = info->rsdp;
}
