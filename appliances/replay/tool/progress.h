/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line on the terminal that says how far a run is: bar, rate, loss, time left. Nothing where
 * standard error is no terminal.
 */
#ifndef REPLAY_TOOL_PROGRESS_H
#define REPLAY_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "../engine/sender.h"

struct progress {
	bool on;
	uint64_t shown_ns, begin_ns, sent_then;
	uint64_t expected; /* frames; 0: not known */
};

void progress_begin(struct progress *progress, bool quiet, uint64_t expected);
/* To be called often; costs next to nothing. */
void progress_show(struct progress *progress, const struct sender *sender, uint64_t now_ns);
void progress_end(const struct progress *progress);

#endif
