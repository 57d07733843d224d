/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether eBPF instructions are well-formed (RFC 9669, untrusted): opcodes, registers, reserved
 * fields, jumps that stay inside their function. Says nothing about safety; that is the verifier's
 * part.
 */
#include "check.h"

#include "helper.h"

/* --- single instructions --- */

static const char *check_alu(const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	bool wide = (insn->code & BPF_CLASS_MASK) == BPF_ALU64, x = insn->code & BPF_SRC_MASK;
	bool may_offset = op == BPF_DIV || op == BPF_MOD;
	if (op == BPF_END) {
		if (insn->imm != 16 && insn->imm != 32 && insn->imm != 64)
			return "byte swap of a width other than 16, 32 or 64";
		if ((wide && x) || insn_src(insn) || insn->offset)
			return "reserved fields of a byte swap are not 0";
		return NULL;
	}
	if (op > BPF_END)
		return "unknown ALU operation";
	if (op == BPF_NEG)
		return x || insn_src(insn) || insn->imm || insn->offset
		               ? "reserved fields of a negation are not 0"
		               : NULL;
	if (x ? insn->imm != 0 : insn_src(insn) != 0)
		return "an operand that is not used is not 0";
	if (may_offset && insn->offset != 0 && insn->offset != 1)
		return "offset of a division is neither 0 nor 1";
	if (op == BPF_MOV && insn->offset) {
		if (!x ||
		    (insn->offset != 8 && insn->offset != 16 && !(wide && insn->offset == 32)))
			return "sign extension of an unknown width";
		return NULL;
	}
	if (insn->offset && !may_offset)
		return "offset of an ALU operation is not 0";
	return NULL;
}

/* Compilers before LLVM 19 put the register's number into imm, later ones into the destination. */
uint32_t flt_insn_call_register(const struct flt_insn *insn)
{
	return insn_dst(insn) ? insn_dst(insn) : (uint32_t)insn->imm;
}

static const char *check_call_register(const struct flt_insn *insn)
{
	if (insn_src(insn) || insn->offset || (insn_dst(insn) && insn->imm))
		return "reserved fields of a call are not 0";
	return flt_insn_call_register(insn) < R10 ? NULL : "call by a register that can't be";
}

static const char *check_jump(const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	bool wide = (insn->code & BPF_CLASS_MASK) == BPF_JMP, x = insn->code & BPF_SRC_MASK;
	if (op == BPF_JA)
		return x || insn->regs || (wide ? insn->imm : insn->offset)
		               ? "reserved fields of a jump are not 0"
		               : NULL;
	if (op == BPF_EXIT)
		return !wide || x || insn->regs || insn->imm || insn->offset
		               ? "reserved fields of an exit are not 0"
		               : NULL;
	if (op == BPF_CALL && wide && x)
		return check_call_register(insn);
	if (op == BPF_CALL) {
		if (!wide || insn->offset || insn_dst(insn))
			return "reserved fields of a call are not 0";
		return insn_src(insn) <= BPF_PSEUDO_IMPORT ? NULL : "unknown kind of call";
	}
	if (op > BPF_JSLE)
		return "unknown jump";
	return (x ? insn->imm != 0 : insn_src(insn) != 0) ? "an operand that is not used is not 0"
	                                                  : NULL;
}

static const char *check_atomic(const struct flt_insn *insn)
{
	uint32_t size = insn_size(insn);
	if (size != 4 && size != 8)
		return "atomic operation on neither 4 nor 8 bytes";
	switch ((uint32_t)insn->imm) {
	case BPF_ADD:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR:
	case BPF_ADD | BPF_FETCH:
	case BPF_OR | BPF_FETCH:
	case BPF_AND | BPF_FETCH:
	case BPF_XOR | BPF_FETCH:
	case BPF_XCHG:
	case BPF_CMPXCHG:
		return NULL;
	default:
		return "unknown atomic operation";
	}
}

/* Legacy packet loads; the verifier does not take them. */
static const char *check_packet_load(const struct flt_insn *insn)
{
	uint32_t mode = insn->code & BPF_MODE_MASK;
	if ((mode != BPF_ABS && mode != BPF_IND) || insn_size(insn) == 8)
		return "unknown load";
	return insn_dst(insn) || insn->offset || (mode == BPF_ABS && insn_src(insn))
	               ? "reserved fields of a packet load are not 0"
	               : NULL;
}

static const char *check_load(const struct flt_insn *insn, uint32_t left)
{
	if (insn_is_wide(insn)) {
		if (!left)
			return "second half of a 64-bit immediate is missing";
		if (insn[1].code || insn[1].regs || insn[1].offset || insn->offset)
			return "reserved fields of a 64-bit immediate are not 0";
		if (insn_src(insn) > BPF_PSEUDO_MAP_VALUE)
			return "64-bit immediate of an unknown kind";
		if (insn_src(insn) == BPF_PSEUDO_MAP && insn[1].imm)
			return "a map's reference with an offset";
		return NULL;
	}
	return check_packet_load(insn);
}

static const char *check_memory(const struct flt_insn *insn)
{
	uint32_t class = insn->code & BPF_CLASS_MASK, mode = insn->code & BPF_MODE_MASK;
	if (class == BPF_LDX) {
		if (mode == BPF_MEMSX)
			return insn_size(insn) == 8 || insn->imm ? "bad sign-extending load" : NULL;
		return mode != BPF_MEM || insn->imm ? "bad load" : NULL;
	}
	if (class == BPF_STX && mode == BPF_ATOMIC)
		return check_atomic(insn);
	if (mode != BPF_MEM)
		return "unknown store";
	return (class == BPF_ST ? insn_src(insn) != 0 : insn->imm != 0)
	               ? "reserved fields of a store are not 0"
	               : NULL;
}

/* The registers that an instruction names exist, and the frame pointer is not written. */
static const char *check_registers(const struct flt_insn *insn)
{
	uint32_t class = insn->code & BPF_CLASS_MASK;
	bool stores = class == BPF_ST || class == BPF_STX;
	bool writes = class == BPF_ALU || class == BPF_ALU64 || class == BPF_LDX || class == BPF_LD;
	bool fetches = class == BPF_STX && (insn->code & BPF_MODE_MASK) == BPF_ATOMIC &&
	               (insn->imm & BPF_FETCH);
	if (insn_dst(insn) > R10 || (insn_src(insn) > R10 && !insn_is_wide(insn)))
		return "register that does not exist";
	if ((writes && !stores && insn_dst(insn) == R10) || (fetches && insn_src(insn) == R10))
		return "the frame pointer is read only";
	return NULL;
}

static const char *check_insn(const struct flt_insn *insn, uint32_t left)
{
	const char *reason = check_registers(insn);
	if (reason)
		return reason;
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_ALU:
	case BPF_ALU64:
		return check_alu(insn);
	case BPF_JMP:
	case BPF_JMP32:
		return check_jump(insn);
	case BPF_LD:
		return check_load(insn, left);
	default:
		return check_memory(insn);
	}
}

/* --- control flow --- */

static bool is_jump(const struct flt_insn *insn)
{
	uint32_t class = insn->code & BPF_CLASS_MASK, op = insn->code & BPF_OP_MASK;
	return (class == BPF_JMP || class == BPF_JMP32) && op != BPF_CALL && op != BPF_EXIT;
}

int32_t flt_insn_distance(const struct flt_insn *insn)
{
	bool far = insn->code == (BPF_JMP32 | BPF_JA);
	return far ? insn->imm : insn->offset;
}

static int check_call_target(struct flt_shape_of_program *shape, const struct flt_insn *insns,
                             uint32_t n, uint32_t i, struct flt_error *error)
{
	int64_t target = (int64_t)i + 1 + insns[i].imm;
	if (target < 0 || target >= n)
		return flt_fail(error, FLT_E_INVALID, (int32_t)i, "call out of the program");
	if (shape->kinds[target] & FLT_INSN_SECOND_HALF)
		return flt_fail(error, FLT_E_INVALID, (int32_t)i,
		                "call into the middle of an instruction");
	shape->kinds[target] |= FLT_INSN_FUNCTION;
	return 0;
}

static int mark_calls(struct flt_shape_of_program *shape, const struct flt_insn *insns, uint32_t n,
                      struct flt_error *error)
{
	shape->kinds[0] |= FLT_INSN_FUNCTION;
	for (uint32_t i = 0; i < n; i++) {
		int code = 0;
		if (shape->kinds[i] & FLT_INSN_SECOND_HALF)
			continue;
		if (insns[i].code == (BPF_JMP | BPF_CALL) && insn_src(&insns[i]) == BPF_PSEUDO_CALL)
			code = check_call_target(shape, insns, n, i, error);
		if (code)
			return code;
	}
	return 0;
}

static void number_functions(struct flt_shape_of_program *shape, uint32_t n)
{
	uint32_t start = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (shape->kinds[i] & FLT_INSN_FUNCTION)
			start = i;
		shape->function[i] = start;
	}
}

static int check_targets(struct flt_shape_of_program *shape, const struct flt_insn *insns,
                         uint32_t n, struct flt_error *error)
{
	for (uint32_t i = 0; i < n; i++) {
		if ((shape->kinds[i] & FLT_INSN_SECOND_HALF) || !is_jump(&insns[i]))
			continue;
		int64_t target = (int64_t)i + 1 + flt_insn_distance(&insns[i]);
		if (target < 0 || target >= n || shape->function[target] != shape->function[i])
			return flt_fail(error, FLT_E_INVALID, (int32_t)i,
			                "jump out of the function");
		if (shape->kinds[target] & FLT_INSN_SECOND_HALF)
			return flt_fail(error, FLT_E_INVALID, (int32_t)i,
			                "jump into the middle of an instruction");
		shape->kinds[target] |= FLT_INSN_TARGET;
	}
	return 0;
}

/* Control must not run out of a function at its end. */
static int check_ends(const struct flt_shape_of_program *shape, const struct flt_insn *insns,
                      uint32_t n, struct flt_error *error)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i + 1 < n && shape->function[i + 1] == shape->function[i])
			continue;
		uint32_t class = insns[i].code & BPF_CLASS_MASK;
		uint32_t op = insns[i].code & BPF_OP_MASK;
		bool leaves = insns[i].code == (BPF_JMP | BPF_EXIT) ||
		              ((class == BPF_JMP || class == BPF_JMP32) && op == BPF_JA);
		if (!leaves || (shape->kinds[i] & FLT_INSN_SECOND_HALF))
			return flt_fail(error, FLT_E_INVALID, (int32_t)i,
			                "control runs out of the end of a function");
	}
	return 0;
}

static int check_insns(struct flt_shape_of_program *shape, const struct flt_insn *insns, uint32_t n,
                       struct flt_error *error)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *reason = check_insn(&insns[i], n - 1 - i);
		if (reason)
			return flt_fail(error, FLT_E_INVALID, (int32_t)i, "%s (opcode 0x%02x)",
			                reason, (uint32_t)insns[i].code);
		if (insn_is_wide(&insns[i]))
			shape->kinds[++i] |= FLT_INSN_SECOND_HALF;
	}
	return 0;
}

int flt_check(const struct flt_insn *insns, uint32_t n, struct flt_shape_of_program *shape,
              struct flt_error *error)
{
	memset(shape, 0, sizeof(*shape));
	if (n < 1 || n > FLT_PROGRAM_INSNS_MAX)
		return flt_fail(error, FLT_E_LIMIT, -1,
		                "program of %u instructions; 1 to %u are taken", n,
		                (uint32_t)FLT_PROGRAM_INSNS_MAX);
	shape->kinds = flt_alloc_array(n, sizeof(*shape->kinds));
	shape->function = flt_alloc_array(n, sizeof(*shape->function));
	if (!shape->kinds || !shape->function)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	int code = check_insns(shape, insns, n, error);
	if (!code)
		code = mark_calls(shape, insns, n, error);
	if (code)
		return code;
	number_functions(shape, n);
	code = check_targets(shape, insns, n, error);
	return code ? code : check_ends(shape, insns, n, error);
}

/* Instructions to go on from, and what was seen; each is put on the list once. */
struct reach {
	uint32_t *list;
	uint32_t n;
	bool *seen;
};

static void reach(struct reach *r, uint32_t i)
{
	if (r->seen[i])
		return;
	r->seen[i] = true;
	r->list[r->n++] = i;
}

static void reach_from(struct reach *r, const struct flt_insn *insns, uint32_t i)
{
	const struct flt_insn *insn = &insns[i];
	uint32_t class = insn->code & BPF_CLASS_MASK, op = insn->code & BPF_OP_MASK;
	bool jumps = class == BPF_JMP || class == BPF_JMP32;
	if (jumps && op == BPF_EXIT)
		return;
	if (is_jump(insn))
		reach(r, i + 1 + (uint32_t)flt_insn_distance(insn));
	if (insn->code == (BPF_JMP | BPF_CALL) && insn_src(insn) == BPF_PSEUDO_CALL)
		reach(r, i + 1 + (uint32_t)insn->imm);
	if (!jumps || op != BPF_JA)
		reach(r, i + 1 + insn_is_wide(insn));
}

int flt_check_reachable(const struct flt_insn *insns, uint32_t n,
                        const struct flt_shape_of_program *shape, struct flt_error *error)
{
	struct reach r = {.list = flt_alloc_array(n, sizeof(*r.list)),
	                  .seen = flt_alloc_array(n, sizeof(*r.seen))};
	int code = 0;
	if (!r.list || !r.seen)
		code = flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	else
		reach(&r, 0);
	while (!code && r.n)
		reach_from(&r, insns, r.list[--r.n]);
	for (uint32_t i = 0; i < n && !code; i++)
		if (!r.seen[i] && !(shape->kinds[i] & FLT_INSN_SECOND_HALF))
			code = flt_fail(error, FLT_E_REFUSED, (int32_t)i,
			                "the instruction can't be reached");
	flt_free(r.list);
	flt_free(r.seen);
	return code;
}

void flt_shape_of_program_free(struct flt_shape_of_program *shape)
{
	flt_free(shape->kinds);
	flt_free(shape->function);
	memset(shape, 0, sizeof(*shape));
}
