/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines for the console, and errors in words.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

int exo_vprintf(const char *format, va_list args)
{
	const struct exo_cap *console = exo_start_cap(EXO_USE_CONSOLE);
	char text[EXO_PRINTF_MAX];
	int n = exo_vsnprintf(text, sizeof(text), format, args);

	if (console == NULL)
		return -EXO_EPERM;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	return (int)exo_console_write(console, text, (size_t)n);
}

int exo_printf(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = exo_vprintf(format, args);
	va_end(args);
	return n;
}
