/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSG_ZEROCOPY as Linux's programs know it: each such send has a number, and when all that it sent
 * has been acknowledged, the socket's error queue says so, for as many in a row as there are. What
 * is sent was copied, and that is said, too (SO_EE_CODE_ZEROCOPY_COPIED).
 */
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/in.h>

#include "internal.h"

bool zerocopy_may(const struct sock *sock, int flags)
{
	int wanted = option_kept(SOL_SOCKET, SO_ZEROCOPY);

	return (flags & MSG_ZEROCOPY) != 0 && sock->kept[wanted] != 0;
}

/* How much of the stream has been acknowledged, modulo 2^32. */
static uint32_t acknowledged(const struct sock *sock)
{
	return sock->conn == NULL || sock->ended ? sock->queued
	                                         : sock->queued - tcp_unacknowledged(sock->conn);
}

static void advance(struct sock *sock)
{
	uint32_t upto = acknowledged(sock);

	while (sock->zero_done != sock->zero_next &&
	       (int32_t)(upto - sock->zero_ends[sock->zero_done % SOCK_ZEROCOPIES]) >= 0)
		sock->zero_done++;
}

bool zerocopy_room(struct sock *sock)
{
	advance(sock);
	return sock->zero_next - sock->zero_done < SOCK_ZEROCOPIES;
}

void zerocopy_sent(struct sock *sock, bool again)
{
	if (!again)
		sock->zero_next++;
	sock->zero_ends[(sock->zero_next - 1) % SOCK_ZEROCOPIES] = sock->queued;
}

bool zerocopy_waits(struct sock *sock)
{
	if (sock->zero_told == sock->zero_next)
		return false;
	advance(sock);
	return sock->zero_told != sock->zero_done;
}

int sock_errors(struct sock *sock, void *control, size_t room, size_t *used, bool *cut)
{
	struct sock_extended_err error = {.ee_origin = SO_EE_ORIGIN_ZEROCOPY,
	                                  .ee_code = SO_EE_CODE_ZEROCOPY_COPIED,
	                                  .ee_info = sock->zero_told};

	*used = 0;
	*cut = false;
	if (stamps_wait(sock))
		return stamps_errors(sock, control, room, used, cut);
	if (sock->kind != SOCK_KIND_STREAM || !zerocopy_waits(sock))
		return -EAGAIN;
	error.ee_data = sock->zero_done - 1;
	sock->zero_told = sock->zero_done;
	*used = control_add_error(sock, control, room, 0, &error, cut);
	return 0;
}
