/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local sockets (unix(7)): what one end writes lies in the other's queue, whole messages or a
 * stream's bytes, with the rights that were sent along.
 *
 * A stream's rights belong to the block that their first byte lies in; who reads any of it has
 * them, and reading stops behind it, so that rights of two messages never come together. A listener
 * makes the other end at once when somebody connects; accepting only finds it.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>

#include "internal.h"

enum {
	QUEUE_MOST = 65536, /* bytes that wait to be read */
	BACKLOG_MOST = 128,
	NAMES = 1 << 20, /* that are made up: five digits */
};

_Static_assert(SOCK_NAME_BYTES == sizeof(((struct sockaddr_un *)0)->sun_path), "unix(7)");

int sock_open_local(struct socks *set, int type, struct sock **made)
{
	if (type != SOCK_STREAM && type != SOCK_SEQPACKET && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	*made = sock_take(set, SOCK_KIND_LOCAL, AF_UNIX);
	if (*made == NULL)
		return -ENFILE;
	(*made)->type = type;
	(*made)->queue_most = QUEUE_MOST;
	return 0;
}

static void join(struct sock *a, struct sock *b)
{
	a->peer = b;
	b->peer = a;
	a->connected = b->connected = true;
}

int sock_pair(struct socks *set, int type, struct sock *made[2])
{
	for (unsigned i = 0; i < 2; i++) {
		int error = sock_open_local(set, type, &made[i]);

		if (error < 0) {
			if (i == 1)
				sock_close(made[0]);
			return error;
		}
	}
	join(made[0], made[1]);
	return 0;
}

/* ---- Names ---- */

static bool same_name(const struct sock_name *a, const struct sock_name *b)
{
	if (a->key != 0 || b->key != 0)
		return a->key == b->key;
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static struct sock *find(const struct socks *set, const struct sock_name *name)
{
	for (uint32_t i = 0; i < set->n; i++) {
		struct sock *sock = &set->all[i];

		if (sock->kind == SOCK_KIND_LOCAL && sock->named && same_name(&sock->name, name))
			return sock;
	}
	return NULL;
}

/* An abstract name of five digits, as Linux makes them. */
static struct sock_name make_up(struct socks *set)
{
	static const char digits[] = "0123456789abcdef";
	struct sock_name name = {.size = 6};
	uint32_t value = set->names++ % NAMES;

	for (unsigned i = 5; i > 0; i--, value >>= 4)
		name.bytes[i] = digits[value & 15];
	return name;
}

int sock_bind_local(struct sock *sock, const struct sock_name *name)
{
	struct sock_name chosen = *name;

	if (sock->kind != SOCK_KIND_LOCAL || sock->named)
		return -EINVAL;
	if (name->size == 0)
		do
			chosen = make_up(sock->set);
		while (find(sock->set, &chosen) != NULL);
	else if (find(sock->set, name) != NULL)
		return -EADDRINUSE;
	sock->name = chosen;
	sock->named = sock->bound = true;
	return 0;
}

void local_name_put(const struct sock_name *name, void *address, socklen_t *size)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t full = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name->size);

	memcpy(un.sun_path, name->bytes, name->size);
	memcpy(address, &un, *size < full ? *size : full);
	*size = full;
}

int local_name(const struct sock *sock, bool peer, void *address, socklen_t *size)
{
	if (peer && sock->peer == NULL)
		return -ENOTCONN;
	local_name_put(peer ? &sock->peer->name : &sock->name, address, size);
	return 0;
}

/* ---- Connecting ---- */

int local_listen(struct sock *sock, int backlog)
{
	if (sock->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!sock->named || sock->connected)
		return -EINVAL;
	sock->listening = true;
	sock->backlog = (uint32_t)backlog < BACKLOG_MOST ? (uint32_t)backlog : BACKLOG_MOST;
	return 0;
}

static int connect_datagram(struct sock *sock, struct sock *other)
{
	if (other->peer != NULL && other->peer != sock)
		return -EPERM; /* it hears another one only */
	sock->peer = other;
	sock->connected = true;
	return 0;
}

int sock_connect_local(struct sock *sock, const struct sock_name *name)
{
	struct sock *other = find(sock->set, name), *end, **last;
	int error;

	if (sock->kind != SOCK_KIND_LOCAL || sock->listening)
		return -EINVAL;
	if (other == NULL)
		return -ECONNREFUSED;
	if (other->type != sock->type)
		return -EPROTOTYPE;
	if (sock->type == SOCK_DGRAM)
		return connect_datagram(sock, other);
	if (sock->connected)
		return -EISCONN;
	if (!other->listening || other->no_read)
		return -ECONNREFUSED;
	if (other->waits > other->backlog)
		return -EAGAIN;
	error = sock_open_local(sock->set, sock->type, &end);
	if (error < 0)
		return error;
	join(sock, end);
	end->name = other->name;
	for (last = &other->waiting; *last != NULL; last = &(*last)->wait_next)
		;
	*last = end;
	other->waits++;
	sock_news(other);
	return 0;
}

int local_accept(struct sock *sock, struct sock **made)
{
	if (sock->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!sock->listening)
		return -EINVAL;
	if (sock->waiting == NULL)
		return sock->no_read ? -EINVAL : -EAGAIN;
	*made = sock->waiting;
	sock->waiting = (*made)->wait_next;
	(*made)->wait_next = NULL;
	sock->waits--;
	sock_news(sock);
	return 0;
}

/* ---- Receiving ---- */

/* Its rights become the receiver's, as far as that takes them. */
static void deliver(struct sock *sock, struct sock_block *block, const struct sock_data *to,
                    struct sock_origin *origin)
{
	for (unsigned i = 0; i < block->rights; i++) {
		uint16_t right = block_right(block, i);

		if (to->rights != NULL && to->rights->n < SOCK_RIGHTS_MAX) {
			to->rights->files[to->rights->n++] = right;
			continue;
		}
		origin->lost_rights = true;
		if (sock->set->drop_right != NULL)
			sock->set->drop_right(right);
	}
	block->rights = 0;
}

static int64_t receive_stream(struct sock *sock, const struct sock_data *to, int flags,
                              struct sock_origin *origin)
{
	struct cursor at = cursor_of(to);
	struct sock_block *block = sock->queue.first;
	int64_t got = 0;

	while (block != NULL) {
		struct sock_block *next = block->next;
		uint32_t n = cursor_put(&at, block->bytes + block->begin, block->size);
		bool all = n == block->size, stop = !all || block->rights != 0;

		got += n;
		if ((flags & MSG_PEEK) == 0 && n > 0) {
			deliver(sock, block, to, origin);
			block->begin += n;
			block->size -= n;
			sock->queue.bytes -= n;
			if (all)
				queue_drop_first(sock->set, &sock->queue);
		}
		if (stop)
			break;
		block = next;
	}
	return got;
}

/* The message that begins with this block. */
static int64_t receive_message(struct sock *sock, const struct sock_data *to, int flags,
                               struct sock_origin *origin)
{
	struct sock_block *block = sock->queue.first;
	struct cursor at = cursor_of(to);
	uint32_t total = block->total, seen = 0, got = 0;
	bool keep = (flags & MSG_PEEK) != 0;

	origin->size = total;
	origin->name.size = block->name;
	memcpy(origin->name.bytes, block->bytes + block_room(block), block->name);
	if (!keep)
		deliver(sock, block, to, origin);
	do {
		struct sock_block *next = block->next;

		got += cursor_put(&at, block->bytes, block->size);
		seen += block->size;
		if (!keep)
			queue_drop_first(sock->set, &sock->queue);
		block = next;
	} while (seen < total);
	return flags & MSG_TRUNC ? total : got;
}

/* What one end shuts, the other one has shut, too; datagrams have no such ends. */
static bool shut(const struct sock *sock, bool own, bool peers)
{
	return own ||
	       (sock->type != SOCK_DGRAM && !sock->listening && (sock->peer == NULL || peers));
}

static bool at_end(const struct sock *sock)
{
	return shut(sock, sock->no_read, sock->peer != NULL && sock->peer->no_write);
}

static bool cant_write(const struct sock *sock)
{
	return shut(sock, sock->no_write, sock->peer != NULL && sock->peer->no_read);
}

int64_t local_receive(struct sock *sock, const struct sock_data *to, int flags,
                      struct sock_origin *origin)
{
	bool stream = sock->type == SOCK_STREAM;
	int64_t got;

	if (sock->type != SOCK_DGRAM && !sock->connected)
		return stream ? -EINVAL : -ENOTCONN;
	origin->datagram = !stream;
	if (sock->queue.first == NULL) {
		if (sock->error != 0)
			return -sock_tell_error(sock, to);
		return at_end(sock) || (stream && sock_data_bytes(to) == 0) ? 0 : -EAGAIN;
	}
	got = stream ? receive_stream(sock, to, flags, origin)
	             : receive_message(sock, to, flags, origin);
	if (sock->peer != NULL)
		sock_news(sock->peer);
	else
		sock->set->news++; /* whoever waits to send to it by name */
	return got;
}

/* ---- Sending ---- */

static void put_rights(struct sock_block *block, struct sock_rights *rights)
{
	for (uint32_t i = 0; rights != NULL && i < rights->n; i++)
		block_put_right(block, rights->files[i]);
	if (rights != NULL)
		rights->n = 0;
}

/* Room behind what was written last, so that many small writes need few blocks. */
static int64_t fill_last(struct sock *peer, struct cursor *at)
{
	struct sock_block *block = peer->queue.last;
	uint32_t end = block != NULL ? block->begin + block->size : 0, n;

	if (block == NULL || end >= block_room(block))
		return 0;
	n = cursor_get(at, block->bytes + end, block_room(block) - end);
	block->size += n;
	peer->queue.bytes += n;
	return n;
}

static int64_t send_stream(struct sock *sock, struct sock *peer, const struct sock_data *from)
{
	struct cursor at = cursor_of(from);
	uint64_t want = sock_data_bytes(from);
	struct sock_rights *rights = from->rights;
	int64_t put = 0;

	if ((rights == NULL || rights->n == 0) && peer->queue.bytes < peer->queue_most)
		put = fill_last(peer, &at);
	while ((uint64_t)put < want && peer->queue.bytes < peer->queue_most) {
		struct sock_block *block = queue_block(sock->set);

		if (block == NULL)
			break;
		put_rights(block, rights);
		rights = NULL;
		block->size = cursor_get(&at, block->bytes, block_room(block));
		put += block->size;
		queue_add(&peer->queue, block);
	}
	return put > 0 || want == 0 ? put : -EAGAIN;
}

static struct sock_block *begin_message(struct sock *sock, const struct sock_data *from)
{
	struct sock_block *block = queue_block(sock->set);

	put_rights(block, from->rights);
	memcpy(block->bytes + block_room(block) - sock->name.size, sock->name.bytes,
	       sock->name.size);
	block->name = sock->name.size;
	return block;
}

static int64_t send_message(struct sock *sock, struct sock *peer, const struct sock_data *from)
{
	enum { EXTRA = SOCK_NAME_BYTES + 2 * SOCK_RIGHTS_MAX };
	uint64_t size = sock_data_bytes(from);
	struct cursor at = cursor_of(from);
	uint32_t left = (uint32_t)size;
	bool first = true;

	if (size > QUEUE_MOST)
		return -EMSGSIZE;
	if (peer->queue.blocks > 0 && peer->queue.bytes + size > peer->queue_most)
		return -EAGAIN;
	if ((left + EXTRA) / BLOCK_ROOM + 1 > sock->set->blocks_free)
		return -EAGAIN;
	do {
		struct sock_block *block =
		        first ? begin_message(sock, from) : queue_block(sock->set);

		block->size = cursor_get(&at, block->bytes, block_room(block));
		block->total = first ? (uint32_t)size : 0;
		left -= block->size;
		first = false;
		queue_add(&peer->queue, block);
	} while (left > 0);
	return (int64_t)size;
}

/* To whom; NULL and *error: to nobody. */
static struct sock *receiver(const struct sock *sock, const struct sock_data *from, int *error)
{
	struct sock *other = sock->peer;

	*error = sock->type != SOCK_DGRAM ? -EPIPE : -ECONNREFUSED;
	if (sock->type != SOCK_DGRAM && !sock->connected) {
		*error = -ENOTCONN;
		return NULL;
	}
	if (sock->type == SOCK_DGRAM && from->name != NULL) {
		other = find(sock->set, from->name);
		if (other != NULL && other->type != SOCK_DGRAM) {
			*error = -EPROTOTYPE;
			return NULL;
		}
		if (other != NULL && other->peer != NULL && other->peer != sock) {
			*error = -EPERM;
			return NULL;
		}
	} else if (sock->type == SOCK_DGRAM && !sock->connected) {
		*error = -ENOTCONN;
	}
	return other;
}

int64_t local_send(struct sock *sock, const struct sock_data *from)
{
	int error;
	struct sock *peer = receiver(sock, from, &error);
	int64_t put;

	if (sock->error != 0 && sock->type == SOCK_DGRAM)
		return -sock_take_error(sock);
	if (sock->no_write || (peer != NULL && peer->no_read))
		return -EPIPE;
	if (peer == NULL)
		return error;
	put = sock->type == SOCK_STREAM ? send_stream(sock, peer, from)
	                                : send_message(sock, peer, from);
	if (put >= 0)
		sock_news(peer);
	else if (put == -EAGAIN)
		sock->set->refused = true;
	return put;
}

/* ---- The rest ---- */

static bool writable(const struct sock *sock)
{
	const struct sock *peer = sock->peer;

	if (peer == NULL)
		return sock->type == SOCK_DGRAM || sock->connected;
	if (sock->type != SOCK_STREAM && peer->queue.bytes > peer->queue_most / 4)
		return false; /* a message that is not small would not fit */
	return peer->queue.bytes < peer->queue_most && sock->set->blocks_free > 0;
}

unsigned local_poll(const struct sock *sock)
{
	unsigned events = 0;
	bool ended = at_end(sock);

	if (sock->type != SOCK_DGRAM && !sock->connected && !sock->listening)
		return POLLOUT | POLLWRNORM | POLLHUP;
	if (sock->queue.first != NULL || sock->waiting != NULL || ended || sock->error != 0)
		events |= POLLIN | POLLRDNORM;
	if (writable(sock))
		events |= POLLOUT | POLLWRNORM;
	if (ended)
		events |= POLLRDHUP | (cant_write(sock) ? POLLHUP : 0);
	return events | (sock->error != 0 ? POLLERR : 0);
}

int local_shutdown(struct sock *sock, int how)
{
	sock->no_read |= how != SHUT_WR;
	sock->no_write |= how != SHUT_RD;
	sock_news(sock);
	if (sock->peer != NULL)
		sock_news(sock->peer);
	return 0;
}

/* Nobody reads what is left, or accepts at all: the other end hears of it. */
static void leave_peer(struct sock *sock, bool refused)
{
	for (uint32_t i = 0; i < sock->set->n; i++) {
		struct sock *other = &sock->set->all[i];

		if (other->kind != SOCK_KIND_LOCAL || other->peer != sock)
			continue;
		other->peer = NULL;
		if (sock->type != SOCK_DGRAM && (refused || sock->queue.first != NULL))
			other->error = ECONNRESET;
		sock_news(other);
	}
	sock->peer = NULL;
}

void local_close(struct sock *sock)
{
	while (sock->waiting != NULL) {
		struct sock *end = sock->waiting;

		sock->waiting = end->wait_next;
		leave_peer(end, true);
		sock_close(end);
	}
	leave_peer(sock, false);
	if (sock->named && sock->name.key != 0 && sock->set->drop_name != NULL)
		sock->set->drop_name(sock->name.key);
	sock->named = false;
}
