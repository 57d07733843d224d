/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The formatter. One directive at a time: flags, width, precision, length and conversion are parsed
 * into a struct spec, then one function per kind of conversion writes it. A number is made right to
 * left in a small buffer; sign, prefix and zeros stand before it.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "format.h"

struct spec {
	bool left, plus, space, alternative, zero;
	int width, precision; /* precision -1: none given */
	int length;           /* bytes of an integer argument; the default is sizeof(int) */
	char conversion;
};

struct output {
	struct format_sink *sink;
	size_t count;
};

static void put(struct output *out, const char *text, size_t size)
{
	out->sink->put(out->sink, text, size);
	out->count += size;
}

static void pad(struct output *out, char c, long n)
{
	char run[16];

	memset(run, c, sizeof(run));
	for (; n > 0; n -= (long)sizeof(run))
		put(out, run, n < (long)sizeof(run) ? (size_t)n : sizeof(run));
}

/* ---- Parsing a directive ---- */

static bool take_flag(struct spec *spec, char c)
{
	switch (c) {
	case '-':
		return spec->left = true;
	case '+':
		return spec->plus = true;
	case ' ':
		return spec->space = true;
	case '#':
		return spec->alternative = true;
	case '0':
		return spec->zero = true;
	default:
		return false;
	}
}

/* A decimal number, saturating; what is longer can't be printed anyway. */
static int take_number(const char **f)
{
	int n = 0;

	for (; **f >= '0' && **f <= '9'; (*f)++)
		n = n > INT_MAX / 10 - 10 ? INT_MAX / 10 : n * 10 + (**f - '0');
	return n;
}

static int take_length(const char **f)
{
	char c = **f;

	switch (c) {
	case 'h':
		(*f)++;
		if (**f != 'h')
			return sizeof(short);
		(*f)++;
		return sizeof(char);
	case 'l':
		*f += (*f)[1] == 'l' ? 2 : 1;
		return sizeof(long);
	case 'z':
	case 'j':
	case 't':
	case 'q':
	case 'L':
		(*f)++;
		return sizeof(long);
	default:
		return sizeof(int);
	}
}

struct arguments {
	va_list list; /* in a struct: as a parameter, a va_list is a pointer that can't be passed on
	                 by address */
};

static const char *parse(struct spec *spec, const char *f, struct arguments *arguments)
{
	*spec = (struct spec){.precision = -1};
	while (take_flag(spec, *f))
		f++;
	if (*f == '*') {
		spec->width = va_arg(arguments->list, int);
		f++;
		if (spec->width < 0) {
			spec->left = true;
			spec->width = spec->width == INT_MIN ? INT_MAX : -spec->width;
		}
	} else {
		spec->width = take_number(&f);
	}
	if (*f == '.') {
		f++;
		if (*f == '*') {
			spec->precision = va_arg(arguments->list, int);
			f++;
		} else {
			spec->precision = take_number(&f);
		}
	}
	spec->length = take_length(&f);
	spec->conversion = *f;
	return *f != '\0' ? f + 1 : f;
}

/* ---- Writing one ---- */

static void write_field(struct output *out, const struct spec *spec, const char *text, size_t size)
{
	long fill = (long)spec->width - (long)size;

	if (!spec->left)
		pad(out, ' ', fill);
	put(out, text, size);
	if (spec->left)
		pad(out, ' ', fill);
}

static void write_string(struct output *out, const struct spec *spec, const char *s)
{
	if (s == NULL)
		s = spec->precision < 0 || spec->precision >= 6 ? "(null)" : "";
	write_field(out, spec, s,
	            spec->precision < 0 ? strlen(s) : strnlen(s, (size_t)spec->precision));
}

/* Digits of `value` in `base`, ending at `end`. Returns where they begin; none for 0. */
static char *make_digits(char *end, uint64_t value, unsigned base, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

	for (; value > 0; value /= base)
		*--end = digits[value % base];
	return end;
}

static void write_number(struct output *out, const struct spec *spec, const char *prefix,
                         uint64_t value, unsigned base)
{
	char buffer[24], *end = buffer + sizeof(buffer);
	char *digits = make_digits(end, value, base, spec->conversion == 'X');
	long n = end - digits, lead = (long)strlen(prefix);
	long least = spec->precision < 0 ? 1 : spec->precision, zeros;

	if (base == 8 && spec->alternative && least <= n)
		least = n + 1;
	zeros = least > n ? least - n : 0;
	if (spec->zero && !spec->left && spec->precision < 0 && spec->width > lead + n + zeros)
		zeros = spec->width - lead - n;
	if (!spec->left)
		pad(out, ' ', spec->width - lead - zeros - n);
	put(out, prefix, (size_t)lead);
	pad(out, '0', zeros);
	put(out, digits, (size_t)n);
	if (spec->left)
		pad(out, ' ', spec->width - lead - zeros - n);
}

static int64_t signed_argument(const struct spec *spec, struct arguments *arguments)
{
	if (spec->length == sizeof(long))
		return va_arg(arguments->list, long);
	int value = va_arg(arguments->list, int);

	return spec->length == sizeof(char)    ? (signed char)value
	       : spec->length == sizeof(short) ? (short)value
	                                       : value;
}

static uint64_t unsigned_argument(const struct spec *spec, struct arguments *arguments)
{
	if (spec->length == sizeof(long))
		return va_arg(arguments->list, unsigned long);
	unsigned value = va_arg(arguments->list, unsigned);

	return spec->length == sizeof(char)    ? (unsigned char)value
	       : spec->length == sizeof(short) ? (unsigned short)value
	                                       : value;
}

static void write_signed(struct output *out, const struct spec *spec, int64_t value)
{
	const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";

	write_number(out, spec, sign, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void write_hex(struct output *out, const struct spec *spec, uint64_t value)
{
	const char *prefix = !spec->alternative || value == 0 ? ""
	                     : spec->conversion == 'X'        ? "0X"
	                                                      : "0x";

	write_number(out, spec, prefix, value, 16);
}

static void write_pointer(struct output *out, struct spec *spec, const void *pointer)
{
	if (pointer == NULL) {
		write_field(out, spec, "(nil)", 5);
		return;
	}
	spec->alternative = true;
	write_hex(out, spec, (uintptr_t)pointer);
}

static bool write_directive(struct output *out, struct spec *spec, struct arguments *arguments)
{
	char c;

	switch (spec->conversion) {
	case 'd':
	case 'i':
		write_signed(out, spec, signed_argument(spec, arguments));
		return true;
	case 'u':
		write_number(out, spec, "", unsigned_argument(spec, arguments), 10);
		return true;
	case 'o':
		write_number(out, spec, "", unsigned_argument(spec, arguments), 8);
		return true;
	case 'x':
	case 'X':
		write_hex(out, spec, unsigned_argument(spec, arguments));
		return true;
	case 'p':
		write_pointer(out, spec, va_arg(arguments->list, const void *));
		return true;
	case 'c':
		c = (char)va_arg(arguments->list, int);
		write_field(out, spec, &c, 1);
		return true;
	case 's':
		write_string(out, spec, va_arg(arguments->list, const char *));
		return true;
	case 'm':
		write_string(out, spec, strerror(errno));
		return true;
	case 'f':
	case 'F':
	case 'e':
	case 'E':
	case 'g':
	case 'G':
		/* Reals lie in a save area of their own, so the other arguments stay right. */
		write_field(out, spec, "(real)", 6);
		return true;
	case '%':
		put(out, "%", 1);
		return true;
	default:
		return false;
	}
}

int format_text(struct format_sink *sink, const char *format, va_list list)
{
	struct output out = {.sink = sink};
	struct arguments arguments;
	struct spec spec;
	bool good = true;

	va_copy(arguments.list, list);
	while (*format != '\0' && good) {
		size_t plain = strcspn(format, "%");

		if (plain > 0) {
			put(&out, format, plain);
			format += plain;
			continue;
		}
		format = parse(&spec, format + 1, &arguments);
		good = write_directive(&out, &spec, &arguments);
	}
	va_end(arguments.list);
	return good && out.count <= INT_MAX ? (int)out.count : -1;
}
