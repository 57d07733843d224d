/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host channel: two ends and a wire between them that loses, repeats, reorders and forges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <exo/error.h>
#include <libexo/channel.h>

static const uint64_t KEY[2] = {1, 2};
static const uint8_t MAC_A[6] = {2, 0, 0, 0, 0, 1}, MAC_B[6] = {2, 0, 0, 0, 0, 2};

struct wire {
	struct exo_channel a, b;
	uint64_t now;
	uint32_t random;
	unsigned lose, twice, late; /* of 100 frames */
	uint8_t held[EXO_CHANNEL_FRAME_MAX];
	uint32_t held_length;
	uint32_t received; /* messages at b, which must count up */
};

static int make_wire(void **state)
{
	struct wire *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	exo_channel_open(&w->a, KEY, MAC_A);
	exo_channel_open(&w->b, KEY, MAC_B);
	w->random = 12345;
	w->now = 1000;
	*state = w;
	return 0;
}

static int drop_wire(void **state)
{
	free(*state);
	return 0;
}

static bool chance(struct wire *w, unsigned of_hundred)
{
	w->random = w->random * 1103515245 + 12345;
	return (w->random >> 16) % 100 < of_hundred;
}

static void arrive(struct wire *w, struct exo_channel *to, const uint8_t *frame, uint32_t length)
{
	struct exo_channel_message message;
	uint32_t number;

	if (!exo_channel_input(to, frame, length, &message))
		return;
	assert_ptr_equal(to, &w->b);
	assert_int_equal(message.type, EXO_CHANNEL_RESULT);
	assert_true(message.size >= sizeof(number));
	memcpy(&number, message.body, sizeof(number));
	assert_int_equal(number, w->received);
	w->received++;
}

/* Everything that `from` has to say now goes to `to`, as the wire likes it. */
static void carry(struct wire *w, struct exo_channel *from, struct exo_channel *to)
{
	uint8_t frame[EXO_CHANNEL_FRAME_MAX];
	uint32_t length;

	while ((length = exo_channel_output(from, w->now, frame)) > 0) {
		assert_true(length >= EXO_CHANNEL_FRAME_MIN);
		if (chance(w, w->lose))
			continue;
		if (to == &w->b && chance(w, w->late) && w->held_length == 0) {
			memcpy(w->held, frame, length);
			w->held_length = length;
			continue;
		}
		arrive(w, to, frame, length);
		if (chance(w, w->twice))
			arrive(w, to, frame, length);
		if (to == &w->b && w->held_length > 0 && chance(w, 50)) {
			arrive(w, to, w->held, w->held_length);
			w->held_length = 0;
		}
	}
}

static void run(struct wire *w, uint32_t messages)
{
	uint8_t body[EXO_CHANNEL_BODY_MAX] = {0};
	uint32_t sent = 0;

	for (int turn = 0; turn < 100000 && w->received < messages; turn++) {
		while (sent < messages) {
			memcpy(body, &sent, sizeof(sent));
			if (exo_channel_send(&w->a, EXO_CHANNEL_RESULT, body,
			                     4 + sent * 7 % (EXO_CHANNEL_BODY_MAX - 4)) < 0)
				break;
			sent++;
		}
		carry(w, &w->a, &w->b);
		carry(w, &w->b, &w->a);
		w->now += 10000000;
	}
	assert_int_equal(w->received, messages);
}

static void test_quiet_wire_repeats_nothing(void **state)
{
	struct wire *w = *state;

	run(w, 200);
	assert_int_equal(w->a.repeated, 0);
	assert_int_equal(w->a.frames_out, 200);
	assert_true(exo_channel_idle(&w->a));
	assert_true(exo_channel_due(&w->a) == UINT64_MAX);
}

static void test_bad_wire(void **state)
{
	struct wire *w = *state;

	w->lose = 20;
	w->twice = 10;
	w->late = 10;
	run(w, 500);
	assert_true(w->a.repeated > 0);
	assert_true(w->b.out_of_order > 0);
	assert_int_equal(w->a.forged + w->b.forged + w->a.malformed + w->b.malformed, 0);
}

static void test_window(void **state)
{
	struct wire *w = *state;

	for (int i = 0; i < EXO_CHANNEL_WINDOW; i++)
		assert_int_equal(exo_channel_send(&w->a, EXO_CHANNEL_LOG, "x", 1), 0);
	assert_int_equal(exo_channel_send(&w->a, EXO_CHANNEL_LOG, "x", 1), -EXO_EAGAIN);
	assert_int_equal(exo_channel_send(&w->a, EXO_CHANNEL_LOG, "x", EXO_CHANNEL_BODY_MAX + 1),
	                 -EXO_E2BIG);
}

static void test_repeats_on_time(void **state)
{
	struct wire *w = *state;
	uint8_t frame[EXO_CHANNEL_FRAME_MAX];

	exo_channel_send(&w->a, EXO_CHANNEL_HELLO, "x", 1);
	assert_true(exo_channel_due(&w->a) == 0);
	assert_true(exo_channel_output(&w->a, 1000, frame) > 0);
	assert_int_equal(exo_channel_due(&w->a), 1000 + EXO_CHANNEL_REPEAT_NS);
	assert_int_equal(exo_channel_output(&w->a, 999 + EXO_CHANNEL_REPEAT_NS, frame), 0);
	assert_true(exo_channel_output(&w->a, 1000 + EXO_CHANNEL_REPEAT_NS, frame) > 0);
	assert_int_equal(w->a.repeated, 1);
}

/* Each changed byte of a frame is noticed: counted, and nothing else. */
static void test_changed_frames(void **state)
{
	struct wire *w = *state;
	uint8_t frame[EXO_CHANNEL_FRAME_MAX];
	struct exo_channel_message message;
	uint32_t length, end = EXO_CHANNEL_ETHERNET_BYTES + sizeof(struct exo_channel_header) + 40;
	char body[40] = "body";

	exo_channel_send(&w->a, EXO_CHANNEL_HELLO, body, sizeof(body));
	length = exo_channel_output(&w->a, 1, frame);
	for (uint32_t i = 12; i < end; i++) {
		frame[i] ^= 1;
		assert_false(exo_channel_input(&w->b, frame, length, &message));
		frame[i] ^= 1;
	}
	for (uint32_t short_length = 0; short_length < end; short_length++)
		assert_false(exo_channel_input(&w->b, frame, short_length, &message));
	assert_int_equal(w->b.frames_in, 0);
	assert_int_equal(w->b.received, 0);
	assert_true(exo_channel_input(&w->b, frame, length, &message));
	assert_int_equal(message.size, sizeof(body));
}

static void test_acknowledgement_of_the_unsent(void **state)
{
	struct wire *w = *state;
	uint8_t frame[EXO_CHANNEL_FRAME_MAX];
	struct exo_channel_message message;
	uint32_t length;

	w->b.received = 5; /* as if b had received what a never sent */
	w->b.owes_ack = true;
	length = exo_channel_output(&w->b, 1, frame);
	exo_channel_input(&w->a, frame, length, &message);
	assert_true(exo_channel_idle(&w->a));
	assert_int_equal(w->a.first, 1);
}

static void test_key(void **state)
{
	uint64_t key[2];

	assert_int_equal(exo_channel_key(key, "000102030405060708090a0b0c0d0e0F"), 0);
	assert_true(key[0] == 0x0706050403020100 && key[1] == 0x0f0e0d0c0b0a0908);
	assert_int_equal(exo_channel_key(key, "00"), -EXO_EINVAL);
	assert_int_equal(exo_channel_key(key, "000102030405060708090a0b0c0d0e0g"), -EXO_EINVAL);
	assert_int_equal(exo_channel_key(key, "000102030405060708090a0b0c0d0e0f0"), -EXO_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_quiet_wire_repeats_nothing, make_wire,
	                                        drop_wire),
	        cmocka_unit_test_setup_teardown(test_bad_wire, make_wire, drop_wire),
	        cmocka_unit_test_setup_teardown(test_window, make_wire, drop_wire),
	        cmocka_unit_test_setup_teardown(test_repeats_on_time, make_wire, drop_wire),
	        cmocka_unit_test_setup_teardown(test_changed_frames, make_wire, drop_wire),
	        cmocka_unit_test_setup_teardown(test_acknowledgement_of_the_unsent, make_wire,
	                                        drop_wire),
	        cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
