/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report: one page that needs no network. First the verdict in a paragraph, then plots, tables,
 * and where the figures come from.
 */
#ifndef REPLAY_TOOL_HTML_H
#define REPLAY_TOOL_HTML_H

#include <stdio.h>

#include <cjson/cJSON.h>

/* document: as results.h makes them. */
void html_report(FILE *out, const cJSON *document);

/* The verdict as plain text, into a buffer of size. */
void html_verdict(char *text, size_t size, const cJSON *document);

#endif
