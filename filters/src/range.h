/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verifier knows of a number: its bits (tristate numbers, after Vishwanathan, Shachnai,
 * Narayana and Nagarakatte, "Sound, Precise, and Fast Abstract Interpretation with Tristate
 * Numbers", CGO 2022), and bounds as an unsigned and as a signed number, for the whole register and
 * for its low half. Every function gives a range that contains all results of its operation on
 * members of the operands.
 */
#ifndef FLT_RANGE_H
#define FLT_RANGE_H

#include "internal.h"

/* A bit set in mask is unknown; otherwise it is as in value (which is 0 where mask is 1). */
struct flt_tnum {
	uint64_t value;
	uint64_t mask;
};

struct flt_range {
	struct flt_tnum bits;
	uint64_t umin, umax;
	int64_t smin, smax;
	uint32_t umin32, umax32;
	int32_t smin32, smax32;
};

struct flt_range flt_range_const(uint64_t value);
struct flt_range flt_range_unknown(void);
/* Zero-extended, of 1, 2, 4 or 8 bytes. */
struct flt_range flt_range_of_bytes(uint32_t bytes);
bool flt_range_is_const(const struct flt_range *a);
bool flt_range_equal(const struct flt_range *a, const struct flt_range *b);
/* Every member of b is one of a. */
bool flt_range_contains(const struct flt_range *a, const struct flt_range *b);
/* No member is left (after refining). */
bool flt_range_empty(const struct flt_range *a);

/* a OP b in 64 or 32 bits with eBPF's operation codes; offset as in the instruction. */
struct flt_range flt_range_alu(uint32_t op, bool wide, int16_t offset, const struct flt_range *a,
                               const struct flt_range *b);
/* The END instruction. */
struct flt_range flt_range_swap(bool swap, int32_t bits, const struct flt_range *a);
/* The low `bytes` bytes, zero-extended or sign-extended. */
struct flt_range flt_range_truncate(const struct flt_range *a, uint32_t bytes, bool is_signed);

/* 1: "a OP b" always holds, 0: never, -1: it depends. */
int flt_range_decide(uint32_t op, bool wide, const struct flt_range *a, const struct flt_range *b);
/* Narrows both to the members for which "a OP b" holds (holds) or does not. */
void flt_range_refine(uint32_t op, bool wide, bool holds, struct flt_range *a, struct flt_range *b);

#endif
