/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interpreter: the reference for what a program means.
 *
 * Two modes. Verified programs run unchecked. In checked mode every memory access is held against a
 * list of regions and the number of instructions against a budget, so that programs nobody verified
 * can run safely (`flt exec`), and so that a fuzzer sees a verified program that does what the
 * verifier should have refused.
 */
#ifndef FLT_INTERP_H
#define FLT_INTERP_H

#include "program_internal.h"

/* Memory that a checked program may touch. */
struct flt_region {
	uint64_t start;
	uint64_t size;
	bool writable;
};

enum flt_fault {
	FLT_FAULT_NONE,
	FLT_FAULT_MEMORY,      /* access outside the regions */
	FLT_FAULT_BUDGET,      /* too many instructions */
	FLT_FAULT_DEPTH,       /* too many nested calls */
	FLT_FAULT_INSTRUCTION, /* control flow or opcode that no checked program has */
	FLT_FAULT_CALL,        /* call by register of a helper that is not there */
};

struct flt_interp {
	const struct flt_insn *insns;
	uint32_t n_insns;
	const uint8_t *packet; /* for legacy packet loads */
	uint32_t packet_len;

	struct flt_program *const *imports;
	uint64_t more[3]; /* r3 to r5 at the start */

	bool checked;
	const struct flt_region *regions; /* the stack is allowed besides */
	uint32_t n_regions;
	uint64_t budget; /* instructions left, in checked mode */

	enum flt_fault fault; /* out, in checked mode */
	uint32_t fault_at;    /* the instruction */
};

/* Runs from instruction 0 with r1 and r2; returns r0, 0 after a fault. */
uint64_t flt_interp_run(struct flt_interp *interp, uint64_t r1, uint64_t r2);

#endif
