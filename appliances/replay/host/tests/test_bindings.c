/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What bindings should get: matched by themselves, delivered by the total order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <flt/host.h>

#include "../bindings.h"
#include "../conf.h"
#include "../report.h"
#include "pcaps.h"

static struct bindings bindings;
static uint8_t frame[2048];

static int clear(void **state)
{
	(void)state;
	bindings_free(&bindings);
	memset(&bindings, 0, sizeof(bindings));
	return 0;
}

static void add(const char *text)
{
	const char *error = bindings_add(&bindings, text);
	if (error)
		fail_msg("%s: %s", text, error);
}

static void judge(uint8_t protocol, uint16_t source, uint16_t target)
{
	bindings_judge(&bindings, frame, made_ipv4(frame, protocol, source, target, 10));
}

static void expect(const char *name, uint64_t matched, uint64_t delivered)
{
	const struct binding *binding = bindings_find(&bindings, name);
	assert_non_null(binding);
	assert_int_equal(binding->matched.packets, matched);
	assert_int_equal(binding->delivered.packets, delivered);
}

static void most_bits_win(void **state)
{
	(void)state;
	add("all=");
	add("tcp=tcp");
	add("web=tcp port 80");
	add("one=tcp dst port 80 and src host 10.0.0.1");
	judge(6, 1000, 80);
	judge(6, 80, 1000);
	judge(6, 5, 6);
	judge(17, 53, 53);
	expect("all", 4, 1);
	expect("tcp", 3, 1);
	expect("web", 2, 1);
	expect("one", 1, 1);
	assert_int_equal(bindings.unmatched.packets, 0);
	assert_int_equal(bindings.sent.packets, 4);
	assert_false(bindings.flow_misses);
	bindings_restart(&bindings);
	expect("all", 0, 0);
}

static void oldest_wins_among_equals(void **state)
{
	(void)state;
	add("a=udp dst port 7");
	add("b=udp dst port 7");
	judge(17, 1, 7);
	judge(17, 1, 8);
	expect("a", 1, 1);
	expect("b", 1, 0);
	assert_int_equal(bindings.unmatched.packets, 1);
	/* The age that the machine reports counts, not the place. */
	for (size_t i = 0; i < 2; i++) {
		bindings.all[i].reported = true;
		bindings.all[i].result.binding = 10 - i;
	}
	bindings_restart(&bindings);
	judge(17, 1, 7);
	expect("a", 1, 0);
	expect("b", 1, 1);
}

/* What conjunctions cannot say needs the program: matched is libpcap's verdict all the same. */
static void inexact(void **state)
{
	(void)state;
	add("odd=udp and ip[2:2] - 20 > 30");
	bindings_judge(&bindings, frame, made_ipv4(frame, 17, 1, 2, 10));
	bindings_judge(&bindings, frame, made_ipv4(frame, 17, 1, 2, 40));
	expect("odd", 1, 1);
	assert_int_equal(bindings.unmatched.packets, 1);
	assert_false(bindings.flow_misses);
}

static void refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
	        "tcp",     "=tcp", "a b=tcp",       "a=tcp prt 80",
	        "a\"=tcp", "a/=x", "a=tcp and udp", "a24567890123456789012345=ip"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!bindings_add(&bindings, bad[i]))
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(bindings.n, 0);
	add("a=tcp");
	assert_non_null(bindings_add(&bindings, "a=udp"));
	for (int i = 1; i < BINDINGS_MAX; i++) {
		char text[32];
		snprintf(text, sizeof(text), "n%d=udp port %d", i, i);
		add(text);
	}
	assert_non_null(bindings_add(&bindings, "more=udp"));
}

/* Reports as a machine would that did all right. */
static void report_rightly(void)
{
	for (size_t i = 0; i < bindings.n; i++) {
		struct binding *b = &bindings.all[i];
		b->reported = true;
		b->result = (struct replay_result){
		        .binding = i,
		        .matched_packets = b->matched.packets,
		        .matched_bytes = b->matched.bytes,
		        .delivered_packets = b->delivered.packets,
		        .delivered_bytes = b->delivered.bytes,
		        .read_packets = b->delivered.packets,
		        .read_bytes = b->delivered.bytes,
		        .port = {.unmatched = bindings.unmatched.packets},
		};
	}
}

static void verdicts(void **state)
{
	(void)state;
	struct session_result result = {.sent = 2, .settled = 2};
	struct replay_result *got = &bindings.all[0].result;
	add("web=tcp port 80");
	judge(6, 1, 80);
	judge(6, 1, 81);
	report_rightly();
	assert_int_equal(report_judge(&bindings, &result), VERDICT_AGREE);
	got->matched_packets++;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_MATCHED);
	report_rightly();
	got->matched_bytes--;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_MATCHED);
	report_rightly();
	got->delivered_packets = got->read_packets = 0;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_DELIVERED);
	report_rightly();
	got->read_packets = 0;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_LOST);
	report_rightly();
	got->port.unmatched = 0;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_UNMATCHED);
	report_rightly();
	got->port.nic = 1;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_LOST);
	report_rightly();
	result.settled = 1;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_LOST);
	result.settled = 2;
	result.damaged = true;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_DAMAGED);
	result.damaged = false;
	got->status = -1;
	assert_int_equal(report_judge(&bindings, &result), VERDICT_REFUSED);
	bindings.all[0].reported = false;
	assert_true(report_judge(&bindings, &result) & VERDICT_REFUSED);
}

static void manifest(void **state)
{
	(void)state;
	char text[2048] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	add("a=tcp");
	add("b=udp");
	conf_write(out, &bindings,
	           &(struct conf_options){.frames = 99, .longest = 9018, .cores = 2});
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "image = \"sink\"; frames = 99; core = 1;"));
	assert_non_null(strstr(text, "arguments = [ \"port=0\", \"frame=9018\" ]"));
	assert_non_null(strstr(text, "receive = \"udp\";"));
	assert_non_null(strstr(text, "tap = true; count = true;"));
}

int main(void)
{
	flt_host_init(false);
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(most_bits_win, clear),
	        cmocka_unit_test_setup(oldest_wins_among_equals, clear),
	        cmocka_unit_test_setup(inexact, clear),
	        cmocka_unit_test_setup(refused, clear),
	        cmocka_unit_test_setup(verdicts, clear),
	        cmocka_unit_test_setup(manifest, clear),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	clear(NULL);
	return failed;
}
