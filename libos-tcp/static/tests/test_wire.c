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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
