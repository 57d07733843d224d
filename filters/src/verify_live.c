/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which registers matter where: a backward pass over the program, before the walk.
 *
 * A register is live where its content may be read before it is overwritten. States are compared by
 * live registers only.
 */
#include "verify.h"

enum { PASSES_MAX = 64 };

struct effect {
	uint16_t reads;
	uint16_t writes;
};

static uint16_t bit(uint32_t r)
{
	return (uint16_t)(1u << r);
}

static struct effect alu_effect(const struct flt_insn *insn)
{
	struct effect e = {.writes = bit(insn_dst(insn))};
	if ((insn->code & BPF_OP_MASK) != BPF_MOV)
		e.reads |= bit(insn_dst(insn));
	if ((insn->code & BPF_SRC_MASK) && (insn->code & BPF_OP_MASK) != BPF_END)
		e.reads |= bit(insn_src(insn));
	return e;
}

static struct effect store_effect(const struct flt_insn *insn)
{
	struct effect e = {.reads = bit(insn_dst(insn))};
	if ((insn->code & BPF_CLASS_MASK) == BPF_ST)
		return e;
	e.reads |= bit(insn_src(insn));
	if ((insn->code & BPF_MODE_MASK) != BPF_ATOMIC)
		return e;
	if (insn->imm == BPF_CMPXCHG) {
		e.reads |= bit(R0);
		e.writes = bit(R0);
	} else if (insn->imm & BPF_FETCH) {
		e.writes = bit(insn_src(insn));
	}
	return e;
}

static struct effect call_effect(const struct flt_insn *insn)
{
	struct effect e = {.reads = 0x3e, .writes = 0x3f};
	const struct flt_helper *helper = flt_helper_find((uint32_t)insn->imm);
	if (insn_src(insn) || !helper || helper->flags & FLT_HELPER_VARIADIC)
		return e;
	e.reads = 0;
	for (uint32_t i = 0; i < 5; i++)
		if (helper->args[i] != FLT_ARG_NONE)
			e.reads |= bit(R1 + i);
	return e;
}

static struct effect jump_effect(const struct flt_insn *insn)
{
	switch (insn->code & BPF_OP_MASK) {
	case BPF_JA:
		return (struct effect){0};
	case BPF_CALL:
		return call_effect(insn);
	case BPF_EXIT:
		return (struct effect){.reads = bit(R0)};
	default: {
		struct effect e = {.reads = bit(insn_dst(insn))};
		if (insn->code & BPF_SRC_MASK)
			e.reads |= bit(insn_src(insn));
		return e;
	}
	}
}

static struct effect effect_of(const struct flt_verifier *v, uint32_t i)
{
	const struct flt_insn *insn = &v->insns[i];
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_ALU:
	case BPF_ALU64:
		return alu_effect(insn);
	case BPF_LD:
		return (struct effect){.writes = bit(insn_dst(insn))};
	case BPF_LDX:
		return (struct effect){.reads = bit(insn_src(insn)), .writes = bit(insn_dst(insn))};
	case BPF_ST:
	case BPF_STX:
		return store_effect(insn);
	default:
		return jump_effect(insn);
	}
}

/* What is live behind an instruction: before any of its successors. */
static uint16_t behind(const struct flt_verifier *v, const uint16_t *before, uint32_t i)
{
	const struct flt_insn *insn = &v->insns[i];
	uint32_t class = insn->code & BPF_CLASS_MASK, op = insn->code & BPF_OP_MASK;
	uint32_t next = i + 1 + insn_is_wide(insn);
	uint16_t set = 0;
	if (class != BPF_JMP && class != BPF_JMP32)
		return before[next];
	if (op == BPF_EXIT)
		return 0;
	if (op != BPF_CALL)
		set |= before[(uint32_t)((int32_t)i + 1 + flt_insn_distance(insn))];
	if (op != BPF_JA && next < v->n_insns)
		set |= before[next];
	return set;
}

static bool update(uint16_t *set, uint16_t value)
{
	bool changed = *set != value;
	*set = value;
	return changed;
}

static bool pass(struct flt_verifier *v)
{
	bool changed = false;
	for (uint32_t i = v->n_insns; i-- > 0;) {
		if (v->shape.kinds[i] & FLT_INSN_SECOND_HALF)
			continue;
		struct effect e = effect_of(v, i);
		uint16_t live = behind(v, v->live, i);
		changed |= update(&v->live[i], (uint16_t)((live & ~e.writes) | e.reads));
	}
	return changed;
}

int flt_vlive_compute(struct flt_verifier *v)
{
	for (uint32_t i = 0; i < PASSES_MAX; i++)
		if (!pass(v))
			return 0;
	/* Deeply nested loops: everything counts, which is always right. */
	memset(v->live, 0xff, v->n_insns * sizeof(*v->live));
	return 0;
}
