/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One core polls while another makes calls: what is installed and removed never disturbs the
 * traffic, never is used after it was freed, and every frame is accounted for once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../net_packet.h"
#include "world_test.h"

enum { ALICE = 2, BOB = 3, ROUNDS = 100, BUFFERS = 32, ADDRESS = 0x0a000002, PEER = 0x0a000001 };

static struct world_ring alices;
static struct exo_binding_counters *alices_counters;
static uint32_t finished; /* the caller is done */
static uint64_t turns;    /* of the polling core */
static uint64_t arrived, bobs_matched, sent;

/* ---- The polling core: traffic for Alice, some of which Bob may take ---- */

static void alice_reads(void)
{
	struct exo_desc desc;

	while (world_get(&alices, &desc))
		world_put(&alices, (struct exo_desc){.address = desc.address, .length = 2048});
}

static void drain_port(void)
{
	uint8_t frame[2048];

	while (world_sent(0, frame, sizeof(frame)))
		sent++;
}

static void *poller(void *argument)
{
	uint8_t frame[256];
	uint32_t length = world_udp(frame, PEER, 1, ADDRESS, 7, 60);

	world_core_set(0);
	while (!__atomic_load_n(&finished, __ATOMIC_ACQUIRE)) {
		for (unsigned i = 0; i < 8; i++, arrived++)
			world_arrive(0, frame, length, 0);
		net_poll(0, 64);
		alice_reads();
		drain_port();
		__atomic_fetch_add(&turns, 1, __ATOMIC_RELEASE);
	}
	for (unsigned i = 0; i < 10; i++)
		net_poll(0, 64);
	alice_reads();
	drain_port();
	return NULL;
}

/* ---- The calling core ---- */

static void let_polls_go_by(unsigned n)
{
	uint64_t until = __atomic_load_n(&turns, __ATOMIC_ACQUIRE) + n;

	while (__atomic_load_n(&turns, __ATOMIC_ACQUIRE) < until)
		sched_yield();
}

/* Bob comes, takes Alice's frames by a higher priority, sends, and goes: in order, or just so. */
static void bob_lives(unsigned round)
{
	struct flt_conjunction any;
	struct world_ring receive, transmit;
	struct exo_bind arg = {.priority = 5};
	struct exo_binding_counters *counters;
	struct exo_cap space;
	uint64_t buffer;

	world_any(&any);
	space = world_grant(BOB, EXO_RIGHT_BIND | EXO_RIGHT_SEND | EXO_RIGHT_SHARE, &any, &any);
	assert_int_equal(world_ring(BOB, EXO_RING_RECEIVE, 16, NULL, &receive), 0);
	assert_int_equal(world_ring(BOB, EXO_RING_TRANSMIT, 16, &space, &transmit), 0);
	world_fill(BOB, &receive, 8, 2048, 0);
	arg.counters = world_frames(BOB, 1, 0) * 4096;
	counters = world_memory(arg.counters);
	buffer = world_frames(BOB, 1, 0x77) * 4096;
	assert_int_equal(world_bind(BOB, &space, &any, &receive, &arg), 0);
	for (unsigned i = 0; i < 4; i++)
		world_put(&transmit, (struct exo_desc){.address = buffer, .length = 60});
	assert_int_equal(net_call_doorbell(world_env(BOB), transmit.cap.first), 0);
	let_polls_go_by(round % 4);
	if (round % 3 == 0) {
		assert_int_equal(net_call_unbind(world_env(BOB), &arg.out), 0);
		assert_int_equal(net_call_ring_destroy(world_env(BOB), &receive.cap), 0);
	} else if (round % 3 == 1) {
		assert_int_equal(net_revoke(&space), 0);
	}
	net_env_end(world_env(BOB));
	bobs_matched += counters->matched_packets; /* nobody writes there any more */
	world_frames_free(BOB);                    /* fails where anything is pinned */
	world_env_reset(BOB);
}

static void calls_do_not_disturb_polls(void **state)
{
	struct flt_conjunction flow;
	struct exo_cap space;
	struct exo_bind arg = {0};
	pthread_t thread;

	world_core_set(1);
	world_udp_to(&flow, ADDRESS, 7);
	space = world_grant(ALICE, EXO_RIGHT_BIND, &flow, NULL);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 64, NULL, &alices), 0);
	world_fill(ALICE, &alices, BUFFERS, 2048, 0);
	arg.counters = world_frames(ALICE, 1, 0) * 4096;
	alices_counters = world_memory(arg.counters);
	assert_int_equal(world_bind(ALICE, &space, &flow, &alices, &arg), 0);
	assert_int_equal(pthread_create(&thread, NULL, poller, NULL), 0);
	for (unsigned round = 0; round < ROUNDS; round++)
		bob_lives(round);
	__atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(alices_counters->matched_packets + bobs_matched, arrived);
	assert_int_equal(alices_counters->delivered_packets, alices_counters->matched_packets);
	assert_int_not_equal(bobs_matched, 0);
	assert_int_not_equal(sent, 0);
	net_env_end(world_env(ALICE));
	world_frames_free(ALICE);
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
}

/* ---- Two ends at once ---- */

static pthread_t bobs_core;
static uint32_t bob_has_gone;

static void *bob_goes(void *argument)
{
	world_core_set(0);
	net_env_end(world_env(BOB));
	__atomic_store_n(&bob_has_gone, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Who revokes waits for the poll on core 0, and for a long time after its end: Bob goes then. */
static void bob_goes_meanwhile(void)
{
	world_pause = NULL;
	assert_int_equal(pthread_create(&bobs_core, NULL, bob_goes, NULL), 0);
	retire_offline(&net.cores[0]);
	for (unsigned i = 0; i < 200 && !__atomic_load_n(&bob_has_gone, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
}

/* His space is revoked while he ends: his binding goes with the one, his ring with the other. */
static void an_end_waits_for_another(void **state)
{
	struct flt_conjunction any;
	struct world_ring ring;
	struct exo_bind arg = {0};
	struct exo_cap space;

	world_core_set(1);
	world_any(&any);
	space = world_grant(BOB, EXO_RIGHT_BIND, &any, NULL);
	assert_int_equal(world_ring(BOB, EXO_RING_RECEIVE, 16, NULL, &ring), 0);
	assert_int_equal(world_bind(BOB, &space, &any, &ring, &arg), 0);
	retire_online(&net.cores[0]);
	world_pause = bob_goes_meanwhile;
	assert_int_equal(net_revoke(&space), 0);
	assert_int_equal(pthread_join(bobs_core, NULL), 0);
	assert_int_equal(bob_has_gone, 1);
	assert_int_equal(world_env(BOB)->account->bindings, 0);
	assert_int_equal(world_env(BOB)->account->rings, 0);
	world_frames_free(BOB);
	assert_int_equal(world_pins(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(calls_do_not_disturb_polls),
	        cmocka_unit_test(an_end_waits_for_another),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
