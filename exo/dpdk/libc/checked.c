/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checked variants that Debian's archives call (they are compiled with _FORTIFY_SOURCE) and the
 * stack protector's end: each stops the kernel where a buffer would overflow, and otherwise does
 * what the plain function does.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../core/machine.h"

/* Their prototypes are in no header that may be included without _FORTIFY_SOURCE. */
void *__memcpy_chk(void *to, const void *from, size_t size, size_t room);
void *__memmove_chk(void *to, const void *from, size_t size, size_t room);
void *__memset_chk(void *to, int byte, size_t size, size_t room);
char *__strcpy_chk(char *to, const char *from, size_t room);
char *__strncpy_chk(char *to, const char *from, size_t size, size_t room);
char *__strcat_chk(char *to, const char *from, size_t room);
char *__strncat_chk(char *to, const char *from, size_t max, size_t room);
int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...);
int __snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, ...);
int __vsnprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, va_list list);
int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list list);
int __asprintf_chk(char **to, int flag, const char *format, ...);
void __stack_chk_fail(void);

static void check(size_t need, size_t room, const char *function)
{
	if (need > room)
		machine_panic("%s: %zu bytes into a buffer of %zu", function, need, room);
}

void *__memcpy_chk(void *to, const void *from, size_t size, size_t room)
{
	check(size, room, "memcpy");
	return memcpy(to, from, size);
}

void *__memmove_chk(void *to, const void *from, size_t size, size_t room)
{
	check(size, room, "memmove");
	return memmove(to, from, size);
}

void *__memset_chk(void *to, int byte, size_t size, size_t room)
{
	check(size, room, "memset");
	return memset(to, byte, size);
}

char *__strcpy_chk(char *to, const char *from, size_t room)
{
	check(strlen(from) + 1, room, "strcpy");
	return strcpy(to, from);
}

char *__strncpy_chk(char *to, const char *from, size_t size, size_t room)
{
	check(size, room, "strncpy");
	return strncpy(to, from, size);
}

char *__strcat_chk(char *to, const char *from, size_t room)
{
	check(strlen(to) + strlen(from) + 1, room, "strcat");
	return strcat(to, from);
}

char *__strncat_chk(char *to, const char *from, size_t max, size_t room)
{
	check(strlen(to) + strnlen(from, max) + 1, room, "strncat");
	return strncat(to, from, max);
}

int __vsnprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, va_list list)
{
	check(size, room, "vsnprintf");
	return vsnprintf(to, size, format, list);
}

int __snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, ...)
{
	va_list list;
	int n;

	check(size, room, "snprintf");
	va_start(list, format);
	n = vsnprintf(to, size, format, list);
	va_end(list);
	return n;
}

int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(to, room, format, list);
	va_end(list);
	check(n < 0 ? 0 : (size_t)n + 1, room, "sprintf");
	return n;
}

int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list list)
{
	return vfprintf(stream, format, list);
}

int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = vfprintf(stream, format, list);
	va_end(list);
	return n;
}

int __printf_chk(int flag, const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = vfprintf(stdout, format, list);
	va_end(list);
	return n;
}

int __asprintf_chk(char **to, int flag, const char *format, ...)
{
	va_list list;
	int n;

	va_start(list, format);
	n = vasprintf(to, format, list);
	va_end(list);
	return n;
}

void __stack_chk_fail(void)
{
	machine_panic("stack overwritten in %p", __builtin_return_address(0));
}
