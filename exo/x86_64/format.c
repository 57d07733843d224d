/* SPDX-License-Identifier: BSD-2-Clause */
/* printf for the console; see format.h. */
#include "format.h"

#include <stdbool.h>
#include <stdint.h>

struct sink {
	char *to;
	size_t size, used;
};

struct spec {
	bool left, zero;
	int width, precision; /* precision -1: none */
	int length;           /* number of 'l's; z, t and j count as two */
};

static void put(struct sink *sink, char c)
{
	if (sink->size - sink->used > 1)
		sink->to[sink->used++] = c;
}

static void pad(struct sink *sink, char c, int count)
{
	for (; count > 0; count--)
		put(sink, c);
}

static void put_text(struct sink *sink, const struct spec *spec, const char *text)
{
	int n = 0;

	if (text == NULL)
		text = "(null)";
	while ((spec->precision < 0 || n < spec->precision) && text[n] != '\0')
		n++;
	if (!spec->left)
		pad(sink, ' ', spec->width - n);
	for (int i = 0; i < n; i++)
		put(sink, text[i]);
	if (spec->left)
		pad(sink, ' ', spec->width - n);
}

static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, unsigned base,
                       const char *prefix, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char reversed[24];
	int n = 0, zeros, prefix_length = 0;

	do {
		reversed[n++] = digits[value % base];
		value /= base;
	} while (value != 0);
	while (prefix[prefix_length] != '\0')
		prefix_length++;
	zeros = spec->precision - n;
	if (spec->precision < 0 && spec->zero && !spec->left)
		zeros = spec->width - n - prefix_length;
	if (zeros < 0)
		zeros = 0;
	if (!spec->left)
		pad(sink, ' ', spec->width - n - zeros - prefix_length);
	for (int i = 0; i < prefix_length; i++)
		put(sink, prefix[i]);
	pad(sink, '0', zeros);
	for (int i = n; i > 0; i--)
		put(sink, reversed[i - 1]);
	if (spec->left)
		pad(sink, ' ', spec->width - n - zeros - prefix_length);
}

static int parse_number(const char **format, va_list arguments)
{
	int value = 0;

	if (**format == '*') {
		(*format)++;
		return va_arg(arguments, int);
	}
	for (; **format >= '0' && **format <= '9'; (*format)++)
		value = value * 10 + (**format - '0');
	return value;
}

static struct spec parse_spec(const char **format, va_list arguments)
{
	struct spec spec = {.precision = -1};

	for (;; (*format)++) {
		if (**format == '-')
			spec.left = true;
		else if (**format == '0')
			spec.zero = true;
		else if (**format != '#' && **format != '+' && **format != ' ')
			break;
	}
	spec.width = parse_number(format, arguments);
	if (**format == '.') {
		(*format)++;
		spec.precision = parse_number(format, arguments);
	}
	for (;; (*format)++) {
		if (**format == 'l')
			spec.length++;
		else if (**format == 'z' || **format == 't' || **format == 'j')
			spec.length = 2;
		else if (**format != 'h')
			break;
	}
	return spec;
}

static void put_signed(struct sink *sink, const struct spec *spec, int64_t value)
{
	put_number(sink, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10,
	           value < 0 ? "-" : "", false);
}

static void convert(struct sink *sink, const struct spec *spec, char conversion, va_list arguments)
{
	switch (conversion) {
	case 'd':
	case 'i':
		put_signed(sink, spec,
		           spec->length > 0 ? va_arg(arguments, long) : va_arg(arguments, int));
		break;
	case 'u':
	case 'x':
	case 'X':
		put_number(sink, spec,
		           spec->length > 0 ? va_arg(arguments, unsigned long)
		                            : va_arg(arguments, unsigned),
		           conversion == 'u' ? 10 : 16, "", conversion == 'X');
		break;
	case 'p':
		put_number(sink, spec, (uintptr_t)va_arg(arguments, void *), 16, "0x", false);
		break;
	case 's':
		put_text(sink, spec, va_arg(arguments, const char *));
		break;
	case 'c':
		put(sink, (char)va_arg(arguments, int));
		break;
	default:
		put(sink, '%');
		if (conversion != '%')
			put(sink, conversion);
	}
}

size_t x86_format(char *to, size_t size, const char *format, va_list arguments)
{
	struct sink sink = {.to = to, .size = size};
	va_list copy;

	va_copy(copy, arguments);
	for (; *format != '\0'; format++) {
		struct spec spec;

		if (*format != '%') {
			put(&sink, *format);
			continue;
		}
		format++;
		spec = parse_spec(&format, copy);
		if (*format == '\0')
			break;
		convert(&sink, &spec, *format, copy);
	}
	va_end(copy);
	to[sink.used] = '\0';
	return sink.used;
}
