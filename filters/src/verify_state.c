/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier's states: copying, comparing, remembering.
 *
 * A remembered state whose paths have all ended without a refusal is proof for every state that it
 * contains. While paths from it are still open, meeting an equal state again means an endless loop.
 */
#include "verify.h"

enum {
	EXPLORED_DISTANCE = 8,  /* instructions between remembered states on one path … */
	EXPLORED_GROWTH = 8192, /* … and one more for each so many that the path is long */
	EXPLORED_MAX = 64,      /* states remembered at one instruction */
	/* Walked instructions between two looks for memory to give back, for a program of none, and
	 * one more for each so many that it has. */
	SWEEP_DISTANCE = 200,
	SWEEP_PART = 16,
};

static int no_memory(struct flt_verifier *v)
{
	v->code = flt_fail(v->error, FLT_E_REFUSED, (int32_t)v->now.pc,
	                   "too complex: states need more than %lu bytes of memory",
	                   (unsigned long)v->memory_max);
	return v->code;
}

/* Where the platform has no more, there is as much as there was. */
static void *take(struct flt_verifier *v, size_t size)
{
	if (size > v->memory_max - v->memory)
		return NULL;
	void *memory = flt_platform.alloc(size);
	if (memory)
		v->memory += size;
	else
		v->memory_max = v->memory;
	return memory;
}

static bool forget_some(struct flt_verifier *v);

void *flt_valloc(struct flt_verifier *v, size_t size)
{
	void *memory = take(v, size);
	while (!memory && forget_some(v))
		memory = take(v, size);
	return memory;
}

void flt_vfree(struct flt_verifier *v, void *memory, size_t size)
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

/* Copies a state; frames get only the slots in use. false: no memory. */
static bool copy_state(struct flt_verifier *v, struct flt_vstate *to, const struct flt_vstate *from)
{
	*to = *from;
	memset((void *)to->frames, 0, sizeof(to->frames));
	for (uint32_t i = 0; i <= from->depth; i++) {
		size_t used = frame_size(from->frames[i]);
		to->frames[i] = flt_valloc(v, used);
		if (!to->frames[i])
			return false;
		memcpy(to->frames[i], from->frames[i], used);
		v->effort += (uint32_t)(used / 64);
	}
	return true;
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
			flt_vfree(v, state->frames[i], frame_size(state->frames[i]));
}

/* --- waiting branches --- */

int flt_vpush(struct flt_verifier *v, uint32_t pc, struct flt_vstate **pushed)
{
	struct flt_pending *p = flt_valloc(v, sizeof(*p));
	if (!p)
		return no_memory(v);
	memset(p, 0, sizeof(*p));
	bool copied = copy_state(v, &p->state, &v->now);
	p->next = v->pending;
	v->pending = p;
	if (!copied)
		return no_memory(v);
	p->state.pc = pc;
	p->state.trace_at = v->n_trace;
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
	flt_vfree(v, p, sizeof(*p));
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
	v->now.cost = state->cost;
	v->now.parent = state->parent;
	memcpy(v->now.written, state->written, sizeof(state->written));
	v->n_trace = state->trace_at;
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
	flt_vfree(v, p, sizeof(*p));
	return !v->code;
}

void flt_vcharge(struct flt_verifier *v, uint64_t cost)
{
	uint32_t left = UINT32_MAX - v->now.cost;
	v->now.cost += cost < left ? (uint32_t)cost : left;
}

/* Tells the states on the current path what it has cost from there. One that knows of a dearer way
 * has told those before it. */
static void tell_cost(struct flt_verifier *v)
{
	v->cost = flt_max_u32(v->cost, v->now.cost);
	for (struct flt_explored *e = v->now.parent; e; e = e->parent) {
		uint32_t cost = v->now.cost - e->state.cost;
		if (e->longest >= cost)
			return;
		e->longest = cost;
		v->effort++;
	}
}

/* The current path is over: states on it that have no other open path are proof from now on. */
void flt_vend_path(struct flt_verifier *v)
{
	tell_cost(v);
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
	if (old == FLT_RAW_LENGTH_ID || new == FLT_RAW_LENGTH_ID)
		return old == new;
	for (uint32_t i = 0; i < ids->n; i++)
		if (ids->pairs[i].old == old || ids->pairs[i].new == new)
			return ids->pairs[i].old == old && ids->pairs[i].new == new;
	if (!new || ids->n == FLT_ARRAY_SIZE(ids->pairs))
		return false;
	ids->pairs[ids->n].old = old;
	ids->pairs[ids->n++].new = new;
	return true;
}

/* How two states are compared. */
struct comparison {
	struct identities ids;
	bool exact; /* the same, not contained */
};

/*
 * A number that decided nothing may be any other. That copies of each other are copies counts in
 * any case: what was learned of one was learned of the other.
 */
static bool number_contains(const struct flt_vreg *old, const struct flt_vreg *new,
                            struct comparison *c, bool decides)
{
	if (c->exact)
		return flt_range_equal(&old->range, &new->range);
	return (!decides || flt_range_contains(&old->range, &new->range)) &&
	       identity_matches(&c->ids, old->id, new->id);
}

static bool reg_contains(const struct flt_vreg *old, const struct flt_vreg *new,
                         struct comparison *c, bool decides)
{
	if (old->type == FLT_V_NONE)
		return !c->exact || new->type == FLT_V_NONE;
	if (old->type != new->type)
		return false;
	if (old->type == FLT_V_NUMBER)
		return number_contains(old, new, c, decides);
	if (old->offset != new->offset || old->frame != new->frame || old->map != new->map)
		return false;
	if (c->exact ? old->length != new->length : old->length > new->length)
		return false;
	if (c->exact ? old->sure != new->sure : old->sure > new->sure)
		return false;
	if (c->exact ? old->beyond != new->beyond : old->beyond > new->beyond)
		return false;
	return number_contains(old, new, c, true);
}

static bool is_zero(const struct flt_vreg *value)
{
	return value->type == FLT_V_NUMBER && flt_range_is_const(&value->range) &&
	       !value->range.bits.value;
}

/* One byte of the stack that is not part of something saved in the old state. */
static bool byte_contains(uint32_t old, uint32_t new, const struct flt_vreg *spill, bool exact)
{
	if (old == new || (old == FLT_B_NONE && !exact))
		return true;
	if (exact || new == FLT_B_NONE)
		return false;
	if (new == FLT_B_SPILL) /* as bytes it is a number, unless it is a pointer */
		return old == FLT_B_ZERO ? is_zero(spill) : spill->type == FLT_V_NUMBER;
	return old != FLT_B_ZERO;
}

/* Both save something of the same size. */
static bool saves_alike(const struct flt_vslot *a, const struct flt_vslot *b)
{
	return a->bytes[0] == FLT_B_SPILL && b->bytes[0] == FLT_B_SPILL &&
	       (a->bytes[7] == FLT_B_SPILL) == (b->bytes[7] == FLT_B_SPILL);
}

static bool slot_contains(const struct flt_vslot *old, const struct flt_vslot *new,
                          struct comparison *c, const struct flt_matters *matters, uint32_t slot)
{
	bool decides = matters->slots >> slot & 1, saved = false;
	for (uint32_t b = 0; b < 8; b++) {
		uint32_t kind = old->bytes[b];
		if (!c->exact && !(matters->read.of[b / 4] >> slot & 1))
			continue;
		if (kind == FLT_B_SPILL && saves_alike(old, new)) {
			saved = true;
			continue;
		}
		if (kind == FLT_B_SPILL) {
			if (c->exact || decides || old->spill.type != FLT_V_NUMBER)
				return false;
			kind = FLT_B_MISC;
		}
		if (!byte_contains(kind, new->bytes[b], &new->spill, c->exact))
			return false;
	}
	return !saved || reg_contains(&old->spill, &new->spill, c, decides);
}

static bool stack_contains(struct flt_verifier *v, const struct flt_vframe *old,
                           const struct flt_vframe *new, struct comparison *c,
                           const struct flt_matters *matters)
{
	static const struct flt_vslot none = {0};
	if (c->exact && old->n_slots != new->n_slots)
		return false;
	for (uint32_t i = 0; i < old->n_slots; i++) {
		v->effort++;
		if (!slot_contains(&old->slots[i], i < new->n_slots ? &new->slots[i] : &none, c,
		                   matters, i))
			return false;
	}
	return true;
}

static bool regs_contain(const struct flt_vframe *old, const struct flt_vframe *new,
                         struct comparison *c, uint16_t live, uint16_t decide)
{
	if (old->return_to != new->return_to)
		return false;
	for (uint32_t r = 0; r < FLT_REGS; r++)
		if ((live >> r & 1 || r == R10) &&
		    !reg_contains(&old->regs[r], &new->regs[r], c, decide >> r & 1))
			return false;
	return true;
}

/* The registers of a frame that may be read later: of callers only those kept across the call. */
static uint16_t live_regs(const struct flt_verifier *v, const struct flt_vstate *state, uint32_t i)
{
	if (i == state->depth)
		return v->live[state->pc];
	return v->live[state->frames[i + 1]->return_to] & 0xffc0;
}

static bool state_contains(struct flt_verifier *v, const struct flt_explored *e, bool exact)
{
	const struct flt_vstate *old = &e->state, *new = &v->now;
	struct comparison c;
	c.ids.n = 0;
	c.exact = exact;
	v->effort += 4 * (new->depth + 1);
	if (old->depth != new->depth || old->raw_length > new->raw_length)
		return false;
	for (uint32_t i = old->depth + 1; i-- > 0;)
		if (!regs_contain(old->frames[i], new->frames[i], &c, live_regs(v, new, i),
		                  e->matters[i].regs))
			return false;
	for (uint32_t i = old->depth + 1; i-- > 0;)
		if (!stack_contains(v, old->frames[i], new->frames[i], &c, &e->matters[i]))
			return false;
	return true;
}

/* --- remembering --- */

static void free_explored(struct flt_verifier *v, struct flt_explored *e)
{
	free_compact(v, &e->state);
	flt_vfree(v, e, sizeof(*e));
}

/*
 * Takes a state that has not helped for long out of the list of its instruction, so that lists stay
 * short however often a loop is walked. Later states may name it as their parent: its counters are
 * kept aside until the end.
 */
static void drop(struct flt_verifier *v, struct flt_explored **link)
{
	struct flt_explored *e = *link;
	*link = e->next;
	if (!e->branches) { /* no open path comes from it */
		free_explored(v, e);
		return;
	}
	free_compact(v, &e->state);
	memset((void *)e->state.frames, 0, sizeof(e->state.frames));
	e->next_free = v->garbage;
	v->garbage = e;
}

static void sweep(struct flt_verifier *v)
{
	struct flt_explored **link = &v->garbage;
	while (*link) {
		struct flt_explored *e = *link;
		if (e->branches) {
			link = &e->next_free;
			continue;
		}
		*link = e->next_free;
		flt_vfree(v, e, sizeof(*e));
	}
}

/* Forgets of each instruction's states the last one that no open path comes from, where there are
 * so many. */
static void forget_last(struct flt_verifier *v, uint32_t many)
{
	v->effort += v->n_insns / 8;
	for (uint32_t i = 0; i < v->n_insns; i++) {
		struct flt_explored **link = &v->explored[i], **last = NULL;
		uint32_t n = 0;
		for (; *link; link = &(*link)->next, n++)
			last = (*link)->branches ? last : link;
		v->effort += n;
		if (last && n >= many)
			drop(v, last);
	}
}

/* Forgets what is least likely to help. → whether there was anything. */
static bool forget_some(struct flt_verifier *v)
{
	size_t before = v->memory;
	sweep(v);
	for (uint32_t many = EXPLORED_MAX / 2; many && v->memory == before; many /= 2)
		forget_last(v, many);
	return v->memory < before;
}

/* Near the limit, memory is kept for waiting branches, and what helps seldom is forgotten. */
static bool is_short_of_memory(struct flt_verifier *v)
{
	if (v->memory > v->memory_max / 8 * 7 && v->steps >= v->sweep_at) {
		(void)forget_some(v);
		v->sweep_at = v->steps + SWEEP_DISTANCE + v->n_insns / SWEEP_PART;
	}
	return v->memory > v->memory_max / 8 * 7;
}

/* An identity that only one live number of the state has says nothing. */
struct census {
	uint32_t n;
	uint32_t ids[FLT_REGS * FLT_CALL_DEPTH_MAX];
	uint32_t counts[FLT_REGS * FLT_CALL_DEPTH_MAX];
};

static void census_count(struct census *census, const struct flt_vreg *reg)
{
	uint32_t i = 0;
	if (!reg->id || reg->type != FLT_V_NUMBER)
		return;
	while (i < census->n && census->ids[i] != reg->id)
		i++;
	if (i == FLT_ARRAY_SIZE(census->ids))
		return;
	if (i == census->n) {
		census->ids[census->n] = reg->id;
		census->counts[census->n++] = 0;
	}
	census->counts[i]++;
}

static void census_clear(const struct census *census, struct flt_vreg *reg)
{
	for (uint32_t i = 0; i < census->n; i++)
		if (reg->type == FLT_V_NUMBER && census->ids[i] == reg->id &&
		    census->counts[i] == 1 && reg->id != FLT_RAW_LENGTH_ID)
			reg->id = 0;
}

static void forget_lone_identities(struct flt_verifier *v, struct flt_vstate *state)
{
	struct census census;
	census.n = 0;
	for (uint32_t f = 0; f <= state->depth; f++) {
		uint16_t live = live_regs(v, state, f);
		for (uint32_t r = 0; r < R10; r++)
			if (live >> r & 1)
				census_count(&census, &state->frames[f]->regs[r]);
		for (uint32_t i = 0; i < state->frames[f]->n_slots; i++)
			if (state->frames[f]->slots[i].bytes[0] == FLT_B_SPILL)
				census_count(&census, &state->frames[f]->slots[i].spill);
	}
	for (uint32_t f = 0; f <= state->depth && census.n; f++) {
		v->effort += (state->frames[f]->n_slots + R10) * census.n / 8;
		for (uint32_t r = 0; r < R10; r++)
			census_clear(&census, &state->frames[f]->regs[r]);
		for (uint32_t i = 0; i < state->frames[f]->n_slots; i++)
			census_clear(&census, &state->frames[f]->slots[i].spill);
	}
}

/* Where there is memory for it: it is a help, not a must. */
static void remember(struct flt_verifier *v)
{
	struct flt_explored *e = flt_valloc(v, sizeof(*e));
	if (!e)
		return;
	memset(e, 0, sizeof(*e));
	if (!copy_state(v, &e->state, &v->now)) {
		free_explored(v, e);
		return;
	}
	forget_lone_identities(v, &e->state);
	e->state.trace_at = v->n_trace;
	memset(v->now.written, 0, sizeof(v->now.written));
	/* Its one path takes over the place that the current path had with its parent. */
	e->branches = 1;
	e->parent = v->now.parent;
	e->next = v->explored[v->now.pc];
	v->explored[v->now.pc] = e;
	v->now.parent = e;
	v->steps_since_explored = 0;
}

/* What helped just now will help again soon. */
static void bring_forward(struct flt_verifier *v, struct flt_explored **link)
{
	struct flt_explored *e = *link;
	*link = e->next;
	e->next = v->explored[v->now.pc];
	v->explored[v->now.pc] = e;
}

int flt_vmeet(struct flt_verifier *v)
{
	struct flt_explored **link = &v->explored[v->now.pc];
	for (uint32_t n = 0; *link; n++) {
		struct flt_explored *e = *link;
		if (e->branches) {
			if (state_contains(v, e, true))
				return flt_vrefuse(v, "endless loop");
		} else if (state_contains(v, e, false)) {
			flt_vinherit(v, e);
			flt_vcharge(v, e->longest);
			bring_forward(v, link);
			v->path_ended = true;
			return 0;
		}
		if (n >= EXPLORED_MAX)
			drop(v, link);
		else
			link = &e->next;
	}
	uint32_t distance = EXPLORED_DISTANCE + v->n_trace / EXPLORED_GROWTH;
	if (v->now.parent && (v->steps_since_explored < distance || is_short_of_memory(v)))
		return 0;
	remember(v);
	return 0;
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
		flt_vfree(v, e, sizeof(*e));
	}
	while (v->pending) {
		struct flt_pending *p = v->pending;
		v->pending = p->next;
		free_compact(v, &p->state);
		flt_vfree(v, p, sizeof(*p));
	}
}
