/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transport stream that arrives while it is watched: datagrams in (RTP by RFC 2250, or packets
 * bare as they are), pieces out for RTP viewers, segments kept for HLS (RFC 8216). Portable and
 * passive: no socket, no clock, no memory of its own.
 *
 * The packets lie in a ring, once for all viewers. A segment begins at a key frame, with copies of
 * the tables (PAT, PMT) in front, and never goes over the ring's end. One source is heard at a
 * time, another when that one has been silent for LIVE_SILENCE_MS.
 */
#ifndef VIDEO_LIVE_H
#define VIDEO_LIVE_H

#include <udp/address.h>

#include "ts.h"

enum {
	LIVE_SEGMENTS = 32,     /* remembered */
	LIVE_SHOWN = 6,         /* in the playlist */
	LIVE_SEGMENT_MS = 2000, /* at least, where there are key frames */
	LIVE_SEGMENT_MAX_MS = 8000,
	LIVE_SILENCE_MS = 2000,
	LIVE_PIECE = 7 * TS_BYTES,
	LIVE_RING_MIN = 64 * 1024, /* bytes */
};

struct live_segment {
	uint64_t from; /* in all bytes that ever were written */
	uint32_t offset, size;
	uint32_t ms;
	bool breaks;    /* the stream was interrupted before it */
	uint32_t epoch; /* interruptions up to it */
};

struct live_counters {
	uint64_t datagrams, bytes;
	uint64_t lost;      /* RTP packets that never came */
	uint64_t malformed; /* no transport stream */
	uint64_t foreign;   /* from another source than the one that is heard */
	uint64_t sources;   /* heard, one after another */
};

/* Bytes of the ring that just came, whole packets, at most LIVE_PIECE: to be sent at once. */
typedef void live_piece_fn(void *context, uint32_t offset, uint32_t size, uint32_t timestamp);

struct live {
	uint8_t *ring;
	uint32_t size, head; /* bytes; where the next packet goes */
	uint64_t written;    /* with what was left unused at the ring's end */
	live_piece_fn *piece;
	void *context;

	bool heard; /* a source, at heard_ms; rtp: with sequence numbers */
	bool rtp;
	struct udp_endpoint source;
	uint32_t ssrc;
	uint16_t next;
	uint64_t heard_ms;

	bool open, breaks, has_pat, has_pmt;
	uint16_t pmt_pid;
	uint8_t pat[TS_BYTES], pmt[TS_BYTES];
	bool timed;             /* pts is known */
	uint64_t pts, began_ms; /* of the open segment's first frame; when it began */
	uint32_t epoch;
	uint64_t n_segments; /* ever; the one that is open is segments[n_segments % …] */
	uint32_t longest_ms;
	struct live_segment segments[LIVE_SEGMENTS];
	struct live_counters count;
};

/* `ring`: `size` bytes, LIVE_RING_MIN or more; what is beyond whole packets stays unused. */
void live_open(struct live *live, uint8_t *ring, uint32_t size, live_piece_fn *piece,
               void *context);
/* A datagram that arrived at `now_ms`, of a clock that never goes back. */
void live_input(struct live *live, const uint8_t *bytes, size_t size,
                const struct udp_endpoint *from, uint64_t now_ms);
/* Whether a source is heard at this time. */
bool live_on(const struct live *live, uint64_t now_ms);
/* Segment `number`, whole and not yet to be overwritten soon; NULL: there is none. */
const struct live_segment *live_segment(const struct live *live, uint64_t number);
/* Whether bytes from `from` on (live_segment.from) may have been overwritten. */
bool live_gone(const struct live *live, uint64_t from);
/* The first segment that a playlist shows; those up to n_segments - 1 follow. */
uint64_t live_first(const struct live *live);

#endif
