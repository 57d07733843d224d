/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that stay, before the handler in front of the server (filters/programs/front.c),
 * interpreted and compiled: served by it, and handed over to the server at any segment.
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

#define STAY  "GET /s HTTP/1.1\r\nHost: x\r\nX: 7\r\n\r\n"
#define CLOSE "GET /s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define OTHER "GET /s HTTP/1.1\r\nHost: y\r\nX: 8\r\n\r\n" /* not asked before */
#define BIG   "GET / HTTP/1.1\r\nHost: x\r\nX: 789\r\n\r\n"

enum { PEER = 5000, FIRST = 1001, STAYS = sizeof STAY - 1, CLOSES = sizeof CLOSE - 1 };

/* Where a connection that is asked by hand stands. */
static struct {
	uint16_t port;
	uint32_t theirs, ours;
} now;

static struct front_counts counts(void)
{
	return front_counts(world.front);
}

static const struct static_counters *served(void)
{
	return static_stack_counters(world.server);
}

static uint32_t size(void)
{
	return answer(1)->size;
}

static void teach(unsigned i, const char *request)
{
	ask(i, request, answer(1)->bytes, size());
	pass(500);
	assert_true(whole(i));
}

/* The server learns both from the first who ask, and keeps these connections. */
static void learn(void)
{
	teach(0, STAY);
	teach(1, CLOSE);
	assert_int_equal(counts().answered, 0);
	assert_int_equal(served()->opened, 2);
}

static void begin(uint16_t port)
{
	now.port = port;
	now.theirs = FIRST;
	now.ours = open_by_hand(port);
}

/* Sends `text` as what is next; → frames that came of it. */
static uint32_t next(uint8_t flags, const char *text)
{
	uint32_t sent = world.sent;

	say(now.port, now.theirs, now.ours, flags, text);
	return world.sent - sent;
}

static void check_answer(uint32_t seq, uint32_t ack, uint8_t flags)
{
	assert_int_equal(last_flags(), flags);
	assert_int_equal(last_number(4), seq);
	assert_int_equal(last_number(8), ack);
	assert_int_equal(world.last_size, 54 + size());
	assert_memory_equal(world.last + 54, answer(1)->bytes, size());
}

static void check_ack(uint32_t seq, uint32_t ack, uint8_t flags)
{
	assert_int_equal(last_flags(), flags);
	assert_int_equal(last_number(4), seq);
	assert_int_equal(last_number(8), ack);
	assert_int_equal(world.last_size, 54);
}

/* One known request, its answer, and no acknowledgement yet. */
static void exchange(void)
{
	assert_int_equal(next(ACK | PSH, STAY), 1);
	check_answer(now.ours, now.theirs + STAYS, ACK | PSH);
	now.theirs += STAYS;
	now.ours += size();
}

static void check_handed_over(unsigned n)
{
	assert_int_equal(counts().kept - counts().left, 0);
	assert_int_equal(static_stack_connections(world.server), 2 + n);
	assert_int_equal(served()->opened, 2);
	assert_int_equal(served()->cookies_bad, 0);
	assert_int_equal(served()->resets_out, 0);
}

/* ---- Served in front ---- */

static void test_many(void **state)
{
	learn();
	begin(PEER);
	for (unsigned i = 0; i < 20; i++) {
		exchange();
		if (i % 3 == 0) /* the others' acknowledgements come with the next request */
			assert_int_equal(next(ACK, NULL), 0);
	}
	assert_int_equal(next(ACK | PSH, CLOSE), 1);
	check_answer(now.ours, now.theirs + CLOSES, ACK | PSH | FIN);
	now.theirs += CLOSES;
	now.ours += size() + 1;
	assert_int_equal(next(FIN | ACK, NULL), 1);
	check_ack(now.ours, now.theirs + 1, ACK);
	assert_int_equal(counts().opened, 1);
	assert_int_equal(counts().answered, 21);
	assert_int_equal(counts().bytes, 21 * size());
	assert_int_equal(counts().ended, 1);
	assert_int_equal(counts().again, 0);
	check_handed_over(0);
}

static void test_their_end(void **state)
{
	learn();
	begin(PEER);
	exchange();
	assert_int_equal(counts().kept - counts().left, 1);
	assert_int_equal(next(FIN | ACK, NULL), 1);
	check_ack(now.ours, now.theirs + 1, FIN | ACK);
	/* Lost: it comes again. */
	assert_int_equal(next(FIN | ACK, NULL), 1);
	check_ack(now.ours, now.theirs + 1, FIN | ACK);
	now.theirs++;
	now.ours++;
	assert_int_equal(next(ACK, NULL), 0);
	/* The same port, anew. */
	say(PEER, now.theirs + 100, 0, SYN, NULL);
	assert_int_equal(last_flags(), SYN | ACK);
	check_handed_over(0);
}

/* Whatever our number is: a byte of it may be 0. */
static void test_end_again(void **state)
{
	learn();
	for (uint16_t i = 0; i < 1000; i++) {
		begin(PEER + i);
		exchange();
		assert_int_equal(next(FIN | ACK, NULL), 1);
		assert_int_equal(next(FIN | ACK, NULL), 1);
		check_ack(now.ours, now.theirs + 1, FIN | ACK);
	}
}

/* An answer that was lost is said again: to the request, and to the request with what follows. */
static void test_again(void **state)
{
	uint32_t sent;

	learn();
	begin(PEER);
	exchange();
	exchange();
	say(PEER, now.theirs - STAYS, now.ours - size(), ACK | PSH, STAY);
	check_answer(now.ours - size(), now.theirs, ACK | PSH);
	say(PEER, now.theirs - STAYS, now.ours - size(), ACK | PSH, STAY STAY);
	check_answer(now.ours - size(), now.theirs, ACK | PSH);
	assert_int_equal(counts().again, 2);
	/* Heard: what is older is acknowledged, as a probe is. */
	say(PEER, now.theirs - STAYS, now.ours, ACK | PSH, STAY);
	check_ack(now.ours, now.theirs, ACK);
	say(PEER, now.theirs - 1, now.ours, ACK, NULL);
	check_ack(now.ours, now.theirs, ACK);
	say(PEER, now.theirs - 2 * STAYS, now.ours - 2 * size(), ACK | PSH, STAY);
	check_ack(now.ours, now.theirs, ACK);
	sent = world.sent;
	say(PEER, now.theirs, now.ours - size(), ACK, NULL);
	assert_int_equal(world.sent, sent);
	exchange();
	assert_int_equal(counts().answered, 3);
}

/* Who can't see the numbers changes nothing, and moves nothing to the server. */
static void test_blind(void **state)
{
	static const uint8_t flags[] = {ACK, ACK | PSH, FIN | ACK, RST,
	                                SYN, SYN | ACK, 0,         URG | PSH};
	uint64_t frames = 0;

	learn();
	begin(PEER);
	exchange();
	frames = served()->frames_in;
	for (unsigned i = 0; i < 4000; i++) {
		uint32_t seq = (uint32_t)draw(), ack = (uint32_t)draw();

		if (seq - now.theirs + 65536 < 131072 || now.ours - ack + 65536 < 131072)
			continue;
		world.n = 0;
		say(PEER, seq, ack, flags[i % 8], i % 3 ? STAY : NULL);
		say(PEER, now.theirs, ack, flags[i % 8] & ~(RST | SYN), i % 3 ? STAY : NULL);
	}
	say(PEER, now.theirs + 1, 0, RST, NULL); /* challenged */
	check_ack(now.ours, now.theirs, ACK);
	inject(&(struct made){.port = PEER, .seq = now.theirs, .flags = RST, .damaged = true});
	assert_int_equal(served()->bad_checksum, 1);
	assert_int_equal(served()->frames_in, frames + 1);
	exchange();
	assert_int_equal(counts().kept - counts().left, 1);
	/* The right one. */
	say(PEER, now.theirs, 0, RST, NULL);
	assert_int_equal(counts().kept - counts().left, 0);
	say(PEER, now.theirs, now.ours, ACK | PSH, STAY);
	assert_int_equal(last_flags(), RST);
}

/* ---- Handed over ---- */

static void test_unknown(void **state)
{
	learn();
	begin(PEER);
	exchange();
	exchange();
	assert_int_equal(next(ACK | PSH, OTHER), 1);
	check_answer(now.ours, now.theirs + sizeof OTHER - 1, ACK | PSH);
	now.theirs += sizeof OTHER - 1;
	now.ours += size();
	check_handed_over(1);
	/* All that follows is the server's. */
	exchange();
	assert_int_equal(counts().answered, 2);
	assert_int_equal(next(FIN | ACK, NULL), 1);
	check_ack(now.ours, now.theirs + 1, FIN | ACK);
	now.theirs++;
	now.ours++;
	next(ACK, NULL);
	check_handed_over(0);
	assert_int_equal(served()->requests, 2 + 2);
}

/* A request whose answer is long; in pieces; urgent; with its end; where the window is small. */
static void test_others(void **state)
{
	static const struct made made[] = {
	        {.flags = ACK | PSH, .text = BIG},
	        {.flags = ACK, .text = "GET /s HTTP/1.1\r\nHo"},
	        {.flags = ACK | PSH | URG, .text = STAY},
	        {.flags = ACK | PSH | FIN, .text = STAY},
	        {.flags = ACK | PSH, .text = STAY STAY},
	        {.flags = ACK | PSH, .text = STAY, .window = 50},
	};

	for (unsigned i = 0; i < sizeof made / sizeof *made; i++) {
		struct made one = made[i];

		setup(state);
		learn();
		begin(PEER);
		exchange();
		one.port = PEER;
		one.seq = now.theirs;
		one.ack = now.ours;
		inject(&one);
		check_handed_over(1);
		assert_true(last_flags() & ACK);
		assert_int_equal(counts().answered, 1);
		assert_int_equal(served()->requests, i == 1 ? 2 : i == 4 ? 4 : 3);
		if (i + 1 < sizeof made / sizeof *made)
			teardown(state);
	}
}

/* The second request before the answer to the first was heard: the server has it still to be heard,
 * and says it again when nothing is. */
static void test_pipelined(void **state)
{
	uint32_t before, sent;

	learn();
	world.loss = 10000; /* the client's host would say that it knows nothing of this */
	begin(PEER);
	exchange();
	before = now.ours - size();
	say(PEER, now.theirs, before, ACK | PSH, STAY);
	check_handed_over(1);
	check_answer(now.ours, now.theirs + STAYS, ACK | PSH);
	sent = world.sent;
	pass(1100);
	assert_int_equal(world.sent, sent + 1);
	check_answer(before, now.theirs + STAYS, ACK | PSH);
	say(PEER, now.theirs + STAYS, now.ours + size(), ACK, NULL);
	assert_int_equal(served()->requests + counts().answered, 2 + 2);
	assert_int_equal(served()->bytes + counts().bytes, 4 * size());
}

/* Their end while the answer is under way; and a request of which the one before was lost. */
static void test_early(void **state)
{
	learn();
	begin(PEER);
	exchange();
	say(PEER, now.theirs, now.ours - size(), FIN | ACK, NULL);
	check_handed_over(1);
	check_ack(now.ours, now.theirs + 1, FIN | ACK);
	begin(PEER + 1);
	exchange();
	say(PEER + 1, now.theirs + STAYS, now.ours, ACK | PSH, STAY);
	check_ack(now.ours, now.theirs, ACK);
	check_handed_over(2);
	assert_int_equal(next(ACK | PSH, STAY), 1);
	check_answer(now.ours, now.theirs + STAYS, ACK | PSH);
}

/* Who is silent for long is told that it is the end, by the server, and heard with its answer. */
static void test_silent(void **state)
{
	learn();
	world.loss = 10000;
	begin(PEER);
	exchange();
	assert_int_equal(next(ACK, NULL), 0);
	pass(20000);
	exchange(); /* that is heard */
	assert_int_equal(next(ACK, NULL), 0);
	pass(29000);
	assert_int_equal(counts().kept - counts().left, 1);
	while (counts().kept != counts().left && world.now < 200ull * 1000000000)
		pass(1);
	assert_int_equal(counts().kept - counts().left, 0);
	assert_true(world.now < 66ull * 1000000000);
	check_ack(now.ours, now.theirs, FIN | ACK);
	now.ours++;
	assert_int_equal(next(FIN | ACK, NULL), 1);
	check_ack(now.ours, now.theirs + 1, ACK);
	assert_true(served()->closed > 0);
	assert_int_equal(served()->resets_out, 0);
}

/* ---- Records ---- */

/* A connection that stays is not lost to others' SYNs; who finds no record is the server's. */
static void test_collisions(void **state)
{
	learn();
	begin(PEER);
	exchange();
	for (uint32_t i = 0; i < 200000; i++)
		say((uint16_t)(5001 + i % 60000), i * 77777, 0, SYN, NULL);
	world.n = 0;
	exchange();
	assert_int_equal(counts().answered, 2);
}

/* More of them than there are records, which is the server's matter, too. */
static void test_crowd(void **state)
{
	uint32_t n = 6000;

	learn();
	for (uint32_t i = 0; i < n; i++) {
		begin((uint16_t)(10000 + i));
		world.n = 0;
		exchange();
	}
	assert_true(counts().kept > 2500 && counts().kept < 4096);
	assert_int_equal(counts().answered + served()->requests, n + 2);
	assert_int_equal(counts().opened + served()->opened, n + 2);
	/* All of them end, by and by. */
	world.loss = 10000;
	for (unsigned i = 0; i < 400; i++)
		pass(1000);
	assert_int_equal(counts().kept - counts().left, 0);
	assert_int_equal(static_stack_connections(world.server), 0);
}

/* ---- Begun anew ---- */

/* Others' SYNs take the records that nobody needs. */
static void flood(void)
{
	for (uint32_t i = 0; i < 60000; i++)
		say((uint16_t)(5001 + i % 60000), i * 77777, 0, SYN, NULL);
	world.n = 0;
}

/* The handler answers PEER's SYN, not knowing what the server has of that port. */
static void begin_anew(void)
{
	uint32_t first = now.theirs + 5000000;

	flood();
	say(PEER, first, 0, SYN, NULL);
	assert_int_equal(last_flags(), SYN | ACK);
	assert_int_equal(last_number(8), first + 1);
	now.theirs = first + 1;
	now.ours = last_number(4) + 1;
	assert_int_equal(next(ACK, NULL), 0);
}

static void check_other(void)
{
	assert_int_equal(next(ACK | PSH, OTHER), 1);
	check_answer(now.ours, now.theirs + sizeof OTHER - 1, ACK | PSH);
}

/* Its first request is urgent: the handler leaves it to the server. */
static void begin_at_server(void)
{
	assert_int_equal(next(ACK | PSH | URG, STAY), 1);
	check_answer(now.ours, now.theirs + STAYS, ACK | PSH);
	now.theirs += STAYS;
	now.ours += size();
	assert_int_equal(next(ACK, NULL), 0);
}

/* After an end of which the server still keeps watch. */
static void test_after_the_end(void **state)
{
	learn();
	world.loss = 10000;
	begin(PEER);
	assert_int_equal(next(ACK | PSH | URG, CLOSE), 1); /* urgently: the server's */
	now.theirs += CLOSES;
	now.ours += size() + 1;
	assert_int_equal(next(FIN | ACK, NULL), 1);
	assert_int_equal(static_stack_connections(world.server), 3); /* TIME-WAIT */
	begin_anew();
	check_other();
	assert_int_equal(static_stack_connections(world.server), 3);
}

/* The peer was started anew while its connection stood. */
static void test_restarted(void **state)
{
	for (unsigned served = 0; served < 2; served++) {
		setup(state);
		learn();
		world.loss = 10000;
		begin(PEER);
		begin_at_server();
		pass(2000);
		begin_anew();
		if (served)
			exchange(); /* by the handler, before it hands over */
		check_other();
		assert_int_equal(static_stack_connections(world.server), 3);
		if (served == 0)
			teardown(state);
	}
}

/* Whom we have just heard is there still, whatever others guess. */
static void test_guessed(void **state)
{
	uint32_t theirs, ours;

	learn();
	begin(PEER);
	begin_at_server();
	theirs = now.theirs;
	ours = now.ours;
	begin_anew();
	next(ACK | PSH, OTHER);
	check_ack(ours, theirs, ACK);
}

/* ---- Clients on wires ---- */

static void lossy(uint64_t seed)
{
	static const char *const requests[] = {STAY,       STAY STAY,  STAY OTHER,
	                                       STAY CLOSE, OTHER STAY, STAY STAY STAY CLOSE};
	static const unsigned answers[] = {1, 2, 2, 2, 2, 4};
	uint8_t *many = malloc((size_t)4 * size());

	for (unsigned i = 0; i < 4; i++)
		memcpy(many + (size_t)i * size(), answer(1)->bytes, size());
	world.seed = seed * 1000003;
	world.loss = (uint32_t)(draw() % 1500);
	world.repeat = (uint32_t)(draw() % 1000);
	world.damage = (uint32_t)(draw() % 500);
	world.jitter_us = (uint32_t)(draw() % 8000);
	for (unsigned i = 2; i < 20; i++) {
		ask(i, requests[i % 6], many, answers[i % 6] * size());
		world.clients[i].piece = i % 2 ? STAYS : 0;
		world.clients[i].reply = size();
	}
	for (unsigned i = 0; i < 200; i++)
		pass(1000);
	for (unsigned i = 2; i < 20; i++)
		if (world.clients[i].wrong || !(whole(i) || forgotten(i)))
			fail_msg("seed %llu, client %u: %u of %u%s", (unsigned long long)seed, i,
			         world.clients[i].seen, world.clients[i].expected_size,
			         world.clients[i].wrong ? ", wrong" : "");
	assert_int_equal(static_stack_connections(world.server), 0);
	assert_int_equal(counts().kept - counts().left, 0);
	free(many);
}

static void test_lossy(void **state)
{
	uint64_t answered = 0, again = 0, opened = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		setup(state);
		learn();
		lossy(seed);
		answered += counts().answered;
		again += counts().again;
		opened += served()->opened;
		if (seed < 20)
			teardown(state);
	}
	assert_true(answered > 200 && again > 10 && opened > 40);
}

static int lie(void *context, uint64_t peer, struct front_taken *taken)
{
	*taken = (struct front_taken){.theirs = FIRST, .ours = 7000, .said = 0xff, .place = 3};
	return 1;
}

/* A record of an answer that never was is none. */
static void test_lies(void **state)
{
	static struct static_front side = {.take = lie};

	static_front_attach(&side, world.server);
	say(PEER, FIRST, 6000, ACK | PSH, STAY);
	assert_int_equal(last_flags(), RST);
	assert_int_equal(static_stack_connections(world.server), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_their_end, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_end_again, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_blind, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
	        cmocka_unit_test_teardown(test_others, teardown),
	        cmocka_unit_test_setup_teardown(test_pipelined, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_early, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_silent, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_collisions, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_after_the_end, setup, teardown),
	        cmocka_unit_test_teardown(test_restarted, teardown),
	        cmocka_unit_test_setup_teardown(test_guessed, setup, teardown),
	        cmocka_unit_test_teardown(test_lossy, teardown),
	        cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
	};

	return RUN_WITH_FRONT(tests);
}
