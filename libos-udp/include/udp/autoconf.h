/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6 addresses without a server: a link-local address, and one for each prefix that a router
 * announces (RFC 4861, 6.3; RFC 4862), with the routers, name servers (RFC 8106) and MTU that the
 * announcements name. Interface identifiers are stable and tell nothing of the MAC address to who
 * does not know the secret (RFC 7217). Each address is asked for before it is used; where somebody
 * has it the next identifier is tried, three times.
 *
 * Announcements are untrusted, bounded and believed as far as the RFCs say: a neighbour who lies is
 * not told from a router. Not done: DHCPv6, redirects, temporary addresses.
 *
 * What comes and goes is told by UDP_NOTICE_READY and UDP_NOTICE_GONE, and udp_autoconf_get says
 * what holds now.
 */
#ifndef UDP_AUTOCONF_H
#define UDP_AUTOCONF_H

#include "stack.h"

enum {
	UDP_AUTOCONF_PREFIXES_MAX = 3, /* of one interface, besides the link's own */
	UDP_AUTOCONF_ROUTERS_MAX = 4,
	UDP_AUTOCONF_DNS_MAX = 4,
};

struct udp_autoconf_info {
	struct udp_ip link;    /* the link-local address; family 0: not usable (yet) */
	struct udp_ip ip;      /* a global one, preferred where there is such; family 0: none */
	uint8_t prefix;        /* of `ip`: what is on the link */
	struct udp_ip gateway; /* family 0: none */
	struct udp_ip dns[UDP_AUTOCONF_DNS_MAX];
	uint32_t n_dns;
	uint32_t mtu; /* 0: the interface's */
};

/* Begins on an interface; the stack must have UDP_ROLE_RESOLVE. `secret`: 128 bits that stay the
 * same over boots, so that addresses do. 0, -UDP_EINVAL, -UDP_EINUSE (it has begun already),
 * -UDP_ENOSPC. */
int udp_autoconf_start(struct udp_stack *stack, unsigned interface, const uint64_t secret[2]);
/* What holds now. */
void udp_autoconf_get(const struct udp_stack *stack, unsigned interface,
                      struct udp_autoconf_info *info);
/* The link-local address, usable or not yet. Family 0: autoconfiguration has not begun. */
struct udp_ip udp_autoconf_link(const struct udp_stack *stack, unsigned interface);

#endif
