/* SPDX-License-Identifier: BSD-2-Clause */
/* The freestanding <string.h> against plain loops, at every size, distance and alignment that its
 * cases divide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The build gives ../string.c these names, so that the host's own are left alone. */
void *env_memcpy(void *restrict to, const void *restrict from, size_t size);
void *env_memmove(void *to, const void *from, size_t size);
void *env_memset(void *to, int byte, size_t size);
int env_memcmp(const void *a, const void *b, size_t size);

enum { ROOM = 512, SIZES = 150, DISTANCE = 40 };

static uint8_t got[ROOM], expected[ROOM];

static void fill(void)
{
	for (unsigned i = 0; i < ROOM; i++)
		got[i] = expected[i] = (uint8_t)(i * 37 + 11);
}

static void check(const char *what, unsigned to, unsigned from, unsigned size)
{
	for (unsigned i = 0; i < ROOM; i++)
		if (got[i] != expected[i])
			fail_msg("%s: %u bytes from %u to %u: byte %u", what, size, from, to, i);
}

static void test_memmove(void **state)
{
	for (unsigned size = 0; size < SIZES; size++)
		for (unsigned to = 100; to < 100 + 2 * DISTANCE; to++) {
			unsigned from = 100 + DISTANCE;
			uint8_t copy[SIZES];

			fill();
			for (unsigned i = 0; i < size; i++)
				copy[i] = expected[from + i];
			for (unsigned i = 0; i < size; i++)
				expected[to + i] = copy[i];
			assert_ptr_equal(env_memmove(got + to, got + from, size), got + to);
			check("memmove", to, from, size);
		}
}

static void test_memcpy(void **state)
{
	for (unsigned size = 0; size < SIZES; size++)
		for (unsigned to = 200; to < 209; to++) {
			fill();
			for (unsigned i = 0; i < size; i++)
				expected[to + i] = expected[3 + i];
			env_memcpy(got + to, got + 3, size);
			check("memcpy", to, 3, size);
		}
}

static void test_memset(void **state)
{
	for (unsigned size = 0; size < SIZES; size++) {
		fill();
		for (unsigned i = 0; i < size; i++)
			expected[5 + i] = 0xa5;
		env_memset(got + 5, 0x1a5, size);
		check("memset", 5, 0, size);
	}
}

static void test_memcmp(void **state)
{
	for (unsigned size = 1; size < SIZES; size++)
		for (unsigned at = 0; at < size; at++) {
			fill();
			got[at] ^= 0x80;
			assert_int_equal(env_memcmp(got, expected, at), 0);
			assert_int_equal(env_memcmp(got, expected, size) < 0,
			                 got[at] < expected[at]);
			assert_int_not_equal(env_memcmp(got, expected, size), 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_memmove),
	        cmocka_unit_test(test_memcpy),
	        cmocka_unit_test(test_memset),
	        cmocka_unit_test(test_memcmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
