/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting in place: who sends and waits while nobody else has use for the core is not left, and
 * goes on where it was, as soon as something comes. slots.h.
 */
#include "slots_core.h"

/* Whether the core is the PE's alone: the next slot is its own, and nothing about it is special. */
static inline bool has_core(const struct core *core, const struct pe *pe, uint64_t now)
{
	uint64_t ready = __atomic_load_n(&core->ready, __ATOMIC_SEQ_CST);
	uint64_t own = __atomic_load_n(&pe->slots, __ATOMIC_RELAXED);

	return (ready & __atomic_load_n(&core->owned, __ATOMIC_RELAXED) & ~own) == 0 && own &&
	       now < core->due && !core->donee;
}

/* The slot of who waits here is over: what follows nobody pays for. */
static void begin_waiting(struct core *core, struct pe *pe, uint64_t deadline, uint64_t now)
{
	pe->env->account->ticks_used += now - core->started;
	core->started = core->idle_since = now;
	core->save_end = 0;
	pe->overruns = 0;
	pe->wait_deadline = deadline ? deadline : UINT64_MAX;
	pe->machine.waiting = true;
}

static __attribute__((noinline)) void deafen(struct core *core, const struct pe *pe, uint64_t now)
{
	core->listened = now;
	slots_deafen(core, now);
	slots_arm(core, pe);
}

/* NICs that polls have looked at until now stay silent for a while yet. Done again only where fewer
 * than `eighths` of it are left: the timer is dear. */
static inline void stay_deaf(struct core *core, const struct pe *pe, uint64_t now, unsigned eighths)
{
	uint64_t eighth = core_info->slot_ticks / SLOTS_DEAF_PART / 8, least = eighth * eighths;

	if (__builtin_expect(core->listen_at - now - least > 8 * eighth - least, 0))
		deafen(core, pe, now);
}

/* After a poll in vain. Whether the PE goes on waiting here: for what the slots' loop need not look
 * into, and a bounded time. */
static __attribute__((noinline)) bool stay(struct core *core, struct pe *pe, uint64_t deadline,
                                           uint64_t now)
{
	const struct env *env = pe->env;

	if (pe != core->current || core->payer != env || pe->machine.caller || env->events)
		return false;
	/* First of all: where others can run, the slot's end stays what it was. */
	if (!is_running(env) || !has_core(core, pe, now) || pe->debt || pe->blocked ||
	    now >= pe->timer)
		return false;
	if (!core->idle_since)
		begin_waiting(core, pe, deadline, now);
	if (now >= pe->wait_deadline ||
	    now - core->idle_since > SLOTS_IDLE_MAX * core_info->slot_ticks)
		return false;
	if (now - core->last_work >= core_info->slot_ticks / SLOTS_SPIN_PART) {
		deadline = slots_next_deadline(core, now);
		if (deadline != 0)
			machine_idle(deadline);
	}
	slots_keep_house(machine_tsc());
	now = machine_tsc();
	core->slot_end = now + core_info->slot_ticks; /* what comes finds the timer set */
	stay_deaf(core, pe, now, 7);
	slots_arm(core, pe);
	return true;
}

/* What came ends the wait, and the next slot begins; where others can run as well by now, it is
 * over at once, and the vector decides. */
static inline void end_waiting(struct core *core, struct pe *pe, uint64_t now)
{
	pe->machine.waiting = false;
	core->started = now;
	core->slot_end = now + core_info->slot_ticks;
	if (__builtin_expect(!has_core(core, pe, now), 0)) {
		core->slot_end = now;
		slots_arm(core, pe);
	}
}

/* Polls until something comes for the PE that called, or it has to leave. Behind a poll that found
 * what was others' or a handler's there is more to come: it is polled again at once, for a while.
 */
static inline void wait_here(struct core *core, struct pe *pe, uint64_t deadline)
{
	unsigned found = 0;
	uint64_t now;

	core->idle_since = 0;
	do {
		now = slots_poll(core);
		found = now == core->last_work ? found + 1 : 0;
	} while (__atomic_load_n(&pe->machine.events, __ATOMIC_RELAXED) == 0 &&
	         (found % SLOTS_FOUND_MAX != 0 || stay(core, pe, deadline, now)));
	if (core->idle_since)
		end_waiting(core, pe, now);
	stay_deaf(core, pe, now, 4);
}

/*
 * Looks at what came meanwhile before it goes to sleep: under load nobody is switched, and NICs
 * need not interrupt. Where nobody else has use for the core the PE waits right here.
 */
static inline int64_t send_and_wait(struct core *core, struct pe *pe, uint64_t deadline,
                                    uint64_t ring)
{
	int64_t error = net_call_send(pe->env, ring, core->number);

	if (!error && __atomic_load_n(&pe->machine.events, __ATOMIC_RELAXED) == 0)
		wait_here(core, pe, deadline);
	return error;
}

/* EXO_EVENT_RING where that is all that came, and the PE may go on. */
static inline int64_t take_plain(struct pe *pe)
{
	uint32_t plain = EXO_EVENT_RING;

	if (!is_running(pe->env) || (pe->machine.page && pe->machine.page->pending) ||
	    !__atomic_compare_exchange_n(&pe->machine.events, &plain, 0, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_RELAXED))
		return MACHINE_NOT_LEAF;
	return EXO_EVENT_RING;
}

/* As a leaf, as long as the answer is that a ring has something, or that it could not be sent. What
 * the machine did on its own before comes to the core first, by a trap: who runs, and who may. */
int64_t slots_leaf_ring_wait(struct machine_pe *machine, uint64_t deadline, uint64_t ring,
                             uint64_t c)
{
	struct pe *pe = pe_of(machine);
	struct core *core = &slots_cores[pe->core];
	int64_t result;

	__asm__("" : "+r"(core)); /* so that it is not reckoned anew at each use */
	if (pe != core->current || machine->invoked || !machine_leaf_begin(machine))
		return MACHINE_NOT_LEAF;
	result = send_and_wait(core, pe, deadline, ring);
	if (result == 0)
		result = take_plain(pe);
	machine_leaf_end(machine);
	if (result == MACHINE_NOT_LEAF)
		core->asked = pe;
	else
		pe->env->account->calls++;
	return result;
}

int64_t slots_call_ring_wait(struct call *call)
{
	struct core *core = this_core();
	int64_t error = 0;

	if (core->asked != call->pe)
		error = send_and_wait(core, call->pe, call->arg[0], call->arg[1]);
	core->asked = NULL;
	call->arg[1] = call->arg[2] = 0;
	return error ? error : slots_call_wait(call);
}
