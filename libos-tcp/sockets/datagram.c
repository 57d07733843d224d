/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagram sockets on libos-udp (udp(7)): what arrives is copied into blocks of the set, so that an
 * application that does not read keeps no buffer from the network. */
#include <poll.h>

#include <udp/multicast.h>
#include <udp/transport.h>

#include "internal.h"

static int error_of(int status)
{
	switch (-status) {
	case 0:
		return 0;
	case UDP_EINVAL:
		return -EADDRNOTAVAIL;
	case UDP_ENOBUFS:
		return -ENOBUFS;
	case UDP_ENOSPC:
	case UDP_EINUSE:
		return -EADDRINUSE;
	case UDP_EUNREACHABLE:
		return -ENETUNREACH;
	case UDP_EMSGSIZE:
		return -EMSGSIZE;
	default:
		return -EINVAL;
	}
}

static uint32_t blocks_for(uint32_t size)
{
	return size == 0 ? 1 : (size + BLOCK_ROOM - 1) / BLOCK_ROOM;
}

static void on_receive(struct udp_socket *socket, struct udp_datagram *datagram)
{
	struct sock *sock = socket->context;
	uint32_t n = blocks_for(datagram->size), at = 0;

	if (sock->no_read || n > sock->set->blocks_free ||
	    (sock->queue.blocks + n) * SOCK_BLOCK_BYTES > sock->queue_most) {
		sock->dropped++;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct sock_block *block = queue_block(sock->set);

		block->size = datagram->size - at < BLOCK_ROOM ? datagram->size - at : BLOCK_ROOM;
		block->total = datagram->size;
		block->from = datagram->from;
		block->to = datagram->to.ip;
		block->ttl = datagram->ttl;
		block->tos = datagram->tos;
		memcpy(block->bytes, datagram->data + at, block->size);
		at += block->size;
		queue_add(&sock->queue, block);
	}
	sock_news(sock);
}

/* Only who is connected hears of errors (udp(7)). */
static void on_failure(struct udp_socket *socket, enum udp_failure failure,
                       const struct udp_endpoint *remote, uint32_t value)
{
	static const int errors[] = {[UDP_FAILURE_UNREACHABLE] = EHOSTUNREACH,
	                             [UDP_FAILURE_REFUSED] = ECONNREFUSED,
	                             [UDP_FAILURE_TOO_BIG] = EMSGSIZE,
	                             [UDP_FAILURE_EXPIRED] = EHOSTUNREACH,
	                             [UDP_FAILURE_NEIGHBOUR] = EHOSTUNREACH};
	struct sock *sock = socket->context;

	if (!sock->connected || (unsigned)failure >= sizeof(errors) / sizeof(errors[0]))
		return;
	sock->error = errors[failure];
	sock_news(sock);
}

int datagram_bind(struct sock *sock)
{
	struct udp_socket *udp = &sock->udp;
	int status;

	udp_socket_close(udp);
	*udp = (struct udp_socket){
	        .receive = on_receive,
	        .failure = on_failure,
	        .context = sock,
	        .local = sock->local,
	        .only_family = sock->domain == AF_INET ? 4
	                       : sock->only_six        ? 6
	                                               : 0,
	        .ttl = sock->options.ttl,
	        .tos = sock->options.tos,
	        .shared = sock->reuse || sock->options.reuse,
	};
	/* Port 0 may be connected to: resolvers ask so for the address to speak from. */
	if (sock->remote.port != 0)
		udp->remote = sock->remote;
	status = udp_socket_open(sock->set->udp, udp);
	if (status == 0)
		sock->local = udp->local;
	return error_of(status);
}

/* A port of its own before the first datagram leaves. */
static int open_now(struct sock *sock)
{
	int error = sock->udp.stack != NULL ? 0 : datagram_bind(sock);

	sock->bound = sock->bound || error == 0;
	return error;
}

/* -EACCES: it is everybody's address, and SO_BROADCAST was not asked for (ip(7)). */
static int may_reach(const struct sock *sock, const struct udp_ip *ip)
{
	return sock->broadcast || !udp_transport_is_broadcast(sock->set->udp, ip) ? 0 : -EACCES;
}

/* Where it goes to everybody, the address to speak from is chosen for each datagram. */
static int find_own(const struct sock *sock, const struct udp_ip *remote, struct udp_ip *own)
{
	if (udp_transport_is_broadcast(sock->set->udp, remote))
		return may_reach(sock, remote);
	return udp_transport_path(sock->set->udp, remote, own) == 0 ? -ENETUNREACH : 0;
}

int datagram_connect(struct sock *sock, const struct udp_endpoint *remote)
{
	struct udp_endpoint before = sock->local, before_remote = sock->remote;
	struct udp_ip own = sock->local.ip;
	int error = remote->ip.family != 0 ? find_own(sock, &remote->ip, &own) : 0;

	if (error < 0)
		return error;
	if (!sock->placed)
		sock->local.ip = remote->ip.family != 0 ? own : udp_ip_none();
	sock->remote = *remote;
	error = datagram_bind(sock);
	if (error < 0) {
		sock->local = before;
		sock->remote = before_remote;
		if (sock->bound)
			(void)datagram_bind(sock);
		return error;
	}
	sock->bound = true;
	sock->connected = remote->ip.family != 0;
	sock->error = 0;
	return 0;
}

void datagram_close(struct sock *sock)
{
	while (sock->groups_n > 0)
		(void)datagram_group(sock, &sock->groups[0], false);
	udp_socket_close(&sock->udp);
}

int64_t datagram_receive(struct sock *sock, const struct sock_data *to, int flags,
                         struct sock_origin *origin)
{
	struct sock_block *block = sock->queue.first;
	struct cursor at = cursor_of(to);
	uint32_t left, n, got = 0;

	if (sock->error != 0)
		return -sock_take_error(sock);
	if (block == NULL)
		return sock->no_read ? 0 : -EAGAIN;
	origin->from = block->from;
	origin->to = (struct udp_endpoint){.ip = block->to, .port = sock->local.port};
	origin->size = left = block->total;
	origin->ttl = block->ttl;
	origin->tos = block->tos;
	for (n = blocks_for(left); n > 0; n--, block = block->next)
		got += cursor_put(&at, block->bytes, block->size);
	if ((flags & MSG_PEEK) == 0)
		for (n = blocks_for(left); n > 0; n--)
			queue_drop_first(sock->set, &sock->queue);
	return flags & MSG_TRUNC ? left : got;
}

/* Its first byte, all of it together. */
static const void *gather(struct sock *sock, const struct sock_data *from, uint32_t size)
{
	struct cursor at = cursor_of(from);

	if (from->n == 1)
		return (const uint8_t *)from->pieces[0].iov_base + from->skip;
	(void)cursor_get(&at, sock->set->gather, size);
	return sock->set->gather;
}

int64_t datagram_send(struct sock *sock, const struct sock_data *from,
                      const struct udp_endpoint *to)
{
	uint64_t size = sock_data_bytes(from);
	const struct udp_endpoint *where = to != NULL ? to : &sock->remote;
	int error;

	if (sock->error != 0)
		return -sock_take_error(sock);
	if (sock->no_write)
		return -EPIPE;
	if (size > (where->ip.family == 6 ? (uint32_t)UDP_DATAGRAM_MAX6 : UDP_DATAGRAM_MAX4))
		return -EMSGSIZE;
	if (where->port == 0)
		return -EINVAL;
	if (sock->domain == AF_INET6 && sock->only_six && where->ip.family == 4)
		return -ENETUNREACH;
	error = may_reach(sock, &where->ip);
	if (error == 0)
		error = open_now(sock);
	if (error < 0)
		return error;
	sock->udp.ttl = sock->options.ttl;
	sock->udp.tos = sock->options.tos;
	if (from->source.family != 0)
		sock->udp.local.ip = from->source;
	error = error_of(udp_socket_send_copy(&sock->udp, gather(sock, from, (uint32_t)size),
	                                      (uint32_t)size, where));
	sock->udp.local.ip = sock->local.ip;
	return error < 0 ? error : (int64_t)size;
}

unsigned datagram_poll(struct sock *sock)
{
	unsigned events = POLLOUT | POLLWRNORM;

	if (sock->queue.first != NULL || sock->error != 0 || sock->no_read)
		events |= POLLIN | POLLRDNORM;
	if (sock->no_read)
		events |= POLLRDHUP | (sock->no_write ? POLLHUP : 0);
	return events | (sock->error != 0 ? POLLERR : 0);
}

/* ---- Groups ---- */

static int find_group(const struct sock *sock, const struct udp_ip *group)
{
	for (int i = 0; i < sock->groups_n; i++)
		if (udp_ip_equal(&sock->groups[i], group))
			return i;
	return -1;
}

/* Whether another socket of the set still wants to hear the group. */
static bool wanted(const struct sock *sock, const struct udp_ip *group)
{
	for (uint32_t i = 0; i < sock->set->n; i++) {
		const struct sock *other = &sock->set->all[i];

		if (other != sock && other->kind == SOCK_KIND_DATAGRAM &&
		    find_group(other, group) >= 0)
			return true;
	}
	return false;
}

int datagram_group(struct sock *sock, const struct udp_ip *group, bool join)
{
	int found = find_group(sock, group), status = 0;

	if (sock->kind != SOCK_KIND_DATAGRAM || !udp_ip_is_multicast(group))
		return -EINVAL;
	if (join == (found >= 0))
		return join ? -EADDRINUSE : -EADDRNOTAVAIL;
	if (join && sock->groups_n == SOCK_GROUPS_MAX)
		return -ENOBUFS;
	if (!wanted(sock, group))
		status = join ? udp_group_join(sock->set->udp, 0, group)
		              : udp_group_leave(sock->set->udp, 0, group);
	if (status != 0)
		return -ENOBUFS;
	if (join)
		sock->groups[sock->groups_n++] = *group;
	else
		sock->groups[found] = sock->groups[--sock->groups_n];
	return 0;
}
