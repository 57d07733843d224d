/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When each frame is due. Every deadline is computed from the beginning of the replay, never from
 * the frame before, so that no error adds up: the millionth frame is as punctual as the first.
 */
#ifndef REPLAY_ENGINE_SCHEDULE_H
#define REPLAY_ENGINE_SCHEDULE_H

#include <stdint.h>

enum schedule_kind {
	SCHEDULE_ORIGINAL, /* as the trace's own times say, scaled */
	SCHEDULE_PACKETS,  /* so many frames a second */
	SCHEDULE_BITS,     /* so many bits a second on the wire, overhead counted (port.h) */
	SCHEDULE_TOP,      /* as fast as the port takes them */
};

struct schedule {
	enum schedule_kind kind;
	uint64_t rate;  /* PACKETS: thousandths of a frame a second; BITS: bits a second */
	uint64_t speed; /* ORIGINAL: thousandths of the trace's own speed; 1000: as recorded */
	uint32_t
	        burst; /* frames due at one time, the mean rate kept; 0 or 1: none. Not ORIGINAL. */

	/* Its own. */
	uint64_t frames, bits, pass_frames;
	uint64_t first_ns, last_ns, span_ns; /* of the trace; span_ns: of all passes before this */
	uint64_t disordered;                 /* frames older than the one before them */
	uint64_t due_ns, burst_ns;
};

/*
 * Nanoseconds from the beginning until the next frame is due; never less than for the frame before.
 * time_ns is its time in the trace, length its bytes.
 */
uint64_t schedule_next(struct schedule *schedule, uint64_t time_ns, uint32_t length);

/* The trace begins again: what follows is due behind its last frame by the trace's mean gap. */
void schedule_again(struct schedule *schedule);

/* Back to the beginning; the counts of what was odd too. */
void schedule_reset(struct schedule *schedule);

#endif
