/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What concerns flow space, bindings and rings alike: their keys, their ends, and what is told of
 * them. It is called while the registers may hold an environment's vectors, and uses none.
 */
#include "net_state.h"

#include <stdio.h>

#include "cap.h"

void net_seal(struct exo_cap *cap, enum exo_kind kind, unsigned rights, uint32_t holder,
              uint64_t id)
{
	*cap = (struct exo_cap){
	        .kind = kind,
	        .rights = (uint16_t)rights,
	        .holder = holder,
	        .first = id,
	        .count = 1,
	        .epoch = 1,
	};
	cap_seal(cap);
}

/* ---- Ends ---- */

static void free_spaces(struct net_space *list)
{
	while (list) {
		struct net_space *space = list;

		list = space->next;
		machine_free(space);
	}
}

static void release(struct net_space *spaces, struct net_binding *bindings, struct net_ring *rings)
{
	net_quiesce();
	machine_lock(&net.lock);
	bind_free(bindings);
	machine_unlock(&net.lock);
	retire_reclaim();
	ring_free(rings);
	free_spaces(spaces);
}

/* Ends objects by id, or all of an environment, with what was derived from its spaces. → whether
 * there was anything. */
static bool end(uint64_t space_id, uint64_t binding_id, uint64_t ring_id, const struct env *env)
{
	struct net_space *spaces;
	struct net_binding *bindings;
	struct net_ring *rings;
	bool any;

	machine_lock(&net.ends);
	machine_lock(&net.lock);
	flow_condemn(space_id, env);
	bindings = bind_detach(binding_id, env);
	rings = ring_detach(ring_id, env);
	spaces = flow_take_condemned();
	machine_unlock(&net.lock);
	any = spaces || bindings || rings;
	if (any)
		release(spaces, bindings, rings);
	machine_unlock(&net.ends);
	return any;
}

void net_env_end(struct env *env)
{
	(void)end(0, 0, 0, env);
}

int net_revoke(const struct exo_cap *cap)
{
	bool found = false;

	if (cap->kind == EXO_KIND_FLOW)
		found = end(cap->first, 0, 0, NULL);
	else if (cap->kind == EXO_KIND_BINDING)
		found = end(0, cap->first, 0, NULL);
	else if (cap->kind == EXO_KIND_RING)
		return ring_end(cap->first);
	return found ? 0 : -EXO_ESTALE;
}

/* ---- Information ---- */

static void add_drops(struct exo_drops *to, const struct exo_drops *from)
{
	for (size_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
		((uint64_t *)to)[i] += ((const uint64_t *)from)[i];
}

/* Summed up aside: readers never see a counter fall. */
static void update_port(uint16_t port, struct exo_port_info *shown, struct exo_drops *all)
{
	struct exo_port_info sum = *shown;

	sum.drops = (struct exo_drops){0};
	machine_vector_begin();
	port_info(port, &sum);
	machine_vector_end();
	for (unsigned core = 0; core < net.n_cores; core++)
		add_drops(&sum.drops, &net.cores[core].drops[port]);
	*shown = sum;
	add_drops(all, &sum.drops);
}

void net_info_update(struct exo_info *info, struct exo_port_info *ports)
{
	struct exo_drops all = {0};
	uint64_t polls = 0, empty = 0;

	for (unsigned port = 0; port < net.n_ports; port++)
		update_port((uint16_t)port, &ports[port], &all);
	for (unsigned core = 0; core < net.n_cores; core++) {
		polls += net.cores[core].polls;
		empty += net.cores[core].polls_empty;
	}
	info->drops = all;
	__atomic_store_n(&info->dma_faults, machine_dma_faults(), __ATOMIC_RELAXED);
	__atomic_store_n(&info->polls, polls, __ATOMIC_RELAXED);
	__atomic_store_n(&info->polls_empty, empty, __ATOMIC_RELAXED);
	retire_reclaim();
}

/* Lists the unit with the smallest id from *cursor on that was offered. */
struct finder {
	uint64_t from, id;
	struct exo_ledger_entry *entry;
};

static void offer(struct finder *finder, uint64_t id, const struct env *owner, uint64_t uses,
                  const char *note)
{
	if (id < finder->from || (finder->id && id >= finder->id))
		return;
	finder->id = id;
	*finder->entry = (struct exo_ledger_entry){
	        .first = id, .count = 1, .owner = owner->id, .uses = uses};
	snprintf(finder->entry->note, sizeof(finder->entry->note), "%s", note);
}

static void offer_bindings(struct finder *finder)
{
	for (struct net_binding *binding = net.bindings; binding; binding = binding->next)
		offer(finder, binding->id, binding->env, 1,
		      binding->flags & EXO_BIND_COUNT  ? "counting tap"
		      : binding->flags & EXO_BIND_TAP  ? "tap"
		      : binding->flags & EXO_BIND_HOST ? "host"
		                                       : "");
}

bool net_list(uint32_t kind, uint64_t *cursor, struct exo_ledger_entry *entry)
{
	struct finder finder = {.from = *cursor, .entry = entry};

	machine_lock(&net.lock);
	if (kind == EXO_KIND_BINDING)
		offer_bindings(&finder);
	for (struct net_space *space = net.spaces; kind == EXO_KIND_FLOW && space;
	     space = space->next)
		offer(&finder, space->id, space->holder, 0, space->parent ? "" : "everything");
	for (struct net_ring *ring = net.rings; kind == EXO_KIND_RING && ring; ring = ring->next)
		offer(&finder, ring->id, ring->env, ring->uses,
		      ring->kind == EXO_RING_RECEIVE ? "receive" : "transmit");
	machine_unlock(&net.lock);
	*cursor = finder.id + 1;
	return finder.id != 0;
}
