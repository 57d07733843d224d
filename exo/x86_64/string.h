/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory functions that the compiler itself calls, for an image without DPDK's shim. Weak: the
 * shim's C library takes precedence where it is linked. */
#ifndef X86_STRING_H
#define X86_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
