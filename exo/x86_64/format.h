/* SPDX-License-Identifier: BSD-2-Clause */
/* A small printf for the kernel's console: needs no heap, no locale, no vector state. */
#ifndef X86_FORMAT_H
#define X86_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Formats into `to` (size > 0), always NUL-terminated, and returns the length written, at most
 * size - 1. Knows d i u x X c s p %, flags '-' and '0', width and precision (also '*'), and the
 * lengths hh h l ll z t j. Anything else is copied as it stands.
 */
size_t x86_format(char *to, size_t size, const char *format, va_list arguments);

#endif
