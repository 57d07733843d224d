/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text: every case is compared with the C library's answer to the same format.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <libexo/printf.h>

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours[128], theirs[128];                                                       \
		int n = exo_snprintf(ours, sizeof(ours), __VA_ARGS__);                             \
		int m = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                             \
		assert_string_equal(ours, theirs);                                                 \
		assert_int_equal(n, m);                                                            \
	} while (0)

static void test_integers(void **state)
{
	SAME("%d %d %d", 0, -1, INT_MIN);
	SAME("%u %x %X %o", UINT_MAX, 0xbeefu, 0xbeefu, 0777u);
	SAME("%ld %lu %llx", LONG_MIN, ULONG_MAX, 0xfedcba9876543210ull);
	SAME("%hhd %hhu %hd %hu", (signed char)-3, (unsigned char)200, (short)-300,
	     (unsigned short)60000);
	SAME("%zu %td %jd", (size_t)12345, (ptrdiff_t)-5, (intmax_t)-6);
	SAME("[%5d][%-5d][%05d][%+d][% d]", 42, 42, 42, 42, 42);
	SAME("[%5d][%-5d][%05d]", -42, -42, -42);
	SAME("[%.3d][%8.3d][%-8.3d]", 7, 7, 7);
	SAME("[%#x][%#06x][%*d][%-*d]", 255u, 255u, 6, 1, 6, 1);
	SAME("[%.0d][%.0d]", 0, 1);
}

static void test_text(void **state)
{
	const char unterminated[3] = {'a', 'b', 'c'};

	SAME("%s|%5s|%-5s|%.2s|%c|%%", "abc", "abc", "abc", "abc", 'x');
	SAME("%.3s", unterminated);
	SAME("%5c|%-5c|", 'a', 'b');
	SAME("%p", (void *)0x1234);
}

static void test_bounds(void **state)
{
	char text[8];

	memset(text, '!', sizeof(text));
	assert_int_equal(exo_snprintf(text, 4, "%s", "abcdef"), 6);
	assert_string_equal(text, "abc");
	assert_int_equal(text[4], '!');
	assert_int_equal(exo_snprintf(text, 1, "%d", 12), 2);
	assert_string_equal(text, "");
	assert_int_equal(exo_snprintf(NULL, 0, "%d", 12), 2);
}

static int unchecked(char *to, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = exo_vsnprintf(to, size, format, args);
	va_end(args);
	return n;
}

static void test_unknown_conversions_stay(void **state)
{
	char text[32];

	unchecked(text, sizeof(text), "a%yb%");
	assert_string_equal(text, "a%yb%");
	unchecked(text, sizeof(text), "%5");
	assert_string_equal(text, "%5");
	unchecked(text, sizeof(text), "%s", NULL);
	assert_string_equal(text, "(null)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_integers),
	        cmocka_unit_test(test_text),
	        cmocka_unit_test(test_bounds),
	        cmocka_unit_test(test_unknown_conversions_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
