/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading traces: link types, times, what can't be sent and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "../trace.h"
#include "pcaps.h"

static struct made made;
static const struct trace_limits limits = {.longest = 1518};

static struct trace *open_made(struct trace_limits with)
{
	char error[TRACE_REASON_MAX] = "";
	struct trace *trace = trace_open(made_file(&made), with, error);
	assert_non_null(trace);
	return trace;
}

static struct trace_frame next(struct trace *trace)
{
	char error[TRACE_REASON_MAX];
	struct trace_frame frame;
	assert_int_equal(trace_next(trace, &frame, error), 1);
	return frame;
}

static void expect_end(struct trace *trace)
{
	char error[TRACE_REASON_MAX];
	struct trace_frame frame;
	assert_int_equal(trace_next(trace, &frame, error), 0);
	trace_close(trace);
}

static void ethernet(void **state)
{
	(void)state;
	uint8_t bytes[100];
	memset(bytes, 7, sizeof(bytes));
	made_begin(&made, DLT_EN10MB, 0);
	made_add(&made, 5, 6, bytes, 100, 100);
	made_add(&made, 5, 7, bytes, 60, 1500);
	struct trace *trace = open_made(limits);
	struct trace_frame frame = next(trace);
	assert_int_equal(frame.number, 1);
	assert_int_equal(frame.fate, TRACE_SENDABLE);
	assert_int_equal(frame.length, 100);
	assert_int_equal(frame.time_ns, 5000006000);
	assert_false(frame.snapped);
	assert_memory_equal(frame.data, bytes, 100);
	frame = next(trace);
	assert_int_equal(frame.number, 2);
	assert_int_equal(frame.length, 60);
	assert_true(frame.snapped);
	expect_end(trace);
}

static void nanoseconds(void **state)
{
	(void)state;
	made_begin(&made, DLT_EN10MB, 1);
	made_add(&made, 1, 999999999, "aaaaaaaaaaaaaaaa", 16, 16);
	struct trace *trace = open_made(limits);
	assert_int_equal(next(trace).time_ns, 1999999999);
	expect_end(trace);
}

/* Either side of both limits. */
static void lengths(void **state)
{
	(void)state;
	static const uint8_t bytes[2000];
	static const struct {
		uint32_t length;
		enum trace_fate fate;
	} cases[] = {{0, TRACE_TOO_SHORT},   {13, TRACE_TOO_SHORT},  {14, TRACE_SENDABLE},
	             {1518, TRACE_SENDABLE}, {1519, TRACE_TOO_LONG}, {2000, TRACE_TOO_LONG}};
	made_begin(&made, DLT_EN10MB, 0);
	for (size_t i = 0; i < 6; i++)
		made_add(&made, 0, 0, bytes, cases[i].length, cases[i].length);
	struct trace *trace = open_made(limits);
	for (size_t i = 0; i < 6; i++) {
		struct trace_frame frame = next(trace);
		assert_int_equal(frame.number, i + 1);
		assert_int_equal(frame.fate, cases[i].fate);
	}
	expect_end(trace);
}

static void padding(void **state)
{
	(void)state;
	uint8_t bytes[60];
	static const uint8_t zeros[60];
	memset(bytes, 9, sizeof(bytes));
	made_begin(&made, DLT_EN10MB, 0);
	made_add(&made, 0, 0, bytes, 60, 60);
	made_add(&made, 0, 0, bytes, 20, 20);
	made_add(&made, 0, 0, bytes, 13, 13);
	struct trace *trace = open_made((struct trace_limits){.longest = 1518, .padded = 60});
	assert_false(next(trace).padded);
	struct trace_frame frame = next(trace);
	assert_true(frame.padded);
	assert_int_equal(frame.length, 60);
	assert_memory_equal(frame.data, bytes, 20);
	assert_memory_equal(frame.data + 20, zeros, 40);
	/* Padding makes no frame of what is none. */
	assert_int_equal(next(trace).fate, TRACE_TOO_SHORT);
	expect_end(trace);
}

static void raw_ip(void **state)
{
	(void)state;
	made_begin(&made, 101, 0); /* LINKTYPE_RAW */
	made_add(&made, 0, 0, "\x45rest", 5, 5);
	made_add(&made, 0, 0, "\x60rest", 5, 5);
	made_add(&made, 0, 0, "\x15rest", 5, 5);
	made_add(&made, 0, 0, "", 0, 0);
	struct trace *trace = open_made(limits);
	assert_string_equal(trace_note(trace), "raw IP packets: each got an Ethernet header");
	struct trace_frame frame = next(trace);
	assert_int_equal(frame.fate, TRACE_SENDABLE);
	assert_int_equal(frame.length, 19);
	assert_memory_equal(frame.data + 12, "\x08\x00\x45rest", 7);
	frame = next(trace);
	assert_memory_equal(frame.data + 12, "\x86\xdd\x60rest", 7);
	assert_int_equal(next(trace).fate, TRACE_UNUSABLE);
	assert_int_equal(next(trace).fate, TRACE_UNUSABLE);
	expect_end(trace);
}

static void cooked(void **state)
{
	(void)state;
	/* Packet type, ARPHRD, address length, address, protocol. */
	static const char packet[] = "\0\0\0\1\0\6\x11\x22\x33\x44\x55\x66\0\0\x08\0data";
	static const char novell[] = "\0\0\0\1\0\6\x11\x22\x33\x44\x55\x66\0\0\0\1data";
	made_begin(&made, 113, 0);
	made_add(&made, 0, 0, packet, 20, 20);
	made_add(&made, 0, 0, packet, 15, 20);
	made_add(&made, 0, 0, novell, 20, 20);
	struct trace *trace = open_made(limits);
	struct trace_frame frame = next(trace);
	assert_int_equal(frame.fate, TRACE_SENDABLE);
	assert_int_equal(frame.length, 18);
	assert_memory_equal(frame.data + 6, "\x11\x22\x33\x44\x55\x66\x08\0data", 12);
	assert_int_equal(next(trace).fate, TRACE_UNUSABLE);
	assert_int_equal(next(trace).fate, TRACE_UNUSABLE);
	expect_end(trace);
}

static void cooked_second(void **state)
{
	(void)state;
	/* Protocol, reserved, interface, ARPHRD, packet type, address length, address. */
	static const char packet[] = "\x86\xdd\0\0\0\0\0\1\0\1\0\6\x11\x22\x33\x44\x55\x66\0\0data";
	made_begin(&made, 276, 0);
	made_add(&made, 0, 0, packet, 24, 24);
	struct trace *trace = open_made(limits);
	struct trace_frame frame = next(trace);
	assert_int_equal(frame.length, 18);
	assert_memory_equal(frame.data + 6,
	                    "\x11\x22\x33\x44\x55\x66\x86\xdd"
	                    "data",
	                    12);
	expect_end(trace);
}

static void refused(void **state)
{
	(void)state;
	char error[TRACE_REASON_MAX] = "";
	made_begin(&made, 127, 0); /* radiotap */
	assert_null(trace_open(made_file(&made), limits, error));
	assert_non_null(strstr(error, "can't be sent as Ethernet frames"));
	made.bytes[0] ^= 0xff;
	assert_null(trace_open(made_file(&made), limits, error));
	assert_non_null(strstr(error, "unknown file format"));
}

/* A cut trace gives the frames before the cut, then says where it is damaged. */
static void damaged(void **state)
{
	(void)state;
	char error[TRACE_REASON_MAX] = "";
	struct trace_frame frame;
	static const uint8_t bytes[50];
	made_begin(&made, DLT_EN10MB, 0);
	made_add(&made, 0, 0, bytes, 50, 50);
	made_add(&made, 0, 0, bytes, 50, 50);
	made.size -= 10;
	struct trace *trace = open_made(limits);
	next(trace);
	assert_int_equal(trace_next(trace, &frame, error), -1);
	assert_non_null(strstr(error, "behind frame 1: "));
	trace_close(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ethernet),      cmocka_unit_test(nanoseconds),
	        cmocka_unit_test(lengths),       cmocka_unit_test(padding),
	        cmocka_unit_test(raw_ip),        cmocka_unit_test(cooked),
	        cmocka_unit_test(cooked_second), cmocka_unit_test(refused),
	        cmocka_unit_test(damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
