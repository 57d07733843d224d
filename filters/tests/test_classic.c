/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classic BPF: the check, and agreement with libpcap's interpreter on expressions and on random
 * programs.
 */
#include "common.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

static int load(const struct flt_classic_insn *insns, uint32_t n, struct flt_error *error)
{
	struct flt_program *program;
	int code = flt_program_load_classic(insns, n, "test", 0, &program, error);
	flt_program_free(program);
	return code;
}

static void malformed_programs_are_refused(void **state)
{
	struct {
		struct flt_classic_insn insns[2];
		uint32_t n;
		const char *why;
	} cases[] = {
	        {{{0}}, 0, "program of 0"},
	        {{{0x00, 0, 0, 1}}, 1, "not a return"},
	        {{{0x100, 0, 0, 1}, {0x06, 0, 0, 0}}, 2, "unknown opcode"},
	        {{{0x05, 0, 0, 1}, {0x06, 0, 0, 0}}, 2, "beyond the end"},
	        {{{0x05, 0, 0, 0xffffffff}, {0x06, 0, 0, 0}}, 2, "jump backwards"},
	        {{{0x15, 1, 0, 0}, {0x06, 0, 0, 0}}, 2, "beyond the end"},
	        {{{0x15, 0, 1, 0}, {0x06, 0, 0, 0}}, 2, "beyond the end"},
	        {{{0x55, 0, 0, 0}, {0x06, 0, 0, 0}}, 2, "unknown jump"},
	        {{{0x34, 0, 0, 0}, {0x06, 0, 0, 0}}, 2, "constant 0"},
	        {{{0x94, 0, 0, 0}, {0x06, 0, 0, 0}}, 2, "constant 0"},
	        {{{0xb4, 0, 0, 0}, {0x06, 0, 0, 0}}, 2, "unknown ALU"},
	        {{{0x60, 0, 0, 16}, {0x06, 0, 0, 0}}, 2, "scratch word"},
	        {{{0x02, 0, 0, 16}, {0x06, 0, 0, 0}}, 2, "scratch word"},
	        {{{0x38, 0, 0, 0}, {0x06, 0, 0, 0}}, 2, "bad packet load"},
	        {{{0xa1, 0, 0, 0}, {0x06, 0, 0, 0}}, 2, "header-length"},
	        {{{0x0e, 0, 0, 0}, {0x0e, 0, 0, 0}}, 2, "unknown return"},
	        {{{0x20, 0, 0, 0xfffff034}, {0x06, 0, 0, 0}}, 2, "ancillary"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flt_error error;
		assert_true(load(cases[i].insns, cases[i].n, &error) < 0);
		assert_non_null(strstr(error.reason, cases[i].why));
	}
}

static void check_expression(const char *text, const struct test_frames *all)
{
	struct flt_expression e;
	struct flt_program *program;
	struct flt_error error;
	if (flt_compile_expression(text, &e, &error)) {
		print_message("\"%s\": %s\n", text, error.reason);
		fail();
	}
	assert_int_equal(flt_program_load_classic(e.insns, e.n_insns, text, 0, &program, &error),
	                 0);
	for (uint32_t i = 0; i < all->n; i++) {
		uint32_t expected = test_libpcap(&e, &all->frames[i]);
		if (flt_program_interpret(program, &all->frames[i]) != expected ||
		    flt_program_run(program, &all->frames[i]) != expected)
			fail_msg("\"%s\" differs on frame %u", text, i);
	}
	flt_program_free(program);
	flt_expression_free(&e);
}

static void expressions_agree_with_libpcap(void **state)
{
	const struct test_frames *all = test_captures();
	if (!all->n) {
		print_message("no captures at hand\n");
		skip();
	}
	for (const char *const *text = test_expressions; *text; text++)
		check_expression(*text, all);
}

/* A random well-formed instruction with `left` instructions behind it. */
static struct flt_classic_insn random_insn(uint32_t left)
{
	static const uint16_t codes[] = {0x00, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x80, 0x01,
	                                 0x61, 0x81, 0xb1, 0x02, 0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24,
	                                 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74,
	                                 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25,
	                                 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87};
	static const uint32_t ks[] = {0,  1,    2,    3,     5,          14,         16,
	                              31, 0x0f, 0xff, 0x800, 0x7fffffff, 0x80000000, 0xffdfffff};
	struct flt_classic_insn insn = {.code = codes[test_random() % 49],
	                                .k = ks[test_random() % 14]};
	if (insn.code == 0x06 && test_random() % 4)
		insn.code = 0x20;
	uint16_t class = insn.code & 7;
	if (class == 5) {
		insn.jt = (uint8_t)(test_random() % (left < 250 ? left : 250));
		insn.jf = (uint8_t)(test_random() % (left < 250 ? left : 250));
		if (insn.code == 0x05)
			insn.k = test_random() % left;
	}
	if (class == 2 || class == 3 || insn.code == 0x60 || insn.code == 0x61)
		insn.k = test_random() % 16;
	if ((insn.code == 0x34 || insn.code == 0x94) && !insn.k)
		insn.k = 3;
	if (insn.code == 0x64 || insn.code == 0x74) /* libpcap leaves longer shifts undefined */
		insn.k %= 32;
	return insn;
}

/* Words and registers are 0 at first here; libpcap leaves the words as they are on its stack. */
static uint32_t clear_words(struct flt_classic_insn *insns)
{
	for (uint32_t k = 0; k < 16; k++)
		insns[k] = (struct flt_classic_insn){.code = 0x02, .k = k};
	return 16;
}

static void random_programs_agree_with_libpcap(void **state)
{
	for (uint32_t round = 0; round < 20000; round++) {
		struct flt_classic_insn insns[80];
		uint32_t start = clear_words(insns), n = start + 2 + test_random() % 60;
		struct flt_program *program;
		struct flt_error error;
		for (uint32_t i = start; i + 1 < n; i++)
			insns[i] = random_insn(n - 1 - i);
		insns[n - 1] = (struct flt_classic_insn){.code = 0x16};
		if (flt_program_load_classic(insns, n, "random", 0, &program, &error))
			fail_msg("refused: %s", error.reason);
		for (uint32_t i = 0; i < 8; i++) {
			uint8_t bytes[64];
			struct flt_frame frame = {
			        .data = bytes, .len = test_random() % 65, .wire_len = 1500};
			for (uint32_t j = 0; j < sizeof(bytes); j++)
				bytes[j] = (uint8_t)test_random();
			uint32_t expected = bpf_filter((const struct bpf_insn *)insns, bytes,
			                               frame.wire_len, frame.len);
			assert_int_equal(flt_program_interpret(program, &frame), expected);
			assert_int_equal(flt_program_run(program, &frame), expected);
		}
		flt_program_free(program);
	}
}

static void ancillary_loads_have_answers(void **state)
{
	uint8_t bytes[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06};
	struct flt_frame frame = {.data = bytes, .len = 60, .wire_len = 60, .port = 7, .queue = 3};
	struct {
		uint32_t k, result;
	} cases[] = {{0xfffff000, 0x0806}, {0xfffff004, 1},          {0xfffff008, 7},
	             {0xfffff018, 3},      {0xfffff01c, 1},          {0xfffff02c, 0},
	             {0xfffff030, 0},      {0xffe0000c, 0x08060000}, {0xfff00000, 0}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flt_classic_insn insns[] = {{.code = 0x20, .k = cases[i].k}, {.code = 0x16}};
		struct flt_program *program;
		assert_int_equal(flt_program_load_classic(insns, 2, "t", 0, &program, NULL), 0);
		assert_int_equal(flt_program_interpret(program, &frame), cases[i].result);
		assert_int_equal(flt_program_run(program, &frame), cases[i].result);
		flt_program_free(program);
	}
}

static int set_up(void **state)
{
	flt_host_init(true);
	return 0;
}

/* The running core's number and random numbers come from functions, which X and the frame outlive.
 */
static void functions_keep_what_matters(void **state)
{
	static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8};
	const struct flt_frame frame = {.data = data, .len = 8, .wire_len = 60};
	static const struct {
		struct flt_classic_insn insns[6];
		uint32_t result;
	} cases[] = {
	        {{{0x01, 0, 0, 5}, {0x20, 0, 0, 0xfffff024}, {0x87, 0, 0, 0}, {0x16, 0, 0, 0}}, 5},
	        {{{0x20, 0, 0, 0xfffff038}, {0x80, 0, 0, 0}, {0x16, 0, 0, 0}}, 60},
	        {{{0x20, 0, 0, 0xfffff024}, {0x28, 0, 0, 2}, {0x16, 0, 0, 0}}, 0x304},
	        {{{0x00, 0, 0, 9},
	          {0x02, 0, 0, 3},
	          {0x20, 0, 0, 0xfffff038},
	          {0x60, 0, 0, 3},
	          {0x16, 0, 0, 0}},
	         9},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flt_program *program;
		struct flt_error error;
		uint32_t n = 0;
		while (cases[i].insns[n++].code != 0x16)
			;
		if (flt_program_load_classic(cases[i].insns, n, "t", 0, &program, &error))
			fail_msg("case %zu: %s", i, error.reason);
		assert_true(flt_program_is_native(program));
		assert_int_equal(flt_program_run(program, &frame), cases[i].result);
		assert_int_equal(flt_program_interpret(program, &frame), cases[i].result);
		flt_program_free(program);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(malformed_programs_are_refused),
	        cmocka_unit_test(ancillary_loads_have_answers),
	        cmocka_unit_test(functions_keep_what_matters),
	        cmocka_unit_test(random_programs_agree_with_libpcap),
	        cmocka_unit_test(expressions_agree_with_libpcap),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
