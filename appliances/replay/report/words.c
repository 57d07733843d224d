/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantity.h"
#include "words.h"

static const struct word *find(const struct word *const *tables, unsigned n, const char *name,
                               size_t length)
{
	for (unsigned i = 0; i < n; i++)
		for (const struct word *word = tables[i]; word->name; word++)
			if (strlen(word->name) == length && !memcmp(word->name, name, length))
				return word;
	return NULL;
}

static bool is_flag(const struct word *word)
{
	return word->kind == WORD_FLAG || word->kind == WORD_NO_FLAG;
}

static bool within(const struct word *word, uint64_t value)
{
	return value >= word->least && (!word->most || value <= word->most);
}

static bool take_number(const struct word *word, const char *text)
{
	uint64_t value;
	bool is_number = word->kind == WORD_SIZE   ? quantity_size(text, &value)
	                 : word->kind == WORD_TIME ? quantity_time(text, &value)
	                                           : quantity_count(text, &value);

	if (!is_number || !within(word, value))
		return false;
	if (word->kind == WORD_COUNT32)
		*(uint32_t *)word->to = (uint32_t)value;
	else
		*(uint64_t *)word->to = value;
	return true;
}

static bool take_share(const char *text, double *share)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%") != 0) || !(percent >= 0 && percent < 100))
		return false;
	*share = percent / 100;
	return true;
}

static bool take_choice(const struct word *word, const char *text)
{
	for (unsigned i = 0; word->choices[i]; i++) {
		if (!strcmp(text, word->choices[i])) {
			*(unsigned *)word->to = i;
			return true;
		}
	}
	return false;
}

/* NULL, or what is wrong with the value. */
static const char *take(const struct word *word, const char *text)
{
	static const char no[] = "is not what this option takes; try --help";

	switch (word->kind) {
	case WORD_FLAG:
	case WORD_NO_FLAG:
		*(bool *)word->to = word->kind == WORD_FLAG;
		return NULL;
	case WORD_TEXT:
		*(const char **)word->to = text;
		return NULL;
	case WORD_CHOICE:
		return take_choice(word, text) ? NULL : no;
	case WORD_SHARE:
		return take_share(text, word->to) ? NULL : no;
	case WORD_RATE:
		return quantity_rate(text, word->to) ? NULL : no;
	case WORD_CALL:
		return word->call(word->to, text);
	default:
		return take_number(word, text) ? NULL : no;
	}
}

static int refuse(char *error, const char *option, const char *value, const char *why)
{
	snprintf(error, WORDS_REASON_MAX, "%s%s%s%s %s", option, value ? " '" : "",
	         value ? value : "", value ? "'" : "", why);
	return -1;
}

/* Flags of one letter, several together. */
static int take_letters(const char *letters, const struct word *const *tables, unsigned n,
                        char *error)
{
	for (const char *at = letters + 1; *at; at++) {
		const struct word *word = find(tables, n, at, 1);
		if (!word || !is_flag(word))
			return refuse(error, letters, NULL, "is no option; try --help");
		(void)take(word, NULL);
	}
	return 0;
}

/* One option at argv[*at], with its value where it has one. */
static int take_option(int argc, char **argv, int *at, const struct word *const *tables, unsigned n,
                       char *error)
{
	char *option = argv[*at], *equals = strchr(option, '=');
	size_t length = equals ? (size_t)(equals - option) : strlen(option);
	const struct word *word = find(tables, n, option + 2, length - 2);
	const char *value = equals ? equals + 1 : NULL;

	if (!word || length == 3)
		return refuse(error, option, NULL, "is no option; try --help");
	if (is_flag(word) && value)
		return refuse(error, option, NULL, "takes no value");
	if (!is_flag(word) && !value) {
		if (*at + 1 >= argc)
			return refuse(error, option, NULL, "wants a value");
		value = argv[++*at];
	}
	const char *wrong = take(word, value);
	if (!wrong)
		return 0;
	if (equals)
		*equals = 0;
	return refuse(error, option, value, wrong);
}

int words_take(int argc, char **argv, const struct word *const *tables, unsigned n, char *error)
{
	int plain = 0, status = 0, at = 1;

	for (; at < argc && !status && strcmp(argv[at], "--") != 0; at++) {
		if (argv[at][0] != '-' || !argv[at][1])
			argv[1 + plain++] = argv[at];
		else if (argv[at][1] != '-')
			status = take_letters(argv[at], tables, n, error);
		else
			status = take_option(argc, argv, &at, tables, n, error);
	}
	for (at++; at < argc && !status; at++) /* behind -- */
		argv[1 + plain++] = argv[at];
	return status ? -1 : plain;
}
