/* SPDX-License-Identifier: BSD-2-Clause */
/* What slots.c and slot_owners.c know of a core, and nobody else: slots.h. */
#ifndef CORE_SLOTS_CORE_H
#define CORE_SLOTS_CORE_H

#include "slots.h"

#include "core.h"
#include "env.h"
#include "extent.h"
#include "net.h"

/* Whether other cores have asked a core to look around: who is the first nudges it. */
enum { LOOK_UNASKED, LOOK_ASKED, LOOK_HELD };

struct core {
	/* Under `lock`; changed by any core that also holds the core lock. */
	struct machine_lock lock;
	struct pe *pes;
	struct pe *slots[EXO_SLOTS_PER_CORE]; /* the owners' PEs on this core */
	uint64_t owned;                       /* bit i: slots[i] is not NULL */
	uint64_t ready; /* atomic: of those, all whose PEs may be able to run before `due` */

	/* This core's own. */
	struct pe *current;     /* NULL: none */
	struct env *payer;      /* who pays for the slot: its beginner */
	uint64_t started;       /* when the slot began; what is before is paid */
	uint64_t idle_since;    /* when `current` began to wait in place; 0: it does not */
	const struct pe *asked; /* whose RING_WAIT, declined as a leaf, has sent and polled */
	struct pe *donee;       /* gets the rest of the slot */
	unsigned number;
	bool passed;                 /* the slot went on to a donee before anybody ran in it */
	unsigned slot;               /* index in the vector */
	uint64_t slot_end, save_end; /* save_end 0: the PE was not told of the end */
	uint64_t listen_at;          /* when NICs may interrupt who runs; UINT64_MAX: they may */
	uint64_t listened;           /* when they could last, or the core halted */
	uint64_t last_work;          /* TSC at which there was something to do */
	uint64_t due;                /* when the others may by time alone, at the earliest */
	bool watching;               /* see net_watch */

	uint64_t look_at; /* when it does so inside a slot, if it was asked a moment ago */
	uint32_t wanted;  /* atomic: LOOK_HELD: not yet again, see poll_inside */
} __attribute__((aligned(64)));

extern struct core slots_cores[EXO_CORES_MAX];

static inline struct core *this_core(void)
{
	struct core *core = &slots_cores[machine_core()];

	__asm__("" : "+r"(core)); /* so that it is not reckoned anew at each use */
	return core;
}

static inline bool is_running(const struct env *env)
{
	return __atomic_load_n(&env->state, __ATOMIC_ACQUIRE) == EXO_ENV_RUNNING;
}

/* For the slot's end, and the timers of who runs and who waits for it. */
static inline void slots_arm(const struct core *core, const struct pe *pe)
{
	uint64_t end = core->save_end ? core->save_end : core->slot_end;

	if (core->listen_at < end)
		end = core->listen_at;
	if (core->look_at < end)
		end = core->look_at;
	for (const struct pe *p = pe; p; p = p->machine.caller ? pe_of(p->machine.caller) : NULL)
		end = p->timer < end ? p->timer : end;
	machine_timer(end);
}

/*
 * To have NICs interrupt, and to poll once more before, costs more than a short run: so they may
 * not at first. Once a slot they may at once, for who runs again and again.
 */
static inline void slots_deafen(struct core *core, uint64_t now)
{
	bool due = now - core->listened > SLOTS_DEAF_MAX * core_info->slot_ticks;

	core->listen_at = due ? now : now + core_info->slot_ticks / SLOTS_DEAF_PART;
	machine_listen(false);
}

/* → when. */
static inline uint64_t slots_poll_on(struct core *core)
{
	unsigned n;
	uint64_t now;

	extent_poll();
	n = net_poll(core->number, SLOTS_POLL_BUDGET);
	now = machine_tsc();
	if (n != 0)
		core->last_work = now;
	return now;
}

static inline uint64_t slots_poll(struct core *core)
{
	__atomic_store_n(&core->wanted, LOOK_UNASKED, __ATOMIC_SEQ_CST);
	return slots_poll_on(core);
}

/* When somebody may be able to run though nothing interrupts; 0: somebody can already. */
uint64_t slots_next_deadline(struct core *core, uint64_t now);
/* What a core does for everybody between its turns. */
void slots_keep_house(uint64_t now);

#endif
