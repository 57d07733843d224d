/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A neighbour table that one stack keeps and others read: for an address that several share. Its
 * host environment hears ARP and ND; what it learns it publishes in memory that the others have
 * read-only. They may ask by themselves (UDP_ROLE_ASK); the answer goes to the host, and from there
 * into the table.
 *
 * Readers trust the host with where their packets go, as they trust it with the address. An entry
 * is written with an odd sequence number and read again where that changed meanwhile.
 */
#ifndef UDP_NEIGHBOURS_H
#define UDP_NEIGHBOURS_H

#include "stack.h"

enum { UDP_NEIGHBOURS_MAX = 128 };

struct udp_neighbours_entry {
	uint32_t sequence; /* odd: being written */
	uint8_t used;      /* 1: it holds something */
	uint8_t mac[UDP_MAC_BYTES];
	uint8_t reserved;
	struct udp_ip ip;
};

/* One page, zeroed before it is used. */
struct udp_neighbours {
	struct udp_neighbours_entry entries[UDP_NEIGHBOURS_MAX];
};

_Static_assert(sizeof(struct udp_neighbours) == 4096, "a table is a page");

/* What the interface's neighbours are, the first UDP_NEIGHBOURS_MAX of the stack's table, is
 * written there from now on. NULL: no more. */
int udp_neighbours_publish(struct udp_stack *stack, unsigned interface,
                           struct udp_neighbours *table);
/* Neighbours that the stack does not know itself are looked for there. Where the host has nothing,
 * a stack with UDP_ROLE_ASK asks and looks again for three seconds. */
int udp_neighbours_consult(struct udp_stack *stack, unsigned interface,
                           const struct udp_neighbours *table);

#endif
