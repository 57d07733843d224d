/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verifier takes of memory: where there is little, it remembers less.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "insns.h"
#include "verify.h"

enum { ROUNDS = 20 };

static size_t memory_now, memory_most, memory_limit;

static void *take_memory(size_t size)
{
	size_t *memory = memory_limit - memory_now < size ? NULL : malloc(size + 16);
	if (!memory)
		return NULL;
	memory_now += size;
	memory_most = memory_now > memory_most ? memory_now : memory_most;
	*memory = size;
	return memory + 2;
}

static void give_memory(void *memory)
{
	size_t *block = (size_t *)memory - 2;
	memory_now -= *block;
	free(block);
}

static size_t memory_left(void)
{
	return memory_limit - memory_now;
}

/* A loop that counts what happens, and all counts decide: a state for each round and count. */
static int verify_counts(uint32_t *steps, struct flt_error *error)
{
	struct flt_insn insns[40], *next = insns;
	struct flt_verified verified;
#define NEXT(...) *next++ = (struct flt_insn)__VA_ARGS__
	NEXT(MOV_K(8, 0));
	NEXT(MOV_K(6, 0));
	struct flt_insn *start = next;
	NEXT(CALL(7));
	NEXT(JUMP_K(BPF_JGT, 0, 100, 1));
	NEXT(ALU64_K(BPF_ADD, 8, 1));
	for (uint32_t i = 0; i < 8; i++)
		NEXT(MOV_X(9, 8));
	NEXT(ALU64_K(BPF_ADD, 6, 1));
	int16_t back = (int16_t)(start - next - 1);
	NEXT(JUMP_K(BPF_JLT, 6, ROUNDS, back));
	NEXT(MOV_K(0, 0));
	NEXT(JUMP_K(BPF_JGT, 8, ROUNDS / 2, 1));
	NEXT(MOV_K(0, 1));
	NEXT(EXIT);
	struct flt_verify_input input = {
	        .insns = insns, .n_insns = (uint32_t)(next - insns), .kind = FLT_KIND_XDP};
	int code = flt_verify(&input, &verified, error);
	*steps = verified.steps;
	if (!code)
		flt_free(verified.notes);
	return code;
}

/* What was remembered goes before a program is refused, and half of what there is stays for
 * others; whatever can't be had, all is given back. */
static void memory_may_be_short(void **state)
{
	struct flt_platform usual = flt_platform;
	struct flt_error error;
	uint32_t steps;
	size_t most;
	flt_platform.alloc = take_memory;
	flt_platform.free = give_memory;
	memory_limit = SIZE_MAX;
	assert_int_equal(verify_counts(&steps, &error), 0);
	most = memory_most;
	for (unsigned part = 1; part < 40; part++) {
		memory_most = 0;
		memory_limit = most / 40 * part;
		if (verify_counts(&steps, &error))
			assert_true(part < 20);
		assert_int_equal(memory_now, 0);
		assert_true(memory_most <= memory_limit);
	}
	flt_platform.memory_left = memory_left;
	memory_limit = most;
	memory_most = 0;
	assert_int_equal(verify_counts(&steps, &error), 0);
	assert_true(memory_most < most / 4 * 3);
	flt_platform = usual;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(memory_may_be_short)};
	flt_host_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
