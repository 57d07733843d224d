/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking back: from environments that give in time, late, never, or other than they say; by the
 * kernel's choice and by their own; and that nothing is left behind.
 */
#include "kit.h"

#include <string.h>

#include <flt/host.h>
#include <flt/program.h>

#include "../core.h"
#include "../revoke.h"
#include "../slots.h"
#include "../upcall.h"

enum {
	FRAMES = 6,
};
#define WINDOW 0x900000ull
#define LATER  (machine_tsc() + 10 * core_info->slot_ticks)

static uint32_t a;
static uint64_t frames;                         /* FRAMES of them, a's, mapped at WINDOW */
static struct exo_cap frames_key, keys[FRAMES]; /* to all, and to each */

static int setup(void **state)
{
	kit_start(256, 1);
	a = kit_child("a", 32, 0, 2, true, NULL);
	assert_int_equal(kit_frames(a, FRAMES, &frames, &frames_key), 0);
	for (unsigned i = 0; i < FRAMES; i++)
		assert_int_equal(
		        kit_grant(a, &frames_key, a, EXO_RIGHT_FREE, frames + i, 1, &keys[i]), 0);
	assert_int_equal(kit_map(a, WINDOW, frames, FRAMES, EXO_RIGHT_READ | EXO_RIGHT_WRITE, NULL),
	                 1);
	return 0;
}

static int64_t ask(enum exo_start_use use, uint32_t kind, uint64_t first, uint64_t count,
                   uint64_t deadline)
{
	struct exo_repossess b = {.authority = kit_cap(use),
	                          .env = a,
	                          .kind = kind,
	                          .first = first,
	                          .count = count,
	                          .deadline = deadline};

	return kit_call_block(ENV_INIT, EXO_CALL_REPOSSESS, &b, sizeof(b));
}

static const struct exo_account *account(void)
{
	return kit_env(a)->account;
}

static bool settled(void)
{
	return account()->repossession.by == 0 &&
	       (kit_pe(ENV_INIT)->machine.events & EXO_EVENT_TAKEN);
}

static void tick(void)
{
	host_time_add(2 * core_info->slot_ticks);
	revoke_tick(machine_tsc());
}

static void past_the_deadline(void)
{
	host_time_add(11 * core_info->slot_ticks);
	revoke_tick(machine_tsc());
}

/* Gives back frames by the ordinary call, one by one. → the last answer. */
static int64_t give(unsigned first, unsigned count)
{
	int64_t result = 0;

	for (unsigned i = first; i < first + count; i++) {
		kit_put(a, KIT_DATA_PAGE(1), &keys[i], sizeof(keys[i]));
		result = kit_call(a, EXO_CALL_FRAME_FREE, KIT_DATA_PAGE(1), 0, 0, 0);
	}
	return result;
}

static void it_is_told(void **state)
{
	struct exo_upcall *upcall = &kit_pe(a)->machine.page->upcall;
	uint64_t deadline = LATER;

	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 2, deadline), 0);
	assert_int_equal(account()->repossession.by, ENV_INIT);
	assert_int_equal(account()->repossession.deadline, deadline);
	upcall_events(kit_pe(a), 0);
	assert_int_equal(kit_pe(a)->machine.regs.rip, KIT_ENTRY + 16 * EXO_UPCALL_REVOKE);
	assert_int_equal(upcall->kind, EXO_UPCALL_REVOKE);
	assert_int_equal(upcall->caller, ENV_INIT);
	assert_int_equal(upcall->deadline, deadline);
	assert_int_equal(upcall->args[0], EXO_KIND_FRAME);
	assert_int_equal(upcall->args[1], frames);
	assert_int_equal(upcall->args[2], 2);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 2, deadline), -EXO_EBUSY);
}

static void who_gives_in_time_loses_nothing(void **state)
{
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames + 1, 2, LATER), 0);
	tick();
	assert_int_equal(account()->repossession.count, 2);
	assert_int_equal(give(1, 2), 0);
	tick();
	assert_true(settled());
	assert_int_equal(account()->n_losses, 0);
	past_the_deadline();
	assert_int_equal(account()->n_losses, 0);
}

static void who_is_late_loses_the_rest(void **state)
{
	uint64_t free = core_info->frames_free;

	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 3, LATER), 0);
	assert_int_equal(give(0, 1), 0);
	past_the_deadline();
	assert_true(settled());
	assert_int_equal(account()->n_losses, 2);
	assert_int_equal(account()->losses[0].first, frames + 1);
	assert_int_equal(account()->losses[1].kind, EXO_KIND_FRAME);
	assert_int_equal(account()->losses[1].saved, 0);
	assert_int_equal(core_info->frames_free, free + 3);
	assert_int_equal(give(1, 1), -EXO_ESTALE);
}

/* Its mappings, and those of whom it granted the frame to, are broken; keys are dead. */
static void who_refuses_loses_all(void **state)
{
	uint32_t b = kit_child("b", 4, 0, 0, false, NULL);
	uint64_t mappings = account()->mappings;
	struct exo_cap key;
	uint8_t byte;

	assert_int_equal(kit_grant(a, &frames_key, b, EXO_RIGHT_READ, frames, 1, &key), 0);
	assert_int_equal(kit_map(b, WINDOW, frames, 1, EXO_RIGHT_READ, &key), 1);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, FRAMES, LATER), 0);
	past_the_deadline();
	assert_int_equal(account()->n_losses, FRAMES);
	assert_int_equal(account()->frames, KIT_PAGES);
	assert_int_equal(account()->mappings, mappings - FRAMES);
	assert_int_not_equal(host_load(kit_env(a)->space, &byte, WINDOW, 1), 0);
	assert_int_not_equal(host_load(kit_env(b)->space, &byte, WINDOW, 1), 0);
	assert_int_equal(kit_map(b, WINDOW, frames, 1, EXO_RIGHT_READ, &key), -EXO_ESTALE);
	kit_verify();
}

/* It gives frames, and takes others: what counts is how many it has. */
static void who_lies_loses_as_many(void **state)
{
	uint64_t before = account()->frames, other;

	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, EXO_UNITS_ANY, 2, LATER), 0);
	assert_int_equal(give(0, 2), 0);
	assert_int_equal(kit_frames(a, 2, &other, NULL), 0);
	past_the_deadline();
	assert_int_equal(account()->frames, before - 2);
	assert_int_equal(account()->n_losses, 2);
	/* Or others than were named. */
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames + 2, 1, LATER), 0);
	assert_int_equal(give(3, 1), 0);
	past_the_deadline();
	assert_int_equal(account()->n_losses, 3);
	assert_int_equal(account()->losses[2].first, frames + 2);
}

static void pinned_frames_drain(void **state)
{
	assert_int_equal(ledger_frame_pin(a, frames), 0);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 1, 0), 0);
	tick();
	assert_int_equal(ledger_frame(frames)->state, FRAME_DRAINING);
	assert_int_equal(account()->n_losses, 1);
	ledger_frame_unpin(frames);
	ledger_drain();
	assert_int_equal(ledger_frame(frames)->state, FRAME_FREE);
}

/* Not the page that handlers need, as long as others will do. */
static void the_kernel_spares_what_is_pinned(void **state)
{
	assert_int_equal(
	        ask(EXO_USE_FRAMES, EXO_KIND_FRAME, EXO_UNITS_ANY, FRAMES + KIT_PAGES - 1, 0), 0);
	tick();
	assert_int_equal(account()->frames, 1);
	assert_int_equal(ledger_owner(EXO_KIND_FRAME, kit_pe(a)->page_frame), a);
}

static void slots_are_taken(void **state)
{
	uint64_t first = 0;

	while (core_info_slots()[first].owner != a)
		first++;
	assert_int_equal(ask(EXO_USE_SLOTS, EXO_KIND_SLOT, first, 2, LATER), 0);
	assert_int_equal(kit_call(a, EXO_CALL_SLOT_FREE, first, 1, 0, 0), 0);
	past_the_deadline();
	assert_int_equal(account()->slots, 0);
	assert_int_equal(account()->n_losses, 1);
	assert_int_equal(account()->losses[0].kind, EXO_KIND_SLOT);
	assert_true(kit_pe(ENV_INIT)->machine.events & EXO_EVENT_CHILD);
}

static void authority_is_needed(void **state)
{
	assert_int_equal(ask(EXO_USE_SLOTS, EXO_KIND_FRAME, frames, 1, 0), -EXO_EPERM);
	assert_int_equal(ask(EXO_USE_SLOTS, EXO_KIND_SLOT, EXO_UNITS_ANY, 1, 0), -EXO_EPERM);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, 1ull << 40, 1, 0), -EXO_EPERM);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 0, 0), -EXO_EINVAL);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 4097, 0), -EXO_EINVAL);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 1,
	                     machine_tsc() + 11 * core_info->tsc_hz),
	                 -EXO_EINVAL);
	assert_int_equal(ask(EXO_USE_ENVS, EXO_KIND_ENV, a, 1, 0), -EXO_EINVAL);
	a = 999;
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 1, 0), -EXO_ENOENT);
	a = ENV_INIT + 1;
	tick();
	assert_int_equal(account()->n_losses, 0);
}

static int64_t ask_as(uint32_t id, const struct exo_cap *key)
{
	struct exo_repossess b = {.authority = *key,
	                          .env = a,
	                          .kind = EXO_KIND_FRAME,
	                          .first = key->first,
	                          .count = 1,
	                          .deadline = LATER};

	return kit_call_block(id, EXO_CALL_REPOSSESS, &b, sizeof(b));
}

/* Neither does an environment keep others from taking by taking from itself, nor do its friends,
 * nor does anybody bother it with units of his own. */
static void nobody_is_shielded(void **state)
{
	uint32_t b = kit_child("b", 4, 0, 0, true, NULL);
	struct exo_cap friendly, own, by_init;
	uint64_t frame;

	assert_int_equal(kit_grant(a, &frames_key, b, EXO_RIGHT_FREE, frames, 1, &friendly), 0);
	assert_int_equal(kit_frames(b, 1, &frame, &own), 0);
	assert_int_equal(ask_as(a, &keys[0]), -EXO_EPERM);
	assert_int_equal(ask_as(b, &friendly), -EXO_EPERM);
	assert_int_equal(ask_as(b, &own), -EXO_EPERM);
	assert_int_equal(account()->repossession.by, 0);
	assert_int_equal(kit_pe(a)->machine.events, 0);
	/* Who is above it may; who has the authority comes before that. */
	assert_int_equal(kit_grant(a, &frames_key, ENV_INIT, EXO_RIGHT_FREE, frames, 1, &by_init),
	                 0);
	assert_int_equal(ask_as(ENV_INIT, &by_init), 0);
	assert_int_equal(ask_as(ENV_INIT, &by_init), -EXO_EBUSY);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames + 1, 2, LATER), 0);
	assert_int_equal(account()->repossession.count, 2);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 1, LATER), -EXO_EBUSY);
	past_the_deadline();
	assert_int_equal(account()->n_losses, 2);
}

static void an_end_settles(void **state)
{
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, frames, 1, LATER), 0);
	env_stop(kit_env(a), EXO_ENV_KILLED, 0, 0, 0);
	assert_true(kit_env(a)->reaped);
	assert_true(kit_pe(ENV_INIT)->machine.events & EXO_EVENT_TAKEN);
	past_the_deadline();
}

/* ---- The environment's own choice ---- */

/* r0 = the candidate is mapped at WINDOW + 2 or 3 pages. */
static const struct flt_insn choice[] = {
        {0xb7, 0x00, 0, 0},                            /* r0 = 0 */
        {0xa5, 0x02, 5, sizeof(struct exo_candidate)}, /* if r2 < size: out */
        {0x79, 0x13, 8, 0},                            /* r3 = candidate->address */
        {0x77, 0x03, 0, 13},                           /* r3 >>= 13 */
        {0x55, 0x03, 2, (WINDOW >> 13) + 1},           /* if r3 != …: out */
        {0xb7, 0x00, 0, 1},                            /* r0 = 1 */
        {0x05, 0x00, 0, 0},                            /* next */
        {0x95, 0x00, 0, 0},                            /* out: exit */
};

static int64_t seed(const void *program, uint32_t size)
{
	struct exo_seed s = {.program = program ? KIT_DATA_PAGE(3) : 0,
	                     .program_size = size,
	                     .reason = KIT_DATA_PAGE(4)};

	if (program)
		kit_put(a, KIT_DATA_PAGE(3), program, size);
	return kit_call_block(a, EXO_CALL_SEED, &s, sizeof(s));
}

static void its_program_chooses(void **state)
{
	assert_int_equal(seed(choice, sizeof(choice)), 0);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, EXO_UNITS_ANY, 2, LATER), 0);
	past_the_deadline();
	assert_int_equal(account()->n_losses, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_in_range(account()->losses[i].first, frames + 2, frames + 3);
	/* What it does not choose goes after that. */
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, EXO_UNITS_ANY, 2, 0), 0);
	tick();
	assert_int_equal(account()->n_losses, 4);
	assert_int_equal(seed(NULL, 0), 0);
	assert_null(kit_env(a)->chooser);
}

/* One that takes its time is not waited for: the kernel chooses. */
static void a_slow_program_is_not_asked(void **state)
{
	core_info->tsc_hz = 0;
	assert_int_equal(seed(choice, sizeof(choice)), 0);
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, EXO_UNITS_ANY, 1, 0), 0);
	revoke_tick(machine_tsc());
	assert_int_equal(account()->n_losses, 1);
	assert_int_equal(account()->losses[0].first, frames + FRAMES - 1);
}

static void a_program_alone_is_not_asked_twice(void **state)
{
	assert_int_equal(seed(choice, sizeof(choice)), 0);
	kit_pe(a)->machine.setup.entry[EXO_UPCALL_REVOKE] = 0;
	assert_int_equal(ask(EXO_USE_FRAMES, EXO_KIND_FRAME, EXO_UNITS_ANY, 1, LATER), 0);
	revoke_tick(machine_tsc());
	assert_true(settled());
	assert_int_equal(account()->n_losses, 1);
}

static void bad_seeds_are_refused(void **state)
{
	struct flt_insn wild[] = {{0x79, 0x10, 4096, 0}, {0x95, 0, 0, 0}};
	struct exo_cap key = frames_key;
	struct exo_seed s = {.n_extents = 1, .extents = KIT_DATA_PAGE(3)};
	char reason[128], none[128] = {0};
	size_t size;

	assert_int_equal(seed(wild, sizeof(wild)), -EXO_EVERIFY);
	kit_get(a, reason, KIT_DATA_PAGE(4), sizeof(reason));
	assert_non_null(strstr(reason, "instruction 0"));
	/* Nothing of the kernel's stack comes along. */
	size = strlen(reason);
	assert_memory_equal(reason + size, none, sizeof(reason) - size);
	assert_int_equal(seed(choice, 12), -EXO_EINVAL);
	assert_int_equal(seed(NULL, 8), -EXO_EINVAL);
	kit_put(a, KIT_DATA_PAGE(3), &key, sizeof(key));
	assert_int_equal(kit_call_block(a, EXO_CALL_SEED, &s, sizeof(s)), -EXO_EPERM);
	s.n_extents = EXO_SEED_EXTENTS + 1;
	assert_int_equal(kit_call_block(a, EXO_CALL_SEED, &s, sizeof(s)), -EXO_EINVAL);
	assert_null(kit_env(a)->chooser);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(it_is_told),
	        TEST(who_gives_in_time_loses_nothing),
	        TEST(who_is_late_loses_the_rest),
	        TEST(who_refuses_loses_all),
	        TEST(who_lies_loses_as_many),
	        TEST(pinned_frames_drain),
	        TEST(the_kernel_spares_what_is_pinned),
	        TEST(slots_are_taken),
	        TEST(authority_is_needed),
	        TEST(nobody_is_shielded),
	        TEST(an_end_settles),
	        TEST(its_program_chooses),
	        TEST(a_slow_program_is_not_asked),
	        TEST(a_program_alone_is_not_asked_twice),
	        TEST(bad_seeds_are_refused),
	};

	flt_host_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
