/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's own page tables: SDM vol. 3A, 4.5. Every top-level entry of the upper half is made
 * at start, so that address spaces copy them once and later mappings show in all of them.
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include "cpu.h"

enum {
	PTE_PRESENT = 1 << 0,
	PTE_WRITE = 1 << 1,
	PTE_USER = 1 << 2,
	PTE_UNCACHED = 3 << 3, /* PWT and PCD: entry 3 of the PAT, UC as the CPU starts */
	PTE_ACCESSED = 1 << 5,
	PTE_DIRTY = 1 << 6,
	PTE_LARGE = 1 << 7,
	PTE_GLOBAL = 1 << 8,
};
#define PTE_NX      (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull

enum {
	PAGING_ENTRIES = 512,
	PAGING_UPPER = 256, /* first top-level entry of the kernel's half */
};

/* Builds the tables for the image, the direct map and the windows, and loads them. First core. */
void paging_init(void);
/* Loads the kernel's tables on this core: no environment's memory is mapped then. */
void paging_load(void);
/* The top-level table, and its physical address. */
const uint64_t *paging_top(void);
uint64_t paging_top_physical(void);

/* Maps [virtual, +size) to [physical, +size) with `flags` (PTE_PRESENT and GLOBAL are added).
 * Panics where the heap has no page for a table. */
void paging_map(uint64_t virtual, uint64_t physical, uint64_t size, uint64_t flags);
/* The lowest-level entry of a mapped kernel page of 4 KiB, NULL where there is none. */
uint64_t *paging_entry(uint64_t virtual);
/* Drops this core's TLB entry of one kernel page. */
void paging_forget(uint64_t virtual);

/* Allocates this core's stacks, each between unmapped pages, and enters them into its TSS. */
void paging_make_stacks(struct cpu *cpu);
/* If `address` is inside an unmapped page below one of a core's stacks: the stack's name. */
const char *paging_guard(uint64_t address);

/* Low memory as it was before paging, for starting other cores: physical address of a top-level
 * table that has the kernel's half and an identity map of the first 2 MiB; below 4 GiB. Freed by
 * paging_drop_trampoline. */
uint64_t paging_make_trampoline(void);
void paging_drop_trampoline(void);

#endif
