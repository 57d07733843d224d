/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verifier knows of a number: making, comparing, arithmetic. See range.h; conditions are
 * in range_branch.c.
 */
#include "range_internal.h"

#include "bpf.h"

/* --- tristate numbers --- */

static struct flt_tnum tnum_add(struct flt_tnum a, struct flt_tnum b)
{
	uint64_t unknown_sum = a.mask + b.mask;
	uint64_t sum = a.value + b.value;
	/* Bits where the largest and the smallest sum differ, by carries or directly, are unknown.
	 */
	uint64_t mask = ((unknown_sum + sum) ^ sum) | a.mask | b.mask;
	return flt_tnum_make(sum & ~mask, mask);
}

static struct flt_tnum tnum_sub(struct flt_tnum a, struct flt_tnum b)
{
	uint64_t difference = a.value - b.value;
	uint64_t mask = ((difference + a.mask) ^ (difference - b.mask)) | a.mask | b.mask;
	return flt_tnum_make(difference & ~mask, mask);
}

static struct flt_tnum tnum_and(struct flt_tnum a, struct flt_tnum b)
{
	uint64_t may = (a.value | a.mask) & (b.value | b.mask);
	uint64_t must = a.value & b.value;
	return flt_tnum_make(must, may & ~must);
}

static struct flt_tnum tnum_or(struct flt_tnum a, struct flt_tnum b)
{
	uint64_t must = a.value | b.value;
	return flt_tnum_make(must, (a.mask | b.mask) & ~must);
}

static struct flt_tnum tnum_xor(struct flt_tnum a, struct flt_tnum b)
{
	uint64_t mask = a.mask | b.mask;
	return flt_tnum_make((a.value ^ b.value) & ~mask, mask);
}

static struct flt_tnum tnum_shl(struct flt_tnum a, uint32_t by)
{
	return flt_tnum_make(a.value << by, a.mask << by);
}

static struct flt_tnum tnum_shr(struct flt_tnum a, uint32_t by)
{
	return flt_tnum_make(a.value >> by, a.mask >> by);
}

static struct flt_tnum tnum_sar(struct flt_tnum a, uint32_t by)
{
	return flt_tnum_make((uint64_t)((int64_t)a.value >> by), (uint64_t)((int64_t)a.mask >> by));
}

/* Long multiplication: a known set bit adds b shifted, an unknown bit adds b's possible bits. */
static struct flt_tnum tnum_mul(struct flt_tnum a, struct flt_tnum b)
{
	uint64_t value = a.value * b.value;
	struct flt_tnum uncertain = {0, 0};
	while (a.value || a.mask) {
		if (a.value & 1)
			uncertain = tnum_add(uncertain, flt_tnum_make(0, b.mask));
		else if (a.mask & 1)
			uncertain = tnum_add(uncertain, flt_tnum_make(0, b.value | b.mask));
		a = tnum_shr(a, 1);
		b = tnum_shl(b, 1);
	}
	return tnum_add(flt_tnum_make(value, 0), uncertain);
}

/* All numbers from low to high share their leading bits. */
static struct flt_tnum tnum_between(uint64_t low, uint64_t high)
{
	uint64_t differ = low ^ high;
	uint64_t mask = differ ? UINT64_MAX >> __builtin_clzll(differ) : 0;
	return flt_tnum_make(low & ~mask, mask);
}

/* --- keeping the parts in step --- */

static int32_t max_s32(int32_t a, int32_t b)
{
	return a > b ? a : b;
}
static int32_t min_s32(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static void bounds_from_bits(struct flt_range *r)
{
	uint64_t least = r->bits.value, most = r->bits.value | r->bits.mask;
	uint64_t sign = 1ull << 63;
	r->umin = flt_max_u64(r->umin, least);
	r->umax = flt_min_u64(r->umax, most);
	r->smin = flt_max_s64(r->smin, (int64_t)(least | (r->bits.mask & sign)));
	r->smax = flt_min_s64(r->smax, (int64_t)(most & ~(r->bits.mask & sign)));
	uint32_t least32 = (uint32_t)least, most32 = (uint32_t)most;
	uint32_t sign32 = (uint32_t)r->bits.mask & 1u << 31;
	r->umin32 = flt_max_u32(r->umin32, least32);
	r->umax32 = flt_min_u32(r->umax32, most32);
	r->smin32 = max_s32(r->smin32, (int32_t)(least32 | sign32));
	r->smax32 = min_s32(r->smax32, (int32_t)(most32 & ~sign32));
}

/* Where all members have one sign, signed and unsigned bounds are the same numbers. */
static void exchange_signs(struct flt_range *r)
{
	if ((int64_t)r->umin <= (int64_t)r->umax) {
		r->smin = flt_max_s64(r->smin, (int64_t)r->umin);
		r->smax = flt_min_s64(r->smax, (int64_t)r->umax);
	}
	if ((uint64_t)r->smin <= (uint64_t)r->smax) {
		r->umin = flt_max_u64(r->umin, (uint64_t)r->smin);
		r->umax = flt_min_u64(r->umax, (uint64_t)r->smax);
	}
	if ((int32_t)r->umin32 <= (int32_t)r->umax32) {
		r->smin32 = max_s32(r->smin32, (int32_t)r->umin32);
		r->smax32 = min_s32(r->smax32, (int32_t)r->umax32);
	}
	if ((uint32_t)r->smin32 <= (uint32_t)r->smax32) {
		r->umin32 = flt_max_u32(r->umin32, (uint32_t)r->smin32);
		r->umax32 = flt_min_u32(r->umax32, (uint32_t)r->smax32);
	}
}

/* The low half from the whole, and the whole from the low half, where the upper half is one value.
 */
static void exchange_halves(struct flt_range *r)
{
	if (r->umin >> 32 == r->umax >> 32) {
		r->umin32 = flt_max_u32(r->umin32, (uint32_t)r->umin);
		r->umax32 = flt_min_u32(r->umax32, (uint32_t)r->umax);
		uint64_t upper = r->umin & ~(uint64_t)UINT32_MAX;
		r->umin = flt_max_u64(r->umin, upper | r->umin32);
		r->umax = flt_min_u64(r->umax, upper | r->umax32);
	}
	if (r->smin >= INT32_MIN && r->smax <= INT32_MAX) {
		r->smin32 = max_s32(r->smin32, (int32_t)r->smin);
		r->smax32 = min_s32(r->smax32, (int32_t)r->smax);
		r->smin = flt_max_s64(r->smin, r->smin32);
		r->smax = flt_min_s64(r->smax, r->smax32);
	}
}

static void bits_from_bounds(struct flt_range *r)
{
	if (r->umin <= r->umax)
		r->bits = flt_tnum_meet(r->bits, tnum_between(r->umin, r->umax));
	if (r->umin32 <= r->umax32) {
		struct flt_tnum low = tnum_between(r->umin32, r->umax32);
		low.mask |= ~(uint64_t)UINT32_MAX;
		r->bits = flt_tnum_meet(r->bits, low);
	}
}

/* Two rounds reach what matters. */
void flt_range_settle(struct flt_range *r)
{
	for (int round = 0; round < 2; round++) {
		bounds_from_bits(r);
		exchange_signs(r);
		exchange_halves(r);
		exchange_signs(r);
		bits_from_bounds(r);
	}
	bounds_from_bits(r);
}

/* --- making and comparing --- */

struct flt_range flt_range_unknown(void)
{
	return (struct flt_range){
	        .bits = {0, UINT64_MAX},
	        .umax = UINT64_MAX,
	        .smin = INT64_MIN,
	        .smax = INT64_MAX,
	        .umax32 = UINT32_MAX,
	        .smin32 = INT32_MIN,
	        .smax32 = INT32_MAX,
	};
}

struct flt_range flt_range_const(uint64_t value)
{
	return (struct flt_range){
	        .bits = {value, 0},
	        .umin = value,
	        .umax = value,
	        .smin = (int64_t)value,
	        .smax = (int64_t)value,
	        .umin32 = (uint32_t)value,
	        .umax32 = (uint32_t)value,
	        .smin32 = (int32_t)value,
	        .smax32 = (int32_t)value,
	};
}

static struct flt_range from_bits(struct flt_tnum bits)
{
	struct flt_range r = flt_range_unknown();
	r.bits = bits;
	flt_range_settle(&r);
	return r;
}

static struct flt_range between(uint64_t low, uint64_t high)
{
	struct flt_range r = flt_range_unknown();
	r.umin = low;
	r.umax = high;
	flt_range_settle(&r);
	return r;
}

static struct flt_range between_signed(int64_t low, int64_t high)
{
	struct flt_range r = flt_range_unknown();
	r.smin = low;
	r.smax = high;
	flt_range_settle(&r);
	return r;
}

struct flt_range flt_range_of_bytes(uint32_t bytes)
{
	return bytes >= 8 ? flt_range_unknown()
	                  : from_bits(flt_tnum_make(0, (1ull << 8 * bytes) - 1));
}

bool flt_range_is_const(const struct flt_range *a)
{
	return !a->bits.mask;
}

bool flt_range_equal(const struct flt_range *a, const struct flt_range *b)
{
	return a->bits.value == b->bits.value && a->bits.mask == b->bits.mask &&
	       a->umin == b->umin && a->umax == b->umax && a->smin == b->smin &&
	       a->smax == b->smax && a->umin32 == b->umin32 && a->umax32 == b->umax32 &&
	       a->smin32 == b->smin32 && a->smax32 == b->smax32;
}

bool flt_range_contains(const struct flt_range *a, const struct flt_range *b)
{
	if ((b->bits.mask & ~a->bits.mask) || ((a->bits.value ^ b->bits.value) & ~a->bits.mask))
		return false;
	return a->umin <= b->umin && b->umax <= a->umax && a->smin <= b->smin &&
	       b->smax <= a->smax && a->umin32 <= b->umin32 && b->umax32 <= a->umax32 &&
	       a->smin32 <= b->smin32 && b->smax32 <= a->smax32;
}

bool flt_range_empty(const struct flt_range *a)
{
	return a->umin > a->umax || a->smin > a->smax || a->umin32 > a->umax32 ||
	       a->smin32 > a->smax32;
}

/* --- arithmetic --- */

static struct flt_range add(const struct flt_range *a, const struct flt_range *b)
{
	struct flt_range r = flt_range_unknown();
	r.bits = tnum_add(a->bits, b->bits);
	if (!__builtin_add_overflow(a->umin, b->umin, &r.umin) &&
	    !__builtin_add_overflow(a->umax, b->umax, &r.umax))
		;
	else
		r.umin = 0, r.umax = UINT64_MAX;
	if (__builtin_add_overflow(a->smin, b->smin, &r.smin) ||
	    __builtin_add_overflow(a->smax, b->smax, &r.smax))
		r.smin = INT64_MIN, r.smax = INT64_MAX;
	if (__builtin_add_overflow(a->umin32, b->umin32, &r.umin32) ||
	    __builtin_add_overflow(a->umax32, b->umax32, &r.umax32))
		r.umin32 = 0, r.umax32 = UINT32_MAX;
	if (__builtin_add_overflow(a->smin32, b->smin32, &r.smin32) ||
	    __builtin_add_overflow(a->smax32, b->smax32, &r.smax32))
		r.smin32 = INT32_MIN, r.smax32 = INT32_MAX;
	flt_range_settle(&r);
	return r;
}

static struct flt_range sub(const struct flt_range *a, const struct flt_range *b)
{
	struct flt_range r = flt_range_unknown();
	r.bits = tnum_sub(a->bits, b->bits);
	if (a->umin >= b->umax) {
		r.umin = a->umin - b->umax;
		r.umax = a->umax - b->umin;
	}
	if (__builtin_sub_overflow(a->smin, b->smax, &r.smin) ||
	    __builtin_sub_overflow(a->smax, b->smin, &r.smax))
		r.smin = INT64_MIN, r.smax = INT64_MAX;
	if (a->umin32 >= b->umax32) {
		r.umin32 = a->umin32 - b->umax32;
		r.umax32 = a->umax32 - b->umin32;
	}
	if (__builtin_sub_overflow(a->smin32, b->smax32, &r.smin32) ||
	    __builtin_sub_overflow(a->smax32, b->smin32, &r.smax32))
		r.smin32 = INT32_MIN, r.smax32 = INT32_MAX;
	flt_range_settle(&r);
	return r;
}

static struct flt_range mul(const struct flt_range *a, const struct flt_range *b)
{
	struct flt_range r = flt_range_unknown();
	uint64_t low, high;
	r.bits = tnum_mul(a->bits, b->bits);
	if (!__builtin_mul_overflow(a->umax, b->umax, &high)) {
		low = a->umin * b->umin;
		r.umin = low;
		r.umax = high;
	}
	flt_range_settle(&r);
	return r;
}

static struct flt_range and (const struct flt_range *a, const struct flt_range *b)
{
	struct flt_range r = from_bits(tnum_and(a->bits, b->bits));
	r.umax = flt_min_u64(r.umax, flt_min_u64(a->umax, b->umax));
	flt_range_settle(&r);
	return r;
}

static struct flt_range or (const struct flt_range *a, const struct flt_range *b)
{
	struct flt_range r = from_bits(tnum_or(a->bits, b->bits));
	r.umin = flt_max_u64(r.umin, flt_max_u64(a->umin, b->umin));
	flt_range_settle(&r);
	return r;
}

static struct flt_range shift_left(const struct flt_range *a, uint32_t by)
{
	struct flt_range r = from_bits(tnum_shl(a->bits, by));
	if (a->umax <= UINT64_MAX >> by) {
		r.umin = flt_max_u64(r.umin, a->umin << by);
		r.umax = flt_min_u64(r.umax, a->umax << by);
		flt_range_settle(&r);
	}
	return r;
}

static struct flt_range shift_right(const struct flt_range *a, uint32_t by)
{
	struct flt_range r = from_bits(tnum_shr(a->bits, by));
	r.umin = flt_max_u64(r.umin, a->umin >> by);
	r.umax = flt_min_u64(r.umax, a->umax >> by);
	flt_range_settle(&r);
	return r;
}

static struct flt_range shift_arithmetic(const struct flt_range *a, uint32_t by)
{
	struct flt_range r = from_bits(tnum_sar(a->bits, by));
	r.smin = flt_max_s64(r.smin, a->smin >> by);
	r.smax = flt_min_s64(r.smax, a->smax >> by);
	flt_range_settle(&r);
	return r;
}

/* A shift by an unknown count. */
static struct flt_range shift_unknown(uint32_t op, const struct flt_range *a,
                                      const struct flt_range *b, uint64_t most)
{
	if (op == BPF_RSH && b->umax <= most)
		return between(a->umin >> b->umax, a->umax >> b->umin);
	if (op == BPF_RSH)
		return between(0, a->umax);
	if (op == BPF_ARSH)
		return between_signed(a->smin < 0 ? a->smin : 0, a->smax >= 0 ? a->smax : -1);
	if (b->umax <= most && a->umax <= UINT64_MAX >> b->umax)
		return between(a->umin << b->umin, a->umax << b->umax);
	return flt_range_unknown();
}

static struct flt_range shift(uint32_t op, const struct flt_range *a, const struct flt_range *b,
                              uint32_t most)
{
	if (!flt_range_is_const(b))
		return shift_unknown(op, a, b, most);
	uint32_t by = (uint32_t)b->bits.value & most;
	return op == BPF_LSH   ? shift_left(a, by)
	       : op == BPF_RSH ? shift_right(a, by)
	                       : shift_arithmetic(a, by);
}

/* Unsigned; by 0 gives 0. */
static struct flt_range divide(const struct flt_range *a, const struct flt_range *b)
{
	uint64_t low = b->umax ? a->umin / b->umax : 0;
	return between(b->umin ? low : 0, b->umin ? a->umax / b->umin : a->umax);
}

/* Unsigned; by 0 leaves a. */
static struct flt_range modulo(const struct flt_range *a, const struct flt_range *b)
{
	if (b->umin && a->umax < b->umin)
		return *a;
	return between(0, b->umin ? flt_min_u64(a->umax, b->umax - 1) : a->umax);
}

static bool signed_operands_plain(const struct flt_range *a, const struct flt_range *b)
{
	return a->smin >= 0 && b->smin >= 0;
}

static struct flt_range alu64(uint32_t op, int16_t offset, const struct flt_range *a,
                              const struct flt_range *b, uint32_t shift_most)
{
	struct flt_range zero = flt_range_const(0);
	switch (op) {
	case BPF_ADD:
		return add(a, b);
	case BPF_SUB:
		return sub(a, b);
	case BPF_MUL:
		return mul(a, b);
	case BPF_DIV:
		if (offset && !signed_operands_plain(a, b))
			return flt_range_unknown();
		return divide(a, b);
	case BPF_MOD:
		if (offset && !signed_operands_plain(a, b))
			return flt_range_unknown();
		return modulo(a, b);
	case BPF_OR:
		return or (a, b);
	case BPF_AND:
		return and(a, b);
	case BPF_XOR:
		return from_bits(tnum_xor(a->bits, b->bits));
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH:
		return shift(op, a, b, shift_most);
	case BPF_NEG:
		return sub(&zero, a);
	case BPF_MOV:
		return offset ? flt_range_truncate(b, (uint32_t)offset / 8, true) : *b;
	default:
		return flt_range_unknown();
	}
}

/*
 * 32-bit operations work on zero-extended (arithmetic shifts and signed division: sign-extended)
 * halves in 64 bits, where nothing overflows that the truncation would not drop anyway.
 */
static struct flt_range alu32(uint32_t op, int16_t offset, const struct flt_range *a,
                              const struct flt_range *b)
{
	bool is_signed = op == BPF_ARSH || ((op == BPF_DIV || op == BPF_MOD) && offset);
	struct flt_range x = flt_range_truncate(a, 4, is_signed);
	struct flt_range y = flt_range_truncate(b, 4, is_signed);
	struct flt_range r = alu64(op, offset, &x, &y, 31);
	struct flt_range low = flt_range_truncate(&r, 4, false);
	if (op == BPF_ADD ||
	    op == BPF_SUB) { /* the signed halves say more than the zero-extended */
		int64_t least =
		        op == BPF_ADD ? (int64_t)x.smin32 + y.smin32 : (int64_t)x.smin32 - y.smax32;
		int64_t most =
		        op == BPF_ADD ? (int64_t)x.smax32 + y.smax32 : (int64_t)x.smax32 - y.smin32;
		if (least >= INT32_MIN && most <= INT32_MAX) {
			low.smin32 = max_s32(low.smin32, (int32_t)least);
			low.smax32 = min_s32(low.smax32, (int32_t)most);
			flt_range_settle(&low);
		}
	}
	return low;
}

struct flt_range flt_range_alu(uint32_t op, bool wide, int16_t offset, const struct flt_range *a,
                               const struct flt_range *b)
{
	return wide ? alu64(op, offset, a, b, 63) : alu32(op, offset, a, b);
}

/* Whether truncation to less than eight bytes changes no value of it. */
static bool fits(const struct flt_range *a, uint32_t bytes, bool is_signed)
{
	int64_t half = 1ll << (8 * bytes - 1);

	if (is_signed)
		return a->smin >= -half && a->smax < half;
	return a->umax < 1ull << 8 * bytes;
}

struct flt_range flt_range_truncate(const struct flt_range *a, uint32_t bytes, bool is_signed)
{
	uint32_t unused = 64 - 8 * bytes;
	struct flt_tnum bits = tnum_shl(a->bits, unused);
	if (bytes >= 8)
		return *a;
	struct flt_range r = from_bits(is_signed ? tnum_sar(bits, unused) : tnum_shr(bits, unused));
	if (bytes == 4) {
		r.umin32 = flt_max_u32(r.umin32, a->umin32);
		r.umax32 = flt_min_u32(r.umax32, a->umax32);
		r.smin32 = max_s32(r.smin32, a->smin32);
		r.smax32 = min_s32(r.smax32, a->smax32);
		if (is_signed) {
			r.smin = flt_max_s64(r.smin, a->smin32);
			r.smax = flt_min_s64(r.smax, a->smax32);
		}
		flt_range_settle(&r);
	} else if (fits(a, bytes, is_signed)) {
		return *a;
	}
	return r;
}

static uint64_t swap_bytes(uint64_t value, int32_t bits)
{
	return bits == 16   ? __builtin_bswap16((uint16_t)value)
	       : bits == 32 ? __builtin_bswap32((uint32_t)value)
	                    : __builtin_bswap64(value);
}

struct flt_range flt_range_swap(bool swap, int32_t bits, const struct flt_range *a)
{
	struct flt_range low = flt_range_truncate(a, (uint32_t)bits / 8, false);
	if (!swap)
		return low;
	return from_bits(
	        flt_tnum_make(swap_bytes(low.bits.value, bits), swap_bytes(low.bits.mask, bits)));
}
