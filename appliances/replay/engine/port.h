/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port as the replay engine sees it: where frames leave and arrive, and the clock by which both
 * are timed. The engine runs on whatever offers one: a DPDK device, QEMU's stream socket, the rings
 * of an environment, a simulated wire with virtual time.
 */
#ifndef REPLAY_ENGINE_PORT_H
#define REPLAY_ENGINE_PORT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PORT_BURST = 32,         /* frames that a port takes at once, at most */
	PORT_ETHERNET = 14,      /* bytes of an Ethernet header */
	PORT_WIRE_OVERHEAD = 24, /* checksum, preamble, delimiter, gap (IEEE 802.3, 3.1.1, 4.4.2) */
};

/* A frame that arrived. The bytes stay until the next call of receive. */
struct port_arrival {
	const uint8_t *data;
	uint32_t length;
	uint64_t time_ns; /* the device's own stamp if the port has them, else the driver's */
};

struct port {
	/* Room for a frame of that length, to be filled in before the next call of send; NULL where
	 * there is none now. At most PORT_BURST frames are taken and not sent. */
	uint8_t *(*take)(struct port *port, uint32_t length);
	/* Sends what was taken, oldest first; returns how many went out. The rest stays taken and
	 * is sent by the next call. */
	unsigned (*send)(struct port *port);
	/* Up to PORT_BURST frames that arrived since. */
	unsigned (*receive)(struct port *port, struct port_arrival *arrivals);
	/* Nanoseconds of a clock that never steps. */
	uint64_t (*now)(struct port *port);
	/* Nothing is due before that time, or a frame arrives: rest if you like. May be NULL. */
	void (*idle)(struct port *port, uint64_t until_ns);
	/* Nothing is due before that time, nor awaited: rest, but be back. May be NULL. */
	void (*doze)(struct port *port, uint64_t until_ns);
	/* Why the port can't go on, or NULL. May be NULL itself. */
	const char *(*broken)(struct port *port);
	uint32_t longest; /* bytes of a frame that it can send, Ethernet header included */
};

#endif
