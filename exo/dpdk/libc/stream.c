/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output streams: stdout and stderr are the kernel's console, and there are no others. A call's
 * text is gathered so that lines of several cores do not mix more than they must.
 */
#include <stdio.h>
#include <string.h>

#include "../../core/machine.h"
#include "format.h"

/* What they point at is never looked into. */
FILE *stdout = (FILE *)&stdout;
FILE *stderr = (FILE *)&stderr;

struct console_sink {
	struct format_sink sink;
	size_t used;
	char text[256];
};

static void flush(struct console_sink *c)
{
	machine_console_write(c->text, c->used);
	c->used = 0;
}

static void put_on_console(struct format_sink *sink, const char *text, size_t size)
{
	struct console_sink *c = (struct console_sink *)sink;

	while (size > 0) {
		size_t room = sizeof(c->text) - c->used, n = size < room ? size : room;

		memcpy(c->text + c->used, text, n);
		c->used += n;
		text += n;
		size -= n;
		if (c->used == sizeof(c->text))
			flush(c);
	}
}

int vfprintf(FILE *restrict stream, const char *restrict format, va_list arguments)
{
	struct console_sink c = {{put_on_console}, 0, ""};
	int n = format_text(&c.sink, format, arguments);

	flush(&c);
	return n;
}

int fprintf(FILE *restrict stream, const char *restrict format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vfprintf(stream, format, arguments);
	va_end(arguments);
	return n;
}

int printf(const char *restrict format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vfprintf(stdout, format, arguments);
	va_end(arguments);
	return n;
}

size_t fwrite(const void *restrict from, size_t size, size_t n, FILE *restrict stream)
{
	machine_console_write(from, size * n);
	return n;
}

int fputs(const char *restrict text, FILE *restrict stream)
{
	machine_console_write(text, strlen(text));
	return 0;
}

int puts(const char *text)
{
	fputs(text, stdout);
	return fputc('\n', stdout);
}

int fputc(int c, FILE *stream)
{
	char byte = (char)c;

	machine_console_write(&byte, 1);
	return (unsigned char)c;
}

int putchar(int c)
{
	return fputc(c, stdout);
}

int fflush(FILE *stream)
{
	return 0;
}

int fclose(FILE *stream)
{
	return 0;
}
