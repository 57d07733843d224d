/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A NIC's clock of another unit, epoch and speed, read at odd times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../device_clock.h"

static const uint64_t MS = 1000000;

/* 156.25 MHz, begun long before us, 40 ppm fast. */
static uint64_t device_at(uint64_t host_ns)
{
	return 7000000000000000u + (uint64_t)((unsigned __int128)host_ns * 15625 * 100004 /
	                                      ((unsigned __int128)100000 * 100000));
}

static void add(struct device_clock *clock, uint64_t host_ns)
{
	device_clock_add(clock, (struct clock_pair){device_at(host_ns), host_ns});
}

static void assert_time(const struct device_clock *clock, uint64_t host_ns, uint64_t within)
{
	uint64_t found;

	assert_true(device_clock_time(clock, device_at(host_ns), &found));
	assert_in_range(found, host_ns - within, host_ns + within);
}

static void unknown_before_two_pairs(void **state)
{
	struct device_clock clock = {0};
	uint64_t time_ns;

	assert_false(device_clock_time(&clock, 1, &time_ns));
	add(&clock, 1000 * MS);
	assert_false(device_clock_time(&clock, 1, &time_ns));
	add(&clock, 1000 * MS); /* the same instant again says nothing */
	assert_false(device_clock_time(&clock, 1, &time_ns));
	add(&clock, 1020 * MS);
	assert_time(&clock, 1021 * MS, 20);
}

static void follows_for_an_hour(void **state)
{
	struct device_clock clock = {0};

	for (uint64_t now = 5 * MS; now < 3600ull * 1000 * MS; now += 100 * MS) {
		add(&clock, now);
		if (clock.n < 2)
			continue;
		assert_time(&clock, now - 3 * MS, 20); /* before the newest pair, and behind it */
		assert_time(&clock, now + 99 * MS, 40);
	}
	assert_true(clock.newest.host_ns - clock.oldest.host_ns >= 1000 * MS);
	assert_true(clock.newest.host_ns - clock.oldest.host_ns <= 2200 * MS);
}

static void goes_on_where_the_clock_is_set_back(void **state)
{
	struct device_clock clock = {0};
	uint64_t time_ns;

	add(&clock, 1000 * MS);
	add(&clock, 1100 * MS);
	device_clock_add(&clock, (struct clock_pair){17, 1200 * MS});
	assert_time(&clock, 1150 * MS, 20);
	/* A stamp that makes no sense gives some time, not a crash. */
	assert_true(device_clock_time(&clock, 0, &time_ns));
	assert_true(device_clock_time(&clock, UINT64_MAX, &time_ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(unknown_before_two_pairs),
	        cmocka_unit_test(follows_for_an_hour),
	        cmocka_unit_test(goes_on_where_the_clock_is_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
