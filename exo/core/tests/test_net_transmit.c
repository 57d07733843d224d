/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way out: what the guard lets pass is exactly what is sent, everything else is refused,
 * counted and reported; hostile descriptors cost their owner only; a port that is full loses
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../net_state.h"
#include "world_test.h"

enum { ALICE = 2, MALLORY = 3 };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001, OTHER = 0x0a000003 };

static struct world_ring ring;
static struct exo_cap space;
static uint64_t buffers; /* 16 frames of Alice's */
static uint8_t got[65536];

/* Alice may send UDP from port 7 of her address on port 0. */
static int set_up(void **state)
{
	struct flt_conjunction flow;

	world_udp_from(&flow, ADDRESS, 7);
	space = world_grant(ALICE, EXO_RIGHT_SEND, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &ring), 0);
	buffers = world_frames(ALICE, 16, 0) * 4096;
	world_lines = 0;
	world_port_room(0, 1023);
	return 0;
}

static int tear_down(void **state)
{
	world_drain(0);
	world_leave(ALICE, MALLORY);
	return 0;
}

static uint64_t physical(uint64_t i)
{
	return buffers + i * 4096;
}

static uint8_t *buffer(unsigned i)
{
	return world_memory(physical(i));
}

static bool by_call; /* the bell is a call that sends at once: one packet has a way of its own */

static int set_up_calls(void **state)
{
	by_call = true;
	world_pass(2); /* what is refused may be told of again */
	return set_up(state);
}

static int tear_down_calls(void **state)
{
	by_call = false;
	return tear_down(state);
}

static void ring_bell(void)
{
	struct env *env = world_env(ALICE);

	assert_int_equal(by_call ? net_call_send(env, ring.cap.first, machine_core())
	                         : net_call_doorbell(env, ring.cap.first),
	                 0);
	world_poll();
}

/* Sends what lies in buffer 0. → the completion's status, or -1 where there was none. */
static int send_it(uint32_t length, uint16_t flags)
{
	struct exo_desc desc;

	world_put(&ring,
	          (struct exo_desc){
	                  .address = buffers, .length = length, .flags = flags, .cookie = 77});
	ring_bell();
	assert_int_equal(ring.request->tail, ring.head);
	if (!world_get(&ring, &desc))
		return -1;
	assert_int_equal(desc.cookie, 77);
	assert_int_equal(desc.length, length);
	assert_false(world_get(&ring, &desc));
	return desc.status;
}

/* What has come waits for a poll, which takes and sends. */
static void a_bell_only_sends(void **state)
{
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);
	uint64_t before = net.cores[0].drops[0].unmatched;

	world_put(&ring, (struct exo_desc){.address = buffers, .length = length});
	world_arrive(0, buffer(0), length, 0);
	assert_int_equal(net_call_send(world_env(MALLORY), ring.cap.first, machine_core()),
	                 -EXO_ENOENT);
	assert_int_equal(net_call_send(world_env(ALICE), ring.cap.first + 4096, machine_core()),
	                 -EXO_ENOENT);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	assert_int_equal(net_call_send(world_env(ALICE), ring.cap.first, machine_core()), 0);
	assert_int_equal(world_sent(0, got, sizeof(got)), length);
	assert_int_equal(net.cores[0].drops[0].unmatched, before);
	assert_int_equal(net_poll(0, 64), 1);
	assert_int_equal(net.cores[0].drops[0].unmatched, before + 1);
}

/* Bells are used again. Who looked whose core the last ring was of, and finds a new one by then,
 * whose number it may have guessed, does not send from it beside the core that polls it. */
static void sends_from_its_own_core_alone(void **state)
{
	enum { OTHER = 1 };
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);
	struct net_bell *bell = &net.bells[ring.cap.first % NET_RINGS_MAX];
	struct net_ring *mine = bell->ring;

	world_put(&ring, (struct exo_desc){.address = buffers, .length = length});
	mine->core = OTHER;
	assert_int_equal(net_call_send(world_env(ALICE), ring.cap.first, machine_core()), 0);
	mine->core = 0;
	assert_int_equal(ring.request->tail, 0);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	assert_int_equal(bell->rung, 1);
	world_poll();
	assert_int_equal(world_sent(0, got, sizeof(got)), length);
}

static void sends_a_frame(void **state)
{
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);

	assert_int_equal(send_it(length, 0), -1);
	assert_int_equal(world_sent(0, got, sizeof(got)), length);
	assert_memory_equal(got, buffer(0), length);
	assert_int_equal(world_events[ALICE], 0);
	assert_int_equal(send_it(length, EXO_DESC_REPORT), 0);
	assert_int_equal(world_events[ALICE], EXO_EVENT_RING);
	assert_int_equal(world_sent(0, got, sizeof(got)), length);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	assert_int_equal(ring.counters->packets, 2);
	assert_int_equal(ring.counters->bytes, 2 * length);
	assert_int_equal(world_env(ALICE)->account->tx_packets, 2);
	assert_int_equal(world_env(ALICE)->account->tx_bytes, 2 * length);
}

static void needs_the_doorbell(void **state)
{
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 10);

	world_put(&ring, (struct exo_desc){.address = buffers, .length = length});
	world_poll();
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	assert_int_equal(net_call_doorbell(world_env(MALLORY), ring.cap.first), -EXO_ENOENT);
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first + 4096), -EXO_ENOENT);
	assert_int_equal(net_call_doorbell(world_env(ALICE), 0), -EXO_ENOENT);
	ring_bell();
	assert_int_equal(world_sent(0, got, sizeof(got)), length);
}

static void gathers_segments(void **state)
{
	uint32_t length = world_udp(got, ADDRESS, 7, PEER, 99, 1400), at = 0;
	static const uint32_t parts[] = {1, 13, 20, 8, 500, 4000};
	uint8_t want[2000];
	struct exo_desc desc;

	memcpy(want, got, length);
	for (unsigned i = 0; at < length; i++) {
		uint32_t part = length - at < parts[i] ? length - at : parts[i];

		memcpy(buffer(i) + (size_t)i * 100, want + at, part);
		at += part;
		world_put(&ring, (struct exo_desc){.address = physical(i) + (uint64_t)i * 100,
		                                   .length = part,
		                                   .cookie = i,
		                                   .flags = (at < length ? EXO_DESC_MORE : 0) |
		                                            (i == 0 ? EXO_DESC_REPORT : 0)});
	}
	ring_bell();
	assert_int_equal(world_sent(0, got, sizeof(got)), length);
	assert_memory_equal(got, want, length);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 0);
	assert_int_equal(desc.length, length);
	assert_int_equal(desc.status, 0);
	assert_false(world_get(&ring, &desc));
}

/* What is known of the packet before helps nobody: payload that begins right before its frame, or
 * goes around the end of all addresses. */
static void refuses_around(uint32_t header)
{
	const uint64_t foreign = world_frames(MALLORY, 1, 0), own = world_frames(ALICE, 1, 0);
	const uint64_t payloads[] = {own * 4096, own * 4096 - 10, UINT64_MAX - 9};

	assert_int_equal(own, foreign + 1);
	for (unsigned i = 0; i < 3; i++) {
		world_put(&ring, (struct exo_desc){.address = physical(0),
		                                   .length = header,
		                                   .flags = EXO_DESC_MORE});
		world_put(&ring, (struct exo_desc){.address = payloads[i], .length = 100});
	}
	ring_bell();
	assert_int_equal(world_sent(0, got, sizeof(got)), header + 100);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	assert_int_equal(ring.counters->bad_descriptor, 3);
}

/* Packets that ask for nothing, header and payload apart, at places and of lengths that cross
 * pages, a few at a time; the port takes only some of them at first. */
static void sends_plain_bursts(void **state)
{
	static const uint32_t payloads[] = {1, 15, 16, 17, 255, 256, 257, 1000, 1400};
	enum { PAYLOADS = sizeof(payloads) / sizeof(payloads[0]), HEADER = 42 };
	uint8_t frames[4][2000];
	uint32_t lengths[4], packets = 0;

	for (uint32_t shift = 0; shift < 40; shift += 3) {
		for (unsigned i = 0; i < 4; i++) {
			uint32_t size = payloads[(shift + i) % PAYLOADS];
			uint8_t *payload = buffer(2 * i + 2) - shift;
			size_t at = 64 * (size_t)i + shift;

			lengths[i] = world_udp(frames[i], ADDRESS, 7, PEER, 99, size);
			memset(frames[i] + HEADER, (int)(shift * 4 + i), size);
			memcpy(buffer(0) + at, frames[i], HEADER);
			memcpy(payload, frames[i] + HEADER, size);
			world_put(&ring, (struct exo_desc){.address = physical(0) + at,
			                                   .length = HEADER,
			                                   .flags = EXO_DESC_MORE});
			world_put(&ring, (struct exo_desc){.address = physical(2 * i + 2) - shift,
			                                   .length = size});
		}
		ring_bell();
		for (unsigned i = 0; i < 4; i++, packets++) {
			assert_int_equal(world_sent(0, got, sizeof(got)), lengths[i]);
			assert_memory_equal(got, frames[i], lengths[i]);
		}
		assert_int_equal(world_sent(0, got, sizeof(got)), 0);
		assert_int_equal(ring.request->tail, ring.head);
	}
	assert_int_equal(ring.counters->packets, packets);
	assert_int_equal(world_events[ALICE], 0);
	/* The port takes some only: the others stay where they are. */
	memcpy(buffer(0), frames[0], HEADER);
	world_port_room(0, 3);
	for (unsigned i = 0; i < 10; i++)
		world_put(&ring, (struct exo_desc){.address = physical(0), .length = HEADER});
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	(void)net_poll(0, 64);
	assert_int_equal(ring.request->tail, ring.head - 7);
	assert_true(ring.counters->nic_full > 0);
	world_port_room(0, 1023);
	world_poll();
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(world_sent(0, got, sizeof(got)), HEADER);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	/* Where the second frame is another's, nothing of it leaves. */
	world_put(&ring, (struct exo_desc){
	                         .address = physical(0), .length = HEADER, .flags = EXO_DESC_MORE});
	world_put(&ring,
	          (struct exo_desc){.address = world_frames(MALLORY, 1, 0) * 4096, .length = 100});
	ring_bell();
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	assert_int_equal(ring.counters->bad_descriptor, 1);
	refuses_around(HEADER);
}

/* One byte of a good frame is changed: what the guard thinks of it. */
static void guards(void **state)
{
	static const struct {
		const char *what;
		uint32_t at;
		uint8_t value;
		int status;
	} cases[] = {
	        {"as granted", 40, 0, 0},
	        {"payload is free", 50, 0xff, 0},
	        {"destination is free", 30, 99, 0},
	        {"another's address", 29, 3, EXO_EPERM},
	        {"another port", 35, 8, EXO_EPERM},
	        {"TCP", 23, 6, EXO_EPERM},
	        {"ARP", 13, 6, EXO_EPERM},
	        {"a VLAN tag", 12, 0x81, EXO_EPERM},
	        {"a later fragment", 21, 1, EXO_EPERM},
	        {"first of several fragments", 20, 0x20, 0},
	        {"ports elsewhere: a longer header", 14, 0x46, EXO_EPERM},
	        {"ports elsewhere: a shorter header", 14, 0x41, EXO_EPERM},
	};
	unsigned refused = 0;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);

		buffer(0)[cases[i].at] = cases[i].value;
		assert_int_equal(send_it(length, EXO_DESC_REPORT), cases[i].status);
		assert_int_equal(world_sent(0, got, sizeof(got)), cases[i].status ? 0 : length);
		/* The short way knows what the long one let pass, and that alone. */
		assert_int_equal(send_it(length, 0), cases[i].status ? cases[i].status : -1);
		assert_int_equal(world_sent(0, got, sizeof(got)), cases[i].status ? 0 : length);
		refused += cases[i].status != 0 ? 2 : 0;
		assert_int_equal(ring.counters->refused, refused);
		assert_int_equal(world_env(ALICE)->account->tx_refused, refused);
	}
	assert_int_equal(world_lines, 1); /* at most one a second, of a new ring likewise */
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &ring), 0);
	assert_int_equal(send_it(60, 0), EXO_EPERM);
	assert_int_equal(world_lines, 1);
	assert_non_null(strstr(world_line, "02:00:00:00:00:02"));
	assert_int_equal(ring.counters->bad_descriptor, 0);
}

/* A term behind the bytes that are looked at never lets a frame pass; a cut frame neither. */
static void refuses_what_it_cannot_see(void **state)
{
	struct flt_conjunction flow;
	struct exo_cap deep;
	uint32_t length;

	assert_int_equal(send_it(20, 0), EXO_EPERM);
	assert_int_equal(send_it(35, 0), EXO_EPERM);
	world_any(&flow);
	world_term(&flow, 255, 1, 0xff, 9);
	deep = world_grant(ALICE, EXO_RIGHT_SEND, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &deep, &ring), 0);
	length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 1000);
	memset(buffer(0) + 200, 9, 100);
	assert_int_equal(send_it(length, EXO_DESC_REPORT), 0);
	world_any(&flow);
	world_term(&flow, 256, 1, 0xff, 9);
	deep = world_grant(ALICE, EXO_RIGHT_SEND, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &deep, &ring), 0);
	assert_int_equal(send_it(length, EXO_DESC_REPORT), EXO_EPERM);
}

static void rejects_bad_descriptors(void **state)
{
	uint64_t other = world_frames(MALLORY, 1, 0x55) * 4096;
	const struct {
		const char *what;
		struct exo_desc desc;
		int status;
	} cases[] = {
	        {"unknown flag", {.address = buffers, .length = 60, .flags = 1 << 10}, EXO_EINVAL},
	        {"a receive flag",
	         {.address = buffers, .length = 60, .flags = EXO_DESC_CUT},
	         EXO_EINVAL},
	        {"empty", {.address = buffers, .length = 0}, EXO_EINVAL},
	        {"shorter than a header", {.address = buffers, .length = 13}, EXO_EINVAL},
	        {"longer than the port's", {.address = buffers, .length = 1523}, EXO_E2BIG},
	        {"longer than any", {.address = buffers, .length = 65536}, EXO_EINVAL},
	        {"length wraps", {.address = buffers, .length = UINT32_MAX}, EXO_EINVAL},
	        {"another's frame", {.address = other, .length = 60}, EXO_EFAULT},
	        {"from its own into another's",
	         {.address = physical(16) - 10, .length = 60},
	         EXO_EFAULT},
	        {"no frame", {.address = 0, .length = 60}, EXO_EFAULT},
	        {"wraps", {.address = UINT64_MAX - 20, .length = 60}, EXO_EFAULT},
	        {"a port not granted", {.address = buffers, .length = 60, .port = 1}, EXO_ENOENT},
	        {"no such port", {.address = buffers, .length = 60, .port = 40000}, EXO_ENOENT},
	        {"segments of nothing",
	         {.address = buffers, .length = 142, .flags = EXO_DESC_SEGMENT},
	         EXO_EINVAL},
	        {"segments of a part",
	         {.address = buffers, .length = 141, .flags = EXO_DESC_SEGMENT, .segment_size = 50},
	         EXO_EINVAL},
	        {"goes on, but not there",
	         {.address = buffers, .length = 60, .flags = EXO_DESC_MORE},
	         EXO_EINVAL},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exo_desc desc;

		world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);
		world_put(&ring, cases[i].desc);
		ring_bell();
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.status, cases[i].status);
		assert_int_equal(ring.request->tail, ring.head);
		assert_int_equal(ring.counters->bad_descriptor, i + 1);
		assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	}
}

/* Segments are made where a frame is one piece, too. */
static void cuts_for_any_port(void **state)
{
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);

	world_put(&ring, (struct exo_desc){.address = buffers,
	                                   .length = length,
	                                   .flags = EXO_DESC_SEGMENT,
	                                   .segment_size = 50});
	ring_bell();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(world_sent(0, got, sizeof(got)), length - 50);
		assert_memory_equal(got + length - 100, buffer(0) + length - 100 + (size_t)i * 50,
		                    50);
	}
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
}

static void rejects_too_many_segments(void **state)
{
	struct world_ring large;
	struct exo_desc desc;
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);

	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 64, &space, &large), 0);
	ring = large;
	for (unsigned i = 0; i < 33; i++)
		world_put(&ring, (struct exo_desc){.address = buffers,
		                                   .length = 10,
		                                   .cookie = i,
		                                   .flags = i < 32 ? EXO_DESC_MORE : 0});
	world_put(&ring, (struct exo_desc){.address = buffers,
	                                   .length = length,
	                                   .cookie = 99,
	                                   .flags = EXO_DESC_REPORT});
	ring_bell();
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 0);
	assert_int_equal(desc.status, EXO_EINVAL);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.cookie, 99);
	assert_int_equal(desc.status, 0);
	assert_int_equal(world_sent(0, got, sizeof(got)), length);
}

/* One that never ends takes so much of a poll, and no more. */
static void takes_endless_packets_in_parts(void **state)
{
	enum { SIZE = 8192, MOST = 2 * NET_BURST * EXO_SEGMENTS_MAX };
	struct world_ring large;

	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, SIZE, &space, &large), 0);
	for (unsigned i = 0; i < SIZE; i++)
		world_put(&large, (struct exo_desc){.address = buffers,
		                                    .length = 10,
		                                    .flags = EXO_DESC_MORE});
	for (uint32_t done = 0, before = 0; done < SIZE; before = done) {
		assert_int_equal(net_call_send(world_env(ALICE), large.cap.first, 0), 0);
		done = large.request->tail;
		assert_in_range(done - before, 1, MOST);
	}
	assert_int_equal(large.counters->packets, 0);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
}

static void stops_at_wild_indices(void **state)
{
	ring.request->head = 17;
	ring_bell();
	ring_bell();
	assert_int_equal(ring.counters->bad_index, 1);
	assert_int_equal(ring.request->tail, 0);
	assert_int_equal(ring.counters->packets, 0);
}

/* What the port does not take stays in the ring, in order, errors in their place. */
static void waits_for_the_port(void **state)
{
	struct exo_desc desc;
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 100);

	world_udp(buffer(1), OTHER, 7, PEER, 99, 100);
	world_port_room(0, 3);
	for (unsigned i = 0; i < 10; i++)
		world_put(&ring, (struct exo_desc){.address = buffers + (i == 5 ? 4096 : 0),
		                                   .length = length,
		                                   .cookie = i,
		                                   .flags = EXO_DESC_REPORT});
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	for (unsigned i = 0; i < 5; i++)
		net_poll(0, 64);
	assert_int_equal(ring.request->tail, 3);
	assert_true(ring.counters->nic_full > 0);
	assert_int_equal(ring.counters->refused, 0);
	world_port_room(0, 1023);
	world_poll();
	assert_int_equal(ring.request->tail, 10);
	assert_int_equal(ring.counters->refused, 1);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, i);
		assert_int_equal(desc.status, i == 5 ? EXO_EPERM : 0);
	}
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(world_sent(0, got, sizeof(got)), length);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
}

static void counts_lost_completions(void **state)
{
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 10);

	for (unsigned i = 0; i < 20; i++) {
		world_put(&ring, (struct exo_desc){.address = buffers,
		                                   .length = length,
		                                   .flags = EXO_DESC_REPORT});
		ring_bell();
	}
	assert_int_equal(ring.counters->packets, 20);
	assert_int_equal(ring.counters->completions_lost, 4);
}

/* Every ring gets its turn, and none more than a batch of it. */
static void shares_the_port(void **state)
{
	struct world_ring rings[3];
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 10);

	for (unsigned r = 0; r < 3; r++) {
		assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 256, &space, &rings[r]), 0);
		for (unsigned i = 0; i < (r == 1 ? 5 : 200); i++)
			world_put(&rings[r],
			          (struct exo_desc){.address = buffers, .length = length});
		assert_int_equal(net_call_doorbell(world_env(ALICE), rings[r].cap.first), 0);
	}
	net_poll(0, 1000);
	assert_int_equal(rings[0].request->tail, 32);
	assert_int_equal(rings[1].request->tail, 5);
	assert_int_equal(rings[2].request->tail, 32);
	world_poll();
	assert_int_equal(rings[0].request->tail, 200);
	assert_int_equal(rings[2].request->tail, 200);
}

static uint32_t udp_sum(const uint8_t *frame, uint32_t ip_bytes, uint32_t length)
{
	uint32_t l4 = length - 14 - ip_bytes;
	uint32_t addresses = ip_bytes == 20 ? 8 : 32, from = 14 + ip_bytes - addresses;

	return world_sum(frame + 14 + ip_bytes, l4, world_sum(frame + from, addresses, 17 + l4));
}

/* The ring port has no offloads: sums are made in software and come out as RFC 1071 says. */
static void fills_in_checksums(void **state)
{
	uint8_t want[2000];

	for (uint32_t payload = 0; payload < 1400; payload += 91) {
		uint32_t length = world_udp(want, ADDRESS, 7, PEER, 99, payload);

		memcpy(buffer(0), want, length);
		buffer(0)[24] = buffer(0)[40] = 0x99; /* whatever was there before */
		assert_int_equal(
		        send_it(length, EXO_DESC_REPORT | EXO_DESC_L3_SUM | EXO_DESC_L4_SUM), 0);
		assert_int_equal(world_sent(0, got, sizeof(got)), length);
		assert_memory_equal(got, want, length);
		assert_int_equal(udp_sum(got, 20, length), 0xffff);
		memcpy(buffer(0), want, length);
		buffer(0)[24] = 0x99;
		memset(buffer(0) + length, 0xff, 10); /* padding is not covered */
		assert_int_equal(
		        send_it(length + 10, EXO_DESC_REPORT | EXO_DESC_L3_SUM | EXO_DESC_L4_SUM),
		        0);
		assert_int_equal(world_sent(0, got, sizeof(got)), length + 10);
		assert_memory_equal(got, want, length);
	}
}

static void refuses_sums_it_cannot_make(void **state)
{
	static const struct {
		const char *what;
		uint32_t at;
		uint8_t value;
	} cases[] = {
	        {"not IP", 12, 0x88},
	        {"not TCP or UDP", 23, 1},
	        {"length beyond the frame", 17, 0xff},
	        {"length too short", 17, 27},
	        {"header too short", 14, 0x44},
	        {"a later fragment", 21, 3},
	        {"header beyond the frame", 14, 0x4f},
	};
	struct exo_cap root_like;
	struct flt_conjunction any;

	world_any(&any);
	root_like = world_grant(ALICE, EXO_RIGHT_SEND, NULL, &any);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &root_like, &ring), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 12);

		buffer(0)[cases[i].at] = cases[i].value;
		assert_int_equal(send_it(length, EXO_DESC_L4_SUM), EXO_EINVAL);
		assert_int_equal(world_sent(0, got, sizeof(got)), 0);
	}
}

/* Revoked: what is sent from then on is refused, and the ring can still be destroyed. */
static void loses_its_space(void **state)
{
	uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, 10);

	assert_int_equal(net_revoke(&space), 0);
	assert_int_equal(net_revoke(&space), -EXO_ESTALE);
	assert_int_equal(send_it(length, 0), EXO_ESTALE);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &(struct world_ring){0}),
	                 -EXO_ESTALE);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), -EXO_ENOENT);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), -EXO_ESTALE);
	assert_int_equal(world_pins(), 0);
}

/* Packet after packet by itself, until buffers must have come back; the same guard lets them pass.
 */
static void sends_one_by_one(void **state)
{
	for (uint32_t size = 0; size < 600; size++) {
		uint32_t length = world_udp(buffer(0), ADDRESS, 7, PEER, 99, size);

		assert_int_equal(send_it(length, 0), -1);
		assert_int_equal(world_sent(0, got, sizeof(got)), length);
		assert_memory_equal(got, buffer(0), length);
	}
	assert_int_equal(ring.counters->packets, 600);
	assert_int_equal(ring.counters->nic_full, 0);
	assert_int_equal(send_it(world_udp(buffer(0), OTHER, 7, PEER, 99, 10), 0), EXO_EPERM);
	assert_int_equal(world_sent(0, got, sizeof(got)), 0);
}

#define CALLS(test) cmocka_unit_test_setup_teardown(test, set_up_calls, tear_down_calls)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(sends_a_frame, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_bell_only_sends, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(sends_from_its_own_core_alone, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(needs_the_doorbell, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(gathers_segments, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(sends_plain_bursts, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(guards, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(refuses_what_it_cannot_see, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(rejects_bad_descriptors, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(cuts_for_any_port, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(rejects_too_many_segments, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(takes_endless_packets_in_parts, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(stops_at_wild_indices, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(waits_for_the_port, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(counts_lost_completions, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(shares_the_port, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(fills_in_checksums, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(refuses_sums_it_cannot_make, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(loses_its_space, set_up, tear_down),
	        CALLS(sends_one_by_one),
	        CALLS(sends_a_frame),
	        CALLS(guards),
	        CALLS(refuses_what_it_cannot_see),
	        CALLS(rejects_bad_descriptors),
	        CALLS(stops_at_wild_indices),
	        CALLS(fills_in_checksums),
	        CALLS(refuses_sums_it_cannot_make),
	        CALLS(loses_its_space),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
