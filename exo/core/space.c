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
	LARGE_BYTES = LARGE_PAGES * EXO_PAGE_SIZE,
	SHED_PAGES = 64, /* bindings that make room at a time */
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

/* An environment's mappings, oldest first. */
static void append(struct mapping *m, struct env *env)
{
	m->next_of_env = NULL;
	m->link_of_env = env->mappings_end;
	*env->mappings_end = m;
	env->mappings_end = &m->next_of_env;
}

static void detach(struct mapping *m)
{
	*m->link_of_env = m->next_of_env;
	if (m->next_of_env)
		m->next_of_env->link_of_env = m->link_of_env;
	else
		m->env->mappings_end = m->link_of_env;
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
	append(m, env);
	env->account->mappings++;
}

static void drop_node(struct mapping *m)
{
	*m->link_of_frame = m->next_of_frame;
	if (m->next_of_frame)
		m->next_of_frame->link_of_frame = m->link_of_frame;
	m->frame->n_mappings--;
	detach(m);
	m->env->account->mappings--;
	m->next_of_frame = unused;
	unused = m;
}

/* The node of a page that the tables map to frame `number`. */
static struct mapping *node_of(const struct env *env, uint64_t address, uint64_t number)
{
	const struct frame *frame = ledger_frame(number);

	for (struct mapping *m = frame ? frame->mappings : NULL; m; m = m->next_of_frame) {
		if (m->env == env && m->address == address)
			return m;
	}
	return NULL;
}

/* Likewise where it may be part of a 2 MiB page. */
static struct mapping *node_at(const struct env *env, uint64_t address, uint64_t number, bool large)
{
	return large ? node_of(env, address & ~(LARGE_BYTES - 1), number & ~(LARGE_PAGES - 1ull))
	             : node_of(env, address, number);
}

struct mapping *space_find(struct env *env, uint64_t address)
{
	uint64_t number;
	unsigned rights;
	int result = machine_space_query(env->space, address, &number, &rights);

	return result < 0 ? NULL : node_at(env, address, number, result == MACHINE_SPACE_LARGE);
}

struct frame *space_frame_at(const struct mapping *m, uint64_t address)
{
	return m->frame + ((address - m->address) >> EXO_PAGE_SHIFT);
}

/* The next mapping that shows a frame, after `m` (NULL: the first): its own, then the large ones,
 * which hang on the first of their frames. */
static struct mapping *next_mapping(const struct frame *frame, const struct mapping *m)
{
	uint64_t number = ledger_frame_number(frame);
	const struct frame *base = ledger_frame(number & ~(LARGE_PAGES - 1ull));
	struct mapping *next = m ? m->next_of_frame : frame->mappings;

	if (!next && base && base != frame && (!m || m->frame == frame))
		next = base->mappings;
	while (next && next->frame != frame && !(next->flags & EXO_MAP_LARGE))
		next = next->next_of_frame;
	return next;
}

uint32_t space_frame_uses(const struct frame *frame, const struct env *except)
{
	uint32_t n = 0;

	for (const struct mapping *m = next_mapping(frame, NULL); m; m = next_mapping(frame, m))
		n += m->env != except;
	return n;
}

void space_break_frame(const struct frame *frame, uint32_t except)
{
	struct mapping *m, *next;

	for (m = next_mapping(frame, NULL); m; m = next) {
		next = next_mapping(frame, m);
		if (m->env->id != except)
			space_break(m);
	}
}

/* ---- Entering and breaking ---- */

/* Without the flush, which the caller owes. */
static void unmap_node(struct mapping *m)
{
	uint64_t number;

	machine_space_unmap(m->env->space, m->address, &number);
	drop_node(m);
}

static uint64_t pages_of(const struct mapping *m)
{
	return m->flags & EXO_MAP_LARGE ? LARGE_PAGES : 1;
}

void space_break(struct mapping *m)
{
	struct env *env = m->env;
	uint64_t address = m->address, pages = pages_of(m);

	unmap_node(m);
	machine_space_flush(env->space, address, pages);
}

/* A large page goes as a whole. */
static void unmap_pages(struct env *env, const struct exo_range *range)
{
	for (uint64_t i = 0; i < range->count; i++) {
		uint64_t address = range->address + i * EXO_PAGE_SIZE, number;
		int result = machine_space_unmap(env->space, address, &number);

		if (result >= 0)
			drop_node(node_at(env, address, number, result == MACHINE_SPACE_LARGE));
	}
}

/* The software TLB is full: the oldest bindings that are not guaranteed go, to come back as
 * addressing upcalls. Whether any went. */
static bool shed(struct env *env)
{
	uint64_t looks = env->account->mappings < SPACE_CALL_PAGES_MAX ? env->account->mappings
	                                                               : SPACE_CALL_PAGES_MAX;
	unsigned n = 0;

	for (; looks > 0 && n < SHED_PAGES; looks--) {
		struct mapping *m = env->mappings;

		if (m->flags & EXO_MAP_GUARANTEED) {
			detach(m);
			append(m, env);
		} else {
			unmap_node(m);
			n++;
		}
	}
	if (n)
		machine_space_flush(env->space, 0, EXO_USER_END >> EXO_PAGE_SHIFT);
	env->account->mappings_dropped += n;
	return n != 0;
}

/* Enters a page where something is in the way: a large page, or the tables' bound. */
static __attribute__((noinline)) int fill(struct env *env, uint64_t address, uint64_t number,
                                          unsigned rights, uint64_t *old)
{
	struct mapping *large;
	int error;

	while ((error = machine_space_map(env->space, address, number, rights, old)) != 0) {
		if (error == -EXO_EBUSY && (large = space_find(env, address)))
			space_break(large);
		else if (!shed(env))
			return -EXO_ENOMEM;
	}
	return 0;
}

static inline __attribute__((always_inline)) int map_page(struct env *env, uint64_t address,
                                                          struct frame *frame, uint64_t number,
                                                          unsigned rights, unsigned flags,
                                                          bool *replaced)
{
	unsigned wanted = flags & EXO_MAP_LARGE ? rights | MACHINE_SPACE_LARGE : rights;
	struct mapping *m;
	uint64_t old;

	if (frame->n_mappings >= FRAME_MAPPINGS_MAX ||
	    (env->account->mappings >= env->mappings_max && !shed(env)))
		return -EXO_ENOMEM;
	if (!unused && !grow())
		return -EXO_ENOMEM;
	if (machine_space_map(env->space, address, number, wanted, &old) != 0 &&
	    fill(env, address, number, wanted, &old) != 0)
		return -EXO_ENOMEM;
	if (__builtin_expect(old != MACHINE_SPACE_NONE, 0)) {
		drop_node(node_of(env, address, old));
		*replaced = true;
	}
	m = unused;
	unused = m->next_of_frame;
	m->address = address;
	m->rights = (uint16_t)rights;
	m->flags = (uint16_t)flags;
	link_node(m, env, frame);
	return 0;
}

int space_map_page(struct env *env, uint64_t address, struct frame *frame, unsigned rights,
                   unsigned flags, bool *replaced)
{
	return map_page(env, address, frame, ledger_frame_number(frame), rights, flags, replaced);
}

int space_create(struct env *env)
{
	int error = machine_space_create(&env->space);
	uint64_t old;

	if (error)
		return error;
	env->mappings_end = &env->mappings;
	error = info_map(env->space);
	if (!error)
		error = machine_space_map(env->space, EXO_ACCOUNT_ADDR, env->account_frame,
		                          EXO_RIGHT_READ, &old);
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
	if (m->flags & ~(EXO_MAP_GUARANTEED | EXO_MAP_LARGE | EXO_MAP_SHARE) ||
	    (m->flags & EXO_MAP_SHARE && (m->flags & EXO_MAP_LARGE || m->key)))
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
	uint32_t step = m->flags & EXO_MAP_LARGE ? LARGE_PAGES : 1;
	bool changed = false;
	int error = 0;

	for (uint32_t i = 0; i < m->count && !error; i += step) {
		struct exo_range range = {m->address + i * EXO_PAGE_SIZE, step};

		/* A large page needs the place of a whole table. */
		if (step > 1) {
			unmap_pages(target, &range);
			changed = true;
		}
		error = space_map_page(target, range.address, ledger_frame(m->frame + i), m->rights,
		                       m->flags, &changed);
	}
	if (error) {
		struct exo_range range = {m->address, m->count};

		unmap_pages(target, &range);
		changed = true;
	}
	if (changed)
		machine_space_flush(target->space, m->address, m->count);
	return error;
}

/* EXO_MAP_SHARE: each page by the caller's own mapping of it, which says what is allowed. */
static int share(struct env *caller, struct env *target, const struct exo_mapping *m)
{
	bool changed = false;
	int error = 0;

	if (!space_usable(m->frame << EXO_PAGE_SHIFT, m->count) || m->frame >> 52)
		return -EXO_EINVAL;
	for (uint32_t i = 0; i < m->count && !error; i++) {
		uint64_t from = (m->frame + i) << EXO_PAGE_SHIFT;
		const struct mapping *source = space_find(caller, from);

		if (!source)
			continue;
		error = (source->rights & m->rights) != m->rights
		                ? -EXO_EPERM
		                : space_map_page(target, m->address + i * EXO_PAGE_SIZE,
		                                 space_frame_at(source, from), m->rights,
		                                 m->flags & EXO_MAP_GUARANTEED, &changed);
	}
	if (changed)
		machine_space_flush(target->space, m->address, m->count);
	return error;
}

static int map_one(struct env *caller, struct env *target, const struct exo_mapping *m)
{
	int error = check_shape(m);

	if (!error && m->flags & EXO_MAP_SHARE)
		return share(caller, target, m);
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

/* ---- EXO_CALL_MAP_PAGE and UNMAP_PAGE: what fault handlers do most ---- */

/* space_usable for one page; the first comparison nearly always suffices. */
static inline bool is_usable(uint64_t address)
{
	return address % EXO_PAGE_SIZE == 0 &&
	       (address - EXO_USER_FIRST < EXO_LIBOS_END - EXO_USER_FIRST ||
	        space_usable(address, 1));
}

int64_t space_map_single(struct env *env, uint64_t page, uint64_t number)
{
	uint64_t address = page & ~(EXO_PAGE_SIZE - 1);
	unsigned rights = page & MAP_RIGHTS;
	struct frame *frame = ledger_frame(number);
	bool replaced = false;
	int error;

	if ((page & (EXO_PAGE_SIZE - 1) & ~(MAP_RIGHTS | EXO_MAP_PAGE_GUARANTEED)) ||
	    !is_usable(address) || !(rights & EXO_RIGHT_READ) ||
	    (rights & EXO_RIGHT_WRITE && rights & EXO_RIGHT_EXEC))
		return -EXO_EINVAL;
	if (!may_map(env, env, frame))
		return -EXO_EPERM;
	error = map_page(env, address, frame, number, rights,
	                 page & EXO_MAP_PAGE_GUARANTEED ? EXO_MAP_GUARANTEED : 0, &replaced);
	if (replaced)
		machine_space_flush(env->space, address, 1);
	return error;
}

int64_t space_unmap_single(struct env *env, uint64_t address)
{
	uint64_t number;
	int result;

	if (!is_usable(address))
		return -EXO_EINVAL;
	result = machine_space_unmap(env->space, address, &number);
	if (result < 0)
		return 0;
	drop_node(node_at(env, address, number, result == MACHINE_SPACE_LARGE));
	machine_space_flush(env->space, address, result == MACHINE_SPACE_LARGE ? LARGE_PAGES : 1);
	return 0;
}
