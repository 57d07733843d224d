/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taps of what environments send: a copy each of what left, as it left, and of nothing that did
 * not; the frames themselves, their completions and their memory are as without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3, PORT = 1 };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001, LONG = 6000, TAP = EXO_BIND_TAP | EXO_BIND_SENT };
enum { RIGHTS = EXO_RIGHT_BIND | EXO_RIGHT_TAP | EXO_RIGHT_SENT | EXO_RIGHT_SHARE };

static struct world_ring tx, heard;
static struct exo_cap binding;
static uint64_t buffers;
static uint8_t got[65536], want[65536];

/* `env` taps what leaves from UDP port 7. */
static void listen(uint32_t env, struct world_ring *ring)
{
	struct exo_bind arg = {.flags = TAP};
	struct flt_conjunction flow;
	struct exo_cap space;

	world_udp_from(&flow, 0, 7);
	space = world_grant_ports(env, RIGHTS, 1 << PORT, &flow, NULL);
	assert_int_equal(world_ring(env, EXO_RING_RECEIVE, 64, NULL, ring), 0);
	world_fill(env, ring, 48, 2048, 0);
	assert_int_equal(world_bind(env, &space, &flow, ring, &arg), 0);
	binding = arg.out;
}

/* Alice may send UDP from ports 0 to 7. */
static int set_up(void **state)
{
	struct flt_conjunction flow;
	struct exo_cap space;

	world_udp_from(&flow, ADDRESS, 7);
	flow.terms[flow.n_terms - 1].mask = 0xfff8;
	flow.terms[flow.n_terms - 1].value = 0;
	space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 64, &space, &tx), 0);
	buffers = world_frames(ALICE, 64, 0) * 4096;
	listen(BOB, &heard);
	world_port_room(PORT, 1023);
	return 0;
}

static int tear_down(void **state)
{
	world_drain(PORT);
	world_poll();
	world_leave(ALICE, BOB);
	return 0;
}

static struct exo_desc frame_of(uint16_t from, uint32_t payload, uint8_t mac, unsigned slot)
{
	uint64_t at = buffers + slot * 4096ull;
	uint32_t length = world_udp(world_memory(at), ADDRESS, from, PEER, 99, payload);

	memset(world_memory(at), 0, 6); /* the ports' own address */
	*(uint8_t *)world_memory(at) = mac;
	return (struct exo_desc){.address = at,
	                         .length = length,
	                         .flags = EXO_DESC_REPORT,
	                         .port = PORT,
	                         .cookie = slot};
}

static void ring_bell(void)
{
	assert_int_equal(net_call_doorbell(world_env(ALICE), tx.cap.first), 0);
	world_poll();
}

static unsigned completed(void)
{
	struct exo_desc desc;
	unsigned n = 0;

	for (; world_get(&tx, &desc); n++)
		assert_int_equal(desc.status, 0);
	return n;
}

/* The next packet in a ring, into `got`. → its length; 0: there is none. */
static uint32_t next(struct world_ring *ring, uint16_t *flags)
{
	struct exo_desc desc = {.flags = EXO_DESC_MORE};
	uint32_t length = 0;

	*flags = 0;
	while (desc.flags & EXO_DESC_MORE && world_get(ring, &desc)) {
		memcpy(got + length, world_memory(desc.address), desc.length);
		length += desc.length;
		*flags |= desc.flags;
	}
	return length;
}

static void expect_heard(uint32_t length)
{
	uint16_t flags;

	assert_int_equal(next(&heard, &flags), length);
	assert_int_equal(flags & (EXO_DESC_TAP | EXO_DESC_SENT | EXO_DESC_LOCAL | EXO_DESC_CUT),
	                 EXO_DESC_TAP | EXO_DESC_SENT);
	assert_memory_equal(got, want, length);
}

static void expect_silence(void)
{
	uint16_t flags;

	assert_int_equal(next(&heard, &flags), 0);
}

static void what_leaves_is_heard_and_leaves(void **state)
{
	for (unsigned i = 0; i < 40; i++)
		world_put(&tx, frame_of(i % 4 ? 7 : 6, 100 + i, 2, i));
	ring_bell();
	assert_int_equal(completed(), 40);
	for (unsigned i = 0; i < 40; i++) {
		uint32_t length = frame_of(i % 4 ? 7 : 6, 100 + i, 2, i).length;

		memcpy(want, world_memory(buffers + i * 4096ull), length);
		if (i % 4)
			expect_heard(length);
		assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
		assert_memory_equal(got, want, length);
	}
	expect_silence();
	assert_true(world_events[BOB] & EXO_EVENT_RING);
}

/* Parts that lie in the environment's memory are shown before they are given back. */
static void payload_that_stays_where_it_is_is_heard(void **state)
{
	struct exo_desc desc = frame_of(7, LONG, 2, 0);

	memcpy(want, world_memory(buffers), desc.length);
	world_put(&tx, desc);
	ring_bell();
	expect_heard(desc.length);
	assert_int_equal(completed(), 0); /* the NIC has it */
	assert_int_equal(world_sent(PORT, got, sizeof(got)), desc.length);
	assert_memory_equal(got, want, desc.length);
	world_poll();
	assert_int_equal(completed(), 1);
}

static void pieces_are_heard_as_they_leave(void **state)
{
	struct exo_desc desc = frame_of(7, LONG, 2, 0);
	uint16_t flags;
	unsigned n = 0;

	desc.flags |= EXO_DESC_SEGMENT;
	desc.segment_size = 1000;
	world_put(&tx, desc);
	ring_bell();
	assert_int_equal(completed(), 1);
	for (uint32_t length; (length = world_sent(PORT, want, sizeof(want))) > 0; n++) {
		assert_int_equal(length, 42 + 1000);
		expect_heard(length);
	}
	assert_int_equal(n, 6);
	assert_int_equal(next(&heard, &flags), 0);
}

static void what_waits_is_heard_when_it_leaves(void **state)
{
	struct exo_desc desc = frame_of(7, 100, 2, 0);

	memcpy(want, world_memory(buffers), desc.length);
	world_port_room(PORT, 0);
	world_put(&tx, desc);
	assert_int_equal(net_call_doorbell(world_env(ALICE), tx.cap.first), 0);
	for (unsigned i = 0; i < 5; i++)
		net_poll(0, 64);
	expect_silence();
	world_port_room(PORT, 1023);
	world_poll();
	expect_heard(desc.length);
	expect_silence();
	assert_int_equal(completed(), 1);
}

static void what_is_refused_is_not(void **state)
{
	struct exo_desc desc;

	world_put(&tx, frame_of(8, 100, 2, 0));
	ring_bell();
	assert_true(world_get(&tx, &desc));
	assert_int_equal(desc.status, EXO_EPERM);
	expect_silence();
}

/* What stays on the machine did not leave: it is heard as it arrives. To a group it is both. */
static void what_stays_arrives(void **state)
{
	struct exo_desc desc = frame_of(7, 100, 0, 0);
	uint16_t flags;

	world_put(&tx, desc); /* the port's own address */
	ring_bell();
	assert_int_equal(next(&heard, &flags), desc.length);
	assert_int_equal(flags & (EXO_DESC_SENT | EXO_DESC_LOCAL), EXO_DESC_LOCAL);
	world_put(&tx, frame_of(7, 100, 1, 1));
	ring_bell();
	for (unsigned i = 0, both = 0; i < 2; i++) {
		assert_int_equal(next(&heard, &flags), desc.length);
		both |= flags & (EXO_DESC_SENT | EXO_DESC_LOCAL);
		assert_int_equal(i == 1, both == (EXO_DESC_SENT | EXO_DESC_LOCAL));
	}
	expect_silence();
}

/* Else a capture that sends what it hears would never end. */
static void nobody_hears_itself(void **state)
{
	struct world_ring own;
	uint16_t flags;

	listen(ALICE, &own);
	world_put(&tx, frame_of(7, 100, 2, 0));
	ring_bell();
	assert_int_equal(next(&own, &flags), 0);
	assert_int_not_equal(next(&heard, &flags), 0);
}

static void what_finds_no_room_is_counted(void **state)
{
	const struct exo_account *account = world_env(BOB)->account;
	uint16_t flags;
	unsigned n = 0;

	for (unsigned i = 0; i < 60; i++)
		world_put(&tx, frame_of(7, 100, 2, i));
	ring_bell();
	assert_int_equal(completed(), 60);
	while (next(&heard, &flags))
		n++;
	assert_int_equal(n, 48); /* its buffers */
	assert_int_equal(account->rx_no_buffer, 12);
}

static void the_last_one_leaves_the_port_as_it_was(void **state)
{
	struct world_ring second;
	struct exo_cap first = binding;
	uint16_t flags;

	listen(BOB, &second);
	assert_int_equal(net_call_unbind(world_env(BOB), &first), 0);
	world_put(&tx, frame_of(7, 100, 2, 0));
	ring_bell();
	expect_silence();
	assert_int_not_equal(next(&second, &flags), 0);
	assert_int_equal(net_call_unbind(world_env(BOB), &binding), 0);
	world_put(&tx, frame_of(7, 100, 2, 1));
	ring_bell();
	assert_int_equal(next(&second, &flags), 0);
	assert_int_equal(completed(), 2);
}

static void it_needs_the_right_and_a_tap(void **state)
{
	struct exo_bind alone = {.flags = EXO_BIND_SENT}, tap = {.flags = TAP};
	struct flt_conjunction flow;
	struct exo_cap space;

	world_udp_from(&flow, 0, 7);
	space = world_grant_ports(BOB, RIGHTS & ~EXO_RIGHT_SENT, 1 << PORT, &flow, NULL);
	assert_int_equal(world_bind(BOB, &space, &flow, &heard, &tap), -EXO_EPERM);
	space = world_grant_ports(BOB, RIGHTS, 1 << PORT, &flow, NULL);
	assert_int_equal(world_bind(BOB, &space, &flow, &heard, &alone), -EXO_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_leaves_is_heard_and_leaves, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(payload_that_stays_where_it_is_is_heard, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(pieces_are_heard_as_they_leave, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_waits_is_heard_when_it_leaves, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(what_is_refused_is_not, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_stays_arrives, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(nobody_hears_itself, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_finds_no_room_is_counted, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(the_last_one_leaves_the_port_as_it_was, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(it_needs_the_right_and_a_tap, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
