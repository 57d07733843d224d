/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose extensions: each environment's table of references. */
#include <exo/layout.h>

#include "../core/ledger.h"
#include "service.h"

enum { EXTENSIONS_LEAST = 2 << 20, EXTENSIONS_PART = 64 };

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

/* ---- The kernel's memory ---- */

static uint64_t frames_for(size_t bytes)
{
	return (bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
}

/* What all extensions may have of the kernel's heap: about half of it, which grows with the
 * machine. */
static size_t most_of_all(void)
{
	uint64_t free;

	return EXTENSIONS_LEAST + ledger_total(&free) * EXO_PAGE_SIZE / EXTENSIONS_PART;
}

/* The kernel's memory that an environment uses is taken off the frames that it may own. */
int ext_charge(struct ext_owner *owner, size_t bytes)
{
	struct exo_account *account = owner->env->account;
	uint64_t more;
	int error = 0;

	if (bytes > EXO_EXT_MEMORY_MAX - owner->memory)
		return -EXO_E2BIG;
	more = frames_for(owner->memory + bytes) - frames_for(owner->memory);
	core_lock();
	if (account->frames_max - account->frames < more || ext.memory + bytes > most_of_all())
		error = -EXO_ENOMEM;
	else
		account->frames_max -= more;
	core_unlock();
	if (!error) {
		owner->memory += bytes;
		ext.memory += bytes;
	}
	return error;
}

void ext_uncharge(struct ext_owner *owner, size_t bytes)
{
	uint64_t before = frames_for(owner->memory);

	owner->memory -= bytes;
	ext.memory -= bytes;
	core_lock();
	owner->env->account->frames_max += before - frames_for(owner->memory);
	core_unlock();
}

int ext_charge_env(uint32_t env, size_t bytes)
{
	struct ext_owner *owner;
	int error;

	machine_lock(&ext.lock);
	owner = ext_owner_by_id(env);
	error = owner ? ext_charge(owner, bytes) : -EXO_ESTALE;
	machine_unlock(&ext.lock);
	return error;
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

int ext_find_locked(const struct call *call, uint64_t block, uint32_t *ref,
                    struct ext_domain **domain)
{
	struct exo_ext_ref arg;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (error)
		return error;
	if (arg.reserved)
		return -EXO_EINVAL;
	*ref = arg.ref;
	machine_lock(&ext.lock);
	*domain = ext_find(call->env, arg.ref);
	if (*domain)
		return 0;
	machine_unlock(&ext.lock);
	return -EXO_ENOENT;
}

int64_t ext_op_drop(struct call *call, uint64_t block)
{
	struct ext_domain *domain;
	uint32_t ref;
	int error = ext_find_locked(call, block, &ref, &domain);

	if (error)
		return error;
	if (domain->env == call->env->id && domain->holds > 1)
		error = -EXO_EBUSY;
	else
		ext_owner(call->env, false)->refs[ref] = NULL;
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

void ext_env_end(struct env *env)
{
	struct ext_owner *owner;

	ext_events_end(env);
	ext_unlink_env(env);
	machine_lock(&ext.lock);
	owner = take_out(env);
	if (owner)
		ext_uncharge(owner, owner->memory); /* its limit passes on as it was */
	machine_unlock(&ext.lock);
	ext_virtual_env_end(env->id);
	for (uint32_t ref = 0; owner && ref < EXO_EXT_REFS; ref++)
		if (owner->refs[ref])
			ext_let_go(owner->refs[ref]);
	machine_free(owner);
}
