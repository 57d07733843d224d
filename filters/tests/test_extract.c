/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extraction: what must come out exactly, and that exact flows equal and inexact ones contain what
 * the program accepts, on every captured frame.
 */
#include "common.h"

#include <stdio.h>
#include <string.h>

static void check_exact(const char *text, uint32_t n)
{
	struct flt_expression e;
	assert_int_equal(flt_compile_expression(text, &e, NULL), 0);
	if (!e.extraction.exact || (n && e.extraction.n != n))
		fail_msg("\"%s\": %u conjunctions, exact %d", text, e.extraction.n,
		         e.extraction.exact);
	assert_int_equal(e.extraction.accept, FLT_EXPRESSION_SNAPLEN);
	flt_expression_free(&e);
}

static void common_expressions_are_exact(void **state)
{
	check_exact("", 1);
	check_exact("ip", 1);
	check_exact("not ip", 1);
	check_exact("ip and udp dst port 53", 1);
	check_exact("tcp dst port 80", 2);
	check_exact("tcp port 80", 4);
	check_exact("port 53", 12);
	check_exact("ip and udp dst portrange 1000-2000", 1);
	check_exact("ip6 host fe80::1", 2);
	check_exact("ip and tcp[13] & 2 != 0", 1);
	check_exact("ip[8] >= 64 and ip[8] <= 128", 1);
	check_exact("len > 100", 1);
	check_exact("ip and tcp[12] >> 4 > 5", 1);
	check_exact("ip and not tcp port 80", 0);
}

static void path_constraints_become_one_range(void **state)
{
	struct flt_expression e;
	char text[256];
	assert_int_equal(flt_compile_expression("ip and udp dst portrange 1000-2000", &e, NULL), 0);
	flt_conjunction_text(&e.conjunctions[0], text, sizeof(text));
	assert_non_null(strstr(text, "dst portrange 1000-2000"));
	assert_int_equal(flt_conjunction_bits(&e.conjunctions[0]), 16 + 8 + 13 + 6);
	flt_expression_free(&e);
}

static void unsayable_programs_give_a_superset(void **state)
{
	struct flt_expression e;
	assert_int_equal(flt_compile_expression("ip[2:2] = ip[4:2]", &e, NULL), 0);
	assert_false(e.extraction.exact);
	assert_int_equal(e.extraction.n, 1);
	assert_int_equal(flt_conjunction_bits(&e.conjunctions[0]), 16);
	flt_expression_free(&e);
}

static void flows_equal_programs_on_captures(void **state)
{
	const struct test_frames *all = test_captures();
	uint32_t exact = 0, total = 0;
	if (!all->n) {
		print_message("no captures at hand\n");
		skip();
	}
	for (const char *const *text = test_expressions; *text; text++, total++) {
		struct flt_expression e;
		assert_int_equal(flt_compile_expression(*text, &e, NULL), 0);
		struct flt_flow flow = {e.conjunctions, e.extraction.n};
		assert_int_equal(flt_flow_validate(flow, NULL), 0);
		exact += e.extraction.exact;
		for (uint32_t i = 0; i < all->n; i++) {
			bool wanted = test_libpcap(&e, &all->frames[i]);
			bool in_flow = flt_flow_match(flow, &all->frames[i]);
			if ((wanted && !in_flow) || (e.extraction.exact && wanted != in_flow))
				fail_msg("\"%s\" differs on frame %u", *text, i);
		}
		flt_expression_free(&e);
	}
	print_message("%u of %u expressions are exact\n", exact, total);
	assert_true(exact * 10 > total * 7);
}

static int set_up(void **state)
{
	flt_host_init(true);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(common_expressions_are_exact),
	        cmocka_unit_test(path_constraints_become_one_range),
	        cmocka_unit_test(unsayable_programs_give_a_superset),
	        cmocka_unit_test(flows_equal_programs_on_captures),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
