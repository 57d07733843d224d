/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expressions in libpcap's language, compiled to classic BPF and to a flow. Host library only: it
 * calls libpcap.
 */
#ifndef FLT_EXPRESSION_H
#define FLT_EXPRESSION_H

#include "extract.h"
#include "flow.h"
#include "program.h"

/* What an expression compiles to. */
struct flt_expression {
	struct flt_classic_insn *insns; /* malloc'ed */
	uint32_t n_insns;
	struct flt_conjunction *conjunctions; /* malloc'ed; extraction.n of them */
	struct flt_extraction extraction;
};

/*
 * Compiles an expression for Ethernet frames, optimised, snapshot length FLT_EXPRESSION_SNAPLEN.
 * Free it with flt_expression_free(). Refused: FLT_E_INVALID, libpcap's own reason, and the column
 * where it can be found. The engine must have been initialised (flt_host_init).
 */
enum { FLT_EXPRESSION_SNAPLEN = 262144 };
int flt_compile_expression(const char *text, struct flt_expression *expression,
                           struct flt_error *error);
void flt_expression_free(struct flt_expression *expression);

#endif
