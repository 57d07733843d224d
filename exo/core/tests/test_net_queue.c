/* SPDX-License-Identifier: BSD-2-Clause */
/* EXO_RING_QUEUE: a NIC function writes into an environment's frames by itself; what is not (any
 * more) the environment's it can't reach, and what it holds comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../machine.h"
#include "world.h"

enum { PORT = WORLD_PORTS - 1, SLOTS = 16, SIZE = 32, ALICE = 2, BOB = 3, LENGTH = 300 };

static struct exo_cap space;
static struct world_ring ring;
static uint64_t buffers;
static uint8_t packet[9000];

static int open_ring(uint32_t env, const struct exo_cap *in, uint64_t first, uint32_t n,
                     struct world_ring *to)
{
	struct exo_ring_create arg = {.kind = EXO_RING_RECEIVE,
	                              .mode = EXO_RING_QUEUE,
	                              .size = SIZE,
	                              .space = *in,
	                              .n_buffers = n,
	                              .first_buffer = first};
	uint64_t bytes = exo_ring_bytes(SIZE);
	uint8_t *at;
	int result;

	arg.first_frame = world_frames(env, (uint32_t)((bytes + 4095) / 4096), 0);
	result = (int)net_call_ring_create(world_env(env), &arg);
	if (result)
		return result;
	at = world_memory(arg.first_frame * 4096);
	*to = (struct world_ring){.cap = arg.out,
	                          .request = (void *)at,
	                          .response = (void *)(at + exo_queue_bytes(SIZE)),
	                          .counters = (void *)(at + 2 * exo_queue_bytes(SIZE)),
	                          .first_frame = arg.first_frame,
	                          .size = SIZE};
	return 0;
}

static struct exo_cap grant(uint32_t to, uint64_t ports, bool everything)
{
	struct flt_conjunction receive, transmit;

	world_any(&transmit);
	world_any(&receive);
	if (!everything)
		world_term(&receive, 12, 2, 0xffff, 0x800);
	return world_grant_ports(to, EXO_RIGHT_BIND | EXO_RIGHT_SEND | EXO_RIGHT_FREE, ports,
	                         &receive, &transmit);
}

static int set_up(void **state)
{
	for (uint32_t env = ALICE; env <= BOB; env++) {
		net_env_end(world_env(env));
		world_frames_free(env);
		world_env_reset(env);
	}
	world_poll();
	memset(packet, 0xa5, sizeof(packet));
	space = grant(ALICE, 1 << PORT, true);
	buffers = world_frames(ALICE, SLOTS, 0x11);
	assert_int_equal(open_ring(ALICE, &space, buffers, SLOTS, &ring), 0);
	world_poll();
	return 0;
}

static int tear_down(void **state)
{
	net_env_end(world_env(ALICE));
	net_env_end(world_env(BOB));
	world_poll();
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
	return 0;
}

static bool is_inside(uint64_t address)
{
	return address / 4096 - buffers < SLOTS;
}

static bool arrive(void)
{
	bool taken = world_arrive_dma(packet, LENGTH, 0);

	world_poll();
	return taken;
}

/* ---- Delivery ---- */

static void gives_where_it_lies(void **state)
{
	struct exo_desc desc;

	world_events[ALICE] = 0;
	assert_true(arrive());
	assert_true(world_get(&ring, &desc));
	assert_true(is_inside(desc.address));
	assert_int_equal(desc.cookie, desc.address / 4096 - buffers);
	assert_int_equal(desc.length, LENGTH);
	assert_int_equal(desc.wire_length, LENGTH);
	assert_int_equal(desc.port, PORT);
	assert_memory_equal(world_memory(desc.address), packet, LENGTH);
	assert_true(world_events[ALICE] & EXO_EVENT_RING);
	assert_int_equal(ring.counters->packets, 1);
	assert_int_equal(ring.counters->bytes, LENGTH);
	assert_int_equal(world_env(ALICE)->account->rx_packets, 1);
	assert_false(world_get(&ring, &desc));
}

static void gives_segments(void **state)
{
	struct exo_desc desc;

	assert_true(world_arrive_dma(packet, 7000, 3000));
	world_poll();
	for (uint32_t left = 7000; left > 0; left -= desc.length) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.length, left < 3000 ? left : 3000);
		assert_int_equal(desc.wire_length, left == 7000 ? 7000 : 0);
		assert_int_equal(desc.flags & EXO_DESC_MORE, left > 3000 ? EXO_DESC_MORE : 0);
	}
	assert_false(world_get(&ring, &desc));
	assert_int_equal(ring.counters->packets, 1);
}

/* As many as there are buffers; filled in again, each serves once more. */
static void goes_round(void **state)
{
	struct exo_desc desc;

	for (unsigned i = 0; i < SLOTS; i++)
		assert_true(arrive());
	assert_false(arrive());
	for (unsigned i = 0; i < 3 * SLOTS; i++) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.status, 0);
		world_put(&ring, (struct exo_desc){.address = desc.address});
		world_poll();
		assert_true(arrive());
	}
	assert_int_equal(ring.counters->bad_descriptor, 0);
}

static void wants_room(void **state)
{
	struct exo_desc desc;

	for (unsigned i = 0; i < SIZE + 5; i++) {
		assert_true(arrive());
		if (i >= SLOTS - 1) {
			/* It is read, and the queue's tail stays. */
			desc = ring.response->desc[(i - (SLOTS - 1)) % SIZE];
			world_put(&ring, (struct exo_desc){.address = desc.address});
			world_poll();
		}
	}
	assert_int_equal(ring.counters->packets, SIZE);
	assert_int_equal(world_env(ALICE)->account->rx_ring_full, 5);
}

/* ---- Hostile descriptors ---- */

static void refuses_bad_buffers(void **state)
{
	uint64_t own = world_frames(ALICE, 1, 0), bobs = world_frames(BOB, 1, 0);
	struct exo_desc desc;

	assert_true(arrive());
	assert_true(world_get(&ring, &desc));
	const uint64_t wrong[] = {own * 4096,
	                          bobs * 4096,
	                          0,
	                          UINT64_MAX,
	                          (buffers + SLOTS) * 4096,
	                          (buffers - 1) * 4096,
	                          (desc.address ^ 4096) & ~4095ull, /* with the NIC */
	                          desc.address,
	                          desc.address}; /* twice */

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		world_put(&ring, (struct exo_desc){.address = wrong[i], .cookie = i});
	world_poll();
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (i == 7)
			continue;
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.status, EXO_EFAULT);
		assert_int_equal(desc.cookie, i);
	}
	assert_false(world_get(&ring, &desc));
	assert_int_equal(ring.counters->bad_descriptor, 8);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_true(arrive());
	assert_false(arrive());
}

static void refuses_bad_rings(void **state)
{
	struct exo_cap part = grant(BOB, 1 << PORT, false), both = grant(BOB, 3, true),
	               other = grant(BOB, 1, true), right = grant(BOB, 1 << PORT, true);
	uint64_t own = world_frames(BOB, SLOTS, 0);
	struct world_ring no;

	assert_int_equal(open_ring(BOB, &right, own, SLOTS, &no), -EXO_EBUSY);
	(void)net_call_ring_destroy(world_env(ALICE), &ring.cap);
	assert_int_equal(open_ring(BOB, &part, own, SLOTS, &no), -EXO_EPERM);
	assert_int_equal(open_ring(BOB, &both, own, SLOTS, &no), -EXO_EPERM);
	assert_int_equal(open_ring(BOB, &other, own, SLOTS, &no), -EXO_EPERM);
	assert_int_equal(open_ring(BOB, &space, own, SLOTS, &no), -EXO_EPERM);
	assert_int_equal(open_ring(BOB, &right, own, SLOTS - 1, &no), -EXO_EINVAL);
	assert_int_equal(open_ring(BOB, &right, 0, SLOTS, &no), -EXO_EINVAL);
	assert_int_equal(open_ring(BOB, &right, buffers, SLOTS, &no), -EXO_EPERM);
	assert_int_equal(open_ring(BOB, &right, own, SLOTS, &no), 0);
}

static void takes_no_bindings(void **state)
{
	struct flt_conjunction flow;
	struct exo_bind arg = {0};

	world_any(&flow);
	assert_int_equal(world_bind(ALICE, &space, &flow, &ring, &arg), -EXO_EINVAL);
}

/* ---- Frames that are taken away ---- */

static unsigned count_poison(uint64_t frame, uint8_t poison)
{
	const uint8_t *bytes = world_memory(frame * 4096);
	unsigned n = 0;

	for (unsigned i = 0; i < 4096; i++)
		n += bytes[i] == poison;
	return n;
}

static void keeps_from_taken_frames(void **state)
{
	uint64_t before = machine_dma_faults();
	struct exo_desc desc;
	unsigned n = 0;

	net_frame_leaves(buffers + 3);
	assert_true(world_frame_drop(buffers + 3)); /* nobody pins it */
	assert_int_equal(world_frames(BOB, 1, 0x77), buffers + 3);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_true(arrive());
	assert_int_equal(machine_dma_faults() - before, 1);
	assert_int_equal(count_poison(buffers + 3, 0x77), 4096);
	for (; world_get(&ring, &desc); n++)
		assert_int_not_equal(desc.address / 4096, buffers + 3);
	assert_int_equal(n, SLOTS - 1);
	assert_int_equal(world_env(ALICE)->account->rx_no_buffer, 1);
	world_put(&ring, (struct exo_desc){.address = (buffers + 3) * 4096});
	world_poll();
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.status, EXO_EFAULT);
	net_frame_leaves(buffers + 3); /* Bob's, which has nothing to do with it */
	world_frames_free(BOB);
}

/* Parts of a packet of which one is lost come back. */
static void loses_whole_packets(void **state)
{
	struct exo_desc desc;
	unsigned n = 0;

	net_frame_leaves(buffers + 1);
	for (unsigned i = 0; i < 4; i++)
		(void)world_arrive_dma(packet, 9000, 2500);
	world_poll();
	for (; world_get(&ring, &desc); n++)
		;
	assert_int_equal(n, 12);
	assert_int_equal(world_env(ALICE)->account->rx_no_buffer, 1);
	assert_true(world_arrive_dma(packet, 7000, 2500));
	assert_false(world_arrive_dma(packet, LENGTH, 0));
}

/* The next one gets nothing of what was for the last, and the last one's frames stay as they are.
 */
static void ends_at_once(void **state)
{
	struct exo_cap bobs = grant(BOB, 1 << PORT, true);
	uint64_t own = world_frames(BOB, SLOTS, 0x22);
	struct world_ring next;
	struct exo_desc desc;

	assert_true(arrive());
	assert_true(world_arrive_dma(packet, LENGTH, 0)); /* and nobody has looked yet */
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
	assert_int_equal(world_pins(), 0);
	world_frames_free(ALICE);
	memset(world_memory(buffers * 4096), 0x33, SLOTS * 4096ul);
	for (unsigned i = 0; i < 2 * SLOTS; i++)
		(void)world_arrive_dma(packet, LENGTH, 0);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_int_equal(count_poison(buffers + i, 0x33), 4096);
	assert_int_equal(open_ring(BOB, &bobs, own, SLOTS, &next), 0);
	world_poll();
	assert_false(world_get(&next, &desc));
	for (unsigned i = 0; i < SLOTS; i++)
		assert_true(arrive());
	for (unsigned i = 0; i < SLOTS; i++) {
		assert_true(world_get(&next, &desc));
		assert_memory_equal(world_memory(desc.address), packet, LENGTH);
	}
}

static void ends_with_its_space(void **state)
{
	assert_true(arrive());
	assert_int_equal(net_revoke(&space), 0);
	assert_int_equal(world_pins(), 0);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), -EXO_ESTALE);
	assert_int_equal(world_env(ALICE)->account->rings, 0);
}

static void ends_with_its_environment(void **state)
{
	for (unsigned i = 0; i < 5; i++)
		assert_true(arrive());
	net_env_end(world_env(ALICE));
	assert_int_equal(world_pins(), 0);
	world_poll();
	assert_int_equal(world_mbufs(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(gives_where_it_lies), TEST(gives_segments),
	        TEST(goes_round),          TEST(wants_room),
	        TEST(refuses_bad_buffers), TEST(refuses_bad_rings),
	        TEST(takes_no_bindings),   TEST(keeps_from_taken_frames),
	        TEST(loses_whole_packets), TEST(ends_at_once),
	        TEST(ends_with_its_space), TEST(ends_with_its_environment),
	};

	world_slots = SLOTS;
	world_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
