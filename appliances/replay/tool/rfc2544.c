/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 2544's procedures.
 */
#include <math.h>

#include "rfc2544.h"

/* A sender that reaches less than this share of the rate it was told is at its own limit. */
static const double REACHED = 0.98;

static struct trial_result run(struct trial *trial, const struct rfc2544_options *options,
                               double pps)
{
	return trial->run(trial, (uint64_t)llround(pps * 1000), options->duration_ns, 0);
}

static bool passes(const struct trial_result *result, const struct rfc2544_options *options)
{
	return result->sent && (double)result->lost <= options->tolerated * (double)result->sent;
}

/* A trial at a rate; true where the rate is good, which then is the best so far. */
static bool attempt(struct trial *trial, const struct rfc2544_options *options, double pps,
                    struct rfc2544_throughput *best)
{
	struct trial_result result = run(trial, options, pps);

	best->trials++;
	best->stopped |= result.stopped;
	if (best->stopped || !passes(&result, options))
		return false;
	best->limited_by_sender = result.pps < REACHED * pps;
	best->pps = best->limited_by_sender ? result.pps : pps;
	best->at = result;
	return true;
}

struct rfc2544_throughput rfc2544_throughput(struct trial *trial,
                                             const struct rfc2544_options *options)
{
	struct rfc2544_throughput best = {0};
	double low = 0, high = options->top_pps;

	if (attempt(trial, options, high, &best))
		return best;
	while (!best.stopped && high - low > options->resolution * options->top_pps) {
		double middle = (low + high) / 2;
		if (attempt(trial, options, middle, &best))
			low = middle;
		else
			high = middle;
	}
	return best;
}

struct rfc2544_latency rfc2544_latency(struct trial *trial, const struct rfc2544_options *options,
                                       double pps)
{
	struct rfc2544_latency latency = {0};
	double least = INFINITY, most = 0;

	for (unsigned i = 0; i < options->repeats; i++) {
		struct trial_result result = run(trial, options, pps);
		if (result.stopped)
			break;
		latency.repeats++;
		latency.mean_ns += result.mean_ns;
		latency.p99_ns += result.p99_ns;
		latency.max_ns = fmax(latency.max_ns, result.max_ns);
		least = fmin(least, result.mean_ns);
		most = fmax(most, result.mean_ns);
	}
	if (latency.repeats) {
		latency.mean_ns /= latency.repeats;
		latency.p99_ns /= latency.repeats;
		latency.spread_ns = most - least;
	}
	return latency;
}

unsigned rfc2544_frame_loss(struct trial *trial, const struct rfc2544_options *options,
                            double loss[RFC2544_STEPS])
{
	unsigned n = 0, clean = 0;

	while (n < RFC2544_STEPS && clean < 2) {
		struct trial_result result =
		        run(trial, options, options->top_pps * (RFC2544_STEPS - n) / RFC2544_STEPS);
		if (result.stopped)
			break;
		loss[n] = result.sent ? (double)result.lost / (double)result.sent : 1;
		clean = loss[n] == 0 ? clean + 1 : 0;
		n++;
	}
	return n;
}

static bool burst_passes(struct trial *trial, uint64_t frames, bool *stopped)
{
	struct trial_result result = trial->run(trial, 0, 0, frames);

	*stopped |= result.stopped;
	return result.sent == frames && result.lost == 0;
}

static uint64_t longest_burst(struct trial *trial, const struct rfc2544_options *options,
                              bool *stopped)
{
	uint64_t low = 0, high = options->burst_max + 1;

	if (burst_passes(trial, options->burst_max, stopped))
		return options->burst_max;
	while (high - low > 1 && !*stopped) {
		uint64_t middle = low + (high - low) / 2;
		if (burst_passes(trial, middle, stopped))
			low = middle;
		else
			high = middle;
	}
	return low;
}

double rfc2544_back_to_back(struct trial *trial, const struct rfc2544_options *options)
{
	bool stopped = false;
	double sum = 0;
	unsigned n = 0;

	while (n < options->repeats && !stopped) {
		sum += (double)longest_burst(trial, options, &stopped);
		n++;
	}
	return n ? sum / n : 0;
}
