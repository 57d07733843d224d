/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 2544's procedures over a model of a device: it forwards so many frames a second, and holds so
 * many in a burst.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../rfc2544.h"

struct model {
	struct trial trial; /* first */
	double forwards, sender_most;
	uint64_t holds;
	unsigned trials, stop_after;
};

static struct trial_result run(struct trial *trial, uint64_t rate, uint64_t duration_ns,
                               uint64_t burst)
{
	struct model *model = (struct model *)trial;
	double pps = (double)rate / 1000;
	struct trial_result result = {.mean_ns = 1000 + model->trials % 3, .p99_ns = 2000};

	result.stopped = ++model->trials == model->stop_after;
	if (burst) {
		result.sent = burst;
		result.lost = burst > model->holds ? burst - model->holds : 0;
		return result;
	}
	if (!rate || pps > model->sender_most)
		pps = model->sender_most;
	result.pps = pps;
	result.sent = (uint64_t)(pps * (double)duration_ns / 1e9);
	if (pps > model->forwards)
		result.lost = (uint64_t)((pps - model->forwards) * (double)duration_ns / 1e9);
	return result;
}

static struct model model_of(double forwards)
{
	return (struct model){.trial = {run}, .forwards = forwards, .sender_most = 1e9};
}

static const struct rfc2544_options options = {.top_pps = 1e6,
                                               .duration_ns = 1000000000,
                                               .resolution = 0.001,
                                               .repeats = 3,
                                               .burst_max = 5000};

static void test_throughput(void **state)
{
	struct model model = model_of(637500);
	struct rfc2544_throughput found = rfc2544_throughput(&model.trial, &options);

	assert_true(found.pps <= 637500.1 && found.pps > 636500);
	assert_false(found.limited_by_sender);
	assert_in_range(found.trials, 9, 13);
}

static void test_throughput_of_the_line(void **state)
{
	struct model model = model_of(2e6);
	struct rfc2544_throughput found = rfc2544_throughput(&model.trial, &options);

	assert_true(found.pps == 1e6);
	assert_int_equal(found.trials, 1);
}

static void test_throughput_nothing_passes(void **state)
{
	struct model model = model_of(0);
	struct rfc2544_throughput found = rfc2544_throughput(&model.trial, &options);

	assert_true(found.pps == 0);
}

static void test_sender_is_the_limit(void **state)
{
	struct model model = model_of(2e6);

	model.sender_most = 400000;
	struct rfc2544_throughput found = rfc2544_throughput(&model.trial, &options);
	assert_true(found.limited_by_sender);
	assert_true(found.pps == 400000);
}

static void test_partial_drop(void **state)
{
	struct rfc2544_options some = options;
	struct model model = model_of(500000);

	some.tolerated = 0.1; /* 500,000 of 555,555 */
	struct rfc2544_throughput found = rfc2544_throughput(&model.trial, &some);
	assert_true(found.pps > 554000 && found.pps < 556000);
}

static void test_stop_ends_it(void **state)
{
	struct model model = model_of(500000);

	model.stop_after = 3;
	assert_true(rfc2544_throughput(&model.trial, &options).stopped);
	assert_int_equal(model.trials, 3);
}

static void test_latency(void **state)
{
	struct model model = model_of(2e6);
	struct rfc2544_latency found = rfc2544_latency(&model.trial, &options, 1000);

	assert_int_equal(found.repeats, 3);
	assert_true(found.mean_ns == 1001);
	assert_true(found.spread_ns == 2);
}

static void test_frame_loss(void **state)
{
	struct model model = model_of(800000);
	double loss[RFC2544_STEPS];

	assert_int_equal(rfc2544_frame_loss(&model.trial, &options, loss), 4);
	assert_true(loss[0] > 0.19 && loss[0] < 0.21);
	assert_true(loss[1] > 0.1 && loss[1] < 0.12);
	assert_true(loss[2] == 0 && loss[3] == 0);
}

static void test_back_to_back(void **state)
{
	struct model model = model_of(800000);

	model.holds = 777;
	assert_true(rfc2544_back_to_back(&model.trial, &options) == 777);
	model.holds = 100000;
	assert_true(rfc2544_back_to_back(&model.trial, &options) == 5000);
	model.holds = 0;
	assert_true(rfc2544_back_to_back(&model.trial, &options) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_throughput),
	        cmocka_unit_test(test_throughput_of_the_line),
	        cmocka_unit_test(test_throughput_nothing_passes),
	        cmocka_unit_test(test_sender_is_the_limit),
	        cmocka_unit_test(test_partial_drop),
	        cmocka_unit_test(test_stop_ends_it),
	        cmocka_unit_test(test_latency),
	        cmocka_unit_test(test_frame_loss),
	        cmocka_unit_test(test_back_to_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
