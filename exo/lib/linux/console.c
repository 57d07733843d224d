/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console as a terminal: what is written is cut into lines, for the kernel puts time and name
 * before each piece; what is typed comes in whole lines, with backspace, end of file (^D) and the
 * interrupt signal (^C). A process without the right to read finds its end of file at once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/start.h>

#include "family.h"

enum {
	LINE_BYTES = 512,
	LOOK_NS = 10000000, /* how often the keyboard is looked at */
	INTERRUPT = 3,
	END = 4,
	BACKSPACE = 8,
	DELETE = 127,
};

static char line[LINE_BYTES];
static unsigned line_bytes;

void console_flush(void)
{
	const struct exo_cap *console = exo_start_cap(EXO_USE_CONSOLE);

	if (line_bytes > 0 && console != NULL)
		exo_console_write(console, line, line_bytes);
	line_bytes = 0;
}

static int64_t console_write(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	const char *text = (const char *)address;

	for (uint64_t i = 0; i < size; i++) {
		line[line_bytes++] = text[i];
		if (text[i] == '\n' || line_bytes == sizeof(line))
			console_flush();
	}
	return (int64_t)size;
}

static void interrupt_all(void)
{
	for (unsigned i = 0; i < PROCESSES_MAX; i++)
		if (family->processes[i].state == PROCESS_LIVE)
			family->processes[i].pending |= 1ull << (SIGINT - 1);
}

static void accept(char c)
{
	struct keyboard *typed = &family->keyboard;

	if (c == INTERRUPT) {
		typed->bytes = typed->complete;
		interrupt_all();
	} else if (c == BACKSPACE || c == DELETE) {
		typed->bytes -= typed->bytes > typed->complete;
	} else if (c == END) {
		typed->ended = typed->bytes == typed->complete;
		typed->complete = typed->bytes;
	} else if (typed->bytes < TYPED_BYTES) {
		typed->text[typed->bytes++] = (char)(c == '\r' ? '\n' : c);
		if (c == '\r' || c == '\n' || typed->bytes == TYPED_BYTES)
			typed->complete = typed->bytes;
	}
}

/* Whether there is a keyboard. */
static bool look(void)
{
	const struct exo_cap *console = exo_start_cap(EXO_USE_CONSOLE);
	char text[64];
	int64_t n;

	if (console == NULL || (console->rights & EXO_RIGHT_READ) == 0)
		return false;
	while (family->keyboard.bytes < TYPED_BYTES &&
	       (n = exo_console_read(console, text, sizeof(text))) > 0)
		for (int64_t i = 0; i < n; i++)
			accept(text[i]);
	return true;
}

static int64_t console_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct keyboard *typed = &family->keyboard;
	uint32_t n = 0;

	console_flush();
	if (!look())
		return 0;
	if (typed->complete == 0 && !typed->ended) {
		task_look_again(LOOK_NS);
		return LINUX_WAIT;
	}
	/* A line at most; the numbers are the family's, and looked at as such. */
	while (n < size && n < typed->complete && n < TYPED_BYTES)
		if (typed->text[n++] == '\n')
			break;
	memcpy((void *)address, typed->text, n);
	memmove(typed->text, typed->text + n, TYPED_BYTES - n);
	typed->bytes -= n;
	typed->complete -= n;
	typed->ended = typed->ended && n > 0;
	return n;
}

static unsigned console_poll(struct file *file)
{
	const struct keyboard *typed = &family->keyboard;
	bool keyboard = look();

	if (keyboard)
		task_look_again(LOOK_NS);
	return POLLOUT | (!keyboard || typed->complete > 0 || typed->ended ? POLLIN : 0);
}

/* It looks like a terminal of unknown size: C libraries then show each line when it is complete. */
static int64_t console_ioctl(struct file *file, uint64_t request, uint64_t argument)
{
	static const uint16_t size[4];
	static const uint32_t attributes[9] = {0x500, 5, 0xbf, 0x8a3b};
	uint32_t group = self->group;

	switch (request) {
	case TIOCGWINSZ:
		return copy_out(argument, size, sizeof(size));
	case TCGETS:
		return copy_out(argument, attributes, sizeof(attributes));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TIOCSPGRP:
		return 0;
	case TIOCGPGRP:
		return copy_out(argument, &group, sizeof(group));
	default:
		return -ENOTTY;
	}
}

const struct file_type_operations console_operations = {
        .read = console_read,
        .write = console_write,
        .poll = console_poll,
        .ioctl = console_ioctl,
        .mode = S_IFCHR | 0620,
};
