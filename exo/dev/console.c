/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: lines with the seconds since kernel entry before them, to the serial port and the
 * screen. Whole calls are written under a lock, so that cores' lines do not mix; a panic breaks the
 * lock.
 */
#include "console.h"

#include <stdio.h>

#include "../x86_64/cpu.h"
#include "../x86_64/x86.h"
#include "serial.h"
#include "text.h"

static struct machine_lock console_lock;
static bool line_open; /* the last byte written was not a newline */
static bool broken;

enum {
	HISTORY = 16384,
};
static char history[HISTORY]; /* the last bytes shown; `shown` of them since the start */
static uint64_t shown;

static void write_all(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		history[(shown + i) % HISTORY] = text[i];
	shown += size;
	dev_serial_write(text, size);
	dev_text_write(text, size);
}

static void write_time(void)
{
	const struct machine_info *info = machine_info();
	uint64_t ticks = machine_tsc() - info->tsc_boot, hz = info->tsc_hz;
	uint64_t seconds = hz == 0 ? 0 : ticks / hz;
	uint64_t micros = hz == 0 ? 0 : (ticks % hz) * 1000000 / hz;
	char stamp[16];
	size_t n = sizeof(stamp);

	stamp[--n] = ' ';
	stamp[--n] = ']';
	for (int i = 0; i < 6; i++, micros /= 10)
		stamp[--n] = (char)('0' + micros % 10);
	stamp[--n] = '.';
	do {
		stamp[--n] = (char)('0' + seconds % 10);
		seconds /= 10;
	} while (n > 2 && seconds != 0);
	while (n > 2)
		stamp[--n] = ' ';
	stamp[--n] = '[';
	write_all(stamp + n, sizeof(stamp) - n);
}

static size_t line_length(const char *text, size_t size)
{
	size_t n = 0;

	while (n < size && text[n] != '\n')
		n++;
	return n < size ? n + 1 : n;
}

static void write_lines(const char *text, size_t size)
{
	while (size > 0) {
		size_t n = line_length(text, size);

		if (!line_open)
			write_time();
		write_all(text, n);
		line_open = text[n - 1] != '\n';
		text += n;
		size -= n;
	}
}

void machine_console_write(const char *text, size_t size)
{
	if (broken) {
		write_lines(text, size);
		dev_serial_flush();
		return;
	}
	machine_lock(&console_lock);
	write_lines(text, size);
	machine_unlock(&console_lock);
}

size_t machine_console_room(void)
{
	size_t room;

	machine_lock(&console_lock);
	room = dev_serial_room();
	machine_unlock(&console_lock);
	return room;
}

size_t machine_console_read(char *text, size_t size)
{
	machine_lock(&console_lock);
	size = dev_serial_read(text, size);
	machine_unlock(&console_lock);
	return size;
}

bool x86_console_drain(void)
{
	if (!dev_serial_busy())
		return false;
	machine_lock(&console_lock);
	dev_serial_poll();
	machine_unlock(&console_lock);
	return dev_serial_busy();
}

size_t console_history(uint64_t *from, char *text, size_t size)
{
	size_t n = 0;

	machine_lock(&console_lock);
	if (*from > shown || shown - *from > HISTORY)
		*from = shown > HISTORY ? shown - HISTORY : 0;
	for (; n < size && *from + n < shown; n++)
		text[n] = history[(*from + n) % HISTORY];
	machine_unlock(&console_lock);
	return n;
}

void x86_console_break(void)
{
	broken = true;
	dev_serial_flush();
	dev_text_pause(false);
}

void x86_print(const char *format, ...)
{
	char text[512];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (n > 0)
		machine_console_write(text,
		                      (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}
