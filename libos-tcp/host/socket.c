/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets: descriptors, addresses, opening and closing (POSIX.1-2017; tcp(7) for what Linux adds).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "internal.h"

static const uint8_t mapped[12] = {[10] = 0xff, 0xff}; /* ::ffff:0:0/96 (RFC 4291, 2.5.5.2) */

struct sock *sock_of(struct sluice_net *net, int fd)
{
	if (fd >= FD_FIRST && fd - FD_FIRST < SOCKETS_MAX && net->sockets[fd - FD_FIRST].used)
		return &net->sockets[fd - FD_FIRST];
	errno = EBADF;
	return NULL;
}

int sock_take_error(struct sock *sock)
{
	int error = sock->error;

	sock->error = 0;
	return error;
}

static int error_of(enum tcp_cause cause)
{
	switch (cause) {
	case TCP_CAUSE_RESET:
		return ECONNRESET;
	case TCP_CAUSE_REFUSED:
		return ECONNREFUSED;
	case TCP_CAUSE_TIMEOUT:
		return ETIMEDOUT;
	case TCP_CAUSE_UNREACHABLE:
		return EHOSTUNREACH;
	case TCP_CAUSE_ABORTED:
		return ECONNABORTED;
	default:
		return 0;
	}
}

void sock_event(struct tcp_conn *conn, unsigned events)
{
	struct sock *sock = tcp_conn_context(conn);

	if (events & TCP_EVENT_OPENED) {
		sock->connecting = false;
		sock->connected = true;
	}
	if (events & TCP_EVENT_CLOSED) {
		sock->connecting = false;
		sock->ended = true;
		sock->error = error_of(tcp_conn_cause(conn));
	}
}

bool sock_readable(const struct sock *sock)
{
	if (sock->listener)
		return tcp_listener_ready(sock->listener) != 0;
	if (!sock->conn || sock->connecting)
		return false;
	return sock->error || sock->ended || sock->no_read || tcp_unread(sock->conn) ||
	       tcp_at_end(sock->conn);
}

bool sock_writable(struct sock *sock)
{
	if (!sock->conn || sock->connecting)
		return false;
	return sock->error || sock->ended || sock->no_write || tcp_send_space(sock->conn);
}

/* ---- Addresses ---- */

static void put_in6(const struct udp_endpoint *endpoint, struct sockaddr_in6 *in6)
{
	*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
	if (endpoint->ip.family == 4) {
		memcpy(in6->sin6_addr.s6_addr, mapped, sizeof(mapped));
		memcpy(in6->sin6_addr.s6_addr + 12, endpoint->ip.bytes, 4);
	} else {
		memcpy(in6->sin6_addr.s6_addr, endpoint->ip.bytes, 16);
	}
}

void address_put(const struct udp_endpoint *endpoint, int domain, struct sockaddr *address,
                 socklen_t *size)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 in6;
	socklen_t full = domain == AF_INET6 ? sizeof(in6) : sizeof(in);

	if (!address || !size)
		return;
	memcpy(&in.sin_addr, endpoint->ip.bytes, 4);
	put_in6(endpoint, &in6);
	memcpy(address, domain == AF_INET6 ? (void *)&in6 : &in, *size < full ? *size : full);
	*size = full;
}

static void get_in6(const struct sockaddr_in6 *in6, struct udp_endpoint *endpoint)
{
	static const uint8_t any[16];
	const uint8_t *bytes = in6->sin6_addr.s6_addr;

	endpoint->port = ntohs(in6->sin6_port);
	if (!memcmp(bytes, mapped, sizeof(mapped)))
		memcpy(endpoint->ip.bytes, bytes + 12, endpoint->ip.family = 4);
	else if (memcmp(bytes, any, sizeof(any)) != 0)
		endpoint->ip = udp_ip6(bytes);
}

int address_get(const struct sock *sock, const struct sockaddr *address, socklen_t size,
                struct udp_endpoint *endpoint)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	*endpoint = (struct udp_endpoint){.port = 0};
	if (!address || size < sizeof(address->sa_family))
		return net_fail(EINVAL);
	if (address->sa_family != sock->domain)
		return net_fail(EAFNOSUPPORT);
	if (sock->domain == AF_INET6) {
		if (size < sizeof(in6))
			return net_fail(EINVAL);
		memcpy(&in6, address, sizeof(in6));
		get_in6(&in6, endpoint);
		return 0;
	}
	if (size < sizeof(in))
		return net_fail(EINVAL);
	memcpy(&in, address, sizeof(in));
	endpoint->port = ntohs(in.sin_port);
	if (in.sin_addr.s_addr != htonl(INADDR_ANY))
		memcpy(endpoint->ip.bytes, &in.sin_addr, endpoint->ip.family = 4);
	return 0;
}

/* ---- Opening ---- */

/* The lowest free descriptor, as POSIX wants; -1 with EMFILE. */
static int take_fd(struct sluice_net *net, int domain, int flags)
{
	for (int i = 0; i < SOCKETS_MAX; i++) {
		struct sock *sock = &net->sockets[i];
		if (sock->used)
			continue;
		*sock = (struct sock){.used = true,
		                      .domain = domain,
		                      .flags = flags & O_NONBLOCK,
		                      .options = tcp_options_default(net->stack)};
		return i + FD_FIRST;
	}
	return net_fail(EMFILE);
}

int sluice_socket(struct sluice_net *net, int domain, int type, int protocol)
{
	int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC), fd;

	if (domain != AF_INET && domain != AF_INET6)
		return net_fail(EAFNOSUPPORT);
	if ((type & ~flags) != SOCK_STREAM)
		return net_fail(ESOCKTNOSUPPORT);
	if (protocol && protocol != IPPROTO_TCP)
		return net_fail(EPROTONOSUPPORT);
	net_enter(net);
	fd = take_fd(net, domain, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0);
	net_leave(net);
	return fd;
}

static int bind_sock(struct sock *sock, const struct sockaddr *address, socklen_t size)
{
	struct udp_endpoint local;

	if (sock->bound || sock->conn || sock->listener)
		return net_fail(EINVAL);
	if (address_get(sock, address, size, &local))
		return -1;
	sock->local = local;
	sock->bound = true;
	return 0;
}

int sluice_bind(struct sluice_net *net, int fd, const struct sockaddr *address, socklen_t size)
{
	net_enter(net);
	struct sock *sock = sock_of(net, fd);
	int status = sock ? bind_sock(sock, address, size) : -1;
	net_leave(net);
	return status;
}

static int errno_of(int status)
{
	switch (-status) {
	case 0:
		return 0;
	case TCP_EINVAL:
		return EINVAL;
	case TCP_ENOSPC:
		return EADDRNOTAVAIL;
	case TCP_EINUSE:
		return EADDRINUSE;
	case TCP_EUNREACHABLE:
		return ENETUNREACH;
	case TCP_EPIPE:
		return EPIPE;
	case TCP_ENOTCONN:
		return ENOTCONN;
	default:
		return ENOBUFS;
	}
}

/* News of a listener is seen by who looks. */
static void on_ready(struct tcp_listener *listener)
{
}

static int listen_sock(struct sluice_net *net, struct sock *sock, int backlog)
{
	if (sock->conn)
		return net_fail(EINVAL);
	if (sock->listener)
		return 0;
	if (sock->local.ip.family == 0) /* any address: of IPv4, or of both */
		sock->local.ip.family = sock->domain == AF_INET6 ? 6 : 4;
	int status = tcp_listen(net->stack, &sock->local, backlog > 0 ? (uint32_t)backlog : 1,
	                        &sock->options, on_ready, sock, &sock->listener);
	return status ? net_fail(errno_of(status)) : 0;
}

int sluice_listen(struct sluice_net *net, int fd, int backlog)
{
	net_enter(net);
	struct sock *sock = sock_of(net, fd);
	int status = sock ? listen_sock(net, sock, backlog) : -1;
	net_leave(net);
	return status;
}

/* Waits for a connection; its descriptor, or -1 with errno. */
static int accept_sock(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size)
{
	struct sock *sock = sock_of(net, fd), *made;

	while (sock && sock->listener && !tcp_listener_ready(sock->listener)) {
		if (sock->flags & O_NONBLOCK)
			return net_fail(EAGAIN);
		if (!net_wait(net))
			return -1;
		sock = sock_of(net, fd);
	}
	if (!sock || !sock->listener)
		return sock ? net_fail(EINVAL) : -1;
	int got = take_fd(net, sock->domain, 0);
	if (got < 0)
		return -1;
	made = sock_of(net, got);
	made->conn = tcp_accept(sock->listener, sock_event, made);
	tcp_conn_get_options(made->conn, &made->options);
	made->connected = made->bound = true;
	if (tcp_conn_state(made->conn) == TCP_STATE_CLOSED) {
		made->ended = true;
		made->error = error_of(tcp_conn_cause(made->conn));
	}
	struct udp_endpoint remote = tcp_conn_remote(made->conn);
	address_put(&remote, sock->domain, address, size);
	return got;
}

int sluice_accept(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size)
{
	net_enter(net);
	int got = accept_sock(net, fd, address, size);
	net_leave(net);
	return got;
}

static int begin_connecting(struct sluice_net *net, struct sock *sock,
                            const struct udp_endpoint *remote)
{
	int status = tcp_connect(net->stack, &sock->local, remote, &sock->options, sock_event, sock,
	                         &sock->conn);

	if (status)
		return net_fail(errno_of(status));
	sock->connecting = sock->bound = true;
	net_settle(net);
	return 0;
}

/* The end of connecting, which another thread brings about. */
static int await_connection(struct sluice_net *net, int fd)
{
	struct sock *sock = sock_of(net, fd);

	while (sock && sock->connecting) {
		if (!net_wait(net))
			return -1;
		sock = sock_of(net, fd);
	}
	if (!sock)
		return -1;
	int error = sock_take_error(sock);
	return error ? net_fail(error) : 0;
}

static int connect_sock(struct sluice_net *net, int fd, const struct sockaddr *address,
                        socklen_t size)
{
	struct sock *sock = sock_of(net, fd);
	struct udp_endpoint remote;

	if (!sock || address_get(sock, address, size, &remote))
		return -1;
	if (sock->listener || sock->connected)
		return net_fail(EISCONN);
	if (sock->connecting)
		return net_fail(EALREADY);
	if (sock->conn) {
		int error = sock_take_error(sock);
		return net_fail(error ? error : ECONNABORTED);
	}
	if (begin_connecting(net, sock, &remote))
		return -1;
	return sock->flags & O_NONBLOCK ? net_fail(EINPROGRESS) : await_connection(net, fd);
}

int sluice_connect(struct sluice_net *net, int fd, const struct sockaddr *address, socklen_t size)
{
	net_enter(net);
	int status = connect_sock(net, fd, address, size);
	net_leave(net);
	return status;
}

/* ---- Closing ---- */

static int shutdown_sock(struct sluice_net *net, struct sock *sock, int how)
{
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return net_fail(EINVAL);
	if (sock->listener && how != SHUT_WR) {
		tcp_listener_close(sock->listener);
		sock->listener = NULL;
		return 0;
	}
	if (!sock->conn || !sock->connected || sock->ended)
		return net_fail(ENOTCONN);
	if (how != SHUT_WR) {
		sock->no_read = true;
		tcp_shutdown_read(sock->conn);
	}
	if (how != SHUT_RD) {
		sock->no_write = true;
		(void)tcp_shutdown(sock->conn);
	}
	net_settle(net);
	return 0;
}

int sluice_shutdown(struct sluice_net *net, int fd, int how)
{
	net_enter(net);
	struct sock *sock = sock_of(net, fd);
	int status = sock ? shutdown_sock(net, sock, how) : -1;
	net_leave(net);
	return status;
}

int sluice_close(struct sluice_net *net, int fd)
{
	net_enter(net);
	struct sock *sock = sock_of(net, fd);
	if (sock && sock->listener)
		tcp_listener_close(sock->listener);
	if (sock && sock->conn && sock->linger && sock->linger_s == 0)
		tcp_abort(sock->conn);
	else if (sock && sock->conn)
		tcp_close(sock->conn);
	if (sock)
		*sock = (struct sock){.used = false};
	net_settle(net);
	net_leave(net);
	return sock ? 0 : -1;
}

static int put_name(struct sluice_net *net, int fd, bool peer, struct sockaddr *address,
                    socklen_t *size)
{
	struct sock *sock = sock_of(net, fd);
	struct udp_endpoint endpoint;

	if (!sock)
		return -1;
	if (peer && !sock->connected)
		return net_fail(ENOTCONN);
	if (sock->conn)
		endpoint = peer ? tcp_conn_remote(sock->conn) : tcp_conn_local(sock->conn);
	else
		endpoint = sock->listener ? *tcp_listener_local(sock->listener) : sock->local;
	address_put(&endpoint, sock->domain, address, size);
	return 0;
}

int sluice_getsockname(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size)
{
	net_enter(net);
	int status = put_name(net, fd, false, address, size);
	net_leave(net);
	return status;
}

int sluice_getpeername(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size)
{
	net_enter(net);
	int status = put_name(net, fd, true, address, size);
	net_leave(net);
	return status;
}
