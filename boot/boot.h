/* SPDX-License-Identifier: BSD-2-Clause */
/* What the entry paths share with each other and with the kernel that they start. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdint.h>

struct boot_info;

/* TSC at kernel entry, stored by the entry code. */
extern uint64_t boot_tsc;

/* From pvh.S: `start_info` is the physical address of the loader's struct. Does not return. */
void boot_pvh(uint64_t start_info) __attribute__((noreturn));

#endif
