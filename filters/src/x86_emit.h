/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encoding x86-64 instructions: one function per machine instruction that the JIT and the shape
 * compiler use (Intel SDM volume 2). With out NULL nothing is written but everything is counted, so
 * that dry runs of the same emitters give the size.
 */
#ifndef FLT_X86_EMIT_H
#define FLT_X86_EMIT_H

#include "internal.h"

enum x86_reg {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R_8,
	R_9,
	R_10,
	R_11,
	R_12,
	R_13,
	R_14,
	R_15,
};

/* Condition codes, as in jcc, setcc and cmovcc. */
enum x86_cond {
	X86_B = 0x2,
	X86_AE = 0x3,
	X86_E = 0x4,
	X86_NE = 0x5,
	X86_BE = 0x6,
	X86_A = 0x7,
	X86_S = 0x8,
	X86_L = 0xc,
	X86_GE = 0xd,
	X86_LE = 0xe,
	X86_G = 0xf,
	X86_ALWAYS = 0x10, /* jmp */
};

/* The /n of the 0x81 and 0x83 groups; 8 * n + 1 is the register form's opcode. */
enum x86_alu {
	X86_ADD = 0,
	X86_OR = 1,
	X86_AND = 4,
	X86_SUB = 5,
	X86_XOR = 6,
	X86_CMP = 7,
};

/* The /n of the shift groups. */
enum x86_shift {
	X86_ROL = 0,
	X86_SHL = 4,
	X86_SHR = 5,
	X86_SAR = 7,
};

struct x86_code {
	uint8_t *out; /* NULL: dry run */
	uint32_t at;  /* bytes so far */
};

static inline void x86_byte(struct x86_code *c, uint32_t byte)
{
	if (c->out)
		c->out[c->at] = (uint8_t)byte;
	c->at++;
}

static inline void x86_u32(struct x86_code *c, uint32_t value)
{
	for (int i = 0; i < 4; i++, value >>= 8)
		x86_byte(c, value & 0xff);
}

static inline void x86_u64(struct x86_code *c, uint64_t value)
{
	x86_u32(c, (uint32_t)value);
	x86_u32(c, (uint32_t)(value >> 32));
}

/* An opcode of one byte, or of two (0x0fXX) or three (0x0f38XX); prefix 0 for none. */
void x86_op_rr(struct x86_code *c, uint32_t prefix, uint32_t opcode, bool wide, uint32_t reg,
               uint32_t rm, bool byte_regs);
void x86_op_rm(struct x86_code *c, uint32_t prefix, uint32_t opcode, bool wide, uint32_t reg,
               uint32_t base, int32_t disp, bool byte_reg);
/* The same with [base + index + disp]. */
void x86_op_rmx(struct x86_code *c, uint32_t prefix, uint32_t opcode, bool wide, uint32_t reg,
                uint32_t base, uint32_t index, uint32_t scale_log2, int32_t disp);

void x86_mov(struct x86_code *c, bool wide, uint32_t to, uint32_t from);
void x86_mov_imm32(struct x86_code *c, uint32_t to, uint32_t imm); /* zero-extends */
void x86_mov_imm64(struct x86_code *c, uint32_t to, uint64_t imm); /* shortest form */
void x86_movabs(struct x86_code *c, uint32_t to, uint64_t imm);    /* always 10 bytes */
void x86_alu(struct x86_code *c, enum x86_alu op, bool wide, uint32_t to, uint32_t from);
void x86_alu_imm(struct x86_code *c, enum x86_alu op, bool wide, uint32_t to, int32_t imm);
/* op reg, [base + disp] */
void x86_alu_load(struct x86_code *c, enum x86_alu op, bool wide, uint32_t to, uint32_t base,
                  int32_t disp);
/* op qword/dword [base + disp], imm */
void x86_alu_mem_imm(struct x86_code *c, enum x86_alu op, bool wide, uint32_t base, int32_t disp,
                     int32_t imm);
void x86_test(struct x86_code *c, bool wide, uint32_t a, uint32_t b);
void x86_test_imm(struct x86_code *c, bool wide, uint32_t a, int32_t imm);
void x86_shift_imm(struct x86_code *c, enum x86_shift op, bool wide, uint32_t reg, uint32_t by);
void x86_shift_cl(struct x86_code *c, enum x86_shift op, bool wide, uint32_t reg);
void x86_lea(struct x86_code *c, uint32_t to, uint32_t base, int32_t disp);
/* Loads of 1, 2, 4 or 8 bytes, zero-extended or sign-extended to 64 bits. */
void x86_load(struct x86_code *c, uint32_t bytes, uint32_t to, uint32_t base, int32_t disp);
void x86_load_signed(struct x86_code *c, uint32_t bytes, uint32_t to, uint32_t base, int32_t disp);
void x86_load_indexed(struct x86_code *c, uint32_t bytes, uint32_t to, uint32_t base,
                      uint32_t index, int32_t disp);
void x86_store(struct x86_code *c, uint32_t bytes, uint32_t base, int32_t disp, uint32_t from);
void x86_store_imm(struct x86_code *c, uint32_t bytes, uint32_t base, int32_t disp, int32_t imm);
/* The condition that holds where this one does not. */
static inline enum x86_cond x86_inverse(enum x86_cond cond)
{
	return (enum x86_cond)((uint32_t)cond ^ 1);
}
void x86_cmov(struct x86_code *c, enum x86_cond cond, uint32_t to, uint32_t from);
void x86_sign_extend_rax(struct x86_code *c, bool wide); /* cdq, cqo: into rdx */
void x86_bswap(struct x86_code *c, bool wide, uint32_t reg);
void x86_rol16(struct x86_code *c, uint32_t reg); /* swaps the low two bytes */
void x86_movzx16(struct x86_code *c, uint32_t to, uint32_t from);
void x86_push(struct x86_code *c, uint32_t reg);
void x86_pop(struct x86_code *c, uint32_t reg);
void x86_trap(struct x86_code *c); /* int3 */
void x86_lfence(struct x86_code *c);
void x86_ret(struct x86_code *c);
void x86_call_reg(struct x86_code *c, uint32_t reg);

/*
 * A jump to `target`, an offset in the code; short where distance and `may_shrink` allow. In the
 * first dry run targets ahead are not known yet: pass UINT32_MAX, and the long form is counted.
 */
void x86_jump(struct x86_code *c, enum x86_cond cond, uint32_t target);
void x86_call(struct x86_code *c, uint32_t target);
/* A short jump over code that is emitted next: returns the place to be given to x86_land. */
uint32_t x86_skip(struct x86_code *c, enum x86_cond cond);
void x86_land(struct x86_code *c, uint32_t place);

#endif
