/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows: validity, bits, comparison, text; and that comparison is sound on random conjunctions.
 */
#include "common.h"

#include <string.h>

#define EXACT(at, w, v)                                                                            \
	{                                                                                          \
		.base = FLT_BASE_FRAME, .width = (w), .offset = (at),                              \
		.mask = (uint32_t)((1ull << (8 * (w))) - 1), .value = (v)                          \
	}
#define MASKED(at, w, m, v)                                                                        \
	{                                                                                          \
		.base = FLT_BASE_FRAME, .width = (w), .offset = (at), .mask = (m), .value = (v)    \
	}
#define RANGE(at, w, l, h)                                                                         \
	{                                                                                          \
		.base = FLT_BASE_FRAME, .width = (w), .test = FLT_TEST_RANGE, .offset = (at),      \
		.low = (l), .high = (h)                                                            \
	}

static struct flt_term negated(struct flt_term term)
{
	term.negate = 1;
	return term;
}

static void bits_follow_the_rule(void **state)
{
	struct {
		struct flt_conjunction c;
		uint32_t bits;
	} cases[] = {
	        {{.n_terms = 0}, 0},
	        {{.n_terms = 1, .terms = {EXACT(12, 2, 0x800)}}, 16},
	        {{.n_terms = 1, .terms = {MASKED(26, 4, 0xff000000, 0x0a000000)}}, 8},
	        {{.n_terms = 1, .terms = {MASKED(26, 4, 0, 0)}}, 0},
	        {{.n_terms = 1, .terms = {RANGE(36, 2, 1000, 2000)}}, 6},
	        {{.n_terms = 1, .terms = {RANGE(36, 2, 1024, 2047)}}, 6},
	        {{.n_terms = 1, .terms = {RANGE(36, 2, 1024, 2048)}}, 5},
	        {{.n_terms = 1, .terms = {RANGE(36, 2, 0, 65535)}}, 0},
	        {{.n_terms = 1, .terms = {RANGE(36, 2, 7, 7)}}, 16},
	        {{.n_terms = 1, .terms = {RANGE(30, 4, 0, 0xffffffff)}}, 0},
	        {{.n_terms = 2, .terms = {RANGE(36, 2, 1000, 65535), RANGE(36, 2, 0, 2000)}}, 6},
	        {{.n_terms = 2, .terms = {EXACT(12, 2, 0x800), EXACT(12, 2, 0x800)}}, 16},
	        {{.n_terms = 2, .terms = {EXACT(12, 2, 0x800), EXACT(12, 1, 0x08)}}, 16},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(flt_conjunction_bits(&cases[i].c), cases[i].bits);
	struct flt_conjunction not_ip = {.n_terms = 1, .terms = {EXACT(12, 2, 0x800)}};
	not_ip.terms[0].negate = 1;
	assert_int_equal(flt_conjunction_bits(&not_ip), 0);
}

static void hostile_terms_are_refused(void **state)
{
	struct flt_term bad[] = {
	        {.base = 3, .width = 1},
	        {.width = 0},
	        {.width = 3},
	        {.width = 8},
	        {.width = 1, .test = 2},
	        {.width = 1, .negate = 2},
	        {.width = 1, .offset = FLT_TERM_OFFSET_MAX + 1},
	        {.width = 1, .msh = 1},
	        {.width = 1, .base = FLT_BASE_MSH, .msh = FLT_TERM_OFFSET_MAX + 1},
	        {.width = 2, .base = FLT_BASE_LENGTH},
	        {.width = 1, .mask = 0x100},
	        {.width = 1, .mask = 1, .value = 2},
	        {.width = 1, .test = FLT_TEST_RANGE, .low = 2, .high = 1},
	        {.width = 1, .test = FLT_TEST_RANGE, .low = 2, .high = 256},
	};
	struct flt_error error;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct flt_conjunction c = {.n_terms = 1, .terms = {bad[i]}};
		assert_int_equal(flt_conjunction_validate(&c, &error), FLT_E_INVALID);
		assert_true(strstr(error.reason, "term 0: ") == error.reason);
	}
	struct flt_conjunction long_one = {.n_terms = FLT_CONJUNCTION_TERMS_MAX + 1};
	assert_int_equal(flt_conjunction_validate(&long_one, &error), FLT_E_INVALID);
	struct flt_conjunction reserved = {.reserved = 1};
	assert_int_equal(flt_conjunction_validate(&reserved, &error), FLT_E_INVALID);
	assert_int_equal(flt_flow_validate((struct flt_flow){&reserved, 65}, &error),
	                 FLT_E_INVALID);
}

static void comparison_meets_across_widths(void **state)
{
	struct flt_conjunction wide = {.n_terms = 1, .terms = {EXACT(30, 4, 0x0a000001)}};
	struct flt_conjunction halves = {.n_terms = 2,
	                                 .terms = {EXACT(30, 2, 0x0a00), EXACT(32, 2, 1)}};
	struct flt_conjunction net = {.n_terms = 1,
	                              .terms = {MASKED(30, 4, 0xff000000, 0x0a000000)}};
	struct flt_conjunction byte = {.n_terms = 1, .terms = {EXACT(31, 1, 7)}};
	struct flt_conjunction range = {.n_terms = 1,
	                                .terms = {RANGE(30, 4, 0x0a000000, 0x0a0000ff)}};
	struct flt_conjunction not_net = {.n_terms = 1};
	not_net.terms[0] = negated(net.terms[0]);
	assert_true(flt_conjunction_subset(&wide, &halves));
	assert_true(flt_conjunction_subset(&halves, &wide));
	assert_true(flt_conjunction_subset(&wide, &net));
	assert_false(flt_conjunction_subset(&net, &wide));
	assert_true(flt_conjunction_subset(&wide, &range));
	assert_true(flt_conjunction_subset(&range, &net));
	assert_true(flt_conjunction_disjoint(&wide, &byte));
	assert_true(flt_conjunction_disjoint(&wide, &not_net));
	assert_true(flt_conjunction_disjoint(&range, &not_net));
	assert_false(flt_conjunction_disjoint(&net, &byte));
	struct flt_conjunction any = {0};
	assert_true(flt_conjunction_subset(&wide, &any));
	assert_false(flt_conjunction_subset(&any, &wide));
}

static void fixed_header_length_moves_fields(void **state)
{
	struct flt_term port = {.base = FLT_BASE_MSH,
	                        .msh = 14,
	                        .offset = 16,
	                        .width = 2,
	                        .mask = 0xffff,
	                        .value = 80};
	struct flt_conjunction variable = {.n_terms = 2, .terms = {EXACT(14, 1, 0x45), port}};
	struct flt_conjunction fixed = {.n_terms = 2,
	                                .terms = {EXACT(14, 1, 0x45), EXACT(36, 2, 80)}};
	struct flt_conjunction other = {.n_terms = 2,
	                                .terms = {EXACT(14, 1, 0x45), EXACT(36, 2, 81)}};
	assert_true(flt_conjunction_subset(&variable, &fixed));
	assert_true(flt_conjunction_subset(&fixed, &variable));
	assert_true(flt_conjunction_disjoint(&variable, &other));
}

/* --- random conjunctions over few short fields, so that they meet --- */

static struct flt_term random_term(void)
{
	static const uint8_t widths[] = {1, 2, 4};
	struct flt_term t = {.width = widths[test_random() % 3], .negate = test_random() % 4 == 0};
	uint32_t all = (uint32_t)((1ull << (8 * t.width)) - 1);
	t.offset = (uint16_t)(test_random() % 4);
	if (test_random() % 4 == 0) {
		t.base = FLT_BASE_MSH;
		t.msh = (uint16_t)(test_random() % 2);
	}
	if (test_random() % 2) {
		static const uint32_t masks[] = {0xffffffff, 0xff, 0x0f, 0xf0f0f0f0, 0x80000001};
		t.mask = masks[test_random() % 5] & all;
		t.value = test_random() & 0x03030303 & t.mask;
	} else {
		uint32_t a = test_random() & 0x03030303 & all, b = test_random() & 0x0f0f0f0f & all;
		t.test = FLT_TEST_RANGE;
		t.low = a < b ? a : b;
		t.high = a < b ? b : a;
	}
	return t;
}

static struct flt_conjunction random_conjunction(void)
{
	struct flt_conjunction c = {.n_terms = test_random() % 4};
	for (uint32_t i = 0; i < c.n_terms; i++)
		c.terms[i] = random_term();
	return c;
}

static void random_frame(uint8_t bytes[24], struct flt_frame *frame)
{
	for (uint32_t i = 0; i < 24; i++)
		bytes[i] = (uint8_t)(test_random() & (test_random() % 2 ? 3 : 0x0f));
	*frame = (struct flt_frame){
	        .data = bytes, .len = test_random() % 8 ? 24 : test_random() % 8, .wire_len = 24};
}

static void comparison_is_sound(void **state)
{
	uint32_t subsets = 0, disjoint = 0;
	for (uint32_t round = 0; round < 20000; round++) {
		struct flt_conjunction a = random_conjunction(), b = random_conjunction();
		struct flt_conjunction both, normal = a;
		bool is_subset = flt_conjunction_subset(&a, &b);
		bool is_disjoint = flt_conjunction_disjoint(&a, &b);
		bool is_empty = flt_conjunction_empty(&a);
		assert_int_equal(flt_conjunction_intersect(&a, &b, &both), 0);
		flt_conjunction_normalise(&normal);
		subsets += is_subset;
		disjoint += is_disjoint;
		for (uint32_t i = 0; i < 50; i++) {
			uint8_t bytes[24];
			struct flt_frame frame;
			random_frame(bytes, &frame);
			bool in_a = flt_conjunction_match(&a, &frame);
			bool in_b = flt_conjunction_match(&b, &frame);
			assert_false(is_subset && in_a && !in_b);
			assert_false(is_disjoint && in_a && in_b);
			assert_false(is_empty && in_a);
			assert_int_equal(flt_conjunction_match(&both, &frame), in_a && in_b);
			assert_int_equal(flt_conjunction_match(&normal, &frame), in_a);
		}
	}
	assert_true(subsets > 1000 && disjoint > 1000);
}

static void text_names_fields(void **state)
{
	char text[512];
	struct flt_expression e;
	flt_host_init(false);
	assert_int_equal(flt_compile_expression("tcp dst port 80 and src net 10.0.0.0/8", &e, NULL),
	                 0);
	flt_flow_text((struct flt_flow){e.conjunctions, e.extraction.n}, text, sizeof(text));
	assert_non_null(strstr(text, "ip and"));
	assert_non_null(strstr(text, "tcp and src net 10.0.0.0/8 and dst port 80"));
	flt_expression_free(&e);
	char cut[8];
	struct flt_conjunction any = {.n_terms = 1, .terms = {EXACT(12, 2, 0x88b5)}};
	assert_int_equal(flt_conjunction_text(&any, cut, sizeof(cut)),
	                 strlen("frame[12:2] == 0x88b5"));
	assert_string_equal(cut, "frame[1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bits_follow_the_rule),
	        cmocka_unit_test(hostile_terms_are_refused),
	        cmocka_unit_test(comparison_meets_across_widths),
	        cmocka_unit_test(fixed_header_length_moves_fields),
	        cmocka_unit_test(comparison_is_sound),
	        cmocka_unit_test(text_names_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
