/* SPDX-License-Identifier: BSD-2-Clause */
/* Address spaces and what is mapped in them: SPIN's Translation. A context is an environment. */
#include <exo/layout.h>

#include "../core/cap.h"
#include "../core/ledger.h"
#include "../core/space.h"
#include "service.h"

/* ---- Contexts ---- */

static int64_t create(const struct ext_user *user, uint64_t frames_max)
{
	static const char name[EXO_NAME_MAX] = "context";
	struct env *maker = user->from->maker, *env;
	struct ext_holdings *holdings = ext_holdings_of(user->user);
	int error = cap_check(&user->from->core->envs, maker, EXO_KIND_ENV, EXO_RIGHT_ALLOC);

	if (!error && !holdings)
		error = -EXO_ENOMEM;
	if (!error && holdings->n_contexts == EXO_SERVICE_CONTEXTS_MAX)
		error = -EXO_E2BIG;
	if (!error)
		error = env_create(maker, name, frames_max, &env);
	if (error)
		return error;
	holdings->contexts[holdings->n_contexts++] = env->id;
	return env->id;
}

int64_t ext_context_create(uint64_t frames_max, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                           void *user)
{
	int64_t result;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	core_lock();
	result = create(user, frames_max);
	core_unlock();
	return result;
}

int64_t ext_context_destroy(uint64_t context, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                            void *arg)
{
	const struct ext_user *user = arg;
	struct ext_holdings *holdings = user->user->holdings;
	uint32_t i = 0;
	int error;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	core_lock();
	while (holdings && i < holdings->n_contexts && holdings->contexts[i] != context)
		i++;
	error = holdings && i < holdings->n_contexts ? 0 : -EXO_ENOENT;
	core_unlock();
	if (!error)
		error = env_end_fresh(user->from->env, (uint32_t)context);
	if (error == -EXO_EBUSY || !holdings)
		return error;
	core_lock(); /* it has ended: by this, or before */
	for (i = 0; i < holdings->n_contexts; i++)
		if (holdings->contexts[i] == context)
			holdings->contexts[i] = holdings->contexts[--holdings->n_contexts];
	core_unlock();
	return error;
}

/* ---- Mappings ---- */

static int check_shape(uint64_t address, uint64_t count, uint64_t rights)
{
	if (count == 0 || count > EXO_SERVICE_PAGES_MAX || !space_usable(address, count))
		return -EXO_EINVAL;
	if (rights & ~(uint64_t)SPACE_MAP_RIGHTS || !(rights & EXO_RIGHT_READ) ||
	    ((rights & EXO_RIGHT_WRITE) && (rights & EXO_RIGHT_EXEC)))
		return -EXO_EINVAL;
	return 0;
}

/* The maker's, or the context's. */
static int owner_of(const struct ext_user *user, const struct env *target, uint64_t number,
                    uint32_t *owner)
{
	const struct frame *frame = ledger_frame(number);

	*owner = frame ? frame_read(&frame->owner) : 0;
	return frame && ledger_frame_owned(*owner, number) &&
	                       (*owner == user->from->env || *owner == target->id)
	               ? 0
	               : -EXO_EPERM;
}

/* Where kernel memory runs out half-way, all of it ends up unmapped. */
static int enter(const struct ext_user *user, struct env *target, const struct exo_range *range,
                 uint64_t frame, unsigned rights)
{
	int64_t error = 0;
	uint32_t owner;

	for (uint64_t i = 0; i < range->count && !error; i++) {
		error = owner_of(user, target, frame + i, &owner);
		if (!error)
			error = space_map_single(target,
			                         (range->address + i * EXO_PAGE_SIZE) | rights,
			                         ledger_frame(frame + i), owner);
	}
	if (error) {
		machine_lock(&target->space_lock);
		space_unmap(target, range);
		machine_unlock(&target->space_lock);
	}
	return (int)error;
}

static int add(const struct ext_user *user, uint64_t context, const struct exo_range *range,
               uint64_t frame, unsigned rights)
{
	struct env *target = ext_service_env(user, context);
	uint32_t owner;
	int error = target ? 0 : -EXO_ENOENT;

	for (uint64_t i = 0; i < range->count && !error; i++)
		error = owner_of(user, target, frame + i, &owner);
	return error ? error : enter(user, target, range, frame, rights);
}

int64_t ext_mapping_add(uint64_t context, uint64_t address, uint64_t frame, uint64_t count,
                        uint64_t rights, void *user)
{
	struct exo_range range = {address, count};
	int error;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	error = check_shape(address, count, rights);
	if (error)
		return error;
	core_lock();
	error = add(user, context, &range, frame, (unsigned)rights);
	core_unlock();
	return error;
}

int64_t ext_mapping_remove(uint64_t context, uint64_t address, uint64_t count, uint64_t d,
                           uint64_t e, void *user)
{
	struct exo_range range = {address, count};
	struct env *target;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	if (check_shape(address, count, EXO_RIGHT_READ))
		return -EXO_EINVAL;
	core_lock();
	target = ext_service_env(user, context);
	if (target) {
		machine_lock(&target->space_lock);
		space_unmap(target, &range);
		machine_unlock(&target->space_lock);
	}
	core_unlock();
	return target ? 0 : -EXO_ENOENT;
}

static int64_t examine(struct env *target, uint64_t address)
{
	const struct mapping *mapping = space_find(target, address);

	return mapping ? (int64_t)(ledger_frame_number(space_frame_of(mapping, address)) << 12 |
	                           mapping->rights)
	               : -EXO_ENOENT;
}

int64_t ext_mapping_examine(uint64_t context, uint64_t address, uint64_t c, uint64_t d, uint64_t e,
                            void *user)
{
	struct env *target;
	int64_t result = -EXO_ENOENT;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	if (!space_usable(address, 1))
		return -EXO_EINVAL;
	core_lock();
	target = ext_service_env(user, context);
	if (target) {
		machine_lock(&target->space_lock);
		result = examine(target, address);
		machine_unlock(&target->space_lock);
	}
	core_unlock();
	return result;
}
