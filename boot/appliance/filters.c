/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiling expressions with several sets of stand-ins. Set 0 gives the result; where set 1
 * differs is a relocation; set 2 proves that the relocations are right and complete: set 0's
 * result, relocated, must be what compiling with set 2 gave, to the byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "filters.h"
#include "symbols.h"

/* Why an expression's relocations could not be told; ends the program. */
static _Noreturn void refuse_shape(struct place place, const char *what)
{
	refuse(place,
	       "the filter depends on $addr, $net, $group or $mac in a way that cannot be filled "
	       "in when the machine starts (%s)",
	       what);
}

static void compile_with(struct place place, const char *text, int family, int set,
                         struct flt_expression *expression)
{
	struct flt_error error = {0};
	char *filled = symbols_fill(place, text, family, set);
	if (flt_compile_expression(filled, expression, &error)) {
		char why[256];
		flt_error_text(&error, why, sizeof(why));
		refuse(place, "'%s': %s", text, why);
	}
	if (!expression->extraction.n)
		refuse(place, "'%s': no frame can satisfy it", text);
	/* What lies behind a conjunction's terms goes into the payload too: the same input is to
	 * give the same bytes. */
	for (uint32_t i = 0; i < expression->extraction.n; i++) {
		struct flt_conjunction *conjunction = &expression->conjunctions[i];
		size_t unused = FLT_CONJUNCTION_TERMS_MAX - conjunction->n_terms;
		memset(conjunction->terms + conjunction->n_terms, 0,
		       unused * sizeof(conjunction->terms[0]));
	}
	free(filled);
}

static void add_relocation(struct filter *filter, const struct origin *origin, unsigned where,
                           uint32_t index, uint32_t term)
{
	struct exo_manifest_relocation relocation = {
	        .symbol = origin->symbol,
	        .place = (uint16_t)where,
	        .index = index,
	        .term = (uint16_t)term,
	        .byte = origin->byte,
	        .width = origin->width,
	        .mask = origin->mask && where == EXO_PLACE_PROGRAM,
	};
	struct exo_manifest_relocation *longer =
	        must_alloc((filter->n_relocations + 1) * sizeof(*longer));
	if (filter->n_relocations)
		memcpy(longer, filter->relocations, filter->n_relocations * sizeof(*longer));
	free(filter->relocations);
	filter->relocations = longer;
	longer[filter->n_relocations++] = relocation;
}

static bool same_field(const struct flt_term *a, const struct flt_term *b)
{
	return a->base == b->base && a->width == b->width && a->test == b->test &&
	       a->negate == b->negate && a->offset == b->offset && a->msh == b->msh;
}

static uint32_t ones(unsigned width)
{
	return width == 4 ? UINT32_MAX : (1u << 8 * width) - 1;
}

/* Compares a term of set 0 with its counterpart of set 1; notes a relocation where they differ. */
static void compare_terms(struct place place, int family, struct filter *filter, unsigned where,
                          uint32_t index, uint32_t term, const struct flt_term *b)
{
	const struct flt_term *a = &filter->expression.conjunctions[index].terms[term];
	struct origin origin, mask;
	if (!same_field(a, b))
		refuse_shape(place, "its conjunctions change with the address");
	if (a->mask == b->mask && a->value == b->value)
		return;
	if (a->test != FLT_TEST_MASKED)
		refuse_shape(place, "a range begins or ends with the address");
	if (!symbols_find(family, a->width, a->value, b->value, &origin) || origin.mask)
		refuse_shape(place, "a field is compared with a part of it");
	if (origin.symbol == EXO_SYMBOL_NET) {
		if (!symbols_find(family, a->width, a->mask, b->mask, &mask) || !mask.mask ||
		    mask.byte != origin.byte)
			refuse_shape(place, "a network is compared under another mask");
	} else if (a->mask != ones(a->width) || b->mask != a->mask) {
		refuse_shape(place, "an address is compared under a mask");
	}
	add_relocation(filter, &origin, where, index, term);
}

static void compare_conjunctions(struct place place, int family, struct filter *filter,
                                 unsigned where, const struct flt_expression *b)
{
	const struct flt_expression *a = &filter->expression;
	if (a->extraction.n != b->extraction.n || a->extraction.exact != b->extraction.exact)
		refuse_shape(place, "the number of its conjunctions changes with the address");
	for (uint32_t i = 0; i < a->extraction.n; i++) {
		if (a->conjunctions[i].n_terms != b->conjunctions[i].n_terms)
			refuse_shape(place, "its conjunctions change with the address");
		for (uint32_t t = 0; t < a->conjunctions[i].n_terms; t++)
			compare_terms(place, family, filter, where, i, t,
			              &b->conjunctions[i].terms[t]);
	}
}

static void compare_programs(struct place place, int family, struct filter *filter,
                             const struct flt_expression *b)
{
	const struct flt_expression *a = &filter->expression;
	if (a->n_insns != b->n_insns)
		refuse_shape(place, "its program changes with the address");
	for (uint32_t i = 0; i < a->n_insns; i++) {
		const struct flt_classic_insn *x = &a->insns[i], *y = &b->insns[i];
		struct origin origin;
		if (x->code != y->code || x->jt != y->jt || x->jf != y->jf)
			refuse_shape(place, "its program changes with the address");
		if (x->k == y->k)
			continue;
		if (!symbols_find(family, 0, x->k, y->k, &origin))
			refuse_shape(place, "its program computes with a part of it");
		add_relocation(filter, &origin, EXO_PLACE_PROGRAM, i, 0);
	}
}

/* Fills in the values of a set, as init will do on the machine. */
static void relocate(struct flt_expression *expression, const struct filter *filter, int family,
                     int set)
{
	for (size_t i = 0; i < filter->n_relocations; i++) {
		const struct exo_manifest_relocation *r = &filter->relocations[i];
		struct origin origin = {r->symbol, r->byte, r->width, r->mask};
		if (r->place == EXO_PLACE_PROGRAM) {
			expression->insns[r->index].k = symbols_value(family, &origin, set);
			continue;
		}
		struct flt_term *term = &expression->conjunctions[r->index].terms[r->term];
		term->value = symbols_value(family, &origin, set);
		origin.mask = true;
		if (r->symbol == EXO_SYMBOL_NET)
			term->mask = symbols_value(family, &origin, set);
	}
}

static bool same(const struct flt_expression *a, const struct flt_expression *b, bool programs)
{
	return a->extraction.n == b->extraction.n && a->extraction.exact == b->extraction.exact &&
	       !memcmp(a->conjunctions, b->conjunctions,
	               a->extraction.n * sizeof(*a->conjunctions)) &&
	       (!programs || (a->n_insns == b->n_insns &&
	                      !memcmp(a->insns, b->insns, a->n_insns * sizeof(*a->insns))));
}

void filter_compile(struct place place, const char *text, int family, unsigned where,
                    struct filter *filter)
{
	struct flt_expression other, third;
	*filter = (struct filter){0};
	compile_with(place, text, family, 0, &filter->expression);
	compile_with(place, text, family, 1, &other);
	compile_with(place, text, family, 2, &third);
	bool programs = !filter->expression.extraction.exact;
	compare_conjunctions(place, family, filter, where, &other);
	if (programs)
		compare_programs(place, family, filter, &other);
	relocate(&filter->expression, filter, family, 2);
	if (!same(&filter->expression, &third, programs))
		refuse_shape(place, "a third address gives another filter");
	relocate(&filter->expression, filter, family, 0);
	flt_expression_free(&other);
	flt_expression_free(&third);
}

void filter_check_object(struct place place, const struct model_file *file)
{
	struct flt_program *program;
	struct flt_error error = {0};
	if (flt_program_load_elf(file->data, file->size, NULL, 0, &program, &error)) {
		char why[256];
		flt_error_text(&error, why, sizeof(why));
		refuse(place, "%s: %s", file->name, why);
	}
	flt_program_free(program);
}
