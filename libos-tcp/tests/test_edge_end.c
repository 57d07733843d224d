/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends of connections that the handler hears, interpreted and compiled; and segments of any kind.
 */
#include <udp/wire.h>

#include "edge_world.h"

/* ---- End ---- */

static void check_ack(uint32_t sent, uint32_t seq, uint32_t ack)
{
	assert_int_equal(world.sent, sent + 1);
	assert_int_equal(last_flags(), F_ACK);
	assert_int_equal(last_seq(), seq);
	assert_int_equal(last_ack(), ack);
	assert_int_equal(world.size, 32);
}

static void end_is_heard(void **state)
{
	uint32_t ours = ask_by_hand(), sent = world.sent;

	say(AFTER, ours, F_ACK, NULL);
	assert_int_equal(world.sent, sent);
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	check_ack(sent, ours, AFTER + 1);
	assert_int_equal(counts().heard, 2);
	assert_int_equal(counts().ended, 1);
	assert_int_equal(world.closed, 0);
	/* The answer was lost. */
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	check_ack(sent + 1, ours, AFTER + 1);
	/* At the latest when it would be sent again. */
	pass(1000);
	assert_int_equal(world.sent, sent + 2);
	assert_int_equal(world.closed, 1);
	assert_int_equal(tcp_stack_usage(world.stack).connections, 0);
	assert_int_equal(tcp_stack_usage(world.stack).time_waits, 1);
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	check_ack(sent + 2, ours, AFTER + 1);
	assert_int_equal(counts().ended, 2);
}

static void converse(uint16_t port, bool ends)
{
	struct made made = {.port = port,
	                    .seq = FIRST + 1,
	                    .flags = F_ACK | F_PSH,
	                    .text = "question",
	                    .options = stamps,
	                    .n_options = sizeof stamps};

	syn(port, FIRST);
	made.ack = last_seq() + 1;
	inject(&made);
	if (!ends)
		return;
	made.text = NULL;
	made.seq += 8;
	made.ack += 7;
	made.flags = F_ACK | F_FIN;
	inject(&made);
}

/* Those before are settled when the next one comes so far. */
static void ends_are_settled(void **state)
{
	for (unsigned i = 0; i < 100; i++) {
		converse((uint16_t)(7000 + i), true);
		assert_true(tcp_stack_usage(world.stack).connections <= 2);
	}
	assert_true(counts().ended >= 90);
	assert_true(world.closed >= 99);
}

/* Who has not ended keeps those behind it waiting, but not for long. */
static void slow_one_stands_first(void **state)
{
	converse(7000, false);
	converse(7001, true);
	converse(7002, true);
	assert_int_equal(tcp_stack_usage(world.stack).time_waits, 0);
	pass(1000);
	assert_int_equal(tcp_stack_usage(world.stack).connections, 1);
	assert_int_equal(tcp_stack_usage(world.stack).time_waits, 2);
	converse(7003, true);
	converse(7004, true);
	assert_int_equal(tcp_stack_usage(world.stack).connections, 2);
}

/* All the pool's have ended unheard, as it were: they are settled before one is refused. */
static void pool_is_full_of_ended(void **state)
{
	uint32_t next[64];

	for (unsigned i = 0; i < 64; i++) {
		syn((uint16_t)(8000 + i), FIRST);
		inject(&(struct made){.port = (uint16_t)(8000 + i),
		                      .seq = FIRST + 1,
		                      .ack = last_seq() + 1,
		                      .flags = F_ACK | F_PSH,
		                      .text = "q",
		                      .options = stamps,
		                      .n_options = sizeof stamps});
		next[i] = last_seq() + 7;
	}
	assert_int_equal(tcp_stack_usage(world.stack).connections, 64);
	for (unsigned i = 0; i < 64; i++)
		inject(&(struct made){.port = (uint16_t)(8000 + i),
		                      .seq = FIRST + 2,
		                      .ack = next[i],
		                      .flags = F_ACK | F_FIN,
		                      .options = stamps,
		                      .n_options = sizeof stamps});
	(void)ask_by_hand();
	assert_int_equal(world.accepted, 65);
}

/* Acknowledged, and the peer's end does not come: nothing is sent again. */
static void half_heard(void **state)
{
	uint32_t ours = ask_by_hand(), sent = world.sent;

	say(AFTER, ours, F_ACK, NULL);
	pass(3000);
	assert_int_equal(world.sent, sent);
	assert_int_equal(world.conn->state, TCP_STATE_FIN_WAIT_2);
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	check_ack(sent, ours, AFTER + 1);
	assert_int_equal(world.closed, 1);
}

/* Nothing is heard: all is sent again. */
static void unheard(void **state)
{
	uint32_t ours = ask_by_hand(), sent = world.sent;

	pass(1500);
	assert_true(world.sent > sent);
	assert_int_equal(last_flags(), F_ACK | F_PSH | F_FIN);
	sent = world.sent;
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	check_ack(sent, ours, AFTER + 1);
	assert_int_equal(world.closed, 1);
	assert_int_equal(counts().ended, 0);
}

/* Whatever else comes takes the end back. */
static void not_the_end(void **state)
{
	uint32_t ours = ask_by_hand(), sent = world.sent;

	say(AFTER, ours, F_ACK, NULL);
	say(AFTER, ours, F_ACK | F_PSH, "more");
	assert_int_equal(world.read, 12);
	assert_true(world.sent >= sent);
	pass(1000);
	assert_int_equal(last_ack(), AFTER + 4);
	sent = world.sent;
	say(AFTER + 4, ours, F_ACK | F_FIN, NULL);
	check_ack(sent, ours, AFTER + 5);
	assert_int_equal(world.closed, 1);
}

static void forged_ends(void **state)
{
	uint32_t ours = ask_by_hand(), sent = world.sent;

	say(AFTER + 100000, ours, F_ACK | F_FIN, NULL);
	say(AFTER - 20000, ours, F_ACK | F_FIN, NULL);
	say(AFTER, ours + 1, F_ACK | F_FIN, NULL);
	inject(&(struct made){.seq = AFTER,
	                      .ack = ours,
	                      .flags = F_ACK | F_FIN,
	                      .options = stamps,
	                      .n_options = sizeof stamps,
	                      .damaged = true});
	/* An old timestamp, and none. */
	inject(&(struct made){.seq = AFTER,
	                      .ack = ours,
	                      .flags = F_ACK | F_FIN,
	                      .options = (const uint8_t[]){1, 1, 8, 10, 0, 0, 2, 0, 0, 0, 0, 0},
	                      .n_options = 12});
	assert_int_equal(counts().ended, 0);
	assert_non_null(world.conn);
	assert_int_equal(world.conn->state, TCP_STATE_FIN_WAIT_1);
	sent = world.sent;
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	check_ack(sent, ours, AFTER + 1);
}

static void application_leaves(void **state)
{
	uint32_t ours = ask_by_hand();

	tcp_abort(world.conn);
	world.conn = NULL;
	assert_int_equal(last_flags() & F_RST, F_RST);
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	assert_int_equal(last_flags(), F_RST);
	assert_int_equal(counts().ended, 0);
}

static void application_closes(void **state)
{
	uint32_t ours = ask_by_hand(), sent = world.sent;

	tcp_close(world.conn);
	world.conn = NULL;
	say(AFTER, ours, F_ACK | F_FIN, NULL);
	check_ack(sent, ours, AFTER + 1);
	pass(1000);
	assert_int_equal(tcp_stack_usage(world.stack).connections, 0);
	assert_int_equal(tcp_stack_usage(world.stack).time_waits, 1);
}

/* TIME-WAIT is the stack's: a SYN that can't be an old one begins anew (RFC 6191). */
static void port_again(void **state)
{
	uint32_t ours = ask_by_hand();

	say(AFTER, ours, F_ACK | F_FIN, NULL);
	pass(1000);
	syn(PEER, 70000); /* by an old timestamp */
	assert_int_equal(last_flags(), F_ACK);
	inject(&(struct made){
	        .seq = 70000,
	        .flags = F_SYN,
	        .options = (const uint8_t[]){2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 9, 9, 0, 0, 0, 0},
	        .n_options = 16});
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(counts().asked, 1);
	inject(&(struct made){.seq = 70001,
	                      .ack = last_seq() + 1,
	                      .flags = F_ACK | F_PSH,
	                      .text = "question",
	                      .options = (const uint8_t[]){1, 1, 8, 10, 0, 0, 9, 9, 0, 0, 0, 0},
	                      .n_options = 12});
	assert_int_equal(world.accepted, 2);
}

static void front_leaves_at_the_end(void **state)
{
	uint32_t ours = ask_by_hand();

	say(AFTER, ours, F_ACK | F_FIN, NULL);
	remove_front();
	assert_int_equal(world.closed, 1);
	assert_int_equal(tcp_stack_usage(world.stack).time_waits, 1);
}

/* ---- Anything ---- */

enum { RANDOM_PORTS = 4096, RANDOM_AT_ONCE = 16 };

/* A peer that goes its way, most of the time. */
struct peer {
	uint32_t theirs, ours, step;
};

static struct made random_segment(const struct peer *peer, uint8_t options[40])
{
	static const uint8_t flags[] = {F_SYN, F_ACK, F_ACK | F_PSH, F_ACK, F_ACK | F_FIN};
	uint32_t step = peer->step % 5;
	struct made made = {.seq = peer->theirs + (step == 0  ? 0
	                                           : step < 3 ? 1
	                                                      : 9),
	                    .ack = step == 0 ? 0 : peer->ours + (step < 3 ? 1 : 8),
	                    .flags = flags[step],
	                    .options = step == 0 ? all_options : stamps,
	                    .n_options = step == 0 ? sizeof all_options : sizeof stamps,
	                    .text = step == 2 ? "question" : NULL};

	switch (draw() % 24) {
	case 0:
		made.seq += (uint32_t)draw() % 12 - 4;
		break;
	case 1:
		made.ack += (uint32_t)draw() % 12 - 4;
		break;
	case 2:
		made.flags ^= (uint8_t)draw();
		break;
	case 3:
		made.text = "question";
		break;
	case 4:
		made.damaged = true;
		break;
	case 5:
		made.options = options;
		made.n_options = (uint32_t)(draw() % 11 * 4);
		for (unsigned i = 0; i < 40; i++)
			options[i] = (uint8_t)(draw() % 12);
		break;
	default:
		break;
	}
	return made;
}

static void random_turn(struct peer *peers, uint32_t i)
{
	struct peer *peer = &peers[i];
	uint8_t options[40], segment[ROOM];
	struct made made = random_segment(peer, options);
	uint32_t size, sent = world.sent;

	made.port = (uint16_t)(9000 + i);
	size = make(segment, &made);
	if (draw() % 97 == 1)
		segment[draw() % 20] ^= (uint8_t)(1u << draw() % 8);
	arrive(segment, size);
	if (world.sent != sent && (last_flags() & F_SYN) && wire_get16(world.last + 2) == 9000 + i)
		peer->ours = last_seq();
	peer->step += draw() % 8 != 0;
}

static void abort_all(void)
{
	for (uint32_t i = 0; i < world.stack->conn_pool.max; i++) {
		struct tcp_conn *conn = &world.stack->conn_memory[i];

		if (conn->stack == world.stack && conn->owned)
			tcp_abort(conn);
	}
	world.conn = NULL;
}

/* Nothing breaks, and the stack ends where it began. */
static void random_segments(void **state)
{
	static struct peer peers[RANDOM_PORTS];

	memset(peers, 0, sizeof peers);
	for (uint32_t i = 0; i < 50000; i++) {
		random_turn(peers, (i / 128 + (uint32_t)(draw() % RANDOM_AT_ONCE)) % RANDOM_PORTS);
		world.now += draw() % (3 * MS);
		if (draw() % 64 == 0)
			pass(draw() % 300);
		if (draw() % 500 == 0)
			abort_all();
	}
	assert_true(counts().asked > 100 && counts().heard > 100 && counts().ended > 50);
	assert_true(world.accepted > 100);
	abort_all();
}

/* ---- Whatever is written into what is shared ---- */

static void wild_scales(void **state)
{
	struct edge_line *lines = front_arena(world.front)->lines;
	uint32_t ours = open_by_hand();

	world.answers = false;
	for (uint32_t i = 0; i < EDGE_LINES; i++) {
		struct edge_asked *asked = &lines[i].asked;

		if (asked->peer == 0)
			continue;
		asked->scale = 200;
		asked->own_scale |= 0xf0;
		asked->check = edge_check(asked);
	}
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 1);
	assert_int_equal(world.conn->snd_scale, 14);
	assert_int_equal(world.conn->rcv_scale, 14);
	tcp_abort(world.conn);
}

/* Connections that nobody has, and a list that leads nowhere. */
static void wild_ends(void **state)
{
	struct edge_line *lines = front_arena(world.front)->lines;

	for (unsigned i = 0; i < 20; i++) {
		struct made made = {.port = (uint16_t)(7000 + i),
		                    .seq = FIRST + 1,
		                    .flags = F_ACK | F_PSH,
		                    .text = "question",
		                    .options = stamps,
		                    .n_options = sizeof stamps};

		syn(made.port, FIRST);
		made.ack = last_seq() + 1;
		inject(&made);
	}
	for (uint32_t i = 0; i < EDGE_LINES; i++) {
		struct edge_line *line = &lines[i];

		if (line->closing.peer == 0)
			continue;
		if (i % 2 == 0)
			line->closing.peer = draw();
		line->closed.tag = line->closing.tag;
		line->closed.news = EDGE_ENDED;
	}
	syn(PEER, FIRST);
	say(FIRST + 1, last_seq() + 1, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_ACK | F_PSH | F_FIN);
	remove_front();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EDGE_TEST(end_is_heard),
	        EDGE_TEST(ends_are_settled),
	        EDGE_TEST(slow_one_stands_first),
	        EDGE_TEST(pool_is_full_of_ended),
	        EDGE_TEST(half_heard),
	        EDGE_TEST(unheard),
	        EDGE_TEST(not_the_end),
	        EDGE_TEST(forged_ends),
	        EDGE_TEST(application_leaves),
	        EDGE_TEST(application_closes),
	        EDGE_TEST(port_again),
	        EDGE_TEST(front_leaves_at_the_end),
	        EDGE_TEST(random_segments),
	        EDGE_TEST(wild_scales),
	        EDGE_TEST(wild_ends),
	};
	int failed;

	failed = cmocka_run_group_tests_name("interpreted", tests, NULL, NULL);
	world.compiled = true;
	return failed + cmocka_run_group_tests_name("compiled", tests, NULL, NULL);
}
