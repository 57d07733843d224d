/* SPDX-License-Identifier: BSD-2-Clause */
/* What the entry paths share with each other and with the kernel that they start. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdint.h>

#include "../exo/core/boot_info.h"

/* By which protocol the kernel was entered; entry.S and hybrid/enter.S know the numbers. */
enum boot_kind {
	BOOT_PVH = 0,   /* argument: physical address of struct hvm_start_info */
	BOOT_LINUX = 1, /* of Linux's struct boot_params */
	BOOT_EFI = 2,   /* none: hybrid/efi.c has filled boot_info already */
};

/* TSC at kernel entry, stored by the entry code. */
extern uint64_t boot_tsc;
/* What was found out; hybrid/efi.c writes it before the kernel runs. */
extern struct boot_info boot_info;

/* From entry.S. Does not return. */
void boot_start(enum boot_kind kind, uint64_t argument) __attribute__((noreturn));

/* Fill *boot, which is all zero, from the loader's struct at a physical address below 4 GiB. */
void boot_pvh(struct boot_info *boot, uint64_t start_info);
void boot_linux(struct boot_info *boot, uint64_t params);

/* Helpers of both. A text that is too long is cut, and said to be. */
void boot_take_command_line(struct boot_info *boot, const char *text);
/* Appends a range; one too many is dropped: less memory, nothing worse. */
void boot_add_range(struct boot_info *boot, uint64_t base, uint64_t size, uint32_t type);

#endif
