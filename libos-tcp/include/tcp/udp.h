/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream stack on the IP layer of libos-udp: one driver, one clock and one set of buffers for
 * both. Frames go to udp_stack_input as before; TCP segments in them reach the stream stack without
 * a copy. Outgoing segments are written, with headers and checksum, into a buffer of the driver.
 */
#ifndef TCP_UDP_H
#define TCP_UDP_H

#include <udp/stack.h>

#include "conn.h"

/* The glue's state; the caller's memory, for as long as the stack lives. */
struct tcp_udp {
	struct udp_stack *udp;
	struct tcp_stack *tcp;
	uint64_t drops; /* segments for which the driver had no buffer */
	uint64_t told;  /* the deadline that the stack said last */
	bool clocked;   /* the stack's clock was set since somebody asked whether it rests */
};

/* Makes a stream stack in `memory` (as tcp_stack_create) above `udp`, from whose driver time,
 * random numbers and buffers come. 0, -TCP_EINVAL. */
int tcp_udp_open(struct tcp_udp *glue, struct udp_stack *udp, const struct tcp_config *config,
                 void *memory, size_t size);
void tcp_udp_close(struct tcp_udp *glue);
/* Sets the stream stack's clock by the datagram stack's. Call it before a burst of frames goes to
 * udp_stack_input, and before an application acts by itself. */
void tcp_udp_clock(struct tcp_udp *glue);

#endif
