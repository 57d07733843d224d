/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers: a hierarchical wheel (Varghese and Lauck, 1987). Level 0 has 64 slots of 2^16 ns, each
 * further level slots 64 times as wide, seven levels in all: 9 years. A timer stands in the lowest
 * level whose span reaches it, and comes down as time passes. A bit for each slot in use makes the
 * next deadline a matter of a few instructions and lets idle time pass at once. Within a slot the
 * exact time decides: a timer is never early. `next` spares who asks often even the look at the
 * slots.
 */
#include "internal.h"

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1 };

void wheel_init(struct wheel *wheel, uint64_t now)
{
	memset(wheel, 0, sizeof *wheel);
	wheel->tick = now >> WHEEL_TICK_BITS;
	wheel->next = UINT64_MAX;
	wheel->sure = true;
}

static void place(struct wheel *wheel, struct timer *timer)
{
	uint64_t tick = max_u64(timer->expires >> WHEEL_TICK_BITS, wheel->tick);
	/* The highest bit in which the two times differ decides, so that a slot's timers all lie
	   behind the wheel's hand. */
	uint64_t differ = (tick ^ wheel->tick) | 1;
	unsigned level =
	        min_u32((63 - (unsigned)__builtin_clzll(differ)) / SLOT_BITS, WHEEL_LEVELS - 1);
	unsigned slot;

	slot = (unsigned)(tick >> (SLOT_BITS * level)) & SLOT_MASK;
	timer->slot = (uint16_t)(level * WHEEL_SLOTS + slot);
	timer->next = wheel->slots[timer->slot];
	timer->link = &wheel->slots[timer->slot];
	if (timer->next != NULL)
		timer->next->link = &timer->next;
	wheel->slots[timer->slot] = timer;
	wheel->used[level] |= 1ull << slot;
}

void wheel_add(struct wheel *wheel, struct timer *timer, uint64_t expires)
{
	if (timer->link != NULL)
		wheel_remove(wheel, timer);
	timer->expires = expires;
	if (expires < wheel->next) {
		wheel->next = expires;
		wheel->sure = true;
	}
	place(wheel, timer);
}

void wheel_remove(struct wheel *wheel, struct timer *timer)
{
	if (timer->link == NULL)
		return;
	*timer->link = timer->next;
	if (timer->next != NULL)
		timer->next->link = timer->link;
	timer->link = NULL;
	if (timer->expires <= wheel->next)
		wheel->sure = false;
	if (wheel->slots[timer->slot] == NULL)
		wheel->used[timer->slot / WHEEL_SLOTS] &= ~(1ull << timer->slot % WHEEL_SLOTS);
}

/* The first slot in use of a level, at or after the hand; its first tick in *tick. */
static bool first_slot(const struct wheel *wheel, unsigned level, unsigned *slot, uint64_t *tick)
{
	unsigned shift = SLOT_BITS * level;
	unsigned hand = (unsigned)(wheel->tick >> shift) & SLOT_MASK;
	uint64_t ahead = wheel->used[level] >> hand << hand;
	uint64_t base = wheel->tick >> shift >> SLOT_BITS << SLOT_BITS;

	if (wheel->used[level] == 0)
		return false;
	/* Only the highest level can wrap round. */
	if (ahead == 0) {
		ahead = wheel->used[level];
		base += WHEEL_SLOTS;
	}
	*slot = (unsigned)__builtin_ctzll(ahead);
	*tick = (base + *slot) << shift;
	return true;
}

/* Brings the timers of a slot down to where they belong now. */
static void cascade(struct wheel *wheel, unsigned index)
{
	struct timer *timer = wheel->slots[index];

	wheel->slots[index] = NULL;
	wheel->used[index / WHEEL_SLOTS] &= ~(1ull << index % WHEEL_SLOTS);
	while (timer != NULL) {
		struct timer *next = timer->next;

		place(wheel, timer);
		timer = next;
	}
}

static struct timer *earliest(struct timer *timer)
{
	struct timer *best = timer;

	for (; timer != NULL; timer = timer->next)
		if (timer->expires < best->expires)
			best = timer;
	return best;
}

/* By the slots. */
static uint64_t find_next(const struct wheel *wheel)
{
	uint64_t tick;
	unsigned slot;

	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		if (first_slot(wheel, level, &slot, &tick))
			/* Of a wide slot its beginning: to look through it would take long. */
			return level == 0 ? earliest(wheel->slots[slot])->expires
			                  : tick << WHEEL_TICK_BITS;
	return UINT64_MAX;
}

static struct timer *take_due(struct wheel *wheel, uint64_t now)
{
	uint64_t end = now >> WHEEL_TICK_BITS, tick;
	unsigned slot;

	for (;;) {
		struct timer *timer;
		unsigned level = 1;

		/* Slots that the hand stands in, from above, come down first. */
		for (unsigned i = WHEEL_LEVELS - 1; i > 0; i--)
			if (first_slot(wheel, i, &slot, &tick) && tick <= wheel->tick)
				cascade(wheel, i * WHEEL_SLOTS + slot);
		if (first_slot(wheel, 0, &slot, &tick)) {
			if (tick > end)
				break;
			wheel->tick = tick;
			timer = earliest(wheel->slots[slot]);
			if (timer->expires > now)
				return NULL;
			wheel_remove(wheel, timer);
			return timer;
		}
		while (level < WHEEL_LEVELS && !first_slot(wheel, level, &slot, &tick))
			level++;
		if (level == WHEEL_LEVELS || tick > end)
			break;
		wheel->tick = tick;
	}
	if (end > wheel->tick)
		wheel->tick = end;
	return NULL;
}

struct timer *wheel_due(struct wheel *wheel, uint64_t now)
{
	struct timer *timer;

	if (now < wheel->next && wheel->sure)
		return NULL;
	timer = take_due(wheel, now);
	if (timer == NULL) {
		wheel->next = find_next(wheel);
		wheel->sure = true;
	}
	return timer;
}

uint64_t wheel_deadline(const struct wheel *wheel)
{
	return wheel->sure ? wheel->next : find_next(wheel);
}
