/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace as a machine of its own carries it: frames ready to be sent, one after another in one
 * file. `sluice-replay pack` writes it from whatever libpcap reads; integers are little-endian.
 *
 *   struct packed_header, then `frames` times struct packed_record and the frame's bytes, each
 *   record at a multiple of eight
 */
#ifndef REPLAY_ENGINE_PACKED_H
#define REPLAY_ENGINE_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "source.h"

enum {
	PACKED_MAGIC = 0x54584c53, /* "SLXT" */
	PACKED_VERSION = 1,
	PACKED_FRAME_MAX = 65535,
};

struct packed_header {
	uint32_t magic, version;
	uint64_t frames;
};

struct packed_record {
	uint64_t number, time_ns;
	uint32_t length; /* an Ethernet header at least */
	uint32_t step;   /* bytes to the next record */
};

_Static_assert(sizeof(struct packed_header) == 16 && sizeof(struct packed_record) == 24,
               "a file format");

static inline uint32_t packed_step(uint32_t length)
{
	return (uint32_t)((sizeof(struct packed_record) + length + 7) & ~(size_t)7);
}

struct packed {
	struct source source; /* first */
	const uint8_t *bytes;
	size_t size, at;
	uint64_t frames, given;
	uint32_t longest;
};

/*
 * Opens a file that lies in memory and stays there. The whole of it is checked, once: untrusted.
 * NULL, or what is wrong.
 */
const char *packed_open(struct packed *packed, const void *bytes, size_t size);

#endif
