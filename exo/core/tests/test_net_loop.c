/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What environments of one machine send each other: to the port's own MAC address it stays, to a
 * group it also leaves; the guard and the order of bindings hold as they do for the wire.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3 };
enum { ADDRESS = 0x0a000002, SHARED = 0x0a000003 };

static struct world_ring tx, alices, bobs;
static uint64_t buffers;
static uint8_t got[2048];

static struct world_ring receiver(uint32_t env, uint16_t port, struct exo_bind *arg)
{
	struct flt_conjunction flow;
	struct exo_cap space;
	struct world_ring ring;

	world_udp_to(&flow, 0, port);
	space = world_grant(env, EXO_RIGHT_BIND | EXO_RIGHT_SHARE | EXO_RIGHT_TAP, &flow, NULL);
	assert_int_equal(world_ring(env, EXO_RING_RECEIVE, 16, NULL, &ring), 0);
	world_fill(env, &ring, 8, 2048, 0);
	assert_int_equal(world_bind(env, &space, &flow, &ring, arg), 0);
	return ring;
}

/* Alice sends from port 7 and hears port 7; Bob hears port 9. */
static int set_up(void **state)
{
	struct exo_bind seven = {0}, nine = {0};
	struct flt_conjunction flow;
	struct exo_cap space;

	world_udp_from(&flow, ADDRESS, 7);
	space = world_grant(ALICE, EXO_RIGHT_SEND, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &tx), 0);
	buffers = world_frames(ALICE, 16, 0) * 4096;
	alices = receiver(ALICE, 7, &seven);
	bobs = receiver(BOB, 9, &nine);
	world_port_room(0, 1023);
	return 0;
}

static int tear_down(void **state)
{
	world_drain(0);
	world_leave(ALICE, BOB);
	return 0;
}

/* A frame of Alice's to port `to`; `mac` is the first byte of its destination, the others are 0.
 * The ports of the world have the MAC address 0. */
static void put(uint16_t from, uint16_t to, uint8_t mac, unsigned slot)
{
	uint64_t at = buffers + slot * 4096ull;
	uint8_t *frame = world_memory(at);
	uint32_t length = world_udp(frame, ADDRESS, from, SHARED, to, 100);

	memset(frame, 0, 6);
	frame[0] = mac;
	world_put(&tx, (struct exo_desc){.address = at,
	                                 .length = length,
	                                 .flags = EXO_DESC_REPORT,
	                                 .cookie = slot});
}

static void send_all(void)
{
	assert_int_equal(net_call_doorbell(world_env(ALICE), tx.cap.first), 0);
	world_poll();
}

static unsigned received(struct world_ring *ring, uint16_t flags)
{
	struct exo_desc desc;
	unsigned n = 0;

	while (world_get(ring, &desc)) {
		assert_int_equal(desc.status, 0);
		assert_int_equal(desc.length, 142);
		assert_int_equal(desc.flags & (flags | EXO_DESC_LOCAL), flags | EXO_DESC_LOCAL);
		n++;
	}
	return n;
}

static unsigned completed(uint16_t status)
{
	struct exo_desc desc;
	unsigned n = 0;

	while (world_get(&tx, &desc)) {
		assert_int_equal(desc.status, status);
		n++;
	}
	return n;
}

static void unicast_to_the_machine_stays(void **state)
{
	put(7, 9, 0, 0);
	put(7, 9, 2, 1);
	put(7, 9, 0, 2);
	send_all();
	assert_int_equal(completed(0), 3);
	assert_int_equal(received(&bobs, EXO_DESC_L3_SUM_OK | EXO_DESC_L4_SUM_OK), 2);
	assert_int_not_equal(world_sent(0, got, sizeof(got)), 0); /* the one to another MAC */
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	assert_true(world_events[BOB] & EXO_EVENT_RING);
}

static void own_services_are_reached_too(void **state)
{
	put(7, 7, 0, 0);
	send_all();
	assert_int_equal(received(&alices, 0), 1);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
}

static void groups_hear_it_and_so_does_the_wire(void **state)
{
	struct exo_bind tap = {.flags = EXO_BIND_TAP};
	struct world_ring second = receiver(BOB, 7, &tap);

	put(7, 9, 1, 0);
	put(7, 7, 1, 1);
	send_all();
	assert_int_equal(completed(0), 2);
	assert_int_equal(received(&bobs, 0), 1);
	assert_int_equal(received(&second, EXO_DESC_TAP), 1);
	assert_int_equal(received(&alices, 0), 0); /* not who sent it */
	assert_int_not_equal(world_sent(0, got, sizeof(got)), 0);
	assert_int_not_equal(world_sent(0, got, sizeof(got)), 0);
}

static void guard_holds_here_too(void **state)
{
	put(8, 9, 0, 0);
	send_all();
	assert_int_equal(completed(EXO_EPERM), 1);
	assert_int_equal(received(&bobs, 0), 0);
}

static void frames_that_wait_come_in_once(void **state)
{
	world_port_room(0, 0);
	put(7, 9, 1, 0);
	put(7, 9, 0, 1);
	assert_int_equal(net_call_doorbell(world_env(ALICE), tx.cap.first), 0);
	for (unsigned i = 0; i < 5; i++)
		net_poll(0, 64);
	assert_int_equal(received(&bobs, 0), 0);
	world_port_room(0, 1023);
	world_poll();
	assert_int_equal(received(&bobs, 0), 2);
	assert_int_equal(completed(0), 2);
	assert_int_not_equal(world_sent(0, got, sizeof(got)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(unicast_to_the_machine_stays, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(own_services_are_reached_too, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(groups_hear_it_and_so_does_the_wire, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(guard_holds_here_too, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(frames_that_wait_come_in_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
