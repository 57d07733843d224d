/* SPDX-License-Identifier: BSD-2-Clause */
/* The server before clients, on good wires and bad, and before segments that no client would send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

/* ---- Order ---- */

static void test_clean(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);

	ask(0, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->size);
	ask(1, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->head);
	pass(3000);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(world.clients[i].ended && !world.clients[i].wrong);
		assert_int_equal(world.clients[i].seen, world.clients[i].expected_size);
	}
	assert_int_equal(count->retransmitted, 0);
	assert_int_equal(count->closed, 2);
	assert_int_equal(static_stack_connections(world.server), 2); /* TIME-WAIT */
	pass(61000);
	assert_int_equal(static_stack_connections(world.server), 0);
}

/* Ten requests in one segment: two more than the queue takes. */
static void test_pipeline(void **state)
{
	static char requests[1024];
	static uint8_t expected[4096];
	uint32_t size = answer(1)->size;

	for (unsigned i = 0; i < 10; i++) {
		snprintf(requests + strlen(requests), sizeof requests - strlen(requests),
		         "GET /s HTTP/1.1\r\nHost: x\r\n%s\r\n",
		         i == 9 ? "Connection: close\r\n" : "");
		memcpy(expected + (size_t)i * size, answer(1)->bytes, size);
	}
	ask(0, requests, expected, 10 * size);
	pass(3000);
	assert_true(world.clients[0].ended && !world.clients[0].wrong);
	assert_int_equal(world.clients[0].seen, 10 * size);
}

static void test_idle(void **state)
{
	ask(0, "GET /s HTTP/1.1\r\nHost: x\r\n\r\n", answer(1)->bytes, answer(1)->size);
	pass(1000);
	assert_false(world.clients[0].ended);
	assert_int_equal(world.clients[0].seen, answer(1)->size);
	pass(40000);
	assert_true(world.clients[0].ended);
}

static void test_lossy(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		setup(state);
		world.seed = seed * 1000003;
		world.loss = (uint32_t)(draw() % 800);
		world.repeat = (uint32_t)(draw() % 300);
		world.damage = (uint32_t)(draw() % 200);
		world.jitter_us = (uint32_t)(draw() % 4000);
		for (unsigned i = 0; i < 4; i++)
			ask(i, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			    answer(0)->bytes, answer(0)->size);
		for (unsigned i = 0; i < 200; i++)
			pass(1000);
		for (unsigned i = 0; i < 4; i++)
			if (world.clients[i].wrong || !(whole(i) || forgotten(i)))
				fail_msg("seed %llu, client %u: %u of %u%s",
				         (unsigned long long)seed, i, world.clients[i].seen,
				         world.clients[i].expected_size,
				         world.clients[i].wrong ? ", wrong" : "");
		assert_int_equal(static_stack_connections(world.server), 0);
		if (seed < 60)
			teardown(state);
	}
}

/* ---- Nobody's segments ---- */

static void test_flood(void **state)
{
	for (uint32_t i = 0; i < 100000; i++)
		say((uint16_t)(1024 + i % 60000), i * 77777, 0, SYN, NULL);
	assert_int_equal(static_stack_connections(world.server), 0);
	world.n = 0;
	test_clean(state);
}

static void test_forged(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);

	for (uint32_t i = 0; i < 1000; i++)
		say(5000, 1001, (uint32_t)draw(), ACK, "GET / HTTP/1.1\r\n\r\n");
	assert_int_equal(count->cookies_bad, 1000);
	assert_int_equal(count->opened, 0);
}

/* What scanners send where nobody is connected: RFC 9293, 3.10.7.2. */
static void test_scans(void **state)
{
	static const uint8_t silent[] = {0, FIN, FIN | PSH | URG, SYN | FIN, RST, URG, RST | ACK};
	static const uint8_t reset[] = {ACK, SYN | ACK, FIN | ACK, FIN | ACK | PSH};

	for (unsigned i = 0; i < sizeof silent; i++)
		say(4000, 77, 99, silent[i], NULL);
	assert_int_equal(world.sent, 0);
	for (unsigned i = 0; i < sizeof reset; i++) {
		say(4000, 77, 99, reset[i], NULL);
		assert_int_equal(world.sent, i + 1);
		assert_int_equal(last_flags(), RST);
		assert_int_equal(last_number(4), 99);
	}
}

static void test_blind(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);
	uint32_t next = open_by_hand(5000), sent;

	assert_int_equal(static_stack_connections(world.server), 1);
	say(5000, 1001 + 100, 0, RST, NULL);
	say(5000, 1001, 0, SYN, NULL);
	say(5000, 1001, next + 1, ACK, NULL);
	say(5000, 1001, next - 2000000, ACK, NULL);
	assert_int_equal(count->challenges, 4);
	assert_int_equal(static_stack_connections(world.server), 1);
	sent = world.sent;
	say(5000, 1001 + 20000, 0, RST, NULL); /* beyond the window */
	assert_int_equal(world.sent, sent);
	say(5000, 1001, 0, RST, NULL);
	assert_int_equal(static_stack_connections(world.server), 0);
	assert_int_equal(count->resets_in, 1);
}

static void test_crowd(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);

	for (uint16_t port = 5000; port < 5000 + 200; port++)
		open_by_hand(port);
	assert_int_equal(static_stack_connections(world.server), 64);
	assert_int_equal(count->evicted, 200 - 64);
}

/* A peer that takes nothing is asked for its window, and left at last. */
static void test_stalled(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);
	uint32_t next = open_by_hand(5000);

	world.loss = 10000; /* the other host knows nothing of this connection */
	say(5000, 1001, next, ACK | PSH, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	for (unsigned i = 0; i < 600; i++)
		pass(1000);
	assert_int_equal(static_stack_connections(world.server), 0);
	assert_int_equal(count->timed_out, 1);
	assert_int_equal(last_flags(), RST | ACK);
}

/* ---- What takes long ---- */

/* Milliseconds that are counted in 32 bits wrap, and time goes on. */
static void test_weeks(void **state)
{
	static struct static_front side;

	world.now += ((1ull << 32) - 20000) * 1000000;
	pass(1);
	test_idle(state);
	pass(100000);
	assert_int_equal(static_stack_connections(world.server), 0);
	ask(1, "GET /s HTTP/1.1\r\nHost: x\r\n\r\n", answer(1)->bytes, answer(1)->size);
	pass(1000);
	assert_true(whole(1));
	assert_true(static_stack_run(world.server, world.now) > world.now);
	assert_true(static_front_rules(&side, world.server) > world.now);
}

#define BIG   "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define CLOSE "GET /s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

enum { PEER = 5000, FIRST = 1001, SEGMENT = 1460 };

/* Where a connection that asks by hand stands: with whole segments, and a large window. */
static struct {
	uint32_t theirs, ours;
} now;

static void open_wide(void)
{
	static const uint8_t options[] = {2, 4, 5, 0xb4, 1, 3, 3, 7};

	world.loss = 10000; /* the other host knows nothing of this connection */
	inject(&(struct made){.port = PEER,
	                      .seq = FIRST - 1,
	                      .flags = SYN,
	                      .options = options,
	                      .n_options = sizeof options});
	assert_int_equal(last_flags(), SYN | ACK);
	now.theirs = FIRST;
	now.ours = last_number(4) + 1;
	say(PEER, now.theirs, now.ours, ACK, NULL);
}

/* → frames that came of it. */
static uint32_t next(uint8_t flags, const char *text)
{
	uint32_t sent = world.sent;

	say(PEER, now.theirs, now.ours, flags, text);
	now.theirs += text == NULL ? 0 : (uint32_t)strlen(text);
	return world.sent - sent;
}

/* Takes what is sent, a burst at a time. */
static void take_to(uint32_t end)
{
	while (now.ours != end) {
		now.ours = last_number(4) + world.last_size - HEADERS - 20;
		next(ACK, NULL);
	}
}

static void download(uint32_t size)
{
	next(ACK | PSH, BIG);
	take_to(now.ours + size);
}

/* After a pause nothing is known of the path (RFC 5681, 4.1). */
static void test_pause(void **state)
{
	uint32_t size = answer(0)->size;

	open_wide();
	download(size);
	assert_true(next(ACK | PSH, BIG) > 2 * INITIAL_SEGMENTS);
	take_to(now.ours + size);
	pass(5000);
	assert_int_equal(next(ACK | PSH, BIG), INITIAL_SEGMENTS);
}

/* A window that is shut, as the peer says whenever it is asked, for so long. → how often it was. */
static uint32_t stay_shut(uint32_t seconds)
{
	struct made made = {
	        .port = PEER, .flags = ACK, .shut = true, .seq = now.theirs, .ack = now.ours};
	uint32_t probes = 0;

	inject(&made);
	for (uint32_t i = 0; i < seconds * 10; i++) {
		uint32_t sent = world.sent;

		pass(100);
		if (world.sent == sent)
			continue;
		assert_int_equal(last_number(4), now.ours);
		probes++;
		inject(&made);
	}
	return probes;
}

/* All goes on as soon as the window opens. */
static void check_open(void)
{
	uint32_t sent = next(ACK, NULL);

	assert_true(sent >= INITIAL_SEGMENTS);
	assert_int_equal(last_number(4), now.ours + (sent - 1) * SEGMENT);
	/* What was lost of it comes again soon. */
	sent = world.sent;
	pass(1500);
	assert_true(world.sent > sent);
	assert_int_equal(last_number(4), now.ours);
}

static void shut_for(uint32_t seconds, uint32_t least_probes, uint32_t most_probes)
{
	open_wide();
	assert_int_equal(next(ACK | PSH, BIG), INITIAL_SEGMENTS);
	now.ours += INITIAL_SEGMENTS * SEGMENT;
	assert_in_range(stay_shut(seconds), least_probes, most_probes);
	check_open();
}

static void test_window(void **state)
{
	shut_for(20, 4, 8);
}

/* Who answers is there, and stays (RFC 9293, 3.8.6.1). */
static void test_patience(void **state)
{
	shut_for(1200, 15, 40);
}

/* Losses are seen by duplicates however much was sent before. */
static void test_far(void **state)
{
	uint32_t size = answer(0)->size;

	open_wide();
	for (uint64_t sent = 0; sent < 1ull << 31; sent += size)
		download(size);
	assert_int_equal(static_stack_counters(world.server)->retransmitted, 0);
	next(ACK | PSH, BIG);
	for (unsigned i = 0; i < 3; i++)
		next(ACK, NULL);
	assert_int_equal(static_stack_counters(world.server)->retransmitted, 1);
}

/* Answers that are longer together than numbers reach wait for one another. */
static void test_long(void **state)
{
	((struct static_answer *)answer(0))->size = 1u << 30;
	open_wide();
	next(ACK | PSH, BIG BIG BIG BIG BIG);
	assert_int_equal(last_number(8), FIRST + sizeof BIG - 1);
}

/* Where longer frames never arrive, and nobody says so. */
static void test_path(void **state)
{
	world.path = 1000;
	ask(0, CLOSE, answer(1)->bytes, answer(1)->size);
	ask(1, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->size);
	pass(30000);
	for (unsigned i = 0; i < 2; i++)
		assert_true(world.clients[i].ended && !world.clients[i].wrong && whole(i));
}

/* The same port again, after the end: a newer number, however much newer, begins anew (RFC 6191);
 * an older one does not. */
static void test_port_again(void **state)
{
	open_wide();
	assert_int_equal(next(ACK | PSH, CLOSE), 1);
	now.ours += answer(1)->size + 1;
	assert_int_equal(next(FIN | ACK, NULL), 1);
	assert_int_equal(static_stack_connections(world.server), 1);
	say(PEER, now.theirs - 1000000, 0, SYN, NULL);
	assert_int_equal(last_flags(), ACK);
	assert_int_equal(static_stack_connections(world.server), 1);
	say(PEER, now.theirs + 1000000, 0, SYN, NULL);
	assert_int_equal(last_flags(), SYN | ACK);
	assert_int_equal(last_number(8), now.theirs + 1000001);
	assert_int_equal(static_stack_connections(world.server), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_pipeline, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
	        cmocka_unit_test_teardown(test_lossy, teardown),
	        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_scans, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_blind, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_stalled, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_weeks, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_patience, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_far, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_long, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_path, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_port_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
