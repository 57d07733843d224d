/* SPDX-License-Identifier: BSD-2-Clause */
/* Repossessions, and what environments seed for them: revoke.h. */
#include "revoke.h"

#include <string.h>

#include <flt/program.h>

#include "cap.h"
#include "core.h"
#include "extent.h"
#include "framebuffer.h"
#include "hooks.h"
#include "net.h"
#include "slots.h"
#include "space.h"

enum {
	UNITS_MAX = 4096,
	AHEAD_MAX_S = 10,
	SAVING_MAX_S = 1, /* behind the deadline, for the disk */
	REASON_BYTES = 128,
	ASKING_PART = 20, /* of a second, for the program's answers */
	SECTORS_PER_FRAME = 8,
};

/* Core lock. */
static struct env *pending;
static uint64_t next_look = UINT64_MAX;

void revoke_init(void)
{
	pending = NULL;
	next_look = UINT64_MAX;
}

uint64_t revoke_next(void)
{
	return __atomic_load_n(&next_look, __ATOMIC_RELAXED);
}

/* ---- What is left ---- */

static uint64_t units_left(const struct env *env)
{
	const struct exo_repossession *r = &env->account->repossession;
	uint64_t left = 0;

	if (r->first == EXO_UNITS_ANY)
		return env->account->frames > env->taken.target
		               ? env->account->frames - env->taken.target
		               : 0;
	for (uint64_t i = 0; i < env->taken.count; i++)
		left += ledger_owner((enum exo_kind)r->kind, r->first + i) == env->id;
	return left;
}

static void record(struct env *env, uint32_t kind, uint64_t first, uint64_t sector)
{
	struct exo_account *a = env->account;

	a->losses[a->n_losses % EXO_LOSSES] =
	        (struct exo_loss){kind, sector != UINT64_MAX, first, sector};
	__atomic_store_n(&a->n_losses, a->n_losses + 1, __ATOMIC_RELEASE);
}

/* ---- Taking ---- */

/* Writes a frame to the next seeded sectors. *sector: where it goes, UINT64_MAX: nowhere.
 * -EXO_EAGAIN while the disk has too much to do, for as long as that may take. */
static int save(struct env *env, uint64_t frame, uint64_t *sector)
{
	struct seeded *s = env->seeded;
	int error;

	*sector = UINT64_MAX;
	while (s < env->seeded + EXO_SEED_EXTENTS && s->left < SECTORS_PER_FRAME)
		s++;
	if (s == env->seeded + EXO_SEED_EXTENTS)
		return 0;
	error = extent_save(env, s->sector, frame);
	if (error)
		return error == -EXO_EAGAIN && machine_tsc() < env->taken.until ? error : 0;
	*sector = s->sector;
	s->sector += SECTORS_PER_FRAME;
	s->left -= SECTORS_PER_FRAME;
	return 0;
}

/* false: it has to wait until it can be saved. */
static bool take_frame(struct env *env, struct frame *frame, struct frame_list *parted)
{
	uint64_t number = ledger_frame_number(frame), sector;

	env->taken.waiting = save(env, number, &sector) != 0;
	if (env->taken.waiting)
		return false;
	record(env, EXO_KIND_FRAME, number, sector);
	ledger_frame_part(env, frame, parted);
	return true;
}

/* What the environment's own program says: whether this one goes first. *asked grows by the time
 * that it takes. */
static bool chosen(const struct env *env, struct frame *frame, uint64_t *asked)
{
	uint64_t began = machine_tsc();
	bool first;
	struct exo_candidate c = {.frame = ledger_frame_number(frame),
	                          .uses = frame->pins + space_frame_uses(frame, NULL)};
	struct flt_frame bytes = {.data = (const uint8_t *)&c, .len = sizeof(c)};

	space_frame_use(frame, env, &c);
	first = flt_program_run(env->chooser, &bytes) != 0;
	*asked += machine_tsc() - began;
	return first;
}

/* Handlers of its event may nominate another frame instead of the candidate. */
static struct frame *nominated(struct env *env, struct frame *candidate)
{
	uint64_t number = ledger_frame_number(candidate);
	uint64_t other = core_raise(env, EXO_EXT_RECLAIM, number, candidate->pins, 0);
	struct frame *frame = other ? ledger_frame(other) : NULL;

	return frame && ledger_frame_owned(env->id, other) && !ledger_frame_fixed(frame)
	               ? frame
	               : candidate;
}

/* In three rounds: the program's choice, what nothing pins, the rest. Others wait for the core lock
 * while the program answers: all its answers together have their time. */
static void take_any(struct env *env, uint64_t left, struct frame_list *parted)
{
	uint64_t asked = 0;

	for (int round = env->chooser ? 0 : 1; round < 3 && left > 0; round++) {
		struct frame *next, *victim, *frame = ledger_frames_of(env);

		for (; frame && left > 0; frame = next) {
			next = ledger_frame_after(frame);
			if (round == 0 && asked >= core_info->tsc_hz / ASKING_PART)
				break;
			if (ledger_frame_fixed(frame) ||
			    (round == 0 && !chosen(env, frame, &asked)) ||
			    (round == 1 && frame->pins != 0))
				continue;
			victim = nominated(env, frame);
			if (victim != frame) /* `next` may be it */
				next = frame;
			if (!take_frame(env, victim, parted))
				return;
			left--;
		}
	}
}

static void take_unit(struct env *env, uint32_t kind, uint64_t unit, struct frame_list *parted)
{
	if (ledger_owner((enum exo_kind)kind, unit) != env->id)
		return;
	if (kind == EXO_KIND_FRAME) {
		if (!ledger_frame_fixed(ledger_frame(unit)))
			take_frame(env, ledger_frame(unit), parted);
		return;
	}
	record(env, kind, unit, UINT64_MAX);
	if (kind == EXO_KIND_SLOT)
		slots_take(env->id, NULL, unit, 1);
	else if (kind == EXO_KIND_EXTENT)
		extent_end(env, unit);
	else if (kind == EXO_KIND_SCREEN)
		framebuffer_end((uint32_t)unit);
}

static void take_left(struct env *env)
{
	const struct exo_repossession *r = &env->account->repossession;
	struct frame_list parted = {.head = FRAME_NONE};

	if (r->first == EXO_UNITS_ANY)
		take_any(env, units_left(env), &parted);
	for (uint64_t i = 0;
	     r->first != EXO_UNITS_ANY && i < env->taken.count && !env->taken.waiting; i++)
		take_unit(env, r->kind, r->first + i, &parted);
	ledger_frames_settle(&parted);
}

/* ---- Settling ---- */

static void unlink_env(struct env *env)
{
	struct env **link = &pending;
	struct env *by = env_find_live(env->account->repossession.by);

	while (*link != env)
		link = &(*link)->next_taken;
	*link = env->next_taken;
	env->account->repossession = (struct exo_repossession){0};
	env->taken.under_way = false;
	if (by)
		env_post(by, UINT32_MAX, EXO_EVENT_TAKEN);
}

/* Looks at each pending one. The packet path's lock comes before ours, so that its units are looked
 * at when theirs is not held, at the deadline: *by_net is one that is to be. */
static void look(uint64_t now, struct exo_repossession *by_net, uint32_t *id)
{
	struct env *next;

	for (struct env *env = pending; env; env = next) {
		struct exo_repossession *r = &env->account->repossession;

		next = env->next_taken;
		if (!env->taken.by_net)
			r->count = units_left(env);
		if (r->count != 0 && now < r->deadline)
			continue;
		if (env->taken.by_net && env->taken.under_way)
			continue;
		if (env->taken.by_net) {
			env->taken.under_way = true;
			*by_net = *r;
			*id = env->id;
			return;
		}
		env->taken.waiting = false;
		if (r->count != 0)
			take_left(env);
		if (!env->taken.waiting)
			unlink_env(env);
	}
}

static void take_by_net(const struct exo_repossession *r, uint32_t id)
{
	const struct exo_cap unit = {.kind = (uint16_t)r->kind, .first = r->first};
	bool taken = ledger_owner((enum exo_kind)r->kind, r->first) == id && net_revoke(&unit) == 0;
	struct env *env;

	core_lock();
	env = env_find_live(id);
	if (env && taken)
		record(env, r->kind, r->first, UINT64_MAX);
	if (env && env->taken.under_way)
		unlink_env(env);
	core_unlock();
}

void revoke_tick(uint64_t now)
{
	struct exo_repossession by_net = {0};
	uint32_t id;

	if (now < revoke_next())
		return;
	core_lock();
	look(now, &by_net, &id);
	__atomic_store_n(&next_look, pending ? now + core_info->slot_ticks : UINT64_MAX,
	                 __ATOMIC_RELAXED);
	core_unlock();
	if (by_net.by)
		take_by_net(&by_net, id);
}

static void drop_chooser(struct env *env)
{
	if (env->chooser)
		flt_program_free(env->chooser);
	env->chooser = NULL;
}

void revoke_env_end(struct env *env)
{
	if (env->account->repossession.by)
		unlink_env(env);
	drop_chooser(env);
}

/* ---- EXO_CALL_REPOSSESS; core lock held ---- */

/* Frames of the owner's choice can be anywhere, so the authority must be over all of them. */
static int check_cover(const struct exo_repossess *b)
{
	uint64_t first, count;

	if (b->first != EXO_UNITS_ANY)
		return cap_covers(&b->authority, b->first, b->count);
	ledger_units(EXO_KIND_FRAME, &first, &count);
	if (b->kind != EXO_KIND_FRAME || !(b->authority.rights & EXO_RIGHT_ALLOC))
		return -EXO_EPERM;
	return cap_covers(&b->authority, first, count);
}

static int check_repossess(const struct call *call, const struct exo_repossess *b)
{
	int error = cap_check(&b->authority, call->env, (enum exo_kind)b->kind, EXO_RIGHT_FREE);

	if (error)
		return error;
	if (b->kind == EXO_KIND_ENV || b->kind == EXO_KIND_CONSOLE || b->kind == EXO_KIND_MACHINE ||
	    b->kind == EXO_KIND_QUEUE || b->count == 0 || b->count > UNITS_MAX ||
	    (ledger_by_net(b->kind) && b->count != 1) ||
	    (b->deadline > machine_tsc() &&
	     b->deadline - machine_tsc() > AHEAD_MAX_S * core_info->tsc_hz))
		return -EXO_EINVAL;
	return check_cover(b);
}

/* Whether an environment descends from another. */
static bool is_below(const struct env *env, uint32_t ancestor)
{
	while (env && env->parent != ancestor)
		env = env_find(env->parent);
	return env != NULL;
}

int64_t revoke_call_repossess(struct call *call)
{
	struct exo_repossess b = *(struct exo_repossess *)call->block;
	struct env *env;
	bool authority;
	int error = check_repossess(call, &b);

	if (error)
		return error;
	env = env_find_live(b.env);
	if (!env)
		return -EXO_ENOENT;
	/* A key to its units may come from the environment itself, or from a friend of it: nobody
	 * else is to be kept from taking by that, and nobody bothered. */
	authority = b.authority.rights & EXO_RIGHT_ALLOC;
	if (!authority && !is_below(env, call->env->id))
		return -EXO_EPERM;
	if (env->account->repossession.by &&
	    (!authority || env->taken.authority || env->taken.under_way))
		return -EXO_EBUSY;
	if (env->account->repossession.by)
		unlink_env(env);
	env->taken.authority = authority;
	env->taken.count = b.count;
	env->taken.target = env->account->frames > b.count ? env->account->frames - b.count : 0;
	env->taken.by_net = ledger_by_net(b.kind);
	env->taken.under_way = false;
	env->taken.until = (b.deadline > machine_tsc() ? b.deadline : machine_tsc()) +
	                   SAVING_MAX_S * core_info->tsc_hz;
	if (env->chooser && env->pes && !env->pes->machine.setup.entry[EXO_UPCALL_REVOKE])
		b.deadline = 0;
	env->account->repossession = (struct exo_repossession){.by = call->env->id,
	                                                       .kind = b.kind,
	                                                       .first = b.first,
	                                                       .count = b.count,
	                                                       .deadline = b.deadline};
	env->next_taken = pending;
	pending = env;
	__atomic_store_n(&next_look, 0, __ATOMIC_RELAXED);
	core_raise(env, EXO_EXT_REVOKE, b.kind, b.first, b.count);
	env_post(env, UINT32_MAX, EXO_EVENT_REVOKE);
	return 0;
}

/* ---- EXO_CALL_SEED ---- */

static int check_extents(const struct call *call, const struct exo_seed *seed,
                         struct seeded seeded[EXO_SEED_EXTENTS])
{
	int error = 0;

	for (uint32_t i = 0; i < seed->n_extents && !error; i++) {
		struct exo_cap cap;

		error = cap_fetch(&cap, seed->extents + i * sizeof(cap), call->env, EXO_KIND_EXTENT,
		                  EXO_RIGHT_WRITE);
		if (!error && cap.rights & EXO_RIGHT_ALLOC)
			error = -EXO_EPERM;
		seeded[i] = (struct seeded){cap.first, cap.count};
	}
	return error;
}

static int load(const struct exo_seed *seed, struct flt_program **program)
{
	struct flt_error why = {.instruction = -1};
	char reason[REASON_BYTES] = {0}; /* all of it goes to the environment */
	void *bytes = machine_alloc(seed->program_size);
	int error = bytes ? 0 : -EXO_ENOMEM, code = 0;

	if (!error)
		error = call_copy_in(bytes, seed->program, seed->program_size);
	if (!error) {
		machine_vector_begin();
		code = flt_program_load_ebpf(bytes,
		                             seed->program_size / (uint32_t)sizeof(struct flt_insn),
		                             FLT_KIND_RAW, "choice", 0, program, &why);
		machine_vector_end();
		flt_error_text(&why, reason, sizeof(reason));
	}
	machine_free(bytes);
	if (error || code == 0)
		return error;
	if (code == FLT_E_NO_MEMORY)
		return -EXO_ENOMEM;
	if (seed->reason)
		error = call_copy_out(seed->reason, reason, sizeof(reason));
	return error ? error : -EXO_EVERIFY;
}

/* Not under the core lock while it verifies; what the extents' keys say is looked at again when
 * something is saved there. */
int64_t revoke_call_seed(struct call *call)
{
	const struct exo_seed *seed = call->block;
	struct seeded seeded[EXO_SEED_EXTENTS] = {0};
	struct flt_program *program = NULL;
	int error;

	if (seed->n_extents > EXO_SEED_EXTENTS || seed->program_size > EXO_SEED_PROGRAM_MAX ||
	    seed->program_size % sizeof(struct flt_insn) || !seed->program != !seed->program_size)
		return -EXO_EINVAL;
	core_lock();
	error = check_extents(call, seed, seeded);
	core_unlock();
	if (!error && seed->program)
		error = load(seed, &program);
	if (error)
		return error;
	core_lock();
	drop_chooser(call->env);
	call->env->chooser = program;
	memcpy(call->env->seeded, seeded, sizeof(seeded));
	core_unlock();
	return 0;
}
