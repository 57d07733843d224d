/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier's states: copying, comparing, remembering.
 *
 * A remembered state whose paths have all ended without a refusal is proof for every state that it
 * contains. While paths from it are still open, meeting an equal state again means an endless loop.
 */
#include "verify.h"

enum {
	EXPLORED_DISTANCE = 8, /* instructions between remembered states on one path */
	MISSES_ALLOWED = 8,
};

static int no_memory(struct flt_verifier *v)
{
	v->code = flt_fail(v->error, FLT_E_REFUSED, (int32_t)v->now.pc,
	                   "too complex: states need more than %u bytes of memory",
	                   (uint32_t)FLT_VERIFIER_MEMORY_MAX);
	return v->code;
}

static void *charge(struct flt_verifier *v, size_t size)
{
	if (size > FLT_VERIFIER_MEMORY_MAX - v->memory)
		return NULL;
	void *memory = flt_platform.alloc(size);
	if (memory)
		v->memory += size;
	return memory;
}

static void discharge(struct flt_verifier *v, void *memory, size_t size)
{
	if (!memory)
		return;
	v->memory -= size;
	flt_free(memory);
}

static size_t frame_size(const struct flt_vframe *frame)
{
	return offsetof(struct flt_vframe, slots) + frame->n_slots * sizeof(struct flt_vslot);
}

/* Copies a state; frames get only the slots in use, unless full (a state that will be walked). */
int flt_vstate_copy(struct flt_verifier *v, struct flt_vstate *to, const struct flt_vstate *from,
                    bool full)
{
	*to = *from;
	memset((void *)to->frames, 0, sizeof(to->frames));
	for (uint32_t i = 0; i <= from->depth; i++) {
		size_t used = frame_size(from->frames[i]);
		to->frames[i] =
		        full ? flt_platform.alloc(sizeof(struct flt_vframe)) : charge(v, used);
		if (!to->frames[i])
			return no_memory(v);
		memcpy(to->frames[i], from->frames[i], used);
	}
	return 0;
}

void flt_vstate_free(struct flt_verifier *v, struct flt_vstate *state)
{
	for (uint32_t i = 0; i < FLT_CALL_DEPTH_MAX; i++) {
		flt_free(state->frames[i]);
		state->frames[i] = NULL;
	}
}

static void free_compact(struct flt_verifier *v, struct flt_vstate *state)
{
	for (uint32_t i = 0; i < FLT_CALL_DEPTH_MAX; i++)
		if (state->frames[i])
			discharge(v, state->frames[i], frame_size(state->frames[i]));
}

/* --- waiting branches --- */

int flt_vpush(struct flt_verifier *v, uint32_t pc, struct flt_vstate **pushed)
{
	struct flt_pending *p = charge(v, sizeof(*p));
	if (!p)
		return no_memory(v);
	memset(p, 0, sizeof(*p));
	int code = flt_vstate_copy(v, &p->state, &v->now, false);
	p->next = v->pending;
	v->pending = p;
	if (code)
		return code;
	p->state.pc = pc;
	if (p->state.parent)
		p->state.parent->branches++;
	*pushed = &p->state;
	return 0;
}

void flt_vunpush(struct flt_verifier *v)
{
	struct flt_pending *p = v->pending;
	v->pending = p->next;
	if (p->state.parent)
		p->state.parent->branches--; /* not the last: the current path is open, too */
	free_compact(v, &p->state);
	discharge(v, p, sizeof(*p));
}

/* Unpacks a waiting state into the frames of the current one. */
static bool take_up(struct flt_verifier *v, const struct flt_vstate *state)
{
	for (uint32_t i = 0; i <= state->depth; i++) {
		if (!v->now.frames[i])
			v->now.frames[i] = flt_platform.alloc(sizeof(struct flt_vframe));
		if (!v->now.frames[i])
			return false;
		memcpy(v->now.frames[i], state->frames[i], frame_size(state->frames[i]));
	}
	v->now.pc = state->pc;
	v->now.depth = state->depth;
	v->now.raw_length = state->raw_length;
	v->now.parent = state->parent;
	return true;
}

bool flt_vpop(struct flt_verifier *v)
{
	struct flt_pending *p = v->pending;
	if (!p)
		return false;
	v->pending = p->next;
	if (!take_up(v, &p->state))
		v->code = flt_fail(v->error, FLT_E_NO_MEMORY, -1, "no memory");
	free_compact(v, &p->state);
	discharge(v, p, sizeof(*p));
	return !v->code;
}

/* The current path is over: states on it that have no other open path are proof from now on. */
void flt_vend_path(struct flt_verifier *v)
{
	for (struct flt_explored *e = v->now.parent; e && --e->branches == 0;)
		e = e->parent;
}

/* --- comparing --- */

/* Identities of the old state and what they are in the new one. */
struct identities {
	uint32_t n;
	struct {
		uint32_t old, new;
	} pairs[FLT_REGS * FLT_CALL_DEPTH_MAX + 64];
};

static bool identity_matches(struct identities *ids, uint32_t old, uint32_t new)
{
	if (!old)
		return true;
	for (uint32_t i = 0; i < ids->n; i++)
		if (ids->pairs[i].old == old || ids->pairs[i].new == new)
			return ids->pairs[i].old == old && ids->pairs[i].new == new;
	if (!new || ids->n == FLT_ARRAY_SIZE(ids->pairs))
		return false;
	ids->pairs[ids->n].old = old;
	ids->pairs[ids->n++].new = new;
	return true;
}

static bool number_contains(const struct flt_vreg *old, const struct flt_vreg *new,
                            struct identities *ids, bool exact)
{
	if (exact)
		return flt_range_equal(&old->range, &new->range);
	return flt_range_contains(&old->range, &new->range) &&
	       identity_matches(ids, old->id, new->id);
}

static bool reg_contains(const struct flt_vreg *old, const struct flt_vreg *new,
                         struct identities *ids, bool weighs, bool exact)
{
	if (old->type == FLT_V_NONE)
		return !exact || new->type == FLT_V_NONE;
	if (old->type != new->type)
		return false;
	if (old->type == FLT_V_NUMBER)
		return (!weighs && !exact) || number_contains(old, new, ids, exact);
	if (old->offset != new->offset || old->frame != new->frame || old->map != new->map)
		return false;
	if (exact ? old->length != new->length : old->length > new->length)
		return false;
	return number_contains(old, new, ids, exact);
}

static bool slot_contains(const struct flt_vslot *old, const struct flt_vslot *new,
                          struct identities *ids, bool exact)
{
	bool new_spill = new->bytes[0] == FLT_B_SPILL;
	if (old->bytes[0] == FLT_B_SPILL)
		return new_spill && reg_contains(&old->spill, &new->spill, ids, true, exact);
	for (uint32_t b = 0; b < 8; b++) {
		uint32_t o = old->bytes[b], n = new->bytes[b];
		if (o == n || (o == FLT_B_NONE && !exact))
			continue;
		if (exact || o == FLT_B_ZERO || n == FLT_B_NONE)
			return false;
		/* o is MISC: a number that may be anything */
		if (n == FLT_B_SPILL && new->spill.type != FLT_V_NUMBER)
			return false;
	}
	return true;
}

static bool frame_contains(const struct flt_vframe *old, const struct flt_vframe *new,
                           struct identities *ids, uint16_t live, uint16_t weigh, bool exact)
{
	static const struct flt_vslot none = {0};
	if (old->return_to != new->return_to)
		return false;
	for (uint32_t r = 0; r < FLT_REGS; r++)
		if ((live >> r & 1 || r == R10) &&
		    !reg_contains(&old->regs[r], &new->regs[r], ids, weigh >> r & 1, exact))
			return false;
	if (exact && old->n_slots != new->n_slots)
		return false;
	for (uint32_t i = 0; i < old->n_slots; i++)
		if (!slot_contains(&old->slots[i], i < new->n_slots ? &new->slots[i] : &none, ids,
		                   exact))
			return false;
	return true;
}

static bool state_contains(const struct flt_verifier *v, const struct flt_vstate *old,
                           const struct flt_vstate *new, bool exact)
{
	struct identities ids;
	ids.n = 0;
	if (old->depth != new->depth || old->raw_length > new->raw_length)
		return false;
	for (uint32_t i = old->depth + 1; i-- > 0;) {
		/* In callers only what they kept across the call counts. */
		uint32_t at = i == old->depth ? new->pc : new->frames[i + 1]->return_to;
		uint16_t kept = i == old->depth ? 0xffff : 0xffc0;
		if (!frame_contains(old->frames[i], new->frames[i], &ids, v->live[at] & kept,
		                    v->weigh[at] & kept, exact))
			return false;
	}
	return true;
}

/* --- remembering --- */

static void free_explored(struct flt_verifier *v, struct flt_explored *e)
{
	free_compact(v, &e->state);
	discharge(v, e, sizeof(*e));
}

/*
 * Takes a state that rarely helps out of the list of its instruction, so that lists stay short
 * however often a loop is walked. Later states may name it as their parent: its counters are kept
 * aside until the end.
 */
static void drop(struct flt_verifier *v, struct flt_explored **link)
{
	struct flt_explored *e = *link;
	*link = e->next;
	free_compact(v, &e->state);
	memset((void *)e->state.frames, 0, sizeof(e->state.frames));
	e->next_free = v->garbage;
	v->garbage = e;
}

static int remember(struct flt_verifier *v)
{
	struct flt_explored *e = charge(v, sizeof(*e));
	if (!e)
		return no_memory(v);
	memset(e, 0, sizeof(*e));
	int code = flt_vstate_copy(v, &e->state, &v->now, false);
	if (code) {
		free_explored(v, e);
		return code;
	}
	/* Its one path takes over the place that the current path had with its parent. */
	e->branches = 1;
	e->parent = v->now.parent;
	e->next = v->explored[v->now.pc];
	v->explored[v->now.pc] = e;
	v->now.parent = e;
	v->steps_since_explored = 0;
	return 0;
}

int flt_vmeet(struct flt_verifier *v)
{
	struct flt_explored **link = &v->explored[v->now.pc];
	while (*link) {
		struct flt_explored *e = *link;
		if (e->branches) {
			if (state_contains(v, &e->state, &v->now, true))
				return flt_vrefuse(v, "endless loop");
		} else if (state_contains(v, &e->state, &v->now, false)) {
			e->hits++;
			v->path_ended = true;
			return 0;
		}
		e->misses++;
		if (e->misses > 3 * e->hits + MISSES_ALLOWED)
			drop(v, link);
		else
			link = &e->next;
	}
	return v->steps_since_explored < EXPLORED_DISTANCE && v->now.parent ? 0 : remember(v);
}

void flt_vforget_all(struct flt_verifier *v)
{
	for (uint32_t i = 0; i < v->n_insns; i++) {
		while (v->explored[i]) {
			struct flt_explored *e = v->explored[i];
			v->explored[i] = e->next;
			free_explored(v, e);
		}
	}
	while (v->garbage) {
		struct flt_explored *e = v->garbage;
		v->garbage = e->next_free;
		discharge(v, e, sizeof(*e));
	}
	while (v->pending) {
		struct flt_pending *p = v->pending;
		v->pending = p->next;
		free_compact(v, &p->state);
		discharge(v, p, sizeof(*p));
	}
}
