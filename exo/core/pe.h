/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Setting up and taking down PEs (struct pe: env.h). Core lock held.
 */
#ifndef CORE_PE_H
#define CORE_PE_H

#include "env.h"

/* Lets a PE run from its start address. */
void pe_start(struct pe *pe);
/* Removes it from its core and environment, and frees it. No core has it current. */
void pe_destroy(struct pe *pe);

/* Closes all gates to an environment: its key's epoch has ended. */
void pe_rename(const struct env *env);
/* Begins with none. */
void pe_init(void);

int64_t pe_call_set(struct call *call);

#endif
