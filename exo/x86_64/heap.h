/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's heap: runs of pages, and slabs of small blocks inside single pages. Its size is
 * fixed at start; machine_alloc and x86_alloc_raw are its front.
 */
#ifndef X86_HEAP_H
#define X86_HEAP_H

#include "x86.h"

/* Takes over the memory of memory_heap_region. */
void heap_init(struct x86_region region);
/* `count` pages in one piece, aligned to `align` pages (a power of two), not cleared. NULL: none.
 */
void *heap_pages(size_t count, size_t align);
/* One cleared page for a page table. NULL: none. */
void *heap_table(void);
/* Frees what any of the allocators gave. */
void heap_free(void *memory);

#endif
