/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings (Aegis' TLB bindings): their nodes, entering and breaking, and the two leaf calls. The
 * other calls: space_call.c. Nodes come from slabs that are kept: their number is bounded by the
 * sum of the environments' limits.
 */
#include "space.h"

#include <exo/layout.h>

#include "cap.h"
#include "core.h"
#include "env.h"
#include "frame_table.h"
#include "ledger.h"
#include "machine.h"

enum {
	NODES_PER_SLAB = 64,
	LARGE_BYTES = SPACE_LARGE_PAGES * EXO_PAGE_SIZE,
	SHED_PAGES = 64,  /* bindings that make room at a time */
	UNMAP_PAGES = 64, /* pages that are unmapped at a time */
};

/* Nodes of environments that have ended. */
static struct mapping *unused;
static struct machine_lock unused_lock; /* of last rank */

/* ---- Nodes ---- */

void space_init(void)
{
	unused = NULL;
}

/* Nodes of a new slab, or as many that nobody uses, for an environment to keep. */
static bool grow(struct env *env)
{
	struct mapping *slab;

	machine_lock(&unused_lock);
	for (int i = 0; i < NODES_PER_SLAB && unused; i++) {
		struct mapping *m = unused;

		unused = m->next_of_frame;
		m->next_of_frame = env->nodes;
		env->nodes = m;
	}
	machine_unlock(&unused_lock);
	if (env->nodes)
		return true;
	slab = machine_alloc(NODES_PER_SLAB * sizeof(*slab));
	for (int i = 0; slab && i < NODES_PER_SLAB; i++) {
		slab[i].next_of_frame = env->nodes;
		env->nodes = &slab[i];
	}
	return slab != NULL;
}

static void give_nodes_back(struct env *env)
{
	machine_lock(&unused_lock);
	while (env->nodes) {
		struct mapping *m = env->nodes;

		env->nodes = m->next_of_frame;
		m->next_of_frame = unused;
		unused = m;
	}
	machine_unlock(&unused_lock);
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

/* Frame lock held. */
static void hang(struct mapping *m, struct frame *frame)
{
	m->frame = frame;
	m->next_of_frame = frame->mappings;
	m->link_of_frame = &frame->mappings;
	if (m->next_of_frame)
		m->next_of_frame->link_of_frame = &m->next_of_frame;
	frame->mappings = m;
	frame->n_mappings++;
}

/* Frame lock held. */
static void unhang(struct mapping *m)
{
	*m->link_of_frame = m->next_of_frame;
	if (m->next_of_frame)
		m->next_of_frame->link_of_frame = m->link_of_frame;
	m->frame->n_mappings--;
}

static void keep_node(struct mapping *m, struct env *env)
{
	m->next_of_frame = env->nodes;
	env->nodes = m;
}

/* What is left to do when it hangs on its frame no more. */
static inline void forget_node(struct mapping *m)
{
	detach(m);
	m->env->account->mappings--;
	keep_node(m, m->env);
}

static void drop_node(struct mapping *m)
{
	machine_bit_lock(&m->frame->lock);
	unhang(m);
	machine_bit_unlock(&m->frame->lock);
	forget_node(m);
}

/* The node of a page that the tables map to `frame`, not `other`. Frame lock held. */
static inline struct mapping *node_of(const struct env *env, uint64_t address,
                                      const struct frame *frame, const struct mapping *other)
{
	struct mapping *m = frame->mappings;

	while (m && (m->address != address || m->env != env || m == other))
		m = m->next_of_frame;
	return m;
}

/* Drops the node of a page that the tables no longer map to frame `number`; `other` took its place.
 */
static inline void drop_node_of(struct env *env, uint64_t address, uint64_t number,
                                const struct mapping *other)
{
	struct frame *frame = frame_entry(number);
	struct mapping *m;

	machine_bit_lock(&frame->lock);
	m = node_of(env, address, frame, other);
	unhang(m);
	machine_bit_unlock(&frame->lock);
	forget_node(m);
}

/* Likewise for a 2 MiB page that `address` is part of. */
static void drop_large_node(struct env *env, uint64_t address, uint64_t number)
{
	drop_node_of(env, address & ~(LARGE_BYTES - 1), number & ~(SPACE_LARGE_PAGES - 1ull), NULL);
}

struct mapping *space_find(struct env *env, uint64_t address)
{
	struct mapping *m;
	struct frame *frame;
	uint64_t number;
	unsigned rights;
	int result = machine_space_query(env->space, address, &number, &rights);

	if (result == MACHINE_SPACE_LARGE) {
		address &= ~(LARGE_BYTES - 1);
		number &= ~(SPACE_LARGE_PAGES - 1ull);
	}
	frame = result < 0 ? NULL : ledger_frame(number);
	if (!frame)
		return NULL; /* the kernel's own pages */
	machine_bit_lock(&frame->lock);
	m = node_of(env, address, frame, NULL);
	machine_bit_unlock(&frame->lock);
	return m;
}

struct frame *space_frame_of(const struct mapping *m, uint64_t address)
{
	return m->frame + ((address - m->address) >> EXO_PAGE_SHIFT);
}

struct frame *space_frame_at(struct env *env, uint64_t address, unsigned rights)
{
	struct frame *frame = NULL;
	const struct mapping *m;

	machine_lock(&env->space_lock);
	m = space_find(env, address);
	if (m && (m->rights & rights) == rights)
		frame = space_frame_of(m, address);
	machine_unlock(&env->space_lock);
	return frame;
}

/* ---- A frame's mappings ---- */

/* One of a frame's mappings. */
struct use {
	struct env *env;
	struct frame *frame; /* on which it hangs */
	uint64_t address;
};

/*
 * Counts those that hang on a frame, up to `most`, in other environments than `except`; where
 * `large`, only those of 2 MiB. *one: one of them, as it was.
 */
static uint32_t uses_of(struct frame *frame, bool large, uint32_t except, uint32_t most,
                        struct use *one)
{
	uint32_t n = 0;

	machine_bit_lock(&frame->lock);
	for (const struct mapping *m = frame->mappings; m && n < most; m = m->next_of_frame) {
		if (m->env->id == except || (large && !(m->flags & EXO_MAP_LARGE)))
			continue;
		*one = (struct use){m->env, frame, m->address};
		n++;
	}
	machine_bit_unlock(&frame->lock);
	return n;
}

/* Large ones hang on the first of their frames. */
static uint32_t all_uses(struct frame *frame, uint32_t except, uint32_t most, struct use *one)
{
	struct frame *base = ledger_frame(ledger_frame_number(frame) & ~(SPACE_LARGE_PAGES - 1ull));
	uint32_t n = uses_of(frame, false, except, most, one);

	return base && base != frame ? n + uses_of(base, true, except, most - n, one) : n;
}

uint32_t space_frame_uses(struct frame *frame, const struct env *except)
{
	struct use one;

	return all_uses(frame, except ? except->id : 0, UINT32_MAX, &one);
}

bool space_frame_use(struct frame *frame, const struct env *env, struct exo_candidate *c)
{
	const struct mapping *m;

	machine_bit_lock(&frame->lock);
	for (m = frame->mappings; m && m->env != env; m = m->next_of_frame)
		;
	if (m) {
		c->address = m->address;
		c->rights = m->rights;
	}
	machine_bit_unlock(&frame->lock);
	return m != NULL;
}

/* The core lock keeps the environments that are found here. */
void space_break_frame(struct frame *frame, uint32_t except)
{
	struct use one;

	while (all_uses(frame, except, 1, &one) != 0) {
		struct mapping *m;

		machine_lock(&one.env->space_lock);
		m = space_find(one.env, one.address);
		if (m && m->frame == one.frame)
			space_break(m);
		machine_unlock(&one.env->space_lock);
	}
}

bool space_may_move(const struct env *env, struct frame *frame)
{
	struct use one;
	uint32_t n = all_uses(frame, 0, 2, &one);

	return n == 0 || (n == 1 && one.env == env && one.frame == frame &&
	                  !(frame->mappings->flags & EXO_MAP_LARGE));
}

void space_move(struct env *env, struct frame *from, struct frame *to)
{
	struct mapping *m = from->mappings;
	uint64_t old;

	if (!m)
		return;
	machine_bit_lock(&from->lock);
	unhang(m);
	machine_bit_unlock(&from->lock);
	machine_bit_lock(&to->lock);
	hang(m, to);
	machine_bit_unlock(&to->lock);
	/* Its tables are there: nothing can be in the way. */
	(void)machine_space_map(env->space, m->address, ledger_frame_number(to), m->rights, &old);
	machine_space_flush(env->space, m->address, 1);
}

/* ---- Entering and breaking ---- */

/* Nodes go when no core can use the mapping any more: who finds a frame without any may give it
 * to somebody else. */

static uint64_t pages_of(const struct mapping *m)
{
	return m->flags & EXO_MAP_LARGE ? SPACE_LARGE_PAGES : 1;
}

void space_break(struct mapping *m)
{
	struct env *env = m->env;
	uint64_t number;

	machine_space_unmap(env->space, m->address, &number);
	machine_space_flush(env->space, m->address, pages_of(m));
	drop_node(m);
}

/* At most UNMAP_PAGES pages. A large page goes as a whole. */
static void unmap_pages(struct env *env, uint64_t address, uint64_t count)
{
	uint64_t numbers[UNMAP_PAGES];
	int results[UNMAP_PAGES];
	bool any = false;

	for (uint64_t i = 0; i < count; i++) {
		results[i] =
		        machine_space_unmap(env->space, address + i * EXO_PAGE_SIZE, &numbers[i]);
		any |= results[i] >= 0;
	}
	if (any)
		machine_space_flush(env->space, address, count);
	for (uint64_t i = 0; any && i < count; i++) {
		if (results[i] == 0)
			drop_node_of(env, address + i * EXO_PAGE_SIZE, numbers[i], NULL);
		else if (results[i] == MACHINE_SPACE_LARGE)
			drop_large_node(env, address + i * EXO_PAGE_SIZE, numbers[i]);
	}
}

static bool lies_in(const struct mapping *m, const struct exo_range *range)
{
	return m->address >= range->address &&
	       (m->address - range->address) >> EXO_PAGE_SHIFT < range->count;
}

/* For ranges wider than what is mapped at all. */
static void unmap_nodes(struct env *env, const struct exo_range *range)
{
	struct mapping *next;
	uint64_t number;

	for (const struct mapping *m = env->mappings; m; m = m->next_of_env)
		if (lies_in(m, range))
			machine_space_unmap(env->space, m->address, &number);
	machine_space_flush(env->space, range->address, range->count);
	for (struct mapping *m = env->mappings; m; m = next) {
		next = m->next_of_env;
		if (lies_in(m, range))
			drop_node(m);
	}
}

void space_unmap(struct env *env, const struct exo_range *range)
{
	if (range->count > env->account->mappings) {
		unmap_nodes(env, range);
		return;
	}
	for (uint64_t i = 0; i < range->count; i += UNMAP_PAGES)
		unmap_pages(env, range->address + i * EXO_PAGE_SIZE,
		            range->count - i < UNMAP_PAGES ? range->count - i : UNMAP_PAGES);
}

/* The software TLB is full: the oldest bindings that are not guaranteed go, to come back as
 * addressing upcalls. Whether any went. */
static bool shed(struct env *env)
{
	uint64_t looks = env->account->mappings < SPACE_CALL_PAGES_MAX ? env->account->mappings
	                                                               : SPACE_CALL_PAGES_MAX;
	struct mapping *going[SHED_PAGES];
	uint64_t number;
	unsigned n = 0;

	for (; looks > 0 && n < SHED_PAGES; looks--) {
		struct mapping *m = env->mappings;

		detach(m);
		append(m, env);
		if (m->flags & EXO_MAP_GUARANTEED)
			continue;
		machine_space_unmap(env->space, m->address, &number);
		going[n++] = m;
	}
	if (n)
		machine_space_flush(env->space, 0, EXO_USER_END >> EXO_PAGE_SHIFT);
	for (unsigned i = 0; i < n; i++)
		drop_node(going[i]);
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

static inline bool holds(const struct space_authority *a, const struct frame *frame)
{
	return __atomic_load_n(&frame->state, __ATOMIC_ACQUIRE) == FRAME_OWNED &&
	       (a->owner ? frame_read(&frame->owner) == a->owner
	                 : frame_read(&frame->epoch) == a->epoch);
}

/*
 * Maps a page, all else being checked. The node hangs on its frame before the tables show it: who
 * takes the frame away meanwhile finds the node, and waits for the space's lock, which is held
 * here.
 */
static inline __attribute__((always_inline)) int map_page(struct env *env, uint64_t address,
                                                          struct frame *frame,
                                                          const struct space_authority *authority,
                                                          unsigned rights, unsigned flags)
{
	unsigned wanted = flags & EXO_MAP_LARGE ? rights | MACHINE_SPACE_LARGE : rights;
	uint64_t old, number = frame_table.first + (uint64_t)(frame - frame_table.frames);
	struct mapping *m;

	if (__builtin_expect(env->account->mappings >= env->mappings_max, 0) && !shed(env))
		return -EXO_ENOMEM;
	if (__builtin_expect(!env->nodes, 0) && !grow(env))
		return -EXO_ENOMEM;
	m = env->nodes;
	machine_bit_lock(&frame->lock);
	if (!holds(authority, frame) || frame->n_mappings >= FRAME_MAPPINGS_MAX) {
		machine_bit_unlock(&frame->lock);
		return holds(authority, frame) ? -EXO_ENOMEM : -EXO_EPERM;
	}
	env->nodes = m->next_of_frame;
	m->env = env;
	m->address = address;
	m->rights = (uint16_t)rights;
	m->flags = (uint16_t)flags;
	hang(m, frame);
	machine_bit_unlock(&frame->lock);
	if (machine_space_map(env->space, address, number, wanted, &old) != 0 &&
	    fill(env, address, number, wanted, &old) != 0) {
		machine_bit_lock(&frame->lock);
		unhang(m);
		machine_bit_unlock(&frame->lock);
		keep_node(m, env);
		return -EXO_ENOMEM;
	}
	append(m, env);
	env->account->mappings++;
	if (__builtin_expect(old != MACHINE_SPACE_NONE, 0)) {
		machine_space_flush(env->space, address, 1);
		drop_node_of(env, address, old, m);
	}
	return 0;
}

int space_map_page(struct env *env, uint64_t address, struct frame *frame,
                   const struct space_authority *by, unsigned rights, unsigned flags)
{
	return map_page(env, address, frame, by, rights, flags);
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
	give_nodes_back(env);
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

/* ---- EXO_CALL_MAP_PAGE and UNMAP_PAGE: what fault handlers do most ---- */

/* space_usable for one page; the first comparison nearly always suffices. */
static inline bool is_usable(uint64_t address)
{
	return address % EXO_PAGE_SIZE == 0 &&
	       (address - EXO_USER_FIRST < EXO_LIBOS_END - EXO_USER_FIRST ||
	        space_usable(address, 1));
}

/* Bit n: the rights n may be asked for: READ, without WRITE and EXEC together. */
#define RIGHTS_FINE                                                                                \
	(1u << EXO_RIGHT_READ | 1u << (EXO_RIGHT_READ | EXO_RIGHT_WRITE) |                         \
	 1u << (EXO_RIGHT_READ | EXO_RIGHT_EXEC))
_Static_assert(SPACE_MAP_RIGHTS == 7, "the rights are the lowest three bits");

static inline __attribute__((always_inline)) int64_t map_single(struct env *env, uint64_t page,
                                                                struct frame *frame, uint32_t owner)
{
	const struct space_authority authority = {.owner = owner};
	uint64_t address = page & ~(EXO_PAGE_SIZE - 1);
	unsigned rights = page & SPACE_MAP_RIGHTS;
	int error;

	if ((page & (EXO_PAGE_SIZE - 1) & ~(SPACE_MAP_RIGHTS | EXO_MAP_PAGE_GUARANTEED)) ||
	    !is_usable(address) || !(RIGHTS_FINE >> rights & 1))
		return -EXO_EINVAL;
	machine_lock(&env->space_lock);
	error = map_page(env, address, frame, &authority, rights,
	                 page & EXO_MAP_PAGE_GUARANTEED ? EXO_MAP_GUARANTEED : 0);
	machine_unlock(&env->space_lock);
	return error;
}

int64_t space_leaf_map(struct machine_pe *pe, uint64_t page, uint64_t number, uint64_t c)
{
	struct env *env = pe_of(pe)->env;
	struct frame *frame = frame_entry(number);

	if (!frame || frame_read(&frame->owner) != env->id)
		return MACHINE_NOT_LEAF;
	env->account->calls++;
	return map_single(env, page, frame, env->id);
}

static inline __attribute__((always_inline)) int64_t unmap_single(struct env *env, uint64_t address)
{
	uint64_t number;
	int result;

	if (!is_usable(address))
		return -EXO_EINVAL;
	machine_lock(&env->space_lock);
	result = machine_space_unmap(env->space, address, &number);
	if (__builtin_expect(result == 0, 1)) {
		machine_space_flush(env->space, address, 1);
		drop_node_of(env, address, number, NULL);
	} else if (result == MACHINE_SPACE_LARGE) {
		machine_space_flush(env->space, address, SPACE_LARGE_PAGES);
		drop_large_node(env, address, number);
	}
	machine_unlock(&env->space_lock);
	return 0;
}

int64_t space_leaf_unmap(struct machine_pe *pe, uint64_t address, uint64_t b, uint64_t c)
{
	struct env *env = pe_of(pe)->env;

	env->account->calls++;
	return unmap_single(env, address);
}

int64_t space_map_single(struct env *env, uint64_t page, struct frame *frame, uint32_t owner)
{
	return map_single(env, page, frame, owner);
}

int64_t space_unmap_single(struct env *env, uint64_t address)
{
	return unmap_single(env, address);
}
