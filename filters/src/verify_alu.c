/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier: arithmetic.
 */
#include "verify.h"

static bool is_wide(const struct flt_insn *insn)
{
	return (insn->code & BPF_CLASS_MASK) == BPF_ALU64;
}

/* --- pointers --- */

/* The limit holds for every number that the instruction adds, on any path. */
static void raise_limit(struct flt_note *note, const struct flt_vreg *pointer, uint64_t most)
{
	/* Pointers into the packet are checked afterwards: near is enough. */
	if (!flt_vtype_in_packet(pointer->type) || most > UINT16_MAX)
		note->flags = (uint8_t)((note->flags | FLT_NOTE_NOT_WITHIN) & ~FLT_NOTE_WITHIN);
	note->limit = flt_max_u32(note->limit, (uint32_t)most);
}

/*
 * Speculation: after a mispredicted bounds check the offset could be anything. Where its bound is
 * known the machine code holds it (or, where that is not possible, waits for the check). A constant
 * needs no limit, but must not be cut by one.
 */
static void note_limit(struct flt_verifier *v, const struct flt_vreg *pointer,
                       const struct flt_range *number, bool number_is_source, bool subtract)
{
	struct flt_note *note = &v->notes[v->now.pc];
	bool is_const = flt_range_is_const(number);
	bool limitable = number_is_source && !subtract && number->smin >= 0 &&
	                 number->umax <= INT32_MAX && !(note->flags & FLT_NOTE_PLAIN_ALU);
	if (!limitable && is_const)
		note->flags |= FLT_NOTE_PLAIN_ALU;
	if (!limitable && (!is_const || note->flags & FLT_NOTE_LIMIT))
		note->flags = (uint8_t)((note->flags | FLT_NOTE_FENCE) &
		                        ~(FLT_NOTE_LIMIT | FLT_NOTE_WITHIN));
	if (!limitable || note->flags & FLT_NOTE_FENCE)
		return;
	raise_limit(note, pointer, number->umax);
	if (is_const && !(note->flags & FLT_NOTE_LIMIT))
		return;
	note->flags |= FLT_NOTE_LIMIT;
	if (!(note->flags & FLT_NOTE_NOT_WITHIN))
		note->flags |= FLT_NOTE_WITHIN;
}

/* The same instruction also adds numbers: it must not be limited. */
static void note_plain(struct flt_verifier *v)
{
	struct flt_note *note = &v->notes[v->now.pc];
	if (note->flags & FLT_NOTE_LIMIT)
		note->flags = (uint8_t)((note->flags | FLT_NOTE_FENCE) & ~FLT_NOTE_LIMIT);
	note->flags |= FLT_NOTE_PLAIN_ALU;
}

static bool may_move(uint32_t type)
{
	return type == FLT_V_STACK || type == FLT_V_PACKET || type == FLT_V_PACKET_META ||
	       type == FLT_V_VALUE || type == FLT_V_RAW || type == FLT_V_MEMORY;
}

static int add_constant(struct flt_verifier *v, struct flt_vreg *pointer, int64_t by)
{
	if (by > FLT_POINTER_OFFSET_MAX || by < -FLT_POINTER_OFFSET_MAX)
		return flt_vrefuse(v, "offset %ld is too large for a pointer", (long)by);
	int64_t offset = pointer->offset + by;
	if (offset > FLT_POINTER_OFFSET_MAX || offset < -FLT_POINTER_OFFSET_MAX)
		return flt_vrefuse(v, "pointer moves too far");
	pointer->offset = (int32_t)offset;
	pointer->beyond = 0;
	return 0;
}

static int add_range(struct flt_verifier *v, struct flt_vreg *pointer, struct flt_range by,
                     bool subtract)
{
	pointer->range = flt_range_alu(subtract ? BPF_SUB : BPF_ADD, true, 0, &pointer->range, &by);
	if (pointer->range.smin < -FLT_POINTER_OFFSET_MAX ||
	    pointer->range.smax > FLT_POINTER_OFFSET_MAX)
		return flt_vrefuse(v, "%s is moved by a number without bounds (from %ld to %ld)",
		                   flt_vtype_name(pointer->type), (long)by.smin, (long)by.smax);
	if (!flt_vtype_in_packet(pointer->type))
		return 0;
	/* Somewhere else in the packet: nothing is proven about what lies behind it. */
	pointer->id = v->next_id++;
	pointer->length = pointer->sure = 0;
	pointer->beyond = 0;
	return 0;
}

static int move_pointer(struct flt_verifier *v, struct flt_vreg *pointer,
                        const struct flt_range *by, bool subtract)
{
	if (!may_move(pointer->type))
		return flt_vrefuse(v, "arithmetic on %s", flt_vtype_name(pointer->type));
	if (flt_range_is_const(by)) {
		int64_t constant = (int64_t)by->bits.value;
		if (constant == INT64_MIN)
			return flt_vrefuse(v, "offset is too large for a pointer");
		return add_constant(v, pointer, subtract ? -constant : constant);
	}
	return add_range(v, pointer, *by, subtract);
}

/* The distance of two pointers into the packet is a number that gives nothing away. */
static int subtract_pointers(struct flt_verifier *v, struct flt_vreg *dst,
                             const struct flt_vreg *src)
{
	bool same_stack =
	        dst->type == FLT_V_STACK && src->type == FLT_V_STACK && dst->frame == src->frame;
	if (!(flt_vtype_in_packet(dst->type) && flt_vtype_in_packet(src->type)) && !same_stack)
		return flt_vrefuse(v, "%s minus %s", flt_vtype_name(dst->type),
		                   flt_vtype_name(src->type));
	flt_vreg_set_number(dst, flt_range_unknown());
	return 0;
}

static int pointer_alu(struct flt_verifier *v, const struct flt_insn *insn, struct flt_vreg *dst,
                       const struct flt_vreg *src)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	bool dst_pointer = flt_vtype_is_pointer(dst->type);
	bool src_pointer = flt_vtype_is_pointer(src->type);
	if (!is_wide(insn) && op == BPF_SUB && dst_pointer && src_pointer) {
		int code = subtract_pointers(v, dst, src);
		dst->range = flt_range_of_bytes(4);
		return code;
	}
	if (!is_wide(insn) || (op != BPF_ADD && op != BPF_SUB))
		return flt_vrefuse(v, "operation on %s other than adding or subtracting",
		                   flt_vtype_name(dst_pointer ? dst->type : src->type));
	if (dst->type == FLT_V_VALUE_OR_NULL || src->type == FLT_V_VALUE_OR_NULL)
		return flt_vrefuse(v, "arithmetic on a pointer that may be NULL: compare it with 0 "
		                      "first");
	if (dst_pointer && src_pointer)
		return op == BPF_SUB ? subtract_pointers(v, dst, src)
		                     : flt_vrefuse(v, "sum of two pointers");
	flt_vdecides(v, insn_dst(insn));
	if (insn->code & BPF_SRC_MASK)
		flt_vdecides(v, insn_src(insn));
	if (dst_pointer) {
		note_limit(v, dst, &src->range, insn->code & BPF_SRC_MASK, op == BPF_SUB);
		return move_pointer(v, dst, &src->range, op == BPF_SUB);
	}
	if (op == BPF_SUB)
		return flt_vrefuse(v, "a pointer is subtracted from a number");
	struct flt_range by = dst->range;
	note_limit(v, src, &by, false, false);
	*dst = *src;
	return move_pointer(v, dst, &by, false);
}

/* --- moves --- */

static int move(struct flt_verifier *v, const struct flt_insn *insn, struct flt_vreg *dst,
                struct flt_vreg *src)
{
	bool plain = is_wide(insn) && !insn->offset;
	if (flt_vtype_is_pointer(src->type)) {
		if (!plain)
			return flt_vrefuse(v, "part of %s is moved", flt_vtype_name(src->type));
		*dst = *src;
		return 0;
	}
	/* A copy: what is learned of one is learned of the other. */
	bool same = plain || (!is_wide(insn) && !insn->offset && src->range.umax <= UINT32_MAX);
	if (same && (insn->code & BPF_SRC_MASK) && !flt_range_is_const(&src->range)) {
		if (!src->id)
			src->id = v->next_id++;
		*dst = *src;
		return 0;
	}
	flt_vreg_set_number(
	        dst, flt_range_alu(BPF_MOV, is_wide(insn), insn->offset, &dst->range, &src->range));
	return 0;
}

static int swap(struct flt_verifier *v, const struct flt_insn *insn, struct flt_vreg *dst)
{
	bool swaps = is_wide(insn) || (insn->code & BPF_SRC_MASK);
	if (flt_vtype_is_pointer(dst->type))
		return flt_vrefuse(v, "byte swap of %s", flt_vtype_name(dst->type));
	flt_vreg_set_number(dst, flt_range_swap(swaps, insn->imm, &dst->range));
	return 0;
}

/* --- all --- */

static int read_operands(struct flt_verifier *v, const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	int code = op == BPF_MOV ? 0 : flt_vread(v, insn_dst(insn));
	if (!code && (insn->code & BPF_SRC_MASK) && op != BPF_END)
		code = flt_vread(v, insn_src(insn));
	return code;
}

/* Well defined (RFC 9669), but never meant. */
static int check_constant(struct flt_verifier *v, const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	if (insn->code & BPF_SRC_MASK)
		return 0;
	if ((op == BPF_DIV || op == BPF_MOD) && !insn->imm)
		return flt_vrefuse(v, "division by the constant 0");
	if ((op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) &&
	    (uint32_t)insn->imm >= (is_wide(insn) ? 64u : 32u))
		return flt_vrefuse(v, "shift by %d, more than the width", insn->imm);
	return 0;
}

int flt_valu(struct flt_verifier *v, const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	struct flt_vreg *dst = flt_vreg_now(v, insn_dst(insn)), constant;
	struct flt_vreg *src = &constant;
	int code = read_operands(v, insn);
	if (!code)
		code = check_constant(v, insn);
	if (code)
		return code;
	if (op == BPF_END)
		return swap(v, insn, dst);
	flt_vreg_set_number(&constant, flt_range_const((uint64_t)(int64_t)insn->imm));
	if (insn->code & BPF_SRC_MASK)
		src = flt_vreg_now(v, insn_src(insn));
	if (op == BPF_MOV)
		return move(v, insn, dst, src);
	if (flt_vtype_is_pointer(dst->type) || flt_vtype_is_pointer(src->type))
		return pointer_alu(v, insn, dst, src);
	if (op == BPF_ADD || op == BPF_SUB)
		note_plain(v);
	bool self_xor = (op == BPF_XOR || op == BPF_SUB) && (insn->code & BPF_SRC_MASK) &&
	                insn_src(insn) == insn_dst(insn);
	flt_vreg_set_number(dst, self_xor ? flt_range_const(0)
	                                  : flt_range_alu(op, is_wide(insn), insn->offset,
	                                                  &dst->range, &src->range));
	return 0;
}
