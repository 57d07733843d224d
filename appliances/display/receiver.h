/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a display hears: datagrams in, pictures out. It listens to one source at a time, and to
 * another when that one has fallen silent. A picture is shown when its last packet comes, or, where
 * that one was lost, when the next picture begins. Portable and passive: no clock, no memory.
 */
#ifndef DISPLAY_RECEIVER_H
#define DISPLAY_RECEIVER_H

#include "picture.h"

enum { RECEIVER_SILENCE_MS = 1000 };

struct receiver_counters {
	uint64_t packets, pictures;
	uint64_t lost;      /* sequence numbers that never came, or come late */
	uint64_t late;      /* of pictures that have been shown */
	uint64_t malformed; /* no RFC 4175, or not of this picture */
	uint64_t foreign;   /* from another source than the one that is shown */
};

struct receiver {
	struct picture *picture;
	void (*show)(void *context);
	void *context;
	bool listens;                   /* to `ssrc` */
	bool dirty;                     /* pieces came since the picture was shown */
	uint32_t ssrc, timestamp, next; /* next: sequence number */
	uint64_t heard_ms;
	struct receiver_counters count;
};

/* A datagram that arrived at `now_ms`, a clock that never goes back. */
void receiver_input(struct receiver *receiver, const uint8_t *bytes, size_t size, uint64_t now_ms);
/* Whether the source has fallen silent; true once for each time. */
bool receiver_silent(struct receiver *receiver, uint64_t now_ms);

#endif
