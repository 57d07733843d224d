/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Titles on a disk: media objects in the root directory of the file system on the extent that the
 * manifest grants (disk/volume.h). They are found at start, and again by shelf_scan; each is read
 * into frames from which it can be sent, a piece at a time, so that viewers are served in between.
 */
#ifndef VIDEO_SHELF_H
#define VIDEO_SHELF_H

#include <libexo/memory.h>

#include "disk/volume.h"
#include "express.h"

enum { SHELF_SEEN_MAX = 64 };

struct shelf {
	const struct exo_cap *extent; /* NULL: there is no disk */
	struct video *video;
	struct express *express;
	struct exo_pages piece, word; /* what is read; the kernel's word that it is */
	uint64_t cached; /* 1 + the sector at whose page `piece` holds sectors; 0: none */
	uint32_t n_seen; /* files that were looked at: where they begin, how long */
	struct {
		uint64_t sector, size;
	} seen[SHELF_SEEN_MAX];
	uint32_t n_waiting;
	struct volume_file waiting[VIDEO_TITLES_MAX]; /* the first one is being read */
	uint8_t *base;                                /* to here; NULL: not begun */
	uint64_t done;                                /* bytes */
	uint32_t in, part; /* piece of the file, sectors of it that were read */
};

/* The environment's extent, if it has one, and what lies there now. */
void shelf_open(struct shelf *shelf, struct video *video, struct express *express);
/* Looks for files that were not there before. Does nothing while others are being read. */
void shelf_scan(struct shelf *shelf);
/* Reads a piece. false: there is nothing to read. */
bool shelf_step(struct shelf *shelf);

#endif
