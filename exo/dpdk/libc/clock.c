/* SPDX-License-Identifier: BSD-2-Clause */
/* Time of day, from the TSC and the wall clock that the machine read at boot. */
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#include "../../core/machine.h"

static uint64_t wall_ns(void)
{
	const struct machine_info *info = machine_info();
	uint64_t ticks = machine_tsc() - info->tsc_boot;

	/* Seconds and the rest apart: their product with 1e9 fits in 64 bits for any TSC below 18
	 * GHz. */
	return info->wall_boot_ns + ticks / info->tsc_hz * 1000000000 +
	       ticks % info->tsc_hz * 1000000000 / info->tsc_hz;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
	uint64_t ns = wall_ns();

	to->tv_sec = (time_t)(ns / 1000000000);
	to->tv_usec = (suseconds_t)(ns % 1000000000 / 1000);
	return 0;
}

time_t time(time_t *to)
{
	time_t now = (time_t)(wall_ns() / 1000000000);

	if (to != NULL)
		*to = now;
	return now;
}
