/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events of environments, and invocations. Who handles an event forms a chain that is published as
 * a whole: raising takes no lock, and a core is in a section meanwhile. Where an environment has no
 * handlers at all, raising is one comparison (core/hooks.h).
 */
#include "../core/cap.h"
#include "../core/hooks.h"
#include "handler.h"
#include "service.h"

/* What an environment's events have. */
struct env_events {
	struct env_event {
		struct ext_chain *chain;    /* atomic; NULL: nobody */
		uint32_t n_max, budget_max; /* others' handlers */
	} of[EXO_EXT_EVENTS];
};

/* ---- Raising ---- */

uint64_t ext_result(struct ext_handler *handler, struct ext_count *count, uint64_t result)
{
	if (result & EXO_HANDLER_WAKE) {
		count->woken++;
		env_post(handler->env, UINT32_MAX, EXO_EVENT_HANDLER);
	}
	if (!handler->master)
		result &= ~(uint64_t)EXO_HANDLER_DONE;
	return result & (EXO_HANDLER_STOP | EXO_HANDLER_DONE);
}

static inline uint64_t run_one(struct ext_handler *h, unsigned core, const uint64_t r[5])
{
	struct ext_count *count = &h->counts[core];
	uint64_t result;

	if (h->guard && !flt_program_call_plain(h->guard, r[0], r[1], r[2], r[3], r[4])) {
		count->passed++;
		return 0;
	}
	count->runs++;
	result = flt_program_call_plain(h->program, r[0], r[1], r[2], r[3], r[4]);
	return result & EXO_HANDLER_ASKS ? ext_result(h, count, result) : 0;
}

uint64_t ext_handler_run(struct ext_handler *h, unsigned core, const uint64_t r[5])
{
	return run_one(h, core, r);
}

/* One handler after the other. */
static uint64_t enter_all(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          const struct ext_chain *chain)
{
	const uint64_t arguments[5] = {a, b, c, d, e};
	unsigned core = machine_core();
	uint64_t asked = 0;

	for (uint32_t i = 0; i < chain->n && !(asked & EXO_HANDLER_STOP); i++)
		asked |= run_one(chain->handlers[i], core, arguments);
	return asked;
}

uint64_t ext_chain_asked(const struct ext_chain *chain, unsigned core, uint64_t result)
{
	struct ext_handler *handler = chain->handlers[0];

	return chain->single ? ext_result(handler, &handler->counts[core], result) : result;
}

/* Where no lock is held when it is raised: services may take some. */
static bool is_open(uint32_t event)
{
	switch (event) {
	case EXO_EXT_FAULT:
	case EXO_EXT_NOT_PRESENT:
	case EXO_EXT_BAD_ADDRESS:
	case EXO_EXT_PROTECTION:
	case EXO_EXT_EXCEPTION:
	case EXO_EXT_SLOT_BEGIN:
	case EXO_EXT_SLOT_END:
		return true;
	default:
		return false;
	}
}

static uint64_t raise_one(const struct env *env, uint32_t event, unsigned core,
                          const uint64_t arguments[5])
{
	const struct env_events *events = __atomic_load_n(&env->events, __ATOMIC_ACQUIRE);
	struct ext_chain *chain =
	        events ? __atomic_load_n(&events->of[event].chain, __ATOMIC_ACQUIRE) : NULL;

	return chain ? ext_chain_raise(chain, core, arguments) : 0;
}

static uint32_t kind_of_fault(const struct env *env, uint64_t address, uint64_t error)
{
	enum { ERROR_PRESENT = 1 };

	if (error & ERROR_PRESENT)
		return EXO_EXT_PROTECTION;
	return ext_virtual_lacks(env->id, address) ? EXO_EXT_BAD_ADDRESS : EXO_EXT_NOT_PRESENT;
}

/* A handler may wake somebody, and a service may set off a timer: then we are in a section already.
 */
uint64_t ext_raise(struct env *env, uint32_t event, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t arguments[5] = {env->id, a, b, c, 0};
	unsigned core = machine_core();
	bool inside = ext_section_inside(core), before;
	uint64_t asked;

	if (!inside)
		ext_section_begin(core);
	before = ext_services_open(core, is_open(event));
	if (event == EXO_EXT_RECLAIM)
		*ext_nominated(core) = 0;
	asked = raise_one(env, event, core, arguments);
	if (event == EXO_EXT_FAULT && !(asked & EXO_HANDLER_DONE))
		asked = raise_one(env, kind_of_fault(env, a, b), core, arguments);
	(void)ext_services_open(core, before);
	if (!inside)
		ext_section_end(core);
	return event == EXO_EXT_RECLAIM ? *ext_nominated(core) : (asked & EXO_HANDLER_DONE) != 0;
}

/* ---- Chains ---- */

static bool is_same_event(const struct ext_handler *a, const struct ext_handler *b)
{
	return a->event == b->event && a->callee == b->callee &&
	       (a->subject == b->subject || a->event == EXO_EXT_KEEP);
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
	if (handler->event == EXO_EXT_KEEP)
		return &ext.keepers;
	return handler->callee ? &handler->callee->invoked
	                       : &handler->subject->events->of[handler->event].chain;
}

typedef uint64_t chain_enter(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             const struct ext_chain *chain);

/* NULL: it has none. */
static chain_enter *native_of(const struct ext_handler *handler)
{
	size_t size;

	return (chain_enter *)(uintptr_t)flt_program_code(handler->program, &size);
}

/* Where a handler is the only one, it is entered itself. */
static void choose_entry(struct ext_chain *chain)
{
	const struct ext_handler *first = chain->handlers[0];

	chain->single = chain->n == 1 && !first->guard && native_of(first);
	chain->enter = chain->single ? native_of(first) : enter_all;
}

/* Another chain takes its place, or none. What it is called from now on, until nobody runs it any
 * more, is not counted. ext.lock held. */
static struct ext_chain *replace(struct ext_chain **place, struct ext_chain *chain)
{
	struct ext_chain *old = *place;

	for (unsigned core = 0; old && old->single && core < net.n_cores; core++)
		old->handlers[0]->counts[core].runs += old->runs[core];
	__atomic_store_n(place, chain, __ATOMIC_RELEASE);
	return old;
}

uint64_t ext_chain_runs(const struct ext_handler *handler)
{
	const struct ext_chain *chain = NULL;
	uint64_t runs = 0;

	if (handler->subject || handler->callee)
		chain = *place_of(handler);
	for (unsigned core = 0; chain && chain->single && core < net.n_cores; core++)
		runs += chain->runs[core];
	return runs;
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
	if (chain)
		choose_entry(chain);
	*old = replace(place, chain);
	return 0;
}

void ext_chain_leave(struct ext_handler *handler, struct ext_chain **old)
{
	struct ext_chain **place = place_of(handler);

	if (ext_chain_renew(handler, old) == 0)
		return;
	*old = replace(place, NULL);
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
	if (arg.reserved || arg.event <= EXO_EXT_PACKET || arg.event == EXO_EXT_INVOKED ||
	    arg.event >= EXO_EXT_KEEP)
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
		if (h->subject == env && h->event != EXO_EXT_KEEP)
			h->subject = NULL;
	machine_unlock(&ext.lock);
	if (!events)
		return;
	ext_quiesce();
	for (uint32_t event = 0; event < EXO_EXT_EVENTS; event++)
		machine_free(events->of[event].chain);
	machine_free(events);
}
