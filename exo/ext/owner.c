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
	else if (domain->env == call->env && domain->holds > 1)
		error = -EXO_EBUSY;
	else
		ext_owner(call->env, false)->refs[arg.ref] = NULL;
	machine_unlock(&ext.lock);
	if (!error)
		ext_let_go(domain);
	return error;
}

/* Takes the table out of the list; what it names is let go of afterwards. */
static struct ext_owner *take_out(struct env *env)
{
	struct ext_owner **link = &ext.owners, *owner;

	machine_lock(&ext.lock);
	while (*link && (*link)->env != env)
		link = &(*link)->next;
	owner = *link;
	if (owner)
		*link = owner->next;
	machine_unlock(&ext.lock);
	return owner;
}

void ext_env_end(struct env *env)
{
	struct ext_owner *owner;

	ext_handlers_end(env);
	owner = take_out(env);
	for (uint32_t ref = 0; owner && ref < EXO_EXT_REFS; ref++)
		if (owner->refs[ref])
			ext_let_go(owner->refs[ref]);
	machine_free(owner);
}
