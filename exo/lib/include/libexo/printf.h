/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text without a C library, and the console.
 *
 * Conversions: %d %i %u %x %X %o %c %s %p %% with the flags - 0 + # and space, width and precision
 * (also *), and the lengths hh h l ll z t j. No floating point. Anything else is printed as it
 * stands.
 */
#ifndef LIBEXO_PRINTF_H
#define LIBEXO_PRINTF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EXO_PRINTF_MAX = 1024, /* bytes that one exo_printf writes at most; the rest is cut */
};

/* As C's snprintf: at most `size` bytes with the NUL; → bytes the whole text has, without it. */
int exo_snprintf(char *to, size_t size, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
int exo_vsnprintf(char *to, size_t size, const char *format, va_list args)
        __attribute__((format(printf, 3, 0)));

/*
 * Writes whole lines to the console, in one kernel call: the kernel puts time and the environment's
 * name before them. Silent where the environment may not use the console. Callable from handlers.
 * → bytes written, or a negative enum exo_error.
 */
int exo_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int exo_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* The name of an error ("EXO_EPERM: the capability lacks the right"); accepts both signs. */
const char *exo_error_text(int64_t error);

#endif
