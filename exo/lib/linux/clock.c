/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: the TSC by the information page's rate; sleeping is waiting for a deadline.
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
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

/* ---- The alarm clock (setitimer, ITIMER_REAL) ---- */

static uint64_t alarm_at = UINT64_MAX, alarm_interval;

uint64_t clock_alarm(void)
{
	uint64_t now = exo_time_now_ns();

	if (now < alarm_at)
		return alarm_at;
	signal_raise(NULL, SIGALRM);
	alarm_at = alarm_interval != 0 ? now + alarm_interval : UINT64_MAX;
	return alarm_at;
}

void clock_forked(void)
{
	alarm_at = UINT64_MAX;
	alarm_interval = 0;
}

static uint64_t alarm_left(void)
{
	uint64_t now = exo_time_now_ns();

	return alarm_at == UINT64_MAX ? 0 : alarm_at > now ? alarm_at - now : 1;
}

static void set_alarm(uint64_t ns, uint64_t interval)
{
	alarm_at = ns != 0 ? exo_time_now_ns() + ns : UINT64_MAX;
	alarm_interval = interval;
	task_hear();
}

int64_t linux_alarm(linux_regs *regs)
{
	uint64_t left = alarm_left();

	set_alarm((uint32_t)regs->rdi * SECOND_NS, 0);
	return (int64_t)((left + SECOND_NS - 1) / SECOND_NS);
}

/* A struct itimerval: interval, then what is left; seconds and microseconds. */
static int64_t put_alarm(uint64_t address)
{
	uint64_t left = alarm_left();
	uint64_t value[4] = {alarm_interval / SECOND_NS, alarm_interval % SECOND_NS / 1000,
	                     left / SECOND_NS, left % SECOND_NS / 1000};

	return copy_out(address, value, sizeof(value));
}

int64_t linux_getitimer(linux_regs *regs)
{
	return regs->rdi != ITIMER_REAL ? -EINVAL : put_alarm(regs->rsi);
}

int64_t linux_setitimer(linux_regs *regs)
{
	uint64_t value[4] = {0};

	if (regs->rdi != ITIMER_REAL)
		return -EINVAL;
	if (regs->rsi != 0 && copy_in(value, regs->rsi, sizeof(value)) < 0)
		return -EFAULT;
	if (value[0] > UINT32_MAX || value[2] > UINT32_MAX || value[1] >= 1000000 ||
	    value[3] >= 1000000)
		return -EINVAL;
	if (regs->rdx != 0 && put_alarm(regs->rdx) < 0)
		return -EFAULT;
	set_alarm(value[2] * SECOND_NS + value[3] * 1000, value[0] * SECOND_NS + value[1] * 1000);
	return 0;
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
