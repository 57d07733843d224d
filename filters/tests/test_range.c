/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges are sound: what an operation gives for members of its operands is a member of what it
 * gives for the operands, and refining keeps every member for which the condition holds.
 */
#include "common.h"

#include <string.h>

#include "bpf.h"
#include "interp.h"
#include "range.h"

static const uint64_t corners[] = {0,
                                   1,
                                   2,
                                   7,
                                   8,
                                   0x7f,
                                   0x80,
                                   0xff,
                                   0x7fff,
                                   0x8000,
                                   0xffff,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x100000000,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xffffffffffffffff,
                                   0xffffffff80000000,
                                   0xfffffffffffffff0};

static uint64_t random_number(void)
{
	uint64_t corner = corners[test_random() % 20];
	switch (test_random() % 4) {
	case 0:
		return corner;
	case 1:
		return corner + test_random() % 8 - 4;
	case 2:
		return test_random() % 64;
	default:
		return (uint64_t)test_random() << 32 | test_random();
	}
}

/* A range that contains value, made as the verifier makes them: by refining. */
static struct flt_range random_range(uint64_t value)
{
	static const uint32_t ops[] = {BPF_JGT,  BPF_JGE,  BPF_JLT,  BPF_JLE, BPF_JSGT,
	                               BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JNE, BPF_JEQ};
	struct flt_range r = flt_range_unknown();
	uint32_t n = test_random() % 5;
	if (test_random() % 8 == 0)
		return flt_range_const(value);
	if (test_random() % 4 == 0) {
		r.bits.mask = test_random() % 2 ? 0xff0f : ~(uint64_t)test_random();
		r.bits.value = value & ~r.bits.mask;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t other = random_number();
		struct flt_range k = flt_range_const(other), v = flt_range_const(value);
		uint32_t op = ops[test_random() % 10];
		bool wide = test_random() % 2;
		int holds = flt_range_decide(op, wide, &v, &k);
		assert_true(holds >= 0);
		flt_range_refine(op, wide, holds, &r, &k);
	}
	return r;
}

static bool is_member(const struct flt_range *r, uint64_t value)
{
	struct flt_range v = flt_range_const(value);
	return flt_range_contains(r, &v);
}

static uint64_t compute(uint32_t op, bool wide, int16_t offset, uint64_t a, uint64_t b)
{
	struct flt_insn insns[] = {
	        {.code = (uint8_t)((wide ? BPF_ALU64 : BPF_ALU) | op | (op == BPF_NEG ? 0 : BPF_X)),
	         .regs = op == BPF_NEG ? 1 : 2 << 4 | 1,
	         .offset = offset},
	        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .regs = 1 << 4},
	        {.code = BPF_JMP | BPF_EXIT},
	};
	struct flt_interp interp = {.insns = insns, .n_insns = 3};
	return flt_interp_run(&interp, a, b);
}

static void arithmetic_is_sound(void **state)
{
	for (uint32_t round = 0; round < 1000000; round++) {
		uint64_t a = random_number(), b = random_number();
		struct flt_range ra = random_range(a), rb = random_range(b);
		uint32_t op = (test_random() % 13) << 4;
		bool wide = test_random() % 2;
		int16_t offset = 0;
		if ((op == BPF_DIV || op == BPF_MOD) && test_random() % 2)
			offset = 1;
		if (op == BPF_MOV && test_random() % 2)
			offset = test_random() % 2 ? 8 : 16;
		assert_true(is_member(&ra, a) && is_member(&rb, b));
		struct flt_range r = flt_range_alu(op, wide, offset, &ra, &rb);
		uint64_t value = compute(op, wide, offset, a, b);
		if (!is_member(&r, value))
			fail_msg("op 0x%x wide %d offset %d: %lx, %lx", op, wide, offset, a, b);
	}
}

static void swaps_and_truncations_are_sound(void **state)
{
	for (uint32_t round = 0; round < 200000; round++) {
		uint64_t a = random_number();
		struct flt_range ra = random_range(a);
		uint32_t bytes = 1u << test_random() % 4;
		bool is_signed = test_random() % 2;
		struct flt_range r = flt_range_truncate(&ra, bytes, is_signed);
		uint32_t unused = 64 - 8 * bytes;
		uint64_t value = is_signed ? (uint64_t)((int64_t)(a << unused) >> unused)
		                           : a << unused >> unused;
		assert_true(is_member(&r, value));
		struct flt_range s = flt_range_swap(true, 16, &ra);
		assert_true(is_member(&s, __builtin_bswap16((uint16_t)a)));
		s = flt_range_swap(true, 32, &ra);
		assert_true(is_member(&s, __builtin_bswap32((uint32_t)a)));
		s = flt_range_swap(true, 64, &ra);
		assert_true(is_member(&s, __builtin_bswap64(a)));
	}
}

static void conditions_are_sound(void **state)
{
	static const uint32_t ops[] = {BPF_JEQ,  BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT,
	                               BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE};
	for (uint32_t round = 0; round < 500000; round++) {
		uint64_t a = random_number(), b = random_number();
		struct flt_range ra = random_range(a), rb = random_range(b);
		struct flt_range ca = flt_range_const(a), cb = flt_range_const(b);
		uint32_t op = ops[test_random() % 11];
		bool wide = test_random() % 2;
		int truth = flt_range_decide(op, wide, &ca, &cb);
		int guess = flt_range_decide(op, wide, &ra, &rb);
		assert_true(guess < 0 || guess == truth);
		flt_range_refine(op, wide, truth, &ra, &rb);
		assert_true(is_member(&ra, a) && is_member(&rb, b));
		assert_false(flt_range_empty(&ra) || flt_range_empty(&rb));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(arithmetic_is_sound),
	        cmocka_unit_test(swaps_and_truncations_are_sound),
	        cmocka_unit_test(conditions_are_sound),
	};
	flt_host_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
