/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extraction: walks every path of a classic program with symbolic values.
 *
 * A path is a list of terms. At a conditional jump whose meaning is a term, one branch adds the
 * term and the other its opposite; a branch that contradicts what the path demanded before is not
 * walked. Where the meaning can't be said, both branches go on without a term and the result is a
 * superset. The branch not taken first waits on a stack with the state at the jump; the terms of
 * the path itself are a prefix of the current list, because the stack is worked off from its end.
 *
 * Programs with too many paths are walked again with a bound on the number of decisions per path;
 * what lies behind the bound counts as accepted. A bound of 6 gives at most 64 conjunctions.
 */
#include <flt/extract.h>
#include <flt/flowset.h>

#include "cube.h"
#include "program_internal.h"
#include "symbol.h"

enum {
	PENDING_MAX = 256, /* branches that wait at once */
	STEPS_MAX = 20000, /* instructions walked, over all paths */
};

struct state {
	uint32_t pc;
	uint32_t n_terms;
	uint32_t decisions;
	bool inexact;
	bool has_term; /* of a waiting branch: the term to add when it is taken up */
	struct flt_term term;
	struct flt_symbol a, x, words[FLT_CLASSIC_WORDS];
};

struct walk {
	const struct flt_classic_insn *insns;
	uint32_t n_insns;
	uint32_t decisions_max;
	uint32_t steps;
	bool overflow; /* too many paths */
	bool inexact;
	bool any_accept;
	uint32_t accept; /* what accepting paths return */

	struct state now;
	bool path_dead;
	struct flt_conjunction path; /* path.n_terms is now.n_terms */
	struct flt_cube cube;        /* of the path */
	struct flt_conjunction scratch;
	uint32_t n_pending;
	struct state pending[PENDING_MAX];

	struct flt_conjunction *out;
	uint32_t n_out;
};

/* --- the path --- */

static void rebuild_path(struct walk *w)
{
	w->path.n_terms = w->now.n_terms;
	flt_cube_build(&w->cube, &w->path, NULL);
}

static void add_term(struct walk *w, const struct flt_term *term)
{
	if (flt_cube_implies(&w->cube, term))
		return;
	if (w->path.n_terms == FLT_CONJUNCTION_TERMS_MAX) {
		w->now.inexact = true; /* demanding less is a superset */
		return;
	}
	w->path.terms[w->path.n_terms++] = *term;
	w->now.n_terms = w->path.n_terms;
	flt_cube_add(&w->cube, term);
	if (flt_cube_empty(&w->cube))
		w->path_dead = true;
}

static void push_branch(struct walk *w, uint32_t pc, const struct flt_term *term)
{
	if (w->n_pending == PENDING_MAX) {
		w->overflow = true;
		return;
	}
	struct state *s = &w->pending[w->n_pending++];
	*s = w->now;
	s->pc = pc;
	s->has_term = term;
	if (term)
		s->term = *term;
}

static bool pop_branch(struct walk *w)
{
	if (!w->n_pending)
		return false;
	w->now = w->pending[--w->n_pending];
	w->path_dead = false;
	rebuild_path(w);
	if (w->now.has_term)
		add_term(w, &w->now.term);
	return true;
}

/* --- accepted paths --- */

static bool inside_accepted(const struct walk *w, const struct flt_conjunction *c)
{
	for (uint32_t i = 0; i < w->n_out; i++)
		if (flt_conjunction_subset(c, &w->out[i]))
			return true;
	return false;
}

/*
 * A path that failed an earlier test carries its negation, as in "not (src port 80) and dst port
 * 80". Where the frames that the negation shuts out are accepted anyway, it may go.
 */
static void drop_needless_negations(struct walk *w, struct flt_conjunction *c)
{
	for (uint32_t i = 0; i < c->n_terms; i++) {
		struct flt_term *t = &c->terms[i];
		if (!t->negate)
			continue;
		t->negate = 0;
		bool needless = inside_accepted(w, c);
		t->negate = 1;
		if (needless) { /* the field must still exist */
			t->negate = 0;
			t->test = FLT_TEST_MASKED;
			t->mask = t->value = 0;
		}
	}
}

/* Forgets accepted conjunctions that the new one contains. */
static void drop_contained(struct walk *w, const struct flt_conjunction *c)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < w->n_out; i++)
		if (!flt_conjunction_subset(&w->out[i], c))
			w->out[kept++] = w->out[i];
	w->n_out = kept;
}

static void accept_path(struct walk *w, bool known, uint32_t value)
{
	if (w->now.inexact || !known || (w->any_accept && w->accept != value))
		w->inexact = true;
	if (!w->any_accept)
		w->accept = value;
	w->any_accept = true;
	w->scratch = w->path;
	drop_needless_negations(w, &w->scratch);
	flt_conjunction_normalise(&w->scratch);
	if (inside_accepted(w, &w->scratch))
		return;
	drop_contained(w, &w->scratch);
	if (w->n_out == FLT_FLOW_CONJUNCTIONS_MAX) {
		w->overflow = true;
		return;
	}
	w->out[w->n_out++] = w->scratch;
}

/* --- instructions --- */

/* The place that a packet load reads; false where a term can't say it. */
static bool load_place(const struct walk *w, const struct flt_classic_insn *insn,
                       struct flt_term *place)
{
	static const uint8_t widths[] = {[BPF_W >> 3] = 4, [BPF_H >> 3] = 2, [BPF_B >> 3] = 1};
	const struct flt_symbol *x = &w->now.x;
	uint64_t offset = insn->k;
	*place = (struct flt_term){.base = FLT_BASE_FRAME,
	                           .width = widths[(insn->code & BPF_SIZE_MASK) >> 3]};
	if ((insn->code & BPF_MODE_MASK) == BPF_IND) {
		if (x->kind != FLT_SYMBOL_CONST && x->kind != FLT_SYMBOL_MSH)
			return false;
		offset += x->k;
		if (x->kind == FLT_SYMBOL_MSH) {
			place->base = FLT_BASE_MSH;
			place->msh = x->place.msh;
		}
	}
	if (offset > FLT_TERM_OFFSET_MAX)
		return false;
	place->offset = (uint16_t)offset;
	return true;
}

static void demand_existence(struct walk *w, const struct flt_term *place)
{
	struct flt_term term = *place;
	term.test = FLT_TEST_MASKED;
	add_term(w, &term);
}

static struct flt_symbol unknown_symbol(void)
{
	return (struct flt_symbol){.kind = FLT_SYMBOL_UNKNOWN};
}

static struct flt_symbol load_packet(struct walk *w, const struct flt_classic_insn *insn)
{
	struct flt_term place;
	if (!load_place(w, insn, &place)) {
		w->now.inexact = true; /* also fails outside the packet, which no term says */
		return unknown_symbol();
	}
	demand_existence(w, &place);
	return flt_symbol_field(&place);
}

static struct flt_symbol load_header_length(struct walk *w, uint32_t k)
{
	if (k > FLT_TERM_OFFSET_MAX) {
		w->now.inexact = true;
		return unknown_symbol();
	}
	struct flt_term place = {.base = FLT_BASE_FRAME, .width = 1, .offset = (uint16_t)k};
	demand_existence(w, &place);
	return (struct flt_symbol){.kind = FLT_SYMBOL_MSH, .place = {.msh = (uint16_t)k}};
}

/* SKF_AD_OFF and the other negative offsets. */
static bool is_special_offset(const struct flt_classic_insn *insn)
{
	return (insn->code & BPF_MODE_MASK) == BPF_ABS && insn->k >= 0xffe00000u;
}

static struct flt_symbol load(struct walk *w, const struct flt_classic_insn *insn)
{
	static const struct flt_term length = {.base = FLT_BASE_LENGTH, .width = 4};
	switch (insn->code & BPF_MODE_MASK) {
	case BPF_IMM:
		return flt_symbol_const(insn->k);
	case BPF_LEN:
		return flt_symbol_field(&length);
	case BPF_MEM:
		return w->now.words[insn->k];
	case BPF_MSH:
		return load_header_length(w, insn->k);
	default:
		if (!is_special_offset(insn))
			return load_packet(w, insn);
		w->now.inexact = true;
		return unknown_symbol();
	}
}

static void alu(struct walk *w, const struct flt_classic_insn *insn)
{
	struct flt_symbol k = flt_symbol_const(insn->k);
	const struct flt_symbol *b = insn->code & BPF_SRC_MASK ? &w->now.x : &k;
	uint32_t op = insn->code & BPF_OP_MASK;
	if ((op == BPF_DIV || op == BPF_MOD) && (insn->code & BPF_SRC_MASK)) {
		if (b->kind == FLT_SYMBOL_CONST && !b->k)
			w->path_dead = true; /* division by 0 rejects */
		else if (b->kind != FLT_SYMBOL_CONST)
			w->now.inexact = true;
	}
	w->now.a = op == BPF_NEG ? unknown_symbol() : flt_symbol_alu(op, &w->now.a, b);
}

static void branch_both(struct walk *w, const struct flt_classic_insn *insn,
                        const struct flt_term *when, const struct flt_term *unless)
{
	uint32_t next = w->now.pc;
	if (++w->now.decisions > w->decisions_max) {
		w->now.inexact = true;
		accept_path(w, false, 0);
		w->path_dead = true;
		return;
	}
	push_branch(w, next + insn->jf, unless);
	w->now.pc = next + insn->jt;
	if (when)
		add_term(w, when);
}

static void jump(struct walk *w, const struct flt_classic_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	struct flt_term when, unless;
	enum flt_truth truth = FLT_UNCLEAR;
	uint32_t k = insn->k;
	if (op == BPF_JA) {
		w->now.pc += insn->k;
		return;
	}
	bool known = !(insn->code & BPF_SRC_MASK) || w->now.x.kind == FLT_SYMBOL_CONST;
	if (insn->code & BPF_SRC_MASK)
		k = w->now.x.k;
	if (known)
		truth = flt_symbol_compare(op, &w->now.a, k, &when, &unless);
	if (truth == FLT_TERM && flt_cube_implies(&w->cube, &when))
		truth = FLT_ALWAYS;
	else if (truth == FLT_TERM && flt_cube_implies(&w->cube, &unless))
		truth = FLT_NEVER;
	if (truth == FLT_ALWAYS || truth == FLT_NEVER || insn->jt == insn->jf) {
		w->now.pc += truth == FLT_NEVER ? insn->jf : insn->jt;
	} else if (truth == FLT_TERM) {
		branch_both(w, insn, &when, &unless);
	} else {
		w->now.inexact = true;
		branch_both(w, insn, NULL, NULL);
	}
}

static void leave(struct walk *w, const struct flt_classic_insn *insn)
{
	struct flt_symbol value = insn->code & BPF_A ? w->now.a : flt_symbol_const(insn->k);
	w->path_dead = true;
	if (value.kind != FLT_SYMBOL_CONST)
		accept_path(w, false, 0);
	else if (value.k)
		accept_path(w, true, value.k);
}

static void walk_insn(struct walk *w, const struct flt_classic_insn *insn)
{
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_LD:
		w->now.a = load(w, insn);
		return;
	case BPF_LDX:
		w->now.x = load(w, insn);
		return;
	case BPF_ST:
		w->now.words[insn->k] = w->now.a;
		return;
	case BPF_STX:
		w->now.words[insn->k] = w->now.x;
		return;
	case BPF_ALU:
		alu(w, insn);
		return;
	case BPF_JMP:
		jump(w, insn);
		return;
	case BPF_RET:
		leave(w, insn);
		return;
	default:
		if (insn->code & BPF_TXA)
			w->now.a = w->now.x;
		else
			w->now.x = w->now.a;
	}
}

/* --- the walk --- */

static void start(struct walk *w, uint32_t decisions_max)
{
	w->decisions_max = decisions_max;
	w->steps = 0;
	w->overflow = w->inexact = w->any_accept = w->path_dead = false;
	w->n_pending = w->n_out = 0;
	memset(&w->now, 0, sizeof(w->now));
	w->now.a = w->now.x = flt_symbol_const(0);
	for (uint32_t i = 0; i < FLT_CLASSIC_WORDS; i++)
		w->now.words[i] = flt_symbol_const(0);
	memset(&w->path, 0, sizeof(w->path));
	rebuild_path(w);
}

static void walk_paths(struct walk *w)
{
	do {
		while (!w->path_dead && !w->overflow) {
			if (++w->steps > STEPS_MAX)
				w->overflow = true;
			walk_insn(w, &w->insns[w->now.pc++]);
		}
	} while (!w->overflow && pop_branch(w));
}

static void give_up(struct walk *w)
{
	memset(&w->out[0], 0, sizeof(w->out[0]));
	w->n_out = 1;
	w->inexact = true;
	w->overflow = false;
}

static void walk_all(struct walk *w)
{
	static const uint32_t bounds[] = {UINT32_MAX, 20, 16, 12, 10, 8, 7, 6};
	for (size_t i = 0; i < FLT_ARRAY_SIZE(bounds); i++) {
		start(w, bounds[i]);
		walk_paths(w);
		if (!w->overflow)
			return;
	}
	give_up(w);
}

int flt_extract(const struct flt_program *program, struct flt_conjunction *out,
                struct flt_extraction *extraction, struct flt_error *error)
{
	struct walk *w = flt_alloc_array(1, sizeof(*w));
	if (!w)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	w->insns = flt_program_classic(program, &w->n_insns);
	w->out = out;
	if (w->insns)
		walk_all(w);
	else
		give_up(w);
	*extraction = (struct flt_extraction){
	        .n = w->n_out, .exact = !w->inexact, .accept = w->inexact ? 0 : w->accept};
	flt_free(w);
	return 0;
}
