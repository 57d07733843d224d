/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protected control transfer (exo/pe.h, Aegis' PCT): gates, INVOKE, SEND, REPLY.
 *
 * A gate is a binding from one PE to another: the key is checked when it is opened, and what it
 * names is compared with the PE that is found there when it is used. PEs and environments are never
 * given back to the heap, so that comparing needs no lock; entering the environment (env_enter)
 * keeps the PE from going while it is touched.
 *
 * Who waits for a reply and who serves are linked (machine_pe.callee and caller), always on one
 * core. While a PE is current, it and all its callers up the chain are entered: on its core alone
 * the links may change then, without a lock. At other times they change under that core's
 * scheduling lock. The machine may do the plain cases of INVOKE and REPLY itself; what comes here
 * is the rest.
 */
#ifndef CORE_TRANSFER_H
#define CORE_TRANSFER_H

#include "env.h"

/* Ends what `pe` is caller or callee of: its caller goes on with -EXO_ENOENT. Scheduling lock. */
void transfer_unlink(struct pe *pe);
/* Lets `pe` go on without the reply that it waits for. Scheduling lock. */
void transfer_abandon(struct pe *pe, int64_t result);
/* Enters a PE's environment, and those of all who wait for its reply; a caller that has ended is
 * left to its end. false: it has ended itself. Scheduling lock. And leaves them. */
bool transfer_enter(struct pe *pe);
void transfer_leave(struct pe *pe);
/* Delivers the oldest letter as a REMOTE upcall, if the PE is ready. Whether more wait. */
bool transfer_deliver(struct pe *pe, bool *delivered);

/* Puts a letter into a PE's inbox and tells it. Any context; the PE's environment must stay. 0 or
 * -EXO_EAGAIN: the inbox is full. */
int transfer_post(struct pe *to, uint32_t from, const uint64_t args[4]);

int64_t transfer_call_gate(struct call *call);
int64_t transfer_call_invoke(struct call *call);
int64_t transfer_call_send(struct call *call);
int64_t transfer_call_reply(struct call *call);

#endif
