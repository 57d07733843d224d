/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generator over a wire in virtual time, which loses, repeats, delays and changes frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../layers.h"
#include "../reflect.h"
#include "../sender.h"
#include "wire.h"

static struct sender_tally tally;

static struct sender_options usual(void)
{
	return (struct sender_options){
	        .schedule = {.kind = SCHEDULE_ORIGINAL, .speed = 1000},
	        .passes = 1,
	        .timeout_ns = 1000000000,
	        .run = 4711,
	        .flight_bits = 12,
	        .listen = true,
	};
}

static void run(const struct sender_options *options, struct wire *wire, struct made *made)
{
	struct sender sender;

	assert_int_equal(
	        sender_open(&sender, options, &wire->port, &wire->port, &made->source, &tally), 0);
	for (int i = 0; sender_step(&sender) != SENDER_DONE; i++)
		assert_true(i < 10000000);
	assert_null(sender.error);
	sender_close(&sender);
}

static void test_all_return(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	wire_open(&wire);
	made_open(&made, 1000, 10000, 60);
	run(&options, &wire, &made);
	assert_int_equal(tally.sent, 1000);
	assert_int_equal(tally.sent_bytes, 60000);
	assert_int_equal(tally.returned, 1000);
	assert_int_equal(tally.lost + tally.duplicates + tally.reordered + tally.foreign, 0);
	assert_int_equal(tally.ambiguous, 0);
	assert_int_equal(tally.latency.min, 5000);
	assert_int_equal(tally.latency.max, 5000);
	assert_int_equal(tally.late.max, 0);
	assert_int_equal(tally.span_ns, 999 * 10000);
	wire_close(&wire);
}

/* Time moves with each look at the clock, as it really does: the end is still waited for. */
static void test_the_last_are_waited_for(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	wire_open(&wire);
	wire.tick_ns = 7;
	wire.delay_ns = 90000000;
	made_open(&made, 100, 10000, 60);
	run(&options, &wire, &made);
	assert_int_equal(tally.returned, 100);
	assert_int_equal(tally.lost, 0);
	wire_close(&wire);
}

/* Every 10th is lost, every 7th comes twice, every 9th late. */
static unsigned mixed(uint64_t number, uint64_t *later_ns)
{
	if (number % 9 == 0)
		*later_ns = 25000;
	return number % 10 == 3 ? 0 : number % 7 == 2 ? 2 : 1;
}

static void check_mixed(bool sign, bool same)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;
	uint64_t lost = 0, twice = 0, late = 0;

	options.sign = sign;
	wire_open(&wire);
	wire.fate = mixed;
	made_open(&made, 700, 10000, 80);
	made.same = same;
	run(&options, &wire, &made);
	for (uint64_t i = 0; i < 700; i++) {
		lost += i % 10 == 3;
		twice += i % 10 != 3 && i % 7 == 2;
		late += i % 10 != 3 && i % 9 == 0 && i < 698;
	}
	assert_int_equal(tally.sent, 700);
	assert_int_equal(tally.signed_frames, sign ? 700 : 0);
	assert_int_equal(tally.returned, 700 - lost);
	assert_int_equal(tally.lost, lost);
	assert_int_equal(tally.duplicates, twice);
	assert_int_equal(tally.reordered, late);
	assert_int_equal(tally.latency.max, 30000);
	wire_close(&wire);
}

static void test_by_content(void **state)
{
	check_mixed(false, false);
	assert_int_equal(tally.ambiguous, 0);
}

static void test_by_signature(void **state)
{
	check_mixed(true, true); /* all frames the same: only the signature tells them apart */
	assert_int_equal(tally.ambiguous, 0);
}

static void test_ambiguity_is_counted(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	wire_open(&wire);
	made_open(&made, 100, 1000, 80); /* five under way at any time */
	made.same = true;
	run(&options, &wire, &made);
	assert_int_equal(tally.returned, 100);
	assert_int_equal(tally.lost, 0);
	assert_in_range(tally.ambiguous, 90, 99);
	wire_close(&wire);
}

static void swap_all(struct wire_frame *frame)
{
	reflect_swap(REFLECT_PORTS, frame->data, frame->length);
	frame->data[22]--; /* TTL */
}

static void test_echo_is_recognised(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	wire_open(&wire);
	wire.change = swap_all;
	made_open(&made, 300, 10000, 300);
	run(&options, &wire, &made);
	assert_int_equal(tally.returned, 300);
	assert_int_equal(tally.foreign, 0);
	wire_close(&wire);
}

static void spoil(struct wire_frame *frame)
{
	frame->data[60] ^= 1;
}

static void test_changed_frames_are_foreign(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	wire_open(&wire);
	wire.change = spoil;
	made_open(&made, 50, 10000, 80);
	run(&options, &wire, &made);
	assert_int_equal(tally.returned, 0);
	assert_int_equal(tally.foreign, 50);
	assert_int_equal(tally.lost, 50);
	wire_close(&wire);
}

static void test_coordinated_omission(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	/* A port that takes one frame each 20 us, though one is due each 10: the last is late by
	 * half of the time that all took, and only the corrected latency shows it. */
	options.schedule = (struct schedule){.kind = SCHEDULE_PACKETS, .rate = 100000000};
	wire_open(&wire);
	wire.room = 1;
	wire.tick_ns = 10000; /* two looks at the clock a round */
	made_open(&made, 1000, 0, 60);
	run(&options, &wire, &made);
	assert_int_equal(tally.returned, 1000);
	assert_true(tally.latency.max < 1000000);
	assert_true(tally.late.max > 5000000);
	assert_true(tally.corrected.max > 5000000);
	wire_close(&wire);
}

static void test_warmup_and_duration(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	options.passes = 0;
	options.warmup_ns = 1000000;
	options.duration_ns = 5000000;
	wire_open(&wire);
	made_open(&made, 10, 10000, 60);
	run(&options, &wire, &made);
	assert_in_range(tally.sent, 499, 501);
	assert_int_equal(tally.returned, tally.sent);
	assert_int_equal(tally.duplicates + tally.lost + tally.foreign, 0);
	wire_close(&wire);
}

static void test_too_long_is_counted(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;
	char error[100];

	assert_int_equal(rewrite_parse(&options.rewrite, "vlan=7", error, sizeof(error)), 0);
	options.passes = 3;
	wire_open(&wire);
	wire.port.longest = 100;
	made_open(&made, 10, 10000, 96);
	run(&options, &wire, &made);
	assert_int_equal(tally.sent, 30); /* 100 with the tag: just fits */
	wire.port.longest = 99;
	made_open(&made, 10, 10000, 96);
	struct sender sender;
	assert_int_equal(
	        sender_open(&sender, &options, &wire.port, &wire.port, &made.source, &tally), 0);
	while (sender_step(&sender) != SENDER_DONE)
		;
	assert_non_null(sender.error);
	assert_int_equal(tally.too_long, 10);
	assert_int_equal(tally.too_long_first, 1);
	sender_close(&sender);
	wire_close(&wire);
}

static void test_crowd(void **state)
{
	struct sender_options options = usual();
	struct wire wire;
	struct made made;

	options.flight_bits = 4;
	wire_open(&wire);
	wire.delay_ns = 300000; /* thirty under way, sixteen remembered */
	made_open(&made, 100, 10000, 60);
	run(&options, &wire, &made);
	assert_int_equal(tally.crowded, 84);
	assert_int_equal(tally.lost, 84);
	assert_int_equal(tally.returned, 16);
	wire_close(&wire);
}

/* A port that takes nothing any more ends neither the run nor what was measured. */
static void test_stuck_port(void **state)
{
	struct sender_options options = usual();
	struct sender sender;
	struct wire wire;
	struct made made;

	options.timeout_ns = 1000000;
	wire_open(&wire);
	made_open(&made, 100, 10000, 60);
	assert_int_equal(
	        sender_open(&sender, &options, &wire.port, &wire.port, &made.source, &tally), 0);
	while (tally.sent < 10)
		(void)sender_step(&sender);
	wire.stuck = true;
	wire.tick_ns = 100;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sender_step(&sender), SENDER_SENDING);
	sender_stop(&sender);
	for (int i = 0; sender_step(&sender) != SENDER_DONE; i++)
		assert_true(i < 10000000);
	assert_null(sender.error);
	assert_in_range(tally.sent, 10, 99);
	assert_in_range(tally.unsent, 1, PORT_BURST);
	assert_int_equal(tally.lost, 0);
	sender_close(&sender);
	wire_close(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_all_return),
	        cmocka_unit_test(test_the_last_are_waited_for),
	        cmocka_unit_test(test_by_content),
	        cmocka_unit_test(test_by_signature),
	        cmocka_unit_test(test_ambiguity_is_counted),
	        cmocka_unit_test(test_echo_is_recognised),
	        cmocka_unit_test(test_changed_frames_are_foreign),
	        cmocka_unit_test(test_coordinated_omission),
	        cmocka_unit_test(test_warmup_and_duration),
	        cmocka_unit_test(test_too_long_is_counted),
	        cmocka_unit_test(test_crowd),
	        cmocka_unit_test(test_stuck_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
