/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signatures: what a function of one program takes and gives, as BTF in its object says, so that
 * another program can call it. Numbers of at most eight bytes, and pointers to memory of a known
 * size: all of it must be readable at the call, and writable too unless it is const. Pointers
 * inside such memory are never followed: programs have none to store there.
 */
#ifndef FLT_SIGNATURE_H
#define FLT_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FLT_ARGUMENTS_MAX = 5,
	FLT_ARGUMENT_BYTES_MAX = 4096, /* of memory behind a pointer */
};

enum flt_argument_kind {
	FLT_ARGUMENT_NUMBER,
	FLT_ARGUMENT_MEMORY,   /* read and written */
	FLT_ARGUMENT_CONSTANT, /* read */
};

struct flt_signature {
	uint32_t n;
	uint32_t result; /* digest of its type */
	struct flt_argument {
		uint16_t kind; /* enum flt_argument_kind */
		uint16_t size; /* bytes, of the number or of the memory */
		uint32_t type; /* digest: names, sizes and offsets of what it is made of */
	} arguments[FLT_ARGUMENTS_MAX];
};

/* That of `__s64 function(__u64, …)` with n arguments. */
void flt_signature_numbers(uint32_t n, struct flt_signature *signature);

/* Whether who was compiled for one can call the other. */
bool flt_signature_equal(const struct flt_signature *a, const struct flt_signature *b);
/* "(number 4, memory 16, const 8)": for people. Cut as snprintf does. */
void flt_signature_text(const struct flt_signature *signature, char *text, size_t size);

#endif
