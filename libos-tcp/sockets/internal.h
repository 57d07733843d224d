/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the sockets share: one row of operations per kind of socket. */
#ifndef SOCKETS_INTERNAL_H
#define SOCKETS_INTERNAL_H

#include <errno.h>

#include <sockets/sock.h>

enum {
	BLOCK_ROOM = SOCK_BLOCK_BYTES - 64,
	QUEUE_DEFAULT = 212992, /* Linux: net.core.rmem_default */
};

struct sock_block {
	struct sock_block *next;
	uint32_t begin, size; /* bytes not read yet */
	uint32_t total;       /* of the datagram that begins here */
	struct udp_endpoint from;
	struct udp_ip to;
	uint8_t bytes[BLOCK_ROOM];
};

_Static_assert(sizeof(struct sock_block) <= SOCK_BLOCK_BYTES + 32, "a block is what it is called");

/* ---- sock.c ---- */
struct sock *sock_take(struct socks *set, enum sock_kind kind, int domain);
int sock_take_error(struct sock *sock); /* clears it */

/* ---- queue.c ---- */
struct sock_block *queue_block(struct socks *set); /* NULL: none */
void queue_clear(struct socks *set, struct sock_queue *queue);
/* Appends a block that holds `size` bytes. */
void queue_add(struct sock_queue *queue, struct sock_block *block);
/* Takes the first block off and frees it. */
void queue_drop_first(struct socks *set, struct sock_queue *queue);

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
int stream_connect(struct sock *sock, const struct udp_endpoint *remote);
/* 0, -EAGAIN: not yet; or why it failed. */
int stream_connected(struct sock *sock);
int stream_shutdown(struct sock *sock, int how);
void stream_close(struct sock *sock);
int64_t stream_receive(struct sock *sock, const struct sock_data *to, int flags);
int64_t stream_send(struct sock *sock, const struct sock_data *from, int flags);
unsigned stream_poll(struct sock *sock);
/* What there is to read before the urgent byte, if there is one. */
uint32_t stream_unread(const struct sock *sock);
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

/* ---- pair.c ---- */
int pair_shutdown(struct sock *sock, int how);
void pair_close(struct sock *sock);
int64_t pair_receive(struct sock *sock, const struct sock_data *to, int flags);
int64_t pair_send(struct sock *sock, const struct sock_data *from);
unsigned pair_poll(struct sock *sock);

#endif
