/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ordinary file system, read-only: the files of the root directory of an ISO 9660 (ECMA-119)
 * or FAT12, FAT16 or FAT32 volume, bare or in the first FAT partition of a disk, and where on the
 * disk they lie. Names are not looked at: what a file is, its content says.
 *
 * Portable: sectors come by a function. Nothing on the disk is trusted.
 */
#ifndef DISK_VOLUME_H
#define DISK_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VOLUME_SECTOR = 512,
	VOLUME_PIECES_MAX = 256, /* of a file: one in more is left out */
	VOLUME_FILES_MAX = 1024, /* directory entries that are looked at */
};

struct volume_piece {
	uint64_t sector, count;
};

struct volume_file {
	uint64_t size; /* bytes */
	uint32_t n;    /* pieces, which hold all of them */
	struct volume_piece pieces[VOLUME_PIECES_MAX];
};

struct volume {
	uint64_t sectors; /* of the disk */
	/* Reads one sector. false: the disk failed. */
	bool (*read)(void *context, uint64_t sector, void *to);
	/* A file; NULL: one whose pieces are not sound, or too many. */
	void (*file)(void *context, const struct volume_file *file);
	void *context;
};

/* Visits all files that are not empty. NULL, or why the volume can't be read (to its end): for
 * people. */
const char *volume_walk(const struct volume *volume);

/* ---- Within ---- */

/* NULL: it is one, and was read; "": it is none. */
const char *volume_iso(const struct volume *volume);
const char *volume_fat(const struct volume *volume, uint64_t first);

#endif
