/* SPDX-License-Identifier: BSD-2-Clause */
/* The histogram's buckets and quantiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../histogram.h"

static struct histogram histogram;

static int setup(void **state)
{
	memset(&histogram, 0, sizeof histogram);
	return 0;
}

static void empty_is_zero(void **state)
{
	struct replay_latency latency;

	histogram_report(&histogram, &latency);
	assert_int_equal(latency.count, 0);
	assert_int_equal(latency.p50, 0);
	assert_int_equal(latency.max, 0);
}

static void one_value_is_every_quantile(void **state)
{
	static const uint64_t values[] = {0, 1, 63, 64, 65, 127, 128, 1000, 1ull << 32, UINT64_MAX};

	for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
		memset(&histogram, 0, sizeof histogram);
		histogram_add(&histogram, values[i]);
		assert_true(histogram_quantile(&histogram, 0) == values[i]);
		assert_true(histogram_quantile(&histogram, 5000) == values[i]);
		assert_true(histogram_quantile(&histogram, 10000) == values[i]);
	}
}

/* Around every power of two a value lands in a bucket that holds it, at most 1/64 too high. */
static void error_is_bounded(void **state)
{
	for (unsigned bit = 0; bit < 63; bit++)
		for (int64_t off = -2; off <= 2; off++) {
			uint64_t value = (1ull << bit) + (uint64_t)off, quantile;

			if (value > UINT64_MAX / 2)
				continue;
			memset(&histogram, 0, sizeof histogram);
			histogram_add(&histogram, value);
			histogram_add(&histogram, UINT64_MAX);
			quantile = histogram_quantile(&histogram, 5000);
			assert_true(quantile >= value);
			assert_true(quantile - value <= value / 64);
		}
}

static void quantiles_count(void **state)
{
	struct replay_latency latency;

	for (uint64_t value = 1; value <= 1000; value++)
		histogram_add(&histogram, value);
	histogram_report(&histogram, &latency);
	assert_int_equal(latency.count, 1000);
	assert_int_equal(latency.sum, 500500);
	assert_int_equal(latency.min, 1);
	assert_int_equal(latency.max, 1000);
	assert_in_range(latency.p50, 500, 500 + 500 / 64);
	assert_in_range(latency.p90, 900, 900 + 900 / 64);
	assert_in_range(latency.p99, 990, 1000);
	assert_in_range(latency.p999, 999, 1000);
	assert_int_equal(histogram_quantile(&histogram, 100), 10);
	assert_int_equal(histogram_quantile(&histogram, 101), 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(empty_is_zero, setup),
	        cmocka_unit_test_setup(one_value_is_every_quantile, setup),
	        cmocka_unit_test_setup(error_is_bounded, setup),
	        cmocka_unit_test_setup(quantiles_count, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
