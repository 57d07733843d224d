/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc and its kin on the kernel's heap. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/machine.h"
#include "../../x86_64/x86.h"

enum { BLOCK_ALIGN = 16 }; /* what any type may need (x86-64 psABI, 3.1.2) */

static void *or_enomem(void *block)
{
	if (block == NULL)
		errno = ENOMEM;
	return block;
}

void *malloc(size_t size)
{
	return or_enomem(x86_alloc_raw(size, BLOCK_ALIGN));
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return or_enomem(NULL);
	return or_enomem(machine_alloc(bytes));
}

void free(void *block)
{
	if (block != NULL)
		machine_free(block);
}

void *realloc(void *block, size_t size)
{
	void *larger;

	if (block != NULL && size <= x86_alloc_size(block))
		return block;
	larger = malloc(size);
	if (larger != NULL && block != NULL) {
		memcpy(larger, block, x86_alloc_size(block));
		free(block);
	}
	return larger;
}
