/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's C library pieces against the host's: the same sources, compiled with every function
 * renamed to own_…, are asked the same questions as glibc, edge cases first, then random ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void *own_memcpy(void *to, const void *from, size_t size);
void *own_memmove(void *to, const void *from, size_t size);
void *own_memset(void *to, int byte, size_t size);
int own_memcmp(const void *a, const void *b, size_t size);
size_t own_strlen(const char *s);
size_t own_strnlen(const char *s, size_t max);
int own_strcmp(const char *a, const char *b);
int own_strncmp(const char *a, const char *b, size_t max);
int own_strcasecmp(const char *a, const char *b);
int own_strncasecmp(const char *a, const char *b, size_t max);
char *own_strncpy(char *to, const char *from, size_t size);
char *own_strncat(char *to, const char *from, size_t max);
size_t own_strlcpy(char *to, const char *from, size_t size);
size_t own_strlcat(char *to, const char *from, size_t size);
char *own_strchr(const char *s, int c);
char *own_strrchr(const char *s, int c);
char *own_strstr(const char *s, const char *what);
size_t own_strspn(const char *s, const char *accept);
size_t own_strcspn(const char *s, const char *reject);
char *own_strtok_r(char *s, const char *separators, char **state);
char *own_basename(char *path);
long own_strtol(const char *text, char **end, int base);
unsigned long own_strtoul(const char *text, char **end, int base);
double own_strtod(const char *text, char **end);
double own_log10(double x);
void own_qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *));
void *own_bsearch(const void *key, const void *base, size_t n, size_t size,
                  int (*compare)(const void *, const void *));
int own_snprintf(char *to, size_t size, const char *format, ...);
int own_sscanf(const char *text, const char *format, ...);
int own_fnmatch(const char *pattern, const char *name, int flags);
const unsigned short **own_ctype_b_loc(void);

/* A sequence that is the same in every run. */
static uint64_t random_state = 88172645463325252;

static uint64_t draw(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

/* ---- Memory ---- */

enum { AREA = 1200 };

static void fill(unsigned char *area)
{
	for (int i = 0; i < AREA; i++)
		area[i] = (unsigned char)draw();
}

static void memory_moves_like_the_hosts(void **state)
{
	unsigned char ours[AREA], theirs[AREA];

	for (int round = 0; round < 3000; round++) {
		size_t size = draw() % (AREA / 2), from = draw() % (AREA - size),
		       to = draw() % (AREA - size);

		if (round % 3 == 0)
			to = from + draw() % 16 < AREA - size
			             ? from + draw() % 16 % (AREA - size - from + 1)
			             : from;
		fill(ours);
		memcpy(theirs, ours, AREA);
		assert_ptr_equal(own_memmove(ours + to, ours + from, size), ours + to);
		memmove(theirs + to, theirs + from, size);
		assert_memory_equal(ours, theirs, AREA);
	}
}

static void memory_copies_and_sets_like_the_hosts(void **state)
{
	unsigned char ours[AREA], theirs[AREA], source[AREA];

	for (size_t size = 0; size < 600; size++) {
		size_t to = draw() % 64, from = draw() % 64;

		fill(source);
		fill(ours);
		memcpy(theirs, ours, AREA);
		assert_ptr_equal(own_memcpy(ours + to, source + from, size), ours + to);
		memcpy(theirs + to, source + from, size);
		assert_memory_equal(ours, theirs, AREA);
		own_memset(ours + from, (int)size, size);
		memset(theirs + from, (int)size, size);
		assert_memory_equal(ours, theirs, AREA);
	}
}

static void memory_compares_like_the_hosts(void **state)
{
	unsigned char a[64], b[64];

	for (int round = 0; round < 3000; round++) {
		size_t size = draw() % 64;

		memset(a, 'x', sizeof(a));
		memset(b, 'x', sizeof(b));
		a[draw() % 64] = (unsigned char)draw();
		assert_int_equal(sign(own_memcmp(a, b, size)), sign(memcmp(a, b, size)));
	}
}

/* ---- Strings ---- */

static const char *const words[] = {
        "",
        "a",
        "A",
        "ab",
        "aB",
        "abc",
        "abd",
        "b",
        "\xff",
        "a\xff",
        "abcabc",
        "a b  c",
        "/usr/lib/",
        "///",
        "lib",
        "0000:00:1f.6",
        "a longer string with several words in it",
};

enum { WORDS = sizeof(words) / sizeof(words[0]) };

static void strings_compare_like_the_hosts(void **state)
{
	for (int i = 0; i < WORDS; i++)
		for (int j = 0; j < WORDS; j++) {
			const char *a = words[i], *b = words[j];

			assert_int_equal(sign(own_strcmp(a, b)), sign(strcmp(a, b)));
			assert_int_equal(sign(own_strcasecmp(a, b)), sign(strcasecmp(a, b)));
			assert_ptr_equal(own_strstr(a, b), strstr(a, b));
			assert_int_equal(own_strspn(a, b), strspn(a, b));
			assert_int_equal(own_strcspn(a, b), strcspn(a, b));
			for (size_t n = 0; n < 8; n++) {
				assert_int_equal(sign(own_strncmp(a, b, n)),
				                 sign(strncmp(a, b, n)));
				assert_int_equal(sign(own_strncasecmp(a, b, n)),
				                 sign(strncasecmp(a, b, n)));
			}
		}
}

static void strings_are_searched_like_the_hosts(void **state)
{
	for (int i = 0; i < WORDS; i++) {
		assert_int_equal(own_strlen(words[i]), strlen(words[i]));
		for (size_t n = 0; n < 8; n++)
			assert_int_equal(own_strnlen(words[i], n), strnlen(words[i], n));
		for (int c = 0; c < 256; c++) {
			assert_ptr_equal(own_strchr(words[i], c), strchr(words[i], c));
			assert_ptr_equal(own_strrchr(words[i], c), strrchr(words[i], c));
		}
	}
}

static void strings_are_copied_within_bounds(void **state)
{
	char ours[16], theirs[16];

	for (int i = 0; i < WORDS; i++)
		for (size_t n = 0; n < 8; n++) {
			memset(ours, '#', sizeof(ours));
			memset(theirs, '#', sizeof(theirs));
			own_strncpy(ours, words[i], n);
			strncpy(theirs, words[i], n);
			assert_memory_equal(ours, theirs, sizeof(ours));
			strcpy(ours, "head");
			strcpy(theirs, "head");
			own_strncat(ours, words[i], n);
			strncat(theirs, words[i], n);
			assert_string_equal(ours, theirs);
		}
	assert_int_equal(own_strlcpy(ours, "abcdef", 4), 6);
	assert_string_equal(ours, "abc");
	assert_int_equal(own_strlcat(ours, "xyz", 6), 6);
	assert_string_equal(ours, "abcxy");
	assert_int_equal(own_strlcat(ours, "xyz", 2), 5);
	assert_string_equal(ours, "abcxy");
}

static void strings_are_split_like_the_hosts(void **state)
{
	char ours[64], theirs[64], *our_state, *their_state;

	for (int i = 0; i < WORDS; i++) {
		char *a, *b;

		strcpy(ours, words[i]);
		strcpy(theirs, words[i]);
		a = own_strtok_r(ours, " /:", &our_state);
		b = strtok_r(theirs, " /:", &their_state);
		while (a != NULL && b != NULL) {
			assert_string_equal(a, b);
			a = own_strtok_r(NULL, " /:", &our_state);
			b = strtok_r(NULL, " /:", &their_state);
		}
		assert_true(a == NULL && b == NULL);
		strcpy(ours, words[i]);
		strcpy(theirs, words[i]);
		assert_string_equal(own_basename(ours), basename(theirs));
	}
}

/* ---- Numbers ---- */

static void check_number(const char *text, int base)
{
	char *our_end, *their_end;
	long ours, theirs;
	unsigned long our_u, their_u;

	ours = own_strtol(text, &our_end, base);
	theirs = strtol(text, &their_end, base);
	assert_int_equal(ours, theirs);
	assert_ptr_equal(our_end, their_end);
	our_u = own_strtoul(text, &our_end, base);
	their_u = strtoul(text, &their_end, base);
	assert_int_equal(our_u, their_u);
	assert_ptr_equal(our_end, their_end);
}

static void numbers_are_read_like_the_hosts(void **state)
{
	static const char *const texts[] = {
	        "",
	        "0",
	        " 42x",
	        "-1",
	        "+7",
	        "0x",
	        "0xg",
	        "0x1F",
	        "-0x10",
	        "010",
	        "08",
	        "zz",
	        "- 1",
	        "+-1",
	        "  ",
	        "0X",
	        "1e3",
	        "9223372036854775807",
	        "9223372036854775808",
	        "-9223372036854775808",
	        "-9223372036854775809",
	        "18446744073709551615",
	        "18446744073709551616",
	        "-18446744073709551616",
	        "99999999999999999999999",
	        "\t\n 5",
	        "0b1",
	};
	static const int bases[] = {0, 2, 8, 10, 16, 36};
	char text[32];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t j = 0; j < sizeof(bases) / sizeof(bases[0]); j++)
			check_number(texts[i], bases[j]);
	for (int round = 0; round < 2000; round++) {
		snprintf(text, sizeof(text), round % 2 ? "%ld" : "%#lx",
		         (long)draw() >> draw() % 64);
		check_number(text, 0);
	}
}

static void real_numbers_come_close(void **state)
{
	static const char *const texts[] = {"0",  "1.5", "-2.25e3",       ".5",   "5.",     "1e-7",
	                                    "e5", "1e",  "1e+",           "x",    " 12.5y", "3.e2",
	                                    ".",  "-",   "123456789.125", "1e300"};
	char *our_end, *their_end;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		double ours = own_strtod(texts[i], &our_end), theirs = strtod(texts[i], &their_end);

		assert_ptr_equal(our_end, their_end);
		assert_true(fabs(ours - theirs) <= fabs(theirs) * 1e-13);
	}
	for (double x = 1e-10; x < 1e10; x *= 1.7)
		assert_true(fabs(own_log10(x) - log10(x)) <= 1e-14 * (1 + fabs(log10(x))));
}

/* ---- Sorting ---- */

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static void arrays_are_sorted(void **state)
{
	int ours[200], theirs[200];

	for (int round = 0; round < 500; round++) {
		size_t n = draw() % 200;

		for (size_t i = 0; i < n; i++)
			ours[i] = theirs[i] = (int)(draw() % (round % 2 ? 10 : 100000));
		own_qsort(ours, n, sizeof(int), compare_ints);
		qsort(theirs, n, sizeof(int), compare_ints);
		assert_memory_equal(ours, theirs, n * sizeof(int));
		for (int key = -1; key < 12; key++) {
			const int *found = own_bsearch(&key, ours, n, sizeof(int), compare_ints);

			assert_int_equal(found != NULL, bsearch(&key, theirs, n, sizeof(int),
			                                        compare_ints) != NULL);
			assert_true(found == NULL || *found == key);
		}
	}
}

/* ---- Formatting ---- */

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours[128], theirs[128];                                                       \
		int n = own_snprintf(ours, sizeof(ours), __VA_ARGS__);                             \
                                                                                                   \
		assert_int_equal(n, snprintf(theirs, sizeof(theirs), __VA_ARGS__));                \
		assert_string_equal(ours, theirs);                                                 \
	} while (0)

/* The flags and widths are all combined with each conversion and value. */
static void check_formats(const char *conversions, const char *length, uint64_t value)
{
	static const char *const flags[] = {"", "-", "0", "+", " ", "#", "-#", "0#", "+0", "- "};
	static const char *const sizes[] = {"",   "1",  "7",    "25",  ".0",
	                                    ".1", ".5", "12.7", "12.", "3.9"};
	char format[32];

	for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
			for (const char *c = conversions; *c != '\0'; c++) {
				snprintf(format, sizeof(format), "<%%%s%s%s%c>", flags[f], sizes[s],
				         length, *c);
				SAME(format, value);
			}
}

static void integers_are_printed_like_the_hosts(void **state)
{
	static const uint64_t values[] = {
	        0,       1,        7,        8,        255,       256,   INT_MAX,
	        INT_MIN, UINT_MAX, LONG_MAX, LONG_MIN, ULONG_MAX, 12345, (uint64_t)-12345,
	        0x80,    0x8000};
	static const char *const lengths[] = {"", "hh", "h", "l", "ll", "z", "j", "t"};

	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
			check_formats("diuxXo", lengths[l], values[v]);
}

static void text_is_printed_like_the_hosts(void **state)
{
	SAME("%s|%10s|%-10s|%.2s|%.*s|%5.1s", "abc", "abc", "abc", "abc", 2, "abc", "abc");
	SAME("%*d|%-*d|%*d", 6, 42, 6, 42, -6, 42);
	SAME("%.*d|%.*d", -1, 42, 5, 42);
	SAME("%c%5c%-5c%%", 'a', 'b', 'c');
	SAME("%p %20p %-20p| %p", (void *)0x1234, (void *)0x1234, (void *)0x1234, NULL);
	SAME("%s %.3s", (char *)NULL, (char *)NULL);
	SAME("no directive at all");
	SAME("%04x:%02x:%02x.%x", 0, 31, 6, 7);
	SAME("%hhu %hu", 300, 70000);
}

static void printing_stays_in_its_buffer(void **state)
{
	char buffer[8];

	memset(buffer, '#', sizeof(buffer));
	assert_int_equal(own_snprintf(buffer, 4, "%d", 123456), 6);
	assert_memory_equal(buffer, "123\0####", 8);
	assert_int_equal(own_snprintf(NULL, 0, "%s", "abc"), 3);
	assert_int_equal(own_snprintf(buffer, 1, "%s", "abc"), 3);
	assert_memory_equal(buffer,
	                    "\0"
	                    "23\0####",
	                    8);
	/* A real is not printed, but does not shift what follows; nonsense is an error. */
	assert_int_equal(own_snprintf(buffer, sizeof(buffer), "%.1f%d", 1.5, 7), 7);
	assert_string_equal(buffer, "(real)7");
	assert_int_equal(own_snprintf(buffer, sizeof(buffer), "%y"), -1);
	assert_int_equal(own_snprintf(buffer, sizeof(buffer), "%"), -1);
}

/* ---- Scanning, matching, classes ---- */

#define SAME_SCAN(text, format, type, n_values)                                                    \
	do {                                                                                       \
		type ours[4] = {0}, theirs[4] = {0};                                               \
		int n = own_sscanf(text, format, &ours[0], &ours[1], &ours[2], &ours[3]);          \
                                                                                                   \
		assert_int_equal(                                                                  \
		        n, sscanf(text, format, &theirs[0], &theirs[1], &theirs[2], &theirs[3]));  \
		assert_memory_equal(ours, theirs, sizeof(ours));                                   \
	} while (0)

static void text_is_scanned_like_the_hosts(void **state)
{
	SAME_SCAN("12@34:56", "%u@%u:%u", unsigned, 3);
	SAME_SCAN("12@34", "%u@%u:%u", unsigned, 3);
	SAME_SCAN("", "%u@%u:%u", unsigned, 3);
	SAME_SCAN("x", "%u", unsigned, 3);
	SAME_SCAN("0000:1f:06.7", "%x:%x:%x.%x", unsigned, 4);
	SAME_SCAN("aa:0b:cc:dd", "%hhx:%hhx:%hhx:%hhx", unsigned char, 4);
	SAME_SCAN("3-17", "%hu%n-%hu%n", unsigned short, 4);
	SAME_SCAN("3", "%hu%n-%hu%n", unsigned short, 4);
	SAME_SCAN("  -5 0x1f 010", "%d %i %i", int, 3);
	SAME_SCAN("123456", "%2d%3d%*1d", int, 3);
	SAME_SCAN("5% 6", "%d%% %d", int, 2);
	SAME_SCAN("99999999999 1", "%lu %lu", unsigned long, 2);
	SAME_SCAN("word another", "%3s", char, 4);
	SAME_SCAN("abc", "%2c", char, 4);
}

static void patterns_match_like_the_hosts(void **state)
{
	static const char *const patterns[] = {"*",    "pmd.*", "*.ice", "p*d.*t",
	                                       "?md*", "",      "a*b*c", "**"};
	static const char *const names[] = {"",     "pmd.net", "pmd.net.ice", "lib.eal", "axbxc",
	                                    "abcb", "p"};

	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
			assert_int_equal(own_fnmatch(patterns[p], names[n], 0),
			                 fnmatch(patterns[p], names[n], 0));
}

static void classes_are_those_of_the_c_locale(void **state)
{
	/* Only -1 … 255 may be asked for; the locale of this program is "C". */
	for (int c = -1; c < 256; c++)
		assert_int_equal((*own_ctype_b_loc())[c], (*__ctype_b_loc())[c]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(memory_moves_like_the_hosts),
	        cmocka_unit_test(memory_copies_and_sets_like_the_hosts),
	        cmocka_unit_test(memory_compares_like_the_hosts),
	        cmocka_unit_test(strings_compare_like_the_hosts),
	        cmocka_unit_test(strings_are_searched_like_the_hosts),
	        cmocka_unit_test(strings_are_copied_within_bounds),
	        cmocka_unit_test(strings_are_split_like_the_hosts),
	        cmocka_unit_test(numbers_are_read_like_the_hosts),
	        cmocka_unit_test(real_numbers_come_close),
	        cmocka_unit_test(arrays_are_sorted),
	        cmocka_unit_test(integers_are_printed_like_the_hosts),
	        cmocka_unit_test(text_is_printed_like_the_hosts),
	        cmocka_unit_test(printing_stays_in_its_buffer),
	        cmocka_unit_test(text_is_scanned_like_the_hosts),
	        cmocka_unit_test(patterns_match_like_the_hosts),
	        cmocka_unit_test(classes_are_those_of_the_c_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
