/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for locks. A waiting core serves TLB requests, since its interrupts are off and the
 * holder may be waiting for it. */
#include "cpu.h"
#include "space.h"

void machine_pause(void)
{
	space_serve_flush();
	cpu_pause();
}

void machine_lock_wait(struct machine_lock *lock, uint32_t ticket)
{
	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		machine_pause();
}
