/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic as machine code for x86-64. Registers: see jit_x86_64.h. */
#include "jit_x86_64.h"

/* The register that holds the second operand; an immediate goes to r11. */
static uint32_t operand(struct jit *j, const struct flt_insn *insn)
{
	if (insn->code & BPF_SRC_MASK)
		return src_reg(insn);
	if (is_wide_alu(insn))
		x86_mov_imm64(&j->c, R_11, (uint64_t)(int64_t)insn->imm);
	else
		x86_mov_imm32(&j->c, R_11, (uint32_t)insn->imm);
	return R_11;
}

static void emit_simple(struct jit *j, const struct flt_insn *insn, enum x86_alu op)
{
	if (insn->code & BPF_SRC_MASK)
		x86_alu(&j->c, op, is_wide_alu(insn), dst_reg(insn), src_reg(insn));
	else
		x86_alu_imm(&j->c, op, is_wide_alu(insn), dst_reg(insn), insn->imm);
}

static void emit_multiply(struct jit *j, const struct flt_insn *insn)
{
	bool wide = is_wide_alu(insn);
	if (insn->code & BPF_SRC_MASK) {
		x86_op_rr(&j->c, 0, 0x0faf, wide, dst_reg(insn), src_reg(insn), false);
	} else {
		x86_op_rr(&j->c, 0, 0x69, wide, dst_reg(insn), dst_reg(insn), false);
		x86_u32(&j->c, (uint32_t)insn->imm);
	}
}

/* rdx:rax / r11 -> rax, rdx. The two registers are kept unless one of them is the destination. */
static void emit_divide_core(struct jit *j, bool wide, bool is_signed, bool modulo, uint32_t dst)
{
	struct x86_code *c = &j->c;
	if (dst != RAX)
		x86_push(c, RAX);
	if (dst != RDX)
		x86_push(c, RDX);
	x86_mov(c, wide, RAX, dst);
	if (is_signed)
		x86_sign_extend_rax(c, wide);
	else
		x86_mov_imm32(c, RDX, 0);
	x86_op_rr(c, 0, 0xf7, wide, is_signed ? 7 : 6, R_11, false);
	x86_mov(c, wide, R_11, modulo ? RDX : RAX);
	if (dst != RDX)
		x86_pop(c, RDX);
	if (dst != RAX)
		x86_pop(c, RAX);
	x86_mov(c, wide, dst, R_11);
}

/* Division by 0 gives 0, modulo 0 leaves the dividend. → the way past the division. */
static uint32_t emit_by_zero(struct jit *j, bool wide, bool modulo, uint32_t dst)
{
	struct x86_code *c = &j->c;
	x86_test(c, wide, R_11, R_11);
	uint32_t not_zero = x86_skip(c, X86_NE);
	if (!modulo)
		x86_mov_imm32(c, dst, 0);
	else if (!wide)
		x86_mov(c, false, dst, dst);
	uint32_t done = x86_skip(c, X86_ALWAYS);
	x86_land(c, not_zero);
	return done;
}

/* The smallest number by -1 does not trap. → likewise. */
static uint32_t emit_by_minus_one(struct jit *j, bool wide, bool modulo, uint32_t dst)
{
	struct x86_code *c = &j->c;
	x86_alu_imm(c, X86_CMP, wide, R_11, -1);
	uint32_t not_minus_one = x86_skip(c, X86_NE);
	if (modulo)
		x86_mov_imm32(c, dst, 0);
	else
		x86_op_rr(c, 0, 0xf7, wide, 3, dst, false); /* neg */
	uint32_t done = x86_skip(c, X86_ALWAYS);
	x86_land(c, not_minus_one);
	return done;
}

static void emit_divide(struct jit *j, const struct flt_insn *insn, bool modulo)
{
	struct x86_code *c = &j->c;
	bool wide = is_wide_alu(insn), known = !(insn->code & BPF_SRC_MASK) && insn->imm;
	uint32_t dst = dst_reg(insn), zero_done = 0, minus_one_done = 0;
	if (insn->code & BPF_SRC_MASK)
		x86_mov(c, wide, R_11, src_reg(insn));
	else
		(void)operand(j, insn);
	if (!known)
		zero_done = emit_by_zero(j, wide, modulo, dst);
	if (insn->offset)
		minus_one_done = emit_by_minus_one(j, wide, modulo, dst);
	emit_divide_core(j, wide, insn->offset, modulo, dst);
	if (zero_done)
		x86_land(c, zero_done);
	if (minus_one_done)
		x86_land(c, minus_one_done);
}

/* Variable shifts want their count in cl, which is R4. */
static void emit_shift(struct jit *j, const struct flt_insn *insn, enum x86_shift op)
{
	struct x86_code *c = &j->c;
	bool wide = is_wide_alu(insn);
	uint32_t dst = dst_reg(insn), src = src_reg(insn);
	if (!(insn->code & BPF_SRC_MASK)) {
		uint32_t by = (uint32_t)insn->imm & (wide ? 63 : 31);
		if (by)
			x86_shift_imm(c, op, wide, dst, by);
		else if (!wide)
			x86_mov(c, false, dst, dst);
		return;
	}
	if (src == RCX && dst != RCX) {
		x86_shift_cl(c, op, wide, dst);
	} else {
		uint32_t work = dst == RCX ? R_11 : dst;
		x86_mov(c, true, R_11, RCX);
		x86_mov(c, true, RCX, src);
		x86_shift_cl(c, op, wide, work);
		x86_mov(c, true, RCX, R_11);
	}
	if (!wide) /* a count of 0 leaves the upper half */
		x86_mov(c, false, dst, dst);
}

static void emit_move(struct jit *j, const struct flt_insn *insn)
{
	struct x86_code *c = &j->c;
	bool wide = is_wide_alu(insn);
	uint32_t dst = dst_reg(insn), src = src_reg(insn);
	if (!(insn->code & BPF_SRC_MASK)) {
		if (wide)
			x86_mov_imm64(c, dst, (uint64_t)(int64_t)insn->imm);
		else
			x86_mov_imm32(c, dst, (uint32_t)insn->imm);
	} else if (insn->offset == 8) {
		x86_op_rr(c, 0, 0x0fbe, wide, dst, src, true);
	} else if (insn->offset == 16) {
		x86_op_rr(c, 0, 0x0fbf, wide, dst, src, false);
	} else if (insn->offset == 32) {
		x86_op_rr(c, 0, 0x63, true, dst, src, false);
	} else {
		x86_mov(c, wide, dst, src);
	}
}

static void emit_swap(struct jit *j, const struct flt_insn *insn)
{
	struct x86_code *c = &j->c;
	bool swap = is_wide_alu(insn) || (insn->code & BPF_SRC_MASK);
	uint32_t dst = dst_reg(insn);
	if (insn->imm == 16) {
		if (swap)
			x86_rol16(c, dst);
		x86_movzx16(c, dst, dst);
	} else if (swap) {
		x86_bswap(c, insn->imm == 64, dst);
	} else if (insn->imm == 32) {
		x86_mov(c, false, dst, dst);
	}
}

void flt_jit_emit_alu(struct jit *j, const struct flt_insn *insn)
{
	switch (insn->code & BPF_OP_MASK) {
	case BPF_ADD:
		emit_simple(j, insn, X86_ADD);
		return;
	case BPF_SUB:
		emit_simple(j, insn, X86_SUB);
		return;
	case BPF_OR:
		emit_simple(j, insn, X86_OR);
		return;
	case BPF_AND:
		emit_simple(j, insn, X86_AND);
		return;
	case BPF_XOR:
		emit_simple(j, insn, X86_XOR);
		return;
	case BPF_MUL:
		emit_multiply(j, insn);
		return;
	case BPF_DIV:
	case BPF_MOD:
		emit_divide(j, insn, (insn->code & BPF_OP_MASK) == BPF_MOD);
		return;
	case BPF_LSH:
		emit_shift(j, insn, X86_SHL);
		return;
	case BPF_RSH:
		emit_shift(j, insn, X86_SHR);
		return;
	case BPF_ARSH:
		emit_shift(j, insn, X86_SAR);
		return;
	case BPF_NEG:
		x86_op_rr(&j->c, 0, 0xf7, is_wide_alu(insn), 3, dst_reg(insn), false);
		return;
	case BPF_END:
		emit_swap(j, insn);
		return;
	default:
		emit_move(j, insn);
	}
}
