/* SPDX-License-Identifier: BSD-2-Clause */
/* Extensions: an object becomes a domain, whose maps and arenas live as long as somebody holds it.
 */
#include "ext.h"

#include <string.h>

#include <flt/map.h>

#include "../core/cap.h"
#include "../core/ledger.h"
#include "../core/net_state.h"
#include "service.h"

/* What CREATE works with. */
struct creation {
	struct call *call;
	struct exo_ext_create arg;
	struct ext_reason reason;
	struct ext_domain *domain;
};

static bool is_name(const char name[EXO_NAME_MAX])
{
	size_t n = strnlen(name, EXO_NAME_MAX);

	for (size_t i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] > '~')
			return false;
	return n > 0 && n < EXO_NAME_MAX;
}

static int open_object(struct creation *c)
{
	void *bytes;
	int error;

	if (!is_name(c->arg.name))
		return ext_refuse(&c->reason, -EXO_EINVAL, "it has no name, or not of ASCII");
	if (c->arg.size == 0 || c->arg.size > EXO_EXT_OBJECT_MAX)
		return ext_refuse(&c->reason, -EXO_E2BIG, "object empty or too large");
	bytes = machine_alloc(c->arg.size);
	if (!bytes)
		return -EXO_ENOMEM;
	error = call_copy_in(bytes, c->arg.object, c->arg.size);
	if (!error)
		error = ext_error(
		        flt_object_open(bytes, c->arg.size, &c->domain->object, &c->reason.why));
	machine_free(bytes);
	return error;
}

static uint32_t frames_of(const struct flt_map *map)
{
	const struct flt_map_spec *spec = flt_map_spec(map);

	return spec->type == FLT_MAP_ARENA ? spec->max_entries : 0;
}

/* Pins the caller's frames and deals them out to the arenas. */
static int give_arenas(struct creation *c)
{
	struct ext_domain *domain = c->domain;
	uint64_t frame = c->arg.arena_first, wanted = 0;
	struct flt_map *map;

	for (uint32_t i = 0; (map = flt_object_map_at(domain->object, i)); i++)
		wanted += frames_of(map);
	if (wanted != c->arg.arena_count)
		return ext_refuse(&c->reason, -EXO_EINVAL, "not as many frames as its arenas have");
	if (wanted && ledger_frames_pin(c->call->env->id, frame, wanted))
		return ext_refuse(&c->reason, -EXO_EPERM, "frames for arenas are somebody else's");
	domain->arena_first = frame;
	domain->arena_count = (uint32_t)wanted;
	for (uint32_t i = 0; (map = flt_object_map_at(domain->object, i)); i++)
		for (uint32_t k = 0; k < frames_of(map); k++)
			(void)flt_map_arena_give(map, k, machine_frame(frame++));
	return 0;
}

static size_t memory_of(const struct flt_object *object)
{
	size_t memory = 0;
	struct flt_map *map;

	for (uint32_t i = 0; (map = flt_object_map_at(object, i)); i++)
		memory += flt_map_memory(map);
	return memory;
}

int ext_publish(struct env *env, struct ext_domain *domain, struct ext_reason *reason)
{
	struct ext_owner *owner = ext_owner(env, true);
	int ref = owner ? ext_charge(owner, domain->memory) : -EXO_ENOMEM;

	if (ref == -EXO_E2BIG && reason)
		(void)ext_refuse(reason, ref,
		                 "object and maps take too much of the kernel's memory");
	if (ref)
		return ref;
	ref = ext_enter(owner, domain);
	if (ref < 0) {
		ext_uncharge(owner, domain->memory);
		return ref;
	}
	domain->id = ++ext.next_id;
	domain->next = ext.domains;
	ext.domains = domain;
	return ref;
}

/* Nobody names it, and nobody runs its code. */
static void destroy(struct ext_domain *domain)
{
	ext_holdings_end(domain);
	machine_free(domain->imports);
	machine_free(domain->exports);
	machine_free(domain->core);
	flt_object_close(domain->object);
	if (domain->arena_count)
		ledger_frames_unpin(domain->arena_first, domain->arena_count);
	machine_free(domain);
}

static int create(struct creation *c)
{
	int error;

	c->domain = machine_alloc(sizeof(*c->domain));
	if (!c->domain)
		return -EXO_ENOMEM;
	c->domain->env = c->call->env->id;
	c->domain->maker = c->call->env;
	c->domain->module = c->arg.flags & EXO_EXT_MODULE;
	memcpy(c->domain->name, c->arg.name, EXO_NAME_MAX);
	error = open_object(c);
	if (!error)
		error = give_arenas(c);
	if (!error)
		error = ext_list_names(c->domain);
	if (error == -EXO_E2BIG && !c->reason.why.reason[0])
		(void)ext_refuse(&c->reason, error, "more than 256 functions, or as many imports");
	if (!error) {
		c->domain->memory = c->arg.size + memory_of(c->domain->object);
		machine_lock(&ext.lock);
		error = ext_publish(c->call->env, c->domain, &c->reason);
		machine_unlock(&ext.lock);
	}
	if (error < 0)
		destroy(c->domain);
	return error;
}

int64_t ext_op_create(struct call *call, uint64_t block)
{
	struct creation c = {.call = call};
	int error = call_copy_in(&c.arg, block, sizeof(c.arg));

	/* Written back: better to know now that it can't be than to undo. */
	if (!error)
		error = call_copy_out(block, &c.arg, sizeof(c.arg));
	if (error)
		return error;
	if (c.arg.reserved || (c.arg.flags & ~(uint32_t)EXO_EXT_MODULE))
		return -EXO_EINVAL;
	c.reason.to = c.arg.error;
	c.reason.size = c.arg.error_size;
	error = create(&c);
	if (error < 0) {
		ext_tell(&c.reason);
		return error;
	}
	c.arg.ref = (uint32_t)error;
	return call_copy_out(block, &c.arg, sizeof(c.arg));
}

/* The last hold is gone: nobody is linked to it, or names it. */
static void end(struct ext_domain *domain)
{
	struct ext_domain *parts[2] = {domain->parts[0], domain->parts[1]};

	domain->parts[0] = domain->parts[1] = NULL; /* let go of below: it may be the last hold */
	ext_quiesce();
	ext_let_imports_go(domain);
	machine_lock(&ext.lock);
	ext_unlink(domain);
	machine_unlock(&ext.lock);
	destroy(domain);
	for (int i = 0; i < 2; i++)
		if (parts[i])
			ext_let_go(parts[i]);
}

void ext_let_go(struct ext_domain *domain)
{
	struct ext_domain **link = &ext.domains;
	struct ext_owner *owner;
	bool last;

	machine_lock(&ext.lock);
	last = --domain->holds == 0;
	if (last) {
		while (*link != domain)
			link = &(*link)->next;
		*link = domain->next;
		owner = ext_owner_by_id(domain->env);
		if (owner)
			ext_uncharge(owner, domain->memory);
	}
	machine_unlock(&ext.lock);
	if (last)
		end(domain);
}

/* ---- Keys ---- */

struct ext_domain *ext_by_id(uint64_t id)
{
	struct ext_domain *domain = ext.domains;

	while (domain && domain->id != id)
		domain = domain->next;
	return domain;
}

int64_t ext_op_key(struct call *call, uint64_t block)
{
	struct exo_ext_key arg;
	struct ext_domain *domain;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (error)
		return error;
	machine_lock(&ext.lock);
	domain = ext_find(call->env, arg.ref);
	if (!domain || domain->env != call->env->id)
		error = domain ? -EXO_EPERM : -EXO_ENOENT;
	else
		net_seal(&arg.out, EXO_KIND_EXTENSION, EXO_RIGHT_CALL | EXO_RIGHT_GRANT,
		         call->env->id, domain->id);
	machine_unlock(&ext.lock);
	return error ? error : call_copy_out(block, &arg, sizeof(arg));
}

int64_t ext_op_open(struct call *call, uint64_t block)
{
	struct exo_ext_open arg;
	struct ext_domain *domain;
	struct ext_owner *owner;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (!error)
		error = call_copy_out(block, &arg, sizeof(arg));
	if (!error)
		error = cap_check(&arg.cap, call->env, EXO_KIND_EXTENSION, EXO_RIGHT_CALL);
	if (error)
		return error;
	machine_lock(&ext.lock);
	domain = ext_by_id(arg.cap.first);
	owner = domain ? ext_owner(call->env, true) : NULL;
	error = !domain ? -EXO_ESTALE : !owner ? -EXO_ENOMEM : ext_enter(owner, domain);
	machine_unlock(&ext.lock);
	if (error < 0)
		return error;
	arg.ref = (uint32_t)error;
	return call_copy_out(block, &arg, sizeof(arg));
}
