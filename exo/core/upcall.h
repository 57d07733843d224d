/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upcalls: how the kernel enters an environment's handlers (exo/pe.h). On the PE's own core only.
 */
#ifndef CORE_UPCALL_H
#define CORE_UPCALL_H

#include <stdbool.h>

#include "env.h"

/* Prepares the PE's registers so that it next runs the handler of an exception or page fault.
 * false: it has no handler, or the fault happened inside one; then the environment must end. */
bool upcall_fault(struct pe *pe, const struct machine_trap *trap);
/* A foreign system call. false: nobody wants it, and it gets -EXO_ENOSYS. */
bool upcall_own_call(struct pe *pe);
/* Delivers what is pending, as far as the PE wants it and is not masked. `deadline`: what a
 * SLOT_END among it is given. */
void upcall_events(struct pe *pe, uint64_t deadline);
/* Whether an interrupt upcall could be delivered now. */
bool upcall_ready(const struct pe *pe);
/* Takes all pending events: the result of EXO_CALL_WAIT. */
uint32_t upcall_take(struct pe *pe);
/* Code that was interrupted inside the resume range begins it again. */
void upcall_restart(struct pe *pe);

int64_t upcall_call_pending(struct call *call);
int64_t upcall_call_resume(struct call *call);

#endif
