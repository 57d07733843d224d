/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time from the TSC.
 */
#include <libexo/call.h>
#include <libexo/start.h>
#include <libexo/time.h>

#define SECOND_NS 1000000000ull

static uint32_t slept_events;

uint64_t exo_time_ticks(uint64_t ns)
{
	return exo_time_scale(ns, exo_info()->tsc_hz, SECOND_NS);
}

uint64_t exo_time_now_ns(void)
{
	return exo_time_ns(exo_tsc() - exo_info()->tsc_boot);
}

uint64_t exo_time_wall_ns(void)
{
	return exo_info()->wall_boot_ns + exo_time_now_ns();
}

void exo_time_sleep_ns(uint64_t ns)
{
	uint64_t begin = exo_tsc(), span = exo_time_ticks(ns);

	while (exo_tsc() - begin < span) {
		int64_t events = exo_wait(begin + span);

		if (events > 0)
			slept_events |= (uint32_t)events;
	}
}

uint32_t exo_time_events(void)
{
	uint32_t events = slept_events;

	slept_events = 0;
	return events;
}
