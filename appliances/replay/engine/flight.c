/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hash tables over one ring of entries: what is out, and what came back. New entries go to a
 * chain's end, so that of several with one key the oldest is found first, however many there are.
 */
#include <errno.h>
#include <stdlib.h>

#include "flight.h"

enum { AMBIGUITY_STEPS = 16 }; /* entries looked at for a second one with the same key */

int flight_open(struct flight *flight, unsigned bits)
{
	uint64_t n = 1ull << bits;

	*flight = (struct flight){.mask = n - 1};
	flight->entries = calloc(n, sizeof(*flight->entries));
	flight->out = calloc(n, sizeof(*flight->out));
	flight->back = calloc(n, sizeof(*flight->back));
	if (flight->entries && flight->out && flight->back)
		return 0;
	flight_close(flight);
	return -ENOMEM;
}

void flight_close(struct flight *flight)
{
	free(flight->entries);
	free(flight->out);
	free(flight->back);
	*flight = (struct flight){0};
}

static struct flight_entry *at(const struct flight *flight, uint32_t link)
{
	return &flight->entries[link - 1];
}

static struct flight_chain *chain_of(const struct flight *flight, const struct flight_entry *entry)
{
	struct flight_chain *table = entry->returned ? flight->back : flight->out;

	return &table[(entry->key ^ entry->key >> 32) & flight->mask];
}

static void append(struct flight *flight, uint32_t link)
{
	struct flight_entry *entry = at(flight, link);
	struct flight_chain *chain = chain_of(flight, entry);

	entry->next = 0;
	entry->previous = chain->last;
	if (chain->last)
		at(flight, chain->last)->next = link;
	else
		chain->first = link;
	chain->last = link;
}

static void detach(struct flight *flight, uint32_t link)
{
	struct flight_entry *entry = at(flight, link);
	struct flight_chain *chain = chain_of(flight, entry);

	if (entry->previous)
		at(flight, entry->previous)->next = entry->next;
	else
		chain->first = entry->next;
	if (entry->next)
		at(flight, entry->next)->previous = entry->previous;
	else
		chain->last = entry->previous;
}

/* The oldest remembered frame is forgotten. */
static struct flight_entry drop_tail(struct flight *flight)
{
	uint32_t link = (uint32_t)(flight->tail & flight->mask) + 1;

	detach(flight, link);
	flight->tail++;
	return *at(flight, link);
}

bool flight_add(struct flight *flight, const struct flight_entry *entry, struct flight_entry *lost)
{
	bool gave_way = false;

	if (flight->head - flight->tail > flight->mask) {
		*lost = drop_tail(flight);
		gave_way = !lost->returned;
		flight->crowded += gave_way;
	}
	uint32_t link = (uint32_t)(flight->head & flight->mask) + 1;
	*at(flight, link) = *entry;
	at(flight, link)->returned = false;
	append(flight, link);
	flight->head++;
	return gave_way;
}

/* The oldest entry with that key in the table of those that returned or did not; 0: none. */
static uint32_t find(const struct flight *flight, uint64_t key, bool returned)
{
	const struct flight_entry wanted = {.key = key, .returned = returned};
	uint32_t link = chain_of(flight, &wanted)->first;

	while (link && at(flight, link)->key != key)
		link = at(flight, link)->next;
	return link;
}

static bool another_behind(const struct flight *flight, uint32_t link)
{
	uint64_t key = at(flight, link)->key;

	link = at(flight, link)->next;
	for (int i = 0; link && i < AMBIGUITY_STEPS; i++, link = at(flight, link)->next)
		if (at(flight, link)->key == key)
			return true;
	return false;
}

static uint64_t sequence_of(const struct flight *flight, uint32_t link)
{
	return flight->tail + ((link - 1 - flight->tail) & flight->mask);
}

enum flight_fate flight_return(struct flight *flight, uint64_t key, struct flight_return *what)
{
	uint32_t link = find(flight, key, false);

	if (!link) {
		link = find(flight, key, true);
		if (!link)
			return FLIGHT_FOREIGN;
		*what = (struct flight_return){.sequence = sequence_of(flight, link),
		                               .entry = *at(flight, link)};
		return FLIGHT_DUPLICATE;
	}
	what->ambiguous = another_behind(flight, link);
	what->sequence = sequence_of(flight, link);
	what->reordered = what->sequence < flight->highest;
	if (!what->reordered)
		flight->highest = what->sequence + 1;
	detach(flight, link);
	at(flight, link)->returned = true;
	append(flight, link);
	what->entry = *at(flight, link);
	return FLIGHT_RETURNED;
}

bool flight_expire(struct flight *flight, uint64_t before_ns, struct flight_entry *lost)
{
	uint32_t link = (uint32_t)(flight->tail & flight->mask) + 1;

	if (flight->tail == flight->head || at(flight, link)->sent_ns >= before_ns)
		return false;
	*lost = drop_tail(flight);
	return true;
}
