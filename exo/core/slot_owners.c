/* SPDX-License-Identifier: BSD-2-Clause */
/* Who owns which time slots, and the calls that change it: slots.h. */
#include "slots.h"

#include "core.h"
#include "cap.h"
#include "env.h"

static int check_range(uint64_t first, uint64_t count)
{
	uint64_t n = (uint64_t)machine_cores() * EXO_SLOTS_PER_CORE;

	return count != 0 && first < n && n - first >= count ? 0 : -EXO_ENOENT;
}

int slots_owned(const struct env *env, uint64_t first, uint64_t count)
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
		slots_move(first + i, to);
	return error;
}

void slots_free_all(struct env *env)
{
	uint64_t n = (uint64_t)machine_cores() * EXO_SLOTS_PER_CORE;

	if (env->account->slots == 0)
		return;
	for (uint64_t i = 0; i < n; i++) {
		if (core_info_slots()[i].owner == env->id)
			slots_move(i, NULL);
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
		error = slots_owned(call->env, call->arg[2], call->arg[3]);
		return error ? error : give_slots(call, call->env->id);
	}
	error = cap_fetch(&cap, call->arg[0], call->env, EXO_KIND_SLOT, EXO_RIGHT_ALLOC);
	if (!error)
		error = cap_covers(&cap, call->arg[2], call->arg[3]);
	return error ? error : give_slots(call, call->env->id);
}

int64_t slots_call_free(struct call *call)
{
	int error = slots_owned(call->env, call->arg[0], call->arg[1]);

	return error ? error : slots_take(call->env->id, NULL, call->arg[0], call->arg[1]);
}
