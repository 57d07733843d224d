/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For which binding or flow a frame counts: the first expression that accepts it, or its flow
 * (protocol, addresses, ports), the first ones seen by name and all others together.
 */
#ifndef REPLAY_TOOL_TAGS_H
#define REPLAY_TOOL_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../engine/sender.h"

enum { TAGS_NAME = 112 };

struct flt_program;

struct tags {
	unsigned n; /* tag 0: the rest */
	bool flows;
	char names[SENDER_TAGS][TAGS_NAME];
	struct flt_program *programs[SENDER_TAGS]; /* of bindings */
	uint64_t keys[SENDER_TAGS];                /* of flows */
};

/* Begins with the rest only. */
void tags_begin(struct tags *tags);
/* Adds a binding, NAME=EXPRESSION (tags: struct tags, as a word's call wants it). NULL, or what is
 * wrong, until the next call. */
const char *tags_bind(void *tags, const char *text);
void tags_free(struct tags *tags);

/* The tag of a frame, as sender_options.tag wants it (context: struct tags). */
unsigned tags_of(void *tags, const uint8_t *frame, uint32_t length);

/* The names as an array. */
void tags_names(const struct tags *tags, const char *names[SENDER_TAGS]);

#endif
