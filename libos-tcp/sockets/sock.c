/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of sockets, and what all kinds have in common. */
#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <netinet/in.h>

#include "internal.h"

static size_t aligned(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

size_t socks_bytes(uint32_t sockets, uint32_t blocks)
{
	return aligned(sockets * sizeof(struct sock)) + blocks * sizeof(struct sock_block) +
	       SOCK_GATHER_BYTES;
}

void socks_init(struct socks *set, void *memory, uint32_t sockets, uint32_t blocks)
{
	uint8_t *at = memory;
	struct sock_block *block;

	*set = (struct socks){.all = memory, .n = sockets, .blocks_free = blocks};
	at += aligned(sockets * sizeof(struct sock));
	block = (struct sock_block *)(void *)at;
	for (uint32_t i = 0; i < blocks; i++) {
		block[i].next = set->free;
		set->free = &block[i];
	}
	set->gather = at + blocks * sizeof(struct sock_block);
}

struct sock *socks_at(struct socks *set, uint32_t i)
{
	return i < set->n && set->all[i].kind != SOCK_KIND_FREE ? &set->all[i] : NULL;
}

uint32_t sock_index(const struct sock *sock)
{
	return (uint32_t)(sock - sock->set->all);
}

int sock_take_error(struct sock *sock)
{
	int error = sock->error;

	sock->error = 0;
	return error;
}

int sock_tell_error(struct sock *sock, const struct sock_data *data)
{
	return data->skip > 0 ? sock->error : sock_take_error(sock);
}

struct sock *sock_take(struct socks *set, enum sock_kind kind, int domain)
{
	for (uint32_t i = 0; i < set->n; i++) {
		struct sock *sock = &set->all[i];

		if (sock->kind != SOCK_KIND_FREE)
			continue;
		*sock = (struct sock){.kind = (uint8_t)kind,
		                      .domain = domain,
		                      .set = set,
		                      .queue_most = QUEUE_DEFAULT};
		if (set->tcp != NULL)
			sock->options = tcp_options_default(set->tcp);
		return sock;
	}
	return NULL;
}

int sock_open(struct socks *set, int domain, int type, int protocol, struct sock **made)
{
	enum sock_kind kind = type == SOCK_STREAM ? SOCK_KIND_STREAM : SOCK_KIND_DATAGRAM;
	int only = kind == SOCK_KIND_STREAM ? IPPROTO_TCP : IPPROTO_UDP;

	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != 0 && protocol != only)
		return -EPROTONOSUPPORT;
	if (kind == SOCK_KIND_STREAM ? set->tcp == NULL : set->udp == NULL)
		return -ESOCKTNOSUPPORT;
	*made = sock_take(set, kind, domain);
	return *made != NULL ? 0 : -ENFILE;
}

void sock_close(struct sock *sock)
{
	if (sock->kind == SOCK_KIND_STREAM)
		stream_close(sock);
	else if (sock->kind == SOCK_KIND_DATAGRAM)
		datagram_close(sock);
	else if (sock->kind == SOCK_KIND_LOCAL)
		local_close(sock);
	queue_clear(sock->set, &sock->queue);
	stamps_drop(sock);
	*sock = (struct sock){.kind = SOCK_KIND_FREE};
}

/* Linux's rule: sockets with SO_REUSEADDR may share a port while none of them listens; with
 * SO_REUSEPORT even then. */
static bool may_share(const struct sock *a, const struct sock *b)
{
	return (a->options.reuse && b->options.reuse) ||
	       (a->reuse && b->reuse && a->listener == NULL && b->listener == NULL);
}

static bool is_taken(const void *with, const struct udp_endpoint *wanted)
{
	const struct sock *sock = with;
	const struct socks *set = sock->set;

	for (uint32_t i = 0; wanted->port != 0 && i < set->n; i++) {
		const struct sock *other = &set->all[i];

		if (other == sock || other->kind != SOCK_KIND_STREAM || !other->bound ||
		    other->local.port != wanted->port || may_share(sock, other))
			continue;
		if (other->domain == sock->domain && (udp_ip_is_unspecified(&other->local.ip) ||
		                                      udp_ip_is_unspecified(&wanted->ip) ||
		                                      udp_ip_equal(&other->local.ip, &wanted->ip)))
			return true;
	}
	return false;
}

static bool chooses_at_bind(const struct sock *sock)
{
	return !sock->kept[option_kept(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)];
}

int sock_bind(struct sock *sock, const void *address, socklen_t size)
{
	struct udp_endpoint local;
	int error;

	if (sock->kind == SOCK_KIND_LOCAL)
		return -EINVAL;
	if (sock->bound || sock->conn != NULL || sock->listener != NULL)
		return -EINVAL;
	error = sock_address_get(sock, address, size, &local);
	if (error < 0)
		return error;
	if (sock->kind == SOCK_KIND_STREAM && local.port == 0 && chooses_at_bind(sock))
		error = stream_choose_port(sock, &local, is_taken);
	else if (sock->kind == SOCK_KIND_STREAM && is_taken(sock, &local))
		error = -EADDRINUSE;
	if (error < 0)
		return error;
	sock->local = local;
	error = sock->kind == SOCK_KIND_DATAGRAM ? datagram_bind(sock) : 0;
	sock->bound = error == 0;
	sock->placed = error == 0 && local.ip.family != 0;
	return error;
}

int sock_listen(struct sock *sock, int backlog)
{
	if (sock->kind == SOCK_KIND_LOCAL)
		return local_listen(sock, backlog);
	return sock->kind == SOCK_KIND_STREAM ? stream_listen(sock, backlog) : -EOPNOTSUPP;
}

int sock_accept(struct sock *sock, struct sock **made)
{
	if (sock->kind == SOCK_KIND_LOCAL)
		return local_accept(sock, made);
	return sock->kind == SOCK_KIND_STREAM ? stream_accept(sock, made) : -EOPNOTSUPP;
}

int sock_connect(struct sock *sock, const void *address, socklen_t size)
{
	struct udp_endpoint remote = {.port = 0};
	sa_family_t family = AF_UNSPEC;
	int error;

	if (sock->kind == SOCK_KIND_LOCAL)
		return -EINVAL;
	if (size >= sizeof(family))
		memcpy(&family, address, sizeof(family));
	if (size >= sizeof(family) && family == AF_UNSPEC)
		return sock->kind == SOCK_KIND_STREAM ? stream_disconnect(sock)
		                                      : datagram_connect(sock, &remote);
	error = sock_address_get(sock, address, size, &remote);
	if (error < 0)
		return error;
	if (remote.ip.family == 0)
		return -ENETUNREACH;
	return sock->kind == SOCK_KIND_STREAM ? stream_connect(sock, &remote)
	                                      : datagram_connect(sock, &remote);
}

int sock_connected(struct sock *sock)
{
	return sock->kind == SOCK_KIND_STREAM ? stream_connected(sock) : -sock_take_error(sock);
}

int sock_shutdown(struct sock *sock, int how)
{
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (sock->kind == SOCK_KIND_STREAM)
		return stream_shutdown(sock, how);
	if (sock->kind == SOCK_KIND_LOCAL)
		return local_shutdown(sock, how);
	sock->no_read |= how != SHUT_WR;
	sock->no_write |= how != SHUT_RD;
	sock_news(sock);
	return sock->connected ? 0 : -ENOTCONN;
}

void sock_accepted_name(struct sock *sock, void *address, socklen_t *size)
{
	static const struct sock_name none = {.size = 0};
	struct udp_endpoint remote;

	if (sock->kind == SOCK_KIND_LOCAL) {
		local_name_put(sock->peer != NULL ? &sock->peer->name : &none, address, size);
		return;
	}
	remote = tcp_conn_remote(sock->conn);
	sock_address_put(sock, &remote, address, size);
}

int sock_name(struct sock *sock, bool peer, void *address, socklen_t *size)
{
	struct udp_endpoint endpoint = peer ? sock->remote : sock->local;

	if (sock->kind == SOCK_KIND_LOCAL)
		return local_name(sock, peer, address, size);
	if (peer && (!sock->connected || sock->ended))
		return -ENOTCONN;
	if (sock->conn != NULL)
		endpoint = peer ? tcp_conn_remote(sock->conn) : tcp_conn_local(sock->conn);
	else if (sock->listener != NULL)
		endpoint = *tcp_listener_local(sock->listener);
	sock_address_put(sock, &endpoint, address, size);
	return 0;
}

bool sock_streams(const struct sock *sock)
{
	return sock->kind == SOCK_KIND_STREAM ||
	       (sock->kind == SOCK_KIND_LOCAL && sock->type == SOCK_STREAM);
}

uint64_t sock_awaited(const struct sock *sock, int flags, uint64_t room)
{
	uint64_t low = sock->receive_low > 1 ? sock->receive_low : 1;

	if (!sock_streams(sock))
		return 1;
	return (flags & MSG_WAITALL) != 0 || room < low ? room : low;
}

int64_t sock_receive(struct sock *sock, const struct sock_data *to, int flags,
                     struct sock_origin *origin)
{
	*origin = (struct sock_origin){.datagram = sock->kind == SOCK_KIND_DATAGRAM};
	if (sock->kind == SOCK_KIND_STREAM)
		return stream_receive(sock, to, flags);
	return sock->kind == SOCK_KIND_LOCAL ? local_receive(sock, to, flags, origin)
	                                     : datagram_receive(sock, to, flags, origin);
}

int64_t sock_send(struct sock *sock, const struct sock_data *from, int flags, const void *address,
                  socklen_t size)
{
	struct udp_endpoint to;
	int error;

	if (sock->kind == SOCK_KIND_STREAM && ((flags & MSG_FASTOPEN) || sock->deferred))
		return stream_send_fast(sock, from, flags, address, size);
	if (sock->kind == SOCK_KIND_STREAM)
		return stream_send(sock, from, flags);
	if (sock->kind == SOCK_KIND_LOCAL)
		return local_send(sock, from);
	if (address == NULL || size == 0)
		return sock->connected ? datagram_send(sock, from, NULL) : -EDESTADDRREQ;
	error = sock_address_get(sock, address, size, &to);
	if (error < 0)
		return error;
	return to.ip.family == 0 || to.port == 0 ? -EINVAL : datagram_send(sock, from, &to);
}

unsigned sock_poll(struct sock *sock)
{
	if (sock->kind == SOCK_KIND_STREAM)
		return stream_poll(sock);
	return sock->kind == SOCK_KIND_LOCAL ? local_poll(sock) : datagram_poll(sock);
}

int sock_ioctl(struct sock *sock, unsigned long request, int *value)
{
	if (request == FIONREAD && sock->kind != SOCK_KIND_STREAM) {
		*value = sock->queue.first == NULL ? 0
		         : sock->kind == SOCK_KIND_DATAGRAM || sock->type == SOCK_DGRAM
		                 ? (int)sock->queue.first->total
		                 : (int)sock->queue.bytes;
		return 0;
	}
	if (request != FIONREAD && request != SIOCOUTQ && request != SIOCOUTQNSD &&
	    (request != SIOCATMARK || sock->kind != SOCK_KIND_STREAM))
		return -ENOTTY;
	if (sock->kind != SOCK_KIND_STREAM || (sock->listener != NULL && request != SIOCATMARK))
		return -EINVAL;
	*value = request == FIONREAD     ? (int)stream_unread(sock)
	         : request == SIOCATMARK ? stream_at_mark(sock)
	         : sock->conn == NULL    ? 0
	         : request == SIOCOUTQ   ? (int)stream_unacknowledged(sock)
	                                 : (int)tcp_unsent(sock->conn);
	return 0;
}
