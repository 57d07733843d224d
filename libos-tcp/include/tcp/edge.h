/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler in front of the stack (filters/programs/edge.c), from the stack's side: connections
 * that begin and end while nobody has to decide anything cost no trip into the environment. All of
 * it works without the handler, too; IPv6, VLANs and what is unusual always does.
 *
 *     tcp_edge_open with zeroed memory that the handler has as its arena;
 *     tcp_edge_rules, and with the address' MAC `rules` into `.data.rules`;
 *     the handler is bound; when it is not any more: tcp_edge_close
 *
 * Rules say what listeners are there, and with which options: they are to be made anew when that
 * changes. A listener that is closed meanwhile refuses what the handler let in.
 */
#ifndef TCP_EDGE_H
#define TCP_EDGE_H

#include <handlers/edge.h>

#include "conn.h"

/* Begins to share `arena`, zeroed, with a handler that stands in front of that IPv4 address. It
 * must stay until tcp_edge_close. 0; -TCP_EINVAL: there is one already, or the stack is to remember
 * no half-open connections (TCP_COOKIES_ALWAYS). */
int tcp_edge_open(struct tcp_stack *stack, struct edge_arena *arena, const struct udp_ip *address);
/* Fills in the rules, but for the MAC: a door for each listener at the address that wants nothing
 * special, EDGE_DOORS at most, on a network of that MTU. */
void tcp_edge_rules(const struct tcp_stack *stack, uint32_t mtu, struct edge_rules *rules);
/* No handler runs any more: the stack takes over what it has begun. */
void tcp_edge_close(struct tcp_stack *stack);

#endif
