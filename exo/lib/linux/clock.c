/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: the TSC by the information page's rate; sleeping is waiting for a deadline.
 */
#include <errno.h>
#include <time.h>

#include <libexo/call.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "linux.h"

#define SECOND_NS 1000000000ull

/* Nanoseconds of a clock. false: there is no such clock. */
static bool read_clock(uint64_t clock, uint64_t *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		*ns = exo_time_wall_ns();
		return true;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = exo_time_now_ns();
		return true;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = exo_time_ns(exo_account()->ticks_used);
		return true;
	default:
		return false;
	}
}

/* Two words at an address of the program's. */
static int64_t put_pair(uint64_t address, uint64_t a, uint64_t b)
{
	uint64_t *to = (uint64_t *)address;

	if (!vm_prepare(address, 2 * sizeof(*to), true))
		return -EFAULT;
	to[0] = a;
	to[1] = b;
	return 0;
}

bool clock_read_timespec(uint64_t address, uint64_t *ns)
{
	const int64_t *from = (const int64_t *)address;

	if (!vm_prepare(address, 2 * sizeof(*from), false))
		return false;
	if (from[0] < 0 || from[1] < 0 || from[1] >= (int64_t)SECOND_NS)
		return false;
	*ns = (uint64_t)from[0] > UINT64_MAX / SECOND_NS - 1
	              ? UINT64_MAX - 1
	              : (uint64_t)from[0] * SECOND_NS + (uint64_t)from[1];
	return true;
}

void clock_sleep(uint64_t ns)
{
	file_flush();
	if (ns != UINT64_MAX && ns < UINT64_MAX / 4)
		exo_time_sleep_ns(ns);
	else
		for (;;)
			exo_wait(0);
}

int64_t linux_clock_gettime(linux_regs *regs)
{
	uint64_t ns;

	if (!read_clock(regs->rdi, &ns))
		return -EINVAL;
	return put_pair(regs->rsi, ns / SECOND_NS, ns % SECOND_NS);
}

int64_t linux_clock_getres(linux_regs *regs)
{
	uint64_t ns;

	if (!read_clock(regs->rdi, &ns))
		return -EINVAL;
	return regs->rsi == 0 ? 0 : put_pair(regs->rsi, 0, 1);
}

int64_t linux_gettimeofday(linux_regs *regs)
{
	uint64_t ns = exo_time_wall_ns();

	return regs->rdi == 0 ? 0 : put_pair(regs->rdi, ns / SECOND_NS, ns % SECOND_NS / 1000);
}

int64_t linux_time(linux_regs *regs)
{
	uint64_t seconds = exo_time_wall_ns() / SECOND_NS;

	if (regs->rdi != 0) {
		if (!vm_prepare(regs->rdi, sizeof(seconds), true))
			return -EFAULT;
		*(uint64_t *)regs->rdi = seconds;
	}
	return (int64_t)seconds;
}

int64_t linux_nanosleep(linux_regs *regs)
{
	uint64_t ns;

	if (!clock_read_timespec(regs->rdi, &ns))
		return -EINVAL;
	clock_sleep(ns);
	return 0;
}

int64_t linux_clock_nanosleep(linux_regs *regs)
{
	uint64_t ns, now;

	if (!read_clock(regs->rdi, &now) || !clock_read_timespec(regs->rdx, &ns))
		return -EINVAL;
	if ((regs->rsi & TIMER_ABSTIME) != 0)
		ns = ns > now ? ns - now : 0;
	clock_sleep(ns);
	return 0;
}
