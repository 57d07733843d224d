/* SPDX-License-Identifier: BSD-2-Clause */
/* Slices of text and bounded answers; see text.h. */
#include "text.h"

#include <stdarg.h>
#include <string.h>

#include <libexo/printf.h>

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool text_begins(struct text text, const char *word, struct text *rest)
{
	size_t n = strlen(word);

	if (text.size < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(text.at[i]) != lower(word[i]))
			return false;
	*rest = (struct text){text.at + n, text.size - n};
	return true;
}

bool text_is(struct text text, const char *word)
{
	struct text rest;

	return text_begins(text, word, &rest) && rest.size == 0;
}

struct text text_cut(struct text *text, char separator)
{
	struct text first = *text;

	for (size_t i = 0; i < text->size; i++)
		if (text->at[i] == separator) {
			first.size = i;
			*text = (struct text){text->at + i + 1, text->size - i - 1};
			return first;
		}
	*text = (struct text){text->at + text->size, 0};
	return first;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

struct text text_trim(struct text text)
{
	while (text.size > 0 && blank(text.at[0]))
		text = (struct text){text.at + 1, text.size - 1};
	while (text.size > 0 && blank(text.at[text.size - 1]))
		text.size--;
	return text;
}

bool text_number(struct text text, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;

	if (text.size == 0)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		uint64_t digit = (uint64_t)(text.at[i] - '0');

		if (text.at[i] < '0' || text.at[i] > '9' || digit > max ||
		    value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

bool text_hex(struct text text, uint64_t *number)
{
	uint64_t value = 0;

	if (text.size == 0 || text.size > 16)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		char c = lower(text.at[i]);

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*number = value;
	return true;
}

void out_print(struct out *out, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = exo_vsnprintf(out->at + out->size, out->room - out->size, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= out->room - out->size)
		out->full = true;
	else
		out->size += (size_t)n;
}

void out_text(struct out *out, struct text text)
{
	if (text.size >= out->room - out->size) {
		out->full = true;
		return;
	}
	memcpy(out->at + out->size, text.at, text.size);
	out->size += text.size;
	out->at[out->size] = '\0';
}
