/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command line as a table: of each word its name, what follows it, where that goes and within
 * which bounds. Programs on Linux and on a machine of its own read their words by it.
 *
 *     --name VALUE, --name=VALUE, --flag
 *     -x        a flag whose name is one letter
 *     --        no more options follow
 */
#ifndef REPLAY_REPORT_WORDS_H
#define REPLAY_REPORT_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum word_kind {
	WORD_FLAG,    /* bool: becomes true */
	WORD_NO_FLAG, /* bool: becomes false */
	WORD_TEXT,    /* const char * into the command line */
	WORD_CHOICE,  /* unsigned: which of `choices` */
	/* Numbers (quantity.h), within least and most. */
	WORD_COUNT,   /* uint64_t */
	WORD_COUNT32, /* uint32_t */
	WORD_SIZE,    /* uint64_t, bytes */
	WORD_TIME,    /* uint64_t, ns */
	WORD_SHARE,   /* double: PERCENT or PERCENT% of 1 */
	WORD_RATE,    /* struct schedule: kind and rate */
	WORD_CALL,    /* call(to, text) */
};

struct word {
	const char *name;
	enum word_kind kind;
	void *to;
	uint64_t least, most; /* most 0: no bound */
	/* WORD_CHOICE: names, the last one NULL. */
	const char *const *choices;
	/* NULL, or what is wrong with the text: static, or valid until the next call. */
	const char *(*call)(void *to, const char *text);
};

/* Rows of a table; WORDS_END is the last one. */
#define WORD(name_, kind_, to_)                                                                    \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .to = (to_)                                      \
	}
#define WORD_IN(name_, kind_, to_, least_, most_)                                                  \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .to = (to_), .least = (least_), .most = (most_)  \
	}
#define WORD_OF(name_, to_, choices_)                                                              \
	{                                                                                          \
		.name = (name_), .kind = WORD_CHOICE, .to = (to_), .choices = (choices_)           \
	}
#define WORD_BY(name_, to_, call_)                                                                 \
	{                                                                                          \
		.name = (name_), .kind = WORD_CALL, .to = (to_), .call = (call_)                   \
	}
#define WORDS_END                                                                                  \
	{                                                                                          \
		.name = NULL                                                                       \
	}

enum { WORDS_REASON_MAX = 480 };

/*
 * Reads argv[1] … by tables, each ended by a word without a name, `n` of them. What is no option
 * moves to the front of argv + 1, in order, and is counted: the result. -1: error
 * (WORDS_REASON_MAX bytes) says what is wrong.
 */
int words_take(int argc, char **argv, const struct word *const *tables, unsigned n, char *error);

#endif
