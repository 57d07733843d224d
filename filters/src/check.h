/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The structure of an eBPF program: what is well-formed, where functions begin, what is jumped to.
 */
#ifndef FLT_CHECK_H
#define FLT_CHECK_H

#include "program_internal.h"

/* What stands at an instruction's index. */
enum {
	FLT_INSN_SECOND_HALF = 1 << 0, /* of a 64-bit immediate */
	FLT_INSN_FUNCTION = 1 << 1,    /* a function begins */
	FLT_INSN_TARGET = 1 << 2,      /* something jumps here */
};

struct flt_shape_of_program {
	uint8_t *kinds;
	uint32_t *function; /* index of the first instruction of the function it belongs to */
};

/* Checks untrusted instructions and fills in shape, to be freed in any case. */
int flt_check(const struct flt_insn *insns, uint32_t n, struct flt_shape_of_program *shape,
              struct flt_error *error);
void flt_shape_of_program_free(struct flt_shape_of_program *shape);

/* Whether each instruction can be reached by following jumps both ways; FLT_E_REFUSED. */
int flt_check_reachable(const struct flt_insn *insns, uint32_t n,
                        const struct flt_shape_of_program *shape, struct flt_error *error);

/* The register that a call by register (callx) names. */
uint32_t flt_insn_call_register(const struct flt_insn *insn);

/* How far a jump goes, from the instruction behind it. */
int32_t flt_insn_distance(const struct flt_insn *insn);

#endif
