/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Housekeeping: handlers of EXO_EXT_KEEP, which run between slots whether their environment has
 * time or not: garbage collection of its memory, and the like. One at a time, each every
 * KEEP_PART of a second at most; the time is its environment's.
 */
#include "../core/hooks.h"
#include "handler.h"

enum { KEEP_PART = 100 };

static uint32_t turn; /* whose turn it is, roughly: any core counts on */

/* Whether it is due, and nobody else runs it. */
static bool take_turn(struct ext_handler *h, uint64_t now)
{
	uint64_t after = __atomic_load_n(&h->after, __ATOMIC_RELAXED);

	return now >= after && __atomic_compare_exchange_n(
	                               &h->after, &after, now + machine_info()->tsc_hz / KEEP_PART,
	                               false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void charge(struct env *env, unsigned core, uint64_t ticks)
{
	struct pe *pe = env_pe(env, core);

	env->account->ticks_used += ticks;
	if (pe)
		pe->debt += ticks;
}

static void keep_one(struct ext_handler *h, unsigned core, uint64_t now)
{
	const uint64_t arguments[5] = {h->env->id, core, now};
	bool before = ext_services_open(core, true);

	(void)ext_handler_run(h, core, arguments);
	(void)ext_services_open(core, before);
	charge(h->env, core, machine_tsc() - now);
}

void ext_keep(unsigned core)
{
	const struct ext_chain *chain;
	uint64_t now;

	if (!__atomic_load_n(&ext.keepers, __ATOMIC_RELAXED))
		return;
	ext_section_begin(core);
	chain = __atomic_load_n(&ext.keepers, __ATOMIC_ACQUIRE);
	now = machine_tsc();
	if (chain) {
		uint32_t i = __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % chain->n;

		if (take_turn(chain->handlers[i], now))
			keep_one(chain->handlers[i], core, now);
	}
	ext_section_end(core);
}
