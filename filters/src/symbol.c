/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Symbolic values. See symbol.h.
 */
#include "symbol.h"

#include "bpf.h"

static const struct flt_symbol unknown = {.kind = FLT_SYMBOL_UNKNOWN};

struct flt_symbol flt_symbol_const(uint32_t k)
{
	return (struct flt_symbol){.kind = FLT_SYMBOL_CONST, .k = k};
}

struct flt_symbol flt_symbol_field(const struct flt_term *place)
{
	return (struct flt_symbol){
	        .kind = FLT_SYMBOL_FIELD, .mask = flt_width_mask(place->width), .place = *place};
}

static uint32_t shift_by(uint32_t value, int shift)
{
	if (shift <= -32 || shift >= 32)
		return 0;
	return shift >= 0 ? value << shift : value >> -shift;
}

static struct flt_symbol alu_const(uint32_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_ADD:
		return flt_symbol_const(a + b);
	case BPF_SUB:
		return flt_symbol_const(a - b);
	case BPF_MUL:
		return flt_symbol_const(a * b);
	case BPF_DIV:
		return b ? flt_symbol_const(a / b) : unknown;
	case BPF_MOD:
		return b ? flt_symbol_const(a % b) : unknown;
	case BPF_OR:
		return flt_symbol_const(a | b);
	case BPF_AND:
		return flt_symbol_const(a & b);
	case BPF_XOR:
		return flt_symbol_const(a ^ b);
	case BPF_LSH:
		return flt_symbol_const(b < 32 ? a << b : 0);
	case BPF_RSH:
		return flt_symbol_const(b < 32 ? a >> b : 0);
	default:
		return unknown;
	}
}

/* Shifts a field's value further, dropping the mask bits that fall out at either end. */
static struct flt_symbol shift_field(struct flt_symbol a, int by)
{
	int shift = a.shift + by;
	if (by >= 32 || by <= -32)
		return flt_symbol_const(0);
	uint32_t kept = shift_by(shift_by(a.mask, a.shift), by);
	a.mask &= shift_by(kept, -shift);
	a.shift = (int8_t)shift;
	return a.mask ? a : flt_symbol_const(0);
}

static struct flt_symbol alu_field(uint32_t op, struct flt_symbol a, uint32_t k)
{
	switch (op) {
	case BPF_AND:
		a.mask &= shift_by(k, -a.shift);
		return a.mask ? a : flt_symbol_const(0);
	case BPF_LSH:
		return shift_field(a, k < 32 ? (int)k : 32);
	case BPF_RSH:
		return shift_field(a, k < 32 ? -(int)k : -32);
	case BPF_ADD:
	case BPF_SUB:
	case BPF_OR:
	case BPF_XOR:
		return k ? unknown : a;
	case BPF_MUL:
		return k && !(k & (k - 1)) ? shift_field(a, __builtin_ctz(k)) : unknown;
	case BPF_DIV:
		return k && !(k & (k - 1)) ? shift_field(a, -__builtin_ctz(k)) : unknown;
	default:
		return unknown;
	}
}

struct flt_symbol flt_symbol_alu(uint32_t op, const struct flt_symbol *a,
                                 const struct flt_symbol *b)
{
	if (b->kind == FLT_SYMBOL_CONST) {
		if (a->kind == FLT_SYMBOL_CONST)
			return alu_const(op, a->k, b->k);
		if (a->kind == FLT_SYMBOL_FIELD)
			return alu_field(op, *a, b->k);
	}
	/* A header's length plus a constant, either way round. */
	if (op == BPF_ADD && a->kind + b->kind == FLT_SYMBOL_MSH + FLT_SYMBOL_CONST &&
	    a->kind != b->kind) {
		struct flt_symbol sum = a->kind == FLT_SYMBOL_MSH ? *a : *b;
		sum.k = a->k + b->k;
		return sum.k <= FLT_TERM_OFFSET_MAX ? sum : unknown;
	}
	return unknown;
}

/* --- comparisons --- */

static enum flt_truth truth(bool holds)
{
	return holds ? FLT_ALWAYS : FLT_NEVER;
}

static enum flt_truth masked(const struct flt_symbol *a, uint32_t mask, uint32_t value, bool negate,
                             struct flt_term *when, struct flt_term *unless)
{
	*when = a->place;
	when->test = FLT_TEST_MASKED;
	when->mask = mask;
	when->value = value;
	*unless = *when;
	when->negate = negate;
	unless->negate = !negate;
	return FLT_TERM;
}

static enum flt_truth equal(const struct flt_symbol *a, uint32_t k, struct flt_term *when,
                            struct flt_term *unless)
{
	uint32_t value = shift_by(k, -a->shift);
	if (shift_by(value, a->shift) != k || (value & ~a->mask))
		return FLT_NEVER;
	return masked(a, a->mask, value, false, when, unless);
}

/* Some bit of k is set. One bit: set means equal to it. */
static enum flt_truth any_set(const struct flt_symbol *a, uint32_t k, struct flt_term *when,
                              struct flt_term *unless)
{
	uint32_t bits = shift_by(k, -a->shift) & a->mask;
	if (!bits)
		return FLT_NEVER;
	(void)masked(a, bits, 0, true, when, unless);
	if (!(bits & (bits - 1))) {
		when->value = bits;
		when->negate = 0;
	}
	return FLT_TERM;
}

/*
 * Value >= k. The mask must keep the field's top bits without a hole, so that the value grows with
 * the field: it is then a range of the whole field.
 */
static enum flt_truth at_least(const struct flt_symbol *a, uint64_t k, struct flt_term *when,
                               struct flt_term *unless)
{
	uint32_t all = flt_width_mask(a->place.width);
	uint32_t dropped = all & ~a->mask;
	if (k == 0)
		return FLT_ALWAYS;
	if (k > shift_by(a->mask, a->shift))
		return FLT_NEVER;
	if (dropped & (dropped + 1))
		return FLT_UNCLEAR;
	/* The smallest field value whose masked and shifted value reaches k. */
	uint64_t least = a->shift >= 0 ? (k + (1ull << a->shift) - 1) >> a->shift : k << -a->shift;
	least = (least + dropped) & ~(uint64_t)dropped;
	if (least > all)
		return FLT_NEVER;
	*when = a->place;
	when->test = FLT_TEST_RANGE;
	when->negate = 0;
	when->low = (uint32_t)least;
	when->high = all;
	*unless = *when;
	unless->low = 0;
	unless->high = (uint32_t)least - 1;
	return FLT_TERM;
}

enum flt_truth flt_symbol_compare(uint32_t op, const struct flt_symbol *a, uint32_t k,
                                  struct flt_term *when, struct flt_term *unless)
{
	if (a->kind == FLT_SYMBOL_CONST) {
		switch (op) {
		case BPF_JEQ:
			return truth(a->k == k);
		case BPF_JGT:
			return truth(a->k > k);
		case BPF_JGE:
			return truth(a->k >= k);
		default:
			return truth(a->k & k);
		}
	}
	if (a->kind != FLT_SYMBOL_FIELD)
		return FLT_UNCLEAR;
	switch (op) {
	case BPF_JEQ:
		return equal(a, k, when, unless);
	case BPF_JGT:
		return at_least(a, (uint64_t)k + 1, when, unless);
	case BPF_JGE:
		return at_least(a, k, when, unless);
	default:
		return any_set(a, k, when, unless);
	}
}
