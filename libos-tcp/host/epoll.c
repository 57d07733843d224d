/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll (epoll(7)) over the net's sockets: by level, by edge, once. What an edge is the sockets say
 * by a number that grows with each piece of news.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

enum { FLAGS = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE };

struct watch {
	struct watch *next;
	int fd;
	struct epoll_event event;
	uint32_t ready, edges; /* as they were reported */
};

struct epoll {
	struct watch *first;
};

void epoll_free(struct epoll *epoll)
{
	while (epoll->first) {
		struct watch *next = epoll->first->next;
		free(epoll->first);
		epoll->first = next;
	}
	free(epoll);
}

static void forget(struct epoll *epoll, int fd)
{
	struct watch **at = &epoll->first;

	while (*at) {
		struct watch *watch = *at;
		if (watch->fd != fd) {
			at = &watch->next;
			continue;
		}
		*at = watch->next;
		free(watch);
	}
}

void epoll_forget(struct sluice_net *net, int fd)
{
	for (int i = 0; i < SOCKETS_MAX; i++)
		if (net->fds[i].epoll)
			forget(net->fds[i].epoll, fd);
}

int sluice_epoll_create(struct sluice_net *net)
{
	struct epoll *epoll = calloc(1, sizeof(*epoll));
	int fd;

	if (!epoll)
		return net_fail(ENOMEM);
	net_enter(net);
	fd = entry_put(net, (struct entry){.epoll = epoll});
	net_leave(net);
	if (fd < 0)
		free(epoll);
	return fd;
}

static struct epoll *epoll_of(struct sluice_net *net, int fd)
{
	const struct entry *entry = entry_of(net, fd);

	if (entry && !entry->epoll)
		errno = EINVAL;
	return entry ? entry->epoll : NULL;
}

/* Where the watch on a descriptor hangs, or the end of the list. */
static struct watch **find(struct epoll *epoll, int fd)
{
	struct watch **at = &epoll->first;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	return at;
}

static int add(struct watch **at, int fd, const struct epoll_event *event)
{
	if (*at)
		return -EEXIST;
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return -ENOMEM;
	**at = (struct watch){.fd = fd, .event = *event};
	return 0;
}

static int control(struct sluice_net *net, struct epoll *epoll, int operation, int fd,
                   const struct epoll_event *event)
{
	const struct entry *entry = entry_of(net, fd);
	struct watch **at, *gone;

	if (!entry)
		return -EBADF;
	if (!entry->sock)
		return -EINVAL;
	at = find(epoll, fd);
	if (operation == EPOLL_CTL_ADD)
		return add(at, fd, event);
	if (!*at)
		return -ENOENT;
	if (operation == EPOLL_CTL_MOD) {
		(*at)->event = *event;
		(*at)->ready = (*at)->edges = 0;
		return 0;
	}
	if (operation != EPOLL_CTL_DEL)
		return -EINVAL;
	gone = *at;
	*at = gone->next;
	free(gone);
	return 0;
}

int sluice_epoll_ctl(struct sluice_net *net, int fd, int operation, int of,
                     struct epoll_event *event)
{
	net_enter(net);
	struct epoll *epoll = epoll_of(net, fd);
	int status = epoll ? (int)net_result(control(net, epoll, operation, of, event)) : -1;
	net_leave(net);
	return status;
}

/* What there is to report of a watch; 0: nothing. */
static uint32_t look(struct sluice_net *net, struct watch *watch)
{
	struct sock *sock = net->fds[watch->fd - FD_FIRST].sock;
	uint32_t now;

	if (watch->event.events == EPOLLONESHOT)
		return 0;
	now = sock_poll(sock) & ((watch->event.events & ~(uint32_t)FLAGS) | EPOLLERR | EPOLLHUP);
	if (!(watch->event.events & EPOLLET))
		return now;
	if (sock->edges != watch->edges)
		return now;
	watch->ready &= now;
	return now & ~watch->ready;
}

static int collect(struct sluice_net *net, struct epoll *epoll, struct epoll_event *to, int n)
{
	int found = 0;

	for (struct watch *watch = epoll->first; watch && found < n; watch = watch->next) {
		uint32_t now = look(net, watch);
		if (!now)
			continue;
		to[found].events = now;
		to[found++].data = watch->event.data;
		watch->ready = now;
		watch->edges = net->fds[watch->fd - FD_FIRST].sock->edges;
		if (watch->event.events & EPOLLONESHOT)
			watch->event.events = EPOLLONESHOT;
	}
	return found;
}

int sluice_epoll_wait(struct sluice_net *net, int fd, struct epoll_event *events, int n,
                      int timeout_ms)
{
	struct epoll *epoll;
	int found = -1;

	if (n <= 0)
		return net_fail(EINVAL);
	net_enter(net);
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : net->now_ns + (uint64_t)timeout_ms * 1000000u;
	while ((epoll = epoll_of(net, fd)) && !(found = collect(net, epoll, events, n)) &&
	       net->now_ns < end) {
		found = -1;
		if (!net_wait_until(net, end))
			break;
	}
	net_leave(net);
	return found;
}
