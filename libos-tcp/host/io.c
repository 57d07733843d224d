/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing, in all their spellings, and poll.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "internal.h"

static bool waits(const struct entry *entry, int flags)
{
	return !(entry->flags & O_NONBLOCK) && !(flags & MSG_DONTWAIT);
}

/* Linux: EFAULT, once there is anything to copy. */
static bool is_nowhere(const struct msghdr *message, const struct sock *sock, int flags)
{
	if (flags & MSG_TRUNC && sock && sock->kind == SOCK_KIND_STREAM)
		return false; /* a stream's bytes go nowhere then */
	for (size_t i = 0; i < message->msg_iovlen; i++)
		if (message->msg_iov == NULL ||
		    (message->msg_iov[i].iov_base == NULL && message->msg_iov[i].iov_len > 0))
			return true;
	return false;
}

/* ---- Reading ---- */

/* Whether what was received is all that is awaited, or that will come. */
static bool is_enough(struct sock *sock, const struct sock_data *to, int flags, int64_t got)
{
	if (flags & MSG_PEEK && sock_poll(sock) & (POLLRDHUP | POLLERR))
		return true;
	return (uint64_t)got >= sock_awaited(sock, flags, to->skip + sock_data_bytes(to));
}

static int64_t read_all(struct sluice_net *net, int fd, struct sock_data *to, int flags,
                        struct sock_origin *origin)
{
	const struct entry *entry = sock_entry_of(net, fd);
	uint64_t end = entry ? net_end(net, entry->sock->receive_ns) : 0;
	int64_t got = 0;

	while ((entry = sock_entry_of(net, fd))) {
		int64_t part = sock_receive(entry->sock, to, flags, origin);
		if (part > 0 && flags & MSG_PEEK) {
			got = part;
		} else if (part > 0) {
			got += part;
			to->skip += (uint64_t)part;
		}
		if (part == 0 || (part < 0 && part != -EAGAIN) || !waits(entry, flags) ||
		    (got && (origin->datagram || is_enough(entry->sock, to, flags, got))))
			return got ? got : net_result(part);
		if ((part < 0 || flags & MSG_PEEK) && !net_wait_until(net, end))
			break;
	}
	return got ? got : -1;
}

/* As read_all, where there is no place for data. */
static int64_t read_nothing(struct sluice_net *net, int fd, int flags, struct sock_origin *origin)
{
	uint8_t byte;
	struct iovec piece = {&byte, 1};
	struct sock_data to = {.pieces = &piece, .n = 1};
	int64_t got = read_all(net, fd, &to, flags | MSG_PEEK, origin);

	return got > 0 ? net_fail(EFAULT) : got;
}

static void tell_beside(struct sock *sock, struct msghdr *message, const struct sock_origin *origin)
{
	bool cut = false;

	message->msg_controllen =
	        message->msg_control == NULL
	                ? 0
	                : sock_control_write(sock, origin, NULL, 0, message->msg_control,
	                                     message->msg_controllen, &cut);
	message->msg_flags |= cut ? MSG_CTRUNC : 0;
}

/* MSG_ERRQUEUE: what is told beside, and no data. Never waits. */
static ssize_t read_errors(struct sluice_net *net, int fd, struct msghdr *message)
{
	const struct entry *entry;
	size_t used = 0;
	bool cut = false;
	int error = -EBADF;

	net_enter(net);
	entry = sock_entry_of(net, fd);
	if (entry)
		error = sock_errors(entry->sock, message->msg_control, message->msg_controllen,
		                    &used, &cut);
	net_leave(net);
	if (error < 0)
		return net_fail(-error);
	message->msg_controllen = used;
	message->msg_namelen = 0;
	message->msg_flags = MSG_ERRQUEUE | error | (cut ? MSG_CTRUNC : 0);
	return 0;
}

ssize_t sluice_recvmsg(struct sluice_net *net, int fd, struct msghdr *message, int flags)
{
	struct sock_data to = {.pieces = message->msg_iov, .n = message->msg_iovlen};
	struct sock_origin origin;
	const struct entry *entry;

	if (flags & MSG_ERRQUEUE)
		return read_errors(net, fd, message);
	net_enter(net);
	uint64_t room = sock_data_bytes(&to);
	entry = sock_entry_of(net, fd);
	int64_t got = is_nowhere(message, entry ? entry->sock : NULL, flags)
	                      ? read_nothing(net, fd, flags, &origin)
	                      : read_all(net, fd, &to, flags, &origin);
	message->msg_flags = 0;
	entry = sock_entry_of(net, fd);
	if (got >= 0 && entry)
		tell_beside(entry->sock, message, &origin);
	else
		message->msg_controllen = 0;
	if (got >= 0 && origin.datagram && origin.from.ip.family != 0) {
		if (room < origin.size)
			message->msg_flags |= MSG_TRUNC;
		if (entry && message->msg_name)
			sock_address_put(entry->sock, &origin.from, message->msg_name,
			                 &message->msg_namelen);
	} else {
		message->msg_namelen = 0; /* of a stream nobody is told */
	}
	net_settle(net);
	net_leave(net);
	return (ssize_t)got;
}

ssize_t sluice_recvfrom(struct sluice_net *net, int fd, void *to, size_t size, int flags,
                        struct sockaddr *address, socklen_t *address_size)
{
	struct iovec piece = {to, size};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_name = address_size ? address : NULL,
	                         .msg_namelen = address_size ? *address_size : 0};
	ssize_t got = sluice_recvmsg(net, fd, &message, flags);

	if (got >= 0 && address_size)
		*address_size = message.msg_namelen;
	return got;
}

ssize_t sluice_recv(struct sluice_net *net, int fd, void *to, size_t size, int flags)
{
	return sluice_recvfrom(net, fd, to, size, flags, NULL, NULL);
}

/* read and write know pipes, too, which the calls of sockets do not. */
static bool is_pipe(struct sluice_net *net, int fd)
{
	const struct entry *entry = entry_of(net, fd);

	return entry && entry->pipe;
}

/* Once anything was read, the next piece does not wait. */
ssize_t sluice_readv(struct sluice_net *net, int fd, const struct iovec *to, int n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)to, .msg_iovlen = (size_t)n};
	ssize_t got = -1;
	bool piped;

	net_enter(net);
	piped = is_pipe(net, fd);
	if (piped)
		got = pipe_read(net, fd, &message);
	net_leave(net);
	return piped ? got : sluice_recvmsg(net, fd, &message, 0);
}

ssize_t sluice_read(struct sluice_net *net, int fd, void *to, size_t size)
{
	struct iovec piece = {to, size};

	return sluice_readv(net, fd, &piece, 1);
}

/* ---- Writing ---- */

/* Sending began to connect: whoever waits waits for that, too. → what sending goes on with, or why
 * it has ended. */
static int64_t await_opening(struct sluice_net *net, int fd, uint64_t end)
{
	const struct entry *entry;

	while ((entry = sock_entry_of(net, fd))) {
		int error = sock_connected(entry->sock);
		if (error != -EAGAIN)
			return error;
		sock_expect(entry->sock);
		if (!net_wait_until(net, end))
			return -errno;
	}
	return -EBADF;
}

ssize_t sluice_sendmsg(struct sluice_net *net, int fd, const struct msghdr *message, int flags)
{
	struct sock_data from = {.pieces = message->msg_iov, .n = message->msg_iovlen};
	const struct entry *entry;
	int64_t put = 0, part = -1;
	uint64_t end;

	net_enter(net);
	entry = sock_entry_of(net, fd);
	end = entry ? net_end(net, entry->sock->send_ns) : 0;
	if (entry && is_nowhere(message, NULL, 0)) {
		net_leave(net);
		return net_fail(EFAULT);
	}
	if (entry && message->msg_control &&
	    (part = sock_control_read(entry->sock, message->msg_control, message->msg_controllen,
	                              &from, NULL)) < 0) {
		net_leave(net);
		return net_result(part);
	}
	while ((entry = sock_entry_of(net, fd))) {
		bool opens = entry->sock->kind == SOCK_KIND_STREAM && !entry->sock->connecting;
		part = sock_send(entry->sock, &from, flags, message->msg_name,
		                 message->msg_namelen);
		if (part > 0) {
			put += part;
			from.skip += (uint64_t)part;
		}
		net_settle(net);
		flags &= ~MSG_FASTOPEN;
		if (opens && entry->sock->connecting && waits(entry, flags)) {
			part = await_opening(net, fd, end);
			if (part == 0 && sock_data_bytes(&from) > 0)
				continue;
			put = part < 0 ? 0 : put;
			break;
		}
		if ((part < 0 && part != -EAGAIN) || sock_data_bytes(&from) == 0 ||
		    !waits(entry, flags))
			break;
		sock_expect(entry->sock);
		if (!net_wait_until(net, end)) {
			part = -errno;
			break;
		}
	}
	if (!entry)
		part = -EBADF;
	net_leave(net);
	return put ? (ssize_t)put : net_result(part);
}

ssize_t sluice_sendto(struct sluice_net *net, int fd, const void *from, size_t size, int flags,
                      const struct sockaddr *address, socklen_t address_size)
{
	struct iovec piece = {(void *)from, size};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_name = (void *)address,
	                         .msg_namelen = address_size};

	return sluice_sendmsg(net, fd, &message, flags);
}

ssize_t sluice_send(struct sluice_net *net, int fd, const void *from, size_t size, int flags)
{
	return sluice_sendto(net, fd, from, size, flags, NULL, 0);
}

ssize_t sluice_writev(struct sluice_net *net, int fd, const struct iovec *from, int n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)from, .msg_iovlen = (size_t)n};
	ssize_t put = -1;
	bool piped;

	net_enter(net);
	piped = is_pipe(net, fd);
	if (piped)
		put = pipe_write(net, fd, &message);
	net_leave(net);
	return piped ? put : sluice_sendmsg(net, fd, &message, 0);
}

ssize_t sluice_write(struct sluice_net *net, int fd, const void *from, size_t size)
{
	struct iovec piece = {(void *)from, size};

	return sluice_writev(net, fd, &piece, 1);
}

/* ---- Waiting for any ---- */

static int look(struct sluice_net *net, struct pollfd *fds, nfds_t n)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++) {
		const struct entry *entry = fds[i].fd < 0 ? NULL : sock_entry_of(net, fds[i].fd);
		unsigned wanted = (uint16_t)fds[i].events | POLLERR | POLLHUP, seen = POLLNVAL;

		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		if (entry)
			seen = sock_poll(entry->sock) & wanted;
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
		if (!net_wait_until(net, end)) {
			ready = -1;
			break;
		}
	net_leave(net);
	return ready;
}
