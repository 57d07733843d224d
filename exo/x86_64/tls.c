/* SPDX-License-Identifier: BSD-2-Clause */
/* See tls.h. Below the thread pointer lies the block; at it the pointer itself (offset 0) and the
 * stack protector's canary (offset 0x28). */
#include "start.h"

#include "heap.h"
#include "kernel.h"
#include <string.h>

enum {
	ALIGN_LEAST = 64,
	CONTROL_BYTES = 128,
	CANARY_WORD = 5,
};

void tls_make(struct cpu *cpu)
{
	size_t file = (size_t)kernel_tls_file, memory = (size_t)kernel_tls_size;
	size_t align = (size_t)kernel_tls_align;
	size_t block, room;
	uint8_t *base, *pointer;
	uint64_t *control;

	if (align < ALIGN_LEAST)
		align = ALIGN_LEAST;
	block = (memory + align - 1) & ~(align - 1);
	room = block + CONTROL_BYTES;
	base = x86_alloc_raw(room, align);
	if (base == NULL)
		machine_panic("no memory for thread-local storage of core %u", cpu->number);
	memset(base, 0, room);
	pointer = base + block;
	/* The linker places the first byte at a multiple of the alignment, and counts from the end.
	 */
	memcpy(pointer - ((memory + (size_t)kernel_tls_align - 1) & -(size_t)kernel_tls_align),
	       kernel_tls, file);
	control = (uint64_t *)pointer;
	control[0] = (uint64_t)pointer;
	machine_random(&control[CANARY_WORD], sizeof(uint64_t));
	cpu->thread_pointer = pointer;
}
