/* SPDX-License-Identifier: BSD-2-Clause */
/* Slices and bounded answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../server/text.h"

static struct text of(const char *text)
{
	return (struct text){text, strlen(text)};
}

static void words(void **state)
{
	struct text rest = of("a,b,,c"), first;

	assert_true(text_is(of("PLAY"), "play"));
	assert_false(text_is(of("PLAYS"), "play"));
	assert_true(text_begins(of("Bytes=1"), "bytes=", &first));
	assert_true(text_is(first, "1"));
	assert_false(text_begins(of("byt"), "bytes=", &first));
	assert_true(text_is(text_cut(&rest, ','), "a"));
	assert_true(text_is(text_cut(&rest, ','), "b"));
	assert_true(text_is(text_cut(&rest, ','), ""));
	assert_true(text_is(text_cut(&rest, ','), "c"));
	assert_int_equal(rest.size, 0);
	assert_true(text_is(text_trim(of(" \t x y\t ")), "x y"));
	assert_int_equal(text_trim(of("  ")).size, 0);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool good;
		uint64_t value;
	} cases[] = {{"0", 0, true, 0},
	             {"1", 0, false, 0},
	             {"65535", 65535, true, 65535},
	             {"65536", 65535, false, 0},
	             {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
	             {"18446744073709551616", UINT64_MAX, false, 0},
	             {"99999999999999999999999", UINT64_MAX, false, 0},
	             {"", 9, false, 0},
	             {"-1", 9, false, 0},
	             {"1x", 99, false, 0}};
	uint64_t value;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(text_number(of(cases[i].text), cases[i].max, &value),
		                 cases[i].good);
		if (cases[i].good)
			assert_int_equal(value, cases[i].value);
	}
	assert_true(text_hex(of("fFfFfFfFfFfFfFfF"), &value));
	assert_true(value == UINT64_MAX);
	assert_false(text_hex(of("10000000000000000"), &value));
	assert_false(text_hex(of(""), &value));
	assert_false(text_hex(of("12g"), &value));
}

static void answers_are_bounded(void **state)
{
	char room[8];
	struct out out = {.at = room, .room = sizeof room};

	out_print(&out, "%s", "1234");
	out_text(&out, of("567"));
	assert_false(out.full);
	assert_string_equal(room, "1234567");
	out_print(&out, "8");
	assert_true(out.full);
	assert_int_equal(out.size, 7);
	out.full = false;
	out_text(&out, of("8"));
	assert_true(out.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(words),
	        cmocka_unit_test(numbers),
	        cmocka_unit_test(answers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
