/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The histogram. Values below 64 have a bucket each; above, the highest bit chooses a row and the
 * six bits below it the bucket in that row.
 */
#include "histogram.h"

enum { STEP_BITS = 6 };

_Static_assert(1 << STEP_BITS == HISTOGRAM_STEPS, "the bits are those of the steps");
_Static_assert(HISTOGRAM_BUCKETS == HISTOGRAM_STEPS * (64 - STEP_BITS + 1),
               "one row for the small values, one for each highest bit above");

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - STEP_BITS;
	/* value >> shift is 64 … 127: rows follow one another without a gap. */
	return shift * HISTOGRAM_STEPS + (unsigned)(value >> shift);
}

uint64_t histogram_edge(unsigned bucket)
{
	unsigned shift;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / HISTOGRAM_STEPS - 1;
	return ((uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift) +
	       ((1ull << shift) - 1);
}

void histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t n)
{
	if (!n)
		return;
	if (histogram->count == 0 || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->count += n;
	histogram->sum += n * value;
	histogram->buckets[bucket_of(value)] += n;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram_add_many(histogram, value, 1);
}

uint64_t histogram_quantile(const struct histogram *histogram, uint32_t per_10000)
{
	/* How many values the wanted one is not exceeded by: rounded up, and at least one. */
	uint64_t want =
	        (uint64_t)(((unsigned __int128)histogram->count * per_10000 + 9999) / 10000);
	uint64_t seen = 0, edge;

	if (want == 0)
		want = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen < want)
			continue;
		edge = histogram_edge(i);
		return edge < histogram->max ? edge : histogram->max;
	}
	return histogram->max;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
	if (other->count && (!histogram->count || other->min < histogram->min))
		histogram->min = other->min;
	if (other->max > histogram->max)
		histogram->max = other->max;
	histogram->count += other->count;
	histogram->sum += other->sum;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += other->buckets[i];
}

void histogram_report(const struct histogram *histogram, struct replay_latency *latency)
{
	*latency = (struct replay_latency){
	        .count = histogram->count,
	        .sum = histogram->sum,
	        .min = histogram->min,
	        .p50 = histogram_quantile(histogram, 5000),
	        .p90 = histogram_quantile(histogram, 9000),
	        .p99 = histogram_quantile(histogram, 9900),
	        .p999 = histogram_quantile(histogram, 9990),
	        .max = histogram->max,
	};
}
