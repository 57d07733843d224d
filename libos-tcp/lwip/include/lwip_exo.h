/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwIP's network interface on exo rings.
 *
 * lwip_exo_open opens one flow space and gives lwIP one interface with the start page's first IPv4
 * address. The program then opens its sockets by lwIP's raw interface and calls lwip_exo_serve, or
 * lwip_exo_poll and lwip_exo_wait in a loop of its own. Frames are copied once between ring buffers
 * and lwIP's pbufs. At an address that others share, somebody else answers and asks ARP: who sent
 * the last frame from an address has it.
 */
#ifndef LWIP_EXO_H
#define LWIP_EXO_H

#include <stdbool.h>

#include <libexo/handover.h>
#include <libexo/net.h>
#include <lwip/netif.h>

struct lwip_exo {
	struct exo_net net;
	struct netif netif;
	struct exo_handover handover; /* listening flows may go to another stack, or come */
	uint64_t due;                 /* of the handover, in nanoseconds since boot */
	uint16_t port;                /* NIC port of the address */
	bool shared;                  /* the address is not ours alone: set before lwip_exo_open */
	uint64_t no_pbuf;             /* frames dropped: lwIP's pool was empty */
	uint64_t damaged;   /* frames dropped: cut, or a checksum that hardware found wrong */
	uint64_t no_buffer; /* packets not sent: the transmit ring was full, or too long */
	char error[EXO_NET_ERROR_MAX];
};

/* `flow`: name of the flow space; NULL: the first. 0 or a negative enum exo_error, with port->error
 * filled in. Once in a program: lwIP's state is global. */
int lwip_exo_open(struct lwip_exo *port, const char *flow);
/* Gives lwIP what has arrived, runs its timers, sends. → frames taken. */
uint32_t lwip_exo_poll(struct lwip_exo *port);
/* Sleeps until something arrives or one of lwIP's timers is due. */
void lwip_exo_wait(struct lwip_exo *port);
_Noreturn void lwip_exo_serve(struct lwip_exo *port);

#endif
