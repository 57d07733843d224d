/* SPDX-License-Identifier: BSD-2-Clause */
/* Control messages (cmsg(3), ip(7), ipv6(7), unix(7)): what goes beside the data. The sender's are
 * read from its memory field by field, each field once. */
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>

#include "internal.h"

enum {
	HEADER = sizeof(struct cmsghdr),
	ALIGNED = sizeof(size_t),
	CM_INQ = 36, /* linux/tcp.h: TCP_CM_INQ */
};

static size_t aligned(size_t size)
{
	return (size + ALIGNED - 1) / ALIGNED * ALIGNED;
}

/* ---- Sent ---- */

static int read_source(const struct sock *sock, int level, const uint8_t *data, size_t size,
                       struct udp_ip *source)
{
	struct in_pktinfo four;
	struct in6_pktinfo six;
	static const uint8_t any[16];

	if (sock->kind != SOCK_KIND_DATAGRAM)
		return -EINVAL;
	if (level == IPPROTO_IP) {
		if (size != sizeof(four))
			return -EINVAL;
		memcpy(&four, data, sizeof(four));
		if (four.ipi_spec_dst.s_addr != 0) {
			source->family = 4;
			memcpy(source->bytes, &four.ipi_spec_dst, 4);
		}
		return 0;
	}
	if (size < sizeof(six) || sock->domain != AF_INET6)
		return -EINVAL;
	memcpy(&six, data, sizeof(six));
	if (memcmp(&six.ipi6_addr, any, sizeof(any)) != 0)
		*source = udp_ip6(six.ipi6_addr.s6_addr);
	return 0;
}

static int read_rights(const struct sock *sock, const uint8_t *data, size_t size,
                       struct sock_data *to, int (*right)(struct sock_rights *, int))
{
	int fd, error = 0;

	if (sock->kind != SOCK_KIND_LOCAL || to->rights == NULL)
		return -EINVAL;
	for (size_t at = 0; error == 0 && size - at >= sizeof(fd); at += sizeof(fd)) {
		memcpy(&fd, data + at, sizeof(fd));
		error = to->rights->n < SOCK_RIGHTS_MAX ? right(to->rights, fd) : -EINVAL;
	}
	return error;
}

/* Which times of this message are to be told (SO_TIMESTAMPING). */
static int read_stamps(const uint8_t *data, size_t size, uint32_t *flags)
{
	if (size != sizeof(*flags))
		return -EINVAL;
	memcpy(flags, data, sizeof(*flags));
	return *flags & ~(uint32_t)SOF_TIMESTAMPING_TX_RECORD_MASK ? -EINVAL : 0;
}

int sock_control_read(const struct sock *sock, const void *control, size_t size,
                      struct sock_data *data, int (*right)(struct sock_rights *rights, int fd))
{
	const uint8_t *at = control;
	struct cmsghdr header;
	int error = 0;

	while (error == 0 && size >= HEADER) {
		memcpy(&header, at, HEADER);
		if (header.cmsg_len < HEADER || header.cmsg_len > size)
			return -EINVAL;
		if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS)
			error = read_rights(sock, at + HEADER, header.cmsg_len - HEADER, data,
			                    right);
		else if ((header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_PKTINFO) ||
		         (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_PKTINFO))
			error = read_source(sock, header.cmsg_level, at + HEADER,
			                    header.cmsg_len - HEADER, &data->source);
		else if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SO_TIMESTAMPING)
			error = read_stamps(at + HEADER, header.cmsg_len - HEADER,
			                    &data->stamp_flags);
		else if (header.cmsg_level == SOL_SOCKET || sock->kind == SOCK_KIND_DATAGRAM)
			error = -EINVAL; /* of other levels a stream takes no notice */
		if (size - header.cmsg_len < ALIGNED)
			break;
		size -= aligned(header.cmsg_len) < size ? aligned(header.cmsg_len) : size;
		at += aligned(header.cmsg_len);
	}
	return error;
}

/* ---- Received ---- */

bool *control_wanted(struct sock *sock, int level, int name)
{
	const struct {
		int level, name;
		bool *wanted;
	} all[] = {
	        {IPPROTO_IP, IP_PKTINFO, &sock->wants_to},
	        {IPPROTO_IP, IP_RECVTTL, &sock->wants_ttl},
	        {IPPROTO_IP, IP_RECVTOS, &sock->wants_tos},
	        {IPPROTO_IPV6, IPV6_RECVPKTINFO, &sock->wants_to},
	        {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &sock->wants_ttl},
	        {IPPROTO_IPV6, IPV6_RECVTCLASS, &sock->wants_tos},
	        {IPPROTO_TCP, CM_INQ, &sock->wants_inq},
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].level == level && all[i].name == name)
			return level == (sock->kind == SOCK_KIND_STREAM ? IPPROTO_TCP
			                 : sock->domain == AF_INET6     ? IPPROTO_IPV6
			                                                : IPPROTO_IP) &&
			                       sock->kind != SOCK_KIND_LOCAL
			               ? all[i].wanted
			               : NULL;
	return NULL;
}

struct writer {
	uint8_t *at;
	size_t room, used;
	bool cut;
};

/* As Linux does it, what does not fit is cut; of rights whole ones are left out. */
static void put(struct writer *to, int level, int type, const void *data, size_t size)
{
	struct cmsghdr header = {.cmsg_len = HEADER + size, .cmsg_level = level, .cmsg_type = type};

	if (to->room - to->used < HEADER) {
		to->cut = true;
		return;
	}
	if (to->room - to->used < HEADER + size) {
		to->cut = true;
		size = to->room - to->used - HEADER;
		header.cmsg_len = HEADER + size;
	}
	memcpy(to->at + to->used, &header, HEADER);
	memcpy(to->at + to->used + HEADER, data, size);
	to->used += HEADER + aligned(size) < to->room - to->used ? HEADER + aligned(size)
	                                                         : to->room - to->used;
}

size_t control_add(void *control, size_t room, size_t used, int level, int type, const void *data,
                   size_t size, bool *cut)
{
	struct writer to = {.at = control, .room = control != NULL ? room : 0, .used = used};

	put(&to, level, type, data, size);
	*cut |= to.cut;
	return to.used;
}

size_t control_add_error(const struct sock *sock, void *control, size_t room, size_t used,
                         const struct sock_extended_err *error, bool *cut)
{
	struct {
		struct sock_extended_err error;
		uint8_t offender[sizeof(struct sockaddr_in6)];
	} said = {.error = *error};
	bool six = sock->domain == AF_INET6;

	return control_add(control, room, used, six ? IPPROTO_IPV6 : IPPROTO_IP,
	                   six ? IPV6_RECVERR : IP_RECVERR, &said,
	                   sizeof(said.error) +
	                           (six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)),
	                   cut);
}

static void put_address(struct writer *to, const struct sock *sock, const struct udp_ip *ip)
{
	if (sock->domain == AF_INET) {
		struct in_pktinfo four = {.ipi_ifindex = 1};

		memcpy(&four.ipi_addr, ip->bytes, 4);
		four.ipi_spec_dst = four.ipi_addr;
		put(to, IPPROTO_IP, IP_PKTINFO, &four, sizeof(four));
	} else {
		struct in6_pktinfo six = {.ipi6_ifindex = 1};
		uint8_t *bytes = six.ipi6_addr.s6_addr;

		if (ip->family == 6) {
			memcpy(bytes, ip->bytes, 16);
		} else {
			bytes[10] = bytes[11] = 0xff;
			memcpy(bytes + 12, ip->bytes, 4);
		}
		put(to, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof(six));
	}
}

static void put_datagram(struct writer *to, const struct sock *sock,
                         const struct sock_origin *origin)
{
	bool six = sock->domain == AF_INET6;
	int ttl = origin->ttl, tos = origin->tos;

	if (sock->wants_to)
		put_address(to, sock, &origin->to.ip);
	if (sock->wants_ttl)
		put(to, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_HOPLIMIT : IP_TTL, &ttl,
		    sizeof(ttl));
	if (sock->wants_tos && six)
		put(to, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	else if (sock->wants_tos)
		put(to, IPPROTO_IP, IP_TOS, &origin->tos, sizeof(origin->tos));
}

size_t sock_control_write(struct sock *sock, const struct sock_origin *origin, const int *fds,
                          uint32_t n, void *control, size_t room, bool *cut)
{
	struct writer to = {.at = control, .room = control != NULL ? room : 0};
	int unread;

	if (sock->kind == SOCK_KIND_DATAGRAM && origin->from.ip.family != 0)
		put_datagram(&to, sock, origin);
	if (sock->kind == SOCK_KIND_STREAM)
		to.used = stamps_put(sock, to.at, to.room, to.used, &to.cut);
	if (sock->kind == SOCK_KIND_STREAM && sock->wants_inq && sock->conn != NULL) {
		unread = (int)stream_unread(sock);
		if (unread == 0 && tcp_peer_ended(sock->conn))
			unread = 1; /* the end can be read */
		put(&to, IPPROTO_TCP, CM_INQ, &unread, sizeof(unread));
	}
	if (n > 0)
		put(&to, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof(*fds));
	*cut = to.cut || origin->lost_rights;
	return to.used;
}
