/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upcalls (exo/pe.h): how an environment takes part in its own exceptions, page faults, events and
 * foreign system calls.
 *
 * exo_start (entry.S) sets the PE up with no entry wanted, so that a fault ends the environment as
 * exo/pe.h says. Each handler that is installed here makes the kernel deliver that kind. A handler
 * runs on the handler stack with upcalls masked, may change pe->saved, and returns
 *
 *     true   resume pe->saved
 *     false  not mine: the fault happens again, with no handler, and ends the environment; the
 *            kernel then names the true vector and address
 *
 * Handlers are compiled with general registers only (or save what they use: exo_vector_save) and
 * must not fault.
 */
#ifndef LIBEXO_UPCALL_H
#define LIBEXO_UPCALL_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/pe.h>

typedef bool exo_upcall_handler(struct exo_pe *pe, void *arg);

/*
 * Installs (or, with NULL, removes) the handler of one kind but EXO_UPCALL_REMOTE. One of
 * EXO_UPCALL_INTERRUPT need not care for EXO_EVENT_SLOT_END: the library yields behind it. 0 or the
 * kernel's error. Events that were pending before an interrupt handler is installed are delivered
 * at the next upcall's end or kernel event.
 */
int exo_upcall_handle(enum exo_upcall_kind kind, exo_upcall_handler *handler, void *arg);

/*
 * Serves other environments' transfers (EXO_CALL_INVOKE, and SEND, whose result goes nowhere) by
 * `serve`, which runs like a handler; NULL: no more. What it returns is the reply. Where nothing
 * else is to be done, sleep in exo_wait meanwhile.
 */
typedef uint64_t exo_remote_function(uint32_t caller, uint64_t a, uint64_t b, uint64_t c,
                                     uint64_t d);
int exo_remote_serve(exo_remote_function *serve);

/* This core's PE page. */
struct exo_pe *exo_upcall_pe(void);

/*
 * Saves all enabled vector state (XSAVE) on behalf of a handler that calls into code compiled with
 * vectors, and restores it. `area`: exo_info()->vector_bytes, 64-byte aligned, zeroed once.
 */
void exo_vector_save(void *area);
void exo_vector_restore(const void *area);

#endif
