/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace on an extent of a disk, as a feed of the engine's streams: read ahead in large requests,
 * in a fixed memory, round and round where it is played more than once.
 */
#ifndef REPLAY_STATION_DISK_H
#define REPLAY_STATION_DISK_H

#include <exo/disk.h>
#include <libexo/memory.h>

#include "engine/stream.h"

enum {
	DISK_BLOCK = 128 << 10, /* bytes of a request */
	DISK_AHEAD = 8,         /* requests under way or read ahead */
};

struct station_disk {
	struct stream_feed feed; /* first */
	const struct exo_cap *extent;
	struct exo_pages data, words;
	uint64_t size;          /* bytes of the trace */
	uint64_t blocks;        /* of DISK_BLOCK, the last one perhaps shorter */
	uint64_t started, used; /* blocks asked for and read to their end, of all passes */
	uint64_t at;            /* bytes read of this pass */
	uint32_t in_block;      /* bytes read of the block at hand */
};

/* The environment's extent; `size`: bytes of it that are the trace; 0: all of it. NULL, or why it
 * can't be read. */
const char *station_disk_open(struct station_disk *disk, uint64_t size);

#endif
