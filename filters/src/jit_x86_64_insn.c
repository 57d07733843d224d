/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction's machine code for x86-64. Registers: see jit_x86_64.h.
 *
 * Speculation: a packet load that a mispredicted bounds check lets through finds its address
 * clamped by a conditional move, which is not predicted.
 */
#include "jit_x86_64.h"

#include "check.h"
#include "helper.h"

/* The instruction behind i, where one gets there from i alone; NULL: nothing can be said. */
static const struct flt_insn *follower(const struct jit *j, uint32_t i)
{
	const uint8_t special = FLT_NOTE_PACKET | FLT_NOTE_LIMIT | FLT_NOTE_FENCE | FLT_NOTE_DEAD;
	bool known = i + 1 < j->in->n_insns && !j->targets[i + 1] &&
	             (!j->in->notes || !(j->in->notes[i + 1].flags & special));
	return known ? &j->in->insns[i + 1] : NULL;
}

/* A register that becomes another plus a number, in two instructions: from the first one on. */
static bool is_moved_sum(const struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i], *next = follower(j, i);
	return insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && insn->offset == 0 && next &&
	       next->code == (BPF_ALU64 | BPF_ADD) && insn_dst(next) == insn_dst(insn) &&
	       insn_dst(insn) != insn_src(insn);
}

/* Whether i and the next one clear a register's upper half, as compilers write it. */
static bool is_cut(const struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i], *next = follower(j, i);
	return insn->code == (BPF_ALU64 | BPF_LSH) && insn->imm == 32 && next &&
	       next->code == (BPF_ALU64 | BPF_RSH) && next->imm == 32 &&
	       insn_dst(next) == insn_dst(insn);
}

static bool is_copy(const struct flt_insn *insn, uint32_t to, uint32_t from)
{
	return insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && insn->offset == 0 && to != from &&
	       insn_dst(insn) == to && insn_src(insn) == from;
}

uint32_t flt_insns_rotate(const struct flt_insn insns[FLT_ROTATION_MAX])
{
	uint32_t copy = insn_dst(&insns[0]), it = insn_src(&insns[0]);
	uint32_t to = insn_dst(&insns[2]);
	bool other = to != copy && is_copy(&insns[2], to, it);
	const struct flt_insn *left = &insns[other ? 3 : 2], *both = left + 1;
	bool is_one = is_copy(&insns[0], copy, it) && (other || to == it) &&
	              insns[1].code == (BPF_ALU64 | BPF_RSH) && insn_dst(&insns[1]) == copy &&
	              left->code == (BPF_ALU64 | BPF_LSH) && insn_dst(left) == to &&
	              both->code == (BPF_ALU64 | BPF_OR | BPF_X) && insn_dst(both) == to &&
	              insn_src(both) == copy && insns[1].imm > 0 && left->imm > 0 &&
	              insns[1].imm + left->imm == 64;
	return !is_one ? 0 : other ? 5 : 4;
}

/* Whether i is the last of some that rotate, and nobody gets between them: how many. */
static uint32_t rotation_to(const struct jit *j, uint32_t i)
{
	for (uint32_t n = 4; j->in->notes && n <= FLT_ROTATION_MAX && n <= i + 1; n++) {
		uint32_t first = i + 1 - n, at = first;
		if (!(j->in->notes[first].flags & FLT_NOTE_ROTATES) ||
		    flt_insns_rotate(&j->in->insns[first]) != n)
			continue;
		while (at < i && follower(j, at))
			at++;
		if (at == i)
			return n;
	}
	return 0;
}

/* Or one of the others. */
static bool is_of_rotation(const struct jit *j, uint32_t i)
{
	for (uint32_t last = i + 1; last < i + FLT_ROTATION_MAX && last < j->in->n_insns; last++)
		if (rotation_to(j, last) > last - i)
			return true;
	return false;
}

static void emit_rotation(struct jit *j, uint32_t i, uint32_t n)
{
	const struct flt_insn *last = &j->in->insns[i];
	if (n == FLT_ROTATION_MAX)
		x86_mov(&j->c, true, dst_reg(last), src_reg(last - 2));
	x86_shift_imm(&j->c, X86_ROL, true, dst_reg(last), (uint8_t)last[-1].imm);
}

/* Whether i copies a register and the next one keeps its low byte, or two. */
static bool is_low_part(const struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i], *next = follower(j, i);
	uint32_t move = BPF_MOV | BPF_X, keep = next ? next->code : 0u;
	return (insn->code == (BPF_ALU64 | move) || insn->code == (BPF_ALU | move)) &&
	       insn->offset == 0 &&
	       (keep == (BPF_ALU64 | BPF_AND) || keep == (BPF_ALU | BPF_AND)) &&
	       insn_dst(next) == insn_dst(insn) && (next->imm == 0xff || next->imm == 0xffff);
}

static void emit_low_part(struct jit *j, const struct flt_insn *insn)
{
	if (insn[1].imm == 0xff)
		x86_op_rr(&j->c, 0, 0x0fb6, false, dst_reg(insn), src_reg(insn), true);
	else
		x86_movzx16(&j->c, dst_reg(insn), src_reg(insn));
}

/* Whether i is an address and what stands behind it adds to it. */
static bool is_place(const struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	const struct flt_insn *next = insn_is_wide(insn) ? follower(j, i + 1) : NULL;
	return next && next->code == (BPF_ALU64 | BPF_ADD) && insn_dst(next) == insn_dst(insn);
}

/* Done with the one before it. */
static bool is_second(const struct jit *j, uint32_t i)
{
	return (i > 0 && (is_moved_sum(j, i - 1) || is_cut(j, i - 1) || is_low_part(j, i - 1))) ||
	       (i > 1 && is_place(j, i - 2));
}

/* Whether i compares with 0 what the instruction before has just made, which told flags of it. Not
 * in checked mode, where budgets are between them. */
static bool is_told_zero(const struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i], *last = insn - 1;
	uint32_t op = insn->code & BPF_OP_MASK, alu;
	if (i == 0 || j->in->checked || rotation_to(j, i - 1) || is_second(j, i - 1) ||
	    follower(j, i - 1) != insn || (insn->code & BPF_SRC_MASK) || insn->imm != 0 ||
	    (op != BPF_JEQ && op != BPF_JNE) || insn_dst(last) != insn_dst(insn))
		return false;
	alu = (insn->code & BPF_CLASS_MASK) == BPF_JMP ? BPF_ALU64 : BPF_ALU;
	op = last->code & BPF_OP_MASK;
	return (last->code & BPF_CLASS_MASK) == alu &&
	       (op == BPF_AND || op == BPF_OR || op == BPF_XOR);
}

/* --- memory --- */

/* Checked mode: leaves the address in r10, held against memory and stack; uses r11. */
static void emit_check(struct jit *j, uint32_t base, int32_t disp, uint32_t bytes)
{
	struct x86_code *c = &j->c;
	int32_t slot = 8 * __builtin_ctz(bytes);
	x86_lea(c, R_10, base, disp);
	x86_mov(c, true, R_11, R_10);
	x86_alu_load(c, X86_SUB, true, R_11, R_12, offsetof(struct flt_checked, memory));
	x86_alu_load(c, X86_CMP, true, R_11, R_12,
	             (int32_t)offsetof(struct flt_checked, memory_limits) + slot);
	uint32_t fine = x86_skip(c, X86_B);
	x86_mov(c, true, R_11, R_10);
	x86_alu_load(c, X86_SUB, true, R_11, R_12, offsetof(struct flt_checked, stack));
	x86_alu_load(c, X86_CMP, true, R_11, R_12,
	             (int32_t)offsetof(struct flt_checked, stack_limits) + slot);
	uint32_t also_fine = x86_skip(c, X86_B);
	x86_store_imm(c, 4, R_12, offsetof(struct flt_checked, fault), FLT_FAULT_MEMORY);
	x86_jump(c, X86_ALWAYS, j->fail);
	x86_land(c, fine);
	x86_land(c, also_fine);
}

/* The address of an access: base and displacement to use, after whatever check is due. */
static void emit_address(struct jit *j, uint32_t i, uint32_t reg, uint32_t *base, int32_t *disp)
{
	const struct flt_insn *insn = &j->in->insns[i];
	*base = reg;
	*disp = insn->offset;
	if (j->in->checked) {
		emit_check(j, reg, insn->offset, insn_size(insn));
	} else if (j->in->notes && j->in->notes[i].flags & FLT_NOTE_PACKET) {
		/* At most the end of the packet, also where a bounds check was mispredicted. */
		x86_lea(&j->c, R_10, reg, insn->offset);
		x86_alu_load(&j->c, X86_CMP, true, R_10, R_12,
		             offsetof(struct flt_xdp_buff, data_end));
		x86_op_rm(&j->c, 0, 0x0f40 | X86_A, true, R_10, R_12,
		          offsetof(struct flt_xdp_buff, data_end), false);
	} else {
		return;
	}
	*base = R_10;
	*disp = 0;
}

static void emit_load(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	uint32_t base;
	int32_t disp;
	emit_address(j, i, src_reg(insn), &base, &disp);
	if ((insn->code & BPF_MODE_MASK) == BPF_MEMSX)
		x86_load_signed(&j->c, insn_size(insn), dst_reg(insn), base, disp);
	else
		x86_load(&j->c, insn_size(insn), dst_reg(insn), base, disp);
}

/* op r11, source; the source is on the stack's top where it was rax. */
static void emit_combine(struct jit *j, const struct flt_insn *insn, bool wide)
{
	uint32_t op = (uint32_t)insn->imm & ~(uint32_t)BPF_FETCH;
	enum x86_alu alu = op == BPF_OR ? X86_OR : op == BPF_AND ? X86_AND : X86_XOR;
	if (insn_src(insn) == R0)
		x86_alu_load(&j->c, alu, wide, R_11, RSP, 0);
	else
		x86_alu(&j->c, alu, wide, R_11, src_reg(insn));
}

/* Fetching or, and, xor: a loop around lock cmpxchg, which wants rax. The address is in r10. */
static void emit_fetch_loop(struct jit *j, const struct flt_insn *insn, bool wide)
{
	struct x86_code *c = &j->c;
	x86_push(c, RAX);
	x86_load(c, wide ? 8 : 4, RAX, R_10, 0);
	uint32_t again = c->at;
	x86_mov(c, wide, R_11, RAX);
	emit_combine(j, insn, wide);
	x86_op_rm(c, 0xf0, 0x0fb1, wide, R_11, R_10, 0, false); /* lock cmpxchg [r10], r11 */
	x86_jump(c, X86_NE, again);
	x86_mov(c, wide, R_11, RAX);
	x86_pop(c, RAX);
	x86_mov(c, true, src_reg(insn), R_11);
}

static void emit_atomic(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	struct x86_code *c = &j->c;
	bool wide = insn_size(insn) == 8;
	uint32_t base, src = src_reg(insn);
	int32_t disp;
	emit_address(j, i, dst_reg(insn), &base, &disp);
	switch ((uint32_t)insn->imm) {
	case BPF_ADD:
		x86_op_rm(c, 0xf0, 0x01, wide, src, base, disp, false);
		return;
	case BPF_OR:
		x86_op_rm(c, 0xf0, 0x09, wide, src, base, disp, false);
		return;
	case BPF_AND:
		x86_op_rm(c, 0xf0, 0x21, wide, src, base, disp, false);
		return;
	case BPF_XOR:
		x86_op_rm(c, 0xf0, 0x31, wide, src, base, disp, false);
		return;
	case BPF_ADD | BPF_FETCH: /* lock xadd */
		x86_op_rm(c, 0xf0, 0x0fc1, wide, src, base, disp, false);
		return;
	case BPF_XCHG:
		x86_op_rm(c, 0, 0x87, wide, src, base, disp, false);
		return;
	case BPF_CMPXCHG:
		x86_op_rm(c, 0xf0, 0x0fb1, wide, src, base, disp, false);
		if (!wide)
			x86_mov(c, false, RAX, RAX); /* success leaves the upper half */
		return;
	default:
		if (base != R_10)
			x86_lea(c, R_10, base, disp);
		emit_fetch_loop(j, insn, wide);
	}
}

static void emit_store(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	uint32_t base;
	int32_t disp;
	if ((insn->code & BPF_CLASS_MASK) == BPF_STX &&
	    (insn->code & BPF_MODE_MASK) == BPF_ATOMIC) {
		emit_atomic(j, i);
		return;
	}
	emit_address(j, i, dst_reg(insn), &base, &disp);
	if ((insn->code & BPF_CLASS_MASK) == BPF_ST)
		x86_store_imm(&j->c, insn_size(insn), base, disp, insn->imm);
	else
		x86_store(&j->c, insn_size(insn), base, disp, src_reg(insn));
}

/* --- legacy packet loads --- */

static void emit_to_host_order(struct jit *j, uint32_t bytes)
{
	if (bytes == 2)
		x86_rol16(&j->c, RAX);
	else if (bytes == 4)
		x86_bswap(&j->c, false, RAX);
}

/*
 * A load at a constant offset. The captured length is compared once for the farthest byte so far.
 * The conditional move makes the frame's address a small number where the comparison fails, so that
 * what runs ahead of the branch finds nothing.
 */
static void emit_load_abs(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	struct x86_code *c = &j->c;
	uint32_t bytes = insn_size(insn), at = (uint32_t)insn->imm;
	j->uses_fail = true;
	if (at > INT32_MAX - 4u) { /* no frame is that long */
		x86_jump(c, X86_ALWAYS, j->fail);
		return;
	}
	if (j->proven[i] < at + bytes) {
		x86_alu_imm(c, X86_CMP, false, R_9, (int32_t)(at + bytes));
		x86_cmov(c, X86_B, R_8, R_9);
		x86_jump(c, X86_B, j->fail);
	}
	x86_load(c, bytes, RAX, R_8, (int32_t)at);
	emit_to_host_order(j, bytes);
}

/* Checked mode: the packet is the memory. Outside it the program ends with 0, which is no fault. */
static void emit_load_checked(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	struct x86_code *c = &j->c;
	uint32_t bytes = insn_size(insn), at = (uint32_t)insn->imm;
	int32_t slot = 8 * __builtin_ctz(bytes);
	x86_mov_imm32(c, R_10, at);
	if ((insn->code & BPF_MODE_MASK) == BPF_IND) {
		x86_mov(c, false, R_11, src_reg(insn));
		x86_alu(c, X86_ADD, true, R_10, R_11);
	}
	x86_alu_load(c, X86_CMP, true, R_10, R_12,
	             (int32_t)offsetof(struct flt_checked, memory_limits) + slot);
	x86_jump(c, X86_AE, j->fail);
	x86_load(c, 8, R_11, R_12, offsetof(struct flt_checked, memory));
	x86_load_indexed(c, bytes, RAX, R_11, R_10, 0);
	emit_to_host_order(j, bytes);
}

static void emit_load_ind(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	struct x86_code *c = &j->c;
	uint32_t bytes = insn_size(insn), at = (uint32_t)insn->imm;
	j->uses_fail = true;
	x86_mov(c, false, R_10, src_reg(insn));
	if (at > INT32_MAX - 4u) {
		x86_jump(c, X86_ALWAYS, j->fail);
		return;
	}
	x86_lea(c, R_11, R_10,
	        (int32_t)(at + bytes)); /* the byte behind the field: no wrap in 64 bits */
	x86_alu(c, X86_CMP, true, R_9, R_11);
	x86_cmov(c, X86_B, R_8, R_9);
	x86_cmov(c, X86_B, R_10, R_9);
	x86_jump(c, X86_B, j->fail);
	x86_load_indexed(c, bytes, RAX, R_8, R_10, (int32_t)at);
	emit_to_host_order(j, bytes);
}

/* --- pointer arithmetic --- */

/*
 * The offset register of pointer arithmetic that the verifier bounded: where a misprediction made
 * it larger than the limit, or negative, 0 is added instead: a conditional move is not predicted.
 */
static void emit_limited(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	const struct flt_note *note = &j->in->notes[i];
	struct x86_code *c = &j->c;
	if (j->in->notes[i].flags & FLT_NOTE_WITHIN) {
		x86_movzx16(c, R_10, src_reg(insn));
		x86_alu(c, X86_ADD, true, dst_reg(insn), R_10);
		return;
	}
	x86_alu(c, X86_XOR, false, R_10, R_10);
	x86_alu_imm(c, X86_CMP, true, src_reg(insn), (int32_t)note->limit);
	x86_cmov(c, X86_BE, R_10, src_reg(insn));
	x86_alu(c, X86_ADD, true, dst_reg(insn), R_10);
}

/* --- control flow --- */

static uint32_t target_of(const struct jit *j, uint32_t i, int32_t distance)
{
	return j->where[i + 1 + (uint32_t)distance];
}

/* Checked mode: a step back costs one unit of budget. */
static void emit_budget(struct jit *j)
{
	struct x86_code *c = &j->c;
	x86_alu_mem_imm(c, X86_SUB, true, R_12, offsetof(struct flt_checked, budget), 1);
	uint32_t fine = x86_skip(c, X86_AE);
	x86_store_imm(c, 4, R_12, offsetof(struct flt_checked, fault), FLT_FAULT_BUDGET);
	x86_jump(c, X86_ALWAYS, j->fail);
	x86_land(c, fine);
}

static enum x86_cond condition_of(uint32_t op)
{
	switch (op) {
	case BPF_JEQ:
		return X86_E;
	case BPF_JGT:
		return X86_A;
	case BPF_JGE:
		return X86_AE;
	case BPF_JLT:
		return X86_B;
	case BPF_JLE:
		return X86_BE;
	case BPF_JSGT:
		return X86_G;
	case BPF_JSGE:
		return X86_GE;
	case BPF_JSLT:
		return X86_L;
	case BPF_JSLE:
		return X86_LE;
	default: /* JNE; JSET after test */
		return X86_NE;
	}
}

static void emit_compare(struct jit *j, const struct flt_insn *insn)
{
	struct x86_code *c = &j->c;
	bool wide = (insn->code & BPF_CLASS_MASK) == BPF_JMP;
	bool test = (insn->code & BPF_OP_MASK) == BPF_JSET;
	uint32_t dst = dst_reg(insn);
	if (insn->code & BPF_SRC_MASK) {
		if (test)
			x86_test(c, wide, dst, src_reg(insn));
		else
			x86_alu(c, X86_CMP, wide, dst, src_reg(insn));
	} else if (test) {
		x86_test_imm(c, wide, dst, insn->imm);
	} else {
		x86_alu_imm(c, X86_CMP, wide, dst, insn->imm);
	}
}

static void emit_call_local(struct jit *j, uint32_t i)
{
	struct x86_code *c = &j->c;
	/* where[] is behind the function's prologue, so that loops do not run it again. */
	uint32_t target = target_of(j, i, j->in->insns[i].imm) - j->prologue_bytes;
	if (j->in->checked) {
		x86_alu_mem_imm(c, X86_SUB, true, R_12, offsetof(struct flt_checked, depth), 1);
		uint32_t fine = x86_skip(c, X86_AE);
		x86_store_imm(c, 4, R_12, offsetof(struct flt_checked, fault), FLT_FAULT_DEPTH);
		x86_jump(c, X86_ALWAYS, j->fail);
		x86_land(c, fine);
		emit_budget(j);
		x86_alu_imm(c, X86_SUB, true, RBP, FLT_STACK_BYTES);
	}
	x86_call(c, target);
	if (j->in->checked) {
		x86_alu_imm(c, X86_ADD, true, RBP, FLT_STACK_BYTES);
		x86_alu_mem_imm(c, X86_ADD, true, R_12, offsetof(struct flt_checked, depth), 1);
	}
}

static void emit_any_call(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	if (insn->code & BPF_SRC_MASK) {
		flt_jit_emit_call_register(j, insn);
		return;
	}
	if (insn_src(insn) == BPF_PSEUDO_CALL) {
		emit_call_local(j, i);
		return;
	}
	if (insn_src(insn) == BPF_PSEUDO_IMPORT) {
		flt_jit_emit_import(j, insn);
		return;
	}
	uint32_t clear = j->in->notes ? j->in->notes[i].limit : 0;
	for (uint32_t r = R1; r <= R5; r++)
		if (clear >> r & 1)
			x86_mov_imm32(&j->c, flt_jit_reg(r), 0);
	const struct flt_helper *helper = flt_helper_find((uint32_t)insn->imm);
	x86_movabs(&j->c, RAX, helper ? (uint64_t)(uintptr_t)helper->call : 0);
	x86_call_reg(&j->c, RAX);
}

/* Clears registers where cond holds; r10 is 0. */
static void emit_clear_if(struct jit *j, enum x86_cond cond, uint32_t registers)
{
	for (uint32_t r = 0; r < FLT_REGS; r++)
		if (registers >> r & 1)
			x86_cmov(&j->c, cond, flt_jit_reg(r), R_10);
}

/*
 * A conditional jump. Where it checked the packet's end, the pointers that may be followed from
 * here on become NULL on the way that only a misprediction goes.
 */
static void emit_branch(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	struct x86_code *c = &j->c;
	enum x86_cond cond = condition_of(insn->code & BPF_OP_MASK);
	uint32_t guards = j->in->notes ? j->in->notes[i].limit : 0;
	uint32_t taken = guards >> FLT_NOTE_TAKEN_SHIFT, target = target_of(j, i, insn->offset);
	if (guards)
		x86_mov_imm32(c, R_10, 0);
	if (guards || !is_told_zero(j, i))
		emit_compare(j, insn);
	if (taken) {
		uint32_t next = x86_skip(c, x86_inverse(cond));
		emit_clear_if(j, x86_inverse(cond), taken);
		x86_jump(c, X86_ALWAYS, target);
		x86_land(c, next);
	} else {
		x86_jump(c, cond, target);
	}
	emit_clear_if(j, cond, guards & 0xffff);
}

/* Verified programs do not read R1 to R5 behind a call; others find what the interpreter finds. */
static void emit_call(struct jit *j, uint32_t i)
{
	emit_any_call(j, i);
	if (j->in->kind == FLT_KIND_CLASSIC && !j->in->checked)
		flt_jit_emit_frame(j, flt_jit_reg(R7)); /* see emit_call in classic.c */
	for (uint32_t r = R1; j->in->checked && r <= R5; r++)
		x86_mov_imm32(&j->c, flt_jit_reg(r), 0);
}

static void emit_jump(struct jit *j, uint32_t i, bool entry)
{
	const struct flt_insn *insn = &j->in->insns[i];
	uint32_t op = insn->code & BPF_OP_MASK;
	bool ja32 = op == BPF_JA && (insn->code & BPF_CLASS_MASK) == BPF_JMP32;
	int32_t distance = ja32 ? insn->imm : insn->offset;
	if (op == BPF_CALL) {
		emit_call(j, i);
	} else if (op == BPF_EXIT) {
		flt_jit_emit_exit(j, entry);
	} else {
		if (j->in->checked && distance < 0)
			emit_budget(j);
		if (op == BPF_JA) {
			if (distance)
				x86_jump(&j->c, X86_ALWAYS, target_of(j, i, distance));
			return;
		}
		emit_branch(j, i);
	}
}

/* --- one instruction --- */

/* Alone, or with those that belong to it. */
static void emit_computation(struct jit *j, uint32_t i)
{
	const struct flt_insn *insn = &j->in->insns[i];
	uint32_t n = rotation_to(j, i);
	if (j->in->notes && j->in->notes[i].flags & FLT_NOTE_LIMIT)
		emit_limited(j, i);
	else if (n)
		emit_rotation(j, i, n);
	else if (is_of_rotation(j, i) || is_second(j, i))
		return;
	else if (is_moved_sum(j, i))
		x86_lea(&j->c, dst_reg(insn), src_reg(insn), insn[1].imm);
	else if (is_low_part(j, i))
		emit_low_part(j, insn);
	else if (is_cut(j, i))
		x86_mov(&j->c, false, dst_reg(insn), dst_reg(insn));
	else
		flt_jit_emit_alu(j, insn);
}

void flt_jit_emit_insn(struct jit *j, uint32_t i, bool entry)
{
	const struct flt_insn *insn = &j->in->insns[i];
	uint32_t mode = insn->code & BPF_MODE_MASK;
	uint32_t notes = j->in->notes ? j->in->notes[i].flags : 0;
	if (notes & FLT_NOTE_DEAD) {
		x86_trap(&j->c);
		return;
	}
	if (notes & FLT_NOTE_FENCE)
		x86_lfence(&j->c);
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_LD:
		if (mode == BPF_IMM)
			x86_mov_imm64(
			        &j->c, dst_reg(insn),
			        insn_wide_imm(insn) +
			                (is_place(j, i) ? (uint64_t)(int64_t)insn[2].imm : 0));
		else if (j->in->checked)
			emit_load_checked(j, i);
		else if (mode == BPF_ABS)
			emit_load_abs(j, i);
		else
			emit_load_ind(j, i);
		return;
	case BPF_LDX:
		emit_load(j, i);
		return;
	case BPF_ST:
	case BPF_STX:
		emit_store(j, i);
		return;
	case BPF_ALU:
	case BPF_ALU64:
		emit_computation(j, i);
		return;
	default:
		emit_jump(j, i, entry);
	}
}
