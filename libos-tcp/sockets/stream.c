/* SPDX-License-Identifier: BSD-2-Clause */
/* Stream sockets on libos-tcp (POSIX.1-2017; tcp(7) for what Linux adds). */
#include <poll.h>

#include <netinet/in.h>

#include "internal.h"

int stream_soft_error(struct sock *sock)
{
	static const uint8_t errors[TCP_FAILURES] = {
	        [TCP_FAILURE_UNREACHABLE] = EHOSTUNREACH,
	        [TCP_FAILURE_REFUSED] = ECONNREFUSED,
	        [TCP_FAILURE_NO_ROUTE] = EHOSTUNREACH,
	        [TCP_FAILURE_NO_NETWORK] = ENETUNREACH,
	        [TCP_FAILURE_NETWORK] = ENETUNREACH,
	        [TCP_FAILURE_PROTOCOL] = ENOPROTOOPT,
	        [TCP_FAILURE_SOURCE_ROUTE] = EOPNOTSUPP,
	        [TCP_FAILURE_UNKNOWN] = EHOSTDOWN,
	        [TCP_FAILURE_ISOLATED] = ENONET,
	        [TCP_FAILURE_FORBIDDEN] = EACCES,
	        [TCP_FAILURE_HEADER] = EPROTO,
	        [TCP_FAILURE_EXPIRED] = EHOSTUNREACH,
	};

	return errors[tcp_conn_soft_error(sock->conn)];
}

/* Why a connection has ended; what ICMP said tells more than silence does. */
static int error_of_cause(struct sock *sock)
{
	int soft = stream_soft_error(sock);

	switch (tcp_conn_cause(sock->conn)) {
	case TCP_CAUSE_RESET:
		return ECONNRESET;
	case TCP_CAUSE_REFUSED:
		return ECONNREFUSED;
	case TCP_CAUSE_TIMEOUT:
		return soft != 0 ? soft : ETIMEDOUT;
	case TCP_CAUSE_UNREACHABLE:
		return soft != 0 ? soft : EHOSTUNREACH;
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

/* Who asked for it hears of ICMP errors at once (ip(7)). */
static bool wants_errors(const struct sock *sock)
{
	int which = sock->domain == AF_INET6 ? option_kept(IPPROTO_IPV6, IPV6_RECVERR)
	                                     : option_kept(IPPROTO_IP, IP_RECVERR);

	return sock->kept[which] != 0;
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct sock *sock = tcp_conn_context(conn);

	sock_news(sock);
	if (events & TCP_EVENT_READABLE)
		sock->arrived_ns = sock->set->now;
	if (events & TCP_EVENT_URGENT)
		sock->urgent_taken = false;
	if (events & TCP_EVENT_OPENED) {
		sock->connecting = false;
		sock->connected = true;
	}
	if ((events & TCP_EVENT_ERROR) && wants_errors(sock))
		sock->error = stream_soft_error(sock);
	if (events & TCP_EVENT_CLOSED) {
		sock->connecting = false;
		sock->ended = true;
		sock->error = error_of_cause(sock);
		/* The peer had ended, and we had not: there is nothing to be read, nor written. */
		if (sock->error == ECONNRESET && tcp_peer_ended(conn) && !sock->no_write)
			sock->error = EPIPE;
	}
}

static void on_ready(struct tcp_listener *listener)
{
	sock_news(tcp_listener_context(listener));
}

int stream_listen(struct sock *sock, int backlog)
{
	int error;

	if (sock->conn != NULL)
		return -EINVAL;
	sock->backlog = (uint32_t)backlog < LISTEN_MOST ? (uint32_t)backlog : LISTEN_MOST;
	if (sock->listener != NULL) {
		tcp_listener_set_backlog(sock->listener, sock->backlog + 1);
		return 0;
	}
	if (sock->local.ip.family == 0) /* any address: of IPv4, or of both */
		sock->local.ip.family = sock->domain == AF_INET6 ? 6 : 4;
	sock->options.only_family = sock->domain == AF_INET || sock->only_six;
	/* Linux lets one more wait than it was told. */
	error = error_of(tcp_listen(sock->set->tcp, &sock->local, sock->backlog + 1, &sock->options,
	                            on_ready, sock, &sock->listener));
	if (error < 0)
		return error;
	tcp_listener_set_fast_queue(sock->listener, sock->fast_queue);
	(void)tcp_listener_set_fast_keys(sock->listener, sock->fast_keys, sock->fast_keys_n);
	return 0;
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
	new->stamp_flags = sock->stamp_flags;
	new->stamp_kind = sock->stamp_kind;
	memcpy(new->kept, sock->kept, sizeof(new->kept));
	new->reuse = sock->reuse;
	new->receive_low = sock->receive_low;
	new->receive_ns = sock->receive_ns;
	new->send_ns = sock->send_ns;
	new->urgent_inline = sock->urgent_inline;
	new->wants_inq = sock->wants_inq;
	new->linger = sock->linger;
	new->linger_s = sock->linger_s;
	new->arrived_ns = sock->set->now; /* what came with its acknowledgement, if anything */
	new->connected = new->bound = new->told = true;
	if (tcp_conn_state(new->conn) == TCP_STATE_CLOSED) {
		new->ended = true;
		new->error = error_of_cause(new);
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

void sock_expect(struct sock *sock)
{
	struct tcp_options options;

	if (sock->kind != SOCK_KIND_STREAM || !sock->connecting)
		return;
	tcp_conn_get_options(sock->conn, &options);
	options.fast_open |= TCP_FAST_WRITER;
	(void)tcp_conn_set_options(sock->conn, &options);
}

/* The first port that the socket may have by IP_LOCAL_PORT_RANGE, and the last. false: it does not
 * ask for any. */
static bool ports_of(const struct sock *sock, uint16_t *first, uint16_t *last)
{
	const struct tcp_config *config = tcp_stack_config(sock->set->tcp);
	uint32_t range = (uint32_t)sock->kept[option_kept(IPPROTO_IP, LOCAL_PORT_RANGE)];

	*first = range & 0xffff ? (uint16_t)range : config->port_first;
	*last = range >> 16 ? (uint16_t)(range >> 16) : config->port_last;
	return range != 0;
}

int stream_choose_port(const struct sock *sock, struct udp_endpoint *local, tcp_taken_fn *taken)
{
	uint16_t first, last;

	(void)ports_of(sock, &first, &last);
	return tcp_choose_port(sock->set->tcp, local, first, last, taken, sock) == 0 ? 0
	                                                                             : -EADDRINUSE;
}

static int connect_from(struct sock *sock, const struct udp_endpoint *remote, const void *data,
                        uint32_t size, uint32_t *taken)
{
	struct udp_endpoint local = sock->local;
	uint16_t first, most;
	uint32_t port = 0, last = 0;
	int error = TCP_EINUSE;

	if (local.port == 0 && ports_of(sock, &first, &most)) {
		port = first;
		last = most;
	}
	for (; error == TCP_EINUSE && port <= last; port++) {
		local.port = port != 0 ? (uint16_t)port : local.port;
		error = -tcp_connect_data(sock->set->tcp, &local, remote, &sock->options, on_event,
		                          sock, data, size, taken, &sock->conn);
	}
	return error_of(error == TCP_EINUSE && last != 0 ? -TCP_ENOSPC : -error);
}

int stream_begin(struct sock *sock, const struct udp_endpoint *remote, const void *data,
                 uint32_t size, uint32_t *taken)
{
	int error;

	*taken = 0;
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
	error = connect_from(sock, remote, data, size, taken);
	if (error < 0)
		return error;
	sock->connecting = sock->bound = true;
	sock->error = 0;
	return -EINPROGRESS;
}

int stream_connect(struct sock *sock, const struct udp_endpoint *remote)
{
	uint32_t none;

	if (sock->deferred)
		return -EISCONN;
	return stream_defer(sock, remote) ? 0 : stream_begin(sock, remote, NULL, 0, &none);
}

/* As Linux has it, shutting down what is not open yet ends it. */
static void give_up_connect(struct sock *sock)
{
	tcp_abort(sock->conn);
	sock->conn = NULL;
	sock->connecting = false;
	sock->error = ECONNRESET;
	sock_news(sock);
}

int stream_disconnect(struct sock *sock)
{
	bool open = sock->connecting || (sock->connected && !sock->ended);

	if (sock->listener != NULL)
		tcp_listener_close(sock->listener);
	if (sock->conn != NULL)
		tcp_abort(sock->conn);
	sock->listener = NULL;
	sock->conn = NULL;
	sock->connecting = sock->connected = sock->ended = sock->told = sock->deferred = false;
	sock->no_read = sock->no_write = false;
	sock->bound = sock->local.port != 0;
	sock->error = open ? ECONNRESET : 0;
	sock_news(sock);
	return 0;
}

int stream_shutdown(struct sock *sock, int how)
{
	if (sock->listener != NULL) {
		if (how == SHUT_WR)
			return 0;
		tcp_listener_close(sock->listener);
		sock->listener = NULL;
		sock_news(sock);
		return 0;
	}
	if (sock->connecting) {
		give_up_connect(sock);
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
	sock_news(sock);
	return 0;
}

bool sock_lingers(const struct sock *sock)
{
	enum tcp_state state = sock->conn != NULL ? tcp_conn_state(sock->conn) : TCP_STATE_CLOSED;

	return state == TCP_STATE_FIN_WAIT_1 || state == TCP_STATE_CLOSING ||
	       state == TCP_STATE_LAST_ACK;
}

bool sock_linger(struct sock *sock)
{
	if (sock->kind != SOCK_KIND_STREAM || !sock->linger || sock->linger_s <= 0 ||
	    sock->conn == NULL || tcp_unread(sock->conn) > 0 || sock_shutdown(sock, SHUT_WR) < 0)
		return false;
	return sock_lingers(sock);
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

enum { SPANS = 64 };

static int64_t peek(const struct tcp_conn *conn, struct cursor *at, uint32_t most)
{
	struct tcp_span spans[SPANS];
	unsigned n = tcp_peek(conn, spans, SPANS);
	int64_t got = 0;

	for (unsigned i = 0; i < n && most > 0; i++) {
		uint32_t size = spans[i].size < most ? spans[i].size : most;
		uint32_t part = cursor_put(at, spans[i].data, size);

		got += part;
		most -= part;
		if (part < size)
			break;
	}
	return got;
}

static int64_t take(struct tcp_conn *conn, const struct sock_data *to, uint32_t most)
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
		want = want < most ? want : most;
		n = tcp_read(conn, (uint8_t *)piece->iov_base + skip, (uint32_t)want);
		skip = 0;
		got += n;
		most -= n;
		if (n < want || most == 0)
			break;
	}
	return got;
}

/* ---- Urgent data: one byte beside the stream (RFC 6093, 3.2; tcp(7)) ---- */

/* How many unread bytes lie before the urgent one; negative: there is none. */
static int32_t urgent_offset(const struct sock *sock)
{
	int32_t behind;

	return tcp_urgent_offset(sock->conn, &behind) ? behind - 1 : -1;
}

/* Bytes to be read before the urgent one; it itself is passed over once it is next. */
static uint32_t urgent_ahead(struct sock *sock)
{
	int32_t offset = urgent_offset(sock);
	uint32_t unread = tcp_unread(sock->conn);

	if (offset == 0 && unread > 0 && !sock->urgent_inline) {
		tcp_consume(sock->conn, 1);
		return unread - 1;
	}
	return offset > 0 && (uint32_t)offset < unread ? (uint32_t)offset : unread;
}

bool stream_at_mark(const struct sock *sock)
{
	return sock->conn != NULL && urgent_offset(sock) == 0;
}

bool stream_stands(const struct sock *sock)
{
	return stream_at_mark(sock) && !sock->urgent_inline && tcp_unread(sock->conn) > 0;
}

/* There, and not taken yet. */
static bool urgent_waits(const struct sock *sock)
{
	int32_t offset = urgent_offset(sock);

	return offset >= 0 && (uint32_t)offset < tcp_unread(sock->conn) && !sock->urgent_taken;
}

uint32_t stream_unread(const struct sock *sock)
{
	int32_t offset = sock->conn != NULL && !sock->urgent_inline ? urgent_offset(sock) : -1;
	uint32_t unread = sock->conn != NULL ? tcp_unread(sock->conn) : 0;

	return offset >= 0 && (uint32_t)offset < unread ? (uint32_t)offset : unread;
}

uint32_t stream_unacknowledged(const struct sock *sock)
{
	enum tcp_state state = tcp_conn_state(sock->conn);

	if (state == TCP_STATE_SYN_SENT || state == TCP_STATE_SYN_RECEIVED)
		return 0;
	return tcp_unacknowledged(sock->conn) + (state == TCP_STATE_FIN_WAIT_1);
}

static int64_t urgent_receive(struct sock *sock, const struct sock_data *to, int flags)
{
	struct cursor at = cursor_of(to);
	struct tcp_span spans[SPANS];
	int32_t offset = sock->conn != NULL ? urgent_offset(sock) : -1;
	uint32_t left = (uint32_t)offset;

	if (offset < 0 || sock->urgent_inline || sock->urgent_taken)
		return -EINVAL;
	for (unsigned i = 0, n = tcp_peek(sock->conn, spans, SPANS); i < n; i++) {
		if (left < spans[i].size) {
			sock->urgent_taken = (flags & MSG_PEEK) == 0;
			return cursor_put(&at, spans[i].data + left, 1);
		}
		left -= spans[i].size;
	}
	return -EAGAIN;
}

/* Of the `ahead` bytes that may be read now. With MSG_TRUNC they go nowhere (tcp(7)). */
static int64_t receive_some(struct tcp_conn *conn, const struct sock_data *to, int flags,
                            uint32_t ahead)
{
	struct cursor at = cursor_of(to);
	uint64_t room = sock_data_bytes(to);
	uint32_t n = room < ahead ? (uint32_t)room : ahead;

	if ((flags & MSG_TRUNC) == 0)
		return flags & MSG_PEEK ? peek(conn, &at, n) : take(conn, to, n);
	if ((flags & MSG_PEEK) == 0)
		tcp_consume(conn, n);
	return n;
}

int64_t stream_receive(struct sock *sock, const struct sock_data *to, int flags)
{
	uint32_t ahead;
	int error;

	if (sock->listener == NULL && flags & MSG_OOB)
		return urgent_receive(sock, to, flags);
	if (sock->deferred)
		return -EAGAIN;
	if (sock->conn == NULL)
		return sock->error != 0 ? -sock_take_error(sock) : -ENOTCONN;
	if (sock->connecting && !sock->connected)
		return -EAGAIN;
	if (sock_data_bytes(to) == 0)
		return 0;
	ahead = urgent_ahead(sock);
	if (ahead > 0)
		return receive_some(sock->conn, to, flags, ahead);
	error = tcp_peer_ended(sock->conn) ? 0 : sock_tell_error(sock, to);
	if (error != 0)
		return -error;
	return tcp_at_end(sock->conn) || sock->no_read || sock->ended ? 0 : -EAGAIN;
}

static unsigned flags_of(int flags)
{
	return (flags & MSG_MORE ? TCP_SEND_MORE : 0) | (flags & MSG_OOB ? TCP_SEND_URGENT : 0) |
	       (flags & MSG_EOR ? TCP_SEND_RECORD : 0);
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
		                  flags_of(left > 0 ? (flags | MSG_MORE) & ~MSG_EOR : flags));
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
	bool told = zerocopy_may(sock, flags);
	int64_t put;

	if (sock->connecting)
		return -EAGAIN;
	if (sock->error != 0)
		return -sock_tell_error(sock, from);
	if (sock->conn == NULL || sock->no_write || sock->ended)
		return -EPIPE;
	if (told && from->skip == 0 && !zerocopy_room(sock))
		return -ENOBUFS;
	put = give(sock->conn, from, flags);
	sock->queued += put > 0 ? (uint32_t)put : 0;
	if (told && put > 0)
		zerocopy_sent(sock, from->skip > 0);
	if (put > 0 && stamps_may(sock, from->stamp_flags))
		stamps_sent(sock, from->stamp_flags, from->skip > 0);
	return put == 0 && sock_data_bytes(from) > 0 ? -EAGAIN : put;
}

/* As much has come as the window let in: who waits for more would wait for ever. */
static bool is_full(const struct tcp_conn *conn)
{
	struct tcp_conn_info info;

	tcp_conn_info(conn, &info);
	return info.receive_window <= info.receive_mss;
}

static bool is_readable(const struct sock *sock)
{
	uint32_t low = sock->receive_low > 1 ? sock->receive_low : 1;
	uint32_t unread = tcp_unread(sock->conn);

	/* An urgent byte that is passed over is nothing to read. */
	if (stream_at_mark(sock) && !sock->urgent_inline)
		low++;
	return unread >= low || tcp_peer_ended(sock->conn) || (unread > 0 && is_full(sock->conn));
}

unsigned stream_poll(struct sock *sock)
{
	unsigned events = 0;
	bool open = sock->conn != NULL && !sock->connecting;

	if (sock->listener != NULL)
		return tcp_listener_ready(sock->listener) != 0 ? POLLIN | POLLRDNORM : 0;
	if (sock->conn == NULL)
		return POLLOUT | POLLWRNORM | (sock->deferred ? 0 : POLLHUP) |
		       (sock->error != 0 ? POLLERR : 0);
	if (open && (sock->error != 0 || sock->ended || sock->no_read || is_readable(sock)))
		events |= POLLIN | POLLRDNORM;
	if (open &&
	    (sock->error != 0 || sock->ended || sock->no_write || tcp_send_ready(sock->conn)))
		events |= POLLOUT | POLLWRNORM;
	if (open && urgent_waits(sock))
		events |= POLLPRI;
	if (open && (tcp_peer_ended(sock->conn) || sock->ended || sock->no_read))
		events |= POLLRDHUP;
	if (sock->ended || (sock->no_write && (sock->no_read || tcp_peer_ended(sock->conn))))
		events |= POLLHUP;
	return events |
	       (sock->error != 0 || zerocopy_waits(sock) || stamps_wait(sock) ? POLLERR : 0);
}
