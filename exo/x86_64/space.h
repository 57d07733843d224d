/* SPDX-License-Identifier: BSD-2-Clause */
/* Address spaces' inside, for the rest of x86_64. */
#ifndef X86_SPACE_H
#define X86_SPACE_H

#include "cpu.h"

struct machine_space {
	uint64_t top_physical; /* entry.S knows its place */
	uint64_t id;           /* never reused */
	uint64_t *top;
	volatile uint64_t generation;
	volatile bool dying; /* cores that hold it loaded must let go */
	uint32_t tables;     /* page tables in use, retired ones included */
	uint64_t *retired;   /* linked by their first word, which has bit 0 clear: not present */
	struct {
		uint64_t span; /* address / TABLE_SPAN; none has UINT64_MAX */
		uint64_t *table, *up;
	} last;         /* the table of pages that was found last, and the entry that names it */
	uint64_t empty; /* an address in the table that stays though it may be empty; 0: none */
};

/* Loads it by PCID, which is published in cpu->space already. */
void space_load_tagged(struct cpu *cpu, struct machine_space *space);

/* Makes `space` the one that this core's lower half shows; does nothing where it is. */
static inline void space_load(struct cpu *cpu, struct machine_space *space)
{
	if (cpu->space == space)
		return;
	cpu->space = space;
	if (__builtin_expect(cpu_has(EXO_FEATURE_PCID), 0))
		space_load_tagged(cpu, space);
	else
		cpu_write_cr3(space->top_physical); /* serialises: the space is published before */
}

/* Serves the TLB requests of other cores to this one, if there are any. Called wherever a core
 * waits. */
void space_serve_flush(void);

#endif
