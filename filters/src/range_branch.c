/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a condition says of two ranges: whether it holds, and what is left of them where it does or
 * does not. See range.h.
 */
#include "range_internal.h"

#include "bpf.h"

/* Bounds in the width that a condition looks at, as 64-bit numbers. */
struct view {
	uint64_t umin, umax;
	int64_t smin, smax;
	struct flt_tnum bits;
};

static struct view view_of(const struct flt_range *r, bool wide)
{
	if (wide)
		return (struct view){r->umin, r->umax, r->smin, r->smax, r->bits};
	return (struct view){r->umin32, r->umax32, r->smin32, r->smax32,
	                     flt_tnum_make((uint32_t)r->bits.value, (uint32_t)r->bits.mask)};
}

static int decide_equal(const struct view *a, const struct view *b)
{
	if (!a->bits.mask && !b->bits.mask)
		return a->bits.value == b->bits.value;
	if ((a->bits.value ^ b->bits.value) & ~a->bits.mask & ~b->bits.mask)
		return 0;
	if (a->umin > b->umax || a->umax < b->umin || a->smin > b->smax || a->smax < b->smin)
		return 0;
	return -1;
}

static int decide_set(const struct view *a, const struct view *b)
{
	if (a->bits.value & b->bits.value)
		return 1;
	return (a->bits.value | a->bits.mask) & (b->bits.value | b->bits.mask) ? -1 : 0;
}

static int opposite(int decision)
{
	return decision < 0 ? decision : !decision;
}

/* a > b and a >= b */
static int decide_greater(const struct view *a, const struct view *b, bool is_signed, bool or_equal)
{
	if (is_signed) {
		if (or_equal ? a->smin >= b->smax : a->smin > b->smax)
			return 1;
		return (or_equal ? a->smax < b->smin : a->smax <= b->smin) ? 0 : -1;
	}
	if (or_equal ? a->umin >= b->umax : a->umin > b->umax)
		return 1;
	return (or_equal ? a->umax < b->umin : a->umax <= b->umin) ? 0 : -1;
}

int flt_range_decide(uint32_t op, bool wide, const struct flt_range *ra, const struct flt_range *rb)
{
	struct view a = view_of(ra, wide), b = view_of(rb, wide);
	switch (op) {
	case BPF_JEQ:
		return decide_equal(&a, &b);
	case BPF_JNE:
		return opposite(decide_equal(&a, &b));
	case BPF_JSET:
		return decide_set(&a, &b);
	case BPF_JGT:
		return decide_greater(&a, &b, false, false);
	case BPF_JGE:
		return decide_greater(&a, &b, false, true);
	case BPF_JLT:
		return decide_greater(&b, &a, false, false);
	case BPF_JLE:
		return decide_greater(&b, &a, false, true);
	case BPF_JSGT:
		return decide_greater(&a, &b, true, false);
	case BPF_JSGE:
		return decide_greater(&a, &b, true, true);
	case BPF_JSLT:
		return decide_greater(&b, &a, true, false);
	default:
		return decide_greater(&b, &a, true, true);
	}
}

static void put_view(struct flt_range *r, bool wide, const struct view *v)
{
	if (wide) {
		r->umin = v->umin;
		r->umax = v->umax;
		r->smin = v->smin;
		r->smax = v->smax;
		r->bits = v->bits;
	} else {
		r->umin32 = (uint32_t)v->umin;
		r->umax32 = (uint32_t)v->umax;
		r->smin32 = (int32_t)v->smin;
		r->smax32 = (int32_t)v->smax;
		r->bits =
		        flt_tnum_meet(r->bits, flt_tnum_make(v->bits.value,
		                                             v->bits.mask | ~(uint64_t)UINT32_MAX));
	}
}

static void make_equal(struct view *a, struct view *b)
{
	a->umin = b->umin = flt_max_u64(a->umin, b->umin);
	a->umax = b->umax = flt_min_u64(a->umax, b->umax);
	a->smin = b->smin = flt_max_s64(a->smin, b->smin);
	a->smax = b->smax = flt_min_s64(a->smax, b->smax);
	a->bits = b->bits = flt_tnum_meet(a->bits, b->bits);
}

/* Unequal to a known number: that number is no longer a bound. */
static void make_unequal(struct view *a, const struct view *b, bool wide)
{
	if (b->bits.mask)
		return;
	uint64_t value = b->bits.value;
	int64_t as_signed = wide ? (int64_t)value : (int32_t)value;
	if (a->umin == value && a->umin < a->umax)
		a->umin++;
	if (a->umax == value && a->umin < a->umax)
		a->umax--;
	if (a->smin == as_signed && a->smin < a->smax)
		a->smin++;
	if (a->smax == as_signed && a->smin < a->smax)
		a->smax--;
}

/* a > b (gap 1) or a >= b (gap 0). Wraps at the ends can't come: such branches were decided. */
static void make_greater(struct view *a, struct view *b, bool is_signed, uint32_t gap)
{
	if (is_signed) {
		a->smin = flt_max_s64(a->smin, b->smin + gap);
		b->smax = flt_min_s64(b->smax, a->smax - gap);
	} else {
		a->umin = flt_max_u64(a->umin, b->umin + gap);
		b->umax = flt_min_u64(b->umax, a->umax - gap);
	}
}

static void make_set(struct view *a, const struct view *b, bool set)
{
	if (b->bits.mask)
		return;
	uint64_t k = b->bits.value;
	if (!set)
		a->bits = flt_tnum_make(a->bits.value & ~k, a->bits.mask & ~k);
	else if (!(k & (k - 1)))
		a->bits = flt_tnum_make(a->bits.value | k, a->bits.mask & ~k);
}

/* The condition that holds where op does not. */
static uint32_t negation(uint32_t op)
{
	switch (op) {
	case BPF_JEQ:
		return BPF_JNE;
	case BPF_JNE:
		return BPF_JEQ;
	case BPF_JGT:
		return BPF_JLE;
	case BPF_JGE:
		return BPF_JLT;
	case BPF_JLT:
		return BPF_JGE;
	case BPF_JLE:
		return BPF_JGT;
	case BPF_JSGT:
		return BPF_JSLE;
	case BPF_JSGE:
		return BPF_JSLT;
	case BPF_JSLT:
		return BPF_JSGE;
	default:
		return BPF_JSGT;
	}
}

static void refine_views(uint32_t op, bool wide, struct view *a, struct view *b)
{
	switch (op) {
	case BPF_JEQ:
		make_equal(a, b);
		return;
	case BPF_JNE:
		make_unequal(a, b, wide);
		make_unequal(b, a, wide);
		return;
	case BPF_JGT:
		make_greater(a, b, false, 1);
		return;
	case BPF_JGE:
		make_greater(a, b, false, 0);
		return;
	case BPF_JLT:
		make_greater(b, a, false, 1);
		return;
	case BPF_JLE:
		make_greater(b, a, false, 0);
		return;
	case BPF_JSGT:
		make_greater(a, b, true, 1);
		return;
	case BPF_JSGE:
		make_greater(a, b, true, 0);
		return;
	case BPF_JSLT:
		make_greater(b, a, true, 1);
		return;
	default:
		make_greater(b, a, true, 0);
	}
}

void flt_range_refine(uint32_t op, bool wide, bool holds, struct flt_range *ra,
                      struct flt_range *rb)
{
	struct view a = view_of(ra, wide), b = view_of(rb, wide);
	if (op == BPF_JSET) {
		make_set(&a, &b, holds);
		make_set(&b, &a, holds);
	} else {
		refine_views(holds ? op : negation(op), wide, &a, &b);
	}
	put_view(ra, wide, &a);
	put_view(rb, wide, &b);
	flt_range_settle(ra);
	flt_range_settle(rb);
}
