/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sealing, checking, granting and revoking keys.
 */
#include "cap.h"

#include <exo/siphash.h>

#include "core.h"
#include "env.h"
#include "ledger.h"
#include "machine.h"
#include "net.h"

static uint64_t secret[2];

void cap_init(void)
{
	machine_random(secret, sizeof(secret));
}

static uint64_t authenticator(const struct exo_cap *cap)
{
	return exo_siphash(secret, cap, offsetof(struct exo_cap, mac));
}

void cap_seal(struct exo_cap *cap)
{
	cap->mac = authenticator(cap);
}

/* Kinds whose units and epochs the packet path keeps, or exo/ext: ids that are never used again. */
static bool is_net_kind(uint32_t kind)
{
	return ledger_by_net(kind) || kind == EXO_KIND_EXTENSION;
}

static int present_epoch(const struct exo_cap *cap, uint32_t *epoch)
{
	if (is_net_kind(cap->kind)) {
		*epoch = cap->epoch;
		return 0;
	}
	if (cap->rights & EXO_RIGHT_ALLOC) {
		*epoch = ledger_authority_epoch(cap->kind);
		return 0;
	}
	return ledger_epoch(cap->kind, cap->first, cap->count, epoch);
}

int cap_make(struct exo_cap *cap, enum exo_kind kind, unsigned rights, uint32_t holder,
             uint64_t first, uint32_t count)
{
	int error;

	*cap = (struct exo_cap){
	        .kind = (uint16_t)kind,
	        .rights = (uint16_t)rights,
	        .holder = holder,
	        .first = first,
	        .count = count,
	};
	error = present_epoch(cap, &cap->epoch);
	if (error)
		return error;
	cap_seal(cap);
	return 0;
}

int cap_check_part(const struct exo_cap *cap, const struct env *env, enum exo_kind kind,
                   unsigned rights, uint64_t first, uint32_t count)
{
	struct exo_cap part = *cap;
	uint32_t epoch;

	if (cap->mac != authenticator(cap))
		return -EXO_EKEY;
	if (cap->holder != env->id || cap->kind != kind || (cap->rights & rights) != rights ||
	    cap_covers(cap, first, count) != 0)
		return -EXO_EPERM;
	part.first = first;
	part.count = count;
	if (present_epoch(&part, &epoch) != 0 || epoch != cap->epoch)
		return -EXO_ESTALE;
	return 0;
}

int cap_check(const struct exo_cap *cap, const struct env *env, enum exo_kind kind, unsigned rights)
{
	return cap_check_part(cap, env, kind, rights, cap->first, cap->count);
}

int cap_covers(const struct exo_cap *cap, uint64_t first, uint64_t count)
{
	if (first < cap->first || first - cap->first > cap->count)
		return -EXO_EPERM;
	return cap->count - (first - cap->first) >= count ? 0 : -EXO_EPERM;
}

int cap_fetch(struct exo_cap *cap, uint64_t address, const struct env *env, enum exo_kind kind,
              unsigned rights)
{
	int error = call_copy_in(cap, address, sizeof(*cap));

	return error ? error : cap_check(cap, env, kind, rights);
}

/* ---- EXO_CALL_GRANT ---- */

static int check_grant(const struct exo_grant *grant, const struct env *caller)
{
	int error;

	if (grant->reserved || grant->reserved2 || grant->count == 0)
		return -EXO_EINVAL;
	error = cap_check(&grant->cap, caller, grant->cap.kind, EXO_RIGHT_GRANT);
	if (error)
		return error;
	if (grant->cap.kind == EXO_KIND_FLOW)
		return -EXO_EINVAL;
	if (grant->rights & ~grant->cap.rights)
		return -EXO_EPERM;
	error = cap_covers(&grant->cap, grant->first, grant->count);
	if (error)
		return error;
	return env_find_live(grant->to) ? 0 : -EXO_ENOENT;
}

static int derive(struct exo_grant *grant)
{
	if (!is_net_kind(grant->cap.kind))
		return cap_make(&grant->out, grant->cap.kind, grant->rights, grant->to,
		                grant->first, grant->count);
	grant->out = grant->cap;
	grant->out.rights = grant->rights;
	grant->out.holder = grant->to;
	grant->out.first = grant->first;
	grant->out.count = grant->count;
	cap_seal(&grant->out);
	return 0;
}

int64_t cap_call_grant(struct call *call)
{
	int error = check_grant(call->block, call->env);

	return error ? error : derive(call->block);
}

/* ---- EXO_CALL_REVOKE ---- */

int64_t cap_call_revoke(struct call *call)
{
	struct exo_cap *cap = call->block;
	int error;

	core_lock();
	error = cap_check(cap, call->env, cap->kind, EXO_RIGHT_FREE);
	if (!error && !is_net_kind(cap->kind))
		error = ledger_epoch_end(cap);
	/* The caller, who keeps the units, gets a key of the new epoch. */
	if (!error && !is_net_kind(cap->kind))
		error = cap_make(cap, cap->kind, cap->rights, cap->holder, cap->first, cap->count);
	core_unlock();
	if (!error && is_net_kind(cap->kind))
		error = net_revoke(cap);
	return error;
}
