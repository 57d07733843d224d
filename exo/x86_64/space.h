/* SPDX-License-Identifier: BSD-2-Clause */
/* Address spaces' inside, for the rest of x86_64. */
#ifndef X86_SPACE_H
#define X86_SPACE_H

#include "cpu.h"

/* Makes `space` the one that this core's lower half shows; does nothing where it is. */
void space_load(struct cpu *cpu, struct machine_space *space);
/* Serves the TLB requests of other cores to this one, if there are any. Called wherever a core
 * waits. */
void space_serve_flush(void);

#endif
