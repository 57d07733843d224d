/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The just-in-time compiler for x86-64 (System V calling convention, so helpers are called as they
 * are), between its files: jit_x86_64.c lays out the program, its entry and its exits;
 * jit_x86_64_insn.c turns one instruction into machine code, jit_x86_64_alu.c one that computes.
 *
 *   R0 rax   R1 rdi   R2 rsi   R3 rdx   R4 rcx   R5 r8
 *   R6 rbx   R7 r13   R8 r14   R9 r15   R10 rbp      scratch: r10 r11
 *
 *   classic: r8 = frame data, r9 = captured length (R5 is not used there)
 *   xdp:     r12 = the struct flt_xdp_buff, where some load needs the packet's end
 *   checked: r12 = the struct flt_checked; R10 points into its stack, not the native one
 */
#ifndef FLT_JIT_X86_64_H
#define FLT_JIT_X86_64_H

#include "interp.h"
#include "jit.h"
#include "x86_emit.h"

struct jit {
	struct x86_code c;
	const struct flt_jit_input *in;
	uint32_t *where;   /* instruction -> code offset, of this pass or of the last */
	bool *targets;     /* instructions that something jumps to */
	uint32_t *proven;  /* classic: captured bytes known to exist before the instruction */
	uint32_t fail;     /* where a classic program ends with 0, a checked one after a fault */
	uint32_t epilogue; /* where functions leave */
	bool uses_stack;
	bool saves[FLT_REGS]; /* callee-saved registers that the program changes */
	bool calls;
	bool clamps; /* some load is clamped to the packet */
	bool uses_fail;
	bool moved;              /* some place changed in this pass */
	uint32_t prologue_bytes; /* of a local function */
};

/* The machine register that holds the program's register r. */
static inline uint32_t flt_jit_reg(uint32_t r)
{
	static const uint8_t regs[FLT_REGS] = {RAX, RDI,  RSI,  RDX,  RCX, R_8,
	                                       RBX, R_13, R_14, R_15, RBP};
	return regs[r];
}

static inline uint32_t dst_reg(const struct flt_insn *insn)
{
	return flt_jit_reg(insn_dst(insn));
}

static inline uint32_t src_reg(const struct flt_insn *insn)
{
	return flt_jit_reg(insn_src(insn));
}

static inline bool is_wide_alu(const struct flt_insn *insn)
{
	return (insn->code & BPF_CLASS_MASK) == BPF_ALU64;
}

/* The code of instruction i; entry: it belongs to the entry function, not to a local one. */
void flt_jit_emit_insn(struct jit *j, uint32_t i, bool entry);

/* One of classes ALU and ALU64. */
void flt_jit_emit_alu(struct jit *j, const struct flt_insn *insn);

/* Classic programs: data and length of the frame to r8 and r9. */
void flt_jit_emit_frame(struct jit *j, uint32_t frame);

/* A call by register, in checked mode only. */
void flt_jit_emit_call_register(struct jit *j, const struct flt_insn *insn);
/* A call of another program's machine code. */
void flt_jit_emit_import(struct jit *j, const struct flt_insn *insn);

/* Leaving: the entry function's way out differs from a local function's. */
void flt_jit_emit_exit(struct jit *j, bool entry);

#endif
