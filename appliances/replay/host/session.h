/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One replay: the trace goes into the machine's data port, control and results come over the host
 * channel on its control port. ../README.md tells the sequence; replay/protocol.h has the records.
 */
#ifndef REPLAY_HOST_SESSION_H
#define REPLAY_HOST_SESSION_H

#include "bindings.h"
#include "trace.h"

struct session_options {
	const char *data_path, *control_path; /* sockets to listen at */
	const char *key;                      /* of the channel: 32 hexadecimal digits */
	struct trace_limits limits;
	uint32_t window;      /* frames sent beyond those settled, at most */
	uint32_t patience_ms; /* without a sign of progress, until we go on without */
	bool quiet;           /* no progress line */
};

enum { SESSION_LEFT_OUT_MAX = 32 };

/* Frames that were left out, for one reason. */
struct left_out {
	uint64_t n;
	uint64_t numbers[SESSION_LEFT_OUT_MAX]; /* of the first of them */
};

struct session_result {
	char machine[64]; /* what it said HELLO with */
	struct left_out left_out[TRACE_FATES];
	uint64_t frames;          /* records in the trace */
	uint64_t snapped, padded; /* of those sent */
	uint64_t sent, settled;   /* frames */
	uint64_t sent_bytes;
	uint64_t first_ns, last_ns; /* times of the trace's first and last record */
	double seconds;             /* from the first frame sent to the last settled */
	int32_t status;             /* what DONE said */
	bool damaged;               /* the trace ended in damage; `note` says how */
	char note[TRACE_REASON_MAX];
	char link_note[TRACE_REASON_MAX]; /* trace_note() */
};

/* Reads the whole trace: the length of the longest frame that can be sent. 0, or -1 where it is no
 * trace that can be sent at all. */
int session_scan(const char *path, const struct session_options *options, uint32_t *longest,
                 char *error);

/*
 * Runs the replay of the trace at path. Results of the machine go to the bindings. 0, or -1 with
 * `error` (TRACE_REASON_MAX bytes): it did not come to an end, and nothing can be compared.
 */
int session_run(const char *path, const struct session_options *options, struct bindings *bindings,
                struct session_result *result, char *error);

/* Judges every frame of the trace that was sent, now that the age of bindings is known. 0 or -1. */
int session_judge(const char *path, const struct session_options *options,
                  struct bindings *bindings, char *error);

#endif
