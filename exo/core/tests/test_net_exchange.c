/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that change hands: long packets come in the frame that the NIC wrote, short ones and all
 * that can't be exchanged are copied; and in every way to receive and to send nobody ever holds a
 * byte of somebody else's packets. Each environment's bytes are its own mark, which neither headers
 * nor anybody else's packets contain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../ledger.h"
#include "../net_packet.h"
#include "world_test.h"

enum { ALICE = 2, BOB = 3, CAROL = 4, FIRST = ALICE, LAST = CAROL, PORT = 1 };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001, LEAST = 600, SIZE = 16, HEADERS = 42 };

static struct world_ring rings[LAST + 1], out;
static uint8_t frame[65536], got[65536];

static uint8_t mark(uint32_t env)
{
	return (uint8_t)(0xa0 + env);
}

static uint16_t port_of(uint32_t env)
{
	return (uint16_t)(1000 + env);
}

/* Fills in `n` whole frames of the environment's own, full of its mark. */
static void fill(uint32_t env, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		world_put(&rings[env],
		          (struct exo_desc){.address = world_frames(env, 1, mark(env)) * 4096,
		                            .length = 4096,
		                            .cookie = i});
}

static void bind_ring(uint32_t env)
{
	struct flt_conjunction flow;
	struct exo_bind arg = {0};
	struct exo_cap space;

	world_udp_to(&flow, ADDRESS, port_of(env));
	space = world_grant_ports(env, EXO_RIGHT_BIND, 1 << PORT, &flow, NULL);
	assert_int_equal(world_bind(env, &space, &flow, &rings[env], &arg), 0);
}

/* Alice and Bob exchange, Carol has everything copied. */
static int set_up(void **state)
{
	assert_int_equal(world_exchange_ring(ALICE, SIZE, LEAST, &rings[ALICE]), 0);
	assert_int_equal(world_exchange_ring(BOB, SIZE, 0, &rings[BOB]), 0);
	assert_int_equal(world_ring(CAROL, EXO_RING_RECEIVE, SIZE, NULL, &rings[CAROL]), 0);
	for (uint32_t env = FIRST; env <= LAST; env++)
		bind_ring(env);
	return 0;
}

static int tear_down(void **state)
{
	world_drain(PORT);
	world_poll();
	world_leave(FIRST, LAST);
	return 0;
}

/* A packet for an environment arrives, its payload full of its mark, in parts of `segment`. */
static uint32_t arrive(uint32_t env, uint32_t payload, uint32_t segment)
{
	uint32_t length = world_udp(frame, PEER, 99, ADDRESS, port_of(env), payload);

	memset(frame + HEADERS, mark(env), payload);
	world_arrive_framed(PORT, frame, length, segment);
	world_poll();
	return length;
}

static void is_zero(const uint8_t *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], 0);
}

/* ---- What is exchanged ---- */

/* Another core is in the middle of a poll: it may have found the frame to be Alice's, and still
 * copy out of it what she sends, or into it what she receives. No NIC gets it before that is over.
 */
static void waits_for_other_cores(void **state)
{
	enum { OTHER = 1 };
	uint64_t given = world_frames(ALICE, 1, mark(ALICE));
	struct exo_desc desc;

	world_put(&rings[ALICE], (struct exo_desc){.address = given * 4096, .length = 4096});
	retire_online(net.each[OTHER]);
	arrive(ALICE, 1000, 0);
	assert_true(world_get(&rings[ALICE], &desc));
	assert_int_equal(world_frame_owner(given), WORLD_KERNEL);
	world_poll();
	assert_int_equal(world_mbufs(), 1);
	retire_offline(net.each[OTHER]);
	world_poll();
	assert_int_equal(world_mbufs(), 0);
}

/* As many as may wait; what is more is copied. */
static void copies_what_has_no_room_to_wait(void **state)
{
	enum { OTHER = 1, MORE = 48 };
	unsigned exchanged = 0;
	struct exo_desc desc;

	retire_online(net.each[OTHER]);
	for (unsigned i = 0; i < MORE; i++) {
		uint64_t given = world_frames(ALICE, 1, mark(ALICE));

		world_put(&rings[ALICE],
		          (struct exo_desc){.address = given * 4096, .length = 4096});
		arrive(ALICE, 1000, 0);
		assert_true(world_get(&rings[ALICE], &desc));
		assert_memory_equal(world_memory(desc.address), frame, desc.length);
		exchanged += desc.address / 4096 != given;
	}
	assert_in_range(exchanged, 1, MORE - 1);
	assert_int_equal(world_mbufs(), exchanged);
	retire_offline(net.each[OTHER]);
}

static void exchanges_long(void **state)
{
	uint64_t given = world_frames(ALICE, 1, mark(ALICE));
	uint32_t length, offset;
	struct exo_desc desc;

	world_put(&rings[ALICE],
	          (struct exo_desc){.address = given * 4096, .length = 4096, .cookie = 77});
	length = arrive(ALICE, 1000, 0);
	assert_true(world_get(&rings[ALICE], &desc));
	assert_int_equal(desc.cookie, 77);
	assert_int_equal(desc.length, length);
	assert_int_equal(desc.wire_length, length);
	assert_int_not_equal(desc.address / 4096, given);
	assert_int_equal(world_frame_owner(desc.address / 4096), ALICE);
	assert_int_equal(world_frame_owner(given), WORLD_KERNEL);
	assert_memory_equal(world_memory(desc.address), frame, length);
	offset = desc.address % 4096;
	is_zero(world_memory(desc.address - offset), offset);
	is_zero(world_memory(desc.address + length), 4096 - offset - length);
	assert_int_equal(rings[ALICE].counters->packets, 1);
	assert_int_equal(rings[ALICE].counters->bytes, length);
}

static void exchanges_parts(void **state)
{
	uint32_t length, at = 0;
	struct exo_desc desc;

	fill(ALICE, 4);
	length = arrive(ALICE, 8000, 3000);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(world_get(&rings[ALICE], &desc));
		assert_int_equal(desc.cookie, i);
		assert_int_equal(desc.wire_length, i ? 0 : length);
		assert_int_equal(!(desc.flags & EXO_DESC_MORE), i == 2);
		assert_memory_equal(world_memory(desc.address), frame + at, desc.length);
		at += desc.length;
	}
	assert_int_equal(at, length);
	assert_false(world_get(&rings[ALICE], &desc));
}

/* The frame that the packet is in afterwards is the one that was filled in. */
static void is_copied(uint32_t env, uint64_t address, uint32_t length)
{
	struct exo_desc desc;

	assert_true(world_get(&rings[env], &desc));
	assert_int_equal(desc.address, address);
	assert_int_equal(desc.length, length);
	assert_memory_equal(world_memory(address), frame, length);
	assert_int_equal(world_frame_owner(address / 4096), env);
}

static void copies_short(void **state)
{
	uint64_t address = world_frames(ALICE, 1, 0) * 4096;

	world_put(&rings[ALICE], (struct exo_desc){.address = address, .length = 4096});
	is_copied(ALICE, address, arrive(ALICE, LEAST - HEADERS - 1, 0));
	world_put(&rings[ALICE], (struct exo_desc){.address = address, .length = 4096});
	arrive(ALICE, LEAST - HEADERS, 0);
	assert_int_equal(world_frame_owner(address / 4096), WORLD_KERNEL);
}

static void copies_into_parts_of_frames(void **state)
{
	uint64_t address = world_frames(ALICE, 2, 0) * 4096;

	world_put(&rings[ALICE], (struct exo_desc){.address = address + 64, .length = 4096});
	is_copied(ALICE, address + 64, arrive(ALICE, 1000, 0));
	world_put(&rings[ALICE], (struct exo_desc){.address = address, .length = 4095});
	is_copied(ALICE, address, arrive(ALICE, 1000, 0));
}

static void copies_what_is_pinned(void **state)
{
	uint64_t address = world_frames(ALICE, 1, 0) * 4096;

	assert_int_equal(ledger_frame_pin(ALICE, address / 4096), 0);
	world_put(&rings[ALICE], (struct exo_desc){.address = address, .length = 4096});
	is_copied(ALICE, address, arrive(ALICE, 1000, 0));
	ledger_frame_unpin(address / 4096);
}

static void copies_what_lies_in_no_frame(void **state)
{
	uint64_t address = world_frames(ALICE, 1, 0) * 4096;
	uint32_t length = world_udp(frame, PEER, 99, ADDRESS, port_of(ALICE), 1000);

	world_put(&rings[ALICE], (struct exo_desc){.address = address, .length = 4096});
	world_arrive(PORT, frame, length, 0);
	world_poll();
	is_copied(ALICE, address, length);
}

/* Somebody else's frames, the kernel's, and one that is given twice, come back as ever. */
static void takes_no_others(void **state)
{
	uint64_t bobs = world_frames(BOB, 1, mark(BOB)), own = world_frames(ALICE, 1, 0);
	struct exo_desc desc;

	world_put(&rings[ALICE], (struct exo_desc){.address = bobs * 4096, .length = 4096});
	world_put(&rings[ALICE], (struct exo_desc){.address = own * 4096, .length = 4096});
	world_put(&rings[ALICE], (struct exo_desc){.address = own * 4096, .length = 4096});
	world_put(&rings[ALICE], (struct exo_desc){.address = own * 4096, .length = 4096});
	arrive(ALICE, 1000, 0);
	assert_true(world_get(&rings[ALICE], &desc));
	assert_int_equal(desc.status, EXO_EFAULT);
	assert_int_equal(world_frame_owner(bobs), BOB);
	assert_true(world_get(&rings[ALICE], &desc));
	assert_int_equal(desc.address, own * 4096);
	arrive(ALICE, 4000, 3000);
	assert_int_equal(world_frame_owner(own), ALICE);
	assert_true(world_get(&rings[ALICE], &desc));
	assert_int_equal(desc.address, own * 4096);
}

static void refuses_other_rings(void **state)
{
	uint64_t memory = world_frames(ALICE, 8, 0);
	struct exo_ring_create arg = {.kind = EXO_RING_RECEIVE, .size = 8, .first_frame = memory};

	arg.mode = EXO_RING_EXCHANGE;
	arg.kind = EXO_RING_TRANSMIT;
	assert_int_equal(net_call_ring_create(world_env(ALICE), &arg), -EXO_EINVAL);
}

/* ---- Whose bytes are whose ---- */

/* Whether there is a run of an environment's mark: a single one may be part of some header. */
static bool has_mark(const uint8_t *bytes, uint32_t length, uint32_t env)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < length && run < 6; i++)
		run = bytes[i] == mark(env) ? run + 1 : 0;
	return run == 6;
}

/* Nothing that the environment owns holds another's mark. */
static void holds_only_own(uint32_t env)
{
	for (uint64_t i = WORLD_FRAME_FIRST; i < WORLD_FRAME_FIRST + WORLD_FRAMES; i++) {
		const uint8_t *bytes = world_memory(i * 4096);

		if (world_frame_owner(i) != env)
			continue;
		for (uint32_t other = FIRST; other <= LAST; other++)
			if (other != env && has_mark(bytes, 4096, other))
				fail_msg("%u holds bytes of %u", env, other);
	}
}

/* Gives a frame back to the ring, as it is. */
static void recycle(uint32_t env, const struct exo_desc *desc)
{
	world_put(&rings[env], (struct exo_desc){.address = desc->address & ~4095ull,
	                                         .length = 4096,
	                                         .cookie = desc->cookie});
}

static void take_all(uint32_t env)
{
	struct exo_desc desc;

	while (world_get(&rings[env], &desc)) {
		assert_int_equal(world_frame_owner(desc.address / 4096), env);
		assert_true(desc.length < 100 ||
		            has_mark(world_memory(desc.address), desc.length, env));
		recycle(env, &desc);
	}
}

/* Alice sends from her own frames, most of it attached. */
static void send_attached(uint64_t buffers)
{
	uint32_t length = world_udp(frame, ADDRESS, port_of(ALICE), PEER, 99, 6000);

	memset(frame + HEADERS, mark(ALICE), length - HEADERS);
	memcpy(world_memory(buffers), frame, length);
	world_put(&out, (struct exo_desc){.address = buffers,
	                                  .length = length,
	                                  .flags = EXO_DESC_REPORT,
	                                  .port = PORT});
	assert_int_equal(net_call_doorbell(world_env(ALICE), out.cap.first), 0);
	world_poll();
	assert_int_equal(world_sent(PORT, got, sizeof(got)), length);
	assert_false(has_mark(got, length, BOB) || has_mark(got, length, CAROL));
}

/* What is around a packet in a frame of its own: of nobody, whatever lay there before. */
static void nobody_sees_others(void **state)
{
	struct flt_conjunction flow;
	struct exo_cap space;
	struct exo_desc done;
	uint64_t buffers;

	world_udp_from(&flow, ADDRESS, port_of(ALICE));
	space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &out), 0);
	buffers = world_frames(ALICE, 2, mark(ALICE)) * 4096;
	srand(1);
	for (uint32_t env = FIRST; env <= LAST; env++)
		fill(env, SIZE);
	for (unsigned round = 0; round < 1000; round++) {
		uint32_t env = FIRST + (unsigned)rand() % (LAST - FIRST + 1);
		uint32_t payload = 20 + (unsigned)rand() % 7000;

		arrive(env, payload, 500 + (unsigned)rand() % 3400);
		take_all(env);
		if (round % 10 == 0) {
			send_attached(buffers);
			world_poll();
			assert_true(world_get(&out, &done));
		}
		if (round % 50 == 0)
			for (uint32_t who = FIRST; who <= LAST; who++)
				holds_only_own(who);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(waits_for_other_cores, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(copies_what_has_no_room_to_wait, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(exchanges_long, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(exchanges_parts, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(copies_short, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(copies_into_parts_of_frames, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(copies_what_is_pinned, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(copies_what_lies_in_no_frame, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(takes_no_others, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(refuses_other_rings, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(nobody_sees_others, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
