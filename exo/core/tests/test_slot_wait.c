/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting in place: who waits at its ring while nobody else has use for the core is not left. */
#include "spinners.h"

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

/* It is left in the end, and wakes as ever. */
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, spinners_start, spinners_end)
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
