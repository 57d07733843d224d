/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll (epoll(7)): sets of descriptors in the family's area. Files are asked for their state when
 * somebody waits; what "edge" means a type says by a number that changes with each piece of news.
 * As on Linux, an item is a file and the number of its descriptor: it stays while any process has
 * the file open, and all that have the set see it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include <libexo/lib.h>

#include "family.h"

enum {
	NEVER_ASKED = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE,
	NESTS_MAX = 5, /* sets inside a set, one in another */
};

_Static_assert(EPOLLS_MAX <= 32, "sets are bits of a word");

static bool is_in(const struct epoll_item *item, uint16_t set)
{
	return item->set == set + 1u;
}

static struct epoll_item *find_item(uint16_t set, uint32_t fd, const struct file *file)
{
	for (unsigned i = 0; i < EPOLL_ITEMS_MAX; i++)
		if (is_in(&family->items[i], set) && family->items[i].fd == fd &&
		    &family->files[family->items[i].file] == file)
			return &family->items[i];
	return NULL;
}

void epoll_forget(uint16_t file)
{
	for (unsigned i = 0; i < EPOLL_ITEMS_MAX; i++)
		if (family->items[i].file == file)
			family->items[i].set = 0;
}

/* The sets that lie in some of these. */
static uint32_t sets_inside(uint32_t sets)
{
	uint32_t inside = 0;

	for (unsigned i = 0; i < EPOLL_ITEMS_MAX; i++) {
		const struct epoll_item *item = &family->items[i];
		const struct file *file = &family->files[item->file];

		if (item->set != 0 && (sets >> (item->set - 1) & 1) != 0 &&
		    file->type == FILE_EPOLL)
			inside |= 1u << file->object % EPOLLS_MAX;
	}
	return inside;
}

/* Asking a set asks those inside, too: they must not be too many, nor itself among them. */
static bool nests(const struct file *outer, const struct file *inner)
{
	uint32_t sets = 1u << inner->object % EPOLLS_MAX, own = 1u << outer->object % EPOLLS_MAX;

	for (unsigned i = 0; i < NESTS_MAX && sets != 0 && (sets & own) == 0; i++)
		sets = sets_inside(sets);
	return sets == 0;
}

static void epoll_close(struct file *file)
{
	for (unsigned i = 0; i < EPOLL_ITEMS_MAX; i++)
		if (family->items[i].set == file->object + 1u)
			family->items[i].set = 0;
	family->epolls[file->object % EPOLLS_MAX] = false;
}

/* What there is to report of an item now; 0: nothing. */
static uint32_t look_at(const struct epoll_item *item)
{
	struct file *file = &family->files[item->file];
	uint32_t now;

	if (file->references == 0 || item->wanted == EPOLLONESHOT)
		return 0;
	now = fd_poll(file, item->wanted & ~(uint32_t)NEVER_ASKED);
	if ((item->wanted & EPOLLET) == 0)
		return now;
	return fd_edges(file) != item->edges ? now : now & ~item->ready;
}

static unsigned epoll_poll(struct file *file)
{
	for (unsigned i = 0; i < EPOLL_ITEMS_MAX; i++)
		if (is_in(&family->items[i], file->object) && look_at(&family->items[i]) != 0)
			return POLLIN;
	return 0;
}

const struct file_type_operations epoll_operations = {
        .poll = epoll_poll, .close = epoll_close, .mode = 0600};

static int64_t create(uint64_t flags)
{
	int64_t fd;

	if ((flags & ~(uint64_t)EPOLL_CLOEXEC) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < EPOLLS_MAX; i++) {
		if (family->epolls[i])
			continue;
		fd = fd_open(FILE_EPOLL, (uint16_t)i, (uint32_t)flags | O_RDWR, 0);
		family->epolls[i] = fd >= 0;
		return fd;
	}
	return -ENFILE;
}

int64_t linux_epoll_create(linux_regs *regs)
{
	return (int32_t)regs->rdi > 0 ? create(0) : -EINVAL;
}

int64_t linux_epoll_create1(linux_regs *regs)
{
	return create(regs->rdi);
}

static int64_t add_item(const struct file *set, uint32_t fd, const struct epoll_event *event)
{
	const struct file *file = fd_file(fd);

	if (file->type == FILE_EPOLL && !nests(set, file))
		return -ELOOP;
	for (unsigned i = 0; i < EPOLL_ITEMS_MAX; i++) {
		if (family->items[i].set != 0)
			continue;
		family->items[i] = (struct epoll_item){
		        .set = (uint16_t)(set->object + 1u),
		        .file = (uint16_t)(file - family->files),
		        .fd = fd,
		        .wanted = event->events,
		        .data = event->data.u64,
		};
		return 0;
	}
	return -ENOSPC;
}

int64_t linux_epoll_ctl(linux_regs *regs)
{
	struct file *file = fd_file((uint32_t)regs->rdi), *other = fd_file((uint32_t)regs->rdx);
	uint32_t fd = (uint32_t)regs->rdx;
	struct epoll_event event = {0};
	struct epoll_item *item;

	if (file == NULL || other == NULL)
		return -EBADF;
	if (file->type != FILE_EPOLL || other == file)
		return -EINVAL;
	if (other->type == FILE_NODE)
		return -EPERM; /* always ready: epoll refuses those */
	if (regs->rsi != EPOLL_CTL_DEL && copy_in(&event, regs->r10, sizeof(event)) < 0)
		return -EFAULT;
	item = find_item(file->object, fd, other);
	if (regs->rsi == EPOLL_CTL_ADD)
		return item != NULL ? -EEXIST : add_item(file, fd, &event);
	if (item == NULL)
		return -ENOENT;
	if (regs->rsi == EPOLL_CTL_DEL) {
		item->set = 0;
		return 0;
	}
	if (regs->rsi != EPOLL_CTL_MOD)
		return -EINVAL;
	item->wanted = event.events;
	item->data = event.data.u64;
	item->ready = 0;
	item->edges = 0;
	return 0;
}

static void note_report(struct epoll_item *item, uint32_t now)
{
	struct file *file = &family->files[item->file];

	if ((item->wanted & EPOLLONESHOT) != 0)
		item->wanted = EPOLLONESHOT;
	item->edges = fd_edges(file);
	item->ready = now;
}

/* An edge that passed by unseen leaves its bits free to be news again. */
static void note_quiet(struct epoll_item *item)
{
	if ((item->wanted & EPOLLET) != 0)
		item->ready &=
		        fd_poll(&family->files[item->file], item->wanted & ~(uint32_t)NEVER_ASKED);
}

static int64_t collect(const struct file *file, struct epoll_event *to, uint64_t most)
{
	uint64_t found = 0;
	unsigned first = family->item_next;

	for (unsigned n = 0; n < EPOLL_ITEMS_MAX && found < most; n++) {
		unsigned i = (first + n) % EPOLL_ITEMS_MAX;
		struct epoll_item *item = &family->items[i];
		uint32_t now;

		if (!is_in(item, file->object))
			continue;
		now = look_at(item);
		if (now == 0) {
			note_quiet(item);
			continue;
		}
		to[found].events = now;
		to[found++].data.u64 = item->data;
		note_report(item, now);
		family->item_next = (uint16_t)((i + 1) % EPOLL_ITEMS_MAX);
	}
	return (int64_t)found;
}

static int64_t wait_for(linux_regs *regs, uint64_t ns)
{
	struct file *file = fd_of_call((uint32_t)regs->rdi);
	int64_t most = (int32_t)regs->rdx, found;
	bool over = task_deadline(ns);

	if (file == NULL)
		return -EBADF;
	if (file->type != FILE_EPOLL || most <= 0)
		return -EINVAL;
	most = most < EPOLL_ITEMS_MAX ? most : EPOLL_ITEMS_MAX;
	if (!vm_prepare(regs->rsi, (uint64_t)most * sizeof(struct epoll_event), true))
		return -EFAULT;
	found = collect(file, (struct epoll_event *)regs->rsi, (uint64_t)most);
	return found == 0 && !over ? LINUX_WAIT : found;
}

int64_t linux_epoll_wait(linux_regs *regs)
{
	int32_t ms = (int32_t)regs->r10;

	return wait_for(regs, ms < 0 ? UINT64_MAX : (uint64_t)ms * 1000000);
}

int64_t linux_epoll_pwait(linux_regs *regs)
{
	int64_t error = signal_mask(regs->r8, regs->r9);

	return error < 0 ? error : signal_masked(linux_epoll_wait(regs));
}

int64_t linux_epoll_pwait2(linux_regs *regs)
{
	uint64_t ns = UINT64_MAX;
	int64_t error = regs->r10 != 0 ? clock_read_timespec(regs->r10, &ns) : 0;

	if (error == 0)
		error = signal_mask(regs->r8, regs->r9);
	return error < 0 ? error : signal_masked(wait_for(regs, ns));
}
