/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting by sending: TCP Fast Open as tcp(7) and RFC 7413, appendix, have it. */
#include "internal.h"

bool stream_may_fast(const struct sock *sock)
{
	return tcp_stack_config(sock->set->tcp)->fast_open & TCP_FAST_CLIENT;
}

bool stream_defer(struct sock *sock, const struct udp_endpoint *remote)
{
	if (!sock->fast_connect || sock->conn != NULL || sock->listener != NULL)
		return false;
	sock->options.fast_open |= TCP_FAST_ASK;
	if (!tcp_fast_ready(sock->set->tcp, &sock->options, &remote->ip))
		return false;
	sock->remote = *remote;
	sock->deferred = true;
	return true;
}

static int whom(const struct sock *sock, const void *address, socklen_t size,
                struct udp_endpoint *remote)
{
	sa_family_t family = AF_UNSPEC;

	if (address != NULL && size >= sizeof(family))
		memcpy(&family, address, sizeof(family));
	if (!stream_may_fast(sock) || (size >= sizeof(family) && family == AF_UNSPEC))
		return -EOPNOTSUPP;
	if (address == NULL)
		return sock->conn != NULL || sock->listener != NULL ? 0 : -EINVAL;
	return sock_address_get(sock, address, size, remote);
}

int64_t stream_send_fast(struct sock *sock, const struct sock_data *from, int flags,
                         const void *address, socklen_t size)
{
	struct udp_endpoint remote = sock->remote;
	uint64_t bytes = sock_data_bytes(from);
	struct cursor at = cursor_of(from);
	uint32_t taken;
	int error = sock->deferred ? 0 : whom(sock, address, size, &remote);

	if (error < 0)
		return error;
	sock->deferred = false;
	sock->options.fast_open |= TCP_FAST_ASK;
	bytes = cursor_get(&at, sock->set->gather,
	                   bytes < SOCK_GATHER_BYTES ? (uint32_t)bytes : SOCK_GATHER_BYTES);
	error = stream_begin(sock, &remote, sock->set->gather, (uint32_t)bytes, &taken);
	if (error == 0) /* it was open, and nobody had been told */
		return stream_send(sock, from, flags);
	sock->queued += taken;
	if (taken > 0 && zerocopy_may(sock, flags))
		zerocopy_sent(sock, false);
	return error == -EINPROGRESS && taken > 0 ? (int64_t)taken : error;
}
