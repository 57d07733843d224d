/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a replay showed: as a table or a page for people, as JSON for programs. All say the same.
 */
#ifndef REPLAY_HOST_REPORT_H
#define REPLAY_HOST_REPORT_H

#include <stdio.h>

#include "session.h"

/* What does not agree; each is one reason for exit status 1. */
enum verdict {
	VERDICT_AGREE = 0,
	VERDICT_MATCHED = 1 << 0,   /* a binding matched other frames than libpcap accepts */
	VERDICT_DELIVERED = 1 << 1, /* a binding got other frames than the order gives it */
	VERDICT_UNMATCHED = 1 << 2, /* other frames were nobody's */
	VERDICT_LOST = 1 << 3,      /* frames without a known fate, or dropped */
	VERDICT_REFUSED = 1 << 4,   /* a binding was refused, or did not report */
	VERDICT_DAMAGED = 1 << 5,   /* the trace could not be read to its end */
	VERDICT_ENGINE = 1 << 6, /* the engine's flow misses a frame that the expression accepts */
};

/* Compares what the machine says with what should be. */
unsigned report_judge(const struct bindings *bindings, const struct session_result *result);

/* What the data port lost before any binding was asked: as the last sink saw it. */
struct replay_port report_port(const struct bindings *bindings);

void report_table(FILE *out, const char *trace, const struct bindings *bindings,
                  const struct session_result *result, unsigned verdict);
/* One page that needs no network. */
void report_page(FILE *out, const char *trace, const struct bindings *bindings,
                 const struct session_result *result, unsigned verdict);
void report_json(FILE *out, const char *trace, const struct bindings *bindings,
                 const struct session_result *result, unsigned verdict);

#endif
