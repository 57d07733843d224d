/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Environments: their table, creation and end. `cores` counts the cores that have one current; its
 * top bit says that the end was decided. Whoever moves it to (ended, no core) reaps: that happens
 * exactly once, because nobody enters an ended environment.
 */
#include "env.h"

#include <string.h>

#include <exo/layout.h>

#include "cap.h"
#include "core.h"
#include "extent.h"
#include "framebuffer.h"
#include "hooks.h"
#include "net.h"
#include "revoke.h"
#include "slots.h"
#include "space.h"

enum {
	TABLE_SIZE = 256,
};
#define CORES_ENDED 0x80000000u

static struct {
	struct env *buckets[TABLE_SIZE];
	uint32_t last_id;
	uint32_t n_live;
	struct env *ghosts, **ghosts_end; /* oldest first */
	uint32_t n_ghosts;
	struct env *spare; /* by next_in_table: gates may still point to them; marked as ended */
} table;

void env_init(void)
{
	memset(&table, 0, sizeof(table));
	table.ghosts_end = &table.ghosts;
	pe_init();
	revoke_init();
}

/* ---- Finding ---- */

struct env *env_find(uint32_t id)
{
	struct env *env = table.buckets[id % TABLE_SIZE];

	while (env && env->id != id)
		env = env->next_in_table;
	return env;
}

struct env *env_find_live(uint32_t id)
{
	struct env *env = env_find(id);

	return env && env->state <= EXO_ENV_RUNNING ? env : NULL;
}

struct env *env_next(uint32_t id)
{
	struct env *best = NULL;

	for (unsigned i = 0; i < TABLE_SIZE; i++) {
		for (struct env *env = table.buckets[i]; env; env = env->next_in_table) {
			if (env->id > id && (!best || env->id < best->id))
				best = env;
		}
	}
	return best;
}

static void enter_table(struct env *env)
{
	struct env **bucket = &table.buckets[env->id % TABLE_SIZE];

	env->next_in_table = *bucket;
	*bucket = env;
}

static void leave_table(struct env *env)
{
	struct env **link = &table.buckets[env->id % TABLE_SIZE];

	while (*link != env)
		link = &(*link)->next_in_table;
	*link = env->next_in_table;
}

int env_fetch(struct call *call, uint64_t key, struct env **env)
{
	struct exo_cap cap;
	int error;

	*env = call->env;
	if (key == 0)
		return 0;
	error = cap_fetch(&cap, key, call->env, EXO_KIND_ENV, EXO_RIGHT_CONTROL);
	if (error)
		return error;
	*env = cap.count == 1 ? env_find_live((uint32_t)cap.first) : NULL;
	return *env ? 0 : -EXO_ENOENT;
}

/* ---- Events ---- */

static __attribute__((noinline)) void wake(struct pe *pe)
{
	slots_ready(pe);
	if (pe->core != machine_core())
		machine_nudge(pe->core);
}

void pe_post(struct pe *pe, uint32_t events)
{
	if ((__atomic_fetch_or(&pe->machine.events, events, __ATOMIC_SEQ_CST) & events) != events)
		wake(pe);
}

static __attribute__((noinline)) void post_elsewhere(struct env *env, uint32_t core,
                                                     uint32_t events)
{
	struct pe *pe = env_pe(env, core);

	pe_post(pe ? pe : env->pes, events);
}

/* Mostly there is one: every frame that comes alone passes here. */
void env_post(struct env *env, uint32_t core, uint32_t events)
{
	struct pe *pe = env->pes;

	if (pe && pe->core == core)
		pe_post(pe, events);
	else if (pe)
		post_elsewhere(env, core, events);
}

/* ---- Creation ---- */

static bool name_is_fine(const char name[EXO_NAME_MAX])
{
	size_t i;

	for (i = 0; i < EXO_NAME_MAX && name[i]; i++) {
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	}
	return i > 0 && i < EXO_NAME_MAX;
}

static void put_back(struct env *env)
{
	env->next_in_table = table.spare;
	table.spare = env;
}

/* Its `cores` says that it ended, to whom an old gate leads here, until it is made. */
static struct env *take(void)
{
	struct env *env = table.spare;

	if (!env) {
		env = machine_alloc(sizeof(*env));
		if (env)
			env->cores = CORES_ENDED;
		return env;
	}
	table.spare = env->next_in_table;
	memset(&env->id, 0, sizeof(*env) - offsetof(struct env, id));
	return env;
}

static int make_account(struct env *env, uint64_t frames_max)
{
	int error = ledger_kernel_frames(1, &env->account_frame);

	if (error)
		return error;
	env->account = machine_frame(env->account_frame);
	env->account->env = env->id;
	env->account->parent = env->parent;
	env->account->frames_max = frames_max;
	memcpy(env->account->name, env->name, sizeof(env->name));
	return 0;
}

static int build(struct env *env, uint64_t frames_max)
{
	uint64_t payload = machine_info()->payload_size >> EXO_PAGE_SHIFT, free;
	uint64_t most = ledger_total(&free) * 2;
	int error = make_account(env, frames_max);

	if (error)
		return error;
	env->frames.head = FRAME_NONE;
	env->mappings_max = (frames_max < most ? frames_max : most) + EXO_MAPPINGS_SPARE + payload;
	error = space_create(env);
	if (error)
		ledger_kernel_free(env->account_frame, 1);
	return error;
}

int env_create(struct env *parent, const char name[EXO_NAME_MAX], uint64_t frames_max,
               struct env **env)
{
	struct exo_account *limit = parent ? parent->account : NULL;
	int error;

	if (!name_is_fine(name))
		return -EXO_EINVAL;
	if (limit && limit->frames_max - limit->frames < frames_max)
		return -EXO_ENOMEM;
	if (table.n_live == ENV_MAX || table.last_id == UINT32_MAX)
		return -EXO_ENOMEM;
	*env = take();
	if (!*env)
		return -EXO_ENOMEM;
	(*env)->id = table.last_id + 1;
	(*env)->parent = parent ? parent->id : 0;
	(*env)->epoch = 1;
	memcpy((*env)->name, name, EXO_NAME_MAX);
	error = build(*env, frames_max);
	if (error) {
		put_back(*env);
		return error;
	}
	table.last_id++;
	table.n_live++;
	enter_table(*env);
	if (limit)
		limit->frames_max -= frames_max;
	__atomic_store_n(&(*env)->cores, 0, __ATOMIC_SEQ_CST);
	return 0;
}

int env_start(struct env *env)
{
	if (env->state != EXO_ENV_NEW || !env->pes)
		return -EXO_EINVAL;
	__atomic_store_n(&env->state, EXO_ENV_RUNNING, __ATOMIC_SEQ_CST);
	for (struct pe *pe = env->pes; pe; pe = pe->next_of_env)
		pe_start(pe);
	core_raise(env, EXO_EXT_START, env->parent, 0, 0);
	return 0;
}

/* ---- End ---- */

static void pass_children_on(const struct env *env)
{
	for (unsigned i = 0; i < TABLE_SIZE; i++) {
		for (struct env *child = table.buckets[i]; child; child = child->next_in_table) {
			if (child->parent != env->id)
				continue;
			child->parent = env->parent;
			child->account->parent = env->parent;
		}
	}
}

void env_tell_parent(const struct env *env)
{
	struct env *parent = env_find_live(env->parent);

	if (parent)
		env_post(parent, UINT32_MAX, EXO_EVENT_CHILD);
}

/* The limit and the children pass to the parent, and with what that has on to its own if it is
 * about to go; the event tells it. */
static void settle_family(struct env *env)
{
	struct env *parent = env_find(env->parent);

	env_tell_parent(env);
	pass_children_on(env);
	if (parent)
		parent->account->frames_max += env->account->frames_max;
}

static void forget(struct env *env)
{
	struct env **link = &table.ghosts;

	while (*link != env)
		link = &(*link)->next_ghost;
	*link = env->next_ghost;
	if (table.ghosts_end == &env->next_ghost)
		table.ghosts_end = link;
	table.n_ghosts--;
	leave_table(env);
	machine_free(env->record);
	machine_free(env->account);
	put_back(env);
}

/* Keeps the last account for ENV_STATUS; where memory for it lacks, the environment is forgotten at
 * once. */
static void become_ghost(struct env *env)
{
	struct exo_account *copy = machine_alloc(sizeof(*copy));

	if (copy)
		*copy = *env->account;
	env->account = copy;
	ledger_kernel_free(env->account_frame, 1);
	env->next_ghost = NULL;
	*table.ghosts_end = env;
	table.ghosts_end = &env->next_ghost;
	table.n_ghosts++;
	table.n_live--;
	if (!copy)
		forget(env);
	else if (table.n_ghosts > ENV_GHOSTS_MAX)
		forget(table.ghosts);
}

static void reap(struct env *env)
{
	uint32_t id = env->id;
	enum exo_env_state state = env->state;
	int32_t status = env->status;

	net_env_end(env);
	if (core_hooks)
		core_hooks->env_end(env);
	core_lock();
	revoke_env_end(env);
	extent_env_end(env);
	framebuffer_env_end(env);
	slots_free_all(env);
	while (env->pes)
		pe_destroy(env->pes);
	if (env->hold && state == EXO_ENV_FAULTED) {
		env->hold = false;
		env->held = true;
		env_tell_parent(env);
		core_unlock();
		return;
	}
	space_destroy(env);
	ledger_frames_reclaim(env);
	env->reaped = true;
	settle_family(env);
	become_ghost(env);
	core_unlock();
	if (id == ENV_INIT)
		core_init_ended(state, status);
}

bool env_enter(struct env *env)
{
	uint32_t cores = __atomic_load_n(&env->cores, __ATOMIC_SEQ_CST);

	do {
		if (cores & CORES_ENDED)
			return false;
	} while (!__atomic_compare_exchange_n(&env->cores, &cores, cores + 1, false,
	                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

void env_leave(struct env *env)
{
	if (__atomic_sub_fetch(&env->cores, 1, __ATOMIC_SEQ_CST) == CORES_ENDED)
		reap(env);
}

void core_leave(volatile uint32_t *users)
{
	env_leave((struct env *)users); /* its first member */
}

/* Cores that run it leave ring 3 and see the end. */
static void nudge_cores(const struct env *env)
{
	for (const struct pe *pe = env->pes; pe; pe = pe->next_of_env) {
		if (pe->core != machine_core())
			machine_nudge(pe->core);
	}
}

/* Marks the end under the core lock; true: nobody has it current, so the caller reaps. */
static bool mark_end(struct env *env, enum exo_env_state state, int32_t status)
{
	env->status = status;
	__atomic_store_n(&env->state, state, __ATOMIC_SEQ_CST);
	nudge_cores(env);
	return __atomic_fetch_or(&env->cores, CORES_ENDED, __ATOMIC_SEQ_CST) == 0;
}

void env_stop(struct env *env, enum exo_env_state state, int32_t status, uint64_t address,
              uint64_t ip)
{
	bool mine = false;

	core_lock();
	if (env->state <= EXO_ENV_RUNNING) {
		env->address = address;
		env->ip = ip;
		mine = mark_end(env, state, status);
	}
	core_unlock();
	if (mine)
		reap(env);
}

int env_end_fresh(uint32_t parent, uint32_t id)
{
	struct env *env;
	int error = -EXO_ENOENT;

	core_lock();
	env = env_find_live(id);
	if (env && env->parent == parent)
		error = env->state != EXO_ENV_NEW || env->events ? -EXO_EBUSY : 0;
	if (!error && !mark_end(env, EXO_ENV_KILLED, 0))
		env = NULL;
	core_unlock();
	if (!error && env)
		reap(env);
	return error;
}

/* ---- Calls ---- */

int64_t env_call_create(struct call *call)
{
	struct exo_env_create *create = call->block;
	struct env *env;
	int error = create->flags & ~(uint32_t)EXO_ENV_HOLD ? -EXO_EINVAL : 0;

	if (!error)
		error = env_create(call->env, create->name, create->frames_max, &env);
	if (error)
		return error;
	env->hold = create->flags & EXO_ENV_HOLD;
	create->id = env->id;
	return cap_make(&create->out, EXO_KIND_ENV,
	                EXO_RIGHT_CONTROL | EXO_RIGHT_CALL | EXO_RIGHT_FREE | EXO_RIGHT_GRANT,
	                call->env->id, env->id, 1);
}

int64_t env_call_start(struct call *call)
{
	struct env *env;
	int error = env_fetch(call, call->arg[0], &env);

	return error ? error : env_start(env);
}

/* EXO_CALL_ENV_END; not under the core lock, which env_stop takes. */
int64_t env_call_end(struct call *call)
{
	struct exo_cap cap;
	struct env *env = NULL;
	bool mine = false;
	int error;

	core_lock();
	error = cap_fetch(&cap, call->arg[0], call->env, EXO_KIND_ENV, EXO_RIGHT_CONTROL);
	if (!error)
		env = cap.count == 1 ? env_find((uint32_t)cap.first) : NULL;
	if (!error && !env)
		error = -EXO_ENOENT;
	if (!error && env->reaped)
		forget(env);
	else if (!error && env->state <= EXO_ENV_RUNNING)
		mine = mark_end(env, EXO_ENV_KILLED, 0);
	else if (!error && env->held)
		mine = !(env->held = false);
	else if (!error)
		env->hold = false;
	core_unlock();
	if (mine)
		reap(env);
	return error;
}

int64_t env_call_status(struct call *call)
{
	struct exo_env_status *status = call->block;
	const struct env *env =
	        status->env.count == 1 ? env_find((uint32_t)status->env.first) : NULL;

	if (!env)
		return -EXO_ENOENT;
	status->state = env->state;
	status->status = env->status;
	status->address = env->address;
	status->ip = env->ip;
	status->account = *env->account;
	return 0;
}
