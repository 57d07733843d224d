/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of local streams (socketpair): what one end writes lies in the other's queue. */
#include <poll.h>

#include "internal.h"

enum { PAIR_MOST = 65536 };

int sock_pair(struct socks *set, int type, struct sock *made[2])
{
	if (type != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	for (unsigned i = 0; i < 2; i++) {
		made[i] = sock_take(set, SOCK_KIND_PAIR, AF_UNIX);
		if (made[i] == NULL) {
			if (i == 1)
				sock_close(made[0]);
			return -ENFILE;
		}
		made[i]->connected = true;
		made[i]->queue_most = PAIR_MOST;
	}
	made[0]->peer = made[1];
	made[1]->peer = made[0];
	return 0;
}

int64_t pair_receive(struct sock *sock, const struct sock_data *to, int flags)
{
	struct cursor at = cursor_of(to);
	struct sock_block *block = sock->queue.first;
	int64_t got = 0;

	while (block != NULL && !sock->no_read) {
		struct sock_block *next = block->next;
		uint32_t n = cursor_put(&at, block->bytes + block->begin, block->size);
		bool all = n == block->size;

		got += n;
		if ((flags & MSG_PEEK) == 0) {
			block->begin += n;
			block->size -= n;
			sock->queue.bytes -= n;
			if (all)
				queue_drop_first(sock->set, &sock->queue);
		}
		if (!all)
			break;
		block = next;
	}
	if (got > 0 && sock->peer != NULL)
		sock->peer->edges++;
	if (got > 0 || sock_data_bytes(to) == 0)
		return got;
	return sock->peer == NULL || sock->peer->no_write || sock->no_read ? 0 : -EAGAIN;
}

int64_t pair_send(struct sock *sock, const struct sock_data *from)
{
	struct sock *peer = sock->peer;
	struct cursor at = cursor_of(from);
	uint64_t want = sock_data_bytes(from);
	int64_t put = 0;

	if (peer == NULL || sock->no_write || peer->no_read)
		return -EPIPE;
	while ((uint64_t)put < want && peer->queue.bytes < peer->queue_most) {
		struct sock_block *block = queue_block(sock->set);

		if (block == NULL)
			break;
		block->size = cursor_get(&at, block->bytes, BLOCK_ROOM);
		put += block->size;
		queue_add(&peer->queue, block);
	}
	peer->edges += put > 0;
	return put > 0 || want == 0 ? put : -EAGAIN;
}

unsigned pair_poll(struct sock *sock)
{
	const struct sock *peer = sock->peer;
	unsigned events = 0;

	if (sock->queue.bytes > 0 || peer == NULL || peer->no_write || sock->no_read)
		events |= POLLIN | POLLRDNORM;
	if (peer == NULL || (peer->queue.bytes < peer->queue_most && sock->set->blocks_free > 0))
		events |= POLLOUT | POLLWRNORM;
	if (peer == NULL)
		events |= POLLHUP;
	return events;
}

int pair_shutdown(struct sock *sock, int how)
{
	sock->no_read |= how != SHUT_WR;
	sock->no_write |= how != SHUT_RD;
	sock->edges++;
	if (sock->peer != NULL)
		sock->peer->edges++;
	return 0;
}

void pair_close(struct sock *sock)
{
	if (sock->peer == NULL)
		return;
	sock->peer->peer = NULL;
	sock->peer->edges++;
}
