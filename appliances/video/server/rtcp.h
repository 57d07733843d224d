/* SPDX-License-Identifier: BSD-2-Clause */
/* RTCP (RFC 3550, 6): sender reports out, receiver reports in. */
#ifndef VIDEO_RTCP_H
#define VIDEO_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RTCP_SENDER_REPORT = 200,
	RTCP_RECEIVER_REPORT = 201,
	RTCP_DESCRIPTION = 202,
	RTCP_BYE = 203,
	RTCP_OUT_MAX = 96, /* bytes of what rtcp_write_report writes */
};

struct rtcp_sender {
	uint32_t ssrc;
	uint64_t wall_ns;   /* since 1970 */
	uint32_t timestamp; /* of RTP, at that moment */
	uint32_t packets, octets;
	const char *name; /* CNAME, at most 32 bytes */
};

/* A sender report, the source's name, and, where it ends, BYE. → bytes. */
size_t rtcp_write_report(uint8_t *to, const struct rtcp_sender *sender, bool bye);

/* What a receiver says of one source (RFC 3550, 6.4.1). */
struct rtcp_block {
	uint32_t ssrc;
	uint8_t fraction_lost; /* of 256, since its last report */
	int32_t lost;          /* in all; negative: duplicates */
	uint32_t highest;      /* sequence number, extended */
	uint32_t jitter;       /* in units of the RTP clock */
	uint32_t last_report, delay;
};

typedef void rtcp_block_fn(void *context, const struct rtcp_block *block);

/* Reads a compound packet, untrusted, and calls `fn` for each report block. → whether all of it was
 * sound; blocks before what was not have been reported. */
bool rtcp_read(const uint8_t *data, size_t size, rtcp_block_fn *fn, void *context);

#endif
