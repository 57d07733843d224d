/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running eBPF that nobody verified. See flt/exec.h.
 */
#include <flt/exec.h>

#include "check.h"
#include "helper.h"
#include "interp.h"
#include "jit.h"

static int check_helpers(const struct flt_insn *insns, uint32_t n, struct flt_error *error)
{
	for (uint32_t i = 0; i < n; i++) {
		if (insns[i].code == (BPF_JMP | BPF_CALL) &&
		    insn_src(&insns[i]) == BPF_PSEUDO_IMPORT)
			return flt_fail(error, FLT_E_INVALID, (int32_t)i,
			                "there are no other programs here");
		if (insns[i].code == (BPF_JMP | BPF_CALL) && !insn_src(&insns[i])) {
			const struct flt_helper *helper = flt_helper_find((uint32_t)insns[i].imm);
			if (!helper || !flt_helper_is_plain(helper))
				return flt_fail(error, FLT_E_INVALID, (int32_t)i,
				                "helper %d can't be called here", insns[i].imm);
		}
		if (insn_is_wide(&insns[i]) && insn_src(&insns[i]))
			return flt_fail(error, FLT_E_INVALID, (int32_t)i, "there are no maps here");
		if (insn_is_wide(&insns[i]))
			i++;
	}
	return 0;
}

static int stopped(struct flt_error *error, enum flt_fault fault, int32_t at)
{
	static const char *const reasons[] = {
	        [FLT_FAULT_MEMORY] = "memory access out of bounds",
	        [FLT_FAULT_BUDGET] = "too many steps",
	        [FLT_FAULT_DEPTH] = "too many functions active at once",
	        [FLT_FAULT_INSTRUCTION] = "control left the program",
	        [FLT_FAULT_CALL] = "call by register of a helper that can't be called here",
	};
	return fault ? flt_fail(error, FLT_E_REFUSED, at, "%s", reasons[fault]) : 0;
}

static int interpret(const struct flt_insn *insns, uint32_t n, void *memory, uint64_t length,
                     uint64_t *result, struct flt_error *error)
{
	struct flt_region region = {(uint64_t)(uintptr_t)memory, length, true};
	struct flt_interp interp = {
	        .insns = insns,
	        .n_insns = n,
	        .packet = memory,
	        .packet_len = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX,
	        .checked = true,
	        .regions = &region,
	        .n_regions = 1,
	        .budget = FLT_EXEC_STEPS_MAX,
	};
	*result = flt_interp_run(&interp, (uint64_t)(uintptr_t)memory, length);
	return stopped(error, interp.fault, (int32_t)interp.fault_at);
}

/* Offsets below the result are inside, for accesses of 1 << i bytes. */
static void set_limits(uint64_t limits[4], uint64_t length)
{
	for (uint32_t i = 0; i < 4; i++)
		limits[i] = length >= 1u << i ? length - (1u << i) + 1 : 0;
}

static int run_native(const struct flt_insn *insns, uint32_t n, void *memory, uint64_t length,
                      uint64_t *result, struct flt_error *error)
{
	_Alignas(16) uint8_t stack[FLT_CALL_DEPTH_MAX * FLT_STACK_BYTES] = {0};
	struct flt_jit_input input = {
	        .insns = insns, .n_insns = n, .kind = FLT_KIND_RAW, .checked = true};
	struct flt_checked checked = {
	        .memory = (uint64_t)(uintptr_t)memory,
	        .stack = (uint64_t)(uintptr_t)stack,
	        .stack_top = (uint64_t)(uintptr_t)(stack + sizeof(stack)),
	        .budget = FLT_EXEC_STEPS_MAX,
	        .depth = FLT_CALL_DEPTH_MAX - 1,
	};
	void *code;
	size_t size;
	set_limits(checked.memory_limits, length);
	set_limits(checked.stack_limits, sizeof(stack));
	int failure = flt_jit_compile(&input, &code, &size);
	if (failure)
		return flt_fail(error, failure, -1, "no machine code could be made");
	*result = ((flt_native_checked *)(uintptr_t)code)(memory, length, &checked);
	flt_platform.code_free(code, size);
	return stopped(error, (enum flt_fault)checked.fault, -1);
}

int flt_exec(const struct flt_insn *insns, uint32_t n, void *memory, uint64_t length, bool native,
             uint64_t *result, struct flt_error *error)
{
	struct flt_shape_of_program shape;
	*result = 0;
	int code = flt_check(insns, n, &shape, error);
	flt_shape_of_program_free(&shape);
	if (!code)
		code = check_helpers(insns, n, error);
	if (code)
		return code;
	return native ? run_native(insns, n, memory, length, result, error)
	              : interpret(insns, n, memory, length, result, error);
}
