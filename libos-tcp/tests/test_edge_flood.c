/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floods of SYNs before the handler, interpreted and compiled: whoever means it is served, with
 * neither lines nor requests left.
 */
#include "edge_world.h"

/* SYNs from anywhere but the client. */
static void flood_for(uint64_t ms)
{
	for (uint64_t end = world.now + ms * MS; world.now < end; world.now += MS / 10) {
		client_ip = udp_ip4(0x0b000000 + (uint32_t)(draw() & 0xffffff));
		syn((uint16_t)(1 + draw() % 65535), (uint32_t)draw());
		tcp_stack_clock(world.stack, world.now);
		tcp_stack_run(world.stack);
	}
	client_ip = udp_ip4(0x0a000002);
}

static void check_served(uint32_t ours)
{
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_ACK | F_PSH | F_FIN);
	assert_int_equal(last_seq(), ours);
	assert_int_equal(world.accepted, 1);
	say(AFTER, ours + 7, F_ACK | F_FIN, NULL);
}

static void who_comes_is_served(void **state)
{
	flood_for(6000);
	check_served(open_by_hand());
	assert_true(counts().asked > EDGE_LINES);
	assert_true(tcp_stack_counters(world.stack)->cookies_out > 0);
	assert_int_equal(tcp_stack_usage(world.stack).requests, 64);
}

/* Cookies by the handler, of which the stack makes connections; it sees few of all the SYNs. */
static void who_finds_no_line_is_served(void **state)
{
	const struct tcp_counters *served = tcp_stack_counters(world.stack);
	struct made made = {.seq = FIRST + 1, .flags = F_ACK | F_PSH, .text = "question"};
	uint64_t before;

	world.answers = false;
	flood_for(2000);
	before = counts().cookies;
	assert_true(before > 5000);
	assert_true(served->cookies_out < 100);
	for (made.port = 6000; counts().cookies == before; made.port++)
		syn(made.port, FIRST);
	made.port--;
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(last_ack(), FIRST + 1);
	assert_int_equal(world.size, 24);
	made.ack = last_seq() + 1;
	pass(30000); /* it may take its time */
	inject(&made);
	assert_int_equal(world.accepted, 1);
	assert_int_equal(world.read, 8);
	assert_int_equal(served->cookies_good, 1);
	assert_int_equal(world.conn->mss, 1460);
	assert_false(world.conn->timestamps || world.conn->sack || world.conn->scaling);
	tcp_abort(world.conn);
	/* When requests are there again, so are records. */
	pass(100000);
	before = counts().cookies;
	flood_for(2);
	assert_int_equal(counts().cookies, before);
}

/* Who is there and says nothing for a while. */
static void who_is_silent_is_served(void **state)
{
	uint32_t ours = open_by_hand();

	assert_int_equal(counts().heard, 1);
	flood_for(10000);
	check_served(ours);
}

/* Whose way takes longer than requests last. */
static void who_is_far_away_is_served(void **state)
{
	uint32_t ours;

	syn(PEER, FIRST);
	ours = last_seq() + 1;
	assert_int_equal(counts().asked, 1);
	flood_for(2500);
	say(FIRST + 1, ours, F_ACK, NULL);
	check_served(ours);
}

/* … and who asks again before the first answer comes: that one is said again. */
static void who_asks_twice_is_served(void **state)
{
	uint32_t ours;

	syn(PEER, FIRST);
	ours = last_seq() + 1;
	flood_for(1500);
	inject(&(struct made){.seq = FIRST,
	                      .flags = F_SYN,
	                      .options = all_options,
	                      .n_options = sizeof all_options,
	                      .window = 1000});
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(last_seq() + 1, ours);
	flood_for(1500);
	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 1);
	say(AFTER, ours + 7, F_ACK | F_FIN, NULL);
}

/* Whoever resets is forgotten, and nobody stays for long. */
static void who_goes_is_forgotten(void **state)
{
	const struct edge_line *lines = front_arena(world.front)->lines;

	syn(PEER, FIRST);
	flood_for(1500);
	say(FIRST + 1, 0, F_RST, NULL);
	say(FIRST + 1, last_seq() + 1, F_ACK | F_PSH, "question");
	assert_int_equal(world.accepted, 0);
	pass(8000);
	for (uint32_t i = 0; i < EDGE_LINES; i++)
		assert_true(lines[i].asked.peer == 0);
	assert_true(tcp_stack_counters(world.stack)->requests_full > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EDGE_TEST(who_finds_no_line_is_served), EDGE_TEST(who_comes_is_served),
	        EDGE_TEST(who_is_silent_is_served),     EDGE_TEST(who_is_far_away_is_served),
	        EDGE_TEST(who_asks_twice_is_served),    EDGE_TEST(who_goes_is_forgotten),
	};
	int failed;

	failed = cmocka_run_group_tests_name("interpreted", tests, NULL, NULL);
	world.compiled = true;
	return failed + cmocka_run_group_tests_name("compiled", tests, NULL, NULL);
}
