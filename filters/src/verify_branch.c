/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier: conditional jumps, and what is learned on either side of them.
 */
#include "verify.h"

/* Calls visit for every register, saved ones included, of a state. */
static void for_each_reg(struct flt_vstate *state,
                         void (*visit)(struct flt_vreg *reg, const struct flt_vreg *about),
                         const struct flt_vreg *about)
{
	for (uint32_t f = 0; f <= state->depth; f++) {
		struct flt_vframe *frame = state->frames[f];
		for (uint32_t r = 0; r < FLT_REGS; r++)
			visit(&frame->regs[r], about);
		for (uint32_t i = 0; i < frame->n_slots; i++)
			if (frame->slots[i].bytes[0] == FLT_B_SPILL)
				visit(&frame->slots[i].spill, about);
	}
}

/* --- numbers --- */

static void copy_range(struct flt_vreg *reg, const struct flt_vreg *about)
{
	if (reg->type == FLT_V_NUMBER && reg->id == about->id)
		reg->range = about->range;
}

/* A register's range was narrowed: so were those of its copies. */
static void tell_copies(struct flt_vstate *state, const struct flt_vreg *reg)
{
	struct flt_vreg about = *reg;
	if (!about.id)
		return;
	for_each_reg(state, copy_range, &about);
	if (about.id == FLT_RAW_LENGTH_ID && about.range.umin > state->raw_length)
		state->raw_length = about.range.umin;
}

/* The operands of a conditional jump in some state. The immediate is a register of our own. */
struct operands {
	struct flt_vreg *a, *b;
	struct flt_vreg constant;
};

static void find_operands(struct operands *o, const struct flt_vstate *state,
                          const struct flt_insn *insn)
{
	struct flt_vframe *frame = state->frames[state->depth];
	o->a = &frame->regs[insn_dst(insn)];
	flt_vreg_set_number(&o->constant, flt_range_const((uint64_t)(int64_t)insn->imm));
	o->b = insn->code & BPF_SRC_MASK ? &frame->regs[insn_src(insn)] : &o->constant;
}

static bool is_wide_jump(const struct flt_insn *insn)
{
	return (insn->code & BPF_CLASS_MASK) == BPF_JMP;
}

/* Narrows the operands in a state where the condition holds, or does not; false: can't be. */
static bool learn_numbers(struct flt_vstate *state, const struct flt_insn *insn, bool holds)
{
	struct operands o;
	find_operands(&o, state, insn);
	if (o.a == o.b)
		return true;
	flt_range_refine(insn->code & BPF_OP_MASK, is_wide_jump(insn), holds, &o.a->range,
	                 &o.b->range);
	if (flt_range_empty(&o.a->range) || flt_range_empty(&o.b->range))
		return false;
	tell_copies(state, o.a);
	tell_copies(state, o.b);
	return true;
}

/* --- pointers that may be NULL --- */

static void settle_null(struct flt_vreg *reg, const struct flt_vreg *about)
{
	if (reg->type == FLT_V_VALUE_OR_NULL && reg->id == about->id)
		flt_vreg_set_number(reg, flt_range_const(0));
}

static void settle_value(struct flt_vreg *reg, const struct flt_vreg *about)
{
	if (reg->type == FLT_V_VALUE_OR_NULL && reg->id == about->id) {
		reg->type = FLT_V_VALUE;
		reg->id = 0;
	}
}

static void learn_null(struct flt_vstate *state, const struct flt_insn *insn, bool holds)
{
	struct operands o;
	find_operands(&o, state, insn);
	struct flt_vreg about = *o.a;
	bool null = ((insn->code & BPF_OP_MASK) == BPF_JEQ) == holds;
	for_each_reg(state, null ? settle_null : settle_value, &about);
}

/* --- the packet's end --- */

static void lengthen(struct flt_vreg *reg, const struct flt_vreg *about)
{
	if (reg->type == about->type && reg->id == about->id && reg->length < about->length)
		reg->length = about->length;
}

/* The packet's end for pointers into the packet, the packet's start for those into the metadata. */
static bool is_end_of(const struct flt_vreg *end, const struct flt_vreg *pointer)
{
	if (pointer->type == FLT_V_PACKET)
		return end->type == FLT_V_PACKET_END;
	return pointer->type == FLT_V_PACKET_META && end->type == FLT_V_PACKET && !end->offset &&
	       flt_range_is_const(&end->range) && !end->range.bits.value;
}

/*
 * Where "packet pointer <= end" (or <) holds, the bytes up to the pointer (and one more) exist.
 * Says whether it holds in this state, and how many more.
 */
static bool below_end(uint32_t op, bool pointer_first, bool holds, uint32_t *more)
{
	static const struct {
		uint8_t op, first_holds, first_more, second_holds, second_more;
	} table[] = {
	        {BPF_JGT, 0, 0, 1, 1}, /* p > end fails: p <= end;  end > p holds: p < end */
	        {BPF_JGE, 0, 1, 1, 0},
	        {BPF_JLT, 1, 1, 0, 0},
	        {BPF_JLE, 1, 0, 0, 1},
	};
	for (size_t i = 0; i < FLT_ARRAY_SIZE(table); i++) {
		if (table[i].op != op)
			continue;
		*more = pointer_first ? table[i].first_more : table[i].second_more;
		return holds == (pointer_first ? table[i].first_holds : table[i].second_holds);
	}
	return false;
}

/* Where it does not hold, the pointer is at the end or past it; so is what lies behind it. */
static void mark_beyond(struct flt_vreg *reg, const struct flt_vreg *about)
{
	if (reg->type == about->type && reg->id == about->id && reg->offset >= about->offset &&
	    reg->offset <= FLT_PACKET_OFFSET_MAX && reg->beyond < about->beyond &&
	    reg->range.smin >= 0 && reg->range.smax <= FLT_PACKET_OFFSET_MAX)
		reg->beyond = about->beyond;
}

/*
 * Speculation: on the way where the bytes exist, the machine code makes the pointers in the running
 * function's registers NULL should the comparison say otherwise. Of pointers elsewhere no more is
 * sure than before: loads of more through them are clamped.
 */
static uint32_t lengthen_all(struct flt_vstate *state, const struct flt_vreg *about)
{
	struct flt_vframe *frame = state->frames[state->depth];
	uint32_t guarded = 0;
	for_each_reg(state, lengthen, about);
	for (uint32_t r = 0; r < FLT_REGS; r++) {
		struct flt_vreg *reg = &frame->regs[r];
		if (reg->type != about->type || reg->id != about->id)
			continue;
		guarded |= 1u << r;
		if (reg->sure < about->length)
			reg->sure = about->length;
	}
	return guarded;
}

static uint32_t learn_packet(struct flt_vstate *state, const struct flt_insn *insn, bool holds)
{
	struct operands o;
	uint32_t more;
	find_operands(&o, state, insn);
	bool first = is_end_of(o.b, o.a);
	if (!first && !is_end_of(o.a, o.b))
		return 0;
	struct flt_vreg about = first ? *o.a : *o.b;
	if (!below_end(insn->code & BPF_OP_MASK, first, holds, &more)) {
		if (below_end(insn->code & BPF_OP_MASK, first, !holds, &more)) {
			about.beyond = more ? FLT_AT_END : FLT_PAST_END;
			for_each_reg(state, mark_beyond, &about);
		}
		return 0;
	}
	int64_t length = (int64_t)about.offset + more;
	/* Within the address space the largest packet can't wrap; elsewhere nothing is learned. */
	if (about.range.smin < 0 || length <= 0 ||
	    about.range.smax > FLT_PACKET_OFFSET_MAX - length)
		return 0;
	about.length = (uint16_t)length;
	return lengthen_all(state, &about);
}

/* Whether the comparison of a pointer with the packet's end was made before: as flt_range_decide.
 */
static int decide_packet(const struct flt_insn *insn, const struct operands *o)
{
	bool first = is_end_of(o->b, o->a);
	uint32_t more;
	if (!first && !is_end_of(o->a, o->b))
		return -1;
	const struct flt_vreg *p = first ? o->a : o->b;
	for (int holds = 0; holds < 2; holds++) {
		if (!below_end(insn->code & BPF_OP_MASK, first, holds, &more))
			continue;
		if (p->beyond == FLT_PAST_END || (p->beyond == FLT_AT_END && more))
			return !holds;
	}
	return -1;
}

/* --- all --- */

enum comparison {
	COMPARE_NUMBERS,
	COMPARE_NULL,
	COMPARE_POINTERS,
};

static bool is_zero(const struct flt_vreg *reg)
{
	return reg->type == FLT_V_NUMBER && flt_range_is_const(&reg->range) &&
	       !reg->range.bits.value;
}

static bool is_equality(const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	return op == BPF_JEQ || op == BPF_JNE;
}

/* Where different objects of the kernel's lie, nobody is to learn. */
static bool same_object(const struct flt_vreg *a, const struct flt_vreg *b)
{
	bool packets = flt_vtype_in_packet(a->type) && flt_vtype_in_packet(b->type);
	return packets || (a->type == b->type && a->map == b->map &&
	                   (a->type == FLT_V_STACK || a->type == FLT_V_VALUE));
}

/* What kind of comparison it is; *decision as in flt_range_decide. */
static int classify(struct flt_verifier *v, const struct flt_insn *insn, const struct operands *o,
                    enum comparison *kind, int *decision)
{
	*decision = -1;
	if (o->a->type == FLT_V_NUMBER && o->b->type == FLT_V_NUMBER) {
		*kind = COMPARE_NUMBERS;
		*decision = flt_range_decide(insn->code & BPF_OP_MASK, is_wide_jump(insn),
		                             &o->a->range, &o->b->range);
		return 0;
	}
	/* A packet that is compared with NULL: compilers look at the half that the context has. */
	if (!is_wide_jump(insn) && is_equality(insn) && is_zero(o->b) &&
	    flt_vtype_in_packet(o->a->type)) {
		*kind = COMPARE_POINTERS;
		return 0;
	}
	if (!is_wide_jump(insn))
		return flt_vrefuse(v, "half of a pointer is compared");
	if (is_zero(o->b) && is_equality(insn)) {
		*kind = COMPARE_NULL;
		if (o->a->type == FLT_V_VALUE || o->a->type == FLT_V_MAP)
			*decision = (insn->code & BPF_OP_MASK) == BPF_JNE;
		return 0;
	}
	*kind = COMPARE_POINTERS;
	if (!same_object(o->a, o->b))
		return flt_vrefuse(v, "%s is compared with %s", flt_vtype_name(o->a->type),
		                   flt_vtype_name(o->b->type));
	*decision = decide_packet(insn, o);
	return 0;
}

/* The registers that may be read on a way from the jump on. */
static uint32_t live_behind(const struct flt_verifier *v, const struct flt_insn *insn, bool taken)
{
	return v->live[v->now.pc + 1 + (taken ? (uint32_t)flt_insn_distance(insn) : 0)];
}

/* Learns what the condition says; false: it can't be so. */
static bool learn(struct flt_verifier *v, struct flt_vstate *state, const struct flt_insn *insn,
                  enum comparison kind, bool holds)
{
	struct flt_note *note = &v->notes[v->now.pc];
	switch (kind) {
	case COMPARE_NUMBERS:
		return learn_numbers(state, insn, holds);
	case COMPARE_NULL:
		learn_null(state, insn, holds);
		return true;
	default:
		/* What is not read on that way needs no guard there. */
		note->limit |= (learn_packet(state, insn, holds) & live_behind(v, insn, holds))
		               << (holds ? FLT_NOTE_TAKEN_SHIFT : 0);
		return true;
	}
}

/* The values of the operands decide what is walked, or what is known of something else. */
static void operands_decide(struct flt_verifier *v, const struct flt_insn *insn)
{
	flt_vdecides(v, insn_dst(insn));
	if (insn->code & BPF_SRC_MASK)
		flt_vdecides(v, insn_src(insn));
}

/* What a comparison says of the operands may be said of their copies, and of the raw length. */
static void note_comparison(struct flt_verifier *v, const struct flt_insn *insn,
                            const struct operands *o)
{
	if (!(insn->code & BPF_SRC_MASK))
		return;
	if (o->a->id || o->b->id)
		flt_vstep_now(v)->flags |= FLT_STEP_LINKS;
	if (o->a->id == FLT_RAW_LENGTH_ID || o->b->id == FLT_RAW_LENGTH_ID)
		operands_decide(v, insn);
}

static int fork_path(struct flt_verifier *v, const struct flt_insn *insn, enum comparison kind,
                     uint32_t target)
{
	struct flt_vstate *other;
	int code = flt_vpush(v, target, &other);
	if (code)
		return code;
	bool taken_possible = learn(v, other, insn, kind, true);
	bool next_possible = learn(v, &v->now, insn, kind, false);
	if (!taken_possible || !next_possible)
		operands_decide(v, insn);
	v->now.pc++;
	if (!taken_possible)
		flt_vunpush(v);
	if (!next_possible)
		v->path_ended = true;
	return 0;
}

static int conditional(struct flt_verifier *v, const struct flt_insn *insn)
{
	uint32_t target = (uint32_t)((int32_t)v->now.pc + 1 + insn->offset);
	struct operands o;
	enum comparison kind = COMPARE_NUMBERS;
	int decision;
	int code = flt_vread(v, insn_dst(insn));
	if (!code && (insn->code & BPF_SRC_MASK))
		code = flt_vread(v, insn_src(insn));
	if (code)
		return code;
	find_operands(&o, &v->now, insn);
	code = classify(v, insn, &o, &kind, &decision);
	if (code)
		return code;
	if (kind == COMPARE_NUMBERS)
		note_comparison(v, insn, &o);
	/* That it is 0 is all that lets a number be compared with a pointer. */
	if (decision >= 0 || kind != COMPARE_NUMBERS)
		operands_decide(v, insn);
	if (decision < 0)
		return fork_path(v, insn, kind, target);
	v->now.pc = decision ? target : v->now.pc + 1;
	return 0;
}

int flt_vjump(struct flt_verifier *v, const struct flt_insn *insn)
{
	switch (insn->code & BPF_OP_MASK) {
	case BPF_JA:
		v->now.pc = (uint32_t)((int32_t)v->now.pc + 1 + flt_insn_distance(insn));
		return 0;
	case BPF_CALL:
		return flt_vcall(v, insn);
	case BPF_EXIT:
		return flt_vexit(v);
	default:
		return conditional(v, insn);
	}
}
