/* SPDX-License-Identifier: BSD-2-Clause */
/* Time slots and the loop of each core: slots.h. */
#include "slots_core.h"

#include "core.h"
#include "hooks.h"
#include "cap.h"
#include "env.h"
#include "extent.h"
#include "log.h"
#include "net.h"
#include "revoke.h"
#include "transfer.h"
#include "upcall.h"

static uint64_t next_update; /* of the information pages, on core 0 */

/* ---- Who can run ---- */

static void set_timer(struct pe *pe, uint64_t deadline)
{
	pe->timer = deadline;
	pe->machine.plain = deadline == UINT64_MAX;
}

static void ring_timer(struct pe *pe, uint64_t now)
{
	if (now < pe->timer)
		return;
	set_timer(pe, UINT64_MAX);
	core_raise(pe->env, EXO_EXT_TIMER, pe->core, now, 0);
	pe_post(pe, EXO_EVENT_TIMER);
}

/* On the PE's own core. */
static bool runnable(struct pe *pe, uint64_t now)
{
	ring_timer(pe, now);
	if (__atomic_load_n(&pe->blocked, __ATOMIC_RELAXED))
		return false;
	return !pe->machine.waiting || now >= pe->wait_deadline ||
	       __atomic_load_n(&pe->machine.events, __ATOMIC_SEQ_CST) != 0;
}

void slots_ready(struct pe *pe)
{
	__atomic_or_fetch(&slots_cores[pe->core].ready,
	                  __atomic_load_n(&pe->slots, __ATOMIC_RELAXED), __ATOMIC_SEQ_CST);
}

/* What needs no closer look: it waits, and for something that has not come. It is looked at again
 * when an event says so, or a transfer (who_trapped, run_slot), or at its time. */
static inline bool asleep(struct core *core, struct pe *pe, uint64_t now)
{
	if (!pe->machine.waiting || now >= pe->wait_deadline || now >= pe->timer ||
	    __atomic_load_n(&pe->machine.events, __ATOMIC_SEQ_CST) != 0)
		return false;
	core->due = pe->wait_deadline < core->due ? pe->wait_deadline : core->due;
	core->due = pe->timer < core->due ? pe->timer : core->due;
	__atomic_and_fetch(&core->ready, ~pe->slots, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pe->machine.events, __ATOMIC_SEQ_CST) == 0)
		return true;
	slots_ready(pe); /* an event came in between */
	return false;
}

/* Everybody may be able to run, for all that is known. */
static void look_at_all(struct core *core)
{
	__atomic_or_fetch(&core->ready, __atomic_load_n(&core->owned, __ATOMIC_RELAXED),
	                  __ATOMIC_SEQ_CST);
}

static bool timer_passed(struct pe *pe, uint64_t now)
{
	ring_timer(pe, now);
	return __atomic_load_n(&pe->machine.events, __ATOMIC_ACQUIRE) & EXO_EVENT_TIMER;
}

/* Whether it waits for a reply of who runs this moment, directly or not. */
static bool waits_for_current(const struct core *core, const struct pe *pe)
{
	const struct machine_pe *p = core->current ? &core->current->machine : NULL;

	while (p && p != &pe->machine)
		p = p->caller;
	return p != NULL;
}

/* Who runs in a PE's slot: itself, or, while it waits for a reply, who is to give it; NULL: nobody
 * now. A timer that passed ends such waiting, but not under who serves this moment: it has entered
 * all who wait for it, and leaves them together. */
static struct pe *actor(const struct core *core, struct pe *pe, uint64_t now)
{
	if (pe->machine.callee && waits_for_current(core, pe))
		pe = core->current;
	for (; pe->machine.callee; pe = pe_of(pe->machine.callee)) {
		if (timer_passed(pe, now))
			transfer_abandon(pe, -EXO_EAGAIN);
		if (!pe->machine.callee)
			break;
	}
	return runnable(pe, now) ? pe : NULL;
}

/* Time that it took beyond its slots is paid back: a slot that is used up by that passes by. */
static uint64_t slot_length(struct pe *pe)
{
	uint64_t length = core_info->slot_ticks;

	if (pe->debt >= length) {
		pe->debt -= length;
		return 0;
	}
	length -= pe->debt;
	pe->debt = 0;
	return length;
}

/* Goes once round the vector, from the slot behind *slot on. Scheduling lock held. */
static struct pe *next_runnable(struct core *core, unsigned *slot, uint64_t now)
{
	unsigned first = (*slot + 1) % EXO_SLOTS_PER_CORE;
	uint64_t ready;

	if (now >= core->due) {
		core->due = UINT64_MAX;
		look_at_all(core);
	}
	ready = __atomic_load_n(&core->ready, __ATOMIC_SEQ_CST) & core->owned;
	ready = ready >> first | ready << -first % EXO_SLOTS_PER_CORE;
	for (; ready; ready &= ready - 1) {
		unsigned at = (first + (unsigned)__builtin_ctzll(ready)) % EXO_SLOTS_PER_CORE;
		struct pe *pe = core->slots[at];

		pe = asleep(core, pe, now) ? NULL : actor(core, pe, now);
		if (pe) {
			*slot = at;
			return pe;
		}
	}
	return NULL;
}

static struct pe *choose(struct core *core, uint64_t now)
{
	struct pe *pe = core->donee;

	core->donee = NULL;
	if (pe)
		return pe;
	pe = next_runnable(core, &core->slot, now);
	if (pe) {
		uint64_t length = slot_length(pe);

		core->slot_end = now + length;
		return length ? pe : NULL;
	}
	return NULL;
}

/* The next PE to run, entered; NULL: nobody can run now, which mostly is seen without the lock. */
static struct pe *pick(struct core *core, uint64_t now)
{
	struct pe *pe;
	bool entered = false;

	if (!core->donee && now < core->due &&
	    !(__atomic_load_n(&core->ready, __ATOMIC_SEQ_CST) & core->owned))
		return NULL;
	machine_lock(&core->lock);
	pe = choose(core, now);
	if (pe)
		entered = transfer_enter(pe);
	machine_unlock(&core->lock);
	return entered ? pe : NULL;
}

/* Whether the next slot is this PE's as well, or nobody could use it: then it simply begins. */
static bool next_is_same(struct core *core, const struct pe *pe, uint64_t now)
{
	unsigned slot = core->slot;
	const struct pe *next;

	machine_lock(&core->lock);
	next = next_runnable(core, &slot, now);
	machine_unlock(&core->lock);
	if (next && next != pe)
		return false;
	core->slot = slot;
	core->slot_end = now + core_info->slot_ticks;
	return true;
}

/* ---- A slot ---- */

static void listen(struct core *core, uint64_t now)
{
	if (now < core->listen_at)
		return;
	core->listen_at = UINT64_MAX;
	core->listened = now;
	machine_listen(true);
}

/* The slot is over. Whether the PE may go on. */
static bool slot_over(struct core *core, struct pe *pe, uint64_t now)
{
	if (!core->save_end && next_is_same(core, pe, now))
		return true;
	if (!core->save_end && upcall_ready(pe)) {
		core->save_end = now + core_info->save_ticks;
		pe_post(pe, EXO_EVENT_SLOT_END);
		return true;
	}
	if (core->save_end) {
		if (now < core->save_end)
			return true;
		pe->debt += now - core->slot_end;
		pe->env->account->ticks_over += now - core->slot_end;
		if (++pe->overruns >= SLOTS_OVERRUNS_MAX) {
			log_env(pe->env, "ended: ignored the end of %u slots in a row",
			        pe->overruns);
			env_stop(pe->env, EXO_ENV_KILLED, 0, 0, pe->machine.regs.rip);
		}
	}
	return false;
}

/* What another core asked for interrupts who runs, and then nothing does for a while: what is asked
 * for meanwhile is looked at then. → when. */
static uint64_t poll_inside(struct core *core)
{
	uint32_t held = LOOK_HELD, rung;
	uint64_t now;

	rung = __atomic_exchange_n(&core->wanted, held, __ATOMIC_SEQ_CST);
	now = slots_poll_on(core);
	core->look_at = UINT64_MAX;
	if (rung == LOOK_ASKED ||
	    !__atomic_compare_exchange_n(&core->wanted, &held, LOOK_UNASKED, false,
	                                 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		core->look_at = now + core_info->slot_ticks / SLOTS_DEAF_PART;
	return now;
}

/* Timer, NIC or nudge. Whether the PE may go on. */
static bool interrupted(struct core *core, struct pe *pe)
{
	uint64_t now = machine_tsc();
	bool more = true;

	upcall_restart(pe);
	if (now >= core->listen_at && now < core->slot_end) {
		/* machine_run asks for a poll behind it. */
		listen(core, now);
		slots_arm(core, pe);
		return true;
	}
	now = poll_inside(core);
	ring_timer(pe, now);
	for (struct machine_pe *p = pe->machine.caller; p; p = p->caller)
		more = more && !timer_passed(pe_of(p), now) && is_running(pe_of(p)->env);
	revoke_tick(now);
	if (more && now >= core->slot_end)
		more = slot_over(core, pe, now);
	listen(core, now);
	slots_arm(core, pe);
	return more;
}

static bool handle(struct core *core, struct pe *pe, const struct machine_trap *trap)
{
	switch (trap->kind) {
	case MACHINE_TRAP_CALL:
		return call_dispatch(pe);
	case MACHINE_TRAP_INTERRUPT:
		return interrupted(core, pe);
	default:
		if (core_raise(pe->env,
		               trap->kind == MACHINE_TRAP_PAGE ? EXO_EXT_FAULT : EXO_EXT_EXCEPTION,
		               trap->kind == MACHINE_TRAP_PAGE ? trap->address : trap->vector,
		               trap->error, pe->machine.regs.rip) ||
		    upcall_fault(pe, trap))
			return true;
		fault_end(pe, trap);
		return false;
	}
}

/* What the PE finds when it runs again: the result of WAIT, or word that it had been cut off. */
static void begin(struct pe *pe)
{
	if (pe->machine.waiting) {
		pe->machine.waiting = false;
		upcall_set_result(pe, upcall_take(pe));
	} else if (pe->cut && pe->machine.setup.entry[EXO_UPCALL_INTERRUPT]) {
		pe_post(pe, EXO_EVENT_SLOT_BEGIN);
	}
	pe->cut = false;
	upcall_unpark(pe);
}

/* What the machine did on its own until this trap. Who control was transferred to does not sleep
 * any more. */
static struct pe *who_trapped(struct core *core, const struct machine_trap *trap)
{
	struct pe *pe = pe_of(trap->pe);
	struct exo_account *account = pe->env->account;

	if (pe->machine.invoked)
		look_at_all(core);
	core->current = pe;
	account->faults += pe->machine.delivered;
	account->upcalls += pe->machine.delivered;
	account->calls += pe->machine.invoked;
	pe->machine.delivered = pe->machine.invoked = 0;
	return pe;
}

void slots_switch(struct pe *to)
{
	this_core()->current = to;
	slots_ready(to);
}

/* Tells that the slot begins. Whether a handler gave it to another strand, which it may once. */
static bool passes_on(struct core *core, struct env *env, uint64_t now)
{
	core_raise(env, EXO_EXT_SLOT_BEGIN, machine_core(), now, 0);
	core->passed = core->donee && !core->passed;
	return core->passed;
}

/* The slot's time is accounted to who begins it, whomever it transfers control to. */
static void run_slot(struct core *core, struct pe *pe)
{
	struct env *payer = pe->env;
	uint64_t started = machine_tsc();
	/* Once more: it may reply, and be left, before the slot's end. */
	bool held = pe->machine.caller && env_enter(payer), more = true;

	core->current = pe;
	core->payer = payer;
	core->started = core->last_work = started;
	core->save_end = 0;
	if (passes_on(core, payer, started)) {
		core->current = NULL;
		transfer_leave(pe);
		if (held)
			env_leave(payer);
		return;
	}
	begin(pe);
	slots_deafen(core, started);
	listen(core, started);
	slots_arm(core, pe);
	while (more && is_running(core->current->env)) {
		struct machine_trap trap;

		upcall_events(core->current, core->save_end);
		machine_run(&core->current->machine, &trap);
		pe = who_trapped(core, &trap);
		more = handle(core, pe, &trap);
		pe->cut = trap.kind == MACHINE_TRAP_INTERRUPT;
	}
	started = machine_tsc() - core->started;
	core_raise(payer, EXO_EXT_SLOT_END, machine_core(), started, 0);
	payer->account->ticks_used += started;
	for (struct machine_pe *p = &core->current->machine; p; p = p->caller)
		slots_ready(pe_of(p));
	transfer_leave(core->current);
	core->current = NULL;
	if (held)
		env_leave(payer);
}

/* ---- Nobody can run ---- */

/* When somebody may be able to run though nothing interrupts; 0: somebody can already, by what the
 * last poll brought. What has no timer comes with a nudge, which machine_idle does not lose. */
uint64_t slots_next_deadline(struct core *core, uint64_t now)
{
	uint64_t deadline = now + SLOTS_IDLE_MAX * core_info->slot_ticks;
	unsigned slot = core->slot;

	if (revoke_next() < deadline)
		deadline = revoke_next();
	if (net_deadline(machine_core(), now) < deadline)
		deadline = net_deadline(machine_core(), now);
	machine_lock(&core->lock);
	if (next_runnable(core, &slot, now))
		deadline = 0;
	for (const struct pe *pe = core->pes; pe; pe = pe->next_on_core) {
		if (pe->timer < deadline)
			deadline = pe->timer;
		if (pe->machine.waiting && !pe->blocked && pe->wait_deadline < deadline)
			deadline = pe->wait_deadline;
	}
	machine_unlock(&core->lock);
	return deadline;
}

/* Before the core halts, or runs somebody: → whether it has to poll once more. */
static bool stop_watching(struct core *core)
{
	if (!core->watching)
		return false;
	core->watching = false;
	return net_watch(machine_core(), false);
}

/* Looks for work. → who can run by then, entered, where something came; else the core has halted,
 * or is to look again soon. */
static struct pe *idle(struct core *core)
{
	uint64_t now, deadline;

	machine_timer(
	        UINT64_MAX); /* or who runs next would be interrupted at once by what passed */
	core->watching = __atomic_load_n(&core->owned, __ATOMIC_RELAXED) == 0;
	if (core->watching)
		(void)net_watch(machine_core(), true);
	now = slots_poll(core);
	if (now == core->last_work)
		return pick(core, now);
	if (now - core->last_work < core_info->slot_ticks / SLOTS_SPIN_PART)
		return NULL;
	deadline = slots_next_deadline(core, now);
	if (deadline != 0 && !stop_watching(core))
		machine_idle(deadline);
	core->listened = machine_tsc();
	return NULL;
}

void slots_keep_house(uint64_t now)
{
	machine_serve();
	revoke_tick(now);
	if (core_hooks)
		core_hooks->keep(machine_core());
	if (ledger_draining()) {
		core_lock();
		ledger_drain();
		core_unlock();
	}
	if (now >= next_update && machine_core() == 0) {
		next_update = now + core_info->tsc_hz / 10;
		info_update();
	}
}

void slots_turn(void)
{
	struct core *core = this_core();
	uint64_t now;
	struct pe *pe;

	now = machine_tsc();
	pe = pick(core, now);
	if (!pe)
		pe = idle(core);
	if (pe && stop_watching(core))
		(void)slots_poll(core);
	if (pe)
		run_slot(core, pe);
	slots_keep_house(machine_tsc());
}

void slots_run(void)
{
	for (;;)
		slots_turn();
}

/* ---- Calls ---- */

int64_t slots_donate(uint32_t id, bool wake)
{
	struct core *core = this_core();
	int64_t result = -EXO_ENOENT;

	machine_lock(&core->lock);
	for (struct pe *pe = core->pes; pe; pe = pe->next_on_core) {
		if (pe->env->id != id)
			continue;
		if (wake)
			pe->wait_deadline = 0;
		slots_ready(pe);
		core->donee = actor(core, pe, machine_tsc());
		result = core->donee ? 0 : -EXO_EAGAIN;
	}
	machine_unlock(&core->lock);
	return result;
}

int64_t slots_call_yield(struct call *call)
{
	int64_t result = 0;

	if (call->arg[0])
		result = slots_donate((uint32_t)call->arg[0], call->arg[1] != 0);
	if (result == 0) {
		call->leave = true;
		call->pe->overruns = 0;
	}
	return result;
}

int64_t slots_call_wait(struct call *call)
{
	struct pe *pe = call->pe;
	uint64_t deadline = call->arg[0] ? call->arg[0] : UINT64_MAX;
	uint32_t events, word = (uint32_t)call->arg[2];
	int error = call->arg[1] ? call_copy_in(&word, call->arg[1], sizeof(word)) : 0;

	if (error)
		return error;
	events = upcall_take(pe);
	if (events || word != (uint32_t)call->arg[2] || machine_tsc() >= deadline)
		return events;
	pe->wait_deadline = deadline;
	pe->machine.waiting = true;
	pe->machine.regs.rax = 0;
	upcall_park(pe, true);
	pe->overruns = 0;
	call->leave = true;
	return 0;
}

int64_t slots_call_timer(struct call *call)
{
	set_timer(call->pe, call->arg[0] ? call->arg[0] : UINT64_MAX);
	slots_arm(this_core(), call->pe);
	return 0;
}
