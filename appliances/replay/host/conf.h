/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text manifest of a replay: an environment per binding, as ../README.md says.
 */
#ifndef REPLAY_HOST_CONF_H
#define REPLAY_HOST_CONF_H

#include <stdio.h>

#include "bindings.h"

/* Sinks use buffers of that size unless a frame is longer. */
enum { CONF_SMALL_BUFFER = 2048 };

struct conf_options {
	uint32_t frames;  /* page frames of each sink */
	uint32_t longest; /* frame on the data port, in bytes */
	uint32_t cores;   /* sinks are spread over them */
};

void conf_write(FILE *out, const struct bindings *bindings, const struct conf_options *options);

#endif
