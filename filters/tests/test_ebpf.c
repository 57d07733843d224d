/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eBPF: what programs compute, by interpreter and as machine code; what the verifier takes, and the
 * smallest programs that it refuses, each with the reason.
 */
#include "common.h"

#include <flt/exec.h>

#include <stdio.h>
#include <string.h>

#include "insns.h"

/* --- results --- */

struct result_case {
	const char *name;
	struct flt_insn insns[16];
	uint64_t result;
};

static const struct result_case results[] = {
        {"add wraps in 32 bits", {MOV_K(0, -1), ALU32_K(BPF_ADD, 0, 2), EXIT}, 1},
        {"add in 64 bits", {MOV_K(0, -1), ALU64_K(BPF_ADD, 0, 2), EXIT}, 1},
        {"move of a negative immediate", {MOV_K(0, -2), EXIT}, 0xfffffffffffffffe},
        {"move in 32 bits clears the rest", {ALU32_K(BPF_MOV, 0, -2), EXIT}, 0xfffffffe},
        {"wide immediate", {WIDE(0, 0x55667788, 0x11223344), EXIT}, 0x1122334455667788},
        {"division by 0", {MOV_K(0, 7), MOV_K(1, 0), ALU64_X(BPF_DIV, 0, 1), EXIT}, 0},
        {"a rotation",
         {MOV_K(1, -2), MOV_X(2, 1), ALU64_K(BPF_RSH, 2, 60), ALU64_K(BPF_LSH, 1, 4),
          ALU64_X(BPF_OR, 1, 2), MOV_X(0, 1), EXIT},
         0xffffffffffffffef},
        {"a rotation of which both registers are read",
         {MOV_K(1, -2), MOV_X(2, 1), ALU64_K(BPF_RSH, 2, 60), ALU64_K(BPF_LSH, 1, 4),
          ALU64_X(BPF_OR, 1, 2), MOV_X(0, 1), ALU64_X(BPF_ADD, 0, 2), EXIT},
         0xfffffffffffffffe},
        {"a rotation that is jumped into",
         {MOV_K(1, -2), MOV_K(2, 0), JUMP_K(BPF_JEQ, 2, 0, 2), MOV_X(2, 1), ALU64_K(BPF_RSH, 2, 60),
          ALU64_K(BPF_LSH, 1, 4), ALU64_X(BPF_OR, 1, 2), MOV_X(0, 1), EXIT},
         0xffffffffffffffe0},
        {"a rotation and a comparison with 0",
         {MOV_K(1, 0), MOV_X(2, 1), ALU64_K(BPF_RSH, 2, 60), ALU64_K(BPF_LSH, 1, 4),
          ALU64_X(BPF_OR, 1, 2), MOV_K(0, 5), JUMP_K(BPF_JEQ, 1, 0, 1), MOV_K(0, 6), EXIT},
         5},
        {"a rotation into another register",
         {MOV_K(1, -2), MOV_X(2, 1), ALU64_K(BPF_RSH, 2, 60), MOV_X(3, 1), ALU64_K(BPF_LSH, 3, 4),
          ALU64_X(BPF_OR, 3, 2), MOV_X(0, 3), ALU64_X(BPF_ADD, 0, 1), EXIT},
         0xffffffffffffffed},
        {"a rotation into another register, and the copy is read",
         {MOV_K(1, -2), MOV_X(2, 1), ALU64_K(BPF_RSH, 2, 60), MOV_X(3, 1), ALU64_K(BPF_LSH, 3, 4),
          ALU64_X(BPF_OR, 3, 2), MOV_X(0, 3), ALU64_X(BPF_ADD, 0, 2), EXIT},
         0xfffffffffffffffe},
        {"a rotation into another register, jumped into",
         {MOV_K(1, -2), MOV_K(2, 0), JUMP_K(BPF_JEQ, 1, -2, 2), MOV_X(2, 1),
          ALU64_K(BPF_RSH, 2, 60), MOV_X(3, 1), ALU64_K(BPF_LSH, 3, 4), ALU64_X(BPF_OR, 3, 2),
          MOV_X(0, 3), EXIT},
         0xffffffffffffffe0},
        {"two shifts that are no rotation",
         {MOV_K(1, -2), MOV_X(2, 1), ALU64_K(BPF_RSH, 2, 59), MOV_X(3, 1), ALU64_K(BPF_LSH, 3, 4),
          ALU64_X(BPF_OR, 3, 2), MOV_X(0, 3), EXIT},
         0xffffffffffffffff},
        {"a low byte",
         {MOV_K(6, -2), MOV_X(0, 6), ALU64_K(BPF_AND, 0, 0xff), ALU64_X(BPF_ADD, 0, 6), EXIT},
         0xfc},
        {"two low bytes of a lower half",
         {MOV_K(4, -2), ALU32_X(BPF_MOV, 0, 4), ALU32_K(BPF_AND, 0, 0xffff), EXIT},
         0xfffe},
        {"a low byte and a comparison with 0",
         {MOV_K(4, 0x100), MOV_X(3, 4), ALU64_K(BPF_AND, 3, 0xff), MOV_K(0, 5),
          JUMP_K(BPF_JEQ, 3, 0, 1), MOV_K(0, 6), EXIT},
         5},
        {"a low byte compared with 0 at once",
         {MOV_K(0, 5), MOV_K(4, 0x100), MOV_X(3, 4), ALU64_K(BPF_AND, 3, 0xff),
          JUMP_K(BPF_JEQ, 3, 0, 1), MOV_K(0, 6), EXIT},
         5},
        {"a low byte that is jumped into",
         {MOV_K(0, 0x1234), MOV_K(4, 7), JUMP_K(BPF_JEQ, 4, 7, 1), MOV_X(0, 4),
          ALU64_K(BPF_AND, 0, 0xff), EXIT},
         0x34},
        {"a wide immediate and a sum",
         {WIDE(0, 0x55667788, 0x11223344), ALU64_K(BPF_ADD, 0, -0x88), EXIT},
         0x1122334455667700},
        {"a wide immediate and a sum that is jumped into",
         {MOV_K(0, 1), JUMP_K(BPF_JEQ, 0, 1, 2), WIDE(0, 5, 5), ALU64_K(BPF_ADD, 0, 7), EXIT},
         8},
        {"a wide immediate and another one's sum",
         {MOV_K(1, 3), WIDE(0, 5, 0), ALU64_K(BPF_ADD, 1, 7), ALU64_X(BPF_ADD, 0, 1), EXIT},
         15},
        {"division by a constant",
         {MOV_K(0, -7), ALU64_K(BPF_DIV, 0, 1000), EXIT},
         18446744073709551},
        {"modulo a constant in 32 bits", {MOV_K(0, -7), ALU32_K(BPF_MOD, 0, 1000), EXIT}, 289},
        {"an upper half cleared",
         {MOV_K(0, -1), ALU64_K(BPF_LSH, 0, 32), ALU64_K(BPF_RSH, 0, 32), EXIT},
         0xffffffff},
        {"modulo 0", {MOV_K(0, 7), MOV_K(1, 0), ALU64_X(BPF_MOD, 0, 1), EXIT}, 7},
        {"modulo 0 in 32 bits clears the rest",
         {MOV_K(0, -1), MOV_K(1, 0), ALU32_X(BPF_MOD, 0, 1), EXIT},
         0xffffffff},
        {"signed division",
         {MOV_K(0, -7), INSN(BPF_ALU64 | BPF_DIV, 0, 0, 1, 2), EXIT},
         (uint64_t)-3},
        {"signed modulo",
         {MOV_K(0, -7), INSN(BPF_ALU64 | BPF_MOD, 0, 0, 1, 2), EXIT},
         (uint64_t)-1},
        {"smallest number by -1",
         {WIDE(0, 0, (int32_t)0x80000000), INSN(BPF_ALU64 | BPF_DIV, 0, 0, 1, -1), EXIT},
         0x8000000000000000},
        {"smallest number modulo -1 in 32 bits",
         {ALU32_K(BPF_MOV, 0, (int32_t)0x80000000), INSN(BPF_ALU | BPF_MOD, 0, 0, 1, -1), EXIT},
         0},
        {"division into r2, which is rdx",
         {MOV_K(3, 100), MOV_K(2, 7), ALU64_X(BPF_DIV, 3, 2), MOV_X(0, 3), ALU64_X(BPF_ADD, 0, 2),
          EXIT},
         21},
        {"shift by a register that is rcx",
         {MOV_K(4, 3), MOV_K(0, 1), ALU64_X(BPF_LSH, 0, 4), EXIT},
         8},
        {"shift of the register that is rcx",
         {MOV_K(4, 3), MOV_K(1, 2), ALU64_X(BPF_LSH, 4, 1), MOV_X(0, 4), EXIT},
         12},
        {"shift of rcx by itself", {MOV_K(4, 3), ALU64_X(BPF_LSH, 4, 4), MOV_X(0, 4), EXIT}, 24},
        {"shift counts are masked", {MOV_K(0, 1), MOV_K(1, 65), ALU64_X(BPF_LSH, 0, 1), EXIT}, 2},
        {"arithmetic shift", {MOV_K(0, -8), ALU64_K(BPF_ARSH, 0, 1), EXIT}, (uint64_t)-4},
        {"arithmetic shift in 32 bits", {MOV_K(0, -8), ALU32_K(BPF_ARSH, 0, 1), EXIT}, 0xfffffffc},
        {"sign-extending move of 8 bits",
         {MOV_K(1, 0x80), INSN(BPF_ALU64 | BPF_MOV | BPF_X, 0, 1, 8, 0), EXIT},
         0xffffffffffffff80},
        {"sign-extending move of 16 bits in 32",
         {MOV_K(1, 0x8000), INSN(BPF_ALU | BPF_MOV | BPF_X, 0, 1, 16, 0), EXIT},
         0xffff8000},
        {"to big-endian",
         {WIDE(0, 0x55667788, 0x11223344), INSN(BPF_ALU | BPF_END | BPF_X, 0, 0, 0, 32), EXIT},
         0x88776655},
        {"to little-endian truncates",
         {WIDE(0, 0x55667788, 0x11223344), INSN(BPF_ALU | BPF_END, 0, 0, 0, 16), EXIT},
         0x7788},
        {"swap always",
         {WIDE(0, 0x55667788, 0x11223344), INSN(BPF_ALU64 | BPF_END, 0, 0, 0, 64), EXIT},
         0x8877665544332211},
        {"negation", {MOV_K(0, 5), INSN(BPF_ALU | BPF_NEG, 0, 0, 0, 0), EXIT}, 0xfffffffb},
        {"stack",
         {STORE_K(BPF_DW, 10, -8, -1), STORE_K(BPF_B, 10, -7, 0), LOAD(BPF_W, 0, 10, -8), EXIT},
         0xffff00ff},
        {"sign-extending load",
         {STORE_K(BPF_W, 10, -4, -3), INSN(BPF_LDX | BPF_MEMSX | BPF_W, 0, 10, -4, 0), EXIT},
         (uint64_t)-3},
        {"fetching add",
         {STORE_K(BPF_DW, 10, -8, 5), MOV_K(1, 3), ATOMIC(BPF_DW, BPF_ADD | BPF_FETCH, 10, -8, 1),
          LOAD(BPF_DW, 0, 10, -8), ALU64_K(BPF_MUL, 0, 16), ALU64_X(BPF_ADD, 0, 1), EXIT},
         0x85},
        {"fetching xor into r0",
         {STORE_K(BPF_DW, 10, -8, 5), MOV_K(0, 3), ATOMIC(BPF_DW, BPF_XOR | BPF_FETCH, 10, -8, 0),
          LOAD(BPF_DW, 1, 10, -8), ALU64_K(BPF_MUL, 0, 16), ALU64_X(BPF_ADD, 0, 1), EXIT},
         0x56},
        {"fetching or in 32 bits",
         {STORE_K(BPF_DW, 10, -8, -1), MOV_K(6, 0), ATOMIC(BPF_W, BPF_OR | BPF_FETCH, 10, -8, 6),
          MOV_X(0, 6), EXIT},
         0xffffffff},
        {"exchange",
         {STORE_K(BPF_W, 10, -4, 5), MOV_K(1, 9), ATOMIC(BPF_W, BPF_XCHG, 10, -4, 1),
          LOAD(BPF_W, 0, 10, -4), ALU64_X(BPF_SUB, 0, 1), EXIT},
         4},
        {"compare and exchange that succeeds clears r0's upper half",
         {STORE_K(BPF_W, 10, -4, 5), WIDE(0, 5, 1), MOV_K(1, 9),
          ATOMIC(BPF_W, BPF_CMPXCHG, 10, -4, 1), LOAD(BPF_W, 2, 10, -4), ALU64_K(BPF_MUL, 2, 16),
          ALU64_X(BPF_ADD, 0, 2), EXIT},
         0x95},
        {"compare and exchange that fails",
         {STORE_K(BPF_DW, 10, -8, 5), MOV_K(0, 4), MOV_K(1, 9),
          ATOMIC(BPF_DW, BPF_CMPXCHG, 10, -8, 1), EXIT},
         5},
        {"unsigned and signed comparison differ",
         {MOV_K(0, 0), MOV_K(1, -1), JUMP_K(BPF_JGT, 1, 1, 1), EXIT, ALU64_K(BPF_ADD, 0, 1),
          JUMP_K(BPF_JSGT, 1, 1, 1), ALU64_K(BPF_ADD, 0, 2), EXIT},
         3},
        {"comparison of low halves",
         {MOV_K(0, 0), WIDE(1, 7, 1), JUMP32_K(BPF_JEQ, 1, 7, 1), EXIT, MOV_K(0, 1), EXIT},
         1},
        {"bits set",
         {MOV_K(0, 0), MOV_K(1, 6), JUMP_K(BPF_JSET, 1, 4, 1), EXIT, MOV_K(0, 1), EXIT},
         1},
        {"long jump",
         {MOV_K(0, 1), JUMP_K(BPF_JEQ, 0, 2, 1), INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 1), MOV_K(0, 2),
          EXIT},
         1},
        {"loop",
         {MOV_K(0, 0), MOV_K(1, 10), ALU64_X(BPF_ADD, 0, 1), ALU64_K(BPF_SUB, 1, 1),
          JUMP_K(BPF_JNE, 1, 0, -3), EXIT},
         55},
        {"moved, added to, masked and compared",
         {MOV_X(0, 2), ALU64_K(BPF_ADD, 0, 6), ALU64_K(BPF_AND, 0, 3), JUMP_K(BPF_JNE, 0, 0, 1),
          MOV_K(0, 9), EXIT},
         2},
        {"jump between masking and comparing",
         {MOV_K(0, 9), MOV_K(3, 1), JUMP_K(BPF_JEQ, 2, 0, 1), ALU64_K(BPF_AND, 3, 0),
          JUMP_K(BPF_JNE, 3, 0, 1), MOV_K(0, 7), EXIT},
         9},
        {"jump between moving and adding",
         {MOV_K(0, 100), JUMP_K(BPF_JEQ, 2, 0, 1), MOV_X(0, 2), ALU64_K(BPF_ADD, 0, 3), EXIT},
         103},
        {"local function keeps r6 to r9 and has its own stack",
         {MOV_K(6, 1), STORE_K(BPF_DW, 10, -8, 7), MOV_K(1, 4), CALL_LOCAL(4),
          ALU64_X(BPF_ADD, 0, 6), LOAD(BPF_DW, 1, 10, -8), ALU64_X(BPF_ADD, 0, 1), EXIT,
          MOV_X(6, 1), STORE_K(BPF_DW, 10, -8, 0), MOV_X(0, 6), EXIT},
         12},
        {"a program that calls itself",
         {JUMP_K(BPF_JNE, 2, 0, 5), MOV_K(6, 7), MOV_K(2, 5), CALL_LOCAL(-4),
          ALU64_X(BPF_ADD, 0, 6), EXIT, MOV_K(6, 1), MOV_X(0, 2), EXIT},
         12},
        {"function that begins with a loop's head",
         {MOV_K(1, 3), MOV_K(2, 0), CALL_LOCAL(1), EXIT, ALU64_K(BPF_ADD, 2, 2),
          ALU64_K(BPF_SUB, 1, 1), JUMP_K(BPF_JNE, 1, 0, -3), MOV_X(0, 2), EXIT},
         6},
};

static uint32_t length_of(const struct flt_insn *insns, uint32_t most)
{
	uint32_t n = most;
	while (n && !insns[n - 1].code)
		n--;
	return n;
}

static void programs_compute_the_same_everywhere(void **state)
{
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		const struct result_case *c = &results[i];
		uint32_t n = length_of(c->insns, 16);
		struct flt_program *program;
		struct flt_error error;
		uint64_t r;
		for (int native = 0; native < 2; native++) {
			if (flt_exec(c->insns, n, NULL, 0, native, &r, &error))
				fail_msg("%s: %s", c->name, error.reason);
			if (r != c->result)
				fail_msg("%s: 0x%lx (native %d)", c->name, r, native);
		}
		if (flt_program_load_ebpf(c->insns, n, FLT_KIND_RAW, c->name, 0, &program, &error))
			fail_msg("%s: instruction %d: %s", c->name, error.instruction,
			         error.reason);
		assert_true(flt_program_is_native(program));
		if (flt_program_run_raw(program, NULL, 0) != c->result)
			fail_msg("%s: verified program differs", c->name);
		flt_program_free(program);
	}
}

/* Where one path adds a constant and another a number with a smaller bound. */
static void limits_do_not_cut_constants(void **state)
{
	static const struct flt_insn insns[] = {STORE_K(BPF_DW, 10, -16, 0),
	                                        STORE_K(BPF_DW, 10, -8, 0),
	                                        STORE_K(BPF_B, 10, -4, 9),
	                                        MOV_X(3, 2),
	                                        JUMP_K(BPF_JLE, 2, 100, 2),
	                                        MOV_K(3, 12),
	                                        JUMP(1),
	                                        ALU64_K(BPF_AND, 3, 7),
	                                        MOV_X(4, 10),
	                                        ALU64_K(BPF_ADD, 4, -16),
	                                        ALU64_X(BPF_ADD, 4, 3),
	                                        LOAD(BPF_B, 0, 4, 0),
	                                        EXIT};
	struct flt_program *program;
	struct flt_error error;
	uint8_t memory[200] = {0};
	if (flt_program_load_ebpf(insns, 13, FLT_KIND_RAW, "limits", 0, &program, &error))
		fail_msg("%d: %s", error.instruction, error.reason);
	assert_int_equal(flt_program_run_raw(program, memory, 200), 9);
	assert_int_equal(flt_program_run_raw(program, memory, 100), 0);
	flt_program_free(program);
}

static void unverified_programs_are_stopped(void **state)
{
	static const struct {
		struct flt_insn insns[8];
		const char *why;
	} cases[] = {
	        {{MOV_K(1, 0), LOAD(BPF_B, 0, 1, 0), EXIT}, "memory"},
	        {{LOAD(BPF_DW, 0, 1, 1), EXIT}, "memory"},
	        {{LOAD(BPF_B, 0, 1, -1), EXIT}, "memory"},
	        {{STORE_K(BPF_B, 10, 0, 1), EXIT}, "memory"},
	        {{JUMP(-1), EXIT}, "steps"},
	        {{CALL_LOCAL(-1), EXIT}, "functions active"},
	};
	uint8_t memory[8] = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int native = 0; native < 2; native++) {
			struct flt_error error;
			uint64_t r;
			uint32_t n = length_of(cases[i].insns, 8);
			assert_int_equal(flt_exec(cases[i].insns, n, memory, 8, native, &r, &error),
			                 FLT_E_REFUSED);
			if (!strstr(error.reason, cases[i].why))
				fail_msg("case %zu: %s", i, error.reason);
		}
	}
}

/* --- refusals --- */

struct refusal {
	const char *why;
	uint32_t flags;
	struct flt_insn insns[16];
};

#define PACKET LOAD(BPF_W, 2, 1, 0), LOAD(BPF_W, 3, 1, 4)

static const struct refusal refusals[] = {
        {"control runs out", 0, {MOV_K(0, 0)}},
        {"jump out of the function", 0, {JUMP(5), EXIT}},
        {"into the middle", 0, {MOV_K(0, 0), JUMP(1), WIDE(0, 1, 1), EXIT}},
        {"does not exist", 0, {MOV_K(11, 0), EXIT}},
        {"read only", 0, {MOV_K(10, 0), EXIT}},
        {"unknown", 0, {INSN(0xf4, 0, 0, 0, 0), EXIT}},
        {"legacy packet load", 0, {INSN(0x20, 0, 0, 0, 0), EXIT}},
        {"is not 0", 0, {INSN(BPF_ALU64 | BPF_MOV, 0, 1, 0, 0), EXIT}},
        {"never written", 0, {EXIT}},
        {"never written", 0, {MOV_X(0, 2), EXIT}},
        {"never written", 0, {LOAD(BPF_DW, 0, 10, -8), EXIT}},
        {"never written", 0, {MOV_K(0, 0), CALL(7), MOV_X(0, 1), EXIT}},
        {"the program returns", 0, {MOV_X(0, 1), EXIT}},
        {"the program returns", 0, {MOV_X(0, 10), EXIT}},
        {"division by the constant 0", 0, {MOV_K(0, 1), ALU64_K(BPF_DIV, 0, 0), EXIT}},
        {"more than the width", 0, {MOV_K(0, 1), ALU64_K(BPF_LSH, 0, 64), EXIT}},
        {"of the stack", 0, {STORE_K(BPF_DW, 10, 0, 0), MOV_K(0, 0), EXIT}},
        {"of the stack", 0, {STORE_K(BPF_DW, 10, -520, 0), MOV_K(0, 0), EXIT}},
        {"misaligned", 0, {STORE_K(BPF_DW, 10, -12, 0), MOV_K(0, 0), EXIT}},
        {"arithmetic on the context", 0, {ALU64_K(BPF_ADD, 1, 4), MOV_K(0, 0), EXIT}},
        {"of the context", 0, {LOAD(BPF_W, 0, 1, 24), EXIT}},
        {"of the context", 0, {LOAD(BPF_B, 0, 1, 0), EXIT}},
        {"store into the context", 0, {MOV_K(0, 0), STORE_K(BPF_W, 1, 0, 0), EXIT}},
        {"of which 0 are checked", 0, {PACKET, LOAD(BPF_B, 0, 2, 0), EXIT}},
        {"of which 4 are checked",
         0,
         {PACKET, MOV_K(0, 0), MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 4), JUMP_X(BPF_JGT, 4, 3, 1),
          LOAD(BPF_B, 0, 2, 4), EXIT}},
        {"of which 0 are checked",
         0, /* the wrong branch */
         {PACKET, MOV_K(0, 0), MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 4), JUMP_X(BPF_JGT, 4, 3, 1), EXIT,
          LOAD(BPF_B, 0, 2, 0), EXIT}},
        {"write to the packet by a filter",
         0,
         {PACKET, MOV_K(0, 0), MOV_X(4, 2), ALU64_K(BPF_ADD, 4, 4), JUMP_X(BPF_JGT, 4, 3, 1),
          STORE_K(BPF_B, 2, 0, 1), EXIT}},
        {"no memory to access", 0, {PACKET, LOAD(BPF_B, 0, 3, 0), EXIT}},
        {"without bounds",
         0,
         {MOV_X(6, 1), CALL(7), LOAD(BPF_W, 2, 6, 0), ALU64_X(BPF_ADD, 2, 0), MOV_K(0, 0), EXIT}},
        {"other than adding", 0, {MOV_X(0, 10), ALU64_K(BPF_MUL, 0, 2), EXIT}},
        {"other than adding", 0, {MOV_X(0, 10), ALU32_K(BPF_ADD, 0, 2), EXIT}},
        {"part of", 0, {INSN(BPF_ALU | BPF_MOV | BPF_X, 0, 10, 0, 0), EXIT}},
        {"part of a pointer is stored", 0, {STORE(BPF_W, 10, -4, 10), MOV_K(0, 0), EXIT}},
        {"part of a saved pointer", 0, {STORE(BPF_DW, 10, -8, 10), LOAD(BPF_W, 0, 10, -8), EXIT}},
        {"half of a pointer", 0, {MOV_K(0, 0), JUMP32_K(BPF_JEQ, 10, 0, 0), EXIT}},
        {"is compared with", 0, {MOV_K(0, 0), JUMP_K(BPF_JGT, 10, 5, 0), EXIT}},
        {"sum of two pointers", 0, {MOV_X(0, 10), ALU64_X(BPF_ADD, 0, 10), EXIT}},
        {"helper 9999 does not exist", 0, {CALL(9999), EXIT}},
        {"wants a map", 0, {MOV_X(1, 10), MOV_X(2, 10), CALL(1), MOV_K(0, 0), EXIT}},
        {"not in a filter", 0, {MOV_K(2, 0), CALL(44), EXIT}},
        {"of which 0 are checked",
         FLT_LOAD_WRITES, /* pointers die when the packet moves */
         {MOV_X(6, 1), LOAD(BPF_W, 7, 6, 0), MOV_K(2, 0), CALL(44), LOAD(BPF_W, 7, 6, 0),
          LOAD(BPF_B, 0, 7, 0), EXIT}},
        {"never written",
         FLT_LOAD_WRITES,
         {MOV_X(6, 1), LOAD(BPF_W, 7, 6, 0), MOV_K(2, 0), CALL(44), MOV_X(0, 7), EXIT}},
        {"can't be reached", 0, {MOV_K(0, 0), JUMP(-1), EXIT}},
        {"can't be reached", 0, {MOV_K(0, 0), JUMP(1), MOV_K(0, 1), EXIT}},
        {"can't be reached", 0, {MOV_K(0, 0), EXIT, MOV_K(0, 1), EXIT}},
        {"endless loop", 0, {MOV_K(0, 0), JUMP_K(BPF_JEQ, 0, 0, -1), EXIT}},
        {"endless loop",
         0,
         {CALL(7), MOV_X(6, 0), ALU64_K(BPF_ADD, 6, 1), JUMP_K(BPF_JNE, 6, 0, -2), MOV_K(0, 0),
          EXIT}},
        {"too complex",
         0,
         {MOV_K(0, 0), ALU64_K(BPF_ADD, 0, 1), JUMP_K(BPF_JNE, 0, 0x7fffffff, -2), EXIT}},
        {"functions active", 0, {CALL_LOCAL(-1), EXIT}},
        {"its own stack", 0, {CALL_LOCAL(2), MOV_K(0, 0), EXIT, MOV_X(0, 10), EXIT}},
        {"atomic operation on",
         0,
         {MOV_K(2, 1), ATOMIC(BPF_W, BPF_ADD, 1, 0, 2), MOV_K(0, 0), EXIT}},
        {"atomic operation with a pointer",
         0,
         {STORE_K(BPF_DW, 10, -8, 0), ATOMIC(BPF_DW, BPF_ADD, 10, -8, 10), MOV_K(0, 0), EXIT}},
        {"map number 0",
         0,
         {INSN(BPF_LD | BPF_IMM | BPF_DW, 1, 1, 0, 0), INSN(0, 0, 0, 0, 0), MOV_K(0, 0), EXIT}},
};

static void unsafe_programs_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *c = &refusals[i];
		struct flt_program *program;
		struct flt_error error = {0};
		int code = flt_program_load_ebpf(c->insns, length_of(c->insns, 16), FLT_KIND_XDP,
		                                 "t", c->flags, &program, &error);
		if (!code || !strstr(error.reason, c->why))
			fail_msg("case %zu (%s): %s", i, c->why, code ? error.reason : "taken");
	}
}

/* --- xdp --- */

static uint32_t run_xdp(const struct flt_insn *insns, uint32_t n, struct flt_xdp_buff *buff)
{
	struct flt_program *program;
	struct flt_error error;
	if (flt_program_load_ebpf(insns, n, FLT_KIND_XDP, "t", FLT_LOAD_WRITES, &program, &error))
		fail_msg("%d: %s", error.instruction, error.reason);
	uint32_t action = flt_program_run_xdp(program, buff);
	flt_program_free(program);
	return action;
}

/* Members of the context lie elsewhere than the program says; a load that extends still does. */
static void context_is_extended(void **state)
{
	static const struct flt_insn insns[] = {INSN(BPF_LDX | BPF_MEMSX | BPF_W, 0, 1, 12, 0),
	                                        ALU64_K(BPF_RSH, 0, 32), EXIT};
	uint8_t bytes[64] = {0};
	struct flt_xdp_buff buff = {.data = bytes,
	                            .data_end = bytes + sizeof(bytes),
	                            .hard_start = bytes,
	                            .hard_end = bytes + sizeof(bytes),
	                            .ingress_ifindex = 1u << 31};
	assert_int_equal(run_xdp(insns, 3, &buff), UINT32_MAX);
}

static void handlers_change_packets(void **state)
{
	/* Takes 4 bytes off the front, writes the first byte, redirects to 7. */
	static const struct flt_insn insns[] = {MOV_X(6, 1),
	                                        MOV_K(2, 4),
	                                        CALL(44),
	                                        LOAD(BPF_W, 2, 6, 0),
	                                        LOAD(BPF_W, 3, 6, 4),
	                                        MOV_X(4, 2),
	                                        ALU64_K(BPF_ADD, 4, 1),
	                                        JUMP_X(BPF_JGT, 4, 3, 1),
	                                        STORE_K(BPF_B, 2, 0, 0x55),
	                                        MOV_K(1, 7),
	                                        MOV_K(2, 0),
	                                        CALL(23),
	                                        EXIT};
	uint8_t bytes[128] = {0};
	struct flt_xdp_buff buff = {.data = bytes + 32,
	                            .data_end = bytes + 92,
	                            .hard_start = bytes,
	                            .hard_end = bytes + 128};
	assert_int_equal(run_xdp(insns, 13, &buff), FLT_XDP_REDIRECT);
	assert_ptr_equal(buff.data, bytes + 36);
	assert_int_equal(bytes[36], 0x55);
	assert_int_equal(buff.redirect_ifindex, 7);
}

static void packet_ends_stay_in_the_buffer(void **state)
{
	static const struct {
		int32_t helper, delta;
		bool fine;
	} cases[] = {{44, -32, true}, {44, -33, false}, {44, 46, true},  {44, 47, false},
	             {65, 36, true},  {65, 37, false},  {65, -46, true}, {65, -47, false}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flt_insn insns[] = {MOV_K(2, cases[i].delta), CALL(cases[i].helper), EXIT};
		uint8_t bytes[128] = {0};
		struct flt_xdp_buff buff = {.data = bytes + 32,
		                            .data_end = bytes + 92,
		                            .hard_start = bytes,
		                            .hard_end = bytes + 128};
		assert_int_equal(run_xdp(insns, 3, &buff), cases[i].fine ? 0 : (uint32_t)-22);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(programs_compute_the_same_everywhere),
	        cmocka_unit_test(limits_do_not_cut_constants),
	        cmocka_unit_test(unverified_programs_are_stopped),
	        cmocka_unit_test(unsafe_programs_are_refused),
	        cmocka_unit_test(context_is_extended),
	        cmocka_unit_test(handlers_change_packets),
	        cmocka_unit_test(packet_ends_stay_in_the_buffer),
	};
	flt_host_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
