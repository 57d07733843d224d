/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames that are swapped inside a poll: what the environment sees afterwards, and what is refused
 * because somebody still uses the frame, with the ledger consistent after each. */
#include "kit.h"

#include <string.h>

#include "../core.h"
#include "../ledger.h"

enum { AT = 0x600000, RW = EXO_RIGHT_READ | EXO_RIGHT_WRITE };

static uint32_t a, b;
static uint64_t out, in;

static int setup(void **state)
{
	kit_start(256, 1);
	a = kit_child("a", 32, 0, 1, false, NULL);
	b = kit_child("b", 32, 0, 1, false, NULL);
	assert_true(kit_frames(a, 4, &out, NULL) >= 0);
	assert_int_equal(ledger_kernel_frames(2, &in), 0);
	memset(machine_frame(out), 'o', 4ul * 4096);
	memset(machine_frame(in), 'i', 2ul * 4096);
	return 0;
}

static bool swap(uint64_t from, uint64_t to)
{
	const struct frame_swap one = {.out = from, .in = to};

	return ledger_frames_swap(kit_env(a), &one, 1);
}

static void shows_the_new_frame(void **state)
{
	uint64_t frames = kit_env(a)->account->frames, mappings = kit_env(a)->account->mappings;
	char byte = 0;

	assert_int_equal(kit_map(a, AT, out, 1, RW, NULL), 1);
	kit_get(a, &byte, AT, 1);
	assert_int_equal(byte, 'o');
	assert_true(swap(out, in));
	kit_verify();
	kit_get(a, &byte, AT, 1);
	assert_int_equal(byte, 'i');
	assert_true(ledger_frame_owned(a, in));
	assert_false(ledger_frame_owned(a, out));
	assert_int_equal(kit_env(a)->account->frames, frames);
	assert_int_equal(kit_env(a)->account->mappings, mappings + 1);
	byte = 'w';
	kit_put(a, AT, &byte, 1);
	assert_int_equal(*(char *)machine_frame(in), 'w');
	assert_int_equal(*(char *)machine_frame(out), 'o');
}

static void goes_back_and_forth(void **state)
{
	char byte = 0;

	assert_int_equal(kit_map(a, AT, out, 1, EXO_RIGHT_READ, NULL), 1);
	for (int i = 0; i < 100; i++)
		assert_true(i % 2 ? swap(in, out) : swap(out, in));
	kit_get(a, &byte, AT, 1);
	assert_int_equal(byte, 'o');
}

static void needs_no_mapping(void **state)
{
	assert_true(swap(out, in));
	kit_verify();
	assert_true(ledger_frame_owned(a, in));
}

static void swaps_all_or_none(void **state)
{
	const struct frame_swap two[] = {{out, in}, {out + 1, in + 1}};
	const struct frame_swap twice[] = {{out, in}, {out, in + 1}};

	assert_false(ledger_frames_swap(kit_env(a), twice, 2));
	assert_true(ledger_frame_owned(a, out));
	kit_verify();
	assert_true(ledger_frames_swap(kit_env(a), two, 2));
	assert_true(ledger_frame_owned(a, in + 1));
}

static void refuses_what_is_in_use(void **state)
{
	assert_int_equal(ledger_frame_pin(a, out), 0);
	assert_false(swap(out, in));
	ledger_frame_unpin(out);
	assert_int_equal(kit_map(a, AT, out, 1, RW, NULL), 1);
	assert_int_equal(kit_map(a, AT + 0x1000, out, 1, RW, NULL), 1);
	assert_false(swap(out, in)); /* in two places */
	assert_true(swap(out + 1, in));
}

static void refuses_what_is_shared(void **state)
{
	struct exo_cap key, theirs;
	uint64_t frame;

	assert_true(kit_frames(a, 1, &frame, &key) >= 0);
	assert_int_equal(kit_grant(a, &key, b, EXO_RIGHT_READ, frame, 1, &theirs), 0);
	assert_int_equal(kit_map(b, AT, frame, 1, EXO_RIGHT_READ, &theirs), 1);
	assert_false(swap(frame, in));
	kit_verify();
	assert_int_equal(kit_call(b, EXO_CALL_UNMAP_PAGE, AT, 0, 0, 0), 0);
	assert_true(swap(frame, in));
	/* Their key was for what was there: it is dead. */
	assert_true(kit_map(b, AT, frame, 1, EXO_RIGHT_READ, &theirs) < 0);
}

static void refuses_others(void **state)
{
	uint64_t theirs, info = machine_info()->payload >> EXO_PAGE_SHIFT;

	assert_true(kit_frames(b, 1, &theirs, NULL) >= 0);
	assert_false(swap(theirs, in));
	assert_false(swap(out, theirs));
	assert_false(swap(in, in + 1));
	assert_false(swap(out, out + 1));
	assert_false(swap(info, in));
	assert_false(swap(UINT64_MAX, in));
	assert_false(swap(out, UINT64_MAX));
}

/* Nobody has a key to what came: its owner frees it by name, and nothing else. */
static void goes_without_a_key(void **state)
{
	uint64_t theirs;

	assert_true(kit_frames(b, 1, &theirs, NULL) >= 0);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_FREE, 0, in, 1, 0), -EXO_EPERM);
	assert_true(swap(out, in));
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_FREE, 0, theirs, 1, 0), -EXO_EPERM);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_FREE, 0, in, 0, 0), -EXO_EFAULT);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_FREE, 0, in, UINT64_MAX, 0), -EXO_EFAULT);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_FREE, 0, in, 1, 0), 0);
	assert_false(ledger_frame_owned(a, in));
}

/* Frames that are being taken back do not slip away, and nobody waits. */
static void stands_back(void **state)
{
	kit_env(a)->account->repossession.by = b;
	assert_false(swap(out, in));
	kit_env(a)->account->repossession.by = 0;
	core_lock();
	assert_false(swap(out, in));
	core_unlock();
	machine_lock(&kit_env(a)->space_lock);
	assert_false(swap(out, in));
	machine_unlock(&kit_env(a)->space_lock);
	assert_true(swap(out, in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(shows_the_new_frame, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(goes_back_and_forth, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(needs_no_mapping, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(swaps_all_or_none, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(refuses_what_is_in_use, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(refuses_what_is_shared, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(refuses_others, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(goes_without_a_key, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(stands_back, setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
