/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events of environments, and invocations. Who handles an event forms a chain that is published as
 * a whole: raising takes no lock, and a core is in a section meanwhile. Where an environment has no
 * handlers at all, raising is one comparison (core/hooks.h).
 */
#include "../core/cap.h"
#include "../core/hooks.h"
#include "handler.h"

/* What an environment's events have. */
struct env_events {
	struct env_event {
		struct ext_chain *chain;    /* atomic; NULL: nobody */
		uint32_t n_max, budget_max; /* others' handlers */
	} of[EXO_EXT_EVENTS];
};

/* ---- Raising ---- */

bool ext_result(struct ext_handler *handler, struct ext_count *count, uint64_t result)
{
	if (result & EXO_HANDLER_WAKE) {
		count->woken++;
		env_post(handler->env, UINT32_MAX, EXO_EVENT_HANDLER);
	}
	return !(result & EXO_HANDLER_STOP);
}

/* → whether those behind it are to run. */
static bool run_one(struct ext_handler *h, unsigned core, const uint64_t r[5])
{
	struct ext_count *count = &h->counts[core];
	uint64_t result;

	if (h->guard && !flt_program_call_plain(h->guard, r[0], r[1], r[2], r[3], r[4])) {
		count->passed++;
		return true;
	}
	count->runs++;
	result = flt_program_call_plain(h->program, r[0], r[1], r[2], r[3], r[4]);
	return ext_result(h, count, result);
}

void ext_chain_run(const struct ext_chain *chain, unsigned core, const uint64_t arguments[5])
{
	for (uint32_t i = 0; i < chain->n && run_one(chain->handlers[i], core, arguments); i++)
		continue;
}

void ext_raise(struct env *env, uint32_t event, uint64_t a, uint64_t b, uint64_t c)
{
	unsigned core = machine_core();
	const struct env_events *events;
	const struct ext_chain *chain;

	ext_section_begin(core);
	events = __atomic_load_n(&env->events, __ATOMIC_ACQUIRE);
	chain = events ? __atomic_load_n(&events->of[event].chain, __ATOMIC_ACQUIRE) : NULL;
	if (chain)
		ext_chain_raise(chain, core, (const uint64_t[5]){env->id, a, b, c, 0});
	ext_section_end(core);
}

/* ---- Chains ---- */

static bool is_same_event(const struct ext_handler *a, const struct ext_handler *b)
{
	return a->event == b->event && a->subject == b->subject && a->callee == b->callee;
}

static bool goes_before(const struct ext_handler *a, const struct ext_handler *b)
{
	return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

static void insert(struct ext_chain *chain, struct ext_handler *handler)
{
	uint32_t i = chain->n++;

	for (; i > 0 && goes_before(handler, chain->handlers[i - 1]); i--)
		chain->handlers[i] = chain->handlers[i - 1];
	chain->handlers[i] = handler;
}

static struct ext_chain **place_of(const struct ext_handler *handler)
{
	return handler->callee ? &handler->callee->invoked
	                       : &handler->subject->events->of[handler->event].chain;
}

static uint64_t (*native_of(const struct ext_handler *handler))(uint64_t, uint64_t, uint64_t,
                                                                uint64_t, uint64_t)
{
	size_t size;

	return (uint64_t(*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t))(
	        uintptr_t)flt_program_code(handler->program, &size);
}

/* The chain is rebuilt from the list of all handlers. */
int ext_chain_renew(struct ext_handler *handler, struct ext_chain **old)
{
	struct ext_chain **place = place_of(handler), *chain = NULL;
	uint32_t n = 0;

	for (struct ext_handler *h = ext.handlers; h; h = h->next)
		n += is_same_event(h, handler);
	if (n) {
		chain = machine_alloc(sizeof(*chain) + n * sizeof(struct ext_handler *));
		if (!chain)
			return -EXO_ENOMEM;
	}
	for (struct ext_handler *h = ext.handlers; h; h = h->next)
		if (is_same_event(h, handler))
			insert(chain, h);
	if (n == 1 && !chain->handlers[0]->guard)
		chain->only = native_of(chain->handlers[0]);
	*old = *place;
	__atomic_store_n(place, chain, __ATOMIC_RELEASE);
	return 0;
}

void ext_chain_leave(struct ext_handler *handler, struct ext_chain **old)
{
	struct ext_chain **place = place_of(handler);

	if (ext_chain_renew(handler, old) == 0)
		return;
	*old = *place;
	__atomic_store_n(place, NULL, __ATOMIC_RELEASE);
}

/* ---- Authority ---- */

static uint32_t others(const struct env *subject, uint32_t event)
{
	uint32_t n = 0;

	for (const struct ext_handler *h = ext.handlers; h; h = h->next)
		n += h->subject == subject && h->event == event && h->env != subject;
	return n;
}

static int admitted(const struct env *subject, uint32_t event, uint32_t cost)
{
	const struct env_event *e = subject->events ? &subject->events->of[event] : NULL;

	if (!e || cost > e->budget_max)
		return -EXO_EPERM;
	return others(subject, event) < e->n_max ? 0 : -EXO_EBUSY;
}

static int make_events(struct env *env)
{
	struct env_events *events;

	if (env->events)
		return 0;
	events = machine_alloc(sizeof(*events));
	if (!events)
		return -EXO_ENOMEM;
	__atomic_store_n(&env->events, events, __ATOMIC_RELEASE);
	return 0;
}

int ext_event_authority(struct env *env, const struct exo_cap *target, uint32_t event,
                        uint32_t cost, struct env **subject)
{
	int error = 0;

	*subject = env;
	if (target->kind != EXO_KIND_NONE) {
		error = cap_check(target, env, EXO_KIND_ENV, EXO_RIGHT_CALL);
		*subject = error ? NULL : env_find_live((uint32_t)target->first);
		if (!error && !*subject)
			error = -EXO_ENOENT;
		if (!error && *subject != env && !(target->rights & EXO_RIGHT_CONTROL))
			error = admitted(*subject, event, cost);
	}
	return error ? error : make_events(*subject);
}

int64_t ext_op_admit(struct call *call, uint64_t block)
{
	struct exo_ext_admit arg;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (error)
		return error;
	if (arg.reserved || arg.event <= EXO_EXT_PACKET || arg.event >= EXO_EXT_INVOKED)
		return -EXO_EINVAL;
	machine_lock(&ext.lock);
	error = make_events(call->env);
	if (!error) {
		call->env->events->of[arg.event].n_max = arg.n_max;
		call->env->events->of[arg.event].budget_max = arg.budget_max;
	}
	machine_unlock(&ext.lock);
	return error;
}

/* ---- Ends ---- */

void ext_events_end(struct env *env)
{
	struct env_events *events;

	core_raise(env, EXO_EXT_END, env->state, (uint64_t)(int64_t)env->status, 0);
	machine_lock(&ext.lock);
	events = env->events;
	__atomic_store_n(&env->events, NULL, __ATOMIC_RELEASE);
	for (struct ext_handler *h = ext.handlers; h; h = h->next)
		if (h->subject == env)
			h->subject = NULL;
	machine_unlock(&ext.lock);
	if (!events)
		return;
	ext_quiesce();
	for (uint32_t event = 0; event < EXO_EXT_EVENTS; event++)
		machine_free(events->of[event].chain);
	machine_free(events);
}
