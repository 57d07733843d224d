/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kinds of ports have in common.
 */
#ifndef REPLAY_TOOL_PORT_INTERNAL_H
#define REPLAY_TOOL_PORT_INTERNAL_H

#include "ports.h"

struct ports_port {
	struct port port; /* first: the engine's pointer is ours */
	char driver[64];
	const char *stamps; /* what times arrivals; NULL: the driver's call */
	struct port_statistics statistics;
	bool (*link_up)(struct ports_port *port);
	void (*refresh)(struct ports_port *port); /* of the statistics; may be NULL */
	void (*close)(struct ports_port *port);
};

/* CLOCK_MONOTONIC: what the kernel's own clocks are steered with, so that nothing drifts. */
uint64_t port_clock_ns(void);

/* Begins DPDK with the devices of these names. 0, or -1 and a reason. */
int port_dpdk_begin(const char *const *names, unsigned n, const struct ports_options *options,
                    char *error);
/* The port of the i-th of them. NULL and a reason. */
struct ports_port *port_dpdk_open(unsigned i, const char *name, const struct ports_options *options,
                                  char *error);
void port_dpdk_end(void);

struct ports_port *port_qemu_open(const char *path, const struct ports_options *options,
                                  char *error);

/* Never fails. */
struct ports_port *port_loop_open(const struct ports_options *options);

#endif
