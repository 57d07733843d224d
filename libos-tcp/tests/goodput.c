/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each congestion control makes of a path, under virtual time: the share of the bottleneck
 * that arrives at the application. The bounds are far below what is reached and far above what a
 * mistake would leave.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

struct path {
	const char *name;
	uint64_t rate, delay_ns;
	uint32_t queue, loss, bytes;
	uint32_t least[TCP_CONGESTIONS]; /* percent of the rate */
};

static const char *const names[TCP_CONGESTIONS] = {"newreno", "cubic", "bbr"};

static const struct path paths[] = {
        {"clean, 100 Mbit/s, 20 ms, a product of queue",
         12500000,
         10000000,
         170,
         0,
         20000000,
         {75, 75, 75}},
        {"shallow, 100 Mbit/s, 20 ms, a tenth of it",
         12500000,
         10000000,
         17,
         0,
         20000000,
         {40, 45, 75}},
        {"lossy, 10 Mbit/s, 50 ms, 1%", 1250000, 25000000, 100, 100, 8000000, {20, 20, 70}},
        {"long, 50 Mbit/s, 200 ms", 6250000, 100000000, 800, 0, 40000000, {35, 40, 60}},
        {"slow, 1 Mbit/s, 100 ms", 125000, 50000000, 30, 0, 2000000, {70, 70, 70}},
};

static bool run(const struct path *path, unsigned congestion)
{
	struct wire_params params = wire_params_default();
	struct wire_result result;
	double share;

	params.bytes[0] = path->bytes;
	params.bytes[1] = 0;
	params.rate = path->rate;
	params.delay_ns = path->delay_ns;
	params.queue = path->queue;
	params.loss = path->loss;
	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		params.config[end].congestion = (uint8_t)congestion;
		params.config[end].chunks = 8192;
		params.config[end].send_buffer_max = 8 << 20;
		params.config[end].receive_buffer_max = 16 << 20;
		params.config[end].records = 16384;
		params.config[end].arrivals = 32768;
	}
	result = wire_run(&params);
	share = 100.0 * path->bytes / ((double)result.ns / 1e9) / (double)path->rate;
	printf("%-46s %-8s %6.1f%% of the rate, %llu retransmits, %llu timeouts%s%s\n", path->name,
	       names[congestion], share, (unsigned long long)result.counters[0].retransmits,
	       (unsigned long long)result.counters[0].timeouts, result.failure != NULL ? ": " : "",
	       result.failure != NULL ? result.failure : "");
	return result.failure == NULL && share >= path->least[congestion];
}

int main(void)
{
	bool good = true;

	for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++)
		for (unsigned congestion = 0; congestion < TCP_CONGESTIONS; congestion++)
			if (!run(&paths[i], congestion)) {
				printf("  that is too little\n");
				good = false;
			}
	return good ? 0 : 1;
}
