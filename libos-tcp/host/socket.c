/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors, and waiting where a socket's call would have to.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "internal.h"

struct entry *entry_of(struct sluice_net *net, int fd)
{
	struct entry *entry = &net->fds[fd >= FD_FIRST ? fd - FD_FIRST : 0];

	if (fd >= FD_FIRST && fd - FD_FIRST < SOCKETS_MAX &&
	    (entry->sock || entry->epoll || entry->pipe))
		return entry;
	errno = EBADF;
	return NULL;
}

struct entry *sock_entry_of(struct sluice_net *net, int fd)
{
	struct entry *entry = entry_of(net, fd);

	if (!entry || entry->sock)
		return entry;
	errno = ENOTSOCK;
	return NULL;
}

int entry_put(struct sluice_net *net, struct entry entry)
{
	for (int i = 0; i < SOCKETS_MAX; i++) {
		if (net->fds[i].sock || net->fds[i].epoll || net->fds[i].pipe)
			continue;
		net->fds[i] = entry;
		return i + FD_FIRST;
	}
	return net_fail(EMFILE);
}

/* The lowest free descriptor, as POSIX wants; -1 with EMFILE. */
static int put_fd(struct sluice_net *net, struct sock *sock, int flags)
{
	int fd = entry_put(net, (struct entry){.sock = sock, .flags = flags & O_NONBLOCK});

	if (fd < 0)
		sock_close(sock);
	return fd;
}

int sluice_socket(struct sluice_net *net, int domain, int type, int protocol)
{
	int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC), fd;
	struct sock *sock;

	net_enter(net);
	fd = (int)net_result(sock_open(&net->set, domain, type & ~flags, protocol, &sock));
	if (fd == 0)
		fd = put_fd(net, sock, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0);
	net_leave(net);
	return fd;
}

int sluice_bind(struct sluice_net *net, int fd, const struct sockaddr *address, socklen_t size)
{
	net_enter(net);
	const struct entry *entry = sock_entry_of(net, fd);
	struct udp_endpoint local;
	int status = -1;
	if (entry && entry->sock->kind == SOCK_KIND_DATAGRAM &&
	    sock_address_get(entry->sock, address, size, &local) == 0)
		datagrams_bind(net, &local.ip);
	if (entry)
		status = (int)net_result(sock_bind(entry->sock, address, size));
	net_leave(net);
	return status;
}

int sluice_listen(struct sluice_net *net, int fd, int backlog)
{
	net_enter(net);
	const struct entry *entry = sock_entry_of(net, fd);
	int status = entry ? (int)net_result(sock_listen(entry->sock, backlog)) : -1;
	net_leave(net);
	return status;
}

/* Waits for a connection; its descriptor, or -1 with errno. */
static int accept_one(struct sluice_net *net, int fd, struct sock **made)
{
	const struct entry *entry = sock_entry_of(net, fd);
	uint64_t end = entry ? net_end(net, entry->sock->receive_ns) : 0;

	while ((entry = sock_entry_of(net, fd))) {
		int error = sock_accept(entry->sock, made);
		if (error != -EAGAIN || (entry->flags & O_NONBLOCK))
			return error ? (int)net_result(error) : put_fd(net, *made, 0);
		if (!net_wait_until(net, end))
			break;
	}
	return -1;
}

int sluice_accept(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size)
{
	struct sock *made;

	net_enter(net);
	int got = accept_one(net, fd, &made);
	if (got >= 0 && address && size)
		sock_accepted_name(made, address, size);
	net_leave(net);
	return got;
}

/* The end of connecting, which another thread brings about. */
static int await_connection(struct sluice_net *net, int fd)
{
	const struct entry *entry = sock_entry_of(net, fd);
	uint64_t end = entry ? net_end(net, entry->sock->send_ns) : 0;

	while ((entry = sock_entry_of(net, fd))) {
		int error = sock_connected(entry->sock);
		if (error != -EAGAIN)
			return (int)net_result(error);
		if (!net_wait_until(net, end))
			return errno == EAGAIN ? net_fail(EINPROGRESS) : -1;
	}
	return -1;
}

int sluice_connect(struct sluice_net *net, int fd, const struct sockaddr *address, socklen_t size)
{
	net_enter(net);
	const struct entry *entry = sock_entry_of(net, fd);
	int error = entry ? sock_connect(entry->sock, address, size) : -EBADF;
	net_settle(net);
	int status = (error == -EINPROGRESS || error == -EALREADY) && !(entry->flags & O_NONBLOCK)
	                     ? await_connection(net, fd)
	                     : (int)net_result(error);
	net_leave(net);
	return status;
}

int sluice_shutdown(struct sluice_net *net, int fd, int how)
{
	net_enter(net);
	const struct entry *entry = sock_entry_of(net, fd);
	int status = entry ? (int)net_result(sock_shutdown(entry->sock, how)) : -1;
	net_settle(net);
	net_leave(net);
	return status;
}

/* SO_LINGER: close waits for what was written to arrive, so long at most; also where nothing else
 * waits. */
static void linger(struct sluice_net *net, struct sock *sock)
{
	uint64_t end;

	if (!sock_linger(sock))
		return;
	net_settle(net);
	end = net_end(net, (uint64_t)sock->linger_s * 1000000000u);
	while (sock_lingers(sock) && net_wait_until(net, end))
		;
}

int sluice_close(struct sluice_net *net, int fd)
{
	net_enter(net);
	struct entry *entry = entry_of(net, fd), closed;
	if (entry) {
		closed = *entry;
		epoll_forget(net, fd);
		*entry = (struct entry){.sock = NULL};
		if (closed.sock) {
			linger(net, closed.sock);
			sock_close(closed.sock);
		} else if (closed.pipe) {
			pipe_close(&closed);
		} else {
			epoll_free(closed.epoll);
		}
	}
	net_settle(net);
	net_leave(net);
	return entry ? 0 : -1;
}

static int put_name(struct sluice_net *net, int fd, bool peer, struct sockaddr *address,
                    socklen_t *size)
{
	net_enter(net);
	const struct entry *entry = sock_entry_of(net, fd);
	int status = !entry ? -1
	             : !address || !size
	                     ? net_fail(EFAULT)
	                     : (int)net_result(sock_name(entry->sock, peer, address, size));
	net_leave(net);
	return status;
}

int sluice_getsockname(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size)
{
	return put_name(net, fd, false, address, size);
}

int sluice_getpeername(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size)
{
	return put_name(net, fd, true, address, size);
}

/* ---- Options ---- */

int sluice_setsockopt(struct sluice_net *net, int fd, int level, int name, const void *value,
                      socklen_t size)
{
	net_enter(net);
	const struct entry *entry = sock_entry_of(net, fd);
	int status = -1;
	if (entry)
		status = !value && size > 0 ? net_fail(EFAULT)
		                            : (int)net_result(sock_set_option(entry->sock, level,
		                                                              name, value, size));
	net_settle(net);
	net_leave(net);
	return status;
}

int sluice_getsockopt(struct sluice_net *net, int fd, int level, int name, void *value,
                      socklen_t *size)
{
	net_enter(net);
	const struct entry *entry = sock_entry_of(net, fd);
	int status = -1;
	if (entry)
		status = !value || !size ? net_fail(EFAULT)
		                         : (int)net_result(sock_get_option(entry->sock, level, name,
		                                                           value, size));
	net_leave(net);
	return status;
}

int sluice_fcntl(struct sluice_net *net, int fd, int command, long argument)
{
	int result = 0, error = 0;

	net_enter(net);
	struct entry *entry = entry_of(net, fd);
	if (!entry)
		error = EBADF;
	else if (command == F_GETFL)
		result = entry->flags | (!entry->pipe    ? O_RDWR
		                         : entry->writes ? O_WRONLY
		                                         : O_RDONLY);
	else if (command == F_SETFL)
		entry->flags = (int)argument & O_NONBLOCK;
	else if (command != F_GETFD && command != F_SETFD)
		error = EINVAL;
	net_leave(net);
	return error ? net_fail(error) : result;
}

int sluice_ioctl(struct sluice_net *net, int fd, unsigned long request, int *argument)
{
	net_enter(net);
	struct entry *entry = sock_entry_of(net, fd);
	int status = 0;
	if (!entry)
		status = -1;
	else if (request == FIONBIO)
		entry->flags = *argument ? O_NONBLOCK : 0;
	else
		status = (int)net_result(sock_ioctl(entry->sock, request, argument));
	net_leave(net);
	return status;
}
