/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fairness, in virtual time: a core polls for two environments that run elsewhere. Alice is flooded
 * with ten times what she takes out of her ring; what is too much is lost at her own ring and
 * counted there, by cause. Bob, to whom a frame comes now and then, loses nothing, and his latency
 * stays what it was.
 *
 * Time: a poll costs POLL, each frame in it FRAME; Bob is awake WAKE after his event. The flood is
 * below what the poller can do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3, ADDRESS = 0x0a000002, PEER = 0x0a000001 };
enum { RING = 64, PAYLOAD = 22 };
enum {
	POLL = 50, /* ns */
	FRAME = 80,
	WAKE = 1000,
	DRAIN_EVERY = 10000, /* Alice takes a frame out, */
	FLOOD_EVERY = 1000,  /* and gets one */
	BOB_EVERY = 20000,   /* on average */
	SECONDS_NS = 200000000,
};
enum { SAMPLES = 2 * SECONDS_NS / BOB_EVERY };

struct party {
	uint32_t env;
	uint16_t port;
	struct world_ring ring;
	struct exo_binding_counters *counters;
};

static struct party alice = {.env = ALICE, .port = 7}, bob = {.env = BOB, .port = 9};
static uint64_t latencies[SAMPLES], arrived[RING];
static uint32_t n_latencies, first, waiting; /* Bob's frames under way */
static uint64_t random_state;

static void join(struct party *party)
{
	struct flt_conjunction flow;
	struct exo_bind bind = {.counters = world_frames(party->env, 1, 0) * 4096};
	struct exo_cap space;

	world_udp_to(&flow, ADDRESS, party->port);
	space = world_grant(party->env, EXO_RIGHT_BIND, &flow, NULL);
	assert_int_equal(world_ring(party->env, EXO_RING_RECEIVE, RING, NULL, &party->ring), 0);
	world_fill(party->env, &party->ring, RING, 2048, 0);
	party->counters = world_memory(bind.counters);
	assert_int_equal(world_bind(party->env, &space, &flow, &party->ring, &bind), 0);
}

static int set_up(void **state)
{
	join(&alice);
	join(&bob);
	n_latencies = first = waiting = 0;
	random_state = 1;
	return 0;
}

static int tear_down(void **state)
{
	world_leave(ALICE, BOB);
	return 0;
}

static void arrive(const struct party *party)
{
	static uint8_t frame[256];

	world_arrive(0, frame, world_udp(frame, PEER, 1, ADDRESS, party->port, PAYLOAD), 0);
}

/* Takes one frame out of the ring, and gives the buffer back. */
static bool take(struct party *party)
{
	struct exo_desc desc;

	if (!world_get(&party->ring, &desc))
		return false;
	world_put(&party->ring, (struct exo_desc){.address = desc.address, .length = 2048});
	return true;
}

/* Uniform between half and three halves of the mean. */
static uint64_t gap(uint64_t mean)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return mean / 2 + (random_state >> 33) % mean;
}

static void bob_looks(uint64_t now)
{
	while (take(&bob)) {
		assert_true(waiting > 0);
		if (n_latencies < SAMPLES)
			latencies[n_latencies++] = now + WAKE - arrived[first % RING];
		first++;
		waiting--;
	}
}

struct schedule {
	uint64_t bob, alice, drain;
};

/* What comes in until `now`. */
static void arrivals(struct schedule *next, uint64_t now, bool flooded)
{
	for (; flooded && next->alice <= now; next->alice += FLOOD_EVERY)
		arrive(&alice);
	for (; next->bob <= now; next->bob += gap(BOB_EVERY)) {
		assert_true(waiting < RING);
		arrived[(first + waiting++) % RING] = next->bob;
		arrive(&bob);
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* → Bob's p99. */
static uint64_t run(bool flooded)
{
	struct schedule next = {.bob = BOB_EVERY, .alice = FLOOD_EVERY, .drain = DRAIN_EVERY};

	for (uint64_t now = 0; now < SECONDS_NS;) {
		arrivals(&next, now, flooded);
		now += POLL + FRAME * (uint64_t)net_poll(0, 64);
		bob_looks(now);
		for (; next.drain <= now; next.drain += DRAIN_EVERY)
			(void)take(&alice);
	}
	assert_int_equal(waiting, 0);
	qsort(latencies, n_latencies, sizeof(latencies[0]), compare);
	return latencies[n_latencies * 99 / 100];
}

static uint64_t lost(const struct party *party)
{
	return party->counters->dropped_no_buffer + party->counters->dropped_ring_full;
}

static void a_flood_hits_its_target_alone(void **state)
{
	uint64_t quiet = run(false), flooded;
	uint32_t frames = n_latencies;

	assert_int_equal(lost(&bob), 0);
	assert_int_equal(alice.counters->matched_packets, 0);
	tear_down(NULL);
	set_up(NULL);
	flooded = run(true);
	assert_int_equal(n_latencies, frames);
	print_message("p99 of the other: %llu ns, flooded %llu ns\n", (unsigned long long)quiet,
	              (unsigned long long)flooded);
	assert_true(flooded * 10 <= quiet * 12);
	assert_int_equal(lost(&bob), 0);
	assert_int_equal(bob.counters->delivered_packets, bob.counters->matched_packets);
	assert_true(alice.counters->matched_packets >= SECONDS_NS / FLOOD_EVERY - 1);
	assert_true(lost(&alice) * 10 >= alice.counters->matched_packets * 8);
	assert_int_equal(alice.counters->delivered_packets + lost(&alice),
	                 alice.counters->matched_packets);
	assert_int_equal(world_env(ALICE)->account->rx_dropped, lost(&alice));
	assert_int_equal(world_env(BOB)->account->rx_dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_flood_hits_its_target_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
