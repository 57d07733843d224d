/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose extensions: each environment's table of references. */
#include "ext.h"

struct ext_owner *ext_owner(struct env *env, bool make)
{
	struct ext_owner *owner = ext.owners;

	while (owner && owner->env != env)
		owner = owner->next;
	if (owner || !make)
		return owner;
	owner = machine_alloc(sizeof(*owner));
	if (!owner)
		return NULL;
	owner->env = env;
	owner->next = ext.owners;
	ext.owners = owner;
	return owner;
}

struct ext_owner *ext_owner_by_id(uint32_t env)
{
	struct ext_owner *owner = ext.owners;

	while (owner && owner->env->id != env)
		owner = owner->next;
	return owner;
}

struct ext_domain *ext_find(struct env *env, uint32_t ref)
{
	struct ext_owner *owner = ext_owner(env, false);

	return owner && ref < EXO_EXT_REFS ? owner->refs[ref] : NULL;
}

int ext_enter(struct ext_owner *owner, struct ext_domain *domain)
{
	for (uint32_t ref = 0; ref < EXO_EXT_REFS; ref++) {
		if (!owner->refs[ref]) {
			owner->refs[ref] = domain;
			domain->holds++;
			return (int)ref;
		}
	}
	return -EXO_E2BIG;
}

int64_t ext_op_drop(struct call *call, uint64_t block)
{
	struct ext_domain *domain;
	struct exo_ext_ref arg;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (error)
		return error;
	if (arg.reserved)
		return -EXO_EINVAL;
	machine_lock(&ext.lock);
	domain = ext_find(call->env, arg.ref);
	if (!domain)
		error = -EXO_ENOENT;
	else if (domain->env == call->env->id && domain->holds > 1)
		error = -EXO_EBUSY;
	else
		ext_owner(call->env, false)->refs[arg.ref] = NULL;
	machine_unlock(&ext.lock);
	if (!error)
		ext_let_go(domain);
	return error;
}

/* Takes the table out of the list, and everybody's references to extensions that end. */
static struct ext_owner *take_out(struct env *env)
{
	struct ext_owner **link = &ext.owners, *owner;

	while (*link && (*link)->env != env)
		link = &(*link)->next;
	owner = *link;
	if (owner)
		*link = owner->next;
	for (struct ext_owner *other = ext.owners; other; other = other->next)
		for (uint32_t ref = 0; ref < EXO_EXT_REFS; ref++)
			if (other->refs[ref] && other->refs[ref]->env == env->id) {
				other->refs[ref]->holds--; /* not the last: its maker's is there */
				other->refs[ref] = NULL;
			}
	return owner;
}

/* What is linked to the environment's extensions is unlinked, when nobody runs it any more. */
static void end_links(struct env *env)
{
	struct ext_handler *handlers;
	bool any;

	machine_lock(&ext.build);
	machine_lock(&ext.lock);
	any = ext_condemn(env);
	machine_unlock(&ext.lock);
	handlers = ext_handlers_take(env);
	if (any || handlers)
		ext_quiesce();
	machine_lock(&ext.lock);
	for (struct ext_domain *domain = ext.domains; any && domain; domain = domain->next)
		if (domain->unlinked)
			ext_unlink(domain);
	for (struct ext_domain *domain = ext.domains; any && domain; domain = domain->next)
		domain->unlinked = false;
	machine_unlock(&ext.lock);
	machine_unlock(&ext.build);
	ext_handlers_free(handlers);
}

void ext_env_end(struct env *env)
{
	struct ext_owner *owner;

	ext_events_end(env);
	end_links(env);
	machine_lock(&ext.lock);
	owner = take_out(env);
	machine_unlock(&ext.lock);
	for (uint32_t ref = 0; owner && ref < EXO_EXT_REFS; ref++)
		if (owner->refs[ref])
			ext_let_go(owner->refs[ref]);
	machine_free(owner);
}
