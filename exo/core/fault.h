/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of environments that fault where no handler of theirs takes it. */
#ifndef CORE_FAULT_H
#define CORE_FAULT_H

#include "env.h"

/* Ends the environment of `pe`, with a console line that names the environment, the exception, the
 * address and the instruction. */
void fault_end(struct pe *pe, const struct machine_trap *trap);

#endif
