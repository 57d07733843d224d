/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticket locks. A waiting core serves TLB requests, since its interrupts are off and the holder may
 * be waiting for it. */
#include "cpu.h"
#include "space.h"

static __attribute__((noinline)) void wait_for(struct machine_lock *lock, uint32_t ticket)
{
	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket) {
		space_serve_flush();
		cpu_pause();
	}
}

void machine_lock(struct machine_lock *lock)
{
	uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	if (__builtin_expect(__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket, 0))
		wait_for(lock, ticket);
}

void machine_unlock(struct machine_lock *lock)
{
	__atomic_store_n(&lock->owner, lock->owner + 1, __ATOMIC_RELEASE);
}
