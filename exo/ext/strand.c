/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strands: SPIN's. What the kernel gives time to are PEs: a policy blocks and unblocks them, and
 * gives its slots away as they begin. Inside a PE, libexo/strand.h is the same once more.
 */
#include "../core/slots.h"
#include "service.h"

/* The PE that is meant; core lock. */
static struct pe *find_pe(const struct ext_user *user, uint64_t env, uint64_t core)
{
	const struct env *found = ext_service_env(user, env);

	return found && core < machine_cores() ? env_pe(found, (uint32_t)core) : NULL;
}

int64_t ext_strand_block(uint64_t env, uint64_t core, uint64_t c, uint64_t d, uint64_t e, void *arg)
{
	struct ext_user *user = arg;
	struct ext_holdings *holdings;
	int error = -EXO_ENOENT;
	struct pe *pe;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	core_lock();
	pe = find_pe(user, env, core);
	holdings = pe ? ext_holdings_of(user->user) : NULL;
	if (holdings) {
		holdings->blocked = true;
		__atomic_store_n(&pe->blocked, user->user->id, __ATOMIC_RELAXED);
		error = 0;
	} else if (pe) {
		error = -EXO_ENOMEM;
	}
	core_unlock();
	return error;
}

static void unblock(struct pe *pe)
{
	__atomic_store_n(&pe->blocked, 0, __ATOMIC_RELAXED);
	core_look_soon(pe->core);
}

static void end_slot(struct pe *pe)
{
	pe_post(pe, EXO_EVENT_SLOT_END);
}

static int64_t act_on(const struct ext_user *user, uint64_t env, uint64_t core,
                      void (*act)(struct pe *))
{
	struct pe *pe;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	core_lock();
	pe = find_pe(user, env, core);
	if (pe)
		act(pe);
	core_unlock();
	return pe ? 0 : -EXO_ENOENT;
}

int64_t ext_strand_unblock(uint64_t env, uint64_t core, uint64_t c, uint64_t d, uint64_t e,
                           void *user)
{
	return act_on(user, env, core, unblock);
}

int64_t ext_strand_checkpoint(uint64_t env, uint64_t core, uint64_t c, uint64_t d, uint64_t e,
                              void *user)
{
	return act_on(user, env, core, end_slot);
}

int64_t ext_strand_resume(uint64_t env, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *user)
{
	const struct env *found;
	uint32_t id;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	core_lock();
	found = ext_service_env(user, env);
	id = found ? found->id : 0;
	core_unlock();
	return id ? slots_donate(id, false) : -EXO_ENOENT;
}

/* Who was blocked by the extension runs again. */
void ext_strands_end(const struct ext_domain *domain)
{
	if (!domain->holdings->blocked)
		return;
	for (struct env *env = env_next(0); env; env = env_next(env->id))
		for (struct pe *pe = env->pes; pe; pe = pe->next_of_env)
			if (pe->blocked == domain->id)
				unblock(pe);
}
