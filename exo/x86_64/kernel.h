/* SPDX-License-Identifier: BSD-2-Clause */
/* The image's own borders, from boot/kernel.ld. */
#ifndef X86_KERNEL_H
#define X86_KERNEL_H

#include <exo/layout.h>

#include "x86.h"

extern const char kernel_start[], kernel_text_end[]; /* text: [start, text_end) */
extern const char kernel_rodata[];                   /* read-only: [rodata, data) */
extern char kernel_data[], kernel_end[];             /* writable: [data, end) */

extern void (*const kernel_constructors[])(void);
extern void (*const kernel_constructors_end[])(void);

/* The template of thread-local storage; the last three are numbers that the linker wrote as
 * addresses. */
extern const char kernel_tls[], kernel_tls_file[], kernel_tls_size[], kernel_tls_align[];

static inline uint64_t kernel_physical(const void *address)
{
	return (uint64_t)address - (uint64_t)kernel_start + x86_image_physical;
}

#endif
