/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flow-space objects: which frames somebody may receive and send. They form a tree: the root holds
 * everything, each grant makes a child that provably lies inside its parent, and ends with it. Ids
 * are never used again, so a key to a space that ended finds nothing.
 */
#include "net_state.h"

#include <string.h>

#include "cap.h"
#include "core.h"

static const uint16_t flow_rights = EXO_RIGHT_GRANT | EXO_RIGHT_FREE | EXO_RIGHT_BIND |
                                    EXO_RIGHT_SEND | EXO_RIGHT_TAP | EXO_RIGHT_SENT |
                                    EXO_RIGHT_SHARE | EXO_RIGHT_HOST;

static struct net_space *lookup_space(uint64_t id)
{
	struct net_space *space = net.spaces;

	while (space && space->id != id)
		space = space->next;
	return space;
}

struct net_space *flow_find(struct env *caller, const struct exo_cap *cap, unsigned rights,
                            int *error)
{
	struct net_space *space;

	*error = cap_check(cap, caller, EXO_KIND_FLOW, rights);
	if (*error)
		return NULL;
	space = lookup_space(cap->first);
	if (!space)
		*error = -EXO_ESTALE;
	return space;
}

int flow_copy_in(uint64_t from, uint32_t n, struct flt_conjunction *to, struct flt_error *why)
{
	struct flt_flow flow = {to, n};

	if (n == 0)
		return 0;
	if (call_copy_in(to, from, n * sizeof(*to)))
		return -EXO_EFAULT;
	return flt_flow_validate(flow, why) ? -EXO_EINVAL : 0;
}

/* A space with room for the conjunctions of both sets, not yet in the list. */
static struct net_space *space_alloc(uint32_t n_receive, uint32_t n_transmit)
{
	size_t n = (size_t)n_receive + n_transmit;
	struct net_space *space =
	        machine_alloc(sizeof(*space) + n * sizeof(space->conjunctions[0]));

	if (!space)
		return NULL;
	space->receive = (struct flt_flow){space->conjunctions, n_receive};
	space->transmit = (struct flt_flow){space->conjunctions + n_receive, n_transmit};
	return space;
}

static void space_publish(struct net_space *space)
{
	space->id = ++net.next_id;
	*net.spaces_end = space;
	net.spaces_end = &space->next;
}

/* Enters a space under its holder's name; the core lock keeps the holder alive until then, and its
 * end finds the space afterwards. */
static int space_give(struct net_space *space, uint32_t holder)
{
	struct env *to;
	int error = 0;

	core_lock();
	to = env_find_live(holder);
	if (!to)
		error = -EXO_ENOENT;
	else if (to->account->flows >= NET_ENV_FLOWS_MAX)
		error = -EXO_E2BIG;
	if (!error) {
		space->holder = to;
		to->account->flows++;
		space_publish(space);
	}
	core_unlock();
	return error;
}

int net_flow_root(uint32_t holder, struct exo_cap *out)
{
	struct net_space *space = space_alloc(1, 1); /* conjunctions without terms hold always */
	int error;

	if (!space)
		return -EXO_ENOMEM;
	space->priority_max = INT32_MAX;
	space->ports = UINT64_MAX;
	machine_lock(&net.lock);
	error = space_give(space, holder);
	machine_unlock(&net.lock);
	if (error)
		machine_free(space);
	else
		net_seal(out, EXO_KIND_FLOW, flow_rights, holder, space->id);
	return error;
}

static int grant_check(const struct exo_flow_grant *grant)
{
	if (grant->reserved || grant->reserved2 || (grant->rights & ~flow_rights))
		return -EXO_EINVAL;
	if (grant->n_receive > FLT_FLOW_CONJUNCTIONS_MAX ||
	    grant->n_transmit > FLT_FLOW_CONJUNCTIONS_MAX)
		return -EXO_E2BIG;
	return 0;
}

/* Whether what is asked for lies inside the parent in every respect. */
static bool grant_inside(const struct exo_flow_grant *grant, const struct net_space *parent,
                         const struct net_space *child)
{
	return !(grant->rights & ~grant->space.rights) && !(grant->ports & ~parent->ports) &&
	       grant->priority_max <= parent->priority_max &&
	       flt_flow_subset(child->receive, parent->receive) &&
	       flt_flow_subset(child->transmit, parent->transmit);
}

static int grant_apply(struct env *caller, struct exo_flow_grant *grant, struct net_space *child)
{
	int error;
	struct net_space *parent = flow_find(caller, &grant->space, EXO_RIGHT_GRANT, &error);

	if (!parent)
		return error;
	if (!grant_inside(grant, parent, child))
		return -EXO_EPERM;
	child->parent = parent;
	child->priority_max = grant->priority_max;
	child->ports = grant->ports;
	error = space_give(child, grant->to);
	if (!error)
		net_seal(&grant->out, EXO_KIND_FLOW, grant->rights, grant->to, child->id);
	return error;
}

int64_t net_call_flow_grant(struct env *caller, struct exo_flow_grant *grant)
{
	struct net_space *child;
	int error = grant_check(grant);

	if (error)
		return error;
	child = space_alloc(grant->n_receive, grant->n_transmit);
	if (!child)
		return -EXO_ENOMEM;
	error = flow_copy_in(grant->receive, grant->n_receive, child->conjunctions, NULL);
	if (!error)
		error = flow_copy_in(grant->transmit, grant->n_transmit,
		                     child->conjunctions + grant->n_receive, NULL);
	if (!error) {
		machine_lock(&net.lock);
		error = grant_apply(caller, grant, child);
		machine_unlock(&net.lock);
	}
	if (error)
		machine_free(child);
	return error;
}

void flow_condemn(uint64_t id, const struct env *holder)
{
	for (struct net_space *space = net.spaces; space; space = space->next)
		if (space->id == id || space->holder == holder ||
		    (space->parent && space->parent->dead))
			space->dead = true; /* a parent stands before its children */
}

struct net_space *flow_take_condemned(void)
{
	struct net_space **link = &net.spaces, *dead = NULL, *space;

	while ((space = *link)) {
		if (!space->dead) {
			link = &space->next;
			continue;
		}
		*link = space->next;
		space->next = dead;
		dead = space;
		space->holder->account->flows--;
	}
	net.spaces_end = link;
	return dead;
}
