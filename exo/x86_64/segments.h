/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments, task state and interrupt descriptors: SDM vol. 3A, chapters 3.4, 6.14 and 8.7. */
#ifndef X86_SEGMENTS_H
#define X86_SEGMENTS_H

#include "cpu.h"

/* Makes `cpu` this core's: GS base. Nothing that asks for the core works before. */
void segments_name_core(struct cpu *cpu);
/* Builds the interrupt descriptors, once. */
void segments_init(void);
/* Loads this core's GDT, IDT and TSS; its stacks must be there. */
void segments_load(void);

#endif
