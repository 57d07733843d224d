/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks. The sectors of all disks are numbered through, one disk behind the other. An *extent* is a
 * range of them with an owner; what lies on them outlives it. Whoever holds a key to (a part of) an
 * extent may move whole sectors between it and frames of its own.
 *
 * A request is asynchronous: the call starts it, the frames stay pinned while the device works, and
 * the kernel then writes a struct exo_disk_done and raises EXO_EVENT_DISK. A write that is done is
 * on the medium. Requests are not ordered among each other. What was started before a key was
 * revoked or the environment ended is carried to its end: until then the frames drain, and the
 * extent's sectors go to nobody else.
 */
#ifndef EXO_DISK_H
#define EXO_DISK_H

#include <stdint.h>

#include "cap.h"

enum {
	EXO_SECTOR_BYTES = 512,
	EXO_DISK_SECTORS_MAX = 2048, /* of one request */
	EXO_DISK_REQUESTS_MAX = 16,  /* of one environment at a time */
};

/* Argument of EXO_CALL_EXTENT_ALLOC. */
struct exo_extent_alloc {
	struct exo_cap authority; /* EXO_KIND_EXTENT with ALLOC that covers the sectors */
	uint64_t first;           /* sector */
	uint32_t count;           /* sectors */
	uint32_t owner;           /* as in struct exo_frame_alloc */
	struct exo_cap out;       /* written: READ, WRITE, GRANT and FREE, held by the caller */
};

enum exo_disk_flags {
	EXO_DISK_WRITE = 1 << 0, /* from the frames to the disk; else the other way */
};

/* Argument of EXO_CALL_DISK. */
struct exo_disk_request {
	struct exo_cap extent; /* EXO_KIND_EXTENT with READ or WRITE */
	uint64_t sector;       /* first one, inside the key's range */
	uint64_t frame; /* the first of contiguous frames of the caller's own; data begins there */
	uint32_t count; /* sectors */
	uint32_t flags; /* enum exo_disk_flags */
	uint64_t done;  /* physical address of a struct exo_disk_done, aligned to its size, in a
	                   frame of the caller's own */
};

/* Written by the kernel as one word: all zero when the request was accepted, then how it ended. */
struct exo_disk_done {
	uint32_t done;  /* 1: finished */
	int32_t result; /* 0, or -EXO_EIO: the device failed; what it moved is unknown */
};

_Static_assert(sizeof(struct exo_disk_done) == 8, "exo_disk_done is one word");

#endif
