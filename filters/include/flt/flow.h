/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows: which frames somebody speaks of, as data that can be compared.
 *
 * A flow is a set of at most FLT_FLOW_CONJUNCTIONS_MAX conjunctions; a frame belongs to it when at
 * least one of them holds. A conjunction is a list of terms, all of which must hold; one without
 * terms holds for every frame. A term tests one header field by its position in the frame, as the
 * packet filter of DPF did: the field's offset, its width, and either a mask and a value or a
 * range. Positions, not names: the kernel knows no protocol, and what a filter tested is exactly
 * what was on the wire. `tcp port 80` over IPv4 becomes, in libpcap's own order,
 *
 *     frame[12:2] == 0x0800, frame[23:1] == 6, frame[20:2] & 0x1fff == 0,
 *     frame[14 + 4 * (frame[14] & 15) + 2 : 2] == 80
 *
 * whose last field lies behind a header of variable length: FLT_BASE_MSH, classic BPF's addressing
 * by "4 * ([k] & 0xf)".
 *
 * A field that reaches beyond the captured bytes makes its term false, negated or not (classic BPF
 * rejects a packet in that case; a term must never accept more).
 *
 * This header is data only and is part of Sluice's ABI (exo/flow.h includes it): it is what a
 * library OS hands to the kernel, what capabilities over flow space hold, and what the decision
 * structure is made of.
 */
#ifndef FLT_FLOW_H
#define FLT_FLOW_H

#include <stdint.h>

enum {
	FLT_FLOW_CONJUNCTIONS_MAX = 64, /* conjunctions of one flow */
	FLT_CONJUNCTION_TERMS_MAX = 24, /* terms of one conjunction */
	FLT_TERM_OFFSET_MAX = 4095,     /* greatest offset and msh of a term */
};

/* Where a term's offset counts from. */
enum flt_base {
	FLT_BASE_FRAME = 0, /* the frame's first byte (its Ethernet header) */
	FLT_BASE_MSH = 1,   /* 4 * (frame[msh] & 0xf) bytes behind the frame's first byte */
	FLT_BASE_LENGTH =
	        2, /* no bytes at all: the frame's length on the wire; offset and msh 0, width 4 */
};

/* How a term compares its field. */
enum flt_test {
	FLT_TEST_MASKED = 0, /* (field & mask) == value; mask all ones: exact; mask 0: the field
	                        merely exists */
	FLT_TEST_RANGE = 1,  /* low <= field && field <= high, unsigned */
};

/* One predicate over one header field; fields are big-endian (network order) and are compared as
 * host integers. */
struct flt_term {
	uint8_t base;    /* enum flt_base */
	uint8_t width;   /* bytes: 1, 2 or 4 */
	uint8_t test;    /* enum flt_test */
	uint8_t negate;  /* 1: the test must fail (the field must exist all the same) */
	uint16_t offset; /* bytes from the base */
	uint16_t msh;    /* FLT_BASE_MSH: where the length nibble stands; otherwise 0 */
	union {
		uint32_t mask; /* FLT_TEST_MASKED */
		uint32_t low;  /* FLT_TEST_RANGE */
	};
	union {
		uint32_t value; /* FLT_TEST_MASKED; no bit outside mask */
		uint32_t high;  /* FLT_TEST_RANGE; at least low */
	};
};

/* A list of terms, all of which must hold. */
struct flt_conjunction {
	uint32_t n_terms;  /* at most FLT_CONJUNCTION_TERMS_MAX */
	uint32_t reserved; /* 0 */
	struct flt_term terms[FLT_CONJUNCTION_TERMS_MAX];
};

_Static_assert(sizeof(struct flt_term) == 16, "flt_term is part of the ABI");
_Static_assert(sizeof(struct flt_conjunction) == 8 + 16 * FLT_CONJUNCTION_TERMS_MAX,
               "flt_conjunction is part of the ABI");

#endif
