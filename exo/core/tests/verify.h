/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger's consistency, for tests and fuzzers. */
#ifndef CORE_TESTS_VERIFY_H
#define CORE_TESTS_VERIFY_H

#include <stdint.h>

/* Frames in each state, and what stands on them. */
struct ledger_counts {
	uint64_t free, owned, kernel, draining, retired, mappings, pins;
};
void ledger_count(struct ledger_counts *counts);
/* NULL, or what is inconsistent. Costs a walk over everything. */
const char *ledger_verify(void);

#endif
