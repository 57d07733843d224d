/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * strtol and its family: optional space, sign, base prefix, digits; saturates with ERANGE; *end is
 * the text itself where there is no number (ISO C 7.22.1.4).
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

struct number {
	unsigned long value;
	bool negative, overflow;
	const char *end; /* NULL: no digits */
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return INT_MAX;
}

static bool has_hex_prefix(const char *s)
{
	return s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_of(s[2]) < 16;
}

static struct number parse(const char *s, int base)
{
	struct number n = {0};

	while (is_space(*s))
		s++;
	if (*s == '-' || *s == '+')
		n.negative = *s++ == '-';
	if ((base == 0 || base == 16) && has_hex_prefix(s)) {
		s += 2;
		base = 16;
	} else if (base == 0) {
		base = *s == '0' ? 8 : 10;
	}
	for (int d; (d = digit_of(*s)) < base; n.end = ++s) {
		n.overflow |= __builtin_mul_overflow(n.value, (unsigned long)base, &n.value);
		n.overflow |= __builtin_add_overflow(n.value, (unsigned long)d, &n.value);
	}
	return n;
}

static void set_end(char **end, const char *text, const struct number *n)
{
	if (end != NULL)
		*end = (char *)(n->end != NULL ? n->end : text);
}

unsigned long strtoul(const char *restrict text, char **restrict end, int base)
{
	struct number n = parse(text, base);

	set_end(end, text, &n);
	if (n.overflow) {
		errno = ERANGE;
		return ULONG_MAX;
	}
	return n.negative ? -n.value : n.value;
}

long strtol(const char *restrict text, char **restrict end, int base)
{
	struct number n = parse(text, base);
	unsigned long limit = n.negative ? (unsigned long)LONG_MAX + 1 : LONG_MAX;

	set_end(end, text, &n);
	if (n.overflow || n.value > limit) {
		errno = ERANGE;
		return n.negative ? LONG_MIN : LONG_MAX;
	}
	return n.negative ? (long)-n.value : (long)n.value;
}

unsigned long long strtoull(const char *restrict text, char **restrict end, int base)
{
	return strtoul(text, end, base);
}

long long strtoll(const char *restrict text, char **restrict end, int base)
{
	return strtol(text, end, base);
}

int atoi(const char *text)
{
	return (int)strtol(text, NULL, 10);
}
