/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened over time, in fixed memory: when the last slot is full, slots are added up in pairs
 * and each is twice as wide from then on.
 */
#ifndef REPLAY_ENGINE_SERIES_H
#define REPLAY_ENGINE_SERIES_H

#include <stdint.h>

enum {
	SERIES_SLOTS = 512,
	SERIES_WIDTH_NS = 10000000, /* of a slot at the beginning */
};

struct series_slot {
	uint64_t sent, sent_bytes, returned, returned_bytes, lost;
	uint64_t latency_sum, latency_max, error_max; /* ns */
};

struct series {
	uint64_t width_ns; /* 0: not begun */
	uint32_t used;
	uint32_t current; /* the slot asked for last, and when it begins: most times fall into it */
	uint64_t current_ns;
	struct series_slot slots[SERIES_SLOTS];
};

/* The slot of a time, counted from the series' beginning. */
struct series_slot *series_at(struct series *series, uint64_t time_ns);

#endif
