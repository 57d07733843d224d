/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a trace (pcap or pcapng, whatever libpcap reads) as Ethernet frames that can be sent into
 * a port.
 *
 * Every record of the file is handed out, also one that can't be sent: then `fate` says why.
 * Nothing is skipped. Records of raw-IP and Linux-cooked traces get an Ethernet header in place of
 * what they had. A snapped frame is sent as it was captured: its length is what was captured.
 *
 * The file is untrusted.
 */
#ifndef REPLAY_HOST_TRACE_H
#define REPLAY_HOST_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	TRACE_FRAME_MIN = 14,     /* an Ethernet header */
	TRACE_FRAME_MAX = 262144, /* libpcap's own limit on what is captured of a frame */
	TRACE_HEADER_ROOM = 14,   /* what a header in front may add */
	TRACE_REASON_MAX = 320,
};

/* What can become of a record. */
enum trace_fate {
	TRACE_SENDABLE,
	TRACE_TOO_SHORT, /* shorter than an Ethernet header */
	TRACE_TOO_LONG,  /* longer than the port can receive */
	TRACE_UNUSABLE,  /* no Ethernet frame can be made of it */
	TRACE_FATES
};

struct trace_limits {
	uint32_t longest; /* that the port can receive, Ethernet header included */
	uint32_t padded;  /* shorter frames get zeros up to this, as the NIC would do; 0: none */
};

struct trace_frame {
	uint64_t number; /* in the file, from 1, as other tools count */
	enum trace_fate fate;
	const uint8_t *data; /* until the next call */
	uint32_t length;
	uint64_t time_ns; /* since 1970 */
	bool snapped, padded;
};

struct trace;

/*
 * Opens a trace; the file is closed with it. NULL: error (TRACE_REASON_MAX bytes) says why.
 */
struct trace *trace_open(FILE *file, struct trace_limits limits, char *error);
void trace_close(struct trace *trace);

/* 1: frame is filled in; 0: the trace is over; -1: the file is damaged here, error says how. */
int trace_next(struct trace *trace, struct trace_frame *frame, char *error);

/* How the trace's records become Ethernet frames, for people; never NULL. */
const char *trace_note(const struct trace *trace);

/* For people: "shorter than an Ethernet header" … */
const char *trace_fate_text(enum trace_fate fate);

#endif
