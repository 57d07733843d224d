/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line goes through the newest pair and one that is one to two seconds older: near, so that it
 * follows a clock that is being steered; far, so that the error of reading two clocks one after the
 * other does not count.
 */
#include "device_clock.h"

static const uint64_t SPAN_NS = 1000000000;

void device_clock_add(struct device_clock *clock, struct clock_pair pair)
{
	if (clock->n &&
	    (pair.device <= clock->newest.device || pair.host_ns <= clock->newest.host_ns))
		return;
	clock->newest = pair;
	if (clock->n++ == 0) {
		clock->oldest = clock->middle = pair;
	} else if (pair.host_ns - clock->middle.host_ns >= SPAN_NS) {
		clock->oldest = clock->middle;
		clock->middle = pair;
	}
	if (clock->n > 2)
		clock->n = 2;
}

bool device_clock_time(const struct device_clock *clock, uint64_t stamp, uint64_t *host_ns)
{
	if (clock->n < 2)
		return false;
	uint64_t device = clock->newest.device - clock->oldest.device;
	uint64_t host = clock->newest.host_ns - clock->oldest.host_ns;
	__int128 away = (__int128)stamp - clock->newest.device;
	*host_ns = clock->newest.host_ns + (uint64_t)(int64_t)(away * host / device);
	return true;
}
