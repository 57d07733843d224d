/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A NIC's own clock beside this computer's: pairs that were read together now and then make a line
 * between them, by which stamps of the one become times of the other. Neither the NIC's unit nor
 * its epoch need be known, and its drift against us stays below what a second of it makes.
 */
#ifndef REPLAY_TOOL_DEVICE_CLOCK_H
#define REPLAY_TOOL_DEVICE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock_pair {
	uint64_t device, host_ns;
};

struct device_clock {
	struct clock_pair oldest, middle, newest; /* a second or more between the first two */
	unsigned n;                               /* pairs seen, at most 2 are counted */
};

/* A pair, later than those before; one in which either clock did not go on is passed over. */
void device_clock_add(struct device_clock *clock, struct clock_pair pair);

/* Our time of a stamp; false before two pairs are known. */
bool device_clock_time(const struct device_clock *clock, uint64_t stamp, uint64_t *host_ns);

#endif
