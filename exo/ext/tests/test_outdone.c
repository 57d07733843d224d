/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames that the next one outdoes (exo/ring.h) in front of a handler that calls something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common.h"

enum { ALICE = 2, BOB = 3, RIGHTS = EXO_RIGHT_BIND };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001 };

static struct world_ring ring, bobs;
static struct exo_bind bound;
static uint8_t frame[128];

static int start(void **state)
{
	world_start();
	return 0;
}

/* A port of an environment's, and buffers for what comes to it. */
static void let_in(uint32_t env, uint16_t port, struct world_ring *to, struct exo_bind *arg)
{
	struct flt_conjunction in;
	struct exo_cap space;

	world_udp_to(&in, ADDRESS, port);
	space = world_grant(env, RIGHTS, &in, NULL);
	assert_int_equal(world_ring(env, EXO_RING_RECEIVE, 16, NULL, to), 0);
	world_fill(env, to, 12, 2048, 0xaa);
	assert_int_equal(world_bind(env, &space, &in, to, arg), 0);
}

/* Alice has port 7, Bob port 8. */
static int set_up(void **state)
{
	struct exo_bind theirs = {0};

	memset(&bound, 0, sizeof(bound));
	let_in(ALICE, 7, &ring, &bound);
	let_in(BOB, 8, &bobs, &theirs);
	return 0;
}

static int tear_down(void **state)
{
	test_end(ALICE);
	test_end(BOB);
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
	return 0;
}

static uint64_t runs_of(int64_t id)
{
	struct exo_ext_line line;

	assert_true(test_line(ALICE, (uint64_t)id, &line));
	return line.runs;
}

/* Datagrams of 20 bytes that say a number each; every third is for port 8, which is Bob's. */
static void send_rising(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, i % 3 == 2 ? 8 : 7, 20);

		frame[42] = (uint8_t)i;
		world_arrive(0, frame, length, 0);
		if (n == 3)
			world_poll();
	}
	world_poll();
}

static unsigned count_taken(struct world_ring *of)
{
	struct exo_desc desc;
	unsigned n = 0;

	for (; world_get(of, &desc); n++)
		world_put(of, (struct exo_desc){.address = desc.address, .length = 2048});
	return n;
}

/* Of 15 frames in a burst 10 are Alice's, by twos; those before the last eight are looked at. Her
 * rule compares so many bytes. */
static void try_rule(uint32_t compared, unsigned come)
{
	struct exo_outdone rule = {.least = 62, .most = 62, .number = 42};
	struct exo_ring_outdo block = {.ring = ring.cap, .rules = (uintptr_t)&rule, .n_rules = 1};
	int64_t id = test_handle(ALICE, test_create(ALICE, "count"), "", &bound.out, NULL, 0);

	memset(rule.same, 0xff, compared);
	memset(rule.same + 18, 0, 2); /* identification */
	memset(rule.same + 24, 0, 2); /* the header's sum */
	assert_int_equal(net_call_ring_outdo(world_env(ALICE), &block), 0);
	for (unsigned n = 0; n < 8; n++) /* one by one, until all is known of them */
		send_rising(3);
	assert_int_equal(runs_of(id), 16);
	(void)count_taken(&ring);
	(void)count_taken(&bobs);
	send_rising(15);
	assert_int_equal(count_taken(&ring), come);
	assert_int_equal(count_taken(&bobs), 5);
	assert_int_equal(runs_of(id), 16 + come);
}

/* Handlers get what is not outdone (exo/ring.h). */
static void handlers_get_what_is_left(void **state)
{
	try_rule(38, 7);
}

/* A rule that does not look at what tells Alice's frames from Bob's leaves nothing out, or she
 * would learn of his. */
static void nobody_elses_frame_outdoes(void **state)
{
	try_rule(36, 10);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        CASE(handlers_get_what_is_left),
	        CASE(nobody_elses_frame_outdoes),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
