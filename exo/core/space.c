/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Validation and entering of mappings (Aegis' TLB bindings). Nodes come from slabs that are kept:
 * their number is bounded by the sum of the environments' limits.
 */
#include "space.h"

#include <exo/layout.h>

#include "cap.h"
#include "core.h"
#include "env.h"
#include "info.h"
#include "ledger.h"
#include "machine.h"

enum {
	NODES_PER_SLAB = 64,
	LARGE_PAGES = 512,
	MAP_RIGHTS = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXEC,
};

static struct mapping *unused;

/* ---- Nodes ---- */

void space_init(void)
{
	unused = NULL;
}

static bool grow(void)
{
	struct mapping *slab = machine_alloc(NODES_PER_SLAB * sizeof(*slab));

	if (!slab)
		return false;
	for (int i = 0; i < NODES_PER_SLAB; i++) {
		slab[i].next_of_frame = unused;
		unused = &slab[i];
	}
	return true;
}

static struct mapping *take_node(void)
{
	struct mapping *m;

	if (!unused && !grow())
		return NULL;
	m = unused;
	unused = m->next_of_frame;
	return m;
}

static void link_node(struct mapping *m, struct env *env, struct frame *frame)
{
	m->env = env;
	m->frame = frame;
	m->next_of_frame = frame->mappings;
	m->link_of_frame = &frame->mappings;
	if (m->next_of_frame)
		m->next_of_frame->link_of_frame = &m->next_of_frame;
	frame->mappings = m;
	frame->n_mappings++;
	m->next_of_env = env->mappings;
	m->link_of_env = &env->mappings;
	if (m->next_of_env)
		m->next_of_env->link_of_env = &m->next_of_env;
	env->mappings = m;
	env->account->mappings++;
}

static void drop_node(struct mapping *m)
{
	*m->link_of_frame = m->next_of_frame;
	if (m->next_of_frame)
		m->next_of_frame->link_of_frame = m->link_of_frame;
	m->frame->n_mappings--;
	*m->link_of_env = m->next_of_env;
	if (m->next_of_env)
		m->next_of_env->link_of_env = m->link_of_env;
	m->env->account->mappings--;
	m->next_of_frame = unused;
	unused = m;
}

struct mapping *space_find(struct env *env, uint64_t address)
{
	uint64_t number;
	unsigned rights;
	struct frame *frame;

	if (machine_space_query(env->space, address, &number, &rights) != 0)
		return NULL;
	frame = ledger_frame(number);
	for (struct mapping *m = frame ? frame->mappings : NULL; m; m = m->next_of_frame) {
		if (m->env == env && m->address == address)
			return m;
	}
	return NULL;
}

/* ---- Entering and breaking ---- */

int space_map_page(struct env *env, uint64_t address, struct frame *frame, unsigned rights,
                   unsigned flags, bool *replaced)
{
	struct mapping *old = space_find(env, address);
	struct mapping *m;

	if (!old && env->account->mappings >= env->mappings_max)
		return -EXO_ENOMEM;
	if (frame->n_mappings >= FRAME_MAPPINGS_MAX)
		return -EXO_ENOMEM;
	m = take_node();
	if (!m)
		return -EXO_ENOMEM;
	m->address = address;
	m->rights = (uint16_t)rights;
	m->flags = (uint16_t)flags;
	link_node(m, env, frame);
	if (machine_space_map(env->space, address, ledger_frame_number(frame), rights) != 0) {
		drop_node(m);
		return -EXO_ENOMEM;
	}
	if (old)
		drop_node(old);
	*replaced |= old != NULL;
	return 0;
}

/* Without the flush, which the caller owes. */
static void unmap_node(struct mapping *m)
{
	uint64_t number;

	machine_space_unmap(m->env->space, m->address, &number);
	drop_node(m);
}

static void unmap_pages(struct env *env, const struct exo_range *range)
{
	for (uint64_t i = 0; i < range->count; i++) {
		struct mapping *m = space_find(env, range->address + i * EXO_PAGE_SIZE);

		if (m)
			unmap_node(m);
	}
}

void space_break(struct mapping *m)
{
	struct env *env = m->env;
	uint64_t address = m->address;

	unmap_node(m);
	machine_space_flush(env->space, address, 1);
}

int space_create(struct env *env)
{
	int error = machine_space_create(&env->space);

	if (error)
		return error;
	error = info_map(env->space);
	if (!error)
		error = machine_space_map(env->space, EXO_ACCOUNT_ADDR, env->account_frame,
		                          EXO_RIGHT_READ);
	if (error)
		machine_space_destroy(env->space);
	return error;
}

void space_destroy(struct env *env)
{
	while (env->mappings)
		drop_node(env->mappings);
	machine_space_destroy(env->space);
	env->space = NULL;
}

bool space_is_user(uint64_t address)
{
	return address < EXO_USER_END;
}

bool space_usable(uint64_t address, uint64_t pages)
{
	uint64_t size = pages << EXO_PAGE_SHIFT;

	if (address % EXO_PAGE_SIZE != 0 || pages > EXO_USER_END >> EXO_PAGE_SHIFT)
		return false;
	if (address < EXO_USER_FIRST || address >= EXO_USER_END || EXO_USER_END - address < size)
		return false;
	return address >= EXO_KERNEL_AREA_END ||
	       (address < EXO_KERNEL_AREA_BASE && EXO_KERNEL_AREA_BASE - address >= size);
}

/* ---- EXO_CALL_MAP: decode ---- */

static int check_shape(const struct exo_mapping *m)
{
	if (m->count == 0 || !space_usable(m->address, m->count))
		return -EXO_EINVAL;
	if (m->flags & ~(EXO_MAP_GUARANTEED | EXO_MAP_LARGE))
		return -EXO_EINVAL;
	if (m->rights & ~MAP_RIGHTS || !(m->rights & EXO_RIGHT_READ))
		return -EXO_EINVAL;
	if ((m->rights & EXO_RIGHT_WRITE) && (m->rights & EXO_RIGHT_EXEC))
		return -EXO_EINVAL;
	if (m->flags & EXO_MAP_LARGE &&
	    (m->count | m->frame | m->address >> EXO_PAGE_SHIFT) % LARGE_PAGES != 0)
		return -EXO_EINVAL;
	return m->count > SPACE_CALL_PAGES_MAX ? -EXO_E2BIG : 0;
}

/* By the ledger: the frame belongs to the caller, to the space's owner, or to an environment that
 * the caller created and therefore controls. */
static bool may_map(const struct env *caller, const struct env *target, const struct frame *frame)
{
	const struct env *owner;

	if (!frame || frame->state != FRAME_OWNED)
		return false;
	if (frame->owner == caller->id || frame->owner == target->id)
		return true;
	owner = env_find(frame->owner);
	return owner && owner->parent == caller->id;
}

static int check_owned(const struct env *caller, const struct env *target,
                       const struct exo_mapping *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		if (!may_map(caller, target, ledger_frame(m->frame + i)))
			return -EXO_EPERM;
	}
	return 0;
}

static int check_key(const struct env *caller, const struct exo_mapping *m)
{
	struct exo_cap cap;
	int error = cap_fetch(&cap, m->key, caller, EXO_KIND_FRAME, m->rights);

	if (error)
		return error;
	/* An authority over names is no right to what others keep in the frames. */
	if (cap.rights & EXO_RIGHT_ALLOC)
		return -EXO_EPERM;
	return cap_covers(&cap, m->frame, m->count);
}

/* ---- EXO_CALL_MAP: invoke ---- */

/* Where kernel memory runs out half-way the range ends up unmapped, which call.h says. */
static int enter(struct env *target, const struct exo_mapping *m)
{
	bool changed = false;
	uint32_t i;
	int error = 0;

	for (i = 0; i < m->count && !error; i++)
		error = space_map_page(target, m->address + i * EXO_PAGE_SIZE,
		                       ledger_frame(m->frame + i), m->rights, m->flags, &changed);
	if (error) {
		struct exo_range range = {.address = m->address, .count = i - 1};

		unmap_pages(target, &range);
		changed = true;
	}
	if (changed)
		machine_space_flush(target->space, m->address, m->count);
	return error;
}

static int map_one(const struct env *caller, struct env *target, const struct exo_mapping *m)
{
	int error = check_shape(m);

	if (!error)
		error = m->key ? check_key(caller, m) : check_owned(caller, target, m);
	if (!error)
		error = enter(target, m);
	return error;
}

int64_t space_call_map(struct call *call)
{
	uint64_t pages = SPACE_CALL_PAGES_MAX;
	struct env *target;
	int64_t n = 0;
	int error = env_fetch(call, call->arg[0], &target);

	while (!error && (uint64_t)n < call->arg[2]) {
		struct exo_mapping m;

		error = call_copy_in(&m, call->arg[1] + (uint64_t)n * sizeof(m), sizeof(m));
		if (!error && m.count > pages)
			error = -EXO_E2BIG;
		if (!error)
			error = map_one(call->env, target, &m);
		if (error)
			break;
		pages -= m.count;
		n++;
	}
	return n ? n : error;
}

/* ---- EXO_CALL_UNMAP ---- */

/* For ranges wider than what is mapped at all. */
static void unmap_nodes(struct env *env, const struct exo_range *range)
{
	struct mapping *next;

	for (struct mapping *m = env->mappings; m; m = next) {
		next = m->next_of_env;
		if (m->address >= range->address &&
		    (m->address - range->address) >> EXO_PAGE_SHIFT < range->count)
			unmap_node(m);
	}
}

static int unmap_one(struct env *env, const struct exo_range *range)
{
	uint64_t before = env->account->mappings;

	if (range->count == 0 || !space_usable(range->address, range->count))
		return -EXO_EINVAL;
	if (range->count > before)
		unmap_nodes(env, range);
	else
		unmap_pages(env, range);
	if (env->account->mappings != before)
		machine_space_flush(env->space, range->address, range->count);
	return 0;
}

int64_t space_call_unmap(struct call *call)
{
	struct env *target;
	int64_t n = 0;
	int error = env_fetch(call, call->arg[0], &target);

	while (!error && (uint64_t)n < call->arg[2] && n < SPACE_CALL_RANGES_MAX) {
		struct exo_range range;

		error = call_copy_in(&range, call->arg[1] + (uint64_t)n * sizeof(range),
		                     sizeof(range));
		if (!error)
			error = unmap_one(target, &range);
		if (!error)
			n++;
	}
	return n ? n : error;
}
