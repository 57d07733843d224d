/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream stack on exo rings: libos-udp's driver (udp/exo.h), its IP layer, and TCP above, put
 * together once for programs that want nothing special. Datagram sockets may be opened on
 * net->driver.stack besides.
 *
 *     static struct tcp_exo net;
 *     struct tcp_exo_options options = tcp_exo_options_default();
 *
 *     if (tcp_exo_open(&net, &options) < 0)
 *             complain(net.driver.error);
 *     tcp_listen(net.stack, &(struct udp_endpoint){.port = 80}, 128, NULL, on_accept, NULL, &l);
 *     tcp_exo_serve(&net);
 *
 * Interface: tcp_exo_open, then connections (tcp/conn.h), then tcp_exo_serve, or a loop of one's
 * own over tcp_exo_poll and tcp_exo_wait. Several may be open in one program, each with a flow
 * space of its own: poll all, then wait until the earliest deadline (net->driver.deadline).
 */
#ifndef TCP_EXO_H
#define TCP_EXO_H

#include <libexo/ext.h>
#include <udp/exo.h>

#include "edge.h"
#include "udp.h"

struct tcp_exo_options {
	struct udp_exo_options udp; /* flow space, rings, roles at the address */
	struct tcp_config tcp;
};

/* A port at which the handler stands. */
struct tcp_exo_door {
	uint16_t port; /* as in a frame; 0: none */
	struct exo_cap binding;
	uint64_t handler;
};

/* The handler in front, where there is one. */
struct tcp_exo_edge {
	bool there;
	const struct exo_start_address *address;
	struct exo_ext ext;
	uint16_t wanted[EDGE_DOORS]; /* ports that are listened to; 0: none */
	struct tcp_exo_door doors[EDGE_DOORS];
};

struct tcp_exo {
	struct udp_exo driver;
	struct tcp_udp glue;
	struct tcp_stack *stack;      /* the glue's */
	struct exo_pages memory;      /* the stack's */
	struct exo_handover handover; /* its listening flows may go to another stack, or come */
	struct tcp_exo_edge edge;
};

/* For a server of a thousand connections: 512 descriptors in each queue, 4 MiB in all. */
struct tcp_exo_options tcp_exo_options_default(void);
/* Opens the driver (udp_exo_open) and the stack on it. 0 or a negative enum exo_error, with
 * net->driver.error filled in; the environment is then best ended. */
int tcp_exo_open(struct tcp_exo *net, const struct tcp_exo_options *options);
/*
 * Puts the handler in front (tcp/edge.h): of the first IPv4 address. Something must be
 * listened to by now; what comes and goes later it is told. It saves the environment most of its
 * trips for short connections, and stays until the end, or until a flow is handed over. A port that
 * is not in the flow space (one that another environment has, and may hand over) does without. 0,
 * or a negative enum exo_error: all goes on without it.
 */
int tcp_exo_edge(struct tcp_exo *net);
void tcp_exo_edge_end(struct tcp_exo *net);
/* What it has done. false: there is none. */
bool tcp_exo_edge_counts(const struct tcp_exo *net, struct edge_counts *counts);
/* Takes what has arrived, does what is due, sends. → frames taken; 0: there is time to wait. */
uint32_t tcp_exo_poll(struct tcp_exo *net);
/* Sleeps until something arrives, a deadline, or at most `ns` nanoseconds (0: no such bound). What
 * the program itself did to connections since the last tcp_exo_poll would wait with it. */
void tcp_exo_wait(struct tcp_exo *net, uint64_t ns);
_Noreturn void tcp_exo_serve(struct tcp_exo *net);

#endif
