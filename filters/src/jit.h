/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The just-in-time compiler: the internal form to machine code (jit_x86_64*.c).
 */
#ifndef FLT_JIT_H
#define FLT_JIT_H

#include "program_internal.h"

/* What the verifier says about an instruction. */
enum {
	FLT_NOTE_PACKET = 1 << 0, /* a load through an unguarded pointer into the packet */
	FLT_NOTE_LIMIT =
	        1 << 1, /* pointer arithmetic to be held within limit against speculation */
	FLT_NOTE_FENCE = 1 << 2,     /* must not run ahead of the branches before it */
	FLT_NOTE_PLAIN_ALU = 1 << 4, /* verifier: the instruction was also seen adding numbers */
	FLT_NOTE_DEAD = 1 << 3,      /* never reached */
	FLT_NOTE_WITHIN = 1 << 5, /* with FLT_NOTE_LIMIT: the low 16 bits are all of the number */
	FLT_NOTE_NOT_WITHIN = 1 << 6, /* verifier: seen with pointers or numbers where that fails */
	FLT_NOTE_ROTATES = 1 << 7,    /* the first of those that rotate, see flt_insns_rotate */
};

/*
 * limit: with FLT_NOTE_LIMIT the limit. For calls: registers to be cleared before. For conditional
 * jumps: registers to be cleared where the processor goes a way that the condition does not allow,
 * on the way straight on and (shifted) on that of the jump.
 */
struct flt_note {
	uint8_t flags;
	uint32_t limit;
};

enum { FLT_NOTE_TAKEN_SHIFT = 16 };

/* How many instructions rotate a register to the left by the last but one's number, as compilers
 * write it: copy = it; copy >>= 64 - n; it <<= n; it |= copy; or another register than it, with
 * other = it before the last two. 0: they do something else. There are five at least. */
enum { FLT_ROTATION_MAX = 5 };
uint32_t flt_insns_rotate(const struct flt_insn insns[FLT_ROTATION_MAX]);

/*
 * State of a program that runs in checked mode as native code: every access is held against the
 * memory and the stack, every backward jump and call costs budget. The layout is known to the JIT.
 */
struct flt_checked {
	uint64_t memory;           /* start of the memory */
	uint64_t memory_limits[4]; /* by log2 of the size: offsets below this are inside */
	uint64_t stack;
	uint64_t stack_limits[4];
	uint64_t stack_top;
	int64_t budget;
	int64_t depth; /* calls left */
	uint64_t saved_rsp;
	uint64_t fault; /* enum flt_fault */
};

typedef uint64_t flt_native_checked(const void *r1, uint64_t r2, struct flt_checked *checked);

struct flt_jit_input {
	const struct flt_insn *insns;
	uint32_t n_insns;
	enum flt_kind kind;
	bool checked;
	const struct flt_note *notes;       /* n_insns, or NULL */
	struct flt_program *const *imports; /* with native code, all of them */
};

/* Compiles; *code is sealed and to be freed by platform.code_free(*code, *size). FLT_E_UNSUPPORTED
 * where the platform has no code memory: the program is then interpreted. */
int flt_jit_compile(const struct flt_jit_input *input, void **code, size_t *size);

#endif
