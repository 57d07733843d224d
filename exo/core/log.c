/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console's lines. One lock orders them; which environment's line is still open is remembered,
 * so that a prompt and what follows it stay together and nobody else's text runs into them.
 */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "env.h"
#include "machine.h"

enum {
	LINE_BYTES_MAX = 512,
	KERNEL_LINE_BYTES = LINE_BYTES_MAX + EXO_NAME_MAX + 8,
	CHARACTER_BYTES = 5,            /* that one can become, */
	HEAD_BYTES = EXO_NAME_MAX + 24, /* and what stands before a line's first: time and name */
};

static struct {
	struct machine_lock lock;
	uint32_t open; /* environment whose line has no newline yet; 0: none */
} console;

/* Text on its way out, in pieces of a size that suits a serial line. */
struct out {
	char text[256];
	size_t size;
};

static void flush(struct out *out)
{
	machine_console_write(out->text, out->size);
	out->size = 0;
}

static void put(struct out *out, const char *text, size_t size)
{
	if (sizeof(out->text) - out->size < size)
		flush(out);
	memcpy(out->text + out->size, text, size);
	out->size += size;
}

/* Everything that a terminal could take for a command becomes visible instead. */
static void put_safe(struct out *out, char c)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char byte = (unsigned char)c;
	char escaped[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};

	if ((byte >= 0x20 && byte <= 0x7e) || c == '\t' || c == '\n')
		put(out, &c, 1);
	else if (c != '\r')
		put(out, escaped, sizeof(escaped));
}

static void close_open_line(void)
{
	if (console.open)
		machine_console_write("\n", 1);
	console.open = 0;
}

static void print_line(const char *name, const char *format, va_list list)
{
	char line[KERNEL_LINE_BYTES];
	int head = snprintf(line, sizeof(line), "%.*s: ", EXO_NAME_MAX, name);
	int size = vsnprintf(line + head, LINE_BYTES_MAX, format, list);

	if (size < 0)
		size = 0;
	if (size >= LINE_BYTES_MAX)
		size = LINE_BYTES_MAX - 1;
	/* Some of it may be an environment's: one line, and nothing that a terminal obeys. */
	for (int i = head; i < head + size; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '.';
	line[head + size] = '\n';
	machine_lock(&console.lock);
	close_open_line();
	machine_console_write(line, (size_t)head + (size_t)size + 1);
	machine_unlock(&console.lock);
}

void log_line(const char *name, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	print_line(name, format, list);
	va_end(list);
}

void log_env(const struct env *env, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	print_line(env->name, format, list);
	va_end(list);
}

static void put_head(struct out *out, const struct env *env)
{
	put(out, env->name, strlen(env->name));
	put(out, ": ", 2);
}

size_t log_env_text(const struct env *env, const char *text, size_t size, bool raw)
{
	struct out out = {.size = 0};
	size_t i, room;

	machine_lock(&console.lock);
	room = machine_console_room();
	if (console.open != env->id)
		close_open_line();
	for (i = 0; i < size && room >= HEAD_BYTES + CHARACTER_BYTES; i++) {
		room -= console.open ? CHARACTER_BYTES : HEAD_BYTES + CHARACTER_BYTES;
		if (!console.open)
			put_head(&out, env);
		console.open = text[i] == '\n' ? 0 : env->id;
		if (raw)
			put(&out, &text[i], 1);
		else
			put_safe(&out, text[i]);
	}
	flush(&out);
	machine_unlock(&console.lock);
	return i;
}
