/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Symbolic values: what a register of a classic program holds in terms of the frame. Used by
 * extraction.
 */
#ifndef FLT_SYMBOL_H
#define FLT_SYMBOL_H

#include <flt/flow.h>

#include "internal.h"

enum flt_symbol_kind {
	FLT_SYMBOL_UNKNOWN,
	FLT_SYMBOL_CONST, /* k */
	FLT_SYMBOL_FIELD, /* (field & mask) shifted left by shift (right if negative) */
	FLT_SYMBOL_MSH,   /* 4 * (frame[msh] & 0xf) + k */
};

struct flt_symbol {
	uint8_t kind;
	int8_t shift;
	uint32_t k;
	uint32_t mask;         /* only bits that survive the shift */
	struct flt_term place; /* FIELD: base, width, offset, msh; MSH: msh */
};

struct flt_symbol flt_symbol_const(uint32_t k);
struct flt_symbol flt_symbol_field(const struct flt_term *place);

/* a OP b with classic BPF's operation code. */
struct flt_symbol flt_symbol_alu(uint32_t op, const struct flt_symbol *a,
                                 const struct flt_symbol *b);

enum flt_truth {
	FLT_ALWAYS,  /* the condition holds in any case */
	FLT_NEVER,   /* it holds in no case */
	FLT_TERM,    /* it holds if and only if *when does (and its field exists), and fails if and
	                only if *unless does */
	FLT_UNCLEAR, /* can't be said as a term */
};

/* What "a OP k" with a conditional jump's operation means as a term. */
enum flt_truth flt_symbol_compare(uint32_t op, const struct flt_symbol *a, uint32_t k,
                                  struct flt_term *when, struct flt_term *unless);

#endif
