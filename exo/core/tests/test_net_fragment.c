/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments on the way in: they go where their first fragment goes, in whatever order they come;
 * nobody else gets them; what waits in vain is counted and comes back to its pool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum {
	ALICE = 2,
	BOB = 3,
	EVE = 4,
	FREE_RIGHTS = EXO_RIGHT_BIND | EXO_RIGHT_TAP | EXO_RIGHT_SHARE,
	ADDRESS = 0x0a000002,
	PEER = 0x0a000001,
	MORE = 0x2000,
};

struct listener {
	struct world_ring ring;
	struct exo_bind bound;
	struct exo_binding_counters *counters;
};

static struct listener alice, bob, eve;
static uint8_t frame[4096];

static void listen(struct listener *l, uint32_t env, const struct flt_conjunction *flow,
                   uint32_t flags)
{
	struct exo_cap space = world_grant(env, FREE_RIGHTS, flow, NULL);

	memset(&l->bound, 0, sizeof(l->bound));
	l->bound.flags = flags;
	l->bound.counters = world_frames(env, 1, 0) * 4096;
	l->counters = world_memory(l->bound.counters);
	assert_int_equal(world_ring(env, EXO_RING_RECEIVE, 64, NULL, &l->ring), 0);
	assert_int_equal(world_bind(env, &space, flow, &l->ring, &l->bound), 0);
	world_fill(env, &l->ring, 32, 2048, 0);
}

/* Alice has UDP port 7, Bob port 9 of the same address; Eve taps everything. */
static int set_up(void **state)
{
	struct flt_conjunction flow;

	world_udp_to(&flow, ADDRESS, 7);
	listen(&alice, ALICE, &flow, 0);
	world_udp_to(&flow, ADDRESS, 9);
	listen(&bob, BOB, &flow, 0);
	world_any(&flow);
	listen(&eve, EVE, &flow, EXO_BIND_TAP);
	return 0;
}

static int tear_down(void **state)
{
	world_pass(2);
	world_poll();
	world_leave(ALICE, EVE);
	return 0;
}

/* A fragment of the datagram `id` to a port. A later one has bytes of the payload where the first
 * has ports: those of `port`, to tempt the filters. */
static void arrive(uint16_t port, uint16_t id, uint16_t field, uint32_t segment)
{
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, port, 100);

	frame[18] = (uint8_t)(id >> 8);
	frame[19] = (uint8_t)id;
	frame[20] = (uint8_t)(field >> 8);
	frame[21] = (uint8_t)field;
	world_arrive(0, frame, length, segment);
	world_poll();
}

/* The next frame that a listener got: its fragment field; -1: none. */
static int next(struct listener *l)
{
	struct exo_desc desc;
	const uint8_t *bytes;

	if (!world_get(&l->ring, &desc))
		return -1;
	bytes = world_memory(desc.address);
	return bytes[20] << 8 | bytes[21];
}

static struct exo_drops drops(void)
{
	struct exo_info info = {0};
	struct exo_port_info ports[WORLD_PORTS] = {0};

	net_info_update(&info, ports);
	return info.drops;
}

static void follow_in_order(void **state)
{
	arrive(7, 1, MORE, 0);
	arrive(9, 2, MORE, 0);
	arrive(9, 1, MORE | 16, 0); /* Bob's port, but Alice's datagram */
	arrive(7, 2, 16, 0);
	arrive(7, 1, 32, 50); /* in segments */
	assert_int_equal(next(&alice), MORE);
	assert_int_equal(next(&alice), MORE | 16);
	assert_int_equal(next(&alice), 32);
	assert_int_equal(next(&alice), -1);
	assert_int_equal(next(&bob), MORE);
	assert_int_equal(next(&bob), 16);
	assert_int_equal(next(&bob), -1);
	assert_int_equal(alice.counters->delivered_packets, 3);
	for (unsigned i = 0; i < 5; i++)
		assert_int_not_equal(next(&eve), -1);
	assert_int_equal(next(&eve), -1);
}

static void wait_for_the_first(void **state)
{
	struct exo_drops before = drops();

	arrive(9, 3, 32, 0);
	arrive(9, 3, MORE | 16, 40);
	assert_int_equal(next(&alice), -1);
	assert_int_equal(next(&bob), -1);
	assert_int_not_equal(next(&eve), -1); /* taps see them at once */
	arrive(7, 3, MORE, 0);
	assert_int_equal(next(&alice), MORE);
	assert_int_equal(next(&alice), 32);
	assert_int_equal(next(&alice), MORE | 16);
	assert_int_equal(next(&alice), -1);
	assert_int_equal(next(&bob), -1);
	assert_int_equal(drops().fragments_expired, before.fragments_expired);
}

static void expire(void **state)
{
	struct exo_drops before = drops();

	arrive(7, 4, 16, 0);
	arrive(7, 5, 16, 30);
	assert_int_not_equal(world_mbufs(), 0);
	world_pass(2);
	world_poll();
	assert_int_equal(world_mbufs(), 0);
	assert_int_equal(drops().fragments_expired, before.fragments_expired + 2);
	assert_int_equal(drops().unmatched, before.unmatched);
	arrive(7, 4, MORE, 0);
	assert_int_equal(next(&alice), MORE);
	assert_int_equal(next(&alice), -1);
}

/* Nobody's first fragment makes nobody's datagram, whatever the others look like. */
static void follow_to_nobody(void **state)
{
	struct exo_drops before = drops();

	arrive(8, 6, MORE, 0);
	arrive(7, 6, 16, 0);
	assert_int_equal(next(&alice), -1);
	assert_int_equal(drops().unmatched, before.unmatched + 2);
}

static void do_not_outlive_a_binding(void **state)
{
	struct exo_drops before = drops();

	arrive(7, 7, MORE, 0);
	assert_int_equal(next(&alice), MORE);
	assert_int_equal(net_call_unbind(world_env(ALICE), &alice.bound.out), 0);
	arrive(7, 7, 16, 0);
	assert_int_equal(next(&alice), -1);
	assert_int_equal(next(&bob), -1);
	assert_int_equal(drops().unmatched, before.unmatched + 1);
}

/* A host that only sends fragments without a first one keeps some mbufs, not all, and not the
 * others from theirs. */
static void are_bounded(void **state)
{
	struct exo_drops before = drops();

	for (unsigned i = 0; i < 1000; i++)
		arrive(7, (uint16_t)(100 + i), 16, 0);
	assert_true(world_mbufs() <= 64);
	assert_true(drops().fragments_crowded - before.fragments_crowded >= 1000 - 64);
	world_pass(2);
	world_poll();
	arrive(7, 1, MORE, 0);
	arrive(7, 1, 16, 0);
	assert_int_equal(next(&alice), MORE);
	assert_int_equal(next(&alice), 16);
}

/* Over IPv6 the port stands behind the fragment header. */
static void follow_over_ipv6(void **state)
{
	static const uint8_t ip6[] = {0x86, 0xdd, 0x60, 0, 0, 0, 0, 0x80, 44, 64};
	static const uint8_t later[] = {17, 0, 0, 0x10, 0, 0, 0, 1};
	struct flt_conjunction flow;

	world_any(&flow);
	world_term(&flow, 12, 2, 0xffff, 0x86dd);
	world_term(&flow, 20, 1, 0xff, 17);
	world_term(&flow, 56, 2, 0xffff, 7);
	assert_int_equal(tear_down(NULL), 0);
	listen(&alice, ALICE, &flow, 0);
	memset(frame, 0, 200);
	memcpy(frame + 12, ip6, sizeof(ip6));
	memcpy(frame + 54, later, sizeof(later)); /* a later one first */
	frame[65] = 9;
	world_arrive(0, frame, 180, 0);
	world_poll();
	assert_int_equal(world_mbufs(), 1);
	frame[57] = 1;
	frame[65] = 7; /* the destination port of the datagram that begins here */
	world_arrive(0, frame, 180, 60);
	world_poll();
	for (unsigned i = 0; i < 2; i++) {
		struct exo_desc desc;

		assert_true(world_get(&alice.ring, &desc));
		assert_int_equal(desc.length, 180);
		assert_int_equal(((uint8_t *)world_memory(desc.address))[57], i ? 0x10 : 1);
		assert_int_equal(((uint8_t *)world_memory(desc.address))[20], 44);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(follow_in_order),          CASE(wait_for_the_first), CASE(expire),
	        CASE(follow_to_nobody),         CASE(are_bounded),        CASE(follow_over_ipv6),
	        CASE(do_not_outlive_a_binding),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
