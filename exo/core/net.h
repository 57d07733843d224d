/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet path: flow space, bindings, rings, demultiplexer, transmit guard. This is all that the
 * rest of the core sees of it; README.md says which file does what.
 *
 * Who may call what when: the net_call_* functions and net_env_end run with the core's other state
 * unlocked; they take the packet path's own lock. net_poll takes no lock but those of shared
 * transmit queues, so nothing that a call does delays it. A core counts as a reader of tables,
 * rings and frames only inside net_poll.
 *
 * What it relies on: the owner of a frame can be read at any time without a lock, and a frame that
 * changes owner is not given to anybody (nor zeroed) before net_quiesce has returned; pinned frames
 * are not freed. An environment with EXO_EVENT_RING pending does not sleep in EXO_CALL_WAIT: the
 * event is raised after the ring's head has moved, so that no wake is lost.
 *
 * Calls return 0 or more, or -enum exo_error. Blocks are the kernel's copies; what they point to in
 * the caller's space, which runs on this core, is copied once.
 */
#ifndef CORE_NET_H
#define CORE_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/call.h>
#include <exo/info.h>

struct env;

/*
 * Prepares everything, on the first core, after the ledger and before any environment starts: the
 * filter engine (flt_init), a table per port, transmit buffers. Ports are started already
 * (machine_info). 0 or -EXO_ENOMEM.
 */
int net_start(void);

/*
 * Makes the root of flow space: every frame on every port, both ways, any priority, all rights of
 * its kind (BIND, SEND, TAP, SENT, SHARE, HOST, GRANT, FREE); `holder` will hold it. At most one is
 * needed: init's. 0 or -EXO_ENOMEM.
 */
int net_flow_root(uint32_t holder, struct exo_cap *out);

/* EXO_CALL_FLOW_GRANT (struct exo_flow_grant). EXO_EPERM where a set, right, port or the priority
 * exceeds the parent's; EXO_EINVAL for a malformed conjunction; EXO_E2BIG beyond the limits. */
int64_t net_call_flow_grant(struct env *caller, struct exo_flow_grant *grant);

/* EXO_CALL_BIND (struct exo_bind). The reason of a refusal goes to the caller's buffer as text.
 * EXO_EVERIFY: the program was refused; EXO_EPERM: outside the flow space, or a right is missing;
 * EXO_EBUSY: overlaps another environment's binding of no higher priority, and SHARE is missing. */
int64_t net_call_bind(struct env *caller, struct exo_bind *arg);

/* EXO_CALL_UNBIND (cap *). When it returns, no core delivers to the binding any more. */
int64_t net_call_unbind(struct env *caller, const struct exo_cap *cap);

/* EXO_CALL_RING_CREATE (struct exo_ring_create): pins the ring's frames. */
int64_t net_call_ring_create(struct env *caller, struct exo_ring_create *arg);

/* EXO_CALL_RING_DESTROY (cap *). EXO_EBUSY while a binding delivers to it. When it returns, the
 * kernel touches neither the ring's frames nor buffers named in it. */
int64_t net_call_ring_destroy(struct env *caller, const struct exo_cap *cap);

/* EXO_CALL_RING_OUTDO (struct exo_ring_outdo). */
int64_t net_call_ring_outdo(struct env *caller, const struct exo_ring_outdo *arg);

/* EXO_CALL_DOORBELL (ring id): what `core`, that it is called on, polls is sent from at once, a
 * batch at most; else, or beyond that, the bell rings, which is net_call_doorbell alone: the next
 * poll of the ring's core sends. Both take no lock. */
int64_t net_call_send(struct env *caller, uint64_t id, unsigned core);
int64_t net_call_doorbell(struct env *caller, uint64_t id);

/* EXO_CALL_PORT_MERGE. */
int64_t net_call_port_merge(uint64_t port);

/* EXO_CALL_REVOKE for EXO_KIND_FLOW, EXO_KIND_BINDING and EXO_KIND_RING; rights are checked
 * already. A flow space ends with everything derived from it: spaces, bindings, transmit rings'
 * authority. 0 or -EXO_ESTALE. */
int net_revoke(const struct exo_cap *cap);

/* A pinned frame is taken from its owner by force: no NIC function reaches it any more. Core lock
 * held. */
void net_frame_leaves(uint64_t frame);

/* The environment has ended: its flow spaces (and what was derived from them), bindings and rings
 * are gone and its pins released when this returns. It runs on no core any more. */
void net_env_end(struct env *env);

/*
 * One bounded poll of this core's queues: receives, delivers, then transmits from rings whose
 * doorbell rang. `budget` bounds the frames taken each way. Wakes environments whose rings got
 * something. Returns how many frames it handled, or 1 where frames wait for a port that is full: 0
 * means that there is nothing to do until an interrupt, a doorbell or time passes.
 */
unsigned net_poll(unsigned core, unsigned budget);

/* From now on this core's polls look for what there is to send by themselves (on), or wait for
 * doorbells: what a core does that runs nobody, or one that is about to. → off: whether something
 * came meanwhile, so that it has to poll once more. */
bool net_watch(unsigned core, bool on);

/* When net_poll has to be called again though nothing interrupts; UINT64_MAX: it need not. */
uint64_t net_deadline(unsigned core, uint64_t now);

/* Returns once no core is inside a net_poll that began before: what it had been given to read or
 * write (a frame that changed owner) is untouched from then on. At most one bounded poll long; not
 * from net_poll. Takes no lock: it is called with the core lock held. */
void net_quiesce(void);

/* Brings the counters of the information pages up to date: drops and polls of *info and the
 * statistics of its n_ports ports. Every call asks the NICs: some ten times a second is plenty. */
void net_info_update(struct exo_info *info, struct exo_port_info *ports);

/* EXO_CALL_LEDGER for EXO_KIND_FLOW, _BINDING, _RING: the first unit of the kind at or behind
 * *cursor; *cursor moves behind it. false: there is none. */
bool net_list(uint32_t kind, uint64_t *cursor, struct exo_ledger_entry *entry);

#endif
