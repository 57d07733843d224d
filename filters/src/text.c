/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text without a C library: a small formatter, and errors.
 */
#include "internal.h"

static void put_char(struct flt_text *text, char c)
{
	if (text->size && text->len < text->size - 1) {
		text->out[text->len] = c;
		text->out[text->len + 1] = '\0';
	}
	text->len++;
}

static void put_string(struct flt_text *text, const char *s)
{
	for (s = s ? s : "(none)"; *s; s++)
		put_char(text, *s);
}

static void put_number(struct flt_text *text, uint64_t value, unsigned base, unsigned digits)
{
	char reversed[24];
	unsigned n = 0;
	do {
		reversed[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n < digits && n < sizeof(reversed))
		reversed[n++] = '0';
	while (n)
		put_char(text, reversed[--n]);
}

static void put_signed(struct flt_text *text, int64_t value)
{
	if (value < 0)
		put_char(text, '-');
	put_number(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, 0);
}

/* Formats one conversion; *format stands behind the percent sign and is moved behind its letter. */
static void put_conversion(struct flt_text *text, const char **format, va_list *list)
{
	unsigned digits = 0;
	bool is_long = false;
	const char *f = *format;
	for (; *f >= '0' && *f <= '9'; f++)
		digits = digits * 10 + (unsigned)(*f - '0');
	for (; *f == 'l'; f++)
		is_long = true;
	switch (*f) {
	case 's':
		put_string(text, va_arg(*list, const char *));
		break;
	case 'c':
		put_char(text, (char)va_arg(*list, int));
		break;
	case 'd':
		put_signed(text, is_long ? va_arg(*list, int64_t) : va_arg(*list, int));
		break;
	case 'u':
	case 'x':
		put_number(text, is_long ? va_arg(*list, uint64_t) : va_arg(*list, unsigned),
		           *f == 'x' ? 16 : 10, digits);
		break;
	default:
		put_char(text, *f);
	}
	*format = *f ? f + 1 : f;
}

void flt_text_put_list(struct flt_text *text, const char *format, va_list list)
{
	va_list copy;
	va_copy(copy, list);
	while (*format) {
		if (*format == '%') {
			format++;
			put_conversion(text, &format, &copy);
		} else {
			put_char(text, *format++);
		}
	}
	va_end(copy);
}

void flt_text_put(struct flt_text *text, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	flt_text_put_list(text, format, list);
	va_end(list);
}

void flt_copy_name(char *to, size_t size, const char *from)
{
	struct flt_text text = {to, size, 0};
	to[0] = '\0';
	if (from)
		put_string(&text, from);
}

int flt_fail(struct flt_error *error, int code, int32_t instruction, const char *format, ...)
{
	if (!error)
		return code;
	memset(error, 0, sizeof(*error));
	error->code = code;
	error->instruction = instruction;
	struct flt_text text = {error->reason, sizeof(error->reason), 0};
	va_list list;
	va_start(list, format);
	flt_text_put_list(&text, format, list);
	va_end(list);
	return code;
}

const char *flt_code_name(int code)
{
	static const char *const names[] = {"ok",        "invalid",     "refused",   "limit",
	                                    "no memory", "unsupported", "not found", "exists"};
	if (code > 0 || (size_t) - (int64_t)code >= FLT_ARRAY_SIZE(names))
		return "unknown";
	return names[-code];
}

size_t flt_error_text(const struct flt_error *error, char *out, size_t size)
{
	struct flt_text text = {out, size, 0};
	if (size)
		out[0] = '\0';
	if (error->program[0])
		flt_text_put(&text, "%s: ", error->program);
	if (error->instruction >= 0)
		flt_text_put(&text, "instruction %d", error->instruction);
	if (error->line || error->file[0]) {
		flt_text_put(&text, " (%s:%u", error->file, error->line);
		if (error->column)
			flt_text_put(&text, ":%u", error->column);
		put_char(&text, ')');
	} else if (error->column) {
		flt_text_put(&text, "column %u", error->column);
	}
	if (error->instruction >= 0 || error->line || error->column)
		put_string(&text, ": ");
	put_string(&text, error->reason);
	return text.len;
}
