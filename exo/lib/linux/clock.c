/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: the TSC by the information page's rate; sleeping is waiting for a deadline.
 */
#include <errno.h>
#include <time.h>

#include <libexo/call.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "family.h"

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
	uint64_t pair[2] = {a, b};

	return copy_out(address, pair, sizeof(pair));
}

int clock_read_timespec(uint64_t address, uint64_t *ns)
{
	int64_t from[2];

	if (copy_in(from, address, sizeof(from)) < 0)
		return -EFAULT;
	if (from[0] < 0 || from[1] < 0 || from[1] >= (int64_t)SECOND_NS)
		return -EINVAL;
	*ns = (uint64_t)from[0] > UINT64_MAX / SECOND_NS - 1
	              ? UINT64_MAX - 1
	              : (uint64_t)from[0] * SECOND_NS + (uint64_t)from[1];
	return 0;
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

	if (regs->rdi != 0 && copy_out(regs->rdi, &seconds, sizeof(seconds)) < 0)
		return -EFAULT;
	return (int64_t)seconds;
}

/* Not woken before its time but by a signal, which leaves nothing in the second timespec that could
 * not be asked for again. */
static int64_t sleep_for(uint64_t ns)
{
	return task_deadline(ns) ? 0 : LINUX_WAIT;
}

int64_t linux_nanosleep(linux_regs *regs)
{
	uint64_t ns;
	int error = clock_read_timespec(regs->rdi, &ns);

	return error < 0 ? error : sleep_for(ns);
}

int64_t linux_clock_nanosleep(linux_regs *regs)
{
	uint64_t ns, now;
	int error = clock_read_timespec(regs->rdx, &ns);

	if (!read_clock(regs->rdi, &now))
		return -EINVAL;
	if (error < 0)
		return error;
	if ((regs->rsi & TIMER_ABSTIME) != 0)
		ns = ns > now ? ns - now : 0;
	return sleep_for(ns);
}

/* Ticks of 1/100 s, as AT_CLKTCK says. */
int64_t linux_times(linux_regs *regs)
{
	uint64_t used = exo_time_ns(exo_account()->ticks_used) / 10000000;
	uint64_t times[4] = {used};

	if (regs->rdi != 0 && copy_out(regs->rdi, times, sizeof(times)) < 0)
		return -EFAULT;
	return (int64_t)(exo_time_now_ns() / 10000000);
}
