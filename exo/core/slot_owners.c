/* SPDX-License-Identifier: BSD-2-Clause */
/* PEs and slots of each core: who owns which, and the calls that change it: slots.h. */
#include "slots_core.h"

#include "core.h"
#include "cap.h"
#include "env.h"
#include "transfer.h"

struct core slots_cores[EXO_CORES_MAX];

void slots_init(void)
{
	for (unsigned i = 0; i < EXO_CORES_MAX; i++)
		slots_cores[i] = (struct core){
		        .number = i, .slot = EXO_SLOTS_PER_CORE - 1, .look_at = UINT64_MAX};
}

void core_look_soon(unsigned core)
{
	if (core != machine_core() && __atomic_exchange_n(&slots_cores[core].wanted, LOOK_ASKED,
	                                                  __ATOMIC_SEQ_CST) == LOOK_UNASKED)
		machine_nudge(core);
}

static void assign(struct core *core, unsigned index, struct pe *pe)
{
	struct pe *before = core->slots[index];

	if (before)
		__atomic_and_fetch(&before->slots, ~(1ull << index), __ATOMIC_RELAXED);
	core->slots[index] = pe;
	if (!pe) {
		core->owned &= ~(1ull << index);
		return;
	}
	__atomic_or_fetch(&pe->slots, 1ull << index, __ATOMIC_RELAXED);
	core->owned |= 1ull << index;
	slots_ready(pe);
}

static struct exo_slot_info *slots_of(unsigned core)
{
	return core_info_slots() + (size_t)core * EXO_SLOTS_PER_CORE;
}

void slots_add(struct pe *pe)
{
	struct core *core = &slots_cores[pe->core];
	const struct exo_slot_info *slots = slots_of(pe->core);

	machine_lock(&core->lock);
	pe->next_on_core = core->pes;
	core->pes = pe;
	for (unsigned i = 0; i < EXO_SLOTS_PER_CORE; i++) {
		if (slots[i].owner == pe->env->id)
			assign(core, i, pe);
	}
	machine_unlock(&core->lock);
	if (pe->core != machine_core())
		machine_nudge(pe->core);
}

void slots_remove(struct pe *pe)
{
	struct core *core = &slots_cores[pe->core];
	struct pe **link = &core->pes;

	machine_lock(&core->lock);
	transfer_unlink(pe);
	while (*link != pe)
		link = &(*link)->next_on_core;
	*link = pe->next_on_core;
	for (unsigned i = 0; i < EXO_SLOTS_PER_CORE; i++) {
		if (core->slots[i] == pe)
			assign(core, i, NULL);
	}
	if (core->donee == pe)
		core->donee = NULL;
	machine_unlock(&core->lock);
}

static void set_owner(uint64_t unit, uint32_t owner)
{
	__atomic_store_n(&core_info_slots()[unit].owner, owner, __ATOMIC_RELAXED);
}

/* One slot changes its owner (NULL: nobody), whoever that was. Core lock held. */
static void move(uint64_t unit, struct env *to)
{
	unsigned number = (unsigned)(unit / EXO_SLOTS_PER_CORE);
	struct core *core = &slots_cores[number];
	struct pe *pe = to ? env_pe(to, number) : NULL;
	struct env *from = env_find_live(core_info_slots()[unit].owner);

	/* It is an environment's right to give its last slot away; but who made it may want to
	 * know why it is silent. */
	if (from && --from->account->slots == 0 && from->state == EXO_ENV_RUNNING)
		env_tell_parent(from);
	if (to)
		to->account->slots++;
	machine_lock(&core->lock);
	set_owner(unit, to ? to->id : 0);
	assign(core, unit % EXO_SLOTS_PER_CORE, pe && pe->started ? pe : NULL);
	machine_unlock(&core->lock);
	core_look_soon(number);
}

/* ---- Ranges of the vector ---- */

static int check_range(uint64_t first, uint64_t count)
{
	uint64_t n = (uint64_t)machine_cores() * EXO_SLOTS_PER_CORE;

	return count != 0 && first < n && n - first >= count ? 0 : -EXO_ENOENT;
}

static int check_owned(const struct env *env, uint64_t first, uint64_t count)
{
	int error = check_range(first, count);

	for (uint64_t i = 0; i < count && !error; i++) {
		if (core_info_slots()[first + i].owner != env->id)
			error = -EXO_EPERM;
	}
	return error;
}

static int check_slots(uint32_t from, uint64_t first, uint64_t count)
{
	int error = check_range(first, count);

	for (uint64_t i = 0; i < count && !error; i++) {
		uint32_t owner = core_info_slots()[first + i].owner;

		if (owner != from && owner != 0)
			error = -EXO_EBUSY;
	}
	return error;
}

int slots_take(uint32_t from, struct env *to, uint64_t first, uint64_t count)
{
	int error = check_slots(from, first, count);

	for (uint64_t i = 0; i < count && !error; i++)
		move(first + i, to);
	return error;
}

void slots_free_all(struct env *env)
{
	uint64_t n = (uint64_t)machine_cores() * EXO_SLOTS_PER_CORE;

	if (env->account->slots == 0)
		return;
	for (uint64_t i = 0; i < n; i++) {
		if (core_info_slots()[i].owner == env->id)
			move(i, NULL);
	}
	env->account->slots = 0;
}

static int64_t give_slots(struct call *call, uint32_t from)
{
	struct env *to = env_find_live((uint32_t)call->arg[1]);

	if (!to)
		return -EXO_ENOENT;
	return slots_take(from, to, call->arg[2], call->arg[3]);
}

/* With a key: free slots, or the caller's. Without: the caller's own only. */
int64_t slots_call_take(struct call *call)
{
	struct exo_cap cap;
	int error;

	if (call->arg[0] == 0) {
		error = check_owned(call->env, call->arg[2], call->arg[3]);
		return error ? error : give_slots(call, call->env->id);
	}
	error = cap_fetch(&cap, call->arg[0], call->env, EXO_KIND_SLOT, EXO_RIGHT_ALLOC);
	if (!error)
		error = cap_covers(&cap, call->arg[2], call->arg[3]);
	return error ? error : give_slots(call, call->env->id);
}

int64_t slots_call_free(struct call *call)
{
	int error = check_owned(call->env, call->arg[0], call->arg[1]);

	return error ? error : slots_take(call->env->id, NULL, call->arg[0], call->arg[1]);
}
