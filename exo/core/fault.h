/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of environments that fault where no handler of theirs takes it. */
#ifndef CORE_FAULT_H
#define CORE_FAULT_H

#include "env.h"

/* Ends the environment of `pe`, whose space runs on this core, with a console line that names the
 * environment, the exception, the address and the instruction; with registers and the addresses
 * that frame pointers lead to. All that is kept as its record (who has its symbols can name them).
 */
void fault_end(struct pe *pe, const struct machine_trap *trap);

int64_t fault_call_record(struct call *call);

#endif
