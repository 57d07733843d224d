/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The procedures of RFC 2544, section 26, over a `trial` that the caller offers, so that they run
 * on a device and on a model of one alike.
 */
#ifndef REPLAY_TOOL_RFC2544_H
#define REPLAY_TOOL_RFC2544_H

#include <stdbool.h>
#include <stdint.h>

/* What one trial found. */
struct trial_result {
	uint64_t sent, lost;
	double pps;                             /* at which frames really left */
	double p50_ns, p99_ns, max_ns, mean_ns; /* of the round trip */
	bool stopped;                           /* by the user, or a failure: the procedure ends */
};

struct trial {
	/* Sends at a rate (thousandths of a frame a second; 0: as fast as the port can) for a time,
	 * or, where burst is not 0, so many frames at once. */
	struct trial_result (*run)(struct trial *trial, uint64_t rate, uint64_t duration_ns,
	                           uint64_t burst);
};

struct rfc2544_options {
	double top_pps; /* the rate that the search begins at: the medium's, or what was measured */
	uint64_t duration_ns; /* of a trial; the RFC says 60 s at least */
	double tolerated;     /* share of frames that may be lost: 0 for throughput */
	double resolution;    /* the search ends when its interval is this share of top_pps */
	unsigned repeats;     /* of the latency and back-to-back trials; the RFC says 20 and 50 */
	uint64_t burst_max;   /* frames of the longest burst that is tried */
};

struct rfc2544_throughput {
	double pps; /* highest rate without (tolerated) loss; 0: at none */
	unsigned trials;
	struct trial_result at; /* the trial at that rate */
	bool limited_by_sender; /* the sender could not go faster; the device may */
	bool stopped;
};

/* Section 26.1, by bisection; with tolerated > 0 the partial-drop rate. */
struct rfc2544_throughput rfc2544_throughput(struct trial *trial,
                                             const struct rfc2544_options *options);

struct rfc2544_latency {
	double mean_ns, p99_ns, max_ns, spread_ns; /* over the repeats; spread of the means */
	unsigned repeats;
};

/* Section 26.2, at the throughput. */
struct rfc2544_latency rfc2544_latency(struct trial *trial, const struct rfc2544_options *options,
                                       double pps);

enum { RFC2544_STEPS = 10 };

/* Section 26.3: the loss at 100 %, 90 %, … of top_pps until two rates in a row lose nothing.
 * Returns the number of rates; loss[i] is at (10 - i) * 10 %. */
unsigned rfc2544_frame_loss(struct trial *trial, const struct rfc2544_options *options,
                            double loss[RFC2544_STEPS]);

/* Section 26.4: frames of the longest burst that loses nothing; the mean over the repeats. */
double rfc2544_back_to_back(struct trial *trial, const struct rfc2544_options *options);

#endif
