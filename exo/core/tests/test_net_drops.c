/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever is lost on a packet's way is counted once, at its stage, and in the account of the
 * environment that caused it, where there is one. Each case provokes one loss, with everything else
 * as it should be, and looks at all counters: that one moved, no other did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3, ADDRESS = 0x0a000002, PEER = 0x0a000001, SIZE = 16 };

static struct world_ring alices, bobs, sending;
static struct exo_cap alices_space;
static uint64_t own;
static uint8_t bytes[2048];

/* ---- Everything that counts losses, by name ---- */

struct count {
	const char *name;
	uint64_t value;
};

enum { COUNTS = 7 + 2 * 6 };

static void add_account(struct count *to, uint32_t env)
{
	static const char *const names[2][6] = {
	        {"alice no_buffer", "alice ring_full", "alice refused", "alice bad", "alice waited",
	         "alice completions"},
	        {"bob no_buffer", "bob ring_full", "bob refused", "bob bad", "bob waited",
	         "bob completions"},
	};
	const struct exo_account *a = world_env(env)->account;
	const uint64_t values[6] = {a->rx_no_buffer,    a->rx_ring_full, a->tx_refused,
	                            a->bad_descriptors, a->tx_waited,    a->completions_lost};

	for (unsigned i = 0; i < 6; i++)
		to[i] = (struct count){names[env - ALICE][i], values[i]};
	assert_int_equal(a->rx_dropped, a->rx_no_buffer + a->rx_ring_full);
}

static void look(struct count counts[COUNTS])
{
	static struct exo_info info;
	static struct exo_port_info ports[WORLD_PORTS];

	net_info_update(&info, ports);
	counts[0] = (struct count){"nic", info.drops.nic};
	counts[1] = (struct count){"pool", info.drops.pool};
	counts[2] = (struct count){"unmatched", info.drops.unmatched};
	counts[3] = (struct count){"malformed", info.drops.malformed};
	counts[4] = (struct count){"tap_lost", info.drops.tap_lost};
	counts[5] = (struct count){"fragments_expired", info.drops.fragments_expired};
	counts[6] = (struct count){"fragments_crowded", info.drops.fragments_crowded};
	add_account(counts + 7, ALICE);
	add_account(counts + 13, BOB);
}

static struct count before[COUNTS];

/* Exactly these have moved, by so much each. */
static void expect(const struct count *moved)
{
	struct count after[COUNTS];

	look(after);
	for (unsigned i = 0; i < COUNTS; i++) {
		uint64_t by = 0;

		for (const struct count *m = moved; m->name; m++)
			if (strcmp(m->name, after[i].name) == 0)
				by = m->value;
		if (after[i].value - before[i].value != by)
			fail_msg("%s moved by %lu, not by %lu", after[i].name,
			         (unsigned long)(after[i].value - before[i].value),
			         (unsigned long)by);
	}
}

#define MOVED(...) expect((const struct count[]){__VA_ARGS__, {NULL, 0}})

/* ---- The world ---- */

static int start(void **state)
{
	(void)state;
	world_start();
	return 0;
}

static int set_up(void **state)
{
	struct flt_conjunction seven, any, from;
	struct exo_bind bind = {0};

	(void)state;
	world_udp_to(&seven, ADDRESS, 7);
	world_udp_from(&from, ADDRESS, 7);
	world_any(&any);
	alices_space = world_grant(ALICE, EXO_RIGHT_BIND | EXO_RIGHT_SEND, &seven, &from);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, SIZE, NULL, &alices), 0);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, SIZE, &alices_space, &sending), 0);
	assert_int_equal(world_ring(BOB, EXO_RING_RECEIVE, SIZE, NULL, &bobs), 0);
	assert_int_equal(world_bind(ALICE, &alices_space, &seven, &alices, &bind), 0);
	own = world_frames(ALICE, 1, 0);
	look(before);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_port_room(0, 1024); /* what waits for room goes first */
	world_leave(ALICE, BOB);
	return 0;
}

static void arrive(uint16_t port)
{
	world_arrive(0, bytes, world_udp(bytes, PEER, 1, ADDRESS, port, 30), 0);
	world_poll();
}

static void send_from(uint64_t frame, uint16_t port)
{
	uint32_t length = world_udp(world_memory(own * 4096), ADDRESS, port, PEER, 1, 30);

	world_put(&sending, (struct exo_desc){.address = frame * 4096, .length = length});
	assert_int_equal(net_call_doorbell(world_env(ALICE), sending.cap.first), 0);
	net_poll(0, 64);
}

static void bob_taps(void)
{
	struct exo_bind bind = {.flags = EXO_BIND_TAP};
	struct flt_conjunction any;
	struct exo_cap space;

	world_any(&any);
	space = world_grant(BOB, EXO_RIGHT_BIND | EXO_RIGHT_TAP, &any, NULL);
	assert_int_equal(world_bind(BOB, &space, &any, &bobs, &bind), 0);
}

/* ---- Cases ---- */

static void nothing(void **state)
{
	(void)state;
	world_fill(ALICE, &alices, 2, 2048, 0);
	arrive(7);
	send_from(own, 7);
	expect((const struct count[]){{NULL, 0}});
}

static void malformed(void **state)
{
	(void)state;
	world_arrive(0, bytes, 13, 0);
	world_poll();
	MOVED({"malformed", 1});
}

static void unmatched(void **state)
{
	(void)state;
	arrive(8);
	arrive(9);
	MOVED({"unmatched", 2});
}

static void no_buffer(void **state)
{
	(void)state;
	arrive(7);
	MOVED({"alice no_buffer", 1});
}

/* More buffers than room for what comes in them: she takes nothing out. */
static void ring_full(void **state)
{
	(void)state;
	world_fill(ALICE, &alices, SIZE, 2048, 0);
	for (unsigned i = 0; i < SIZE; i++)
		arrive(7);
	world_fill(ALICE, &alices, 1, 2048, 0);
	arrive(7);
	arrive(7);
	MOVED({"alice ring_full", 2});
}

/* A tap that takes nothing loses its copies; who owns the frame has it. */
static void tap(void **state)
{
	(void)state;
	bob_taps();
	world_fill(ALICE, &alices, 1, 2048, 0);
	arrive(7);
	MOVED({"tap_lost", 1}, {"bob no_buffer", 1});
}

static void guard(void **state)
{
	(void)state;
	send_from(own, 8);
	MOVED({"alice refused", 1});
}

static void others_frame(void **state)
{
	(void)state;
	send_from(world_frames(BOB, 1, 0), 7);
	MOVED({"alice bad", 1});
}

static void bad_buffer(void **state)
{
	(void)state;
	world_put(&alices, (struct exo_desc){.address = own * 4096, .length = 0});
	arrive(7);
	MOVED({"alice bad", 1}, {"alice no_buffer", 1});
}

static void bad_index(void **state)
{
	(void)state;
	sending.request->head += 2 * SIZE;
	assert_int_equal(net_call_doorbell(world_env(ALICE), sending.cap.first), 0);
	net_poll(0, 64);
	MOVED({"alice bad", 1});
}

static void nic_is_full(void **state)
{
	(void)state;
	world_port_room(0, 0);
	send_from(own, 7);
	MOVED({"alice waited", 1});
	world_port_room(0, 1024);
	world_poll();
}

/* Each refusal is reported; nobody takes the reports. */
static void completions(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIZE + 1; i++)
		send_from(own, 8);
	MOVED({"alice refused", SIZE + 1}, {"alice completions", 1});
}

static void expired(void **state)
{
	uint32_t length = world_udp(bytes, PEER, 1, ADDRESS, 7, 30);

	(void)state;
	bytes[14 + 7] = 9; /* not the first fragment of its datagram */
	world_arrive(0, bytes, length, 0);
	world_poll();
	world_pass(5);
	world_poll();
	MOVED({"fragments_expired", 1});
}

/* More later fragments of one datagram than may wait for the first. */
static void crowded(void **state)
{
	uint32_t length = world_udp(bytes, PEER, 1, ADDRESS, 7, 30);
	struct count now[COUNTS];
	unsigned n = 0;

	(void)state;
	do {
		bytes[14 + 7] = (uint8_t)(9 + n++);
		world_arrive(0, bytes, length, 0);
		world_poll();
		look(now);
	} while (now[6].value == before[6].value && n < 200);
	MOVED({"fragments_crowded", 1});
	world_pass(5);
	world_poll();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(nothing),    CASE(malformed), CASE(unmatched),   CASE(no_buffer),
	        CASE(ring_full),  CASE(tap),       CASE(guard),       CASE(others_frame),
	        CASE(bad_buffer), CASE(bad_index), CASE(nic_is_full), CASE(completions),
	        CASE(expired),    CASE(crowded),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
