/* SPDX-License-Identifier: BSD-2-Clause */
/* What exceptions are called, for people: Intel SDM vol. 3A, table 6-1. */
#ifndef CORE_EXCEPTIONS_H
#define CORE_EXCEPTIONS_H

#include <stddef.h>
#include <stdint.h>

static inline const char *exception_name(uint64_t vector)
{
	static const char *const names[] = {
	        [0] = "divide error",
	        [1] = "debug exception",
	        [2] = "NMI",
	        [3] = "breakpoint",
	        [4] = "overflow",
	        [5] = "bound exceeded",
	        [6] = "invalid instruction",
	        [7] = "no coprocessor",
	        [8] = "double fault",
	        [10] = "invalid TSS",
	        [11] = "segment not present",
	        [12] = "stack fault",
	        [13] = "general protection fault",
	        [14] = "page fault",
	        [16] = "x87 error",
	        [17] = "alignment check",
	        [18] = "machine check",
	        [19] = "SIMD error",
	        [21] = "control protection fault",
	};
	const char *name = vector < sizeof(names) / sizeof(names[0]) ? names[vector] : NULL;

	return name ? name : "exception";
}

#endif
