/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier: what decided something.
 *
 * A remembered state proves more than itself. A number that decided neither a branch nor an access
 * on any path from it may be any other; stack that nothing read may hold anything. When something
 * is decided, the current path is walked back instruction by instruction, and each state on it is
 * told which of its registers and slots the deciding value came from. That ends where a state knows
 * already, so a state is told of each register and slot only once.
 */
#include "verify.h"

/* --- the path --- */

int flt_vtrace(struct flt_verifier *v)
{
	if (v->n_trace == v->trace_room) {
		uint32_t room = v->trace_room ? 2 * v->trace_room : 1024;
		struct flt_step *trace = flt_valloc(v, room * sizeof(*trace));
		if (!trace)
			return flt_fail(v->error, FLT_E_NO_MEMORY, -1, "no memory");
		if (v->trace)
			memcpy(trace, v->trace, v->n_trace * sizeof(*trace));
		flt_vfree(v, v->trace, v->trace_room * sizeof(*trace));
		v->trace = trace;
		v->trace_room = room;
	}
	v->trace[v->n_trace++] = (struct flt_step){.pc = v->now.pc, .depth = (uint8_t)v->now.depth};
	return 0;
}

/* --- the stack --- */

void flt_vstack_read(struct flt_verifier *v, uint32_t frame, struct flt_halves what)
{
	const struct flt_halves *written = &v->now.written[frame];
	for (struct flt_explored *e = v->now.parent; e; e = e->parent) {
		struct flt_halves *read = &e->matters[frame].read;
		for (uint32_t h = 0; h < 2; h++) {
			what.of[h] &= ~(written->of[h] | read->of[h]);
			read->of[h] |= what.of[h];
		}
		if (!what.of[0] && !what.of[1])
			return;
		written = &e->state.written[frame];
	}
}

void flt_vstack_written(struct flt_verifier *v, uint32_t frame, struct flt_halves what)
{
	v->now.written[frame].of[0] |= what.of[0];
	v->now.written[frame].of[1] |= what.of[1];
}

/* --- numbers --- */

/* What is looked for on the way back. */
struct wanted {
	uint16_t regs[FLT_CALL_DEPTH_MAX];
	uint64_t slots[FLT_CALL_DEPTH_MAX];
};

static uint16_t bit(uint32_t r)
{
	return (uint16_t)(1u << r);
}

static bool is_empty(const struct wanted *w)
{
	for (uint32_t f = 0; f < FLT_CALL_DEPTH_MAX; f++)
		if (w->regs[f] || w->slots[f])
			return false;
	return true;
}

static void back_over_alu(uint16_t *regs, const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	if (!(*regs & bit(insn_dst(insn))))
		return;
	if (op == BPF_MOV)
		*regs &= (uint16_t)~bit(insn_dst(insn));
	if ((insn->code & BPF_SRC_MASK) && op != BPF_END)
		*regs |= bit(insn_src(insn));
}

static void back_over_load(struct wanted *w, const struct flt_insn *insn,
                           const struct flt_step *step)
{
	uint16_t *regs = &w->regs[step->depth];
	if (!(*regs & bit(insn_dst(insn))))
		return;
	*regs &= (uint16_t)~bit(insn_dst(insn));
	if (step->flags & FLT_STEP_SLOT)
		w->slots[step->frame] |= 1ull << step->slot;
}

static void back_over_store(struct wanted *w, const struct flt_insn *insn,
                            const struct flt_step *step)
{
	uint16_t *regs = &w->regs[step->depth];
	bool atomic = (insn->code & BPF_CLASS_MASK) == BPF_STX &&
	              (insn->code & BPF_MODE_MASK) == BPF_ATOMIC;
	if (atomic && insn->imm & BPF_FETCH)
		*regs &= (uint16_t)~bit(insn->imm == BPF_CMPXCHG ? R0 : insn_src(insn));
	if (!(step->flags & FLT_STEP_SLOT) || !(w->slots[step->frame] >> step->slot & 1))
		return;
	w->slots[step->frame] &= ~(1ull << step->slot);
	if (!atomic && (insn->code & BPF_CLASS_MASK) == BPF_STX)
		*regs |= bit(insn_src(insn));
}

static void back_over_call(struct wanted *w, const struct flt_insn *insn, uint32_t depth)
{
	static const uint16_t arguments = 0x3e;
	if (insn_src(insn) != BPF_PSEUDO_CALL) {
		w->regs[depth] &= (uint16_t)~bit(R0);
		return;
	}
	w->regs[depth] |= w->regs[depth + 1] & arguments;
	w->regs[depth + 1] = 0;
	w->slots[depth + 1] = 0;
}

static void back_over_jump(struct wanted *w, const struct flt_insn *insn,
                           const struct flt_step *step)
{
	uint32_t op = insn->code & BPF_OP_MASK, depth = step->depth;
	uint16_t both = bit(insn_dst(insn)) | bit(insn_src(insn));
	if (op == BPF_CALL) {
		back_over_call(w, insn, depth);
	} else if (op == BPF_EXIT) { /* of a local function: its result became the caller's r0 */
		w->regs[depth] |= w->regs[depth - 1] & bit(R0);
		w->regs[depth - 1] &= (uint16_t)~bit(R0);
	} else if (op != BPF_JA && insn->code & BPF_SRC_MASK) {
		/* Each side may have narrowed the other, and the other's copies. */
		if (w->regs[depth] & both || (step->flags & FLT_STEP_LINKS && !is_empty(w)))
			w->regs[depth] |= both;
	}
}

static void back_over(struct wanted *w, const struct flt_insn *insn, const struct flt_step *step)
{
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_ALU:
	case BPF_ALU64:
		back_over_alu(&w->regs[step->depth], insn);
		return;
	case BPF_LD:
		w->regs[step->depth] &= (uint16_t)~bit(insn_dst(insn));
		return;
	case BPF_LDX:
		back_over_load(w, insn, step);
		return;
	case BPF_ST:
	case BPF_STX:
		back_over_store(w, insn, step);
		return;
	default:
		back_over_jump(w, insn, step);
	}
}

/* Tells a state; what it knew already was told to those before it, too. */
static void tell(struct wanted *w, struct flt_explored *e)
{
	for (uint32_t f = 0; f <= e->state.depth; f++) {
		struct flt_matters *m = &e->matters[f];
		w->regs[f] &= (uint16_t)~m->regs;
		w->slots[f] &= ~m->slots;
		m->regs |= w->regs[f];
		m->slots |= w->slots[f];
	}
}

/* Walks back from behind step number `from`. */
static void walk_back(struct flt_verifier *v, struct wanted *w, uint32_t from)
{
	struct flt_explored *e = v->now.parent;
	for (;;) {
		for (; e && e->state.trace_at == from; e = e->parent)
			tell(w, e);
		if (!e || is_empty(w))
			return;
		const struct flt_step *step = &v->trace[--from];
		v->effort++;
		back_over(w, &v->insns[step->pc], step);
	}
}

void flt_vdecides(struct flt_verifier *v, uint32_t r)
{
	struct wanted w = {0};
	if (flt_vreg_now(v, r)->type != FLT_V_NUMBER)
		return;
	w.regs[v->now.depth] = bit(r);
	walk_back(v, &w, v->n_trace - 1);
}

void flt_vdecides_slot(struct flt_verifier *v, uint32_t frame, uint32_t slot)
{
	struct wanted w = {0};
	w.slots[frame] = 1ull << slot;
	walk_back(v, &w, v->n_trace - 1);
}

/* Slots of a saved number where the state from before has bytes that are known to be 0: it is a
 * part of that state only because the number is 0. */
static uint64_t zeroes_saved(const struct flt_vframe *before, const struct flt_vframe *now,
                             const struct flt_halves *read)
{
	uint64_t slots = 0;
	for (uint32_t i = 0; i < before->n_slots && i < now->n_slots; i++)
		for (uint32_t b = 0; b < 8; b++)
			if (read->of[b / 4] >> i & 1 && before->slots[i].bytes[b] == FLT_B_ZERO &&
			    now->slots[i].bytes[b] == FLT_B_SPILL)
				slots |= 1ull << i;
	return slots;
}

void flt_vinherit(struct flt_verifier *v, const struct flt_explored *from)
{
	struct wanted w = {0};
	for (uint32_t f = 0; f <= from->state.depth; f++) {
		w.regs[f] = from->matters[f].regs;
		w.slots[f] = from->matters[f].slots |
		             zeroes_saved(from->state.frames[f], v->now.frames[f],
		                          &from->matters[f].read);
		flt_vstack_read(v, f, from->matters[f].read);
	}
	walk_back(v, &w, v->n_trace);
}
