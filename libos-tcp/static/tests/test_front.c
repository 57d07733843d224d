/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler in front of the server (filters/programs/front.c), interpreted and compiled: short
 * answers over good wires and bad, what it leaves to the server, and segments that nobody sent.
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

#define SHORT "GET /s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

enum { PEER = 5000, FIRST = 1001, AFTER = FIRST + sizeof SHORT - 1 };

static struct front_counts counts(void)
{
	return front_counts(world.front);
}

static uint64_t opened(void)
{
	return static_stack_counters(world.server)->opened;
}

static void ask_short(unsigned i)
{
	ask(i, SHORT, answer(1)->bytes, answer(1)->size);
}

/* The first one that asks is answered by the server; whoever comes later, by the handler. */
static void learn(void)
{
	ask_short(0);
	pass(1000);
	assert_true(world.clients[0].ended && whole(0));
	assert_int_equal(counts().answered, 0);
	assert_int_equal(opened(), 1);
}

static void check_short(unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		assert_true(world.clients[i].ended && !world.clients[i].wrong && whole(i));
}

static void test_short(void **state)
{
	learn();
	for (unsigned i = 1; i < CONNS; i++)
		ask_short(i);
	pass(3000);
	check_short(1, CONNS - 1);
	assert_int_equal(counts().answered, CONNS - 1);
	assert_int_equal(counts().bytes, (CONNS - 1) * answer(1)->size);
	assert_int_equal(counts().ended, CONNS - 1);
	assert_int_equal(counts().again, 0);
	assert_int_equal(opened(), 1);
}

/* What it knows besides goes its own way: long answers; and answers without bodies. */
static void test_others(void **state)
{
	learn();
	ask(1, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->size);
	ask(2, "GET /s HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", answer(1)->bytes,
	    answer(1)->size);
	ask(3, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->head);
	pass(3000);
	assert_true(whole(1) && whole(2) && whole(3));
	assert_int_equal(opened(), 4);
	ask(4, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->head);
	pass(3000);
	check_short(4, 1);
	assert_int_equal(opened(), 4);
	assert_int_equal(counts().answered, 1);
}

static void lossy(uint64_t seed)
{
	world.seed = seed * 1000003;
	world.loss = (uint32_t)(draw() % 1500);
	world.repeat = (uint32_t)(draw() % 1000);
	world.damage = (uint32_t)(draw() % 500);
	world.jitter_us = (uint32_t)(draw() % 8000);
	for (unsigned i = 1; i < 20; i++)
		ask_short(i);
	for (unsigned i = 0; i < 100; i++)
		pass(1000);
	for (unsigned i = 1; i < 20; i++)
		if (world.clients[i].wrong || !(whole(i) || forgotten(i)))
			fail_msg("seed %llu, client %u: %u of %u%s", (unsigned long long)seed, i,
			         world.clients[i].seen, world.clients[i].expected_size,
			         world.clients[i].wrong ? ", wrong" : "");
	assert_int_equal(static_stack_connections(world.server), 0);
}

static void test_lossy(void **state)
{
	uint64_t answered = 0, again = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		setup(state);
		learn();
		lossy(seed);
		answered += counts().answered;
		again += counts().again;
		if (seed < 20)
			teardown(state);
	}
	assert_true(answered > 240 && again > 20);
}

/* The answer to a SYN is the server's own, whoever makes it. */
static void test_cookies(void **state)
{
	static const uint8_t options[][20] = {
	        {2, 4, 5, 0xb4, 1, 3, 3, 7},
	        {2, 4, 0, 1},
	        {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 15},
	        {0},
	        {2, 4, 0xff, 0xff, 1, 3, 3, 0, 1, 1, 8, 10, 9, 9, 9, 9, 9, 9, 9, 9},
	        {1, 1, 1, 3, 3, 9, 2, 4, 5, 0xb4}, /* the server's alone */
	};
	static const uint32_t sizes[] = {12, 4, 20, 0, 20, 12};
	const struct static_counters *count = static_stack_counters(world.server);
	struct front *front = world.front;

	for (unsigned i = 0; i < 120; i++) {
		struct made syn = {.port = (uint16_t)draw(),
		                   .seq = (uint32_t)draw(),
		                   .flags = SYN,
		                   .options = options[i % 6],
		                   .n_options = sizes[i % 6]};
		uint8_t made[FRAME];
		uint32_t size;

		inject(&syn);
		memcpy(made, world.last, size = world.last_size);
		world.front = NULL;
		inject(&syn);
		world.front = front;
		assert_int_equal(world.last_size, size);
		assert_memory_equal(world.last, made, size);
		if (i == 50)
			pass(64000); /* another kind */
	}
	assert_int_equal(counts().asked, 100);
	assert_int_equal(count->cookies_sent, 120 + 20);
}

/* ---- By hand ---- */

/* SYN, and the request: → the number that acknowledges all of the answer. */
static uint32_t ask_by_hand(void)
{
	uint32_t next = open_by_hand(PEER);

	say(PEER, FIRST, next, ACK | PSH, SHORT);
	assert_int_equal(last_flags(), ACK | PSH | FIN);
	assert_int_equal(last_number(4), next);
	assert_int_equal(last_number(8), AFTER);
	assert_int_equal(world.last_size, 54 + answer(1)->size);
	assert_memory_equal(world.last + 54, answer(1)->bytes, answer(1)->size);
	return next + answer(1)->size + 1;
}

static void check_ack(uint32_t sent, uint32_t seq, uint32_t ack)
{
	assert_int_equal(world.sent, sent + 1);
	assert_int_equal(last_flags(), ACK);
	assert_int_equal(last_number(4), seq);
	assert_int_equal(last_number(8), ack);
}

static void end_by_hand(uint32_t ours, uint32_t theirs)
{
	uint32_t sent = world.sent;

	say(PEER, theirs, ours, ACK, NULL);
	assert_int_equal(world.sent, sent);
	say(PEER, theirs, ours, FIN | ACK, NULL);
	check_ack(sent, ours, theirs + 1);
}

static void test_again(void **state)
{
	uint32_t ours, sent;

	learn();
	ours = ask_by_hand();
	sent = world.sent;
	/* Not before the answer was heard. */
	say(PEER, AFTER, ours - answer(1)->size - 1, FIN | ACK, NULL);
	assert_int_equal(world.sent, sent);
	say(PEER, FIRST, ours - answer(1)->size - 1, ACK | PSH, SHORT);
	assert_int_equal(last_flags(), ACK | PSH | FIN);
	assert_int_equal(counts().again, 1);
	end_by_hand(ours, AFTER);
	sent = world.sent;
	say(PEER, AFTER, ours, FIN | ACK, NULL);
	check_ack(sent, ours, AFTER + 1);
	assert_int_equal(counts().ended, 1);
	assert_int_equal(opened(), 1);
}

/* Text behind the request is thrown away. */
static void test_more(void **state)
{
	uint32_t ours, sent;

	learn();
	ours = ask_by_hand();
	sent = world.sent;
	say(PEER, AFTER, ours, ACK | PSH, "abc");
	check_ack(sent, ours, AFTER + 3);
	end_by_hand(ours, AFTER + 3);
}

/* The same port again, after the end: numbers that are newer, and others. */
static void test_port_again(void **state)
{
	uint32_t ours, sent;

	learn();
	ours = ask_by_hand();
	end_by_hand(ours, AFTER);
	sent = world.sent;
	say(PEER, FIRST, 0, SYN, NULL);
	check_ack(sent, ours, AFTER + 1);
	say(PEER, 70000, 0, SYN, NULL);
	assert_int_equal(last_flags(), SYN | ACK);
	say(PEER, 70001, last_number(4) + 1, ACK | PSH, SHORT);
	assert_int_equal(last_flags(), ACK | PSH | FIN);
	assert_int_equal(opened(), 1);
}

/* Who asks for ECN does without, whether new or on a port that has been used. */
static void test_ecn(void **state)
{
	enum { ASKS = SYN | 0xc0 };
	uint32_t ours;

	learn();
	say(PEER, FIRST - 1, 0, ASKS, NULL);
	assert_int_equal(last_flags(), SYN | ACK);
	ours = last_number(4) + 1;
	say(PEER, FIRST, ours, ACK | PSH, SHORT);
	assert_int_equal(last_flags(), ACK | PSH | FIN);
	ours += answer(1)->size + 1;
	end_by_hand(ours, AFTER);
	say(PEER, 70000, 0, ASKS, NULL);
	assert_int_equal(last_flags(), SYN | ACK);
	assert_int_equal(last_number(8), 70001);
}

static void test_blind(void **state)
{
	uint32_t ours, sent;

	learn();
	ours = ask_by_hand();
	sent = world.sent;
	say(PEER, AFTER + 1, 0, RST, NULL);
	say(PEER, AFTER - 1, 0, RST, NULL);
	say(PEER, AFTER, ours + 1, FIN | ACK, NULL);
	inject(&(struct made){
	        .port = PEER, .seq = AFTER, .ack = ours, .flags = FIN | ACK, .damaged = true});
	say(PEER, AFTER + 1, ours + 77, ACK | PSH, "abc");
	say(PEER, AFTER - 9000, ours - 1, ACK | PSH, "abc");
	assert_int_equal(world.sent, sent);
	assert_int_equal(static_stack_counters(world.server)->bad_checksum, 1);
	say(PEER, 77777, 0, SYN, NULL); /* challenged */
	check_ack(sent, ours, AFTER);
	end_by_hand(ours, AFTER);
	/* A reset that is right; then nobody knows of it. */
	open_by_hand(PEER + 1);
	say(PEER + 1, FIRST, 0, RST, NULL);
	sent = world.sent;
	say(PEER + 1, FIRST, 77, ACK, NULL);
	assert_int_equal(world.sent, sent + 1);
	assert_int_equal(last_flags(), RST);
}

/* There is an end to what segments that should not be make it say. */
static void test_challenges(void **state)
{
	uint32_t sent;

	learn();
	ask_by_hand();
	sent = world.sent;
	world.loss = 10000;
	for (unsigned i = 0; i < 20000; i++)
		say(PEER, 77777, 0, SYN, NULL);
	assert_int_equal(world.sent - sent, 16384);
}

/* Where the handler's rules do not reach, the server answers as if it stood alone. */
static void test_handed_over(void **state)
{
	static const struct made odd[] = {
	        /* With more behind it; the end; into a small window; urgently. */
	        {.flags = ACK | PSH, .text = SHORT "GET / HTTP/1.1\r\n"},
	        {.flags = ACK | PSH | FIN, .text = SHORT},
	        {.flags = ACK | PSH, .text = SHORT, .window = 50},
	        {.flags = ACK | PSH | URG, .text = SHORT},
	};

	for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++) {
		struct made made = odd[i];

		setup(state);
		learn();
		made.port = PEER;
		made.seq = FIRST;
		made.ack = open_by_hand(PEER);
		inject(&made);
		assert_int_equal(opened(), 2);
		assert_true(last_flags() & ACK);
		assert_int_equal(last_number(4), made.ack);
		assert_int_equal(counts().answered, 0);
		/* A SYN is the server's to judge from now on. */
		say(PEER, 77777, 0, SYN, NULL);
		assert_int_equal(last_flags(), ACK);
		if (i + 1 < sizeof odd / sizeof *odd)
			teardown(state);
	}
}

/* The answer was lost, and the request comes again with what was behind it, which comes again, too.
 */
static void test_collapsed(void **state)
{
	uint32_t ours;

	learn();
	ours = ask_by_hand();
	say(PEER, FIRST, ours - answer(1)->size - 1, ACK | PSH, SHORT "and more");
	assert_int_equal(last_flags(), ACK | PSH | FIN);
	assert_int_equal(last_number(8), AFTER);
	assert_int_equal(counts().again, 1);
	assert_int_equal(opened(), 1);
}

/* In two segments, of which the second comes first. */
static void test_pieces(void **state)
{
	uint32_t next;

	learn();
	next = open_by_hand(PEER);
	say(PEER, FIRST, next, ACK, "GET /s HTTP/1.1\r\n");
	assert_int_equal(opened(), 2);
	say(PEER, FIRST + 17, next, ACK | PSH, "Host: x\r\nConnection: close\r\n\r\n");
	assert_int_equal(last_flags(), ACK | PSH | FIN);
	assert_int_equal(last_number(8), AFTER);
}

/* Records count for some minutes. */
static void test_old(void **state)
{
	uint32_t ours, sent;

	learn();
	ours = ask_by_hand();
	world.loss = 10000;
	pass(150000);
	sent = world.sent;
	say(PEER, AFTER, ours, FIN | ACK, NULL);
	assert_int_equal(world.sent, sent + 1);
	assert_int_equal(last_flags(), RST);
}

/* Records are overwritten, those of answers that are under way are not. */
static void test_flood(void **state)
{
	uint32_t ours;

	learn();
	ours = ask_by_hand();
	for (uint32_t i = 0; i < 200000; i++)
		say((uint16_t)(5001 + i % 60000), i * 77777, 0, SYN, NULL);
	world.n = 0;
	end_by_hand(ours, AFTER);
	for (unsigned i = 1; i < CONNS; i++)
		ask_short(i);
	pass(3000);
	check_short(1, CONNS - 1);
	assert_int_equal(static_stack_connections(world.server), 1); /* TIME-WAIT of the first */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_short, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_others, setup, teardown),
	        cmocka_unit_test_teardown(test_lossy, teardown),
	        cmocka_unit_test_setup_teardown(test_cookies, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_more, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_port_again, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_ecn, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_blind, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_challenges, setup, teardown),
	        cmocka_unit_test_teardown(test_handed_over, teardown),
	        cmocka_unit_test_setup_teardown(test_collapsed, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_old, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
	};

	return RUN_WITH_FRONT(tests);
}
