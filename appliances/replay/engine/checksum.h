/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeping checksums true while a packet is patched (RFC 1624): what was right stays right, what was
 * wrong stays wrong.
 */
#ifndef REPLAY_ENGINE_CHECKSUM_H
#define REPLAY_ENGINE_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

struct layers;

/* The internet checksum of `size` bytes (even), whose own field is zero (RFC 1071). */
uint16_t checksum_of(const uint8_t *bytes, uint32_t size);

/* The checksums of a packet; NULL where it has none. */
struct checksums {
	uint8_t *network;   /* IPv4's, over its header */
	uint8_t *transport; /* over the payload, and for some protocols the addresses */
	bool pseudo;        /* the transport's covers the addresses */
	bool zero_is_none;  /* UDP: RFC 768 */
};

/* layers has an IP header. */
struct checksums checksums_find(uint8_t *frame, const struct layers *layers);

/* `size` bytes (even) at an even offset of what the checksum covers became others. */
void checksum_network(const struct checksums *sums, const uint8_t *old, const uint8_t *new,
                      unsigned size);
void checksum_transport(const struct checksums *sums, const uint8_t *old, const uint8_t *new,
                        unsigned size);

#endif
