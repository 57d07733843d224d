/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame of a report's page: one file, no script, nothing from a network. Text of the user's or
 * of a trace's is escaped.
 */
#ifndef REPLAY_REPORT_PAGE_H
#define REPLAY_REPORT_PAGE_H

#include <stdbool.h>
#include <stdio.h>

void page_begin(FILE *out);
void page_end(FILE *out, const char *footer);
void page_text(FILE *out, const char *text);
/* The paragraph that everybody reads; emulated puts a banner above it. */
void page_verdict(FILE *out, const char *text, bool good, bool emulated);
/* A row of a name and a value in a table; none where the value is empty. */
void page_row(FILE *out, const char *name, const char *value);

#endif
