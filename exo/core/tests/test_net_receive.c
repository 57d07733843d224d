/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way in: frames arrive at a port and end in an environment's buffers, or are counted where
 * they were lost. Hostile fill descriptors and indices cost their owner only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../net_state.h"
#include "world_test.h"

enum { ALICE = 2, MALLORY = 3, FREE_RIGHTS = EXO_RIGHT_BIND | EXO_RIGHT_TAP | EXO_RIGHT_HOST };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001 };

static struct world_ring ring;
static struct exo_bind bound;
static struct exo_binding_counters *counters;
static uint8_t frame[65536];

/* Alice has a ring of 16 and a binding for UDP port 7 of her address. */
static int set_up(void **state)
{
	struct flt_conjunction flow;
	struct exo_cap space;

	world_udp_to(&flow, ADDRESS, 7);
	space = world_grant(ALICE, FREE_RIGHTS, &flow, NULL);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 16, NULL, &ring), 0);
	memset(&bound, 0, sizeof(bound));
	bound.counters = world_frames(ALICE, 1, 0) * 4096 + 128;
	counters = world_memory(bound.counters);
	return (int)world_bind(ALICE, &space, &flow, &ring, &bound);
}

/* The environment ends, and everything is as it was. */
static int tear_down(void **state)
{
	world_leave(ALICE, MALLORY);
	return 0;
}

static uint32_t arrive(uint32_t payload, uint32_t segment)
{
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, payload);

	world_arrive(0, frame, length, segment);
	world_poll();
	return length;
}

static void delivers_a_frame(void **state)
{
	struct exo_desc desc;
	uint32_t length;

	world_fill(ALICE, &ring, 4, 2048, 0xaa);
	length = arrive(100, 0);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.length, length);
	assert_int_equal(desc.wire_length, length);
	assert_int_equal(desc.cookie, 0);
	assert_int_equal(desc.port, 0);
	assert_int_equal(desc.status, 0);
	assert_int_equal(desc.binding, (uint32_t)bound.out.first);
	assert_int_not_equal(desc.timestamp, 0);
	assert_int_equal(desc.flags & (EXO_DESC_MORE | EXO_DESC_CUT | EXO_DESC_TAP), 0);
	assert_memory_equal(world_memory(desc.address), frame, length);
	assert_int_equal(((uint8_t *)world_memory(desc.address))[length], 0xaa);
	assert_false(world_get(&ring, &desc));
	assert_int_equal(world_events[ALICE], EXO_EVENT_RING);
	assert_int_equal(counters->matched_packets, 1);
	assert_int_equal(counters->matched_bytes, length);
	assert_int_equal(counters->delivered_packets, 1);
	assert_int_equal(counters->delivered_bytes, length);
	assert_int_equal(ring.counters->packets, 1);
	assert_int_equal(ring.counters->bytes, length);
	assert_int_equal(world_env(ALICE)->account->rx_packets, 1);
	assert_int_equal(world_env(ALICE)->account->rx_bytes, length);
}

/* Who wants to be woken for several is not woken for fewer, whatever came before. */
static void wakes_for_as_many_as_are_wanted(void **state)
{
	static const struct {
		uint32_t wanted, frames, events;
	} cases[] = {{0, 1, EXO_EVENT_RING}, {1, 1, EXO_EVENT_RING}, {3, 1, 0},         {3, 2, 0},
	             {3, 3, EXO_EVENT_RING}, {3, 4, EXO_EVENT_RING}, {UINT32_MAX, 4, 0}};
	struct exo_desc desc;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_fill(ALICE, &ring, 4, 2048, 0xaa);
		ring.response->wanted = cases[i].wanted;
		for (uint32_t n = 1; n <= cases[i].frames; n++) {
			world_events[ALICE] = 0;
			arrive(100, 0);
		}
		assert_int_equal(world_events[ALICE], cases[i].events);
		while (world_get(&ring, &desc))
			;
		for (uint32_t n = cases[i].frames; n < 4; n++) { /* the buffers that are left */
			arrive(100, 0);
			assert_true(world_get(&ring, &desc));
		}
	}
}

/* The next frame is that one, and nothing is written behind it; its buffer is filled in again. */
static void expect_frame(uint32_t length)
{
	struct exo_desc desc;
	uint8_t *at;

	assert_true(world_get(&ring, &desc));
	at = world_memory(desc.address);
	assert_int_equal(desc.length, length);
	assert_int_equal(desc.wire_length, length);
	assert_int_equal(desc.binding, (uint32_t)bound.out.first);
	assert_int_equal(desc.reserved[0] | desc.reserved[1], 0);
	(void)world_udp(frame, PEER, 1234, ADDRESS, 7, length - 42);
	assert_memory_equal(at, frame, length);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(at[length + i], 0xaa);
	memset(at, 0xaa, 2048);
	world_put(&ring, (struct exo_desc){.address = desc.address, .length = 2048});
}

/* Alone and in bursts, many times round the ring. */
static void delivers_every_length(void **state)
{
	uint64_t packets = 0, bytes = 0;

	world_fill(ALICE, &ring, 13, 2048, 0xaa);
	for (uint32_t payload = 0; payload < 300; payload++, packets++) {
		uint32_t length = arrive(payload, 0);

		expect_frame(length);
		bytes += length;
	}
	for (uint32_t n = 1; n <= 13; n++) {
		for (uint32_t i = 0; i < n; i++, packets++) {
			uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, 11 * i + n);

			world_arrive(0, frame, length, 0);
			bytes += length;
		}
		world_poll();
		for (uint32_t i = 0; i < n; i++)
			expect_frame(42 + 11 * i + n);
	}
	assert_int_equal(counters->matched_packets, packets);
	assert_int_equal(counters->matched_bytes, bytes);
	assert_int_equal(counters->delivered_packets, packets);
	assert_int_equal(ring.counters->packets, packets);
	assert_int_equal(ring.counters->bytes, bytes);
	assert_int_equal(world_env(ALICE)->account->rx_packets, packets);
	assert_int_equal(world_env(ALICE)->account->rx_bytes, bytes);
}

/* A binding counts from its making on, whatever lay there; what is refused changes nothing. */
static void counts_anew(void **state)
{
	const uint64_t at = world_frames(ALICE, 1, 0x77) * 4096;
	const struct exo_binding_counters *record = world_memory(at);
	struct exo_bind arg = {.counters = at, .priority = INT32_MAX};
	struct flt_conjunction flow, other;
	struct exo_cap space;

	world_udp_to(&flow, ADDRESS, 8);
	world_udp_to(&other, ADDRESS, 9);
	space = world_grant(ALICE, FREE_RIGHTS, &flow, NULL);
	assert_int_equal(world_bind(ALICE, &space, &other, &ring, &arg), -EXO_EPERM);
	assert_int_equal(record->matched_packets, 0x7777777777777777);
	arg = (struct exo_bind){.counters = at};
	assert_int_equal(world_bind(ALICE, &space, &flow, &ring, &arg), 0);
	world_fill(ALICE, &ring, 4, 2048, 0);
	world_arrive(0, frame, world_udp(frame, PEER, 1234, ADDRESS, 8, 10), 0);
	world_poll();
	assert_int_equal(record->matched_packets, 1);
	assert_int_equal(record->delivered_packets, 1);
	assert_int_equal(record->dropped_no_buffer, 0);
}

static void uses_several_buffers(void **state)
{
	static const struct {
		uint32_t payload, segment, buffer;
	} cases[] = {
	        {100, 0, 64},      {100, 0, 142},      {100, 0, 141},
	        {100, 0, 1000},    {1400, 300, 64},    {1400, 300, 2048},
	        {9000, 1000, 512}, {9000, 2048, 4096}, {1, 10, 7},
	};
	uint8_t got[16384];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t n = 0, length, segments = 0;
		struct exo_desc desc = {.flags = EXO_DESC_MORE};
		bool more = true;

		assert_int_equal(tear_down(NULL), 0);
		assert_int_equal(set_up(NULL), 0);
		assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), -EXO_EBUSY);
		assert_int_equal(net_call_unbind(world_env(ALICE), &bound.out), 0);
		assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 64, NULL, &ring), 0);
		{
			struct flt_conjunction flow;
			struct exo_cap space;

			world_udp_to(&flow, ADDRESS, 7);
			space = world_grant(ALICE, FREE_RIGHTS, &flow, NULL);
			assert_int_equal(world_bind(ALICE, &space, &flow, &ring, &bound), 0);
		}
		world_fill(ALICE, &ring, 60, cases[i].buffer, 0xaa);
		length = arrive(cases[i].payload, cases[i].segment);
		while (more && world_get(&ring, &desc)) {
			assert_int_equal(desc.wire_length, segments ? 0 : length);
			assert_true(desc.length <= cases[i].buffer);
			memcpy(got + n, world_memory(desc.address), desc.length);
			n += desc.length;
			segments++;
			more = desc.flags & EXO_DESC_MORE;
		}
		assert_int_equal(n, length);
		assert_int_equal(segments, (length + cases[i].buffer - 1) / cases[i].buffer);
		assert_int_equal(desc.flags & EXO_DESC_CUT, 0);
		assert_memory_equal(got, frame, length);
	}
}

static void cuts_what_needs_too_many_buffers(void **state)
{
	struct flt_conjunction flow;
	struct exo_cap space;
	struct exo_desc desc;
	uint32_t segments = 0, length;

	world_udp_to(&flow, ADDRESS, 7);
	assert_int_equal(net_call_unbind(world_env(ALICE), &bound.out), 0);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 64, NULL, &ring), 0);
	space = world_grant(ALICE, FREE_RIGHTS, &flow, NULL);
	assert_int_equal(world_bind(ALICE, &space, &flow, &ring, &bound), 0);
	world_fill(ALICE, &ring, 64, 16, 0xaa);
	length = arrive(16 * EXO_SEGMENTS_MAX, 0);
	while (world_get(&ring, &desc)) {
		assert_int_equal(desc.length, 16);
		assert_int_not_equal(desc.flags & EXO_DESC_CUT, 0);
		assert_int_equal(desc.wire_length, segments++ ? 0 : length);
	}
	assert_int_equal(segments, EXO_SEGMENTS_MAX);
	assert_int_equal(desc.flags & EXO_DESC_MORE, 0);
}

static void drops_by_cause(void **state)
{
	struct exo_desc desc;
	struct exo_info info = {0};
	struct exo_port_info ports[WORLD_PORTS] = {0};

	arrive(10, 0); /* no buffer at all */
	assert_int_equal(counters->dropped_no_buffer, 1);
	world_fill(ALICE, &ring, 1, 20, 0xaa);
	arrive(10, 0); /* not enough: the buffer stays for another */
	assert_int_equal(counters->dropped_no_buffer, 2);
	assert_false(world_get(&ring, &desc));
	for (unsigned i = 0; i < 17; i++) {
		world_fill(ALICE, &ring, 1, 2048, 0xaa);
		arrive(10, 0); /* the 16 slots fill up */
	}
	assert_int_equal(counters->dropped_ring_full, 2);
	assert_int_equal(counters->delivered_packets, 15);
	assert_int_equal(counters->matched_packets, 19);
	assert_int_equal(world_env(ALICE)->account->rx_dropped, 4);

	world_arrive(0, frame, 13, 0); /* no Ethernet header */
	frame[23] = 6;
	world_arrive(0, frame, 60, 0); /* TCP: nobody's */
	world_arrive(1, frame, 60, 0);
	world_poll();
	net_info_update(&info, ports);
	assert_true(ports[0].drops.malformed >= 1);
	assert_true(ports[0].drops.unmatched >= 1);
	assert_true(ports[1].drops.unmatched >= 1);
	assert_int_equal(info.drops.unmatched, ports[0].drops.unmatched + ports[1].drops.unmatched);
	assert_int_equal(ports[0].rx_queues, 1);
	assert_string_equal(ports[0].bus, "net_ring_port0");
	assert_true(ports[0].rx_packets > 0);
}

/* Fill descriptors as an attacker would write them; each comes back with its status, and the next
 * good buffer gets the frame. */
static void rejects_bad_buffers(void **state)
{
	uint64_t own = world_frames(ALICE, 1, 0xaa) * 4096;
	uint64_t other = world_frames(MALLORY, 1, 0x55) * 4096;
	const struct {
		const char *what;
		uint64_t address;
		uint32_t length;
		uint16_t status;
	} cases[] = {
	        {"somebody else's frame", other, 2048, EXO_EFAULT},
	        {"own frame into the next", own + 4090, 2048, EXO_EFAULT},
	        {"empty", own, 0, EXO_EINVAL},
	        {"too long", own, EXO_FRAME_BYTES_MAX + 1, EXO_EINVAL},
	        {"length wraps", own, UINT32_MAX, EXO_EINVAL},
	        {"no such frame", 0x7ffffffff000, 2048, EXO_EFAULT},
	        {"frame 0", 0, 2048, EXO_EFAULT},
	        {"top of the address space", UINT64_MAX - 10, 2048, EXO_EFAULT},
	        {"kernel's address", 0xffff888000000000, 2048, EXO_EFAULT},
	        {"the ledger's end", (WORLD_FRAME_FIRST + WORLD_FRAMES) * 4096ull, 64, EXO_EFAULT},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exo_desc desc;
		uint32_t length;

		world_put(&ring, (struct exo_desc){.address = cases[i].address,
		                                   .length = cases[i].length,
		                                   .cookie = 1000 + i});
		world_put(&ring, (struct exo_desc){.address = own, .length = 2048, .cookie = i});
		length = arrive(200, 0);
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, 1000 + i);
		assert_int_equal(desc.status, cases[i].status);
		assert_int_equal(desc.length, 0);
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, i);
		assert_int_equal(desc.length, length);
		assert_false(world_get(&ring, &desc));
		assert_int_equal(ring.counters->bad_descriptor, i + 1);
	}
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(((uint8_t *)world_memory(other))[i], 0x55);
}

/* Bad buffers can be filled in as fast as they come back: a frame pays for so many. */
static void gives_up_on_bad_buffers(void **state)
{
	uint64_t own = world_frames(ALICE, 1, 0xaa) * 4096;
	struct exo_bind arg = {.priority = 1};
	struct flt_conjunction any;
	struct world_ring long_one;
	struct exo_cap all;
	struct exo_desc desc;
	uint32_t length;

	world_any(&any);
	all = world_grant(ALICE, EXO_RIGHT_BIND, &any, NULL);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 128, NULL, &long_one), 0);
	assert_int_equal(world_bind(ALICE, &all, &any, &long_one, &arg), 0);
	for (unsigned i = 0; i < NET_BURST + 8; i++)
		world_put(&long_one, (struct exo_desc){.length = 2048, .cookie = i});
	world_put(&long_one, (struct exo_desc){.address = own, .length = 2048, .cookie = 99});
	arrive(200, 0);
	for (unsigned i = 0; i < NET_BURST; i++) {
		assert_true(world_get(&long_one, &desc));
		assert_int_equal(desc.cookie, i);
		assert_int_equal(desc.status, EXO_EFAULT);
	}
	assert_false(world_get(&long_one, &desc));
	assert_int_equal(world_env(ALICE)->account->rx_no_buffer, 1);
	length = arrive(200, 0);
	for (unsigned i = 0; i < 8; i++)
		assert_true(world_get(&long_one, &desc));
	assert_true(world_get(&long_one, &desc));
	assert_int_equal(desc.cookie, 99);
	assert_int_equal(desc.length, length);
	assert_false(world_get(&long_one, &desc));
}

/* A bad buffer between good ones of one packet. */
static void rejects_in_the_middle(void **state)
{
	uint64_t own = world_frames(ALICE, 2, 0xaa) * 4096;
	struct exo_desc desc;

	world_put(&ring, (struct exo_desc){.address = own, .length = 100, .cookie = 1});
	world_put(&ring, (struct exo_desc){.address = 0, .length = 100, .cookie = 2});
	world_put(&ring, (struct exo_desc){.address = own + 4096, .length = 100, .cookie = 3});
	arrive(100, 0);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 2);
	assert_int_equal(desc.status, EXO_EFAULT);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 1);
	assert_int_equal(desc.length, 100);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 3);
	assert_int_equal(desc.length, 42);
	assert_memory_equal(world_memory(own), frame, 100);
	assert_memory_equal(world_memory(own + 4096), frame + 100, 42);
}

static void stops_at_wild_indices(void **state)
{
	const uint32_t heads[] = {17, 1000, UINT32_MAX, 0x80000000};

	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		assert_int_equal(tear_down(NULL), 0);
		assert_int_equal(set_up(NULL), 0);
		ring.request->head = heads[i];
		arrive(10, 0);
		arrive(10, 0);
		assert_int_equal(ring.counters->bad_index, 1);
		assert_int_equal(counters->delivered_packets, 0);
		assert_int_equal(ring.response->head, 0);
	}
	assert_int_equal(tear_down(NULL), 0);
	assert_int_equal(set_up(NULL), 0);
	world_fill(ALICE, &ring, 4, 2048, 0xaa);
	ring.response->tail = 1; /* before there was anything */
	arrive(10, 0);
	assert_int_equal(ring.counters->bad_index, 1);
	assert_int_equal(counters->dropped_ring_full, 1);
}

/* What the kernel wrote into the queue's header once is not believed again. */
static void keeps_its_own_size(void **state)
{
	struct exo_desc desc;

	world_fill(ALICE, &ring, 4, 2048, 0xaa);
	memset(ring.request, 0xff, 64);
	memset(ring.response, 0xff, 64);
	arrive(10, 0);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(counters->delivered_packets, 1);
}

static void refuses_bad_rings(void **state)
{
	uint64_t frames = world_frames(ALICE, 2, 0), other = world_frames(MALLORY, 1, 0);
	const struct {
		struct exo_ring_create arg;
		int error;
	} cases[] = {
	        {{.kind = 0, .size = 8, .first_frame = frames}, -EXO_EINVAL},
	        {{.kind = 3, .size = 8, .first_frame = frames}, -EXO_EINVAL},
	        {{.kind = 2, .mode = EXO_RING_EXCHANGE, .size = 8, .first_frame = frames},
	         -EXO_EINVAL},
	        {{.kind = 1, .mode = EXO_RING_QUEUE, .size = 8, .first_frame = frames}, -EXO_EKEY},
	        {{.kind = 1, .mode = EXO_RING_QUEUE + 1, .size = 8, .first_frame = frames},
	         -EXO_EINVAL},
	        {{.kind = 1, .size = 4, .first_frame = frames}, -EXO_EINVAL},
	        {{.kind = 1, .size = 9, .first_frame = frames}, -EXO_EINVAL},
	        {{.kind = 1, .size = 65536, .first_frame = frames}, -EXO_EINVAL},
	        {{.kind = 1, .size = 8, .core = 2, .first_frame = frames}, -EXO_ENOENT},
	        {{.kind = 1, .size = 8, .first_frame = other}, -EXO_EPERM},
	        {{.kind = 1, .size = 128, .first_frame = frames}, -EXO_EPERM},
	        {{.kind = 1, .size = 8, .first_frame = 0}, -EXO_EPERM},
	        {{.kind = 1, .size = 8, .first_frame = UINT64_MAX}, -EXO_EPERM},
	        {{.kind = 2, .size = 8, .first_frame = frames}, -EXO_EKEY},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exo_ring_create arg = cases[i].arg;

		assert_int_equal(net_call_ring_create(world_env(ALICE), &arg), cases[i].error);
	}
}

/* Nobody's frames but the owner's change, whatever arrives. */
static void isolates(void **state)
{
	uint64_t guard = world_frames(MALLORY, 8, 0x55);

	for (unsigned i = 0; i < 200; i++) {
		struct exo_desc desc;

		world_put(&ring, (struct exo_desc){.address = (guard + i % 8) * 4096 - i % 100,
		                                   .length = 100 + i});
		world_fill(ALICE, &ring, 1, 2048, 0xaa);
		arrive(i, i % 3 ? 0 : 50);
		while (world_get(&ring, &desc))
			;
	}
	for (unsigned i = 0; i < 8 * 4096; i++)
		assert_int_equal(((uint8_t *)world_memory(guard * 4096))[i], 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(delivers_a_frame, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(wakes_for_as_many_as_are_wanted, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(uses_several_buffers, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(cuts_what_needs_too_many_buffers, set_up,
	                                        tear_down),
	        cmocka_unit_test_setup_teardown(drops_by_cause, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(rejects_bad_buffers, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(gives_up_on_bad_buffers, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(rejects_in_the_middle, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(stops_at_wild_indices, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(delivers_every_length, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(counts_anew, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(keeps_its_own_size, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(refuses_bad_rings, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(isolates, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
