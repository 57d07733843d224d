/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run has to reach: `p99<50us`, `loss=0`, `pps>=10k`, … over the figures of a document's
 * summary (results.h).
 */
#ifndef REPLAY_TOOL_REQUIRE_H
#define REPLAY_TOOL_REQUIRE_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

enum { REQUIRE_MAX = 32, REQUIRE_NAME = 24 };

struct requirement {
	char name[REQUIRE_NAME], relation[3];
	double bound;
	const char *text;
};

/* NULL, or what is wrong with the text (which must outlive the requirement). */
const char *require_parse(struct requirement *requirement, const char *text);

/* Adds "requirements" to the document: text, measured, held. Whether all held; one whose figure was
 * not measured did not. */
bool require_judge(cJSON *document, const struct requirement *requirements, unsigned n);

#endif
