/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical memory at start: what the firmware's map leaves over once the first MiB, the kernel's
 * image and the payload are taken out, cut into the kernel's heap, DPDK's region, the code window,
 * and the rest, which environments own.
 */
#ifndef X86_MEMORY_H
#define X86_MEMORY_H

#include "../core/boot_info.h"
#include "x86.h"

enum {
	MEMORY_CODE_BYTES = 2 << 20, /* of the window for compiled code */
};

/* Reads the map and divides memory. Panics where there is too little. */
void memory_init(const struct boot_info *boot);
/* The heap's pages, below 4 GiB. */
struct x86_region memory_heap_region(void);
/* The code window's pages. */
struct x86_region memory_code_region(void);
/* Whether all of [physical, physical + size) is memory that the direct map shows. */
bool memory_is_direct(uint64_t physical, uint64_t size);
/* The i-th range of the direct map in bytes, ascending and apart; false: no more. */
bool memory_direct_range(unsigned i, uint64_t *base, uint64_t *size);

#endif
