/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the sockets share: one row of operations per kind of socket. */
#ifndef SOCKETS_INTERNAL_H
#define SOCKETS_INTERNAL_H

#include <errno.h>

#include <sockets/sock.h>

enum {
	BLOCK_ROOM = SOCK_BLOCK_BYTES - 64,
	QUEUE_DEFAULT = 212992, /* Linux: net.core.rmem_default */
	LISTEN_MOST = 4096,     /* Linux: net.core.somaxconn */
};

struct sock_block {
	struct sock_block *next;
	uint32_t begin, size; /* bytes not read yet */
	uint32_t total;       /* of the datagram that begins here */
	uint16_t rights;      /* lie at the end of bytes, and before them … */
	uint8_t name;         /* … so many bytes of the sender's name */
	uint8_t ttl, tos;
	struct udp_endpoint from;
	struct udp_ip to;
	_Alignas(uint64_t) uint8_t bytes[BLOCK_ROOM];
};

_Static_assert(sizeof(struct sock_block) <= SOCK_BLOCK_BYTES + 32, "a block is what it is called");

/* ---- sock.c ---- */
struct sock *sock_take(struct socks *set, enum sock_kind kind, int domain);
int sock_take_error(struct sock *sock); /* clears it */
/* The same, for a call that moves data. One that has moved some already tells of that: the error is
 * the next call's. */
int sock_tell_error(struct sock *sock, const struct sock_data *data);
static inline void sock_news(struct sock *sock)
{
	sock->edges++;
	sock->set->news++;
}

/* ---- queue.c ---- */
struct sock_block *queue_block(struct socks *set); /* NULL: none */
void queue_block_drop(struct socks *set, struct sock_block *block);
void queue_clear(struct socks *set, struct sock_queue *queue);
/* Appends a block that holds `size` bytes. */
void queue_add(struct sock_queue *queue, struct sock_block *block);
/* Takes the first block off and frees it. */
void queue_drop_first(struct socks *set, struct sock_queue *queue);

/* Bytes of data that it holds at most. Its i-th right; one more, before there is anything else. */
uint32_t block_room(const struct sock_block *block);
uint16_t block_right(const struct sock_block *block, unsigned i);
void block_put_right(struct sock_block *block, uint16_t right);

/* Where a copy from or to pieces stands. */
struct cursor {
	const struct iovec *piece, *end;
	uint64_t inside;
};

struct cursor cursor_of(const struct sock_data *data);
/* Copies up to `size` bytes. → how many. */
uint32_t cursor_put(struct cursor *at, const void *from, uint32_t size);
uint32_t cursor_get(struct cursor *at, void *to, uint32_t size);

/* ---- stream.c ---- */
int stream_listen(struct sock *sock, int backlog);
int stream_accept(struct sock *sock, struct sock **made);
/* local->port of its own choice, where bind leaves it to us. -EADDRINUSE. */
int stream_choose_port(const struct sock *sock, struct udp_endpoint *local, tcp_taken_fn *taken);
int stream_connect(struct sock *sock, const struct udp_endpoint *remote);
/* Likewise, with data; *taken: how much of it went with SYN. */
int stream_begin(struct sock *sock, const struct udp_endpoint *remote, const void *data,
                 uint32_t size, uint32_t *taken);
/* 0, -EAGAIN: not yet; or why it failed. */
int stream_connected(struct sock *sock);
/* Ends what there is, so that it may be connected anew (connect to AF_UNSPEC). */
int stream_disconnect(struct sock *sock);
int stream_shutdown(struct sock *sock, int how);
void stream_close(struct sock *sock);
int64_t stream_receive(struct sock *sock, const struct sock_data *to, int flags);
int64_t stream_send(struct sock *sock, const struct sock_data *from, int flags);
unsigned stream_poll(struct sock *sock);
/* What there is to read before the urgent byte, if there is one. */
uint32_t stream_unread(const struct sock *sock);
/* Bytes that are not acknowledged; FIN counts as one. */
uint32_t stream_unacknowledged(const struct sock *sock);
bool stream_at_mark(const struct sock *sock);
/* What ICMP said of an open connection since the last time: an errno, or 0. */
int stream_soft_error(struct sock *sock);

/* ---- datagram.c ---- */
int datagram_bind(struct sock *sock);
int datagram_connect(struct sock *sock, const struct udp_endpoint *remote);
void datagram_close(struct sock *sock);
int64_t datagram_receive(struct sock *sock, const struct sock_data *to, int flags,
                         struct sock_origin *origin);
int64_t datagram_send(struct sock *sock, const struct sock_data *from,
                      const struct udp_endpoint *to);
unsigned datagram_poll(struct sock *sock);
int datagram_group(struct sock *sock, const struct udp_ip *group, bool join);

/* ---- zerocopy.c ---- */
/* Whether a send with these flags is to be told of. */
bool zerocopy_may(const struct sock *sock, int flags);
/* Whether one more may be under way. */
bool zerocopy_room(struct sock *sock);
/* One was queued; or more of the last one (`again`). */
void zerocopy_sent(struct sock *sock, bool again);
/* There is something to be told. */
bool zerocopy_waits(struct sock *sock);

/* ---- stamps.c ---- */
/* Whether a send is to be told of, by its own flags or the socket's. */
bool stamps_may(const struct sock *sock, uint32_t flags);
/* One was queued; or more of the last one (`again`). */
void stamps_sent(struct sock *sock, uint32_t flags, bool again);
bool stamps_wait(const struct sock *sock); /* something is to be told */
/* Tells it: flags of the message. */
int stamps_errors(struct sock *sock, void *control, size_t room, size_t *used, bool *cut);
/* When what was received came. → bytes used. */
size_t stamps_put(struct sock *sock, void *control, size_t room, size_t used, bool *cut);
int stamps_set(struct sock *sock, uint32_t flags); /* SO_TIMESTAMPING: an errno */
void stamps_drop(struct sock *sock);

/* ---- fast.c ---- */
/* Connecting with the first data (TCP Fast Open): whether the stack does so at all. */
bool stream_may_fast(const struct sock *sock);
/* MSG_FASTOPEN, or the first data after a connect that was put off. Bytes; -EINPROGRESS: it
 * connects, and has taken none. */
int64_t stream_send_fast(struct sock *sock, const struct sock_data *from, int flags,
                         const void *address, socklen_t size);
/* Puts connecting off until there is something to send, where that may go with SYN. */
bool stream_defer(struct sock *sock, const struct udp_endpoint *remote);

/* ---- option.c ---- */
enum { OPTION_NAME_BYTES = 16 }; /* Linux: TCP_CA_NAME_MAX */
extern const char option_congestions[TCP_CONGESTIONS][OPTION_NAME_BYTES];
/* IP_LOCAL_PORT_RANGE, later than the headers: the lower port in the lower half. */
enum { LOCAL_PORT_RANGE = 51 };

/* Which of the options that are only kept; -1: none of those. */
int option_kept(int level, int name);
/* What a socket's options are now. */
struct tcp_options options_of(const struct sock *sock);
/* Whether a socket knows a level at all. */
bool option_knows_level(const struct sock *sock, int level);

/* ---- control.c ---- */
/* Writes one. → bytes; *cut: not all fit. */
size_t control_add(void *control, size_t room, size_t used, int level, int type, const void *data,
                   size_t size, bool *cut);
/* IP_RECVERR's, or IPv6's. */
struct sock_extended_err;
size_t control_add_error(const struct sock *sock, void *control, size_t room, size_t used,
                         const struct sock_extended_err *error, bool *cut);
/* What is told beside the data that is received; NULL: the option is none of those. */
bool *control_wanted(struct sock *sock, int level, int name);

/* ---- local.c ---- */
int local_listen(struct sock *sock, int backlog);
int local_accept(struct sock *sock, struct sock **made);
int local_shutdown(struct sock *sock, int how);
void local_close(struct sock *sock);
int64_t local_receive(struct sock *sock, const struct sock_data *to, int flags,
                      struct sock_origin *origin);
int64_t local_send(struct sock *sock, const struct sock_data *from);
unsigned local_poll(const struct sock *sock);
int local_name(const struct sock *sock, bool peer, void *address, socklen_t *size);

#endif
