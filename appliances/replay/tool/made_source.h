/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that are made up: UDP datagrams to the discard port, as RFC 2544 (appendix C) wants them,
 * of one size or of the simple IMIX (7 of 64, 4 of 594, 1 of 1518 bytes). Sizes count the frame's
 * checksum, as the RFC does.
 */
#ifndef REPLAY_TOOL_MADE_SOURCE_H
#define REPLAY_TOOL_MADE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/source.h"

enum {
	MADE_MIN = 64,
	MADE_MAX = 9018,
	MADE_IMIX = 0, /* instead of a size */
	MADE_CHECKSUM = 4,
};

struct made_address {
	uint8_t mac[6];
	uint8_t ip[4];
	uint16_t port;
};

struct made_source {
	struct source source; /* first */
	uint32_t size;
	uint64_t number;
	uint8_t frame[MADE_MAX];
};

void made_source_open(struct made_source *made, uint32_t size, const struct made_address *from,
                      const struct made_address *to);

/* Mean bytes of a frame of that size, checksum and wire overhead counted. */
double made_source_wire_bytes(uint32_t size);

#endif
