/* SPDX-License-Identifier: BSD-2-Clause */
/* Transport stream packets: what is read of them, clocks and counters moved, nonsense left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../server/ts.h"

/* PID 0x101, PCR of 0x1ffffffff and extension 5, PTS 0x1ffffffff, DTS 90000. */
static const uint8_t head[] = {0x47, 0x41, 0x01, 0x37, 7,    0x50, 0xff, 0xff, 0xff, 0xff, 0xfe,
                               0x05, 0,    0,    1,    0xe0, 0,    0,    0x80, 0xc0, 10,   0x3f,
                               0xff, 0xff, 0xff, 0xff, 0x11, 0x00, 0x05, 0xbf, 0x21};

static void make(uint8_t *packet)
{
	memset(packet, 0xaa, TS_BYTES);
	memcpy(packet, head, sizeof head);
}

static void a_packet_is_read(void **state)
{
	uint8_t packet[TS_BYTES];
	struct ts_packet is;

	make(packet);
	assert_true(ts_read(packet, &is));
	assert_int_equal(is.pid, 0x101);
	assert_true(is.starts && is.random_access && is.has_pcr && is.has_pts);
	assert_int_equal(is.pcr, 0x1ffffffff);
	assert_int_equal(is.pts, 0x1ffffffff);
	assert_int_equal(is.payload, 12);
}

static void clocks_move_and_wrap(void **state)
{
	uint8_t packet[TS_BYTES], dts[] = {0x11, 0x00, 0x05, 0xbf, 0x23};
	struct ts_packet is;

	make(packet);
	ts_shift(packet, 1);
	assert_true(ts_read(packet, &is));
	assert_int_equal(is.pcr, 0);
	assert_int_equal(is.pts, 0);
	assert_memory_equal(packet + 10, ((uint8_t[]){0x7e, 0x05}), 2);
	assert_memory_equal(packet + 21, ((uint8_t[]){0x31, 0, 1, 0, 1}), 5);
	assert_memory_equal(packet + 26, dts, sizeof dts);
	assert_int_equal(packet[31], 0xaa);
	ts_shift(packet, 0x123456789);
	assert_true(ts_read(packet, &is));
	assert_int_equal(is.pcr, 0x123456789);
	assert_int_equal(is.pts, 0x123456789);
}

/* Each one bears no time, or only says so: nothing of it may change. */
static void what_bears_no_time_is_left_alone(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t is;
	} cases[] = {
	        {0, 0x48},  /* no packet */
	        {4, 0xff},  /* the adaptation field ends behind the packet */
	        {4, 184},   /* one byte behind it */
	        {14, 2},    /* no start code */
	        {15, 0xbe}, /* padding */
	        {19, 0x00}, /* no flags */
	        {1, 0x01},  /* nothing begins here */
	        {3, 0x27},  /* no payload */
	};
	uint8_t packet[TS_BYTES], before[TS_BYTES];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		make(packet);
		packet[5] = 0x40; /* no PCR */
		packet[cases[i].at] = cases[i].is;
		memcpy(before, packet, sizeof before);
		ts_shift(packet, 12345);
		assert_memory_equal(packet, before, sizeof before);
	}
}

/* A header that is cut off at the packet's end. */
static void times_cut_short(void **state)
{
	uint8_t packet[TS_BYTES];
	struct ts_packet is;

	for (uint32_t room = 0; room <= 19; room++) {
		make(packet);
		packet[4] = (uint8_t)(183 - room);
		memmove(packet + TS_BYTES - room, head + 12, room);
		packet[5] = 0;
		ts_shift(packet, 1);
		assert_true(ts_read(packet, &is));
		assert_int_equal(is.has_pts, room >= 14);
	}
}

static void put(uint8_t *packet, uint16_t pid, uint8_t control)
{
	make(packet);
	packet[1] = (uint8_t)(pid >> 8);
	packet[2] = (uint8_t)pid;
	packet[3] = control;
}

static void counters_go_on(void **state)
{
	/* PID, third byte as it comes, and as it leaves. */
	static const struct {
		uint16_t pid;
		uint8_t in, out;
	} cases[] = {{1, 0x1e, 0x1e}, {1, 0x1e, 0x1f}, {2, 0x13, 0x13},      {1, 0x13, 0x10},
	             {1, 0x23, 0x20}, {1, 0x33, 0x31}, {2, 0x13, 0x14},      {3, 0x2f, 0x2f},
	             {3, 0x11, 0x10}, {2, 0x97, 0x95}, {0x1fff, 0x19, 0x19}, {0x1fff, 0x19, 0x19}};
	struct ts_counters counters = {0};
	uint8_t packet[TS_BYTES];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put(packet, cases[i].pid, cases[i].in);
		ts_count(&counters, packet);
		assert_int_equal(packet[3], cases[i].out);
	}
	assert_int_equal(counters.n, 3);
}

static void more_pids_than_are_counted(void **state)
{
	struct ts_counters counters = {0};
	uint8_t packet[TS_BYTES];

	for (uint16_t pid = 0; pid < 100; pid++) {
		put(packet, pid, 0x15);
		ts_count(&counters, packet);
		assert_int_equal(packet[3], 0x15);
	}
	assert_int_equal(counters.n, TS_COUNTERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_packet_is_read),
	        cmocka_unit_test(clocks_move_and_wrap),
	        cmocka_unit_test(what_bears_no_time_is_left_alone),
	        cmocka_unit_test(times_cut_short),
	        cmocka_unit_test(counters_go_on),
	        cmocka_unit_test(more_pids_than_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
