/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Priority and rest of the sending thread. The kernel's share for others is that of its "fair
 * server" (50 ms of a second, sched_rt_runtime_us before); time in which they ran anyway counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "punctual.h"

enum {
	PRIORITY = 50,
	AWAKE_NS = 40000, /* before a deadline: the clock's interrupt, a switch, caches */
	REST_NS = 20000,  /* less is not worth it */
	REST_PART = 12,   /* one in so many nanoseconds is rested */
};

static struct {
	bool on;
	int latency; /* the file that keeps the processor awake while it is open */
	uint64_t since_ns, rested_ns;
} punctual = {.latency = -1};

static bool too_few_cores(unsigned threads)
{
	cpu_set_t cores;

	return sysconf(_SC_NPROCESSORS_ONLN) < 2 || sched_getaffinity(0, sizeof(cores), &cores) ||
	       (unsigned)CPU_COUNT(&cores) < threads;
}

static void keep_awake(void)
{
	const int microseconds = 0;

	punctual.latency = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
	if (punctual.latency >= 0 &&
	    write(punctual.latency, &microseconds, sizeof(microseconds)) < 0) {
		(void)close(punctual.latency);
		punctual.latency = -1;
	}
}

const char *punctual_begin(unsigned threads)
{
	const struct sched_param priority = {.sched_priority = PRIORITY};
	static char refused[96];

	if (too_few_cores(threads))
		return "ordinary: there are too few cores for real time";
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority)) {
		snprintf(refused, sizeof(refused), "ordinary: real time is refused (%s)",
		         strerror(errno));
		return refused;
	}
	punctual.on = true;
	punctual.since_ns = punctual.rested_ns = 0;
	keep_awake();
	return "real time";
}

void punctual_end(void)
{
	const struct sched_param ordinary = {0};

	if (!punctual.on)
		return;
	punctual.on = false;
	(void)sched_setscheduler(0, SCHED_OTHER, &ordinary);
	if (punctual.latency >= 0)
		(void)close(punctual.latency);
	punctual.latency = -1;
}

void punctual_rest(uint64_t now_ns, uint64_t until_ns)
{
	if (!punctual.since_ns)
		punctual.since_ns = now_ns;
	if (!punctual.on || until_ns < now_ns + AWAKE_NS + REST_NS ||
	    punctual.rested_ns * REST_PART > now_ns - punctual.since_ns)
		return;
	uint64_t wake_ns = until_ns - AWAKE_NS;
	const struct timespec wake = {.tv_sec = (time_t)(wake_ns / 1000000000u),
	                              .tv_nsec = (long)(wake_ns % 1000000000u)};
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
	punctual.rested_ns += wake_ns - now_ns;
}
