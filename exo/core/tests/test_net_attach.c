/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Payload that is sent from where it lies: it is the NIC's until the NIC gives it back, completions
 * come in order, what the guard judged is what is sent, and nothing is lost or left pinned, whoever
 * ends meanwhile. The port's other end is the test's: a frame that it has not taken is one that a
 * NIC still holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3, PORT = 1 };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001, LONG = 6000, HEADER = 256 };

static struct world_ring ring;
static struct exo_cap space;
static uint64_t buffers;
static uint8_t got[65536], want[65536];

static int set_up(void **state)
{
	struct flt_conjunction flow;

	world_udp_from(&flow, ADDRESS, 7);
	space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &ring), 0);
	buffers = world_frames(ALICE, 64, 0) * 4096;
	return 0;
}

static int tear_down(void **state)
{
	world_drain(PORT);
	world_poll();
	world_leave(ALICE, BOB);
	return 0;
}

static uint64_t physical(uint64_t i)
{
	return buffers + i * 4096;
}

static unsigned ring_pins(void)
{
	return (unsigned)((exo_ring_bytes(ring.size) + 4095) / 4096);
}

static void put(uint64_t address, uint32_t length, uint16_t flags, uint64_t cookie)
{
	world_put(&ring, (struct exo_desc){.address = address,
	                                   .length = length,
	                                   .flags = flags,
	                                   .cookie = cookie,
	                                   .port = PORT});
}

static void ring_bell(void)
{
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	world_poll();
}

/* A long frame lies at buffers. → its length. */
static uint32_t lay_out(void)
{
	uint32_t length = world_udp(want, ADDRESS, 7, PEER, 99, LONG);

	memcpy(world_memory(buffers), want, length);
	return length;
}

static void holds_until_sent(void **state)
{
	uint32_t length = lay_out();
	struct exo_desc desc;

	put(buffers, length, EXO_DESC_REPORT, 5);
	ring_bell();
	assert_int_equal(world_waiting(PORT), 1);
	assert_int_equal(ring.request->tail, 1);
	assert_int_equal(world_pins(), ring_pins() + 2);
	assert_false(world_get(&ring, &desc));
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	assert_memory_equal(got, want, length);
	assert_int_equal(world_pins(), ring_pins());
	world_poll();
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 5);
	assert_int_equal(desc.length, length);
	assert_int_equal(desc.status, 0);
	assert_int_equal(ring.counters->packets, 1);
	assert_int_equal(ring.counters->bytes, length);
}

/* Nobody waits for those: they are copied, and free as soon as tail has passed them. */
static void copies_what_is_not_reported(void **state)
{
	uint32_t length = lay_out();

	put(buffers, length, 0, 0);
	ring_bell();
	assert_int_equal(world_pins(), ring_pins());
	memset(world_memory(buffers), 0xdd, length);
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	assert_memory_equal(got, want, length);
}

/* The header that the guard judged is sent, whatever becomes of it in the environment's memory. */
static void sends_the_header_that_it_judged(void **state)
{
	uint32_t length = lay_out();

	put(buffers, length, EXO_DESC_REPORT, 0);
	ring_bell();
	memset(world_memory(buffers), 0xdd, length);
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	assert_memory_equal(got, want, HEADER);
	for (uint32_t i = HEADER; i < length; i++)
		assert_int_equal(got[i], 0xdd);
}

static void completes_in_order(void **state)
{
	uint32_t length = lay_out(), small = world_udp(got, ADDRESS, 7, PEER, 99, 10);
	struct exo_desc desc;

	memcpy(world_memory(physical(8)), got, small);
	memcpy(world_memory(physical(9)), got, small);
	((uint8_t *)world_memory(physical(9)))[35] = 8; /* another port */
	put(buffers, length, EXO_DESC_REPORT, 0);
	put(physical(8), small, EXO_DESC_REPORT, 1);
	put(physical(9), small, 0, 2);
	put(buffers, length, EXO_DESC_REPORT, 3);
	ring_bell();
	assert_int_equal(ring.request->tail, 4);
	assert_false(world_get(&ring, &desc));
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	world_poll();
	for (unsigned i = 0; i < 3; i++) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, i);
		assert_int_equal(desc.status, i == 2 ? EXO_EPERM : 0);
	}
	assert_false(world_get(&ring, &desc));
	assert_int_equal(world_sent(PORT, got, sizeof(got)), small);
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	world_poll();
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 3);
}

/* Pieces that begin and end anywhere, in frames in any order. */
static void gathers_pieces(void **state)
{
	static const struct {
		uint32_t at, length;
	} pieces[] = {{40 * 4096 + 4000, 100},
	              {3 * 4096 + 1, 4095},
	              {30 * 4096 + 5, 3000},
	              {5 * 4096 + 4095, 1},
	              {9 * 4096, 804}};
	uint32_t length = world_udp(want, ADDRESS, 7, PEER, 99, 8000 - 42), at = 0;

	for (unsigned i = 0; i < 5; i++) {
		memcpy(world_memory(buffers + pieces[i].at), want + at, pieces[i].length);
		put(buffers + pieces[i].at, pieces[i].length,
		    (i < 4 ? EXO_DESC_MORE : 0) | (i ? 0 : EXO_DESC_REPORT | EXO_DESC_L4_SUM), i);
		at += pieces[i].length;
	}
	assert_int_equal(at, length);
	ring_bell();
	assert_int_equal(world_pins(), ring_pins() + 4);
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	assert_memory_equal(got, want, length);
}

static void refuses_others_frames(void **state)
{
	uint64_t other = world_frames(BOB, 2, 0x55) * 4096;
	struct exo_desc desc;

	lay_out();
	put(buffers, 1000, EXO_DESC_REPORT | EXO_DESC_MORE, 1);
	put(buffers + 4096, 2000, EXO_DESC_MORE, 0);
	put(other, 2000, 0, 0);
	put(physical(63) + 10, 4500, EXO_DESC_REPORT, 2);
	ring_bell();
	for (unsigned i = 1; i <= 2; i++) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, i);
		assert_int_equal(desc.status, EXO_EFAULT);
	}
	assert_int_equal(world_pins(), ring_pins());
	assert_int_equal(world_waiting(PORT), 0);
}

/* What the port has no room for is given up whole, and taken from the ring anew. */
static void waits_for_the_port(void **state)
{
	uint32_t length = lay_out();
	struct exo_desc desc;

	world_port_room(PORT, 2);
	for (unsigned i = 0; i < 5; i++)
		put(physical(2ull * i), length, EXO_DESC_REPORT, i);
	for (unsigned i = 1; i < 5; i++)
		memcpy(world_memory(physical(2ull * i)), want, length);
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	for (unsigned i = 0; i < 5; i++)
		net_poll(0, 64);
	assert_int_equal(ring.request->tail, 2);
	assert_int_equal(world_pins(), ring_pins() + 4);
	world_port_room(PORT, 1023);
	world_poll();
	assert_int_equal(ring.request->tail, 5);
	for (unsigned i = 2; i < 5; i++) {
		assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
		assert_memory_equal(got, want, length);
	}
	world_poll();
	for (unsigned i = 0; i < 5; i++) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, i);
		assert_int_equal(desc.status, 0);
	}
}

/* As many as a ring has places for are under way; the next waits. */
static void bounds_what_is_under_way(void **state)
{
	uint32_t length = lay_out();
	struct exo_desc desc;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 16; i++)
			put(buffers, length, EXO_DESC_REPORT, i);
		assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
		for (unsigned i = 0; i < 5; i++)
			net_poll(0, 64);
	}
	assert_int_equal(world_waiting(PORT), 16);
	assert_int_equal(ring.request->tail, 16);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
		world_poll();
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, i % 16);
	}
	assert_int_equal(ring.counters->completions_lost, 0);
}

static void ring_ends_meanwhile(void **state)
{
	uint32_t length = lay_out();

	put(buffers, length, EXO_DESC_REPORT, 0);
	ring_bell();
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
	assert_int_equal(world_pins(), 2);
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	assert_memory_equal(got, want, length);
	assert_int_equal(world_pins(), 0);
	world_poll();
}

static void environment_ends_meanwhile(void **state)
{
	uint32_t length = lay_out();

	put(buffers, length, EXO_DESC_REPORT, 0);
	ring_bell();
	net_env_end(world_env(ALICE));
	assert_int_equal(world_pins(), 2);
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	assert_int_equal(world_pins(), 0);
}

/* A frame to a neighbour on this machine is copied: its filters judge bytes that stay. */
static void copies_what_stays_here(void **state)
{
	struct world_ring receive;
	struct flt_conjunction flow;
	struct exo_cap bobs;
	struct exo_bind bind = {0};
	struct exo_desc desc;
	uint32_t length = lay_out();
	uint8_t *frame = world_memory(buffers);

	memset(frame, 0, 6); /* the ring port's own address */
	world_udp_to(&flow, PEER, 99);
	bobs = world_grant_ports(BOB, EXO_RIGHT_BIND, 1 << PORT, &flow, NULL);
	assert_int_equal(world_ring(BOB, EXO_RING_RECEIVE, 16, NULL, &receive), 0);
	world_fill(BOB, &receive, 8, 4096, 0);
	assert_int_equal(world_bind(BOB, &bobs, &flow, &receive, &bind), 0);
	put(buffers, length, EXO_DESC_REPORT, 9);
	ring_bell();
	assert_int_equal(world_waiting(PORT), 0);
	assert_true(world_get(&receive, &desc));
	assert_int_equal(desc.wire_length, length);
	assert_memory_equal(world_memory(desc.address), frame, 4096);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	        TEST(holds_until_sent),
	        TEST(copies_what_is_not_reported),
	        TEST(sends_the_header_that_it_judged),
	        TEST(completes_in_order),
	        TEST(gathers_pieces),
	        TEST(refuses_others_frames),
	        TEST(waits_for_the_port),
	        TEST(bounds_what_is_under_way),
	        TEST(ring_ends_meanwhile),
	        TEST(environment_ends_meanwhile),
	        TEST(copies_what_stays_here),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
