/* SPDX-License-Identifier: BSD-2-Clause */
/* Thread-local storage of PMD archives: one copy of PT_TLS per core, local-exec model (System V
 * ABI's TLS variant II). */
#ifndef X86_TLS_H
#define X86_TLS_H

#include "cpu.h"

/* Makes the copy for `cpu` and sets its thread pointer. Panics without memory. */
void tls_make(struct cpu *cpu);

#endif
