/* SPDX-License-Identifier: BSD-2-Clause */
/* What slots.c and slot_owners.c know of a core, and nobody else: slots.h. */
#ifndef CORE_SLOTS_CORE_H
#define CORE_SLOTS_CORE_H

#include "slots.h"

#include "machine.h"

struct core {
	/* Under `lock`; changed by any core that also holds the core lock. */
	struct machine_lock lock;
	struct pe *pes;
	struct pe *slots[EXO_SLOTS_PER_CORE]; /* the owners' PEs on this core */
	uint64_t owned;                       /* bit i: slots[i] is not NULL */
	uint64_t ready; /* atomic: of those, all whose PEs may be able to run before `due` */

	/* This core's own. */
	struct pe *current;          /* NULL: none */
	struct pe *donee;            /* gets the rest of the slot */
	bool passed;                 /* the slot went on to a donee before anybody ran in it */
	unsigned slot;               /* index in the vector */
	uint64_t slot_end, save_end; /* save_end 0: the PE was not told of the end */
	uint64_t listen_at;          /* when NICs may interrupt who runs; UINT64_MAX: they may */
	uint64_t listened;           /* when they could last, or the core halted */
	uint64_t last_work;          /* TSC at which there was something to do */
	uint64_t due;                /* when the others may by time alone, at the earliest */
	bool watching;               /* see net_watch */

	uint32_t send_wanted; /* atomic: rings' bells have rung */
} __attribute__((aligned(64)));

extern struct core slots_cores[EXO_CORES_MAX];

static inline struct core *this_core(void)
{
	struct core *core = &slots_cores[machine_core()];

	__asm__("" : "+r"(core)); /* so that it is not reckoned anew at each use */
	return core;
}

#endif
