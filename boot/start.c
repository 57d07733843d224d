/* SPDX-License-Identifier: BSD-2-Clause */
/* Where entry.S calls C: every path fills boot_info and meets in x86_main. */
#include <string.h>

#include "../exo/x86_64/x86.h"
#include "boot.h"

extern char kernel_bss[], kernel_end[];

struct boot_info boot_info __attribute__((section(".bss.boot")));

void boot_take_command_line(struct boot_info *boot, const char *text)
{
	uint32_t i;

	for (i = 0; i < BOOT_COMMAND_LINE_MAX - 1 && text[i] != '\0'; i++)
		boot->command_line[i] = text[i];
	boot->command_line[i] = '\0';
	boot->command_line_cut = text[i] != '\0';
}

void boot_add_range(struct boot_info *boot, uint64_t base, uint64_t size, uint32_t type)
{
	if (boot->n_ranges < BOOT_RANGES_MAX)
		boot->ranges[boot->n_ranges++] =
		        (struct boot_range){.base = base, .size = size, .type = type};
}

static void clear(void *from, size_t size)
{
	__asm__ volatile("rep stosq" : "+D"(from), "+c"(size) : "a"(0) : "memory");
}

void boot_start(enum boot_kind kind, uint64_t argument)
{
	struct boot_info *boot = &boot_info;

	/* An ELF's loader has cleared what follows the file's bytes; the hybrid's need not. */
	if (kind != BOOT_PVH)
		clear(kernel_bss, (size_t)(kernel_end - kernel_bss) / 8);
	if (kind != BOOT_EFI)
		memset(boot, 0, sizeof(*boot));
	if (kind == BOOT_PVH)
		boot_pvh(boot, argument);
	else if (kind == BOOT_LINUX)
		boot_linux(boot, argument);
	else
		boot->loader = "EFI";
	x86_main(boot, boot_tsc);
}
