/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: the TSC, and nanoseconds reckoned from it with the rate that the kernel measured. No call.
 */
#ifndef LIBEXO_TIME_H
#define LIBEXO_TIME_H

#include <stdint.h>

#include "start.h"

static inline uint64_t exo_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* a * to / from, computed in 128 bits; UINT64_MAX where the result does not fit. */
static inline uint64_t exo_time_scale(uint64_t a, uint64_t to, uint64_t from)
{
	uint64_t low, high, rest;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "r"(to) : "cc");
	if (high >= from)
		return UINT64_MAX;
	__asm__("divq %4" : "=a"(low), "=d"(rest) : "a"(low), "d"(high), "r"(from) : "cc");
	return low;
}

/* Nanoseconds of a span of TSC ticks, and back. */
static inline uint64_t exo_time_ns(uint64_t ticks)
{
	return exo_time_scale(ticks, 1000000000, exo_info()->tsc_hz);
}
uint64_t exo_time_ticks(uint64_t ns);

/* Nanoseconds since the kernel was entered. */
uint64_t exo_time_now_ns(void);

/* Nanoseconds since 1970; counts from 0 at boot where the machine has no clock. */
uint64_t exo_time_wall_ns(void);

/* Sleeps at least `ns` nanoseconds; events that arrive meanwhile are kept (see exo_time_events). */
void exo_time_sleep_ns(uint64_t ns);

/* Events that exo_time_sleep_ns took while it slept, cleared. A caller of exo_wait that also
 * sleeps adds these to what exo_wait returns. */
uint32_t exo_time_events(void);

#endif
