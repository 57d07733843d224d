/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends that others notice: an environment's, and an extension's by UNLOAD. First all that ends, and
 * all that is linked to it, directly or not, is marked: nobody begins to build, call or link there
 * any more. Once nothing of it is being built, its handlers are taken out; once nobody runs any of
 * it (ext_quiesce), links and code go. Who only was linked may be resolved anew.
 */
#include "handler.h"

/* Whether it is linked to, or made of, something that ends. */
static bool depends(const struct ext_domain *domain)
{
	for (uint32_t i = 0; i < domain->n_imports; i++)
		if (domain->imports[i].from && domain->imports[i].from->unlinked)
			return true;
	for (int i = 0; i < 2; i++)
		if (domain->parts[i] && domain->parts[i]->unlinked)
			return true;
	return false;
}

/* Marks what an environment made, or the one extension, and what depends on it. → whether there is
 * any. */
static bool condemn(const struct env *env, const struct ext_domain *one)
{
	bool any = false, more = true;

	machine_lock(&ext.lock);
	for (struct ext_domain *domain = ext.domains; domain; domain = domain->next) {
		domain->unlinked = domain == one || (env && domain->env == env->id);
		any |= domain->unlinked;
	}
	while (more) {
		more = false;
		for (struct ext_domain *domain = ext.domains; domain; domain = domain->next)
			if (!domain->unlinked && depends(domain))
				domain->unlinked = more = true;
	}
	machine_unlock(&ext.lock);
	return any;
}

static bool is_building(void)
{
	bool building = false;

	machine_lock(&ext.lock);
	for (struct ext_domain *domain = ext.domains; domain; domain = domain->next)
		building |=
		        domain->unlinked && __atomic_load_n(&domain->building, __ATOMIC_ACQUIRE);
	machine_unlock(&ext.lock);
	return building;
}

/* Everybody's references to the extension. */
static void forget_references(const struct ext_domain *one)
{
	for (struct ext_owner *owner = ext.owners; owner; owner = owner->next)
		for (uint32_t ref = 0; ref < EXO_EXT_REFS; ref++)
			if (owner->refs[ref] == one) {
				owner->refs[ref]->holds--; /* not the last: ours is there */
				owner->refs[ref] = NULL;
			}
}

static void unlink_all(const struct ext_domain *one)
{
	machine_lock(&ext.lock);
	for (struct ext_domain *domain = ext.domains; domain; domain = domain->next)
		if (domain->unlinked)
			ext_unlink(domain);
	for (struct ext_domain *domain = ext.domains; domain; domain = domain->next)
		domain->unlinked = false;
	if (one)
		forget_references(one);
	machine_unlock(&ext.lock);
}

static void unload(const struct env *env, const struct ext_domain *one)
{
	struct ext_handler *handlers;
	bool any;

	machine_lock(&ext.ends);
	any = condemn(env, one);
	while (is_building())
		machine_pause();
	handlers = ext_handlers_take(env);
	if (any || handlers)
		ext_quiesce();
	if (any)
		unlink_all(one);
	machine_unlock(&ext.ends);
	ext_handlers_free(handlers);
}

/* Most environments have nothing to do with extensions: they need not wait for who ends others. */
static bool is_concerned(const struct env *env)
{
	bool concerned = false;

	machine_lock(&ext.lock);
	for (const struct ext_owner *owner = ext.owners; owner; owner = owner->next)
		concerned |= owner->env == env;
	machine_unlock(&ext.lock);
	return concerned;
}

void ext_unlink_env(const struct env *env)
{
	if (is_concerned(env))
		unload(env, NULL);
}

int64_t ext_op_unload(struct call *call, uint64_t block)
{
	struct ext_domain *domain;
	uint32_t ref;
	int error = ext_find_locked(call, block, &ref, &domain);

	if (error)
		return error;
	if (domain->env != call->env->id)
		error = -EXO_EPERM;
	else
		domain->holds++;
	machine_unlock(&ext.lock);
	if (error)
		return error;
	unload(NULL, domain);
	ext_let_go(domain);
	return 0;
}
