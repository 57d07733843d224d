/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two floating-point functions that the archives reference: strtod (i40e's arguments) and
 * log10 (ethdev's optical power of SFP modules). They use SSE and x87, and so may only run where
 * PMD code may.
 */
#include <stdbool.h>
#include <stdlib.h>

/* Not from <math.h>, whose prototypes are pasted together of names that the test build renames. */
double log10(double x);

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits from *s on, as a number; `scale` is what each digit after the point is worth. */
static double digits(const char **s, double value, double *scale)
{
	for (; is_digit(**s); (*s)++) {
		value = value * 10 + (**s - '0');
		*scale *= 10;
	}
	return value;
}

static double power_of_ten(int exponent)
{
	double value = 1;

	for (int n = exponent < 0 ? -exponent : exponent; n > 0; n--)
		value *= 10;
	return exponent < 0 ? 1 / value : value;
}

/* An exponent, if a whole one stands here; 0 and nothing consumed otherwise. */
static int exponent_of(const char **s)
{
	const char *p = *s;
	char *end;
	long exponent;

	if (*p != 'e' && *p != 'E')
		return 0;
	p++;
	if (!is_digit(*p) && !((*p == '-' || *p == '+') && is_digit(p[1])))
		return 0;
	exponent = strtol(p, &end, 10);
	*s = end;
	return exponent > 400 ? 400 : exponent < -400 ? -400 : (int)exponent;
}

/* Decimal numbers only; the last bit may differ from the correctly rounded value. */
double strtod(const char *restrict text, char **restrict end)
{
	const char *s = text, *first;
	double value, scale = 1, ignored = 1;
	bool negative = false;

	while (*s == ' ' || (*s >= '\t' && *s <= '\r'))
		s++;
	if (*s == '-' || *s == '+')
		negative = *s++ == '-';
	first = s;
	value = digits(&s, 0, &ignored);
	if (*s == '.' && (is_digit(s[1]) || s > first)) {
		s++;
		value = digits(&s, value, &scale);
	}
	if (s == first) {
		if (end != NULL)
			*end = (char *)text;
		return 0;
	}
	value = value / scale * power_of_ten(exponent_of(&s));
	if (end != NULL)
		*end = (char *)s;
	return negative ? -value : value;
}

double log10(double x)
{
	long double result, value = x;

	/* log10(x) = log10(2) * log2(x): one instruction each (SDM vol. 1, 8.3.9). */
	__asm__("fldlg2\n\tfxch\n\tfyl2x" : "=t"(result) : "0"(value) : "st(1)");
	return (double)result;
}
