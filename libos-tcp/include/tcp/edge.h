/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler in front of the stack (filters/programs/edge.c), from the stack's side: connections
 * that begin and end while nobody has to decide anything cost no trip into the environment. All of
 * it works without the handler, too; IPv6, VLANs and what is unusual always does.
 *
 *     tcp_edge_open with zeroed memory that the handler has as its arena, and with a function
 *     that puts rules into `.data.rules`;
 *     the handler is bound; when it is not any more: tcp_edge_close
 *
 * Rules say what listeners are there, and with which options, and are told anew when that changes.
 */
#ifndef TCP_EDGE_H
#define TCP_EDGE_H

#include <handlers/edge.h>

#include "conn.h"

/* Where the handler stands. */
struct tcp_edge {
	struct udp_ip address; /* in front of this one, of IPv4 */
	uint32_t mtu;          /* of its network */
	uint8_t mac[6];
	/* Puts them into `.data.rules`: a door for each listener at the address that wants nothing
	 * special and takes connections, EDGE_DOORS at most. It is called as listeners come, go and
	 * change, and must not call the stack. false: it could not. */
	bool (*update)(void *context, const struct edge_rules *rules);
	void *context;
};

/* Begins to share `arena`, zeroed, with a handler; it must stay until tcp_edge_close. 0;
 * -TCP_EINVAL: there is one already, the stack is to remember no half-open connections
 * (TCP_COOKIES_ALWAYS), or there can be no rules. */
int tcp_edge_open(struct tcp_stack *stack, struct edge_arena *arena, const struct tcp_edge *edge);
/* No handler runs any more: the stack takes over what it has begun. */
void tcp_edge_close(struct tcp_stack *stack);

#endif
