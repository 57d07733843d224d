/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text (libexo/printf.h): a specification is parsed into struct spec, the value is turned
 * into digits from the right, and both go to a bounded sink that keeps counting when it is full.
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/lib.h>
#include <libexo/printf.h>

struct sink {
	char *to;
	size_t room; /* bytes at `to`, one of which is the NUL's */
	size_t n;    /* bytes of the whole text */
};

struct spec {
	bool left, zero, plus, space, alternate, upper, has_precision;
	int width, precision;
	int length; /* bytes of the integer */
};

static void put(struct sink *sink, char c)
{
	if (sink->n + 1 < sink->room)
		sink->to[sink->n] = c;
	sink->n++;
}

static void pad(struct sink *sink, char c, int n)
{
	while (n-- > 0)
		put(sink, c);
}

static void put_text(struct sink *sink, const struct spec *spec, const char *text)
{
	size_t n;

	if (text == NULL)
		text = "(null)";
	n = spec->has_precision ? strnlen(text, (size_t)spec->precision) : strlen(text);
	if (!spec->left)
		pad(sink, ' ', spec->width - (int)n);
	for (size_t i = 0; i < n; i++)
		put(sink, text[i]);
	if (spec->left)
		pad(sink, ' ', spec->width - (int)n);
}

/* `value` with sign or prefix `before` ("", "-", "0x", …). */
static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, unsigned base,
                       const char *before)
{
	const char *digits = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	int n = 0, zeros, total;

	for (uint64_t v = value; v != 0; v /= base)
		text[n++] = digits[v % base];
	if (n == 0 && !(spec->has_precision && spec->precision == 0))
		text[n++] = '0';
	zeros = spec->has_precision ? spec->precision - n : 0;
	total = (int)strlen(before) + n + (zeros > 0 ? zeros : 0);
	if (spec->zero && !spec->left && !spec->has_precision) {
		zeros = spec->width - total;
		total = spec->width > total ? spec->width : total;
	}
	if (!spec->left)
		pad(sink, ' ', spec->width - total);
	while (*before != '\0')
		put(sink, *before++);
	pad(sink, '0', zeros);
	while (n > 0)
		put(sink, text[--n]);
	if (spec->left)
		pad(sink, ' ', spec->width - total);
}

static uint64_t unsigned_argument(const struct spec *spec, va_list *args)
{
	switch (spec->length) {
	case 1:
		return (uint8_t)va_arg(*args, unsigned);
	case 2:
		return (uint16_t)va_arg(*args, unsigned);
	case 8:
		return va_arg(*args, uint64_t);
	default:
		return va_arg(*args, unsigned);
	}
}

static int64_t signed_argument(const struct spec *spec, va_list *args)
{
	switch (spec->length) {
	case 1:
		return (int8_t)va_arg(*args, int);
	case 2:
		return (int16_t)va_arg(*args, int);
	case 8:
		return va_arg(*args, int64_t);
	default:
		return va_arg(*args, int);
	}
}

static void put_signed(struct sink *sink, const struct spec *spec, va_list *args)
{
	int64_t value = signed_argument(spec, args);

	if (value < 0)
		put_number(sink, spec, 0 - (uint64_t)value, 10, "-");
	else
		put_number(sink, spec, (uint64_t)value, 10,
		           spec->plus    ? "+"
		           : spec->space ? " "
		                         : "");
}

static const char *parse_flags(const char *at, struct spec *spec)
{
	for (;; at++) {
		switch (*at) {
		case '-':
			spec->left = true;
			break;
		case '0':
			spec->zero = true;
			break;
		case '+':
			spec->plus = true;
			break;
		case ' ':
			spec->space = true;
			break;
		case '#':
			spec->alternate = true;
			break;
		default:
			return at;
		}
	}
}

static const char *parse_int(const char *at, int *value, va_list *args)
{
	*value = 0;
	if (*at == '*') {
		*value = va_arg(*args, int);
		return at + 1;
	}
	for (; *at >= '0' && *at <= '9'; at++)
		if (*value < 10000)
			*value = *value * 10 + (*at - '0');
	return at;
}

static const char *parse_length(const char *at, struct spec *spec)
{
	spec->length = 4;
	if (at[0] == 'h') {
		spec->length = at[1] == 'h' ? 1 : 2;
		return at + (at[1] == 'h' ? 2 : 1);
	}
	if (at[0] == 'l') {
		spec->length = 8;
		return at + (at[1] == 'l' ? 2 : 1);
	}
	if (at[0] == 'z' || at[0] == 't' || at[0] == 'j') {
		spec->length = 8;
		return at + 1;
	}
	return at;
}

static const char *parse_spec(const char *at, struct spec *spec, va_list *args)
{
	memset(spec, 0, sizeof(*spec));
	at = parse_flags(at, spec);
	at = parse_int(at, &spec->width, args);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*at == '.') {
		at = parse_int(at + 1, &spec->precision, args);
		spec->has_precision = spec->precision >= 0;
	}
	return parse_length(at, spec);
}

static void put_char(struct sink *sink, const struct spec *spec, char c)
{
	if (!spec->left)
		pad(sink, ' ', spec->width - 1);
	put(sink, c);
	if (spec->left)
		pad(sink, ' ', spec->width - 1);
}

/* One conversion; false: unknown, nothing was written. */
static bool convert(struct sink *sink, char what, struct spec *spec, va_list *args)
{
	switch (what) {
	case 'd':
	case 'i':
		put_signed(sink, spec, args);
		return true;
	case 'u':
		put_number(sink, spec, unsigned_argument(spec, args), 10, "");
		return true;
	case 'o':
		put_number(sink, spec, unsigned_argument(spec, args), 8, "");
		return true;
	case 'X':
		spec->upper = true;
		/* fall through */
	case 'x':
		put_number(sink, spec, unsigned_argument(spec, args), 16,
		           !spec->alternate ? ""
		           : spec->upper    ? "0X"
		                            : "0x");
		return true;
	case 'p':
		put_number(sink, spec, (uintptr_t)va_arg(*args, void *), 16, "0x");
		return true;
	case 'c':
		put_char(sink, spec, (char)va_arg(*args, int));
		return true;
	case 's':
		put_text(sink, spec, va_arg(*args, const char *));
		return true;
	case '%':
		put(sink, '%');
		return true;
	default:
		return false;
	}
}

static void format_all(struct sink *sink, const char *format, va_list *args)
{
	while (*format != '\0') {
		const char *begin = format, *at;
		struct spec spec;

		if (*format != '%') {
			put(sink, *format++);
			continue;
		}
		at = parse_spec(format + 1, &spec, args);
		if (*at != '\0' && convert(sink, *at, &spec, args)) {
			format = at + 1;
			continue;
		}
		while (format <= at && *format != '\0')
			put(sink, *format++);
		if (format == begin)
			return;
	}
}

int exo_vsnprintf(char *to, size_t size, const char *format, va_list args)
{
	struct sink sink = {.to = to, .room = size};
	va_list copy;

	va_copy(copy, args);
	format_all(&sink, format, &copy);
	va_end(copy);
	if (size > 0)
		to[sink.n < size ? sink.n : size - 1] = '\0';
	return (int)sink.n;
}

int exo_snprintf(char *to, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = exo_vsnprintf(to, size, format, args);
	va_end(args);
	return n;
}
