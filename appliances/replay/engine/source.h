/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the frames of a replay come from: a trace in memory, one that is read meanwhile, or frames
 * that are made up.
 */
#ifndef REPLAY_ENGINE_SOURCE_H
#define REPLAY_ENGINE_SOURCE_H

#include <stdint.h>

struct source_frame {
	uint64_t number; /* in the trace, from 1 */
	uint64_t time_ns;
	const uint8_t *data; /* an Ethernet header at least; until the next call of next */
	uint32_t length;
};

enum source_state {
	SOURCE_FRAME,   /* here it is */
	SOURCE_STARVED, /* the reader is behind; ask again */
	SOURCE_END,     /* the pass is over */
	SOURCE_BROKEN,  /* the trace is damaged here; it is over, and `reason` says how */
};

struct source {
	enum source_state (*next)(struct source *source, struct source_frame *frame);
	void (*rewind)(struct source *source);
	const char *reason;
};

#endif
