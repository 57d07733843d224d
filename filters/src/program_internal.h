/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a loaded program is inside, and the stages that make it one: check, translate, verify, JIT.
 *
 * The internal form is eBPF plus the legacy packet loads (LD|ABS, LD|IND) that classic BPF needs,
 * as RFC 9669 lists them. In classic programs A is R0, X is R2, R3 is scratch, R1 points to the
 * struct flt_frame, and a packet load outside the captured bytes ends the program with 0.
 */
#ifndef FLT_PROGRAM_INTERNAL_H
#define FLT_PROGRAM_INTERNAL_H

#include <flt/map.h>
#include <flt/program.h>

#include "bpf.h"
#include "internal.h"

/* How the program's loads of the context (r1) are seen; decided by kind. */

/* Native code: r1 and r2 as arguments, r0 as result; the same with all that a call can have. */
typedef uint64_t flt_native(const void *r1, uint64_t r2);
typedef uint64_t flt_native_call(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5);

/* Calls it whatever its arguments are: the verifier has seen to them. */
uint64_t flt_program_enter(const struct flt_program *program, const uint64_t r[5]);

struct flt_program {
	enum flt_kind kind;
	uint32_t flags;
	uint32_t n_insns;
	struct flt_insn *insns; /* the internal form */
	uint32_t n_classic;
	struct flt_classic_insn *classic; /* as it came; NULL for eBPF */
	flt_native *native;               /* NULL: interpreted */
	size_t code_size;
	struct flt_service service;   /* call NULL: it is bytecode */
	void *context;                /* of the service */
	struct flt_object *object;    /* whose maps it uses, held; or NULL */
	struct flt_program **imports; /* that it calls; borrowed */
	uint32_t n_imports;
	uint32_t depth;                 /* programs active at once when it runs */
	struct flt_signature signature; /* of kind call */
	uint32_t verifier_steps;
	uint32_t cost; /* of the dearest path */
	char name[FLT_PROGRAM_NAME_MAX];
};

static inline uint32_t insn_dst(const struct flt_insn *insn)
{
	return insn->regs & 0xf;
}

static inline uint32_t insn_src(const struct flt_insn *insn)
{
	return insn->regs >> 4;
}

/* LD|IMM|DW takes two slots. */
static inline bool insn_is_wide(const struct flt_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static inline uint64_t insn_wide_imm(const struct flt_insn *insn)
{
	return (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
}

/* Bytes that a load or store touches. */
static inline uint32_t insn_size(const struct flt_insn *insn)
{
	switch (insn->code & BPF_SIZE_MASK) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	default:
		return 8;
	}
}

/* classic.c: whether n classic instructions are well-formed. */
int flt_classic_check(const struct flt_classic_insn *insns, uint32_t n, struct flt_error *error);

/* classic.c: translates checked classic instructions; *out is allocated. */
int flt_classic_translate(const struct flt_classic_insn *insns, uint32_t n, struct flt_insn **out,
                          uint32_t *n_out, struct flt_error *error);

#endif
