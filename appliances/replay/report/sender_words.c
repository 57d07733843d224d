/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sender's words.
 */
#include <string.h>

#include "sender_words.h"

struct sender_options sender_usual_options(void)
{
	return (struct sender_options){.schedule = {.kind = SCHEDULE_ORIGINAL, .speed = 1000},
	                               .passes = 1,
	                               .timeout_ns = 1000000000,
	                               .flight_bits = 20,
	                               .listen = true};
}

static const char *take_rewrite(void *to, const char *text)
{
	static char error[WORDS_REASON_MAX / 2];

	return rewrite_parse(to, text, error, sizeof(error)) ? error : NULL;
}

void sender_words(struct sender_options *options, struct word words[SENDER_WORDS])
{
	const struct word all[SENDER_WORDS] = {
	        WORD("rate", WORD_RATE, &options->schedule),
	        WORD_IN("burst", WORD_COUNT32, &options->schedule.burst, 1, 1000000),
	        WORD("loop", WORD_COUNT, &options->passes),
	        WORD("frames", WORD_COUNT, &options->frames_max),
	        WORD("duration", WORD_TIME, &options->duration_ns),
	        WORD("warmup", WORD_TIME, &options->warmup_ns),
	        WORD("timeout", WORD_TIME, &options->timeout_ns),
	        WORD_IN("window", WORD_COUNT32, &options->flight_bits, 4, 26),
	        WORD_BY("rewrite", &options->rewrite, take_rewrite),
	        WORD("sign", WORD_FLAG, &options->sign),
	        WORD("no-return", WORD_NO_FLAG, &options->listen),
	        WORDS_END,
	};

	memcpy(words, all, sizeof(all));
}

const char *sender_words_check(const struct sender_options *options)
{
	if (options->schedule.kind == SCHEDULE_ORIGINAL && options->schedule.burst > 1)
		return "--burst wants a --rate in pps or bit/s";
	return NULL;
}
