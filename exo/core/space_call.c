/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EXO_CALL_MAP and UNMAP: validation of what is offered, and which locks it needs; MAP_PAGE and
 * UNMAP_PAGE where the leaf calls (space.c) decline.
 */
#include <exo/layout.h>

#include "cap.h"
#include "core.h"
#include "env.h"
#include "frame_table.h"
#include "ledger.h"
#include "machine.h"
#include "space.h"

/* ---- EXO_CALL_MAP: decode ---- */

static int check_shape(const struct exo_mapping *m)
{
	if (m->count == 0 || !space_usable(m->address, m->count))
		return -EXO_EINVAL;
	if (m->flags & ~(EXO_MAP_GUARANTEED | EXO_MAP_LARGE | EXO_MAP_SHARE) ||
	    (m->flags & EXO_MAP_SHARE && (m->flags & EXO_MAP_LARGE || m->key)))
		return -EXO_EINVAL;
	if (m->rights & ~SPACE_MAP_RIGHTS || !(m->rights & EXO_RIGHT_READ))
		return -EXO_EINVAL;
	if ((m->rights & EXO_RIGHT_WRITE) && (m->rights & EXO_RIGHT_EXEC))
		return -EXO_EINVAL;
	if (m->flags & EXO_MAP_LARGE &&
	    (m->count | m->frame | m->address >> EXO_PAGE_SHIFT) % SPACE_LARGE_PAGES != 0)
		return -EXO_EINVAL;
	return m->count > SPACE_CALL_PAGES_MAX ? -EXO_E2BIG : 0;
}

/* By the ledger: the frame belongs to the caller, to the space's owner, or to an environment that
 * the caller created and therefore controls. Core lock held, unless it is the caller's. */
static int owner_of(const struct env *caller, const struct env *target, const struct frame *frame,
                    uint32_t *owner)
{
	const struct env *env;

	*owner = frame ? frame_read(&frame->owner) : 0;
	if (*owner == 0 || *owner == caller->id || *owner == target->id)
		return *owner == 0 ? -EXO_EPERM : 0;
	env = env_find(*owner);
	return env && env->parent == caller->id ? 0 : -EXO_EPERM;
}

static int check_owned(const struct env *caller, const struct env *target,
                       const struct exo_mapping *m)
{
	uint32_t owner;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct frame *frame = ledger_frame(m->frame + i);

		if (owner_of(caller, target, frame, &owner) != 0 ||
		    __atomic_load_n(&frame->state, __ATOMIC_RELAXED) != FRAME_OWNED)
			return -EXO_EPERM;
	}
	return 0;
}

static int check_key(const struct env *caller, const struct exo_mapping *m, uint32_t *epoch)
{
	struct exo_cap cap;
	int error = call_copy_in(&cap, m->key, sizeof(cap));

	/* An authority over names is no right to what others keep in the frames. */
	if (!error)
		error = cap_check_part(&cap, caller, EXO_KIND_FRAME, m->rights, m->frame, m->count);
	*epoch = cap.epoch;
	return !error && cap.rights & EXO_RIGHT_ALLOC ? -EXO_EPERM : error;
}

/* ---- EXO_CALL_MAP: invoke ---- */

/* Where kernel memory runs out half-way, or another core takes a frame, the range ends up unmapped,
 * which call.h says. Of a large page all frames are the authority's: the core lock is held. */
static int enter(const struct env *caller, struct env *target, const struct exo_mapping *m,
                 uint32_t epoch)
{
	uint32_t step = m->flags & EXO_MAP_LARGE ? SPACE_LARGE_PAGES : 1;
	struct exo_range whole = {m->address, m->count};
	int error = 0;

	for (uint32_t i = 0; i < m->count && !error; i += step) {
		struct exo_range range = {m->address + i * EXO_PAGE_SIZE, step};
		struct frame *frame = ledger_frame(m->frame + i);
		struct space_authority authority = {.epoch = epoch};

		/* A large page needs the place of a whole table. */
		if (step > 1)
			space_unmap(target, &range);
		error = m->key ? 0 : owner_of(caller, target, frame, &authority.owner);
		if (!error)
			error = space_map_page(target, range.address, frame, &authority, m->rights,
			                       m->flags);
	}
	if (error)
		space_unmap(target, &whole);
	return error;
}

/* EXO_MAP_SHARE: each page by the caller's own mapping of it, which says what is allowed. Core lock
 * held: only so may a space's lock be taken after another's. */
static int share(struct env *caller, struct env *target, const struct exo_mapping *m)
{
	int error = 0;

	if (!space_usable(m->frame << EXO_PAGE_SHIFT, m->count) || m->frame >> 52)
		return -EXO_EINVAL;
	for (uint32_t i = 0; i < m->count && !error; i++) {
		uint64_t from = (m->frame + i) << EXO_PAGE_SHIFT;
		const struct mapping *source = space_find(caller, from);
		struct space_authority authority;
		struct frame *frame;

		if (!source)
			continue;
		frame = space_frame_of(source, from);
		authority = (struct space_authority){.owner = frame->owner};
		error = (source->rights & m->rights) != m->rights
		                ? -EXO_EPERM
		                : space_map_page(target, m->address + i * EXO_PAGE_SIZE, frame,
		                                 &authority, m->rights,
		                                 m->flags & EXO_MAP_GUARANTEED);
	}
	return error;
}

static int share_locked(struct env *caller, struct env *target, const struct exo_mapping *m)
{
	int error;

	machine_lock(&target->space_lock);
	if (caller != target)
		machine_lock(&caller->space_lock);
	error = share(caller, target, m);
	if (caller != target)
		machine_unlock(&caller->space_lock);
	machine_unlock(&target->space_lock);
	return error;
}

static int map_one(struct env *caller, struct env *target, const struct exo_mapping *m)
{
	uint32_t epoch = 0;
	int error = m->key ? check_key(caller, m, &epoch) : check_owned(caller, target, m);

	if (error)
		return error;
	machine_lock(&target->space_lock);
	error = enter(caller, target, m, epoch);
	machine_unlock(&target->space_lock);
	return error;
}

/* What touches others, or needs more than one frame to stay as it is, runs under the core lock. */
static bool is_private(const struct env *caller, const struct exo_mapping *m)
{
	const struct frame *frame = NULL;

	if (m->flags & (EXO_MAP_SHARE | EXO_MAP_LARGE))
		return false;
	for (uint32_t i = 0; i < m->count && !m->key; i++) {
		frame = frame_entry(m->frame + i);
		if (!frame || frame_read(&frame->owner) != caller->id)
			return false;
	}
	return true;
}

static int map_checked(struct call *call, struct env *target, const struct exo_mapping *m)
{
	bool lock = target == call->env && !is_private(call->env, m);
	int error;

	if (lock)
		core_lock();
	error = m->flags & EXO_MAP_SHARE ? share_locked(call->env, target, m)
	                                 : map_one(call->env, target, m);
	if (lock)
		core_unlock();
	return error;
}

static int map_all(struct call *call, struct env *target, int64_t *n)
{
	uint64_t pages = SPACE_CALL_PAGES_MAX;

	for (*n = 0; (uint64_t)*n < call->arg[2]; ++*n) {
		struct exo_mapping m;
		int error = call_copy_in(&m, call->arg[1] + (uint64_t)*n * sizeof(m), sizeof(m));

		if (!error && m.count > pages)
			error = -EXO_E2BIG;
		if (!error)
			error = check_shape(&m);
		if (!error)
			error = map_checked(call, target, &m);
		if (error)
			return error;
		pages -= m.count;
	}
	return 0;
}

/* ---- EXO_CALL_UNMAP ---- */

/* *looks grows by how many pages or mappings had to be looked at. */
static int unmap_one(struct env *env, const struct exo_range *range, uint64_t *looks)
{
	uint64_t mapped;

	if (range->count == 0 || !space_usable(range->address, range->count))
		return -EXO_EINVAL;
	machine_lock(&env->space_lock);
	mapped = env->account->mappings;
	space_unmap(env, range);
	machine_unlock(&env->space_lock);
	*looks += range->count < mapped ? range->count : mapped;
	return 0;
}

static int unmap_all(struct call *call, struct env *target, int64_t *n)
{
	uint64_t looks = 0;

	for (*n = 0; (uint64_t)*n < call->arg[2] && *n < SPACE_CALL_RANGES_MAX &&
	             looks < SPACE_CALL_LOOKS_MAX;
	     ++*n) {
		struct exo_range range;
		int error = call_copy_in(&range, call->arg[1] + (uint64_t)*n * sizeof(range),
		                         sizeof(range));

		if (!error)
			error = unmap_one(target, &range, &looks);
		if (error)
			return error;
	}
	return 0;
}

/* ---- The calls ---- */

/* A list of mappings or ranges, of the caller's space, or, under the core lock, of another's. */
static int64_t for_all(struct call *call, int (*act)(struct call *, struct env *, int64_t *))
{
	struct env *target = call->env;
	int64_t n = 0;
	int error = 0;

	if (call->arg[0]) {
		core_lock();
		error = env_fetch(call, call->arg[0], &target);
	}
	if (!error && target == call->env && call->arg[0]) {
		core_unlock();
		call->arg[0] = 0;
	}
	if (!error)
		error = act(call, target, &n);
	if (call->arg[0])
		core_unlock();
	return n ? n : error;
}

int64_t space_call_map(struct call *call)
{
	return for_all(call, map_all);
}

int64_t space_call_unmap(struct call *call)
{
	return for_all(call, unmap_all);
}

/* What the leaf call declined: the frame is not the caller's. Core lock held. */
int64_t space_call_map_page(struct call *call)
{
	struct frame *frame = ledger_frame(call->arg[1]);
	uint32_t owner;

	if (owner_of(call->env, call->env, frame, &owner) != 0)
		return -EXO_EPERM;
	return space_map_single(call->env, call->arg[0], frame, owner);
}

int64_t space_call_unmap_page(struct call *call)
{
	return space_unmap_single(call->env, call->arg[0]);
}
