/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows: validity and membership. Comparison is in flowcmp.c, text in flowtext.c.
 */
#include <flt/flowset.h>

#include "internal.h"

/* NULL, or why the term is not well-formed. The term is a local copy. */
static const char *check_term(const struct flt_term *term)
{
	uint32_t all = flt_width_mask(term->width);
	if (term->width != 1 && term->width != 2 && term->width != 4)
		return "width is not 1, 2 or 4";
	if (term->negate > 1)
		return "negate is not 0 or 1";
	if (term->offset > FLT_TERM_OFFSET_MAX || term->msh > FLT_TERM_OFFSET_MAX)
		return "offset or msh is too large";
	switch (term->base) {
	case FLT_BASE_FRAME:
		if (term->msh)
			return "msh without base MSH";
		break;
	case FLT_BASE_MSH:
		break;
	case FLT_BASE_LENGTH:
		if (term->msh || term->offset || term->width != 4)
			return "base LENGTH wants offset 0, msh 0, width 4";
		break;
	default:
		return "unknown base";
	}
	switch (term->test) {
	case FLT_TEST_MASKED:
		if (term->mask & ~all)
			return "mask is wider than the field";
		if (term->value & ~term->mask)
			return "value has bits outside the mask";
		return NULL;
	case FLT_TEST_RANGE:
		if (term->low > term->high)
			return "low is greater than high";
		if (term->high > all)
			return "range is wider than the field";
		return NULL;
	default:
		return "unknown test";
	}
}

static int validate(const struct flt_conjunction *conjunction, uint32_t index,
                    struct flt_error *error)
{
	uint32_t n = conjunction->n_terms;
	if (n > FLT_CONJUNCTION_TERMS_MAX)
		return flt_fail(error, FLT_E_INVALID, (int32_t)index,
		                "conjunction of %u terms; the most is %u", n,
		                (uint32_t)FLT_CONJUNCTION_TERMS_MAX);
	if (conjunction->reserved)
		return flt_fail(error, FLT_E_INVALID, (int32_t)index, "reserved is not 0");
	for (uint32_t i = 0; i < n; i++) {
		struct flt_term term = conjunction->terms[i];
		const char *reason = check_term(&term);
		if (reason)
			return flt_fail(error, FLT_E_INVALID, (int32_t)index, "term %u: %s", i,
			                reason);
	}
	return 0;
}

int flt_conjunction_validate(const struct flt_conjunction *conjunction, struct flt_error *error)
{
	return validate(conjunction, 0, error);
}

int flt_flow_validate(struct flt_flow flow, struct flt_error *error)
{
	if (flow.n > FLT_FLOW_CONJUNCTIONS_MAX)
		return flt_fail(error, FLT_E_INVALID, -1, "flow of %u conjunctions; the most is %u",
		                flow.n, (uint32_t)FLT_FLOW_CONJUNCTIONS_MAX);
	for (uint32_t i = 0; i < flow.n; i++) {
		int code = validate(&flow.conjunctions[i], i, error);
		if (code)
			return code;
	}
	return 0;
}

/* Loads the term's field; false where it reaches beyond the captured bytes. */
static bool load_field(const struct flt_term *term, const struct flt_frame *frame, uint32_t *field)
{
	uint32_t at = term->offset;
	if (term->base == FLT_BASE_LENGTH) {
		*field = frame->wire_len;
		return true;
	}
	if (term->base == FLT_BASE_MSH) {
		if (term->msh >= frame->len)
			return false;
		at += 4 * (frame->data[term->msh] & 0xfu);
	}
	if (term->width > frame->len || at > frame->len - term->width)
		return false;
	const uint8_t *p = frame->data + at;
	*field = term->width == 1 ? *p : term->width == 2 ? flt_be16(p) : flt_be32(p);
	return true;
}

bool flt_term_match(const struct flt_term *term, const struct flt_frame *frame)
{
	uint32_t field;
	if (!load_field(term, frame, &field))
		return false;
	bool holds = term->test == FLT_TEST_MASKED ? (field & term->mask) == term->value
	                                           : term->low <= field && field <= term->high;
	return holds != (bool)term->negate;
}

/* What most terms are: fields at a fixed place under a mask, which four readable bytes hold. */
static inline bool is_usual(const struct flt_term *term, uint32_t room)
{
	return !(term->base | term->test | term->negate) && term->offset < room;
}

static inline bool usual_match(const struct flt_term *term, const uint8_t *data)
{
	uint32_t field = flt_be32(data + term->offset) >> (32 - 8 * term->width);
	return (field & term->mask) == term->value;
}

bool flt_conjunction_match(const struct flt_conjunction *conjunction, const struct flt_frame *frame)
{
	const struct flt_term *term = conjunction->terms, *end = term + conjunction->n_terms;
	uint32_t room = frame->len < 4 ? 0 : frame->len - 3; /* places where four bytes begin */
	for (; term < end; term++)
		if (!(is_usual(term, room) ? usual_match(term, frame->data)
		                           : flt_term_match(term, frame)))
			return false;
	return true;
}

bool flt_flow_match(struct flt_flow flow, const struct flt_frame *frame)
{
	for (uint32_t i = 0; i < flow.n; i++)
		if (flt_conjunction_match(&flow.conjunctions[i], frame))
			return true;
	return false;
}

int flt_flow_bits(struct flt_flow flow, const struct flt_frame *frame)
{
	int most = -1;
	for (uint32_t i = 0; i < flow.n; i++) {
		const struct flt_conjunction *c = &flow.conjunctions[i];
		if (flt_conjunction_match(c, frame)) {
			int bits = (int)flt_conjunction_bits(c);
			most = bits > most ? bits : most;
		}
	}
	return most;
}
