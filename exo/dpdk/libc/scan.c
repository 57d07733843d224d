/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sscanf with the conversions that DPDK's libraries use on devargs: d, i, u, x, s, c, n and %%,
 * with width, suppression and the lengths hh, h, l, ll, z. Another conversion ends the scan.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int __isoc99_sscanf(const char *text, const char *format, ...);

struct spec {
	bool suppress;
	int width, length;
	char conversion;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_space(const char *s)
{
	while (is_space(*s))
		s++;
	return s;
}

static const char *parse(struct spec *spec, const char *f)
{
	*spec = (struct spec){.length = sizeof(int)};
	if (*f == '*') {
		spec->suppress = true;
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		spec->width = spec->width > 9999 ? 9999 : spec->width * 10 + (*f - '0');
	for (; *f == 'h'; f++)
		spec->length /= 2;
	for (; *f == 'l' || *f == 'z' || *f == 'j'; f++)
		spec->length = sizeof(long);
	spec->conversion = *f;
	return *f != '\0' ? f + 1 : f;
}

static void store(void *to, int length, unsigned long value)
{
	memcpy(to, &value, (size_t)length); /* little-endian: the low bytes come first */
}

static int base_of(char conversion)
{
	return conversion == 'x' || conversion == 'X' ? 16 : conversion == 'i' ? 0 : 10;
}

/* The rest of `text` after a number of at most `width` characters, or NULL where none stands. */
static const char *scan_number(const char *text, const struct spec *spec, unsigned long *value)
{
	char digits[68], *end;
	size_t max = spec->width > 0 && spec->width < (int)sizeof(digits) ? (size_t)spec->width
	                                                                  : sizeof(digits) - 1;
	size_t n;

	text = skip_space(text);
	n = strnlen(text, max);
	memcpy(digits, text, n);
	digits[n] = '\0';
	*value = *digits == '-' ? (unsigned long)strtol(digits, &end, base_of(spec->conversion))
	                        : strtoul(digits, &end, base_of(spec->conversion));
	return end == digits ? NULL : text + (end - digits);
}

static const char *scan_word(const char *text, const struct spec *spec, char *to)
{
	int max = spec->width > 0 ? spec->width : INT_MAX, n = 0;

	for (text = skip_space(text); n < max && *text != '\0' && !is_space(*text); n++, text++)
		if (to != NULL)
			to[n] = *text;
	if (to != NULL)
		to[n] = '\0';
	return n > 0 ? text : NULL;
}

static const char *scan_bytes(const char *text, const struct spec *spec, char *to)
{
	size_t n = spec->width > 0 ? (size_t)spec->width : 1;

	if (strnlen(text, n) < n)
		return NULL;
	if (to != NULL)
		memcpy(to, text, n);
	return text + n;
}

struct arguments {
	va_list list;
};

/* One conversion. Returns the rest of the text, or NULL where it does not match. */
static const char *scan_one(const char *text, const struct spec *spec, struct arguments *arguments)
{
	void *to = spec->suppress ? NULL : va_arg(arguments->list, void *);
	unsigned long value;

	switch (spec->conversion) {
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
		text = scan_number(text, spec, &value);
		if (text != NULL && to != NULL)
			store(to, spec->length, value);
		return text;
	case 's':
		return scan_word(text, spec, to);
	case 'c':
		return scan_bytes(text, spec, to);
	default:
		return NULL;
	}
}

static int scan(const char *text, const char *format, struct arguments *arguments)
{
	const char *start = text;
	struct spec spec;
	int n = 0;

	while (*format != '\0') {
		if (is_space(*format)) {
			text = skip_space(text);
			format++;
			continue;
		}
		if (*format != '%') {
			if (*text != *format)
				break;
			text++;
			format++;
			continue;
		}
		format = parse(&spec, format + 1);
		if (spec.conversion == 'n') {
			store(va_arg(arguments->list, void *), spec.length,
			      (unsigned long)(text - start));
			continue;
		}
		if (spec.conversion == '%') {
			text = skip_space(text);
			if (*text++ != '%')
				break;
			continue;
		}
		if (*text == '\0')
			return n > 0 ? n : EOF;
		text = scan_one(text, &spec, arguments);
		if (text == NULL)
			break;
		n += !spec.suppress;
	}
	return n;
}

int __isoc99_sscanf(const char *text, const char *format, ...)
{
	struct arguments arguments;
	int n;

	va_start(arguments.list, format);
	n = scan(text, format, &arguments);
	va_end(arguments.list);
	return n;
}
