/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision structure, one entry after another.
 */
#include <flt/table.h>

#include "internal.h"

struct flt_entry {
	struct flt_entry *next; /* read by readers; written with release */
	void *owner;
	const struct flt_program *program;
	void (*declined)(void *owner);
	void (*release)(void *owner);
	uint64_t age;
	uint64_t sequence;
	uint32_t accept;
	uint32_t priority;
	uint32_t flags;
	uint32_t n;
	struct flt_conjunction conjunctions[];
};

struct flt_table {
	struct flt_entry *first;
	uint64_t sequence;
	uint32_t n_entries;
	uint32_t n_conjunctions;
};

int flt_table_create(struct flt_table **table, struct flt_error *error)
{
	*table = flt_alloc_array(1, sizeof(**table));
	return *table ? 0 : flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
}

static void release_entry(void *memory)
{
	struct flt_entry *entry = memory;
	if (entry->release)
		entry->release(entry->owner);
	flt_free(entry);
}

void flt_table_destroy(struct flt_table *table)
{
	while (table->first)
		flt_table_remove(table, table->first);
	flt_free(table);
}

int flt_table_insert(struct flt_table *table, const struct flt_entry_spec *spec,
                     struct flt_entry **out, struct flt_error *error)
{
	int code = flt_flow_validate(spec->flow, error);
	if (code)
		return code;
	size_t flow_bytes = spec->flow.n * sizeof(struct flt_conjunction);
	struct flt_entry *entry = flt_alloc_array(1, sizeof(*entry) + flow_bytes);
	if (!entry)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	entry->owner = spec->owner;
	entry->program = spec->program;
	entry->declined = spec->declined;
	entry->release = spec->release;
	entry->age = spec->age;
	entry->sequence = table->sequence++;
	entry->accept = spec->accept ? spec->accept : UINT32_MAX;
	entry->priority = spec->priority;
	entry->flags = spec->flags;
	entry->n = spec->flow.n;
	memcpy(entry->conjunctions, spec->flow.conjunctions, flow_bytes);
	entry->next = table->first;
	__atomic_store_n(&table->first, entry, __ATOMIC_RELEASE);
	table->n_entries++;
	table->n_conjunctions += entry->n;
	*out = entry;
	return 0;
}

void flt_table_remove(struct flt_table *table, struct flt_entry *entry)
{
	struct flt_entry **link = &table->first;
	while (*link != entry)
		link = &(*link)->next;
	__atomic_store_n(link, entry->next, __ATOMIC_RELEASE);
	table->n_entries--;
	table->n_conjunctions -= entry->n;
	flt_platform.retire(entry, release_entry);
}

/* A place in the total order. */
struct rank {
	uint32_t priority;
	uint32_t bits;
	uint64_t age;
	uint64_t sequence;
};

static bool rank_before(const struct rank *a, const struct rank *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->bits != b->bits)
		return a->bits > b->bits;
	if (a->age != b->age)
		return a->age < b->age;
	return a->sequence < b->sequence;
}

/* The entry that comes first behind `after` (NULL: first of all) among those whose flow matches. */
static const struct flt_entry *next_match(const struct flt_table *table,
                                          const struct flt_frame *frame, const struct rank *after,
                                          struct rank *rank)
{
	const struct flt_entry *best = NULL;
	for (const struct flt_entry *e = __atomic_load_n(&table->first, __ATOMIC_ACQUIRE); e;
	     e = __atomic_load_n(&e->next, __ATOMIC_ACQUIRE)) {
		int bits = flt_flow_bits((struct flt_flow){e->conjunctions, e->n}, frame);
		struct rank own = {e->priority, (uint32_t)bits, e->age, e->sequence};
		if (bits < 0 || (after && !rank_before(after, &own)))
			continue;
		if (best && !rank_before(&own, rank))
			continue;
		best = e;
		*rank = own;
	}
	return best;
}

static uint32_t ask(const struct flt_entry *entry, const struct flt_frame *frame)
{
	uint32_t accept = entry->accept;

	if (entry->program) {
		accept = flt_program_run(entry->program, frame);
		if (!accept && entry->declined)
			entry->declined(entry->owner);
	}
	return accept;
}

void flt_table_match_all(const struct flt_table *table, const struct flt_frame *frame,
                         int (*visit)(void *arg, void *owner, uint32_t bits, uint32_t accept),
                         void *arg)
{
	struct rank rank, found;
	const struct flt_entry *e = next_match(table, frame, NULL, &found);
	while (e) {
		uint32_t accept = ask(e, frame);
		if (accept && visit(arg, e->owner, found.bits, accept))
			return;
		rank = found;
		e = next_match(table, frame, &rank, &found);
	}
}

/* Works through the order for one frame. */
struct decision {
	const struct flt_frame *frame;
	uint32_t index;
	struct flt_verdict *verdict;
	const struct flt_tap_sink *taps;
};

static void decide(const struct flt_table *table, const struct decision *d)
{
	struct rank rank, found;
	const struct flt_entry *e = next_match(table, d->frame, NULL, &found);
	*d->verdict = (struct flt_verdict){NULL, 0};
	while (e) {
		bool tap = e->flags & FLT_TAP;
		uint32_t accept = 0;
		if (tap ? d->taps != NULL : !d->verdict->owner)
			accept = ask(e, d->frame);
		if (accept && tap)
			d->taps->matched(d->taps->arg, d->index, e->owner, accept);
		else if (accept)
			*d->verdict = (struct flt_verdict){e->owner, accept};
		rank = found;
		e = next_match(table, d->frame, &rank, &found);
	}
}

void flt_table_classify(const struct flt_table *table, const struct flt_frame *frames, uint32_t n,
                        struct flt_verdict *verdicts, const struct flt_tap_sink *taps)
{
	for (uint32_t i = 0; i < n; i++)
		decide(table, &(struct decision){&frames[i], i, &verdicts[i], taps});
}

void flt_table_info(const struct flt_table *table, struct flt_table_info *info)
{
	*info = (struct flt_table_info){.entries = table->n_entries,
	                                .conjunctions = table->n_conjunctions,
	                                .shapes = table->n_conjunctions};
}
