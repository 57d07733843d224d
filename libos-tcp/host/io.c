/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing, in all their spellings, and poll.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "internal.h"

static bool waits(const struct sock *sock, int flags)
{
	return !(sock->flags & O_NONBLOCK) && !(flags & MSG_DONTWAIT);
}

/* ---- Reading ---- */

static uint32_t peek(const struct tcp_conn *conn, uint8_t *to, uint32_t size)
{
	enum { SPANS = 64 };
	struct tcp_span spans[SPANS];
	unsigned n = tcp_peek(conn, spans, SPANS);
	uint32_t got = 0;

	for (unsigned i = 0; i < n && got < size; i++) {
		uint32_t part = spans[i].size < size - got ? spans[i].size : size - got;
		memcpy(to + got, spans[i].data, part);
		got += part;
	}
	return got;
}

/* Bytes that are there now; 0: the end; -1 with errno, EAGAIN where more may come. */
static ssize_t read_now(struct sock *sock, void *to, uint32_t size, int flags)
{
	int error;

	if (!sock->conn || sock->connecting)
		return net_fail(ENOTCONN);
	if (tcp_unread(sock->conn) && !sock->no_read)
		return flags & MSG_PEEK ? peek(sock->conn, to, size)
		                        : tcp_read(sock->conn, to, size);
	error = sock_take_error(sock);
	if (error)
		return net_fail(error);
	if (tcp_at_end(sock->conn) || sock->no_read || sock->ended)
		return 0;
	return net_fail(EAGAIN);
}

static ssize_t read_sock(struct sluice_net *net, int fd, uint8_t *to, size_t size, int flags)
{
	uint32_t want = size > INT32_MAX ? INT32_MAX : (uint32_t)size, got = 0;
	struct sock *sock;

	while ((sock = sock_of(net, fd))) {
		ssize_t part = read_now(sock, to + got, want - got, flags);
		if (part > 0)
			got += (uint32_t)part;
		if (part == 0 || (part < 0 && errno != EAGAIN) ||
		    (got && (got == want || !(flags & MSG_WAITALL))) || !waits(sock, flags))
			return got ? (ssize_t)got : part;
		if (part < 0 && !net_wait(net))
			return got ? (ssize_t)got : -1;
	}
	return -1;
}

ssize_t sluice_recv(struct sluice_net *net, int fd, void *to, size_t size, int flags)
{
	net_enter(net);
	ssize_t got = read_sock(net, fd, to, size, flags);
	net_settle(net);
	net_leave(net);
	return got;
}

ssize_t sluice_read(struct sluice_net *net, int fd, void *to, size_t size)
{
	return sluice_recv(net, fd, to, size, 0);
}

/* Once anything was read, the next piece does not wait. */
ssize_t sluice_readv(struct sluice_net *net, int fd, const struct iovec *to, int n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)to, .msg_iovlen = (size_t)n};

	return sluice_recvmsg(net, fd, &message, 0);
}

ssize_t sluice_recvfrom(struct sluice_net *net, int fd, void *to, size_t size, int flags,
                        struct sockaddr *address, socklen_t *address_size)
{
	if (address_size)
		*address_size = 0; /* of a stream nobody is told */
	return sluice_recv(net, fd, to, size, flags);
}

ssize_t sluice_recvmsg(struct sluice_net *net, int fd, struct msghdr *message, int flags)
{
	ssize_t total = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		const struct iovec *part = &message->msg_iov[i];
		ssize_t got = sluice_recv(net, fd, part->iov_base, part->iov_len,
		                          total ? flags | MSG_DONTWAIT : flags);
		if (got < 0)
			return total ? total : got;
		total += got;
		if ((size_t)got < part->iov_len)
			break;
	}
	message->msg_namelen = 0;
	message->msg_controllen = 0;
	message->msg_flags = 0;
	return total;
}

/* ---- Writing ---- */

static unsigned flags_of(int flags)
{
	return (flags & MSG_MORE ? TCP_SEND_MORE : 0) | (flags & MSG_OOB ? TCP_SEND_URGENT : 0);
}

/* Bytes that found room now; -1 with errno, EAGAIN where room may come. */
static ssize_t write_now(struct sock *sock, const void *from, uint32_t size, int flags)
{
	int error = sock_take_error(sock);

	if (error)
		return net_fail(error);
	if (!sock->conn)
		return net_fail(EPIPE);
	if (sock->no_write || sock->ended)
		return net_fail(EPIPE);
	int64_t sent = tcp_send_copy(sock->conn, from, size, flags_of(flags));
	if (sent < 0)
		return net_fail(EPIPE);
	return sent == 0 && size ? net_fail(EAGAIN) : (ssize_t)sent;
}

static ssize_t write_sock(struct sluice_net *net, int fd, const uint8_t *from, size_t size,
                          int flags)
{
	uint32_t want = size > INT32_MAX ? INT32_MAX : (uint32_t)size, put = 0;
	struct sock *sock;

	while ((sock = sock_of(net, fd))) {
		ssize_t part = sock->connecting ? net_fail(EAGAIN)
		                                : write_now(sock, from + put, want - put, flags);
		if (part > 0)
			put += (uint32_t)part;
		if (put == want || (part < 0 && errno != EAGAIN) || !waits(sock, flags))
			return put ? (ssize_t)put : part;
		net_settle(net);
		if (!net_wait(net))
			return put ? (ssize_t)put : -1;
	}
	return -1;
}

ssize_t sluice_send(struct sluice_net *net, int fd, const void *from, size_t size, int flags)
{
	net_enter(net);
	ssize_t put = write_sock(net, fd, from, size, flags);
	net_settle(net);
	net_leave(net);
	return put;
}

ssize_t sluice_write(struct sluice_net *net, int fd, const void *from, size_t size)
{
	return sluice_send(net, fd, from, size, 0);
}

ssize_t sluice_writev(struct sluice_net *net, int fd, const struct iovec *from, int n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)from, .msg_iovlen = (size_t)n};

	return sluice_sendmsg(net, fd, &message, 0);
}

ssize_t sluice_sendto(struct sluice_net *net, int fd, const void *from, size_t size, int flags,
                      const struct sockaddr *address, socklen_t address_size)
{
	return sluice_send(net, fd, from, size, flags); /* a connected stream ignores an address */
}

/* All pieces but the last say that more follows, so that they share segments. */
ssize_t sluice_sendmsg(struct sluice_net *net, int fd, const struct msghdr *message, int flags)
{
	ssize_t total = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		const struct iovec *part = &message->msg_iov[i];
		int more = i + 1 < message->msg_iovlen ? MSG_MORE : 0;
		ssize_t put = sluice_send(net, fd, part->iov_base, part->iov_len, flags | more);
		if (put < 0)
			return total ? total : put;
		total += put;
		if ((size_t)put < part->iov_len)
			break;
	}
	return total;
}

/* ---- Waiting for any ---- */

static short events_of(struct sock *sock)
{
	short events = 0;

	if (!sock->conn && !sock->listener)
		return POLLOUT | POLLHUP;
	if (sock_readable(sock))
		events |= POLLIN | POLLRDNORM;
	if (sock_writable(sock))
		events |= POLLOUT | POLLWRNORM;
	if (sock->conn && !sock->connecting && (tcp_at_end(sock->conn) || sock->ended))
		events |= POLLRDHUP;
	if (sock->ended || (sock->no_read && sock->no_write))
		events |= POLLHUP;
	if (sock->error)
		events |= POLLERR;
	return events;
}

static int look(struct sluice_net *net, struct pollfd *fds, nfds_t n)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++) {
		struct sock *sock = fds[i].fd < 0 ? NULL : sock_of(net, fds[i].fd);
		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		int seen = sock ? events_of(sock) & (fds[i].events | POLLERR | POLLHUP) : POLLNVAL;
		fds[i].revents = (short)seen;
		ready += fds[i].revents != 0;
	}
	return ready;
}

int sluice_poll(struct sluice_net *net, struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int ready;

	net_enter(net);
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : net->now_ns + (uint64_t)timeout_ms * 1000000u;
	while (!(ready = look(net, fds, n)) && net->now_ns < end)
		if (!net_wait(net)) {
			ready = -1;
			break;
		}
	net_leave(net);
	return ready;
}
