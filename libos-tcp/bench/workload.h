/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same work for each TCP library, natively: both ends in one process and on one core, packets
 * of Ethernet's MTU carried from one to the other by a copy, checksums made and looked at.
 *
 *     bulk      a client sends BULK_BYTES to a server, which reads them
 *     requests  CLIENTS clients each send REQUEST_BYTES, wait for ANSWER_BYTES, and so on, REQUESTS
 *               in all
 *
 * A program prints one line for each: its name and the seconds that it took.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BULK_BYTES = 1 << 30,
	PIECE_BYTES = 65535, /* handed to the library at once */
	CLIENTS = 32,
	REQUEST_BYTES = 100,
	ANSWER_BYTES = 1024,
	REQUESTS = 1000000,
	PACKET_MAX = 1500,
	WIRE_PACKETS = 8192,
};

static inline double workload_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void workload_check(int holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "%s\n", what);
	exit(1);
}

#endif
