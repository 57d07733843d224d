/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace as a source: read into memory before anything is sent where it fits, else read by a
 * thread of its own while it is sent, so that the disk never decides when a frame leaves.
 *
 * Records that can't be sent are counted by reason, the first few by number.
 */
#ifndef REPLAY_TOOL_TRACE_SOURCE_H
#define REPLAY_TOOL_TRACE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/source.h"
#include "../host/trace.h"

enum {
	TRACE_SOURCE_NUMBERS = 8, /* of records left out that are named */
	TRACE_SOURCE_DIGEST = 65, /* SHA-256 in hexadecimal digits, and NUL */
};

/* Records of one sort, the first few by their numbers. */
struct trace_odd {
	uint64_t n, numbers[TRACE_SOURCE_NUMBERS];
};

/* What one pass over the trace held. */
struct trace_account {
	uint64_t records, frames, bytes; /* in the file; of them sendable; their bytes */
	uint64_t first_ns, last_ns;      /* times in the trace */
	uint64_t padded;
	uint32_t longest;
	struct trace_odd left_out[TRACE_FATES];
	struct trace_odd snapped;    /* shorter than on the wire: sent as they were captured */
	struct trace_odd disordered; /* older than one before them: due together with that */
	bool damaged, streamed;
	char note[TRACE_REASON_MAX];      /* how records became frames */
	char damage[TRACE_REASON_MAX];    /* where the file is damaged */
	char digest[TRACE_SOURCE_DIGEST]; /* of the file's bytes; empty where it is streamed */
	char name[256];
};

struct trace_source {
	struct source source; /* first */
	struct trace_account account;
	struct trace_store *store;
};

/*
 * Opens a trace; "-" is standard input. Frames up to `longest` bytes are sendable. Files over
 * `preload` bytes are streamed. NULL: error (TRACE_REASON_MAX bytes) says why. A damaged trace is
 * opened if any frame before the damage can be sent; the account says where it is damaged.
 */
struct trace_source *trace_source_open(const char *path, uint32_t longest, uint64_t preload,
                                       char *error);
/* Ends the reading of a streamed trace: nothing more comes of it, and the account, which until then
 * is its reader's, says what was read. */
void trace_source_stop(struct trace_source *source);
void trace_source_close(struct trace_source *source);

#endif
