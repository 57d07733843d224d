/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for several descriptors at a time: poll and select, and what is new of them. */
#include <errno.h>
#include <poll.h>
#include <sys/select.h>

#include "family.h"

enum { POLL_MOST = FDS_MAX };

static unsigned ready(uint64_t fd, unsigned wanted)
{
	struct file *file = fd_file(fd);

	return file != NULL ? fd_poll(file, wanted) : POLLNVAL;
}

static int64_t poll_all(uint64_t address, uint64_t n, uint64_t timeout_ns)
{
	struct pollfd *at = (struct pollfd *)address;
	bool over = task_deadline(timeout_ns);
	int64_t found = 0;

	if (n > POLL_MOST)
		return -EINVAL;
	if (!vm_prepare(address, n * sizeof(*at), true))
		return -EFAULT;
	for (uint64_t i = 0; i < n; i++) {
		at[i].revents = 0;
		if (at[i].fd >= 0)
			at[i].revents = (short)ready((uint32_t)at[i].fd, (uint16_t)at[i].events);
		found += at[i].revents != 0;
	}
	return found == 0 && !over ? LINUX_WAIT : found;
}

int64_t linux_poll(linux_regs *regs)
{
	int32_t ms = (int32_t)regs->rdx;

	return poll_all(regs->rdi, regs->rsi, ms < 0 ? UINT64_MAX : (uint64_t)ms * 1000000);
}

int64_t linux_ppoll(linux_regs *regs)
{
	uint64_t ns = UINT64_MAX;
	int64_t error = regs->rdx != 0 ? clock_read_timespec(regs->rdx, &ns) : 0;

	if (error == 0)
		error = signal_mask(regs->r10, regs->r8);
	return error < 0 ? error : signal_masked(poll_all(regs->rdi, regs->rsi, ns));
}

/* One of select's sets; a NULL one is empty. What else poll would say of a file is nothing here. */
static int64_t look_at_set(uint64_t address, uint64_t n, unsigned events, bool keep)
{
	fd_set *set = (fd_set *)address;
	int64_t found = 0;

	if (address == 0)
		return 0;
	for (uint64_t fd = 0; fd < n; fd++) {
		if (!FD_ISSET((int)fd, set))
			continue;
		if (fd_file(fd) == NULL)
			return -EBADF;
		if ((ready(fd, events) & events) != 0)
			found++;
		else if (!keep)
			FD_CLR((int)fd, set);
	}
	return found;
}

static int64_t select_all(linux_regs *regs, uint64_t timeout_ns)
{
	static const unsigned events[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
	const uint64_t sets[3] = {regs->rsi, regs->rdx, regs->r10};
	uint64_t n = (uint32_t)regs->rdi < FDS_MAX ? (uint32_t)regs->rdi : FDS_MAX;
	bool over = task_deadline(timeout_ns);
	int64_t found = 0;

	if ((int32_t)regs->rdi < 0)
		return -EINVAL;
	for (unsigned i = 0; i < 3; i++) {
		int64_t here;

		if (sets[i] != 0 &&
		    !vm_prepare(sets[i], (n + NFDBITS - 1) / NFDBITS * sizeof(fd_mask), true))
			return -EFAULT;
		here = look_at_set(sets[i], n, events[i], true);
		if (here < 0)
			return here;
		found += here;
	}
	if (found == 0 && !over)
		return LINUX_WAIT;
	for (unsigned i = 0; i < 3; i++)
		look_at_set(sets[i], n, events[i], false);
	return found;
}

int64_t linux_select(linux_regs *regs)
{
	int64_t time[2];
	uint64_t seconds, ns = UINT64_MAX;

	if (regs->r8 != 0) {
		if (copy_in(time, regs->r8, sizeof(time)) < 0)
			return -EFAULT;
		if (time[0] < 0 || time[1] < 0)
			return -EINVAL;
		/* As Linux takes it, more than a second of microseconds is not wrong. */
		seconds = (uint64_t)time[0] + (uint64_t)time[1] / 1000000;
		if (seconds < UINT64_MAX / SECOND_NS)
			ns = seconds * SECOND_NS + (uint64_t)time[1] % 1000000 * 1000;
	}
	return select_all(regs, ns);
}

int64_t linux_pselect6(linux_regs *regs)
{
	uint64_t ns = UINT64_MAX, mask[2] = {0, 0}; /* where it is, and how long */
	int64_t error = regs->r8 != 0 ? clock_read_timespec(regs->r8, &ns) : 0;

	if (error == 0 && regs->r9 != 0)
		error = copy_in(mask, regs->r9, sizeof(mask));
	if (error == 0)
		error = signal_mask(mask[0], mask[1]);
	return error < 0 ? error : signal_masked(select_all(regs, ns));
}
