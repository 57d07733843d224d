/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core that looks into transmit rings by itself: who sends need not call, the ring says so, and
 * nothing is forgotten when the core stops looking.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3, PORT = 1 };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001, PAYLOAD = 100 };

static struct world_ring ring;
static struct exo_cap space;
static uint64_t buffer;
static uint8_t got[2048];

static int set_up(void **state)
{
	struct flt_conjunction flow;

	world_udp_from(&flow, ADDRESS, 7);
	space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &flow);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 8, &space, &ring), 0);
	buffer = world_frames(ALICE, 1, 0) * 4096;
	return 0;
}

static int tear_down(void **state)
{
	net_watch(0, false);
	while (world_sent(PORT, got, sizeof(got)))
		;
	net_env_end(world_env(ALICE));
	world_frames_free(ALICE);
	assert_int_equal(world_mbufs(), 0);
	return 0;
}

/* One frame into the ring, and no bell. */
static void put(void)
{
	uint32_t length = world_udp(world_memory(buffer), ADDRESS, 7, PEER, 99, PAYLOAD);

	world_put(&ring, (struct exo_desc){.address = buffer, .length = length, .port = PORT});
}

static unsigned sent(void)
{
	unsigned n = 0;

	while (world_sent(PORT, got, sizeof(got)))
		n++;
	return n;
}

static void waits_for_bells(void **state)
{
	put();
	world_poll();
	assert_int_equal(ring.request->watched, 0);
	assert_int_equal(sent(), 0);
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	world_poll();
	assert_int_equal(sent(), 1);
}

static void looks_by_itself(void **state)
{
	assert_false(net_watch(0, true));
	world_poll();
	assert_int_equal(ring.request->watched, 1);
	for (int i = 0; i < 20; i++) {
		put();
		world_poll();
		assert_int_equal(sent(), 1);
	}
}

/* What came between the last poll and the end of looking makes the core poll once more. */
static void forgets_nothing(void **state)
{
	net_watch(0, true);
	world_poll();
	put();
	assert_true(net_watch(0, false));
	assert_int_equal(ring.request->watched, 0);
	world_poll();
	assert_int_equal(sent(), 1);
	assert_false(net_watch(0, false));
}

static void tells_new_rings(void **state)
{
	struct world_ring second;

	net_watch(0, true);
	world_poll();
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 8, &space, &second), 0);
	assert_int_equal(second.request->watched, 0);
	world_poll();
	assert_int_equal(second.request->watched, 1);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &second.cap), 0);
	put();
	world_poll();
	assert_int_equal(sent(), 1);
}

/* A head that can't be stops the ring, and the core does not poll for it for ever. */
static void bears_wild_heads(void **state)
{
	net_watch(0, true);
	__atomic_store_n(&ring.request->head, 1000, __ATOMIC_RELEASE);
	world_poll();
	assert_int_equal(ring.counters->bad_index, 1);
	assert_int_equal(net_poll(0, 32), 0);
	assert_false(net_watch(0, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(waits_for_bells, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(looks_by_itself, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(forgets_nothing, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(tells_new_rings, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(bears_wild_heads, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
