/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: who runs, for how long, what a spinning environment costs the others, sleep and wake. */
#include "spinners.h"

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

static unsigned interrupts, seen;
static void (*disturb)(void);

/* Another core does something at every step of who runs here. */
static void disturbed_from_afar(struct machine_pe *pe, struct machine_trap *trap, uint32_t id)
{
	unsigned nudges;

	stop_after(pe, trap, id);
	if (pe->regs.rax == EXO_CALL_EXIT)
		return;
	host_core_set(1);
	disturb();
	host_core_set(0);
	nudges = host_nudges(0);
	if (nudges != seen)
		trap->kind = MACHINE_TRAP_INTERRUPT;
	interrupts += nudges != seen;
	seen = nudges;
}

static void ring(void)
{
	core_look_soon(0);
}

/* A slot of this core comes and goes. */
static void move_a_slot(void)
{
	const uint64_t unit = EXO_SLOTS_PER_CORE - 1;
	struct env *init = kit_env(ENV_INIT);
	bool has = core_info_slots()[unit].owner == ENV_INIT;

	assert_int_equal(slots_take(ENV_INIT, has ? NULL : init, unit, 1), 0);
}

/* Whoever does that how often, who runs is interrupted now and then, and bells are heard in time.
 */
static void eats_no_slots(void (*what)(void))
{
	const unsigned in_time = 10 * SLOTS_DEAF_PART / 2;
	unsigned polls;

	kit_child("a", 0, 0, 1, false, NULL);
	extra = disturbed_from_afar;
	disturb = what;
	interrupts = 0;
	seen = host_nudges(0);
	polls = net_none.polls;
	turns(1);
	assert_in_range(interrupts, 1, 10);
	assert_in_range(net_none.polls - polls, in_time, 10 * SLOTS_DEAF_PART + 20);
}

static void bells_eat_no_slots(void **state)
{
	eats_no_slots(ring);
}

static void moving_slots_eats_none(void **state)
{
	eats_no_slots(move_a_slot);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, spinners_start, spinners_end)
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
	        TEST(given_time_wakes),
	        TEST(the_timer_is_an_event),
	        TEST(a_slot_is_donated),
	        TEST(slots_have_owners),
	        TEST(the_network_is_polled),
	        TEST(bells_eat_no_slots),
	        TEST(moving_slots_eats_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
