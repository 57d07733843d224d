/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reflector: sends back what arrives, with source and destination exchanged as far up as
 * wanted. Checksums need no change: they are sums, and an exchange keeps them.
 */
#ifndef REPLAY_ENGINE_REFLECT_H
#define REPLAY_ENGINE_REFLECT_H

#include <stdint.h>

#include "port.h"

enum reflect_swap {
	REFLECT_NOTHING,
	REFLECT_MAC,       /* Ethernet addresses */
	REFLECT_ADDRESSES, /* and IP addresses */
	REFLECT_PORTS,     /* and TCP's and UDP's ports */
};

/* Their names, and NULL. */
extern const char *const reflect_names[];

struct reflect_tally {
	uint64_t received, received_bytes, sent;
	uint64_t dropped;  /* the port had no room to send */
	uint64_t too_long; /* longer than it sends */
	uint64_t waiting;  /* taken by the port and not sent yet */
};

/* Exchanges in place. frame has at least an Ethernet header. */
void reflect_swap(enum reflect_swap swap, uint8_t *frame, uint32_t length);

/* One round; returns how many frames arrived. */
unsigned reflect_step(struct port *port, enum reflect_swap swap, struct reflect_tally *tally);

#endif
