/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU time: on each core a linear vector of slots with owners, and the loop that runs them.
 *
 * The loop goes round the vector and gives each owned slot to its owner's PE on that core, as long
 * as that can run; slots of nobody, and of PEs that wait, take no time. At a slot's end a PE whose
 * interrupt entry is set and that is not masked gets EXO_EVENT_SLOT_END and save_ticks to yield in;
 * what it takes from the end on is then deducted from its next slots (and counted as ticks_over)
 * unless it did yield. Any other PE is switched away without noticing. If nobody else can run, the
 * slot simply goes on. Where a PE was cut off, the next slot begins with EXO_EVENT_SLOT_BEGIN;
 * where it yielded or waited, the call's return is the begin. A PE that ignores SLOTS_OVERRUNS_MAX
 * slot ends in a row has its environment ended (the abort protocol). The slots of a PE that waits
 * for another's reply (transfer.h) are the other's.
 *
 * Who waits for rings while nobody else has use for the core is not left (slot_wait.c): its slot is
 * over, nobody pays, and the next one begins where it stands once something comes. Somebody else's
 * event, its own timer, deadline or end, or SLOTS_IDLE_MAX slots send it the long way.
 *
 * The network is polled on each interrupt inside a slot (of NICs: from SLOTS_DEAF_PART of one on),
 * and for as long as nobody can run, and once where somebody has sent and is about to sleep; a
 * doorbell only has its ring sent from. Other cores' bells, and slots that they move, interrupt who
 * runs at once, and then SLOTS_DEAF_PART of a slot later at the soonest. A core halts after
 * SLOTS_SPIN_PART of a slot without work, and looks again every SLOTS_IDLE_MAX slots.
 *
 * Locks: a core's scheduling lock guards its list of PEs and the owners of its slots, which other
 * cores change; the rest belongs to the core.
 */
#ifndef CORE_SLOTS_H
#define CORE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/info.h>

struct env;
struct pe;
struct call;
struct machine_pe;

enum {
	SLOTS_PER_SECOND = 1000,
	SLOTS_SAVE_PART = 4, /* of a slot: time to save in */
	SLOTS_DEAF_PART = 8, /* of a slot: time until NICs may interrupt who runs */
	SLOTS_DEAF_MAX = 16, /* slots after which they may from the begin */
	SLOTS_SPIN_PART = 4, /* of a slot: time of empty polls before the core halts */
	SLOTS_IDLE_MAX = 10, /* slots that a core halts at most: what waits for a NIC that was full
	                        has no interrupt of its own */
	SLOTS_POLL_BUDGET = 64,
	SLOTS_FOUND_MAX =
	        4, /* polls that find something before who waits in place is looked after */
	SLOTS_OVERRUNS_MAX = 100,
};

/* Sets up all cores. After info_init. */
void slots_init(void);
/* This core's loop. Does not return. */
void slots_run(void) __attribute__((noreturn));
/* One turn of it: picks a PE and runs its slot, or polls and idles. For tests on the host. */
void slots_turn(void);

/* Gives the rest of the slot, once it is left, to an environment's PE on this core; `wake`: ends
 * its sleep. 0, -EXO_ENOENT (it has none there), -EXO_EAGAIN (it can't run now). */
int64_t slots_donate(uint32_t id, bool wake);

/* Another PE of this core has the rest of the slot, or has it back; it is entered. */
void slots_switch(struct pe *to);

/* A PE may be able to run, by an event that it has got. Lock-free, any core. */
void slots_ready(struct pe *pe);

/* A PE that has been set up appears on its core; one that goes disappears, with its slots'
 * reference to it. Core lock held. */
void slots_add(struct pe *pe);
void slots_remove(struct pe *pe);

/* Gives free slots, and slots of `from`, to `to` (NULL: to nobody). 0, -EXO_EBUSY, -EXO_ENOENT. */
int slots_take(uint32_t from, struct env *to, uint64_t first, uint64_t count);
/* Frees all slots of an environment. */
void slots_free_all(struct env *env);

int64_t slots_call_yield(struct call *call);
int64_t slots_call_wait(struct call *call);
int64_t slots_call_ring_wait(struct call *call);
int64_t slots_leaf_ring_wait(struct machine_pe *machine, uint64_t deadline, uint64_t ring,
                             uint64_t c);
int64_t slots_call_timer(struct call *call);
int64_t slots_call_take(struct call *call);
int64_t slots_call_free(struct call *call);

#endif
