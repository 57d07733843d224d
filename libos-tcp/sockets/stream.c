/* SPDX-License-Identifier: BSD-2-Clause */
/* Stream sockets on libos-tcp (POSIX.1-2017; tcp(7) for what Linux adds). */
#include <poll.h>

#include "internal.h"

static int error_of_cause(enum tcp_cause cause)
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

static int error_of(int status)
{
	switch (-status) {
	case 0:
		return 0;
	case TCP_EINVAL:
		return -EINVAL;
	case TCP_ENOSPC:
		return -EADDRNOTAVAIL;
	case TCP_EINUSE:
		return -EADDRINUSE;
	case TCP_EUNREACHABLE:
		return -ENETUNREACH;
	case TCP_EPIPE:
		return -EPIPE;
	case TCP_ENOTCONN:
		return -ENOTCONN;
	default:
		return -ENOBUFS;
	}
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct sock *sock = tcp_conn_context(conn);

	sock->edges++;
	if (events & TCP_EVENT_OPENED) {
		sock->connecting = false;
		sock->connected = true;
	}
	if (events & TCP_EVENT_CLOSED) {
		sock->connecting = false;
		sock->ended = true;
		sock->error = error_of_cause(tcp_conn_cause(conn));
	}
}

static void on_ready(struct tcp_listener *listener)
{
	((struct sock *)tcp_listener_context(listener))->edges++;
}

int stream_listen(struct sock *sock, int backlog)
{
	if (sock->conn != NULL)
		return -EINVAL;
	if (sock->listener != NULL)
		return 0;
	if (sock->local.ip.family == 0) /* any address: of IPv4, or of both */
		sock->local.ip.family = sock->domain == AF_INET6 ? 6 : 4;
	sock->options.only_family = sock->domain == AF_INET || sock->only_six;
	return error_of(tcp_listen(sock->set->tcp, &sock->local,
	                           backlog > 0 ? (uint32_t)backlog : 1, &sock->options, on_ready,
	                           sock, &sock->listener));
}

int stream_accept(struct sock *sock, struct sock **made)
{
	struct sock *new;

	if (sock->listener == NULL)
		return -EINVAL;
	if (tcp_listener_ready(sock->listener) == 0)
		return -EAGAIN;
	new = sock_take(sock->set, SOCK_KIND_STREAM, sock->domain);
	if (new == NULL)
		return -ENFILE;
	new->conn = tcp_accept(sock->listener, on_event, new);
	tcp_conn_get_options(new->conn, &new->options);
	new->connected = new->bound = new->told = true;
	if (tcp_conn_state(new->conn) == TCP_STATE_CLOSED) {
		new->ended = true;
		new->error = error_of_cause(tcp_conn_cause(new->conn));
	}
	*made = new;
	return 0;
}

/* Tells of a connection that did not come about, once: the next call tries anew. */
static int failed_connect(struct sock *sock)
{
	int error = sock_take_error(sock);

	tcp_close(sock->conn);
	sock->conn = NULL;
	sock->ended = false;
	return error != 0 ? -error : -ECONNABORTED;
}

int stream_connected(struct sock *sock)
{
	if (sock->connecting)
		return -EAGAIN;
	if (!sock->connected && sock->conn != NULL)
		return failed_connect(sock);
	sock->told = true;
	return -sock_take_error(sock);
}

int stream_connect(struct sock *sock, const struct udp_endpoint *remote)
{
	int error;

	if (sock->connecting)
		return -EALREADY;
	if (sock->connected && !sock->told && !sock->ended) {
		sock->told = true;
		return 0;
	}
	if (sock->listener != NULL || sock->connected)
		return -EISCONN;
	if (sock->conn != NULL)
		return failed_connect(sock);
	error = error_of(tcp_connect(sock->set->tcp, &sock->local, remote, &sock->options, on_event,
	                             sock, &sock->conn));
	if (error < 0)
		return error;
	sock->connecting = sock->bound = true;
	return -EINPROGRESS;
}

int stream_shutdown(struct sock *sock, int how)
{
	if (sock->listener != NULL && how != SHUT_WR) {
		tcp_listener_close(sock->listener);
		sock->listener = NULL;
		sock->edges++;
		return 0;
	}
	if (sock->conn == NULL || !sock->connected || sock->ended)
		return -ENOTCONN;
	if (how != SHUT_WR) {
		sock->no_read = true;
		tcp_refuse(sock->conn);
	}
	if (how != SHUT_RD) {
		sock->no_write = true;
		(void)tcp_shutdown(sock->conn);
	}
	sock->edges++;
	return 0;
}

void stream_close(struct sock *sock)
{
	if (sock->listener != NULL)
		tcp_listener_close(sock->listener);
	if (sock->conn != NULL && sock->linger && sock->linger_s == 0)
		tcp_abort(sock->conn);
	else if (sock->conn != NULL)
		tcp_close(sock->conn);
}

/* ---- Reading and writing ---- */

static int64_t peek(const struct tcp_conn *conn, struct cursor *at)
{
	enum { SPANS = 64 };
	struct tcp_span spans[SPANS];
	unsigned n = tcp_peek(conn, spans, SPANS);
	int64_t got = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t part = cursor_put(at, spans[i].data, spans[i].size);

		got += part;
		if (part < spans[i].size)
			break;
	}
	return got;
}

static int64_t take(struct tcp_conn *conn, const struct sock_data *to)
{
	uint64_t skip = to->skip;
	int64_t got = 0;

	for (size_t i = 0; i < to->n; i++) {
		const struct iovec *piece = &to->pieces[i];
		uint64_t want = piece->iov_len - (skip < piece->iov_len ? skip : piece->iov_len);
		uint32_t n;

		if (want == 0) {
			skip -= piece->iov_len;
			continue;
		}
		want = want < INT32_MAX ? want : INT32_MAX;
		n = tcp_read(conn, (uint8_t *)piece->iov_base + skip, (uint32_t)want);
		skip = 0;
		got += n;
		if (n < want)
			break;
	}
	return got;
}

int64_t stream_receive(struct sock *sock, const struct sock_data *to, int flags)
{
	struct cursor at = cursor_of(to);
	int error;

	if (sock->conn == NULL)
		return -ENOTCONN;
	if (sock->connecting && !sock->connected)
		return -EAGAIN;
	if (sock_data_bytes(to) == 0)
		return 0;
	if (tcp_unread(sock->conn) != 0)
		return flags & MSG_PEEK ? peek(sock->conn, &at) : take(sock->conn, to);
	error = sock_take_error(sock);
	if (error != 0)
		return -error;
	return tcp_at_end(sock->conn) || sock->no_read || sock->ended ? 0 : -EAGAIN;
}

static unsigned flags_of(int flags)
{
	return (flags & MSG_MORE ? TCP_SEND_MORE : 0) | (flags & MSG_OOB ? TCP_SEND_URGENT : 0);
}

/* All pieces but the last say that more follows, so that they share segments. */
static int64_t give(struct tcp_conn *conn, const struct sock_data *from, int flags)
{
	uint64_t left = sock_data_bytes(from), skip = from->skip;
	int64_t put = 0;

	for (size_t i = 0; i < from->n && left > 0; i++) {
		const struct iovec *piece = &from->pieces[i];
		uint64_t size = piece->iov_len - (skip < piece->iov_len ? skip : piece->iov_len);
		int64_t n;

		if (size == 0) {
			skip -= piece->iov_len;
			continue;
		}
		size = size < INT32_MAX ? size : INT32_MAX;
		left -= size;
		n = tcp_send_copy(conn, (const uint8_t *)piece->iov_base + skip, (uint32_t)size,
		                  flags_of(left > 0 ? flags | MSG_MORE : flags));
		skip = 0;
		if (n < 0)
			return put > 0 ? put : -EPIPE;
		put += n;
		if ((uint64_t)n < size)
			break;
	}
	return put;
}

int64_t stream_send(struct sock *sock, const struct sock_data *from, int flags)
{
	int64_t put;

	if (sock->connecting)
		return -EAGAIN;
	if (sock->error != 0)
		return -sock_take_error(sock);
	if (sock->conn == NULL || sock->no_write || sock->ended)
		return -EPIPE;
	put = give(sock->conn, from, flags);
	return put == 0 && sock_data_bytes(from) > 0 ? -EAGAIN : put;
}

int stream_soft_error(struct sock *sock)
{
	switch (tcp_conn_soft_error(sock->conn)) {
	case TCP_FAILURE_UNREACHABLE:
		return EHOSTUNREACH;
	case TCP_FAILURE_REFUSED:
		return ECONNREFUSED;
	default:
		return 0;
	}
}

static bool is_readable(const struct sock *sock)
{
	uint32_t low = sock->receive_low > 1 ? sock->receive_low : 1;

	return tcp_unread(sock->conn) >= low || tcp_peer_ended(sock->conn);
}

unsigned stream_poll(struct sock *sock)
{
	unsigned events = 0;
	bool open = sock->conn != NULL && !sock->connecting;

	if (sock->listener != NULL)
		return tcp_listener_ready(sock->listener) != 0 ? POLLIN | POLLRDNORM : 0;
	if (sock->conn == NULL)
		return POLLOUT | POLLWRNORM | POLLHUP;
	if (open && (sock->error != 0 || sock->ended || sock->no_read || is_readable(sock)))
		events |= POLLIN | POLLRDNORM;
	if (open &&
	    (sock->error != 0 || sock->ended || sock->no_write || tcp_send_ready(sock->conn)))
		events |= POLLOUT | POLLWRNORM;
	if (open && (tcp_peer_ended(sock->conn) || sock->ended || sock->no_read))
		events |= POLLRDHUP;
	if (sock->ended || (sock->no_write && (sock->no_read || tcp_peer_ended(sock->conn))))
		events |= POLLHUP;
	return events | (sock->error != 0 ? POLLERR : 0);
}
