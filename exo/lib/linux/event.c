/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters and timers as files: eventfd(2), timerfd_create(2). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include <libexo/lib.h>
#include <libexo/time.h>

#include "family.h"

/* ---- Counters ---- */

static struct event_counter *counter_of(const struct file *file)
{
	return &family->events[file->object % EVENTS_MAX];
}

static int64_t event_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct event_counter *counter = counter_of(file);
	uint64_t value = counter->semaphore ? 1 : counter->value;

	if (size < sizeof(value))
		return -EINVAL;
	if (counter->value == 0)
		return LINUX_WAIT;
	counter->value -= value;
	counter->edges++;
	family_changed();
	memcpy((void *)address, &value, sizeof(value));
	return sizeof(value);
}

static int64_t event_write(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct event_counter *counter = counter_of(file);
	uint64_t value;

	if (size < sizeof(value))
		return -EINVAL;
	memcpy(&value, (const void *)address, sizeof(value));
	if (value == UINT64_MAX)
		return -EINVAL;
	if (value > UINT64_MAX - 1 - counter->value)
		return LINUX_WAIT;
	counter->value += value;
	counter->edges++;
	family_changed();
	return sizeof(value);
}

static unsigned event_poll(struct file *file)
{
	uint64_t value = counter_of(file)->value;

	return (value > 0 ? POLLIN : 0) | (value < UINT64_MAX - 1 ? POLLOUT : 0);
}

static uint32_t event_edges(struct file *file)
{
	return counter_of(file)->edges;
}

static void event_close(struct file *file)
{
	counter_of(file)->used = false;
}

const struct file_type_operations event_operations = {.read = event_read,
                                                      .write = event_write,
                                                      .poll = event_poll,
                                                      .edges = event_edges,
                                                      .close = event_close,
                                                      .mode = 0600};

static int64_t make_counter(uint64_t value, uint64_t flags)
{
	if ((flags & ~(uint64_t)(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK)) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < EVENTS_MAX; i++) {
		int64_t fd;

		if (family->events[i].used)
			continue;
		fd = fd_open(FILE_EVENT, (uint16_t)i,
		             ((uint32_t)flags & ~(uint32_t)EFD_SEMAPHORE) | O_RDWR, 0);
		if (fd >= 0)
			family->events[i] =
			        (struct event_counter){.used = true,
			                               .semaphore = (flags & EFD_SEMAPHORE) != 0,
			                               .value = value};
		return fd;
	}
	return -ENFILE;
}

int64_t linux_eventfd(linux_regs *regs)
{
	return make_counter((uint32_t)regs->rdi, 0);
}

int64_t linux_eventfd2(linux_regs *regs)
{
	return make_counter((uint32_t)regs->rdi, regs->rsi);
}

/* ---- Timers ---- */

static struct event_timer *timer_of(const struct file *file)
{
	return &family->timers[file->object % TIMERS_MAX];
}

static uint64_t now_of(const struct event_timer *timer)
{
	return timer->wall ? exo_time_wall_ns() : exo_time_now_ns();
}

/* How often it has expired and was not asked; the caller is looked at again when it will. */
static uint64_t expired(const struct event_timer *timer)
{
	uint64_t now = now_of(timer);

	if (timer->next == 0)
		return 0;
	if (now < timer->next) {
		task_look_again(timer->next - now);
		return 0;
	}
	return timer->interval == 0 ? 1 : (now - timer->next) / timer->interval + 1;
}

static int64_t timer_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct event_timer *timer = timer_of(file);
	uint64_t n = expired(timer);

	if (size < sizeof(n))
		return -EINVAL;
	if (n == 0)
		return LINUX_WAIT;
	timer->next = timer->interval == 0 ? 0 : timer->next + n * timer->interval;
	timer->told += (uint32_t)n;
	memcpy((void *)address, &n, sizeof(n));
	return sizeof(n);
}

static unsigned timer_poll(struct file *file)
{
	return expired(timer_of(file)) > 0 ? POLLIN : 0;
}

static uint32_t timer_edges(struct file *file)
{
	return timer_of(file)->told + (expired(timer_of(file)) > 0);
}

static void timer_close(struct file *file)
{
	timer_of(file)->used = false;
}

const struct file_type_operations timer_operations = {.read = timer_read,
                                                      .poll = timer_poll,
                                                      .edges = timer_edges,
                                                      .close = timer_close,
                                                      .mode = 0600};

int64_t linux_timerfd_create(linux_regs *regs)
{
	bool wall = regs->rdi == CLOCK_REALTIME;

	if ((!wall && regs->rdi != CLOCK_MONOTONIC && regs->rdi != CLOCK_BOOTTIME) ||
	    (regs->rsi & ~(uint64_t)(TFD_CLOEXEC | TFD_NONBLOCK)) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		int64_t fd;

		if (family->timers[i].used)
			continue;
		fd = fd_open(FILE_TIMER, (uint16_t)i, (uint32_t)regs->rsi | O_RDWR, 0);
		if (fd >= 0)
			family->timers[i] = (struct event_timer){.used = true, .wall = wall};
		return fd;
	}
	return -ENFILE;
}

static void split(uint64_t ns, int64_t pair[2])
{
	pair[0] = (int64_t)(ns / SECOND_NS);
	pair[1] = (int64_t)(ns % SECOND_NS);
}

/* A struct itimerspec: interval, then what is left. */
static int64_t put_setting(uint64_t address, const struct event_timer *timer)
{
	int64_t setting[4];
	uint64_t now = now_of(timer), left = 0;

	if (timer->next != 0)
		left = timer->next > now ? timer->next - now : 1;
	split(timer->interval, setting);
	split(left, setting + 2);
	return copy_out(address, setting, sizeof(setting));
}

static struct file *timer_file(uint64_t fd)
{
	struct file *file = fd_file((uint32_t)fd);

	return file != NULL && file->type == FILE_TIMER ? file : NULL;
}

int64_t linux_timerfd_gettime(linux_regs *regs)
{
	struct file *file = timer_file(regs->rdi);

	return file == NULL ? -EINVAL : put_setting(regs->rsi, timer_of(file));
}

int64_t linux_timerfd_settime(linux_regs *regs)
{
	struct file *file = timer_file(regs->rdi);
	uint64_t interval, value;
	struct event_timer *timer;

	if (file == NULL || (regs->rsi & ~(uint64_t)TFD_TIMER_ABSTIME) != 0)
		return -EINVAL;
	if (clock_read_timespec(regs->rdx, &interval) < 0 ||
	    clock_read_timespec(regs->rdx + 16, &value) < 0)
		return -EINVAL;
	timer = timer_of(file);
	if (regs->r10 != 0 && put_setting(regs->r10, timer) < 0)
		return -EFAULT;
	timer->told += expired(timer) > 0;
	timer->interval = interval;
	timer->next = value == 0                             ? 0
	              : (regs->rsi & TFD_TIMER_ABSTIME) != 0 ? value
	                                                     : now_of(timer) + value;
	return 0;
}
