/* SPDX-License-Identifier: BSD-2-Clause */
/* Environments that spin, for tests of time: what they ran, and what they do instead now and then.
 */
#ifndef CORE_TESTS_SPINNERS_H
#define CORE_TESTS_SPINNERS_H

#include "kit.h"

#include "../core.h"
#include "../slots.h"

#define STEP 50000ull /* ticks of one visit to ring 3; a slot is a million */
#define SLOT ((uint64_t)HOST_TSC_HZ / (uint64_t)SLOTS_PER_SECOND)

extern uint64_t ran[8];     /* ticks in ring 3, by environment */
extern int64_t last_result; /* of who is in ring 3 */
extern void (*extra)(struct machine_pe *pe, struct machine_trap *trap, uint32_t id);

/* A machine with init, which sleeps for ever; of a test, before and behind it. */
int spinners_start(void **state);
int spinners_end(void **state);

void turns(int n);
/* As `extra`: exits after ten slots. */
void stop_after(struct machine_pe *pe, struct machine_trap *trap, uint32_t id);

#endif
