/* SPDX-License-Identifier: BSD-2-Clause */
/* RTCP: what we write, byte by byte, and what we believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../server/rtcp.h"

struct heard {
	unsigned n;
	struct rtcp_block last;
};

static void on_block(void *context, const struct rtcp_block *block)
{
	struct heard *heard = context;

	heard->n++;
	heard->last = *block;
}

static void a_report_is_written(void **state)
{
	static const uint8_t expected[] = {0x80, 200, 0, 6, 1, 2, 3, 4, 0x83, 0xaa, 0x7e, 0x81,
	                                   0x80, 0,   0, 0, /* 1.5 s of 1970 */
	                                   0,    0,   0, 7, 0, 0, 0, 8, 0,    0,    0,    9, /* */
	                                   0x81, 202, 0, 3, 1, 2, 3, 4, 1,    3,    'a',  'b',
	                                   'c',  0,   0, 0, /* */
	                                   0x81, 203, 0, 1, 1, 2, 3, 4};
	struct rtcp_sender sender = {.ssrc = 0x01020304,
	                             .wall_ns = 1500000000,
	                             .timestamp = 7,
	                             .packets = 8,
	                             .octets = 9,
	                             .name = "abc"};
	uint8_t out[RTCP_OUT_MAX];
	struct heard heard = {0};

	assert_int_equal(rtcp_write_report(out, &sender, true), sizeof expected);
	assert_memory_equal(out, expected, sizeof expected);
	assert_int_equal(rtcp_write_report(out, &sender, false), sizeof expected - 8);
	sender.name = "a name that is longer than thirty-two bytes";
	assert_in_range(rtcp_write_report(out, &sender, true), 1, sizeof out);
	assert_true(rtcp_read(out, sizeof expected, on_block, &heard) || heard.n == 0);
}

static const uint8_t receiver_report[] = {0x81, 201,  0, 7, 9,    9,   9, 9, 1, 2,  3, 4, 64, 0xff,
                                          0xff, 0xfe, 0, 1, 0,    5,   0, 0, 0, 77, 1, 1, 1,  1,
                                          2,    2,    2, 2, 0x80, 202, 0, 1, 9, 9,  9, 9};

static void a_receiver_is_heard(void **state)
{
	struct heard heard = {0};

	assert_true(rtcp_read(receiver_report, sizeof receiver_report, on_block, &heard));
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.last.ssrc, 0x01020304);
	assert_int_equal(heard.last.fraction_lost, 64);
	assert_int_equal(heard.last.lost, -2);
	assert_int_equal(heard.last.highest, 0x10005);
	assert_int_equal(heard.last.jitter, 77);
}

static void no_byte_beyond(void **state)
{
	for (size_t size = 0; size <= sizeof receiver_report; size++) {
		struct heard heard = {0};
		uint8_t *copy = malloc(size + 1);
		bool sound;

		assert_non_null(copy);
		memcpy(copy, receiver_report, size);
		sound = rtcp_read(copy, size, on_block, &heard);
		assert_int_equal(sound, size == 0 || size == 32 || size == sizeof receiver_report);
		assert_int_equal(heard.n, size >= 32);
		free(copy);
	}
}

static void lies_are_refused(void **state)
{
	struct heard heard = {0};
	uint8_t bad[sizeof receiver_report];

	memcpy(bad, receiver_report, sizeof bad);
	bad[0] = 0x41; /* another version */
	assert_false(rtcp_read(bad, sizeof bad, on_block, &heard));
	bad[0] = 0x82; /* more blocks than there is room for */
	assert_false(rtcp_read(bad, sizeof bad, on_block, &heard));
	bad[0] = 0x81;
	bad[2] = 0xff; /* longer than the datagram */
	assert_false(rtcp_read(bad, sizeof bad, on_block, &heard));
	assert_int_equal(heard.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_report_is_written),
	        cmocka_unit_test(a_receiver_is_heard),
	        cmocka_unit_test(no_byte_beyond),
	        cmocka_unit_test(lies_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
