/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of pcapng (draft-ietf-opsawg-pcapng), put together in the caller's memory: little-endian,
 * nanoseconds, Ethernet. No allocation, no file, so that an environment and the tools of the host
 * write the same.
 *
 *     section      once, first                            (4.1)
 *     interface    one for each, numbered from 0 by order  (4.2)
 *     packet       refers to an interface before it        (4.3)
 *     statistics   of an interface, any number of times    (4.6)
 *
 * Each function writes one whole block to `to` and returns its bytes, a multiple of 4; 0: it does
 * not fit into `room`, and nothing was written that counts. Texts are cut to PCAPNG_TEXT_MAX
 * bytes, NULL or "" leaves the option out.
 */
#ifndef CAPTURE_PCAPNG_H
#define CAPTURE_PCAPNG_H

#include <stdint.h>

enum {
	PCAPNG_TEXT_MAX = 240,
	PCAPNG_HEAD_MAX = 320, /* bytes of a packet's block besides its data */
};

struct pcapng_interface {
	const char *name, *description, *comment, *filter, *hardware;
	const uint8_t *mac; /* NULL: none */
	uint64_t bits_per_second;
	uint32_t snap; /* bytes kept of a packet; 0: all */
};

enum pcapng_direction { /* of epb_flags */
	                PCAPNG_UNKNOWN = 0,
	                PCAPNG_IN = 1,
	                PCAPNG_OUT = 2,
};

struct pcapng_packet {
	uint32_t interface;
	uint32_t captured, length; /* bytes here, and on the wire */
	uint64_t time_ns;          /* since 1970 */
	const void *data;
	uint64_t missed; /* of this interface, between the packet before and this one */
	enum pcapng_direction direction;
	const char *comment;
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t time_ns, start_ns;
	uint64_t received;      /* that the filter accepted */
	uint64_t dropped_below; /* by the NIC, before any filter */
	uint64_t dropped_here;  /* accepted, and lost for want of room */
	uint64_t delivered;
};

uint32_t pcapng_section(void *to, uint32_t room, const char *hardware, const char *system,
                        const char *program, const char *comment);
uint32_t pcapng_interface(void *to, uint32_t room, const struct pcapng_interface *interface);
uint32_t pcapng_packet(void *to, uint32_t room, const struct pcapng_packet *packet);
uint32_t pcapng_statistics(void *to, uint32_t room, const struct pcapng_statistics *statistics);

#endif
