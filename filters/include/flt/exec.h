/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running eBPF that nobody verified, for conformance suites and fuzzers: every memory access is
 * held against the given memory and the program's own stack while it runs, and the number of steps
 * is bounded. Host library only.
 */
#ifndef FLT_EXEC_H
#define FLT_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "program.h"

enum { FLT_EXEC_STEPS_MAX = 10000000 };

/*
 * Runs n instructions with r1 = memory and r2 = its length (without memory both 0) and leaves r0 in
 * *result. Only well-formed programs run (flt_check's rules: RFC 9669); of the helpers only those
 * that take no pointers. Refused: FLT_E_INVALID. Stopped while running (memory, steps, depth of
 * calls): FLT_E_REFUSED, with the instruction where that is known.
 */
int flt_exec(const struct flt_insn *insns, uint32_t n, void *memory, uint64_t length, bool native,
             uint64_t *result, struct flt_error *error);

#endif
