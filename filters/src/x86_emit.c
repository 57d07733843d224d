/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encoding x86-64 instructions. See x86_emit.h.
 */
#include "x86_emit.h"

static void put_opcode(struct x86_code *c, uint32_t opcode)
{
	if (opcode > 0xffff)
		x86_byte(c, opcode >> 16);
	if (opcode > 0xff)
		x86_byte(c, opcode >> 8 & 0xff);
	x86_byte(c, opcode & 0xff);
}

/* Operand-size and lock prefixes come first, then REX, then the opcode. */
static void put_head(struct x86_code *c, uint32_t prefix, uint32_t opcode, uint32_t rex, bool force)
{
	if (prefix > 0xff)
		x86_byte(c, prefix >> 8);
	if (prefix)
		x86_byte(c, prefix & 0xff);
	if (rex || force)
		x86_byte(c, 0x40 | rex);
	put_opcode(c, opcode);
}

static uint32_t rex_bits(bool wide, uint32_t reg, uint32_t index, uint32_t base)
{
	return (wide ? 8u : 0u) | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3;
}

void x86_op_rr(struct x86_code *c, uint32_t prefix, uint32_t opcode, bool wide, uint32_t reg,
               uint32_t rm, bool byte_regs)
{
	put_head(c, prefix, opcode, rex_bits(wide, reg, 0, rm),
	         byte_regs && (reg >= RSP || rm >= RSP));
	x86_byte(c, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* Displacement: none, one byte or four. rbp and r13 as a base always need one. */
static uint32_t disp_mode(uint32_t base, int32_t disp)
{
	if (disp == 0 && (base & 7) != RBP)
		return 0;
	return disp >= -128 && disp <= 127 ? 1 : 2;
}

static void put_disp(struct x86_code *c, uint32_t mode, int32_t disp)
{
	if (mode == 1)
		x86_byte(c, (uint8_t)disp);
	else if (mode == 2)
		x86_u32(c, (uint32_t)disp);
}

void x86_op_rm(struct x86_code *c, uint32_t prefix, uint32_t opcode, bool wide, uint32_t reg,
               uint32_t base, int32_t disp, bool byte_reg)
{
	uint32_t mode = disp_mode(base, disp);
	put_head(c, prefix, opcode, rex_bits(wide, reg, 0, base), byte_reg && reg >= RSP);
	x86_byte(c, mode << 6 | (reg & 7) << 3 | (base & 7));
	if ((base & 7) == RSP)
		x86_byte(c, 0x24); /* SIB: no index */
	put_disp(c, mode, disp);
}

void x86_op_rmx(struct x86_code *c, uint32_t prefix, uint32_t opcode, bool wide, uint32_t reg,
                uint32_t base, uint32_t index, uint32_t scale_log2, int32_t disp)
{
	uint32_t mode = disp_mode(base, disp);
	put_head(c, prefix, opcode, rex_bits(wide, reg, index, base), false);
	x86_byte(c, mode << 6 | (reg & 7) << 3 | 4);
	x86_byte(c, scale_log2 << 6 | (index & 7) << 3 | (base & 7));
	put_disp(c, mode, disp);
}

void x86_mov(struct x86_code *c, bool wide, uint32_t to, uint32_t from)
{
	x86_op_rr(c, 0, 0x89, wide, from, to, false);
}

void x86_mov_imm32(struct x86_code *c, uint32_t to, uint32_t imm)
{
	if (!imm) {
		x86_alu(c, X86_XOR, false, to, to);
		return;
	}
	put_head(c, 0, 0xb8 | (to & 7), rex_bits(false, 0, 0, to), false);
	x86_u32(c, imm);
}

void x86_movabs(struct x86_code *c, uint32_t to, uint64_t imm)
{
	put_head(c, 0, 0xb8 | (to & 7), rex_bits(true, 0, 0, to), false);
	x86_u64(c, imm);
}

void x86_mov_imm64(struct x86_code *c, uint32_t to, uint64_t imm)
{
	if (imm <= UINT32_MAX) {
		x86_mov_imm32(c, to, (uint32_t)imm);
	} else if ((int64_t)imm == (int32_t)imm) {
		x86_op_rr(c, 0, 0xc7, true, 0, to, false);
		x86_u32(c, (uint32_t)imm);
	} else {
		x86_movabs(c, to, imm);
	}
}

void x86_alu(struct x86_code *c, enum x86_alu op, bool wide, uint32_t to, uint32_t from)
{
	x86_op_rr(c, 0, 8 * (uint32_t)op + 1, wide, from, to, false);
}

void x86_alu_imm(struct x86_code *c, enum x86_alu op, bool wide, uint32_t to, int32_t imm)
{
	bool small = imm >= -128 && imm <= 127;
	x86_op_rr(c, 0, small ? 0x83 : 0x81, wide, op, to, false);
	if (small)
		x86_byte(c, (uint8_t)imm);
	else
		x86_u32(c, (uint32_t)imm);
}

void x86_alu_load(struct x86_code *c, enum x86_alu op, bool wide, uint32_t to, uint32_t base,
                  int32_t disp)
{
	x86_op_rm(c, 0, 8 * (uint32_t)op + 3, wide, to, base, disp, false);
}

void x86_alu_mem_imm(struct x86_code *c, enum x86_alu op, bool wide, uint32_t base, int32_t disp,
                     int32_t imm)
{
	bool small = imm >= -128 && imm <= 127;
	x86_op_rm(c, 0, small ? 0x83 : 0x81, wide, op, base, disp, false);
	if (small)
		x86_byte(c, (uint8_t)imm);
	else
		x86_u32(c, (uint32_t)imm);
}

void x86_test(struct x86_code *c, bool wide, uint32_t a, uint32_t b)
{
	x86_op_rr(c, 0, 0x85, wide, b, a, false);
}

void x86_test_imm(struct x86_code *c, bool wide, uint32_t a, int32_t imm)
{
	x86_op_rr(c, 0, 0xf7, wide, 0, a, false);
	x86_u32(c, (uint32_t)imm);
}

void x86_shift_imm(struct x86_code *c, enum x86_shift op, bool wide, uint32_t reg, uint32_t by)
{
	x86_op_rr(c, 0, 0xc1, wide, op, reg, false);
	x86_byte(c, by);
}

void x86_shift_cl(struct x86_code *c, enum x86_shift op, bool wide, uint32_t reg)
{
	x86_op_rr(c, 0, 0xd3, wide, op, reg, false);
}

void x86_lea(struct x86_code *c, uint32_t to, uint32_t base, int32_t disp)
{
	x86_op_rm(c, 0, 0x8d, true, to, base, disp, false);
}

void x86_load(struct x86_code *c, uint32_t bytes, uint32_t to, uint32_t base, int32_t disp)
{
	uint32_t opcode = bytes == 1 ? 0x0fb6 : bytes == 2 ? 0x0fb7 : 0x8b;
	x86_op_rm(c, 0, opcode, bytes == 8, to, base, disp, false);
}

void x86_load_signed(struct x86_code *c, uint32_t bytes, uint32_t to, uint32_t base, int32_t disp)
{
	uint32_t opcode = bytes == 1 ? 0x0fbe : bytes == 2 ? 0x0fbf : 0x63;
	x86_op_rm(c, 0, opcode, true, to, base, disp, false);
}

void x86_load_indexed(struct x86_code *c, uint32_t bytes, uint32_t to, uint32_t base,
                      uint32_t index, int32_t disp)
{
	uint32_t opcode = bytes == 1 ? 0x0fb6 : bytes == 2 ? 0x0fb7 : 0x8b;
	x86_op_rmx(c, 0, opcode, bytes == 8, to, base, index, 0, disp);
}

void x86_store(struct x86_code *c, uint32_t bytes, uint32_t base, int32_t disp, uint32_t from)
{
	x86_op_rm(c, bytes == 2 ? 0x66 : 0, bytes == 1 ? 0x88 : 0x89, bytes == 8, from, base, disp,
	          bytes == 1);
}

void x86_store_imm(struct x86_code *c, uint32_t bytes, uint32_t base, int32_t disp, int32_t imm)
{
	x86_op_rm(c, bytes == 2 ? 0x66 : 0, bytes == 1 ? 0xc6 : 0xc7, bytes == 8, 0, base, disp,
	          false);
	for (uint32_t i = 0; i < (bytes < 4 ? bytes : 4); i++)
		x86_byte(c, (uint32_t)imm >> 8 * i & 0xff);
}

void x86_cmov(struct x86_code *c, enum x86_cond cond, uint32_t to, uint32_t from)
{
	x86_op_rr(c, 0, 0x0f40 | (uint32_t)cond, true, to, from, false);
}

void x86_sign_extend_rax(struct x86_code *c, bool wide)
{
	put_head(c, 0, 0x99, rex_bits(wide, 0, 0, 0), false);
}

void x86_bswap(struct x86_code *c, bool wide, uint32_t reg)
{
	put_head(c, 0, 0x0fc8 | (reg & 7), rex_bits(wide, 0, 0, reg), false);
}

void x86_rol16(struct x86_code *c, uint32_t reg)
{
	x86_op_rr(c, 0x66, 0xc1, false, X86_ROL, reg, false);
	x86_byte(c, 8);
}

void x86_movzx16(struct x86_code *c, uint32_t to, uint32_t from)
{
	x86_op_rr(c, 0, 0x0fb7, false, to, from, false);
}

void x86_push(struct x86_code *c, uint32_t reg)
{
	put_head(c, 0, 0x50 | (reg & 7), rex_bits(false, 0, 0, reg), false);
}

void x86_pop(struct x86_code *c, uint32_t reg)
{
	put_head(c, 0, 0x58 | (reg & 7), rex_bits(false, 0, 0, reg), false);
}

void x86_trap(struct x86_code *c)
{
	x86_byte(c, 0xcc);
}

void x86_lfence(struct x86_code *c)
{
	x86_byte(c, 0x0f);
	x86_byte(c, 0xae);
	x86_byte(c, 0xe8);
}

void x86_ret(struct x86_code *c)
{
	x86_byte(c, 0xc3);
}

void x86_call_reg(struct x86_code *c, uint32_t reg)
{
	x86_op_rr(c, 0, 0xff, false, 2, reg, false);
}

void x86_jump(struct x86_code *c, enum x86_cond cond, uint32_t target)
{
	int64_t distance = (int64_t)target - (int64_t)(c->at + 2);
	if (target != UINT32_MAX && distance >= -128 && distance <= 127) {
		x86_byte(c, cond == X86_ALWAYS ? 0xeb : 0x70 | (uint32_t)cond);
		x86_byte(c, (uint8_t)distance);
		return;
	}
	if (cond == X86_ALWAYS) {
		x86_byte(c, 0xe9);
	} else {
		x86_byte(c, 0x0f);
		x86_byte(c, 0x80 | (uint32_t)cond);
	}
	x86_u32(c, target - (c->at + 4));
}

void x86_call(struct x86_code *c, uint32_t target)
{
	x86_byte(c, 0xe8);
	x86_u32(c, target - (c->at + 4));
}

uint32_t x86_skip(struct x86_code *c, enum x86_cond cond)
{
	x86_byte(c, cond == X86_ALWAYS ? 0xeb : 0x70 | (uint32_t)cond);
	x86_byte(c, 0);
	return c->at;
}

void x86_land(struct x86_code *c, uint32_t place)
{
	if (c->out)
		c->out[place - 1] = (uint8_t)(c->at - place);
}
