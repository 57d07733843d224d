/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The series.
 */
#include <string.h>

#include "series.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct series_slot together(const struct series_slot *a, const struct series_slot *b)
{
	return (struct series_slot){
	        .sent = a->sent + b->sent,
	        .sent_bytes = a->sent_bytes + b->sent_bytes,
	        .returned = a->returned + b->returned,
	        .returned_bytes = a->returned_bytes + b->returned_bytes,
	        .lost = a->lost + b->lost,
	        .latency_sum = a->latency_sum + b->latency_sum,
	        .latency_max = larger(a->latency_max, b->latency_max),
	        .error_max = larger(a->error_max, b->error_max),
	};
}

static void fold(struct series *series)
{
	for (uint32_t i = 0; i < SERIES_SLOTS / 2; i++)
		series->slots[i] =
		        together(&series->slots[(size_t)2 * i], &series->slots[2 * (size_t)i + 1]);
	memset(series->slots + SERIES_SLOTS / 2, 0, sizeof(series->slots) / 2);
	series->used = (series->used + 1) / 2;
	series->width_ns *= 2;
	series->current_ns = UINT64_MAX; /* no time falls into it */
}

struct series_slot *series_at(struct series *series, uint64_t time_ns)
{
	if (time_ns >= series->current_ns && time_ns - series->current_ns < series->width_ns)
		return &series->slots[series->current];
	if (!series->width_ns)
		series->width_ns = SERIES_WIDTH_NS;
	while (time_ns / series->width_ns >= SERIES_SLOTS)
		fold(series);
	uint32_t slot = (uint32_t)(time_ns / series->width_ns);
	if (series->used <= slot)
		series->used = slot + 1;
	series->current = slot;
	series->current_ns = slot * series->width_ns;
	return &series->slots[slot];
}
