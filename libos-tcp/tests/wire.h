/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual wire with a stack at each end, under virtual time. What the wire does to packets
 * follows from a seed alone: the same parameters give the same run.
 *
 * Each end has an application that sends so many bytes of a known pattern, reads what comes and
 * compares, at a pace of its own, and closes. wire_run returns when both ends are done, or says why
 * it never will.
 */
#ifndef TCP_WIRE_H
#define TCP_WIRE_H

#include <tcp/conn.h>

#include "front.h"

enum { WIRE_ENDS = 2, WIRE_CONNS_MAX = 64, WIRE_PACKET_MAX = 2048 };

/* What stands in front of end 1, over IPv4, where there is a handler ($EDGE). */
enum wire_front { WIRE_ALONE, WIRE_INTERPRETED, WIRE_COMPILED };

struct wire_params {
	uint64_t seed;
	uint32_t connections;              /* from end 0 to end 1, one after another begun */
	uint32_t bytes[WIRE_ENDS];         /* that each end of each connection sends */
	uint64_t delay_ns, jitter_ns;      /* one way; jitter reorders */
	uint64_t rate;                     /* bytes a second; 0: no bottleneck */
	uint32_t queue;                    /* packets in front of the bottleneck */
	uint32_t mark_at;                  /* queue length from which ECN marks; 0: never */
	uint32_t loss, duplicate, corrupt; /* of 10,000 packets */
	uint32_t
	        burst_loss; /* of 10,000: begins a burst of losses, of 8 packets and 10 s at most */
	uint32_t hostile;   /* of 10,000 packets: one more, made up, goes with it */
	uint32_t stall;     /* of 100 readings: the application does not read for a while */
	uint32_t write_max, read_max; /* bytes at once; 0: everything */
	uint8_t family;               /* 4 or 6 */
	bool copy;                    /* tcp_send_copy instead of tcp_send */
	struct tcp_config config[WIRE_ENDS];
	struct tcp_options options; /* used where set_options */
	bool set_options;
	bool peer_first; /* of the listener, at end 1 */
	bool late_end;   /* end 0 ends its stream behind the other's */
	enum wire_front front;
	uint64_t time_max;
};

struct wire_result {
	const char *failure; /* NULL: all went well */
	uint64_t ns;         /* virtual time until everything was delivered */
	uint64_t packets, lost;
	struct tcp_counters counters[WIRE_ENDS];
	struct edge_counts edge; /* of what stands in front */
	struct tcp_conn_info
	        info; /* of the first connection, at end 0, when all its data was acknowledged */
};

struct wire_params wire_params_default(void);
struct wire_result wire_run(const struct wire_params *params);
uint64_t wire_random(uint64_t *seed);

#endif
