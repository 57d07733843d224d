/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiling a whole program for x86-64: entry and exits of its functions, where everything stands,
 * the code memory. Registers: see jit_x86_64.h; single instructions: jit_x86_64_insn.c.
 *
 * Code is emitted several times without writing until no jump changes its length, then once for
 * good. Memory is writable while that happens and executable only afterwards.
 */
#include "jit_x86_64.h"

#include "check.h"
#include "helper.h"

enum {
	PASSES_MAX = 32,
	TARGET_UNKNOWN = 0xffffffff,
};

/* --- function entry and exit --- */

static uint32_t saved_count(const struct jit *j)
{
	return (uint32_t)j->saves[R6] + j->saves[R7] + j->saves[R8] + j->saves[R9];
}

static bool is_classic(const struct jit *j)
{
	return j->in->kind == FLT_KIND_CLASSIC;
}

/* Loads that are clamped to the packet ask the context for its end. */
static bool keeps_context(const struct jit *j)
{
	return j->clamps || j->in->checked;
}

static bool has_frame(const struct jit *j)
{
	return j->in->checked || j->uses_stack || j->calls || saved_count(j) || keeps_context(j);
}

/* Bytes below rbp of a native frame: the stack of the program, and room that keeps calls aligned.
 */
static uint32_t frame_bytes(const struct jit *j, bool entry)
{
	uint32_t stack = is_classic(j) ? 64 : FLT_STACK_BYTES;
	uint32_t pushed = saved_count(j) + (entry && keeps_context(j) ? 1 : 0);
	if (j->in->checked || !j->uses_stack)
		stack = 0;
	return stack + (pushed & 1 ? 8 : 0);
}

static void save_registers(struct jit *j)
{
	for (uint32_t r = R6; r <= R9; r++)
		if (j->saves[r])
			x86_push(&j->c, flt_jit_reg(r));
}

static void restore_registers(struct jit *j)
{
	for (uint32_t r = R9; r >= R6; r--)
		if (j->saves[r])
			x86_pop(&j->c, flt_jit_reg(r));
}

/* Where the frame's bytes are and how many, out of the struct flt_frame that a register points to.
 */
void flt_jit_emit_frame(struct jit *j, uint32_t frame)
{
	x86_load(&j->c, 8, R_8, frame, offsetof(struct flt_frame, data));
	x86_load(&j->c, 4, R_9, frame, offsetof(struct flt_frame, len));
}

/* Entry of the program (called from C) or of a local function. */
static void emit_prologue(struct jit *j, bool entry)
{
	struct x86_code *c = &j->c;
	if (!has_frame(j)) {
		if (is_classic(j))
			flt_jit_emit_frame(j, RDI);
		return;
	}
	x86_push(c, RBP);
	if (!j->in->checked)
		x86_mov(c, true, RBP, RSP);
	if (frame_bytes(j, entry))
		x86_alu_imm(c, X86_SUB, true, RSP, (int32_t)frame_bytes(j, entry));
	save_registers(j);
	if (!entry)
		return;
	if (keeps_context(j))
		x86_push(c, R_12);
	if (j->in->checked) {
		x86_mov(c, true, R_12, RDX);
		x86_op_rm(c, 0, 0x89, true, RSP, R_12, offsetof(struct flt_checked, saved_rsp),
		          false);
		x86_load(c, 8, RBP, R_12, offsetof(struct flt_checked, stack_top));
		for (uint32_t r = R6; r <= R9; r++)
			if (j->saves[r])
				x86_mov_imm32(c, flt_jit_reg(r), 0);
		x86_mov_imm32(c, RAX, 0);
		x86_mov_imm32(c, RDX, 0);
		x86_mov_imm32(c, RCX, 0);
		x86_mov_imm32(c, R_8, 0);
	} else if (keeps_context(j)) {
		x86_mov(c, true, R_12, RDI);
	} else if (is_classic(j)) {
		flt_jit_emit_frame(j, RDI);
	}
}

static void emit_epilogue(struct jit *j, bool entry)
{
	struct x86_code *c = &j->c;
	if (has_frame(j)) {
		if (entry && keeps_context(j))
			x86_pop(c, R_12);
		restore_registers(j);
		if (frame_bytes(j, entry))
			x86_alu_imm(c, X86_ADD, true, RSP, (int32_t)frame_bytes(j, entry));
		x86_pop(c, RBP);
	}
	x86_ret(c);
}

void flt_jit_emit_exit(struct jit *j, bool entry)
{
	if (!has_frame(j) || !entry)
		emit_epilogue(j, entry);
	else
		x86_jump(&j->c, X86_ALWAYS, j->epilogue);
}

/* --- calls of what is known by a register, or by another program --- */

/* Checked mode only: one comparison for each helper that may be called this way. */
void flt_jit_emit_call_register(struct jit *j, const struct flt_insn *insn)
{
	struct x86_code *c = &j->c;
	const struct flt_helper *helper;
	uint32_t ends[5], n = 0; /* as many as short jumps reach over */
	x86_mov(c, true, R_11, flt_jit_reg(flt_insn_call_register(insn)));
	for (uint32_t i = 0; (helper = flt_helper_at(i)); i++) {
		if (!flt_helper_is_plain(helper) || n == FLT_ARRAY_SIZE(ends))
			continue;
		x86_alu_imm(c, X86_CMP, true, R_11, (int32_t)helper->number);
		uint32_t next = x86_skip(c, X86_NE);
		x86_movabs(c, RAX, (uint64_t)(uintptr_t)helper->call);
		x86_call_reg(c, RAX);
		ends[n++] = x86_skip(c, X86_ALWAYS);
		x86_land(c, next);
	}
	x86_store_imm(c, 4, R_12, offsetof(struct flt_checked, fault), FLT_FAULT_CALL);
	x86_jump(c, X86_ALWAYS, j->fail);
	while (n)
		x86_land(c, ends[--n]);
}

/* In the kernel all machine code lies within the reach of a direct call. */
void flt_jit_emit_import(struct jit *j, const struct flt_insn *insn)
{
	struct x86_code *c = &j->c;
	uint64_t target =
	        j->in->imports ? (uint64_t)(uintptr_t)j->in->imports[insn->imm]->native : 0;
	if ((int64_t)target < 0 && (int64_t)target >= INT32_MIN) {
		x86_call(c, (uint32_t)(target - (uint64_t)(uintptr_t)c->out));
		return;
	}
	x86_movabs(c, RAX, target);
	x86_call_reg(c, RAX);
}

/* --- the program --- */

/* Whether a local function begins at the instruction. */
static bool *find_functions(const struct flt_jit_input *in)
{
	bool *starts = flt_alloc_array(in->n_insns + 1, sizeof(bool));
	for (uint32_t i = 0; starts && i < in->n_insns; i++) {
		const struct flt_insn *insn = &in->insns[i];
		if (insn->code == (BPF_JMP | BPF_CALL) && insn_src(insn) == BPF_PSEUDO_CALL)
			starts[i + 1 + (uint32_t)insn->imm] = true;
		if (insn_is_wide(insn))
			i++;
	}
	return starts;
}

/* Whether something jumps to the instruction, or it is a function's first. */
static bool *find_targets(const struct flt_jit_input *in, const bool *functions)
{
	bool *targets = flt_alloc_array(in->n_insns + 1, sizeof(bool));
	for (uint32_t i = 0; targets && i < in->n_insns; i++) {
		const struct flt_insn *insn = &in->insns[i];
		uint32_t class = insn->code & BPF_CLASS_MASK, op = insn->code & BPF_OP_MASK;
		targets[i] |= functions[i];
		if ((class == BPF_JMP || class == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT)
			targets[i + 1 + (uint32_t)flt_insn_distance(insn)] = true;
		if (insn_is_wide(insn))
			i++;
	}
	return targets;
}

/* Notes where something stands, and whether that is new. */
static void place(struct jit *j, uint32_t *where)
{
	j->moved |= *where != j->c.at;
	*where = j->c.at;
}

static void emit_tail(struct jit *j)
{
	struct x86_code *c = &j->c;
	if (j->uses_fail || j->in->checked) {
		place(j, &j->fail);
		if (j->in->checked)
			x86_load(c, 8, RSP, R_12, offsetof(struct flt_checked, saved_rsp));
		x86_mov_imm32(c, RAX, 0);
	}
	place(j, &j->epilogue);
	emit_epilogue(j, true);
}

static void emit_function_start(struct jit *j)
{
	uint32_t before = j->c.at;
	emit_prologue(j, false);
	j->prologue_bytes = j->c.at - before;
}

static void emit_program(struct jit *j, const bool *functions)
{
	bool entry = true;
	j->c.at = 0;
	j->moved = false;
	emit_prologue(j, true);
	if (functions[0]) { /* it calls itself: then it is a local function, too */
		x86_call(&j->c, j->where[0] - j->prologue_bytes);
		x86_jump(&j->c, X86_ALWAYS, j->epilogue);
	}
	for (uint32_t i = 0; i < j->in->n_insns; i++) {
		if (functions[i]) {
			entry = false;
			emit_function_start(j);
		}
		place(j, &j->where[i]);
		flt_jit_emit_insn(j, i, entry);
		if (insn_is_wide(&j->in->insns[i])) {
			i++;
			place(j, &j->where[i]);
		}
	}
	emit_tail(j);
}

/* What the code must provide for; one look over all instructions. */
static void survey(struct jit *j)
{
	for (uint32_t i = 0; i < j->in->n_insns; i++) {
		const struct flt_insn *insn = &j->in->insns[i];
		uint32_t class = insn->code & BPF_CLASS_MASK;
		bool writes = class == BPF_LDX || class == BPF_ALU || class == BPF_ALU64 ||
		              (class == BPF_LD && (insn->code & BPF_MODE_MASK) == BPF_IMM);
		if (writes && insn_dst(insn) < FLT_REGS)
			j->saves[insn_dst(insn)] = true;
		if (class == BPF_STX && (insn->code & BPF_MODE_MASK) == BPF_ATOMIC)
			j->saves[insn_src(insn)] = true;
		if (insn_dst(insn) == R10 || insn_src(insn) == R10)
			j->uses_stack = true;
		if ((insn->code & ~(uint32_t)BPF_SRC_MASK) == (BPF_JMP | BPF_CALL))
			j->calls = true;
		if (j->in->notes && j->in->notes[i].flags & FLT_NOTE_PACKET)
			j->clamps = true;
		if (insn_is_wide(insn))
			i++;
	}
}

static void meet(uint32_t *known, uint32_t proven)
{
	*known = flt_min_u32(*known, proven);
}

/*
 * How many captured bytes are known before each instruction of a classic program. Its jumps all go
 * forward, so one pass in order is enough.
 */
static void prove_lengths(struct jit *j)
{
	const struct flt_jit_input *in = j->in;
	for (uint32_t i = 1; i < in->n_insns; i++)
		j->proven[i] = UINT32_MAX;
	for (uint32_t i = 0; i + 1 < in->n_insns; i++) {
		const struct flt_insn *insn = &in->insns[i];
		uint32_t class = insn->code & BPF_CLASS_MASK, op = insn->code & BPF_OP_MASK;
		uint32_t proven = j->proven[i], at = (uint32_t)insn->imm;
		if (class == BPF_LD && (insn->code & BPF_MODE_MASK) == BPF_ABS &&
		    at <= INT32_MAX - 4u)
			proven = flt_max_u32(proven, at + insn_size(insn));
		bool jumps = class == BPF_JMP || class == BPF_JMP32;
		if (jumps && op == BPF_EXIT)
			continue;
		if (jumps && op == BPF_JA) {
			int32_t distance = class == BPF_JMP32 ? insn->imm : insn->offset;
			meet(&j->proven[i + 1 + (uint32_t)distance], proven);
			continue;
		}
		if (jumps && op != BPF_CALL)
			meet(&j->proven[i + 1 + (uint32_t)insn->offset], proven);
		meet(&j->proven[i + 1], proven);
	}
}

/* Dry runs until nothing moves any more. */
static bool settle(struct jit *j, const bool *functions)
{
	memset(j->where, 0xff, (j->in->n_insns + 1) * sizeof(*j->where));
	j->fail = j->epilogue = TARGET_UNKNOWN;
	for (uint32_t pass = 0; pass < PASSES_MAX; pass++) {
		emit_program(j, functions);
		if (!j->moved)
			return true;
	}
	return false;
}

static int write_code(struct jit *j, const bool *functions, void **code, size_t *size)
{
	if (!settle(j, functions))
		return FLT_E_UNSUPPORTED;
	*size = j->c.at;
	*code = flt_platform.code_alloc(*size);
	if (!*code)
		return FLT_E_NO_MEMORY;
	j->c.out = *code;
	emit_program(j, functions);
	if (j->moved || flt_platform.code_seal(*code, *size)) {
		flt_platform.code_free(*code, *size);
		return FLT_E_UNSUPPORTED;
	}
	return 0;
}

int flt_jit_compile(const struct flt_jit_input *input, void **code, size_t *size)
{
	struct jit j = {.in = input};
	int result = FLT_E_NO_MEMORY;
	if (!flt_platform.code_alloc)
		return FLT_E_UNSUPPORTED;
	survey(&j);
	bool *functions = find_functions(input);
	j.targets = functions ? find_targets(input, functions) : NULL;
	j.where = flt_alloc_array(input->n_insns + 1, sizeof(*j.where));
	j.proven = flt_alloc_array(input->n_insns + 1, sizeof(*j.proven));
	if (j.targets && j.where && j.proven) {
		if (input->kind == FLT_KIND_CLASSIC)
			prove_lengths(&j);
		result = write_code(&j, functions, code, size);
	}
	flt_free(functions);
	flt_free(j.targets);
	flt_free(j.where);
	flt_free(j.proven);
	return result;
}
