/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a line: what is typed is echoed; backspace, ^A ^E ^B ^F ^D ^K ^U ^L, the arrows, home,
 * end and delete edit; ^P ^N and up and down go through what was typed before. The cursor moves by
 * backspaces and by writing what stands there again: that works behind whatever the kernel puts
 * before the line, on every terminal.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "monitor.h"

enum {
	HISTORY = 16,
	LOOK_EVERY_NS = 20000000, /* the console has no event */
	CONTROL_A = 1,
	CONTROL_B = 2,
	CONTROL_D = 4,
	CONTROL_E = 5,
	CONTROL_F = 6,
	BACKSPACE = 8,
	CONTROL_K = 11,
	CONTROL_L = 12,
	CONTROL_N = 14,
	CONTROL_P = 16,
	CONTROL_U = 21,
	ESCAPE = 27,
	DELETE = 127,
};

static char text[LINE_MAX];
static unsigned size, cursor;
static char history[HISTORY][LINE_MAX];
static unsigned n_history, shown; /* lines kept; which is shown, counted back: 0 none */

/* Keys that came and were not looked at yet. */
static char keys[64];
static unsigned n_keys, next_key;

void line_put(const char *what)
{
	exo_console_write(exo_start_cap(EXO_USE_CONSOLE), what, strlen(what));
}

static char read_key(void)
{
	const struct exo_cap *console = exo_start_cap(EXO_USE_CONSOLE);

	while (next_key == n_keys) {
		int64_t n = exo_console_read(console, keys, sizeof(keys));

		next_key = 0;
		n_keys = n > 0 ? (unsigned)n : 0;
		if (n_keys == 0)
			exo_time_sleep_ns(LOOK_EVERY_NS);
	}
	return keys[next_key++];
}

/* ---- The line on the screen ---- */

static void back(unsigned n)
{
	char out[LINE_MAX + 1];

	memset(out, '\b', n);
	out[n] = 0;
	line_put(out);
}

/* Writes the text from the cursor on, `gone` blanks over what was there, and comes back. */
static void rewrite(unsigned gone)
{
	char out[2 * LINE_MAX + 1];
	unsigned n = size - cursor;

	memcpy(out, text + cursor, n);
	memset(out + n, ' ', gone);
	out[n + gone] = 0;
	line_put(out);
	back(n + gone);
}

static void insert(char c)
{
	if (size == LINE_MAX - 1)
		return;
	memmove(text + cursor + 1, text + cursor, size - cursor);
	text[cursor] = c;
	text[++size] = 0;
	line_put(text + cursor++);
	back(size - cursor);
}

static void move_to(unsigned to)
{
	char out[LINE_MAX];

	if (to < cursor) {
		back(cursor - to);
	} else {
		memcpy(out, text + cursor, to - cursor);
		out[to - cursor] = 0;
		line_put(out);
	}
	cursor = to;
}

/* Removes `n` bytes behind the cursor. */
static void cut(unsigned n)
{
	if (n > size - cursor)
		n = size - cursor;
	memmove(text + cursor, text + cursor + n, size - cursor - n);
	size -= n;
	rewrite(n);
}

static void replace(const char *with)
{
	move_to(0);
	cut(size);
	for (; *with; with++)
		insert(*with);
}

/* ---- History ---- */

static void remember(void)
{
	if (size == 0 || (n_history > 0 && strcmp(history[0], text) == 0))
		return;
	memmove(history[1], history[0], sizeof(history[0]) * (HISTORY - 1));
	memcpy(history[0], text, sizeof(text));
	if (n_history < HISTORY)
		n_history++;
}

static void recall(int step)
{
	if ((step > 0 && shown == n_history) || (step < 0 && shown == 0))
		return;
	shown += (unsigned)step;
	replace(shown == 0 ? "" : history[shown - 1]);
}

/* ---- Keys ---- */

/* The rest of an escape sequence as the control character of the same meaning, 0: of none. */
static char escape(void)
{
	char c = read_key();

	if (c != '[' && c != 'O')
		return 0;
	c = read_key();
	switch (c) {
	case 'A':
		return CONTROL_P;
	case 'B':
		return CONTROL_N;
	case 'C':
		return CONTROL_F;
	case 'D':
		return CONTROL_B;
	case 'H':
		return CONTROL_A;
	case 'F':
		return CONTROL_E;
	case '3':
		read_key(); /* ~ */
		return CONTROL_D;
	default:
		return 0;
	}
}

static void move(char key)
{
	if (key == CONTROL_A)
		move_to(0);
	else if (key == CONTROL_E)
		move_to(size);
	else if (key == CONTROL_B && cursor > 0)
		move_to(cursor - 1);
	else if (key == CONTROL_F && cursor < size)
		move_to(cursor + 1);
}

static void erase(char key)
{
	if (key == CONTROL_D) {
		cut(1);
	} else if (key == CONTROL_K) {
		cut(size);
	} else if (key == CONTROL_U) {
		replace("");
	} else if (cursor > 0) {
		move_to(cursor - 1);
		cut(1);
	}
}

static void act(char key, const char *prompt)
{
	if (key == ESCAPE)
		key = escape();
	switch (key) {
	case CONTROL_D:
	case CONTROL_K:
	case CONTROL_U:
	case BACKSPACE:
	case DELETE:
		erase(key);
		break;
	case CONTROL_L:
		line_put("\n");
		line_put(prompt);
		line_put(text);
		back(size - cursor);
		break;
	case CONTROL_P:
		recall(1);
		break;
	case CONTROL_N:
		recall(-1);
		break;
	default:
		if (key >= ' ' && key < DELETE)
			insert(key);
		else
			move(key);
	}
	text[size] = 0;
}

const char *line_read(const char *prompt)
{
	char key;

	size = cursor = shown = 0;
	text[0] = 0;
	line_put(prompt);
	while ((key = read_key()) != '\r' && key != '\n')
		act(key, prompt);
	line_put("\n");
	remember();
	return text;
}
