/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Working with flows (flt/flow.h): validity, membership, comparison, text.
 *
 * Comparison is conservative: "subset" and "disjoint" are true only where that is proven for every
 * possible frame; false means "not proven". Terms are compared by the bytes that they touch, so a
 * 4-byte term and two 2-byte terms over the same bytes say the same.
 *
 * Everything but flt_flow_validate and flt_conjunction_validate expects valid flows. None of it
 * allocates.
 */
#ifndef FLT_FLOWSET_H
#define FLT_FLOWSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "flow.h"
#include "program.h"

/* A flow by reference: n conjunctions somewhere. No conjunctions: the empty flow, to which no frame
 * belongs. */
struct flt_flow {
	const struct flt_conjunction *conjunctions;
	uint32_t n; /* at most FLT_FLOW_CONJUNCTIONS_MAX */
};

/*
 * Whether untrusted bytes are a well-formed conjunction or flow; error->instruction is the index of
 * the bad conjunction, the reason names the term. Only what lies in n_terms terms is looked at.
 */
int flt_conjunction_validate(const struct flt_conjunction *conjunction, struct flt_error *error);
int flt_flow_validate(struct flt_flow flow, struct flt_error *error);

/* Whether the frame belongs to it. */
bool flt_term_match(const struct flt_term *term, const struct flt_frame *frame);
bool flt_conjunction_match(const struct flt_conjunction *conjunction,
                           const struct flt_frame *frame);
bool flt_flow_match(struct flt_flow flow, const struct flt_frame *frame);

/*
 * Constrained bits: an exact field counts its width, a mask its set bits, a range of n values the
 * width less ceil(log2 n), a negation nothing. A header bit is counted once however many terms
 * speak of it, and several ranges over one field count as their intersection, so that repeating
 * oneself gives no precedence.
 */
uint32_t flt_conjunction_bits(const struct flt_conjunction *conjunction);

/* The flow's bits for a frame: the largest among its conjunctions that match; -1: none does. */
int flt_flow_bits(struct flt_flow flow, const struct flt_frame *frame);

/* No frame can satisfy it (proven). */
bool flt_conjunction_empty(const struct flt_conjunction *a);

/* Every frame in a is in b (proven). */
bool flt_conjunction_subset(const struct flt_conjunction *a, const struct flt_conjunction *b);
bool flt_flow_subset(struct flt_flow a, struct flt_flow b);

/* No frame is in both (proven). */
bool flt_conjunction_disjoint(const struct flt_conjunction *a, const struct flt_conjunction *b);
bool flt_flow_disjoint(struct flt_flow a, struct flt_flow b);

/* Frames in both. FLT_E_LIMIT where it would need too many terms. out may not overlap a or b. */
int flt_conjunction_intersect(const struct flt_conjunction *a, const struct flt_conjunction *b,
                              struct flt_conjunction *out);

/* Brings a conjunction into normal form in place: duplicate and implied terms go, ranges over one
 * field become one, terms are sorted. It means the same afterwards. */
void flt_conjunction_normalise(struct flt_conjunction *conjunction);

/*
 * Text for people, like "ip tcp dst port 80 net 10.0.0.0/8"; what has no name is written as
 * "frame[30:4] & 0xff000000 == 0x0a000000". Conjunctions are joined by " or ". Returns the whole
 * text's length; it is cut to size - 1 bytes and terminated.
 */
size_t flt_conjunction_text(const struct flt_conjunction *conjunction, char *text, size_t size);
size_t flt_flow_text(struct flt_flow flow, char *text, size_t size);

#endif
