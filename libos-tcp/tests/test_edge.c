/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler, interpreted and compiled: it says what the stack would have said, and leaves to the
 * stack what is the stack's. (What becomes of streams on a bad wire: sim.c.)
 */
#include <udp/wire.h>

#include "edge_world.h"

/* ---- Beginning ---- */

/* An answer is what the stack would have said, but for the offset of timestamps. */
static void says_what_the_stack_says(void **state)
{
	static const uint8_t layouts[][20] = {
	        {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 15},
	        {2, 4, 0, 30, 1, 3, 3, 7},
	        {2, 4, 5, 0xb4, 1, 1, 4, 2},
	        {0},
	        {2, 4, 5, 0xb4, 1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0},
	        {2, 4, 5, 0xb4, 1, 3, 3, 2, 1, 1, 4, 2},
	};
	static const uint32_t sizes[] = {20, 8, 8, 0, 16, 12};
	struct front *front = world.front;

	for (unsigned i = 0; i < 60; i++) {
		struct made made = {.port = (uint16_t)(2000 + i),
		                    .seq = (uint32_t)draw(),
		                    .flags = F_SYN,
		                    .options = layouts[i % 6],
		                    .n_options = sizes[i % 6],
		                    .window = (uint16_t)(i * 1000 + 1)};
		uint8_t said[ROOM];
		uint32_t size;

		inject(&made);
		memcpy(said, world.last, size = world.size);
		world.front = NULL;
		/* Nothing is known of it, as it were. */
		memset(front_arena(front)->lines, 0, sizeof front_arena(front)->lines);
		inject(&made);
		inject(&(struct made){.port = made.port,
		                      .seq = made.seq + 1,
		                      .flags = F_RST,
		                      .options = layouts[i % 6],
		                      .n_options = 0});
		world.front = front;
		assert_int_equal(world.size, size);
		assert_int_equal(wire_get16(said + 14), wire_get16(world.last + 14));
		if (i % 6 == 0 || i % 6 == 4)
			memcpy(said + 28, world.last + 28, 4);
		assert_memory_equal(said + 20, world.last + 20, size - 20);
		assert_memory_equal(said, world.last, 14); /* with the sequence number */
		world.now += MS;
	}
	assert_int_equal(counts().asked, 60);
}

static void first_data_makes_the_connection(void **state)
{
	struct tcp_conn_info info;
	uint32_t ours;

	world.answers = false;
	ours = open_by_hand();
	assert_int_equal(counts().asked, 1);
	assert_int_equal(counts().heard, 1);
	assert_int_equal(world.accepted, 0);
	assert_int_equal(tcp_stack_usage(world.stack).requests, 0);
	world.now += 50 * MS;
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 1);
	assert_int_equal(world.read, 8);
	tcp_conn_info(world.conn, &info);
	assert_int_equal(world.conn->mss, 1448);
	assert_true(world.conn->sack && world.conn->scaling && world.conn->timestamps);
	assert_int_equal(world.conn->snd_scale, 7);
	assert_int_equal(world.conn->snd_wnd, 60000 << 7);
	assert_true(info.rtt_us < 1000); /* not what the peer took to think */
	tcp_abort(world.conn);
	assert_int_equal(last_flags() & F_RST, F_RST);
}

static void data_without_an_acknowledgement_before(void **state)
{
	syn(PEER, FIRST);
	say(FIRST + 1, last_seq() + 1, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 1);
	assert_int_equal(last_flags(), F_ACK | F_PSH | F_FIN);
}

/* In the wrong order: the stack holds what comes early. */
static void data_in_disorder(void **state)
{
	uint32_t ours;

	world.answers = false;
	ours = open_by_hand();
	say(FIRST + 5, ours, F_ACK | F_PSH, "tion");
	say(FIRST + 1, ours, F_ACK, "ques");
	assert_int_equal(world.accepted, 1);
	assert_int_equal(world.read, 8);
	tcp_abort(world.conn);
}

static void syn_again(void **state)
{
	uint32_t iss;

	syn(PEER, FIRST);
	iss = last_seq();
	world.now += 700 * MS;
	syn(PEER, FIRST);
	assert_int_equal(last_seq(), iss);
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(counts().asked, 2);
	/* Another one is challenged (RFC 5961, 4), and the first goes on. */
	world.now += 100 * MS;
	syn(PEER, 777777);
	assert_int_equal(last_flags(), F_ACK);
	assert_int_equal(last_seq(), iss + 1);
	assert_int_equal(last_ack(), FIRST + 1);
	say(FIRST + 1, iss + 1, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 1);
}

/* The answer was lost: it is said again, and given up. */
static void answer_is_repeated(void **state)
{
	uint32_t iss, sent;

	syn(PEER, FIRST);
	iss = last_seq();
	sent = world.sent;
	pass(2500);
	assert_true(world.sent > sent);
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(last_seq(), iss);
	say(FIRST + 1, iss + 1, F_ACK, NULL);
	assert_int_equal(world.accepted, 1);
	tcp_abort(world.conn);
	sent = world.sent;
	syn(PEER + 1, FIRST); /* this second's first */
	syn(PEER + 2, FIRST);
	assert_int_equal(counts().asked, 2);
	pass(100000);
	assert_int_equal(world.sent - sent, 2 * 6);
	assert_int_equal(tcp_stack_counters(world.stack)->requests_expired, 2);
	say(FIRST + 1, 77, F_ACK, NULL);
	assert_int_equal(last_flags(), F_RST);
}

/* Who says nothing is there all the same, after a while. */
static void silent_peer(void **state)
{
	world.answers = false;
	open_by_hand();
	pass(2500);
	assert_int_equal(world.accepted, 1);
	assert_int_equal(world.sent, 1);
	tcp_abort(world.conn);
}

/* So is who asks within a second of a SYN that the stack has seen, be that one that came again. */
static void silent_behind_another(void **state)
{
	world.answers = false;
	pass(500);
	syn(PEER + 1, FIRST);
	assert_int_equal(counts().asked, 1);
	pass(700);
	syn(PEER + 1, FIRST); /* this second's first */
	assert_int_equal(counts().asked, 1);
	inject(&(struct made){.port = PEER + 1,
	                      .seq = FIRST + 1,
	                      .flags = F_RST,
	                      .options = stamps,
	                      .n_options = sizeof stamps});
	assert_int_equal(tcp_stack_usage(world.stack).requests, 0);
	pass(950);
	open_by_hand();
	assert_int_equal(counts().asked, 2);
	pass(10000);
	assert_int_equal(world.accepted, 1);
	tcp_abort(world.conn);
}

static void resets(void **state)
{
	uint32_t ours = open_by_hand(), sent = world.sent;

	say(FIRST + 7, 0, F_RST, NULL); /* not exactly: challenged */
	assert_int_equal(world.sent, sent + 1);
	assert_int_equal(last_flags(), F_ACK);
	say(FIRST + 1, 0, F_RST, NULL);
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_RST);
	assert_int_equal(world.accepted, 0);
}

static void forged(void **state)
{
	uint32_t ours = open_by_hand();

	/* Numbers that nobody on the way has seen. */
	say(FIRST + 1, ours + 5, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_RST);
	say(FIRST + 1 - 90000, ours, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_ACK);
	assert_int_equal(world.accepted, 0);
	inject(&(struct made){.port = PEER + 1,
	                      .seq = FIRST,
	                      .flags = F_SYN,
	                      .options = all_options,
	                      .n_options = sizeof all_options,
	                      .damaged = true});
	assert_int_equal(counts().asked, 1);
	assert_int_equal(tcp_stack_counters(world.stack)->drop_checksum, 1);
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 1);
}

/* What the handler does not know is the stack's. */
static void odd_syns(void **state)
{
	static const uint8_t fast[] = {2, 4, 5, 0xb4, 34, 2, 1, 1};

	inject(&(struct made){.seq = FIRST, .flags = F_SYN, .text = "data"});
	inject(&(struct made){.port = PEER + 1, .seq = FIRST, .flags = F_SYN | F_ECE | F_CWR});
	assert_int_equal(last_flags(), F_SYN | F_ACK | F_ECE);
	inject(&(struct made){
	        .port = PEER + 2, .seq = FIRST, .flags = F_SYN, .options = fast, .n_options = 8});
	assert_int_equal(world.sent, 3);
	assert_int_equal(counts().asked, 0);
	assert_int_equal(tcp_stack_usage(world.stack).requests, 3);
}

/* Nobody listens at port 0, whatever is free in the rules; nor is anybody there. */
static void no_ports(void **state)
{
	for (unsigned ours = 0; ours < 2; ours++) {
		uint8_t segment[ROOM];
		uint32_t size = make(segment, &(struct made){.seq = FIRST, .flags = F_SYN});

		/* The sequence number makes up for it in the checksum. */
		wire_put16(segment + (ours ? 2 : 0), 0);
		wire_put32(segment + 4, FIRST + (ours ? PORT : PEER));
		arrive(segment, size);
	}
	assert_int_equal(counts().asked, 0);
	assert_int_equal(world.sent, 0);
}

/* A SYN for what there is already is challenged by the stack. */
static void held(void **state)
{
	uint32_t ours;

	world.answers = false;
	ours = open_by_hand();
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	syn(PEER, 777777);
	assert_int_equal(last_flags(), F_ACK);
	assert_int_equal(last_seq(), ours);
	assert_int_equal(counts().asked, 1);
	tcp_abort(world.conn);
}

/* ---- Doors ---- */

/* A SYN that is not the second's first. */
static void knock(uint16_t port, uint32_t seq)
{
	syn(1, 1);
	inject(&(struct made){.port = 1,
	                      .seq = 2,
	                      .flags = F_RST,
	                      .options = stamps,
	                      .n_options = sizeof stamps});
	syn(port, seq);
}

/* Whoever asks is refused, and so is what was begun before. */
static void listener_gone(void **state)
{
	uint32_t ours = open_by_hand();

	tcp_listener_close(world.listener);
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_RST);
	knock(PEER + 1, FIRST);
	assert_int_equal(last_flags(), F_RST | F_ACK);
	assert_int_equal(counts().asked, 1);
}

static void listen_again(const struct tcp_options *options)
{
	struct udp_endpoint local = {.ip = server_ip, .port = PORT};

	assert_int_equal(tcp_listen(world.stack, &local, 8, options, take, NULL, &world.listener),
	                 0);
}

/* Whoever listens later has a door, and nothing of what was another's. */
static void listener_comes(void **state)
{
	struct tcp_options options;
	uint32_t ours;

	tcp_listener_get_options(world.listener, &options);
	ours = open_by_hand();
	tcp_listener_close(world.listener);
	listen_again(&options);
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_RST);
	ours = open_by_hand();
	assert_int_equal(counts().asked, 2);
	assert_int_equal(counts().heard, 2);
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_ACK | F_PSH | F_FIN);
}

/* The handler says what is to be said now, or nothing. */
static void options_change(void **state)
{
	struct tcp_options options;

	tcp_listener_get_options(world.listener, &options);
	options.max_segment = 1000;
	options.peer_first = false;
	tcp_listener_set_options(world.listener, &options);
	syn(PEER, FIRST);
	assert_int_equal(counts().asked, 1);
	assert_int_equal(wire_get16(world.last + 22), 1000);
	say(FIRST + 1, last_seq() + 1, F_ACK, NULL);
	assert_int_equal(counts().heard, 0);
	assert_int_equal(world.accepted, 1);
	tcp_abort(world.conn);
	options.tos = 16;
	tcp_listener_set_options(world.listener, &options);
	knock(PEER + 1, FIRST);
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(counts().asked, 1);
}

static struct edge_door seen[EDGE_DOORS];

/* No door becomes another one while it is open. */
static void check_doors(const struct edge_rules *rules)
{
	for (unsigned i = 0; i < EDGE_DOORS; i++) {
		const struct edge_door *door = &rules->doors[i];

		if (door->port != 0 && seen[i].port != 0)
			assert_memory_equal(door, &seen[i], sizeof *door);
		if (door->port != 0) /* all but its port was there before it */
			assert_memory_equal(&door->mss, &seen[i].mss,
			                    sizeof *door - offsetof(struct edge_door, mss));
		seen[i] = *door;
	}
}

static void doors_are_whole(void **state)
{
	struct udp_endpoint local = {.ip = server_ip};
	struct tcp_listener *others[2 * EDGE_DOORS];
	struct tcp_options options;

	tcp_listener_get_options(world.listener, &options);
	memset(seen, 0, sizeof seen);
	tcp_listener_close(world.listener);
	front_tell(world.front, check_doors);
	for (unsigned i = 0; i < 2 * EDGE_DOORS; i++) {
		local.port = (uint16_t)(PORT + i);
		assert_int_equal(
		        tcp_listen(world.stack, &local, 8, &options, take, NULL, &others[i]), 0);
	}
	for (unsigned i = 0; i < 500; i++) {
		options.max_segment = 500 + draw() % 500;
		tcp_listener_set_options(others[draw() % (2ul * EDGE_DOORS)], &options);
	}
	for (unsigned i = 0; i < 2 * EDGE_DOORS; i++)
		tcp_listener_close(others[i]);
	for (unsigned i = 0; i < EDGE_DOORS; i++)
		assert_int_equal(seen[i].port, 0);
}

static void leave(struct tcp_listener *listener)
{
}

/* Nobody is let in where nobody takes them: a second later SYNs are silently the stack's, until
 * there is place again. */
static void backlog_stays_full(void **state)
{
	struct tcp_options options;
	uint32_t sent;

	tcp_listener_get_options(world.listener, &options);
	tcp_listener_close(world.listener);
	assert_int_equal(tcp_listen(world.stack, &(struct udp_endpoint){server_ip, PORT}, 1,
	                            &options, leave, NULL, &world.listener),
	                 0);
	say(FIRST + 1, open_by_hand(), F_ACK | F_PSH, "question");
	assert_int_equal(tcp_listener_ready(world.listener), 1);
	pass(1500);
	sent = world.sent;
	for (uint16_t i = 1; i < 20; i++)
		syn((uint16_t)(PEER + i), FIRST);
	assert_int_equal(counts().asked, 1);
	assert_int_equal(world.sent, sent);
	take(world.listener);
	pass(1500);
	knock(PEER + 20, FIRST);
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(counts().asked, 2);
}

/* Nobody takes connections: they wait, as without the handler. */
static void no_place(void **state)
{
	uint32_t ours;

	for (unsigned i = 0; i < 64; i++) {
		syn((uint16_t)(6000 + i), FIRST);
		inject(&(struct made){.port = (uint16_t)(6000 + i),
		                      .seq = FIRST + 1,
		                      .ack = last_seq() + 1,
		                      .flags = F_ACK | F_PSH,
		                      .text = "x",
		                      .options = stamps,
		                      .n_options = sizeof stamps});
	}
	assert_int_equal(world.accepted, 64);
	ours = open_by_hand();
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 64);
	assert_int_equal(tcp_stack_counters(world.stack)->connections_full, 1);
	pass(2000000);
	assert_int_equal(tcp_stack_usage(world.stack).connections, 0);
}

/* The stack goes on alone with what was begun. */
static void front_leaves(void **state)
{
	uint32_t ours = open_by_hand();

	remove_front();
	assert_int_equal(tcp_stack_usage(world.stack).requests, 1);
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 1);
	assert_int_equal(last_flags(), F_ACK | F_PSH | F_FIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EDGE_TEST(says_what_the_stack_says),
	        EDGE_TEST(first_data_makes_the_connection),
	        EDGE_TEST(data_without_an_acknowledgement_before),
	        EDGE_TEST(data_in_disorder),
	        EDGE_TEST(syn_again),
	        EDGE_TEST(answer_is_repeated),
	        EDGE_TEST(silent_peer),
	        EDGE_TEST(silent_behind_another),
	        EDGE_TEST(resets),
	        EDGE_TEST(forged),
	        EDGE_TEST(odd_syns),
	        EDGE_TEST(no_ports),
	        EDGE_TEST(held),
	        EDGE_TEST(listener_gone),
	        EDGE_TEST(listener_comes),
	        EDGE_TEST(options_change),
	        EDGE_TEST(doors_are_whole),
	        EDGE_TEST(backlog_stays_full),
	        EDGE_TEST(no_place),
	        EDGE_TEST(front_leaves),
	};
	int failed;

	failed = cmocka_run_group_tests_name("interpreted", tests, NULL, NULL);
	world.compiled = true;
	return failed + cmocka_run_group_tests_name("compiled", tests, NULL, NULL);
}
