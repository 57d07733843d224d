/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: who runs, for how long, what a spinning environment costs the others, sleep and wake. */
#include "kit.h"

#include <string.h>

#include "../core.h"
#include "../slots.h"

#define STEP 50000ull /* ticks of one visit to ring 3; a slot is a million */
#define SLOT ((uint64_t)HOST_TSC_HZ / (uint64_t)SLOTS_PER_SECOND)

static uint64_t ran[8];     /* ticks in ring 3, by environment */
static int64_t last_result; /* of who is in ring 3 */
static void (*extra)(struct machine_pe *pe, struct machine_trap *trap, uint32_t id);

static uint32_t id_of(struct machine_space *space)
{
	struct exo_account account;

	assert_int_equal(host_load(space, &account, EXO_ACCOUNT_ADDR, sizeof(account)), 0);
	return account.env;
}

/* Everybody but init, which sleeps, spins; `extra` may do something else instead. A timer that
 * passes meanwhile interrupts when ring 3 is next entered. */
static void spin(struct machine_pe *pe, struct machine_space *space, struct machine_trap *trap)
{
	uint32_t id = id_of(space);

	last_result = (int64_t)pe->regs.rax;
	trap->kind = MACHINE_TRAP_CALL;
	pe->regs.rax = id == ENV_INIT ? EXO_CALL_WAIT : EXO_CALL_NULL;
	pe->regs.rdi = 0;
	if (id == ENV_INIT)
		return;
	assert_false(kit_pe(id)->machine.waiting);
	host_time_add(STEP);
	ran[id] += STEP;
	if (extra)
		extra(pe, trap, id);
}

static int setup(void **state)
{
	memset(ran, 0, sizeof(ran));
	extra = NULL;
	kit_program(spin);
	kit_start(256, 2);
	/* init sleeps for ever. */
	kit_call(ENV_INIT, EXO_CALL_WAIT, 0, 0, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	kit_verify();
	kit_stop();
	return 0;
}

static void turns(int n)
{
	while (n-- > 0)
		slots_turn();
}

/* Ten rounds of a vector in which a has two and b and c one each. */
static void spinning_is_shared_by_slots(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 2, false, NULL);
	uint32_t b = kit_child("b", 0, 0, 1, false, NULL);
	uint32_t c = kit_child("c", 0, 0, 1, false, NULL);

	turns(30);
	assert_in_range(ran[a], 18 * SLOT, 22 * SLOT);
	assert_in_range(ran[b], 9 * SLOT, 11 * SLOT);
	assert_in_range(ran[c], 9 * SLOT, 11 * SLOT);
	assert_int_equal(ran[ENV_INIT], 0);
	assert_int_equal(kit_env(a)->account->ticks_used / SLOT, ran[a] / SLOT);
}

static void stop_after(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	if (ran[id] < 10 * SLOT)
		return;
	pe->regs.rax = EXO_CALL_EXIT;
	pe->regs.rdi = 0;
}

/* Who is alone keeps the core without being cut off. */
static void alone_goes_on(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, true, NULL);

	extra = stop_after;
	turns(1);
	assert_int_equal(ran[a], 10 * SLOT);
	assert_int_equal(kit_env(a)->account->upcalls, 0);
	assert_int_equal(kit_env(a)->state, EXO_ENV_EXITED);
}

static void yield_in_handler(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	if (pe->regs.rip != KIT_ENTRY + 16 * EXO_UPCALL_INTERRUPT)
		return;
	pe->regs.rip = KIT_CODE;
	kit_pe(id)->machine.page->masked = 0;
	pe->regs.rax = EXO_CALL_YIELD;
	pe->regs.rdi = 0;
}

static void who_saves_in_time_owes_nothing(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, true, NULL);
	uint32_t b = kit_child("b", 0, 0, 1, false, NULL);

	extra = yield_in_handler;
	turns(20);
	assert_in_range(ran[a], 9 * SLOT, 12 * SLOT);
	assert_in_range(ran[b], 9 * SLOT, 12 * SLOT);
	assert_int_equal(kit_env(a)->account->ticks_over, 0);
	assert_in_range(kit_env(a)->account->upcalls, 9, 11);
}

/* A handler that never yields gets its save time, and pays for it. */
static void who_overruns_pays(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, true, NULL);
	uint32_t b = kit_child("b", 0, 0, 1, false, NULL);

	turns(2);
	assert_in_range(kit_env(a)->account->ticks_over, core_info->save_ticks,
	                core_info->save_ticks + 2 * STEP);
	assert_int_equal(kit_pe(a)->debt, kit_env(a)->account->ticks_over);
	kit_pe(a)->machine.page->masked = 0;
	turns(40);
	assert_in_range(ran[a], ran[b] - 2 * SLOT, ran[b] + 2 * SLOT);
}

static void cut_off_is_told(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, true, NULL);

	kit_child("b", 0, 0, 1, false, NULL);
	turns(2);
	assert_int_equal(kit_pe(a)->machine.page->masked, 1);
	assert_int_equal(kit_pe(a)->machine.page->upcall.events, EXO_EVENT_SLOT_END);
	turns(1);
	assert_int_equal(kit_pe(a)->machine.page->pending & EXO_EVENT_SLOT_BEGIN,
	                 EXO_EVENT_SLOT_BEGIN);
}

static void waiting(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, false, NULL);
	uint64_t deadline = machine_tsc() + 5 * SLOT;

	assert_int_equal(kit_call(a, EXO_CALL_WAIT, deadline, 0, 0, 0), 0);
	turns(3);
	assert_int_equal(ran[a], 0);
	extra = stop_after;
	while (machine_tsc() < deadline)
		turns(1);
	turns(1);
	assert_true(ran[a] > 0);
}

static void events_wake(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, false, NULL);

	kit_call(a, EXO_CALL_WAIT, 0, 0, 0, 0);
	turns(2);
	assert_int_equal(ran[a], 0);
	env_post(kit_env(a), 0, EXO_EVENT_RING);
	extra = stop_after;
	turns(1);
	assert_true(ran[a] > 0);
	kit_call(ENV_INIT, EXO_CALL_NULL, 0, 0, 0, 0);
}

static void an_event_before_the_wait_is_not_lost(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, false, NULL);

	env_post(kit_env(a), 0, EXO_EVENT_RING);
	assert_int_equal(kit_call(a, EXO_CALL_WAIT, 0, 0, 0, 0), EXO_EVENT_RING);
	assert_false(kit_pe(a)->machine.waiting);
	assert_int_equal(kit_call(a, EXO_CALL_WAIT, 1, 0, 0, 0), 0);
	assert_false(kit_pe(a)->machine.waiting);
}

/* DOORBELL and WAIT in one: a ring that is not the caller's leaves it awake, and so does an event.
 */
static void rings_and_waits(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, false, NULL);

	net_none.bell = 5;
	assert_int_equal(kit_call(a, EXO_CALL_RING_WAIT, 0, 6, 0, 0), -EXO_ENOENT);
	assert_false(kit_pe(a)->machine.waiting);
	env_post(kit_env(a), 0, EXO_EVENT_RING);
	/* Registers that are no arguments don't matter. */
	assert_int_equal(kit_call(a, EXO_CALL_RING_WAIT, 0, 5, 77, 0), EXO_EVENT_RING);
	assert_false(kit_pe(a)->machine.waiting);
	assert_int_equal(net_none.sends, 1);
	net_none.polls = 0;
	assert_int_equal(kit_call(a, EXO_CALL_RING_WAIT, 0, 5, 77, 0), 0);
	assert_true(kit_pe(a)->machine.waiting);
	assert_int_equal(net_none.sends, 2);
	assert_int_equal(net_none.polls, 1);
	turns(2);
	assert_int_equal(ran[a], 0);
}

static uint32_t polled_for;

static unsigned poll_posts(unsigned core)
{
	env_post(kit_env(polled_for), core, EXO_EVENT_RING);
	return 1;
}

/* What comes while it sends keeps it awake. */
static void what_comes_meanwhile_keeps_awake(void **state)
{
	polled_for = kit_child("a", 0, 0, 1, false, NULL);
	net_none.bell = 5;
	net_none.on_poll = poll_posts;
	assert_int_equal(kit_call(polled_for, EXO_CALL_RING_WAIT, 0, 5, 0, 0), EXO_EVENT_RING);
	assert_false(kit_pe(polled_for)->machine.waiting);
}

/* ---- Waiting in place ---- */

enum { LATER = 8 }; /* the poll that brings something */

static uint32_t waiter, other;
static unsigned polled; /* while the waiter waits */
static uint64_t until, woken_at;
static int64_t woken_by;

/* The waiter waits, and exits where it goes on. */
static void waits_at_its_ring(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	if (id == waiter && ran[id] == STEP) {
		polled = 0;
		pe->regs.rax = EXO_CALL_RING_WAIT;
		pe->regs.rdi = until;
		pe->regs.rsi = net_none.bell;
	} else if (id == waiter) {
		woken_at = machine_tsc() - STEP;
		woken_by = last_result;
		pe->regs.rax = EXO_CALL_EXIT;
		pe->regs.rdi = 0;
	} else {
		stop_after(pe, trap, id);
	}
}

static void start_waiting(unsigned (*on_poll)(unsigned core), uint64_t deadline)
{
	other = kit_child("other", 0, 0, 1, false, NULL);
	kit_call(other, EXO_CALL_WAIT, 0, 0, 0, 0);
	turns(1);
	waiter = kit_child("waiter", 0, 0, 1, false, NULL);
	net_none.bell = 5;
	net_none.on_poll = on_poll;
	until = deadline;
	woken_at = 0;
	woken_by = -1;
	extra = waits_at_its_ring;
}

static unsigned brings_something(unsigned core)
{
	if (++polled != LATER)
		return 0;
	assert_true(kit_pe(waiter)->machine.waiting);
	env_post(kit_env(waiter), core, EXO_EVENT_RING);
	return 1;
}

/* Who has the core alone is not left, and does not pay for the time either. */
static void the_only_one_waits_in_place(void **state)
{
	uint64_t begun = machine_tsc();

	start_waiting(brings_something, 0);
	turns(1);
	assert_int_equal(polled, LATER);
	assert_int_equal(woken_by, EXO_EVENT_RING);
	assert_int_equal(kit_env(waiter)->state, EXO_ENV_EXITED);
	assert_in_range(kit_env(waiter)->account->ticks_used, 2 * STEP, 2 * STEP + 10000);
	assert_true(machine_tsc() - begun > 2 * STEP + (LATER - 1) * 10000ull);
}

/* A handler's frames, or others', at first. */
static unsigned brings_frames_first(unsigned core)
{
	assert_int_equal(kit_pe(waiter)->machine.waiting, polled >= SLOTS_FOUND_MAX);
	if (++polled == LATER)
		env_post(kit_env(waiter), core, EXO_EVENT_RING);
	return polled < LATER - 1;
}

/* Where frames come that are not its own it is not looked after in each poll. */
static void others_frames_are_polled_for(void **state)
{
	start_waiting(brings_frames_first, 0);
	turns(1);
	assert_int_equal(polled, LATER);
	assert_int_equal(woken_by, EXO_EVENT_RING);
}

static unsigned brings_a_flood(unsigned core)
{
	if (++polled == LATER)
		env_post(kit_env(other), core, EXO_EVENT_RING);
	return 1;
}

static void a_flood_keeps_nobody_waiting(void **state)
{
	start_waiting(brings_a_flood, 0);
	turns(1);
	assert_in_range(polled, LATER, LATER + SLOTS_FOUND_MAX - 1);
	assert_int_equal(kit_env(waiter)->cores, 0);
	turns(1);
	assert_int_equal(ran[other], 10 * SLOT);
}

static unsigned brings_another(unsigned core)
{
	if (++polled == LATER)
		env_post(kit_env(other), core, EXO_EVENT_RING);
	return 0;
}

static void others_end_waiting_in_place(void **state)
{
	start_waiting(brings_another, 0);
	turns(1);
	assert_int_equal(polled, LATER);
	assert_int_equal(ran[other], 0);
	assert_true(kit_pe(waiter)->machine.waiting);
	assert_int_equal(kit_env(waiter)->cores, 0);
	turns(1);
	assert_int_equal(ran[other], 10 * SLOT);
	assert_int_equal(woken_by, -1);
}

static unsigned brings_both(unsigned core)
{
	if (++polled == LATER) {
		env_post(kit_env(waiter), core, EXO_EVENT_RING);
		env_post(kit_env(other), core, EXO_EVENT_RING);
	}
	return 0;
}

static void waits_once(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	if (ran[waiter] == STEP)
		waits_at_its_ring(pe, trap, id);
}

/* Where somebody else comes at the same time the slot has no length. */
static void another_has_its_turn(void **state)
{
	start_waiting(brings_both, 0);
	extra = waits_once;
	turns(1);
	assert_int_equal(polled, LATER + 1);
	assert_int_equal(ran[waiter], STEP);
	assert_int_equal(ran[other], 0);
	turns(1);
	assert_int_equal(ran[waiter], STEP);
	assert_int_equal(ran[other] / SLOT, 1);
	turns(2);
	assert_int_equal(ran[waiter] / SLOT, 1);
}

static unsigned brings_nothing(unsigned core)
{
	polled++;
	return 0;
}

/* It is left in the end, wakes as ever, and a deadline is one in place as well. */
/* Told of the slot's end it waits, until a time that has passed: again and again. */
static void waits_in_vain(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	if (id != waiter)
		return;
	pe->regs.rip = KIT_CODE;
	kit_pe(id)->machine.page->masked = 0;
	pe->regs.rax = ran[id] < 100 * SLOT ? EXO_CALL_RING_WAIT : EXO_CALL_EXIT;
	pe->regs.rdi = ran[id] < 100 * SLOT;
	pe->regs.rsi = net_none.bell;
}

/* Others can run: their turn comes, and what is taken of it is paid for. */
static void waiting_in_vain_wins_no_time(void **state)
{
	waiter = kit_child("waiter", 0, 0, 1, true, NULL);
	other = kit_child("other", 0, 0, 1, false, NULL);
	net_none.bell = 5;
	extra = waits_in_vain;
	turns(20);
	assert_in_range(ran[other], 9 * SLOT, 12 * SLOT);
	assert_in_range(ran[waiter], 8 * SLOT, 12 * SLOT);
	assert_true(kit_env(waiter)->account->ticks_over > 0);
}

static void waiting_in_place_is_bounded(void **state)
{
	start_waiting(brings_nothing, 0);
	turns(1);
	assert_true(kit_pe(waiter)->machine.waiting);
	assert_int_equal(kit_env(waiter)->cores, 0);
	assert_true(machine_tsc() > SLOTS_IDLE_MAX * SLOT);
	turns(3);
	assert_int_equal(ran[waiter], STEP);
	env_post(kit_env(waiter), 0, EXO_EVENT_LINK);
	turns(2);
	assert_int_equal(woken_by, EXO_EVENT_LINK);
}

static void a_deadline_ends_waiting_in_place(void **state)
{
	uint64_t deadline = machine_tsc() + 3 * SLOT;

	start_waiting(brings_nothing, deadline);
	turns(1);
	assert_int_equal(woken_by, 0);
	assert_in_range(woken_at, deadline, deadline + SLOT);
	assert_in_range(kit_env(waiter)->account->ticks_used, 2 * STEP, 2 * STEP + 20000);
}

static void a_timer_ends_waiting_in_place(void **state)
{
	uint64_t timer = machine_tsc() + 3 * SLOT;

	start_waiting(brings_nothing, 0);
	kit_call(waiter, EXO_CALL_TIMER, timer, 0, 0, 0);
	turns(2);
	assert_int_equal(woken_by, EXO_EVENT_TIMER);
	assert_in_range(woken_at, timer, timer + SLOT);
}

static unsigned brings_the_end(unsigned core)
{
	if (++polled != LATER)
		return 0;
	host_core_set(1);
	env_stop(kit_env(waiter), EXO_ENV_KILLED, 0, 0, 0);
	host_core_set(0);
	assert_false(kit_env(waiter)->reaped);
	return 0;
}

static void killed_while_waiting_in_place(void **state)
{
	start_waiting(brings_the_end, 0);
	turns(1);
	assert_int_equal(polled, LATER);
	assert_true(kit_env(waiter)->reaped);
	assert_int_equal(ran[waiter], STEP);
}

static unsigned takes_its_slot(unsigned core)
{
	if (++polled != LATER)
		return 0;
	core_lock();
	slots_free_all(kit_env(waiter));
	core_unlock();
	env_post(kit_env(waiter), core, EXO_EVENT_RING);
	return 0;
}

static void without_a_slot_nobody_waits_in_place(void **state)
{
	start_waiting(takes_its_slot, 0);
	turns(3);
	assert_int_equal(ran[waiter], STEP);
	assert_int_equal(ran[other], 0);
}

static int64_t leaf;
static uint32_t brought; /* events */

/* As the machine does: first the leaf, then, where that declines, the call. */
static void waits_by_a_leaf(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	uint64_t calls = kit_env(waiter)->account->calls;

	waits_at_its_ring(pe, trap, id);
	if (id != waiter || ran[id] != STEP)
		return;
	leaf = core_leaf_calls[EXO_CALL_RING_WAIT - EXO_CALL_BASE](pe, until, until ? 77 : 5, 0);
	assert_int_equal(kit_env(waiter)->account->calls, calls + (leaf != MACHINE_NOT_LEAF));
	if (leaf != MACHINE_NOT_LEAF)
		pe->regs.rax = EXO_CALL_NULL;
}

static unsigned brings_events(unsigned core)
{
	if (++polled != LATER)
		return 0;
	env_post(kit_env(waiter), core, brought);
	return 1;
}

static void a_leaf_answers_what_is_plain(void **state)
{
	start_waiting(brings_events, 0);
	extra = waits_by_a_leaf;
	brought = EXO_EVENT_RING;
	turns(1);
	assert_int_equal(leaf, EXO_EVENT_RING);
	assert_int_equal(polled, LATER);
	assert_int_equal(net_none.sends, 1);
	assert_int_equal(kit_env(waiter)->state, EXO_ENV_EXITED);
}

/* What it declines has been sent, and is not sent again. */
static void a_leaf_leaves_the_rest_to_the_call(void **state)
{
	start_waiting(brings_events, 0);
	extra = waits_by_a_leaf;
	brought = EXO_EVENT_RING | EXO_EVENT_LINK;
	turns(1);
	assert_int_equal(leaf, MACHINE_NOT_LEAF);
	assert_int_equal(woken_by, EXO_EVENT_RING | EXO_EVENT_LINK);
	assert_int_equal(polled, LATER);
	assert_int_equal(net_none.sends, 1);
}

/* Whom it has transferred control to may be able to run: the core has to look. */
static void a_leaf_comes_after_transfers(void **state)
{
	start_waiting(brings_events, 0);
	extra = waits_by_a_leaf;
	brought = EXO_EVENT_RING;
	kit_pe(waiter)->machine.invoked = 1;
	turns(LATER + 2);
	assert_int_equal(leaf, MACHINE_NOT_LEAF);
	assert_int_equal(woken_by, EXO_EVENT_RING);
	assert_int_equal(net_none.sends, 1);
}

static void a_leaf_waits_for_no_ring_of_others(void **state)
{
	start_waiting(brings_events, 1);
	extra = waits_by_a_leaf;
	turns(1);
	assert_int_equal(leaf, -EXO_ENOENT);
	assert_int_equal(polled, 0);
}

/* A sleep ends by given time where that is wanted, and does not begin where a word has changed. */
static void given_time_wakes(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, true, NULL), b = kit_child("b", 0, 0, 1, false, NULL);
	uint32_t word = 7;

	kit_put(a, KIT_DATA_PAGE(0), &word, sizeof(word));
	assert_int_equal(kit_call(a, EXO_CALL_WAIT, 0, KIT_DATA_PAGE(0), 8, 0), 0);
	assert_false(kit_pe(a)->machine.waiting);
	assert_int_equal(kit_call(a, EXO_CALL_WAIT, 0, 1, 8, 0), -EXO_EFAULT);
	assert_int_equal(kit_call(a, EXO_CALL_WAIT, 0, KIT_DATA_PAGE(0), 7, 0), 0);
	assert_true(kit_pe(a)->machine.waiting);
	assert_int_equal(kit_call(b, EXO_CALL_YIELD, a, 0, 0, 0), -EXO_EAGAIN);
	assert_int_equal(kit_call(b, EXO_CALL_YIELD, a, 1, 0, 0), 0);
	extra = stop_after;
	turns(1);
	assert_true(ran[a] > 0);
}

static void the_timer_is_an_event(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, false, NULL);
	uint64_t deadline = machine_tsc() + 2 * SLOT;

	kit_call(a, EXO_CALL_TIMER, deadline, 0, 0, 0);
	kit_call(a, EXO_CALL_WAIT, 0, 0, 0, 0);
	extra = stop_after;
	while (machine_tsc() < deadline) {
		assert_int_equal(ran[a], 0);
		turns(1);
	}
	turns(1);
	assert_true(ran[a] > 0);
}

static uint32_t donor, donee;

/* The donor gives its slot away half-way; everybody stops in the end. */
static void donate(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	if (id == donor && ran[id] == 4 * STEP) {
		pe->regs.rax = EXO_CALL_YIELD;
		pe->regs.rdi = donee;
	}
	stop_after(pe, trap, id);
}

static void a_slot_is_donated(void **state)
{
	donor = kit_child("a", 0, 0, 1, false, NULL);
	donee = kit_child("b", 0, 0, 0, false, NULL);

	assert_int_equal(kit_call(donor, EXO_CALL_YIELD, 999, 0, 0, 0), -EXO_ENOENT);
	assert_int_equal(kit_call(donor, EXO_CALL_YIELD, ENV_INIT, 0, 0, 0), -EXO_EAGAIN);
	extra = donate;
	turns(2);
	assert_int_equal(ran[donor], 4 * STEP);
	assert_in_range(ran[donee], SLOT - 5 * STEP, SLOT - 3 * STEP);
	turns(1);
	assert_int_equal(ran[donor], 10 * SLOT);
}

static void slots_have_owners(void **state)
{
	struct exo_cap root = kit_cap(EXO_USE_SLOTS), part;
	uint32_t a = kit_child("a", 0, 0, 2, false, NULL);
	uint32_t b = kit_child("b", 0, 1, 0, false, NULL);

	assert_int_equal(kit_env(a)->account->slots, 2);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_TAKE, 0, b, 1, 1), 0);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_TAKE, 0, b, 1, 1), -EXO_EPERM);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_FREE, 1, 1, 0, 0), -EXO_EPERM);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_FREE, 2, 1, 0, 0), 0);
	assert_int_equal(kit_env(a)->account->slots, 0);
	kit_grant(ENV_INIT, &root, a, EXO_RIGHT_ALLOC, 64, 4, &part);
	kit_put(a, KIT_DATA_PAGE(1), &part, sizeof(part));
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_TAKE, KIT_DATA_PAGE(1), b, 64, 4), 0);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_TAKE, KIT_DATA_PAGE(1), a, 64, 4), -EXO_EBUSY);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_TAKE, KIT_DATA_PAGE(1), b, 63, 1), -EXO_EPERM);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_TAKE, KIT_DATA_PAGE(1), b, 67, 2), -EXO_EPERM);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_TAKE, KIT_DATA_PAGE(1), 999, 64, 1),
	                 -EXO_ENOENT);
	assert_int_equal(kit_call(b, EXO_CALL_SLOT_FREE, 64, 0, 0, 0), -EXO_ENOENT);
	assert_int_equal(kit_call(b, EXO_CALL_SLOT_FREE, 127, 2, 0, 0), -EXO_ENOENT);
	assert_int_equal(kit_call(b, EXO_CALL_SLOT_FREE, UINT64_MAX, 1, 0, 0), -EXO_ENOENT);
}

static unsigned poll_wakes(unsigned core)
{
	return 0;
}

/* While somebody spins the network is polled at least once per slot; idle, it halts in between. */
static void the_network_is_polled(void **state)
{
	uint32_t a = kit_child("a", 0, 0, 1, false, NULL);

	net_none.on_poll = poll_wakes;
	net_none.polls = 0;
	extra = stop_after;
	turns(1);
	assert_in_range(net_none.polls, 9, 12);
	assert_true(kit_env(a)->reaped);
	net_none.polls = 0;
	for (uint64_t end = machine_tsc() + 10 * SLOT; machine_tsc() < end;)
		turns(1);
	assert_in_range(net_none.polls, 5, 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(spinning_is_shared_by_slots),
	        TEST(alone_goes_on),
	        TEST(who_saves_in_time_owes_nothing),
	        TEST(who_overruns_pays),
	        TEST(cut_off_is_told),
	        TEST(waiting),
	        TEST(events_wake),
	        TEST(an_event_before_the_wait_is_not_lost),
	        TEST(rings_and_waits),
	        TEST(what_comes_meanwhile_keeps_awake),
	        TEST(the_only_one_waits_in_place),
	        TEST(others_frames_are_polled_for),
	        TEST(a_flood_keeps_nobody_waiting),
	        TEST(others_end_waiting_in_place),
	        TEST(another_has_its_turn),
	        TEST(waiting_in_vain_wins_no_time),
	        TEST(waiting_in_place_is_bounded),
	        TEST(a_deadline_ends_waiting_in_place),
	        TEST(a_timer_ends_waiting_in_place),
	        TEST(killed_while_waiting_in_place),
	        TEST(without_a_slot_nobody_waits_in_place),
	        TEST(a_leaf_answers_what_is_plain),
	        TEST(a_leaf_leaves_the_rest_to_the_call),
	        TEST(a_leaf_comes_after_transfers),
	        TEST(a_leaf_waits_for_no_ring_of_others),
	        TEST(given_time_wakes),
	        TEST(the_timer_is_an_event),
	        TEST(a_slot_is_donated),
	        TEST(slots_have_owners),
	        TEST(the_network_is_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
