/* SPDX-License-Identifier: BSD-2-Clause */
/* printf's family into memory. What goes to a stream is in stream.c. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

struct buffer_sink {
	struct format_sink sink;
	char *to;
	size_t left; /* bytes of room, without the NUL */
};

static void put_in_buffer(struct format_sink *sink, const char *text, size_t size)
{
	struct buffer_sink *b = (struct buffer_sink *)sink;
	size_t fit = size < b->left ? size : b->left;

	memcpy(b->to, text, fit);
	b->to += fit;
	b->left -= fit;
}

int vsnprintf(char *restrict to, size_t size, const char *restrict format, va_list arguments)
{
	char nothing;
	struct buffer_sink b = {{put_in_buffer}, to, size - 1};
	int n;

	if (size == 0) {
		b.to = &nothing;
		b.left = 0;
	}
	n = format_text(&b.sink, format, arguments);
	if (size > 0)
		*b.to = '\0';
	return n;
}

int snprintf(char *restrict to, size_t size, const char *restrict format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(to, size, format, arguments);
	va_end(arguments);
	return n;
}

int vasprintf(char **restrict to, const char *restrict format, va_list arguments)
{
	va_list again;
	int n;

	va_copy(again, arguments);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	*to = n < 0 ? NULL : malloc((size_t)n + 1);
	if (*to == NULL)
		return -1;
	return vsnprintf(*to, (size_t)n + 1, format, arguments);
}

int asprintf(char **restrict to, const char *restrict format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vasprintf(to, format, arguments);
	va_end(arguments);
	return n;
}
