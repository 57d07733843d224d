/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The replay appliance's protocol: what the host's replay tool, init and the sinks say to each
 * other while a trace runs through the machine. It rides on the host channel (exo/channel.h): its
 * frame types are used here with the bodies below, between host and init as channel frames, between
 * init and a sink as mailbox messages of the same type number and body. init reads no body: it only
 * passes them on. The appliance's README.md tells the sequence.
 *
 * Integers are little-endian, structures lie without padding, text is NUL-terminated. Both sides
 * refuse a record whose magic, version or size differs.
 */
#ifndef REPLAY_PROTOCOL_H
#define REPLAY_PROTOCOL_H

#include <stdint.h>

enum {
	REPLAY_VERSION = 1,
	REPLAY_RESULT_MAGIC = 0x53525052, /* "RPRS" */
	REPLAY_NAME_MAX = 24,             /* as struct exo_start_bind.name */
	REPLAY_ERROR_MAX = 128,
	REPLAY_WINDOW = 1024, /* frames that the host may send beyond `settled`; see README.md */
};

/* Time from a frame's arrival (the descriptor's timestamp) to its delivery (the TSC when the sink
 * took it from its ring), in nanoseconds. Quantiles come from a log-linear histogram: each is the
 * upper edge of its bucket, at most 1/64 too high; max is exact. All zero where count is. */
struct replay_latency {
	uint64_t count, sum;
	uint64_t min, p50, p90, p99, p999, max;
};

/* What became of the data port's frames before any binding saw them, since boot: from the kernel's
 * information page (exo/info.h), taken by the sink when it makes its result. */
struct replay_port {
	uint64_t received_packets, received_bytes;
	uint64_t nic, nic_errors; /* lost by the NIC */
	uint64_t unmatched, malformed;
	uint64_t tap_lost;
};

/* Body of EXO_CHANNEL_RESULT: one for each binding of a sink that has a ring. */
struct replay_result {
	uint32_t magic;
	uint16_t version;
	uint16_t size;              /* sizeof(struct replay_result) */
	char name[REPLAY_NAME_MAX]; /* of the binding, as given to --bind */
	int32_t status;             /* 0, or -enum exo_error: the binding was refused */
	uint32_t reserved;          /* 0 */
	uint64_t binding; /* the kernel's id; ids ascend with age, which decides among equals */
	/* The counting tap: what satisfies the expression, whoever got it. */
	uint64_t matched_packets, matched_bytes;
	/* The binding itself, by the kernel's count. */
	uint64_t delivered_packets, delivered_bytes;
	uint64_t dropped_no_buffer, dropped_ring_full, declined_packets;
	/* What the sink took from its ring, and frames of these that did not fit their buffers. */
	uint64_t read_packets, read_bytes, cut_packets;
	struct replay_latency latency;
	struct replay_port port;
	char error[REPLAY_ERROR_MAX]; /* why, where status is not 0 */
};

_Static_assert(sizeof(struct replay_latency) == 64, "replay_latency is a wire format");
_Static_assert(sizeof(struct replay_port) == 56, "replay_port is a wire format");
_Static_assert(sizeof(struct replay_result) == 376, "replay_result is a wire format");

#endif
