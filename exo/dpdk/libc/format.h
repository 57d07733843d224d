/* SPDX-License-Identifier: BSD-2-Clause */
/* The formatter behind printf's family: it hands out pieces of text and counts them. */
#ifndef DPDK_LIBC_FORMAT_H
#define DPDK_LIBC_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

struct format_sink {
	void (*put)(struct format_sink *sink, const char *text, size_t size);
};

/* Formats as vprintf does (ISO C 7.21.6.1) and returns the number of bytes put, or -1 where the
 * format is wrong. Wide characters, %n and positional arguments are refused. Ring 0 has no vector
 * registers at hand, so a real number (%f and its kind) comes out as "(real)"; no string in DPDK's
 * drivers asks for one. */
int format_text(struct format_sink *sink, const char *format, va_list arguments);

#endif
