/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handlers: a function is verified against its budget and compiled, then bound to an event. The
 * authority for a packet handler is the key of the binding; for what it sends, the key of the
 * binding's own flow space: so both end with the binding.
 */
#include "handler.h"

#include <string.h>

#include "../core/cap.h"

/* What HANDLE works with. */
struct handling {
	struct env *env;
	struct exo_ext_handle arg;
	struct exo_cap target, space; /* copies */
	struct ext_reason reason;
	struct ext_domain *domain; /* held */
	struct ext_handler *handler;
};

static int check_keys(struct handling *h)
{
	const struct exo_ext_handle *arg = &h->arg;
	int error = 0;

	if (arg->event == EXO_EXT_PACKET)
		error = cap_fetch(&h->target, arg->target, h->env, EXO_KIND_BINDING,
		                  EXO_RIGHT_FREE);
	else if (arg->event != EXO_EXT_INVOKED && arg->target)
		error = call_copy_in(&h->target, arg->target, sizeof(h->target));
	if (error)
		return ext_refuse(&h->reason, error, "the target's key");
	if (arg->space)
		error = cap_fetch(&h->space, arg->space, h->env, EXO_KIND_FLOW, EXO_RIGHT_SEND);
	return error ? ext_refuse(&h->reason, error, "the flow space's key") : 0;
}

static int check_block(struct handling *h)
{
	struct exo_ext_handle *arg = &h->arg;

	if (arg->reserved || arg->reserved2 || arg->event >= EXO_EXT_EVENTS ||
	    arg->budget > EXO_HANDLER_BUDGET_MAX ||
	    strnlen(arg->function, EXO_NAME_MAX) == EXO_NAME_MAX ||
	    strnlen(arg->guard, EXO_NAME_MAX) == EXO_NAME_MAX)
		return ext_refuse(&h->reason, -EXO_EINVAL, "no such event, or too large a budget");
	if (arg->event == EXO_EXT_PACKET ? arg->guard[0] != 0 : arg->space != 0)
		return ext_refuse(&h->reason, -EXO_EINVAL,
		                  "packets have filters for guards; only their handlers send");
	if (!arg->budget)
		arg->budget = EXO_HANDLER_BUDGET;
	return check_keys(h);
}

/* A hold on the extension, and one more handler of the environment's. */
static int begin(struct handling *h)
{
	struct ext_owner *owner;
	int error = 0;

	machine_lock(&ext.lock);
	h->domain = ext_find(h->env, h->arg.ref);
	owner = ext_owner(h->env, false);
	if (!h->domain)
		error = ext_refuse(&h->reason, -EXO_ENOENT, "no extension of that reference");
	else if (h->domain->env != h->env->id || !h->domain->object)
		error = ext_refuse(&h->reason, -EXO_EPERM, "the extension is somebody else's");
	else if (owner->n_handlers >= EXO_EXT_HANDLERS_MAX)
		error = ext_refuse(&h->reason, -EXO_E2BIG, "too many handlers");
	else
		h->domain->holds++, owner->n_handlers++;
	machine_unlock(&ext.lock);
	return error;
}

static int load_one(struct handling *h, const char *name, uint32_t budget,
                    struct flt_program **program)
{
	struct flt_load wanted = ext_load(h->domain, budget);
	bool packet = h->arg.event == EXO_EXT_PACKET;
	int code = flt_program_load(h->domain->object, name[0] ? name : NULL, &wanted, program,
	                            &h->reason.why);

	if (code)
		return ext_error(code);
	h->arg.cost += flt_program_cost(*program);
	if (packet ? flt_program_kind(*program) != FLT_KIND_XDP
	           : !flt_program_takes_numbers(*program))
		return ext_refuse(&h->reason, -EXO_EVERIFY,
		                  packet ? "a packet handler is an xdp program"
		                         : "it is no function of numbers");
	return 0;
}

/* The guard's cost counts, too. */
static int load(struct handling *h)
{
	int error;

	h->arg.cost = 0;
	error = load_one(h, h->arg.function, h->arg.budget, &h->handler->program);
	if (!error && h->arg.guard[0])
		error = load_one(h, h->arg.guard, h->arg.budget, &h->handler->guard);
	if (!error && h->arg.cost > h->arg.budget)
		error = ext_refuse(&h->reason, -EXO_EVERIFY,
		                   "handler and guard together exceed the budget");
	return error;
}

static void ended(struct net_handler *base)
{
	((struct ext_handler *)base)->binding = NULL;
}

/* Under net.lock. */
static int attach_locked(struct handling *h)
{
	struct net_binding *binding = bind_find(h->target.first);
	struct ext_handler *handler = h->handler;
	size_t size;

	if (!binding || binding->env != h->env)
		return ext_refuse(&h->reason, -EXO_ESTALE, "the binding has ended");
	if (binding->flags & EXO_BIND_TAP)
		return ext_refuse(&h->reason, -EXO_EINVAL, "a tap's frames are other people's");
	if (binding->handler)
		return ext_refuse(&h->reason, -EXO_EBUSY, "the binding has a handler");
	if (h->arg.space && binding->space->id != h->space.first)
		return ext_refuse(&h->reason, -EXO_EPERM, "not the binding's own flow space");
	handler->binding = binding;
	handler->code = (flt_xdp_code *)flt_program_code(handler->program, &size);
	handler->space = h->arg.space ? binding->space : NULL;
	for (unsigned core = 0; core < net.n_pollers; core++) {
		struct net_quick *quick = &handler->counts[core].quick;

		*quick = (struct net_quick){.code = handler->code,
		                            .handler = &handler->base,
		                            .part = &binding->cores[core]};
		if (handler->code && !flt_program_calls(handler->program))
			__atomic_store_n(&binding->cores[core].quick, quick, __ATOMIC_RELEASE);
		__atomic_store_n(&binding->cores[core].handled, quick, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&binding->handler, &handler->base, __ATOMIC_RELEASE);
	return 0;
}

static int attach_packet(struct handling *h)
{
	int error;

	machine_lock(&net.lock);
	error = attach_locked(h);
	machine_unlock(&net.lock);
	return error;
}

/* ext.lock held. */
static int find_subject(struct handling *h)
{
	int error;

	if (h->arg.event == EXO_EXT_INVOKED) {
		struct ext_domain *callee = ext_find(h->env, (uint32_t)h->arg.target);

		error = !callee ? -EXO_ENOENT : callee->env != h->env->id ? -EXO_EPERM : 0;
		if (!error) {
			h->handler->callee = callee;
			callee->holds++;
		}
	} else {
		core_lock();
		error = ext_event_authority(h->env, &h->target, h->arg.event, h->arg.cost,
		                            &h->handler->subject);
		core_unlock();
		h->handler->master =
		        h->handler->subject == h->env || h->target.rights & EXO_RIGHT_CONTROL;
		if (!error && h->arg.event == EXO_EXT_KEEP && h->handler->subject != h->env)
			error = -EXO_EPERM;
	}
	return error ? ext_refuse(&h->reason, error, "its owner does not admit that") : 0;
}

static void unlist(struct ext_handler *handler)
{
	struct ext_handler **link = &ext.handlers;

	while (*link != handler)
		link = &(*link)->next;
	*link = handler->next;
}

static int attach(struct handling *h)
{
	bool packet = h->arg.event == EXO_EXT_PACKET;
	struct ext_chain *old = NULL;
	int error;

	machine_lock(&ext.lock);
	h->handler->id = ++ext.next_id;
	error = packet ? attach_packet(h) : find_subject(h);
	if (!error) {
		h->handler->next = ext.handlers;
		ext.handlers = h->handler;
	}
	if (!error && !packet && (error = ext_chain_renew(h->handler, &old)))
		unlist(h->handler);
	machine_unlock(&ext.lock);
	if (old)
		ext_quiesce();
	machine_free(old);
	return error;
}

/* Nobody runs it, and no list has it. */
static void destroy(struct ext_handler *handler)
{
	struct ext_owner *owner;

	machine_lock(&ext.lock);
	owner = ext_owner(handler->env, false);
	if (owner) {
		owner->n_handlers--;
		ext_uncharge(owner, handler->memory);
	}
	machine_unlock(&ext.lock);
	flt_program_free(handler->program);
	flt_program_free(handler->guard);
	if (handler->callee)
		ext_let_go(handler->callee);
	ext_let_go(handler->domain);
	machine_free(handler);
}

static int charge(struct ext_handler *handler)
{
	size_t memory = sizeof(*handler) + net.n_cores * sizeof(handler->counts[0]) +
	                flt_program_memory(handler->program) +
	                (handler->guard ? flt_program_memory(handler->guard) : 0);
	int error = ext_charge_env(handler->env->id, memory);

	handler->memory = error ? 0 : memory;
	return error;
}

static int make(struct handling *h)
{
	int error;

	h->handler->base = (struct net_handler){.run = ext_packet_run, .end = ended};
	h->handler->env = h->env;
	h->handler->domain = h->domain;
	h->handler->event = h->arg.event;
	h->handler->budget = h->arg.budget;
	h->handler->priority = h->arg.priority;
	/* What it is linked to stays so until the handler can be found by who unlinks. */
	error = ext_build_begin(h->domain);
	if (!error) {
		error = load(h);
		if (!error)
			error = charge(h->handler);
		if (!error)
			error = attach(h);
		ext_build_end(h->domain);
	}
	if (error)
		destroy(h->handler);
	return error;
}

static int handle(struct handling *h)
{
	int error = check_block(h);

	if (error)
		return error;
	if (ext_packet_start())
		return -EXO_ENOMEM;
	h->handler =
	        machine_alloc(sizeof(*h->handler) + net.n_cores * sizeof(h->handler->counts[0]));
	if (!h->handler)
		return -EXO_ENOMEM;
	error = begin(h);
	if (error) {
		machine_free(h->handler);
		return error;
	}
	return make(h);
}

int64_t ext_op_handle(struct call *call, uint64_t block)
{
	struct handling h = {.env = call->env};
	int error = call_copy_in(&h.arg, block, sizeof(h.arg));

	/* Written back: better to know now that it can't be than to undo. */
	if (!error)
		error = call_copy_out(block, &h.arg, sizeof(h.arg));
	if (error)
		return error;
	h.reason.to = h.arg.error;
	h.reason.size = h.arg.error_size;
	error = handle(&h);
	if (error) {
		ext_tell(&h.reason);
		return error;
	}
	h.arg.id = h.handler->id;
	return call_copy_out(block, &h.arg, sizeof(h.arg));
}

/* ---- Ends ---- */

/* Whether a handler is meant: the environment's of that id; with 0 all of its, and those of
 * unlinked extensions. */
static bool is_meant(const struct ext_handler *handler, const struct env *env, uint64_t id)
{
	return id ? handler->env == env && handler->id == id
	          : handler->env == env || handler->domain->unlinked ||
	                       (handler->callee && handler->callee->unlinked);
}

static void detach(struct net_binding *binding)
{
	__atomic_store_n(&binding->handler, NULL, __ATOMIC_RELEASE);
	for (unsigned core = 0; core < net.n_pollers; core++) {
		__atomic_store_n(&binding->cores[core].quick, NULL, __ATOMIC_RELEASE);
		__atomic_store_n(&binding->cores[core].handled, NULL, __ATOMIC_RELEASE);
	}
}

/* Takes one that is meant out of the pollers' sight and of the list; NULL: there is none. */
static struct ext_handler *take_out(const struct env *env, uint64_t id)
{
	struct ext_handler **link = &ext.handlers, *handler;
	struct ext_chain *old = NULL;

	machine_lock(&ext.lock);
	while (*link && !is_meant(*link, env, id))
		link = &(*link)->next;
	handler = *link;
	if (handler) {
		*link = handler->next;
		machine_lock(&net.lock);
		if (handler->binding)
			detach(handler->binding);
		machine_unlock(&net.lock);
		if (handler->subject || handler->callee)
			ext_chain_leave(handler, &old);
	}
	machine_unlock(&ext.lock);
	if (old)
		ext_quiesce();
	machine_free(old);
	return handler;
}

int64_t ext_op_release(struct call *call, uint64_t block)
{
	struct exo_ext_release arg;
	struct ext_handler *handler;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (error)
		return error;
	handler = arg.id ? take_out(call->env, arg.id) : NULL;
	if (!handler)
		return -EXO_ENOENT;
	ext_quiesce();
	destroy(handler);
	return 0;
}

struct ext_handler *ext_handlers_take(const struct env *env)
{
	struct ext_handler *list = NULL, *handler;

	while ((handler = take_out(env, 0))) {
		handler->next = list;
		list = handler;
	}
	return list;
}

void ext_handlers_free(struct ext_handler *list)
{
	while (list) {
		struct ext_handler *handler = list;

		list = handler->next;
		destroy(handler);
	}
}
