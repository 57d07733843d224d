/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deadlines: no sum of deltas, no overflow, no step back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../schedule.h"

static void test_original(void **state)
{
	struct schedule schedule = {.kind = SCHEDULE_ORIGINAL, .speed = 1000};

	assert_int_equal(schedule_next(&schedule, 5000, 60), 0);
	assert_int_equal(schedule_next(&schedule, 5700, 60), 700);
	assert_int_equal(schedule_next(&schedule, 5600, 60), 700); /* out of order */
	assert_int_equal(schedule_next(&schedule, 6000, 60), 1000);
	assert_int_equal(schedule.disordered, 1);
}

static void test_scaled(void **state)
{
	struct schedule schedule = {.kind = SCHEDULE_ORIGINAL, .speed = 2500};
	const uint64_t year = 365ull * 86400 * 1000000000;

	assert_int_equal(schedule_next(&schedule, 1, 60), 0);
	assert_int_equal(schedule_next(&schedule, 1 + 10000, 60), 4000);
	assert_int_equal(schedule_next(&schedule, 1 + 100 * year, 60), 40 * year);
}

static void test_packets_do_not_drift(void **state)
{
	/* 3 a second: a third of a nanosecond is lost with each delta that is rounded. */
	struct schedule schedule = {.kind = SCHEDULE_PACKETS, .rate = 3000};
	uint64_t due = 0;

	for (int i = 0; i <= 3000000; i++)
		due = schedule_next(&schedule, 0, 60);
	assert_int_equal(due, 1000000ull * 1000000000);
}

static void test_bits(void **state)
{
	struct schedule schedule = {.kind = SCHEDULE_BITS, .rate = 1000000000};

	/* 60 bytes and 24 of overhead: 14,880,952 a second at 10 Gbit/s, a tenth here. */
	assert_int_equal(schedule_next(&schedule, 0, 60), 0);
	assert_int_equal(schedule_next(&schedule, 0, 1514), 672);
	assert_int_equal(schedule_next(&schedule, 0, 60), 672 + 12304);
}

static void test_bursts(void **state)
{
	struct schedule schedule = {.kind = SCHEDULE_PACKETS, .rate = 1000000, .burst = 4};

	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(schedule_next(&schedule, 0, 60), i / 4 * 4000000);
}

static void test_passes(void **state)
{
	struct schedule schedule = {.kind = SCHEDULE_ORIGINAL, .speed = 1000};

	for (uint64_t pass = 0; pass < 5; pass++) {
		for (uint64_t i = 0; i < 11; i++)
			assert_int_equal(schedule_next(&schedule, 900 + 10 * i, 60),
			                 110 * pass + 10 * i);
		schedule_again(&schedule);
	}
}

static void test_one_frame_loops(void **state)
{
	struct schedule schedule = {.kind = SCHEDULE_ORIGINAL, .speed = 1000};

	for (uint64_t pass = 0; pass < 5; pass++) {
		assert_int_equal(schedule_next(&schedule, 123456, 60), 1000000 * pass);
		schedule_again(&schedule);
	}
}

static void test_top(void **state)
{
	struct schedule schedule = {.kind = SCHEDULE_TOP};

	for (uint64_t i = 0; i < 9; i++)
		assert_int_equal(schedule_next(&schedule, 1000 * i, 60), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_original),
	        cmocka_unit_test(test_scaled),
	        cmocka_unit_test(test_packets_do_not_drift),
	        cmocka_unit_test(test_bits),
	        cmocka_unit_test(test_bursts),
	        cmocka_unit_test(test_passes),
	        cmocka_unit_test(test_one_frame_loops),
	        cmocka_unit_test(test_top),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
