/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was measured, as one JSON document: the one account from which report, table, CSV,
 * requirements and comparisons are made. Its keys are documented in README.md.
 */
#ifndef REPLAY_TOOL_RESULTS_H
#define REPLAY_TOOL_RESULTS_H

#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "../engine/sender.h"
#include "ports.h"
#include "trace_source.h"

/* One repetition. tags: the names of the bindings or flows, tags_n of them. */
cJSON *results_run(const struct sender_tally *tally, const struct port_statistics *statistics,
                   const char *const *tags, unsigned tags_n, const char *error);

cJSON *results_trace(const struct trace_account *account);

/* What a document says of the port that was used. */
struct results_port {
	const char *name, *driver, *stamps; /* stamps: by which clock arrivals are timed */
	const char *priority;               /* of the sender among the computer's threads */
};

/* Version, machine, clock, date, command line. */
cJSON *results_provenance(int argc, char **argv, const struct results_port *port);

/* A histogram's count, minimum, mean, quantiles and maximum, in ns. */
cJSON *results_quantiles(const struct histogram *histogram);

/* Adds "summary": of each figure of the runs the median, least, greatest, and the interval that
 * holds the mean with 95 % confidence (Student's t) where there are three runs or more. */
void results_summarise(cJSON *document);

/* The figure of that name in a document: a median of its summary. NAN where there is none. */
double results_figure(const cJSON *document, const char *name);

/* A figure of a summary for people, with its unit; in the caller's buffer. */
const char *results_show(char *buffer, size_t size, const char *name, double value);
/* Whether a figure is of what came back. */
bool results_needs_return(const char *name);

/* Writes a histogram as HdrHistogram's percentile distribution (.hgrm), in microseconds. */
void results_hgrm(FILE *out, const struct histogram *histogram);
/* Writes the runs' time series as CSV. */
void results_csv(FILE *out, const cJSON *document);

#endif
