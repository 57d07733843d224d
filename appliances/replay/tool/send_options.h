/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of `sluice-replay send`.
 */
#ifndef REPLAY_TOOL_SEND_OPTIONS_H
#define REPLAY_TOOL_SEND_OPTIONS_H

#include "../engine/sender.h"
#include "command.h"
#include "require.h"
#include "tags.h"

struct send_options {
	const char *trace, *to, *from; /* from: where frames return; NULL: to */
	struct sender_options sender;
	struct tags tags;
	uint32_t repeat;
	uint64_t preload, await_ns;
	const char *report, *json, *csv, *hgrm, *departures, *capture;
	struct requirement requirements[REQUIRE_MAX];
	unsigned requirements_n;
	struct common_words common;
};

/* 0; -1 where all is done (--help); or the exit status of a mistake, which was explained. */
int send_options_parse(int argc, char **argv, struct send_options *options);

#endif
