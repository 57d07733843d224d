/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of whoever sends a trace, on Linux or on a machine of its own.
 */
#ifndef REPLAY_REPORT_SENDER_WORDS_H
#define REPLAY_REPORT_SENDER_WORDS_H

#include "../engine/sender.h"
#include "words.h"

enum { SENDER_WORDS = 12 };

/* What a sender does that was told nothing: once at original speed, listening for a second. */
struct sender_options sender_usual_options(void);

/*
 *   --rate R --burst N --loop N --frames N --duration TIME --warmup TIME --timeout TIME
 *   --window BITS --rewrite RULES --sign --no-return
 */
void sender_words(struct sender_options *options, struct word words[SENDER_WORDS]);

/* What of these excludes each other; NULL: nothing does. */
const char *sender_words_check(const struct sender_options *options);

#endif
