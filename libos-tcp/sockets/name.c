/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses: POSIX's structures and ours. */
#include <netinet/in.h>

#include "internal.h"

static const uint8_t mapped[12] = {[10] = 0xff, 0xff}; /* ::ffff:0:0/96 (RFC 4291, 2.5.5.2) */

static void put_in6(const struct udp_endpoint *endpoint, struct sockaddr_in6 *in6)
{
	*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
	if (endpoint->ip.family == 4) {
		memcpy(in6->sin6_addr.s6_addr, mapped, sizeof(mapped));
		memcpy(in6->sin6_addr.s6_addr + 12, endpoint->ip.bytes, 4);
	} else {
		memcpy(in6->sin6_addr.s6_addr, endpoint->ip.bytes, 16);
	}
}

void sock_address_put(const struct sock *sock, const struct udp_endpoint *endpoint, void *address,
                      socklen_t *size)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 in6;
	const void *from = &in;
	socklen_t full = sizeof(in);

	memcpy(&in.sin_addr, endpoint->ip.bytes, 4);
	put_in6(endpoint, &in6);
	if (sock->domain == AF_INET6) {
		from = &in6;
		full = sizeof(in6);
	}
	memcpy(address, from, *size < full ? *size : full);
	*size = full;
}

static void get_in6(const struct sockaddr_in6 *in6, struct udp_endpoint *endpoint)
{
	static const uint8_t any[16];
	const uint8_t *bytes = in6->sin6_addr.s6_addr;

	endpoint->port = ntohs(in6->sin6_port);
	if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		endpoint->ip.family = 4;
		memcpy(endpoint->ip.bytes, bytes + 12, 4);
	} else if (memcmp(bytes, any, sizeof(any)) != 0) {
		endpoint->ip = udp_ip6(bytes);
	}
}

static void get_in4(const struct sockaddr_in *in, struct udp_endpoint *endpoint)
{
	endpoint->port = ntohs(in->sin_port);
	if (in->sin_addr.s_addr == htonl(INADDR_ANY))
		return;
	endpoint->ip.family = 4;
	memcpy(endpoint->ip.bytes, &in->sin_addr, 4);
}

int sock_address_get(const struct sock *sock, const void *address, socklen_t size,
                     struct udp_endpoint *endpoint)
{
	sa_family_t family;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	*endpoint = (struct udp_endpoint){.port = 0};
	if (address == NULL || size < sizeof(family))
		return -EINVAL;
	memcpy(&family, address, sizeof(family));
	/* Linux takes IPv4's structure for datagrams of IPv6's sockets, too. */
	if (family != sock->domain &&
	    (family != AF_INET || sock->kind != SOCK_KIND_DATAGRAM || sock->only_six))
		return -EAFNOSUPPORT;
	if (family == AF_INET6) {
		if (size < sizeof(in6))
			return -EINVAL;
		memcpy(&in6, address, sizeof(in6));
		get_in6(&in6, endpoint);
		return 0;
	}
	if (size < sizeof(in))
		return -EINVAL;
	memcpy(&in, address, sizeof(in));
	get_in4(&in, endpoint);
	return 0;
}
