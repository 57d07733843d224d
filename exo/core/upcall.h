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
/* A transfer from environment `from`. false: it has no entry, or is in a handler. */
bool upcall_remote(struct pe *pe, uint32_t from, const uint64_t args[4]);
/* Parks a PE (machine.h): with `save` one outside of handlers that can be transferred to, else one
 * inside a handler, whose interrupted state is saved already. Others are left as they are. */
void upcall_park(struct pe *pe, bool save);
/* A parked PE's next instruction is that of its resume range. */
void upcall_unpark(struct pe *pe);
/* The result of the call in which it waits. */
void upcall_set_result(struct pe *pe, uint64_t result);
/* Delivers what is pending, as far as the PE wants it and is not masked. `deadline`: what a
 * SLOT_END among it is given. */
void upcall_events(struct pe *pe, uint64_t deadline);
/* Whether an interrupt upcall could be delivered now. */
bool upcall_ready(const struct pe *pe);
/* Takes pending events, but those that have an entry point of their own: the result of
 * EXO_CALL_WAIT. */
uint32_t upcall_take(struct pe *pe);
/* Code that was interrupted inside the resume range begins it again. */
void upcall_restart(struct pe *pe);

int64_t upcall_call_pending(struct call *call);
int64_t upcall_call_resume(struct call *call);

#endif
