/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Environments that race themselves from two cores, on one page, one frame and each other's PE, and
 * that are ended in the middle of whatever they are doing: nothing may be left behind.
 */
#include "trial.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#define WINDOW 0x10000000ull

enum {
	ROUNDS = 40, /* few: a ticket lock is slow where cores outnumber the host's */
	CHILDREN = 5,
	STACK_BYTES = 16384,
};

static struct exo_pages page;
static struct exo_frame_alloc shared; /* both free what either took */
static uint8_t stack[STACK_BYTES] __attribute__((aligned(16)));
static volatile uint64_t rounds[2];

/* One round of each thing that two cores may do at once. The kernel copies to a page that comes and
 * goes; keys are copied while they change; what is refused does not matter. */
static void race(unsigned self)
{
	struct exo_env_status *status = (struct exo_env_status *)(WINDOW + 64);
	struct exo_mapping mapping = {.address = WINDOW,
	                              .frame = page.frame,
	                              .count = 1,
	                              .rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE};
	struct exo_range range = {WINDOW, 1};
	struct exo_pe_setup setup = {.core = !self};

	exo_map(NULL, &mapping, 1);
	exo_env_status(status);
	exo_call3(EXO_CALL_MAP, 0, WINDOW, 4);
	exo_unmap(NULL, &range, 1);
	shared.authority = *exo_start_cap(EXO_USE_FRAMES);
	shared.count = 1;
	shared.first = EXO_FRAME_ANY;
	exo_frame_alloc(&shared);
	mapping.frame = shared.first;
	exo_map(NULL, &mapping, 1);
	exo_frame_free(&shared.out);
	exo_pe_set(NULL, &setup);
	exo_wait(1);
	rounds[self]++;
}

static __attribute__((noreturn)) void second(void)
{
	for (;;)
		race(1);
}

int role_racer(void)
{
	struct exo_pe_setup setup = {.core = 1,
	                             .start_ip = (uintptr_t)second,
	                             .start_sp = (uintptr_t)stack + STACK_BYTES - 8};

	if (exo_pages_alloc(&page, 1) < 0 || exo_pe_set(NULL, &setup) < 0)
		return 1;
	while (rounds[0] < ROUNDS || rounds[1] < 10)
		race(0);
	return 44;
}

static bool racer(struct exo_child *child)
{
	return trial_child(child, "racer", 0, 1, 256) && trial_slots(child, 1, 1);
}

void trial_races(void)
{
	struct exo_child child;
	int status;

	if (exo_info()->n_cores < 2)
		return;
	TRIAL(racer(&child));
	status = trial_end(&child);
	if (status != 44)
		exo_printf("it ended with %d\n", status);
	TRIAL(status == 44);
	/* And ended from here, ever later. */
	for (uint64_t i = 0; i < CHILDREN; i++) {
		TRIAL(racer(&child));
		exo_wait(exo_tsc() + exo_time_ticks(1000000 + i * 700000));
		TRIAL(exo_env_end(&child.cap) == 0);
		trial_end(&child);
	}
}
