/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors of the filter engine: a code to act on and a text to show.
 *
 * Every function that can refuse returns 0 or one of the negative codes below and, where the caller
 * passed one, fills a struct flt_error that names program, place and reason. The error pointer may
 * be NULL everywhere. On success the structure is not touched. Codes are part of the interface,
 * texts are for people.
 */
#ifndef FLT_ERROR_H
#define FLT_ERROR_H

#include <stddef.h>
#include <stdint.h>

enum flt_code {
	FLT_OK = 0,
	FLT_E_INVALID = -1,     /* malformed input: a bad opcode, a truncated object, a bad term */
	FLT_E_REFUSED = -2,     /* well-formed, but the verifier can't prove it safe */
	FLT_E_LIMIT = -3,       /* exceeds a documented limit (size, states, terms, entries) */
	FLT_E_NO_MEMORY = -4,   /* the platform's alloc or code_alloc gave NULL */
	FLT_E_UNSUPPORTED = -5, /* legal bytecode or ELF that this engine does not take */
	FLT_E_NOT_FOUND = -6,   /* no such program, map, key */
	FLT_E_EXISTS = -7,      /* such a key exists already */
};

/* What was refused, where, and why. Texts are NUL-terminated and cut where they do not fit. */
struct flt_error {
	int32_t code;        /* enum flt_code */
	int32_t instruction; /* index in the program as it was handed in; -1: none */
	uint32_t line;       /* line of the source (from BTF.ext); 0: unknown */
	uint32_t column;     /* column, from 1, in the source or expression; 0: unknown */
	char program[32];    /* the program's name; "" where there is none */
	char file[64];       /* the source file's name; "" where unknown */
	char reason[160];    /* why, without a full stop or a newline */
};

/*
 * Writes "PROGRAM: instruction N (FILE:LINE:COLUMN): REASON" into text, without what is not known.
 * Returns the length that the whole text has; it is cut to size - 1 bytes and terminated.
 */
size_t flt_error_text(const struct flt_error *error, char *text, size_t size);

/* The code's name, "invalid" … ; "unknown" for a code that is none. */
const char *flt_code_name(int code);

#endif
