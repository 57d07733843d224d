/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of this computer, by name:
 *
 *   NAME                a network interface: DPDK's af_packet, and AF_XDP without a program for
 *                       sending where the kernel has it (xdp_sender.h); needs CAP_NET_RAW
 *   af_xdp:NAME         the same through DPDK's driver for AF_XDP, which takes from the kernel all
 *                       that arrives
 *   tap:NAME            a tap device that is made
 *   memif:SOCKET        shared memory; the end that finds no SOCKET serves it
 *   vhost:SOCKET        a virtual machine's virtio-net by vhost-user: the end that serves
 *   virtio:SOCKET       the end that a virtual machine would have
 *   pci:ADDRESS         a NIC that is bound to vfio-pci
 *   vdev:ARGUMENTS      any virtual device of DPDK's, in its own words
 *   qemu:SOCKET         QEMU's `-netdev stream`, listened at; needs no privilege
 *   loop:               what is sent comes back at once
 */
#ifndef REPLAY_TOOL_PORTS_H
#define REPLAY_TOOL_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/port.h"

enum {
	PORTS_MAX = 4,
	PORTS_REASON_MAX = 320,
	PORTS_LONGEST = 16384, /* bytes of a frame that may be asked for */
};

struct port_statistics {
	uint64_t sent, received;
	uint64_t receive_missed, receive_errors, send_errors; /* the device's own counts */
	uint64_t too_long; /* arrived in pieces that could not be joined */
};

struct ports_options {
	uint32_t longest;   /* bytes of a frame that shall pass */
	bool verbose;       /* DPDK's own messages */
	bool wait_for_peer; /* until the link is up */
	bool deaf;          /* nothing is received through these ports */
};

struct ports_port; /* one of ours; begins with a struct port */

/*
 * Opens all ports that a run needs, once: DPDK can't begin twice. 0, or -1: error
 * (PORTS_REASON_MAX bytes) says which and why.
 */
int ports_open(const char *const *names, unsigned n, const struct ports_options *options,
               struct port **ports, char *error);
void ports_close(struct port **ports, unsigned n);

/* Bytes of the longest frame that a port of that name sends, Ethernet header and one VLAN tag
 * counted: an interface's MTU decides. */
uint32_t ports_longest(const char *name);

/* What the port's driver is, for people: "af_packet (DPDK 22.11)". */
const char *ports_driver(const struct port *port);
/* By which clock arrivals are timed, for people. */
const char *ports_stamps(const struct port *port);
bool ports_link_up(struct port *port);
void ports_statistics(struct port *port, struct port_statistics *statistics);

#endif
