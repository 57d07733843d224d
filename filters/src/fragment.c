/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of fragments: see flt/fragment.h for what it promises.
 *
 * Datagrams live in a set-associative table. Held fragments stand in one ring in the order of their
 * arrival, whatever their datagram: the tail is the oldest, so that expiring and making room both
 * begin there; each is linked to the next one of its datagram besides. One lock guards everything:
 * fragments are rare, and what is done under it is short. Times are compared by subtraction.
 */
#include <flt/fragment.h>

#include "internal.h"

enum { NONE = UINT32_MAX };

/* Of an owner. */
enum { MARK_FOLLOWED = 1, MARK_FORGOTTEN = 2 };

struct held {
	void *packet; /* NULL: it has left */
	uint64_t arrived;
	struct datagram *datagram;
	uint32_t next; /* number of the datagram's next one; NONE */
};

struct datagram {
	struct flt_fragment_id id;
	struct flt_verdict verdict;
	uint64_t seen;       /* when it was made, or its first fragment came */
	uint32_t first_held; /* NONE: nothing waits */
	uint32_t last_held;
	uint16_t n_held;
	bool used;    /* the others mean something */
	bool decided; /* the first fragment came */
};

struct set {
	struct datagram ways[FLT_FRAGMENT_WAYS];
	uint32_t n_held;
};

struct flt_fragments {
	struct flt_fragments_config config;
	uint32_t lock;
	uint32_t head, tail; /* of the ring; they only grow */
	struct held ring[FLT_FRAGMENT_HELD_MAX];
	struct set sets[FLT_FRAGMENT_SETS];
};

_Static_assert((FLT_FRAGMENT_SETS & (FLT_FRAGMENT_SETS - 1)) == 0, "chosen by a mask");
_Static_assert((FLT_FRAGMENT_HELD_MAX & (FLT_FRAGMENT_HELD_MAX - 1)) == 0, "numbers wrap");

static void lock(struct flt_fragments *t)
{
	while (__atomic_exchange_n(&t->lock, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void unlock(struct flt_fragments *t)
{
	__atomic_store_n(&t->lock, 0, __ATOMIC_RELEASE);
}

/* --- sets --- */

static uint64_t mix(uint64_t h, const uint8_t *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof(word));
	unsigned __int128 product = (unsigned __int128)(word ^ h) * 0xbf58476d1ce4e5b9u;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* By source (IPv6: its network) and target, and nothing that one of them can vary at will. */
static struct set *set_of(struct flt_fragments *t, const struct flt_fragment_id *id)
{
	uint64_t h = flt_platform.hash_seed ^ 0x9e3779b97f4a7c15u;
	h = mix(h, id->source);
	h = mix(h, id->target);
	h = mix(h, id->target + 8);
	return &t->sets[(h ^ h >> 32) & (FLT_FRAGMENT_SETS - 1)];
}

static struct set *set_around(struct flt_fragments *t, const struct datagram *d)
{
	return set_of(t, &d->id);
}

/* Signed: another core's clock, or a burst's, may be a little behind. */
static bool older_than(uint64_t then, uint64_t now, uint64_t ticks)
{
	int64_t age = (int64_t)(now - then);
	return age > 0 && (uint64_t)age > ticks;
}

/* One whose first fragment has not come lives as long as something waits for it. */
static bool lives(const struct flt_fragments *t, const struct datagram *d, uint64_t now)
{
	return d->decided ? !older_than(d->seen, now, t->config.follow_ticks) : d->n_held > 0;
}

static struct datagram *find(const struct flt_fragments *t, struct set *set,
                             const struct flt_fragment_id *id, uint64_t now)
{
	for (uint32_t i = 0; i < FLT_FRAGMENT_WAYS; i++) {
		struct datagram *d = &set->ways[i];
		if (d->used && !memcmp(&d->id, id, sizeof(*id)) && lives(t, d, now))
			return d;
	}
	return NULL;
}

/* --- held fragments --- */

static struct held *held_at(struct flt_fragments *t, uint32_t number)
{
	return &t->ring[number & (FLT_FRAGMENT_HELD_MAX - 1)];
}

/* Takes the datagram's oldest held fragment. It must have one. */
static struct flt_held take_held(struct flt_fragments *t, struct datagram *d)
{
	struct held *held = held_at(t, d->first_held);
	struct flt_held out = {held->packet, held->arrived};
	held->packet = NULL;
	d->first_held = held->next;
	d->n_held--;
	set_around(t, d)->n_held--;
	return out;
}

/* Whatever left from the middle leaves the ring when it is the oldest. */
static void advance_tail(struct flt_fragments *t)
{
	uint32_t tail = t->tail;
	while (tail != t->head && !held_at(t, tail)->packet)
		tail++;
	__atomic_store_n(&t->tail, tail, __ATOMIC_RELAXED);
}

/* The ring's oldest is its datagram's oldest, too. */
static void drop_oldest(struct flt_fragments *t, enum flt_fragment_drop cause)
{
	struct datagram *d = held_at(t, t->tail)->datagram;
	t->config.drop(take_held(t, d).packet, cause);
	advance_tail(t);
}

static void append_held(struct flt_fragments *t, struct set *set, struct datagram *d, void *packet,
                        uint64_t now)
{
	uint32_t number = t->head;
	*held_at(t, number) =
	        (struct held){.packet = packet, .arrived = now, .datagram = d, .next = NONE};
	if (d->n_held)
		held_at(t, d->last_held)->next = number;
	else
		d->first_held = number;
	d->last_held = number;
	d->n_held++;
	set->n_held++;
	__atomic_store_n(&t->head, number + 1, __ATOMIC_RELAXED);
}

/* --- datagrams --- */

/* A way for a new datagram: a free one, or else the one that was seen longest ago. */
static struct datagram *make_datagram(struct flt_fragments *t, struct set *set,
                                      const struct flt_fragment_id *id, uint64_t now)
{
	struct datagram *oldest = &set->ways[0];
	for (uint32_t i = 0; i < FLT_FRAGMENT_WAYS && oldest->used; i++) {
		struct datagram *d = &set->ways[i];
		if (!d->used || older_than(d->seen, oldest->seen, 0))
			oldest = d;
	}
	while (oldest->n_held)
		t->config.drop(take_held(t, oldest).packet, FLT_FRAGMENT_CROWDED);
	advance_tail(t);
	*oldest = (struct datagram){
	        .id = *id, .seen = now, .used = true, .first_held = NONE, .last_held = NONE};
	return oldest;
}

uint32_t flt_fragments_first(struct flt_fragments *t, const struct flt_fragment_id *id,
                             uint64_t now, struct flt_verdict verdict, uint32_t *mark,
                             struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX])
{
	uint32_t n = 0;
	lock(t);
	struct set *set = set_of(t, id);
	struct datagram *d = find(t, set, id, now);
	if (!d)
		d = make_datagram(t, set, id, now);
	if (mark && __atomic_fetch_or(mark, MARK_FOLLOWED, __ATOMIC_RELAXED) & MARK_FORGOTTEN)
		verdict = (struct flt_verdict){NULL, 0, 0};
	d->verdict = verdict;
	d->decided = true;
	d->seen = now;
	while (d->n_held)
		held[n++] = take_held(t, d);
	advance_tail(t);
	unlock(t);
	return n;
}

static enum flt_fragment_fate hold(struct flt_fragments *t, struct set *set, struct datagram *d,
                                   const struct flt_fragment_id *id, uint64_t now, void *packet)
{
	if (set->n_held >= FLT_FRAGMENT_SET_HELD_MAX ||
	    (d && d->n_held >= FLT_FRAGMENT_DATAGRAM_HELD_MAX))
		return FLT_FRAGMENT_REFUSED;
	if (!d)
		d = make_datagram(t, set, id, now);
	if (t->head - t->tail == FLT_FRAGMENT_HELD_MAX)
		drop_oldest(t, FLT_FRAGMENT_CROWDED);
	append_held(t, set, d, packet, now);
	return FLT_FRAGMENT_HELD;
}

static void expire(struct flt_fragments *t, uint64_t now)
{
	while (t->tail != t->head &&
	       older_than(held_at(t, t->tail)->arrived, now, t->config.hold_ticks))
		drop_oldest(t, FLT_FRAGMENT_EXPIRED);
}

enum flt_fragment_fate flt_fragments_later(struct flt_fragments *t,
                                           const struct flt_fragment_id *id, uint64_t now,
                                           void *packet, struct flt_verdict *verdict)
{
	enum flt_fragment_fate fate = FLT_FRAGMENT_FOLLOWS;
	lock(t);
	expire(t, now);
	struct set *set = set_of(t, id);
	struct datagram *d = find(t, set, id, now);
	if (d && d->decided)
		*verdict = d->verdict;
	else
		fate = hold(t, set, d, id, now, packet);
	unlock(t);
	return fate;
}

/* Whoever marks first is seen by the other: either the datagrams are looked through below, or they
 * were never the owner's. */
void flt_fragments_forget(struct flt_fragments *t, const void *owner, uint32_t *mark)
{
	if (!(__atomic_fetch_or(mark, MARK_FORGOTTEN, __ATOMIC_RELAXED) & MARK_FOLLOWED))
		return;
	lock(t);
	for (uint32_t s = 0; s < FLT_FRAGMENT_SETS; s++)
		for (uint32_t w = 0; w < FLT_FRAGMENT_WAYS; w++) {
			struct datagram *d = &t->sets[s].ways[w];
			if (d->used && d->verdict.owner == owner)
				d->verdict = (struct flt_verdict){NULL, 0, 0};
		}
	unlock(t);
}

void flt_fragments_expire(struct flt_fragments *t, uint64_t now)
{
	/* Whoever misses a fragment that just came sees it at the next poll. */
	if (__atomic_load_n(&t->tail, __ATOMIC_RELAXED) ==
	    __atomic_load_n(&t->head, __ATOMIC_RELAXED))
		return;
	lock(t);
	expire(t, now);
	unlock(t);
}

/* --- tables --- */

int flt_fragments_create(struct flt_fragments **out, const struct flt_fragments_config *config,
                         struct flt_error *error)
{
	struct flt_fragments *t = flt_alloc_array(1, sizeof(*t));
	*out = t;
	if (!t)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	t->config = *config;
	return 0;
}

void flt_fragments_destroy(struct flt_fragments *t)
{
	while (t->tail != t->head)
		drop_oldest(t, FLT_FRAGMENT_CROWDED);
	flt_free(t);
}
