/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Knowing a packet again when it comes back, by a signature that was written into its payload, or
 * where that is not allowed or finds no room, by its content.
 */
#ifndef REPLAY_ENGINE_IDENTITY_H
#define REPLAY_ENGINE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

enum { SIGNATURE_SIZE = 16 };

struct signature {
	uint32_t run;      /* of this replay, so that another's packets are not taken for ours; its
	                      lower half names the clock of time_ns, 0: one that nobody shares */
	uint32_t sequence; /* of the frame, its low 32 bits */
	uint64_t time_ns;  /* of departure, by the sender's clock */
};

/* Overwrites the last bytes of the payload, and adjusts checksums. False where the payload is too
 * small, or belongs to a fragment whose checksum lies in another packet: nothing is written. */
bool signature_put(uint8_t *frame, uint32_t length, const struct signature *signature);
/* Whether the frame bears one. */
bool signature_get(const uint8_t *frame, uint32_t length, struct signature *signature);
/* Whether it bears one of any run by that clock (not 0). What looks like one by chance is as rare
 * as one in 65,536 and has a time that makes no sense: look at that, too. */
bool signature_of_clock(const uint8_t *frame, uint32_t length, uint16_t clock,
                        struct signature *signature);

/*
 * A number that a packet keeps on its way through switches, routers, address translators and
 * servers that echo it: of IP the protocol, of TCP what follows the ports, of UDP the payload, of
 * ICMP what follows the checksum; of anything else all that follows the Ethernet header. Of long
 * packets the first 96 and the last 32 bytes, and the length.
 */
uint64_t identity_content(const uint8_t *frame, uint32_t length);

#endif
