/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a frame a table's answers depend on: see struct fields. Taps decide nothing, so their
 * fields are not among them; but a table that has some is asked each time.
 */
#include "table_internal.h"

static uint32_t mask_of(const struct flt_term *term)
{
	return term->test == FLT_TEST_MASKED ? term->mask : flt_width_mask(term->width);
}

static bool same_field(const struct flt_term *a, const struct flt_term *b)
{
	return a->base == b->base && a->width == b->width && a->offset == b->offset &&
	       a->msh == b->msh;
}

/* The place of a term's field, or of none; FLT_FIELDS_MAX: all are taken. */
static uint32_t find_place(const struct flt_table *table, const struct flt_term *term)
{
	uint32_t free = FLT_FIELDS_MAX;
	for (uint32_t i = 0; i < FLT_FIELDS_MAX; i++) {
		if (table->uses[i] && same_field(&table->wanted[i], term))
			return i;
		if (!table->uses[i] && free == FLT_FIELDS_MAX)
			free = i;
	}
	return free;
}

/* → whether there is more to look at than before. */
static bool note(struct flt_table *table, struct flt_entry *entry, const struct flt_term *term)
{
	uint32_t i = find_place(table, term), mask = mask_of(term);
	if (i == FLT_FIELDS_MAX) {
		table->n_beyond += !entry->beyond;
		entry->beyond = true;
		return true;
	}
	if (!table->uses[i])
		table->wanted[i] = (struct flt_term){.base = term->base,
		                                     .width = term->width,
		                                     .offset = term->offset,
		                                     .msh = term->msh};
	bool more = !table->uses[i] || mask & ~table->wanted[i].mask;
	table->wanted[i].mask |= mask;
	table->uses[i] += !(entry->fields >> i & 1);
	entry->fields |= 1u << i;
	return more;
}

void flt_fields_next(struct flt_table *table)
{
	/* Release: whoever sees the next generation sees what has changed. */
	__atomic_store_n(&table->fields->generation, table->fields->generation + 1,
	                 __ATOMIC_RELEASE);
}

/* The next generation, with the fields of now. Without memory for them those of before say that
 * they can't be relied on. */
static void publish(struct flt_table *table)
{
	struct fields *old = table->fields, *new = flt_alloc_array(1, sizeof(*new));
	if (!new) {
		__atomic_store_n(&old->unknown, true, __ATOMIC_RELEASE);
		flt_fields_next(table);
		return;
	}
	for (uint32_t i = 0; i < FLT_FIELDS_MAX; i++)
		if (table->uses[i])
			new->terms[new->n++] = table->wanted[i];
	new->unknown = table->n_beyond != 0;
	new->generation = old->generation + 1;
	__atomic_store_n(&table->fields, new, __ATOMIC_RELEASE);
	flt_platform.retire(old, flt_free);
}

bool flt_fields_start(struct flt_table *table)
{
	table->fields = flt_alloc_array(1, sizeof(*table->fields));
	if (table->fields)
		table->fields->generation = 1;
	return table->fields != NULL;
}

void flt_fields_add(struct flt_table *table, struct flt_entry *entry, struct flt_flow flow)
{
	bool more = false;
	for (uint32_t c = 0; c < flow.n && !(entry->flags & FLT_TAP); c++)
		for (uint32_t i = 0; i < flow.conjunctions[c].n_terms; i++)
			more |= note(table, entry, &flow.conjunctions[c].terms[i]);
	if (more)
		publish(table);
}

void flt_fields_drop(struct flt_table *table, const struct flt_entry *entry)
{
	bool fewer = entry->beyond || __atomic_load_n(&table->fields->unknown, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < FLT_FIELDS_MAX; i++)
		if (entry->fields >> i & 1)
			fewer |= --table->uses[i] == 0;
	table->n_beyond -= entry->beyond;
	if (fewer)
		publish(table);
	else
		flt_fields_next(table);
}
