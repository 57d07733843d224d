/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace that arrives as bytes, little by little: from a disk, over a network. It may be longer
 * than memory: one frame of it is kept. Two formats are told apart by their first bytes: packed
 * (packed.h), and pcap with Ethernet frames, of either byte order, in microseconds or nanoseconds
 * (draft-ietf-opsawg-pcap, sections 4 and 5). Untrusted.
 */
#ifndef REPLAY_ENGINE_STREAM_H
#define REPLAY_ENGINE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packed.h"
#include "source.h"

enum { STREAM_END = -1, STREAM_BROKEN = -2, STREAM_REASON_MAX = 160 };

/* Where the bytes come from. */
struct stream_feed {
	/* Copies up to `size` of those that follow: how many, 0: none now, STREAM_END: there are no
	 * more, STREAM_BROKEN: none can be had, and `reason` says why. */
	ptrdiff_t (*read)(struct stream_feed *feed, void *to, size_t size);
	/* Back to the first byte; may be NULL, where that is not possible. */
	void (*rewind)(struct stream_feed *feed);
	const char *reason;
};

/* Records of one sort: how many, and the number of the first. */
struct stream_odd {
	uint64_t n, first;
};

/* What was read of the first pass. */
struct stream_account {
	uint64_t records, frames;
	struct stream_odd too_short, too_long; /* left out: no Ethernet header; over the longest */
	struct stream_odd snapped, disordered; /* cut by the capture; older than one before */
};

struct stream {
	struct source source; /* first */
	struct stream_account account;
	struct stream_feed *feed;
	uint32_t longest;

	/* How to read what comes. */
	enum { STREAM_UNKNOWN, STREAM_PACKED, STREAM_PCAP } format;
	bool swapped, nanoseconds;
	uint64_t left;      /* records that follow, of a packed trace */
	uint64_t skip;      /* bytes to be passed over */
	uint64_t number;    /* of the record */
	uint64_t newest_ns; /* time of a record so far */
	unsigned pass;
	bool over;
	char reason[STREAM_REASON_MAX];

	/* The record at hand: its head, then its frame. */
	size_t have; /* bytes of `bytes` that are there */
	uint8_t bytes[sizeof(struct packed_record) + PACKED_FRAME_MAX + 8];
};

/* Frames up to `longest` bytes are given, others counted. Nothing is read yet: a trace that is none
 * breaks when its first frame is asked for. */
void stream_open(struct stream *stream, struct stream_feed *feed, uint32_t longest);

#endif
