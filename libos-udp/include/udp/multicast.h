/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multicast: which groups an interface hears, and from whom (IGMPv3, RFC 3376; MLDv2, RFC 3810; the
 * host's side). Routers and switches are told by reports, again when they ask; with queriers that
 * speak an older version, in that version, without source filters (RFC 3376, 7; RFC 3810, 8).
 *
 * A group is an interface's: all sockets whose local port is a datagram's destination, whose local
 * address is unset or that group, get it, each a copy (sockets must be `shared` to have the same
 * port). Sending to a group needs no membership.
 *
 * Reports go out with the IPv4 option or IPv6 hop-by-hop header "router alert": the flow space must
 * allow IGMP (protocol 2) or IPv6's next header 0. Memberships in solicited-node groups are not
 * reported.
 */
#ifndef UDP_MULTICAST_H
#define UDP_MULTICAST_H

#include "stack.h"

enum { UDP_GROUP_SOURCES_MAX = 8 };

enum udp_group_mode {
	UDP_GROUP_INCLUDE = 0, /* only from these sources; none: the group is left */
	UDP_GROUP_EXCLUDE = 1, /* from all but these; none: from everybody */
};

/*
 * What the interface hears of `group` from now on: IPMulticastListen (RFC 3376, 2). 0, -UDP_EINVAL
 * (no group, all hosts' own group, sources of another family or no sources at all, too many),
 * -UDP_ENOSPC (UDP_GROUPS_MAX are there).
 */
int udp_group_listen(struct udp_stack *stack, unsigned interface, const struct udp_ip *group,
                     enum udp_group_mode mode, const struct udp_ip *sources, unsigned n);
/* From everybody; and no more. */
int udp_group_join(struct udp_stack *stack, unsigned interface, const struct udp_ip *group);
int udp_group_leave(struct udp_stack *stack, unsigned interface, const struct udp_ip *group);

#endif
