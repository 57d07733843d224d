/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces as sources: in memory and streamed they give the same frames, pass after pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "../trace_source.h"

enum { FRAMES = 30000 }; /* several blocks */

static char path[] = "/tmp/sluice-trace-XXXXXX";

static int make_trace(void **state)
{
	int file = mkstemp(path);
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_dumper_t *out = pcap_dump_fopen(pcap, fdopen(file, "wb"));
	uint8_t frame[1600] = {0};

	for (unsigned i = 0; i < FRAMES; i++) {
		struct pcap_pkthdr header = {.ts = {.tv_sec = i / 1000, .tv_usec = i % 1000}};
		header.caplen = header.len = i % 100 == 7   ? 10
		                             : i % 100 == 8 ? 1590
		                                            : 60 + i % 1400;
		memcpy(frame + 14, &i, sizeof(i));
		pcap_dump((uint8_t *)out, &header, frame);
	}
	pcap_dump_close(out);
	pcap_close(pcap);
	return 0;
}

static int remove_trace(void **state)
{
	return unlink(path);
}

/* One pass; the number of frames. */
static unsigned check_pass(struct trace_source *source)
{
	struct source_frame frame;
	unsigned n = 0;

	for (;;) {
		enum source_state got = source->source.next(&source->source, &frame);
		if (got == SOURCE_STARVED) {
			usleep(100);
			continue;
		}
		if (got == SOURCE_END)
			return n;
		assert_int_equal(got, SOURCE_FRAME);
		unsigned i;
		memcpy(&i, frame.data + 14, sizeof(i));
		assert_int_equal(frame.number, i + 1);
		assert_int_equal(frame.length, 60 + i % 1400);
		n++;
	}
}

static void check(uint64_t preload)
{
	char error[TRACE_REASON_MAX];
	struct trace_source *source = trace_source_open(path, 1518, preload, error);

	assert_non_null(source);
	assert_int_equal(source->account.streamed, preload == 0);
	for (int pass = 0; pass < 3; pass++) {
		assert_int_equal(check_pass(source), FRAMES - FRAMES / 100 * 2);
		struct source_frame frame; /* the end stays the end */
		assert_int_equal(source->source.next(&source->source, &frame), SOURCE_END);
		source->source.rewind(&source->source);
	}
	const struct trace_odd *left_out = source->account.left_out;
	assert_int_equal(source->account.records, FRAMES);
	assert_int_equal(left_out[TRACE_TOO_SHORT].n, FRAMES / 100);
	assert_int_equal(left_out[TRACE_TOO_LONG].n, FRAMES / 100);
	assert_int_equal(left_out[TRACE_TOO_LONG].numbers[1], 109);
	trace_source_close(source);
}

static void test_in_memory(void **state)
{
	check(UINT64_MAX - 1);
}

static void test_streamed(void **state)
{
	check(0);
}

static void test_digest(void **state)
{
	char error[TRACE_REASON_MAX], command[128], digest[TRACE_SOURCE_DIGEST] = "";
	struct trace_source *source = trace_source_open(path, 1518, 1 << 30, error);

	snprintf(command, sizeof(command), "sha256sum %s", path);
	FILE *out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fread(digest, 1, TRACE_SOURCE_DIGEST - 1, out), TRACE_SOURCE_DIGEST - 1);
	pclose(out);
	assert_string_equal(source->account.digest, digest);
	trace_source_close(source);
}

static void test_closed_early(void **state)
{
	char error[TRACE_REASON_MAX];
	struct trace_source *source = trace_source_open(path, 1518, 0, error);

	trace_source_close(source); /* the reader is in the middle of it */
}

static void test_nothing_to_send(void **state)
{
	char error[TRACE_REASON_MAX] = "";

	assert_null(trace_source_open(path, 20, 1 << 30, error));
	assert_non_null(strstr(error, "no frame"));
	assert_null(trace_source_open("/does/not/exist", 1518, 0, error));
	assert_null(trace_source_open("/dev/null", 1518, 0, error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_in_memory),       cmocka_unit_test(test_streamed),
	        cmocka_unit_test(test_digest),          cmocka_unit_test(test_closed_early),
	        cmocka_unit_test(test_nothing_to_send),
	};
	return cmocka_run_group_tests(tests, make_trace, remove_trace);
}
