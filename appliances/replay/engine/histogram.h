/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log-linear histogram of times, after the idea of HdrHistogram (Tene): 64 buckets for each power
 * of two, so that any 64-bit value is recorded with an error below 1/64, in fixed memory, in a few
 * instructions.
 */
#ifndef REPLAY_HISTOGRAM_H
#define REPLAY_HISTOGRAM_H

#include <stdint.h>

#include <replay/protocol.h>

enum {
	HISTOGRAM_STEPS = 64, /* buckets of one power of two */
	HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 59,
};

struct histogram {
	uint64_t count, sum, min, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* All zero is an empty one. */
void histogram_add(struct histogram *histogram, uint64_t value);
/* The same n times; n may be 0. */
void histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t n);
/* The value that `per_10000` of all values do not exceed, at most 1/64 too high and never above
 * max; 0 where there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_10000);
/* The greatest value that falls into a bucket, which ascend. */
uint64_t histogram_edge(unsigned bucket);
/* Adds another's values. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);
/* Count, sum and quantiles for the result record. */
void histogram_report(const struct histogram *histogram, struct replay_latency *latency);

#endif
