/* SPDX-License-Identifier: BSD-2-Clause */
/* Several cores: all start, nudges arrive, and no core uses a mapping after its flush. */
#include <exo/cap.h>
#include <exo/layout.h>

#include "../start.h"
#include "../space.h"
#include "selftest.h"

enum {
	ROUNDS = 240, /* of all cores together */
	COUNTS = 100, /* few: a ticket lock is slow where cores outnumber the host's */
};
#define PAGE_ADDRESS 0x500000ull

static struct machine_space *shared;
static volatile uint32_t arrived, go, readers_done, stale;
static volatile uint64_t epoch;
static struct machine_lock lock;
static uint64_t counter; /* guarded by the lock */

/* Reads the shared page through this core's TLB, over and over. What it finds is either gone or at
 * least as new as the epoch that was current before it looked. */
static void read_page(void)
{
	space_load(cpu_this(), shared);
	while (go == 1) {
		uint64_t before = epoch, value;

		if (machine_copy_in(&value, PAGE_ADDRESS, sizeof(value)) == 0 && value < before)
			stale++;
	}
}

static void count(void)
{
	for (unsigned i = 0; i < COUNTS; i++) {
		machine_lock(&lock);
		counter++;
		machine_unlock(&lock);
	}
}

void core_secondary(void)
{
	count();
	__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
	while (go == 0)
		machine_idle(UINT64_MAX);
	read_page();
	__atomic_fetch_add(&readers_done, 1, __ATOMIC_SEQ_CST);
	for (;;)
		machine_idle(UINT64_MAX);
}

static void wait_for(volatile uint32_t *counter_of, uint32_t value)
{
	while (*counter_of != value) {
		space_serve_flush();
		cpu_pause();
	}
}

/* Swaps the page's frame; after the flush nobody may see the old one, which is then marked old. */
static void swap(uint64_t frames[2], unsigned round)
{
	uint64_t *next = machine_frame(frames[round % 2]);
	uint64_t frame;

	*next = round;
	if (round % 3 == 0)
		machine_space_unmap(shared, PAGE_ADDRESS, &frame);
	machine_space_map(shared, PAGE_ADDRESS, frames[round % 2], EXO_RIGHT_READ, NULL);
	machine_space_flush(shared, PAGE_ADDRESS, 1);
	epoch = round;
}

static void cores(void)
{
	unsigned others = machine_cores() - 1;
	uint64_t frames[2] = {take_frame(), take_frame()};

	check(others > 0, "started with several cores");
	MACHINE_ASSERT(machine_space_create(&shared) == 0);
	machine_release_cores();
	count();
	wait_for(&arrived, others);
	machine_lock(&lock);
	check_equal(counter, (uint64_t)COUNTS * machine_cores(), "counted under a lock");
	machine_unlock(&lock);
	x86_delay_us(1000); /* lets them halt */
	go = 1;
	for (unsigned i = 1; i <= others; i++)
		machine_nudge(i);
	for (unsigned round = 1; round <= ROUNDS / machine_cores(); round++)
		swap(frames, round);
	go = 2;
	wait_for(&readers_done, others);
	check_equal(stale, 0, "no reader saw an old frame");
	machine_space_destroy(shared);
	x86_print("selftest: %u cores\n", machine_cores());
}

/* The other cores stop too when one panics. */
static void panic_of_many(void)
{
	machine_release_cores();
	count();
	wait_for(&arrived, machine_cores() - 1);
	machine_panic("one of many");
}

const struct selftest many[] = {
        {"cores", cores},
        {"panic-of-many", panic_of_many},
        {NULL, NULL},
};
