/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arena: keeps FIGHTERS environments alive that fight over what there is, ends some, revokes
 * keys of others, and starts new ones for those that are gone; and after the given time ends all,
 * and compares the ledger with what it was.
 *
 *     arena SECONDS
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "wild.h"

enum {
	FIGHTERS = 50,
	FRAMES_MOST = 160, /* of one fighter */
	FRAMES_LEAST = 90,
	ROUND_NS = 10000000,
	SETTLE_ROUNDS = 300,
	TAKEN = 8,         /* frames that are asked for at a time */
	REVOKE_TRIES = 40, /* a round: most frames are free */
};

static struct fighter {
	struct exo_child child;
	bool alive;
	uint64_t until; /* when it is ended, if it has not done so itself */
} fighters[FIGHTERS];

static const struct exo_start_file *image;
static struct wild dice = {.random = 20260101};
static uint64_t started, refused, ends[EXO_ENV_KILLED + 1], revoked, taken;

static uint64_t below(uint64_t n)
{
	return wild_number(&dice) % n;
}

static bool is_free(uint32_t slot)
{
	const struct exo_info *info = exo_info();
	const struct exo_slot_info *slots =
	        (const struct exo_slot_info *)((const char *)info + info->slots_offset);

	return slots[slot].owner == 0;
}

static unsigned free_slots(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < exo_info()->n_cores * EXO_SLOTS_PER_CORE; i++)
		n += is_free(i);
	return n;
}

/* A free slot of a core, whoever gets there first. */
static int give_slot(const struct exo_child *child, uint32_t core)
{
	const struct exo_cap *slots = exo_start_cap(EXO_USE_SLOTS);

	for (unsigned tries = 0; tries < 64; tries++) {
		uint32_t slot = core * EXO_SLOTS_PER_CORE + (uint32_t)below(EXO_SLOTS_PER_CORE);

		/* The call would give away slots of our own as well. */
		if (is_free(slot) && exo_slot_take(slots, child->id, slot, 1) == 0)
			return 0;
	}
	return -EXO_EBUSY;
}

/* What the fighter may fight with: frames up to its limit, and slots. */
static int arm(struct exo_child *child)
{
	const struct exo_cap *frames = exo_start_cap(EXO_USE_FRAMES);
	const struct exo_cap *slots = exo_start_cap(EXO_USE_SLOTS);
	char seed[24];
	int result;

	exo_snprintf(seed, sizeof(seed), "%llu", (unsigned long long)wild_number(&dice));
	result = exo_child_argument(child, "fighter");
	if (result >= 0)
		result = exo_child_argument(child, seed);
	if (result >= 0)
		result = exo_child_grant(child, EXO_USE_FRAMES, "frames", frames, EXO_RIGHT_ALLOC,
		                         frames->first, frames->count);
	if (result >= 0)
		result = exo_child_grant(child, EXO_USE_SLOTS, "slots", slots, EXO_RIGHT_ALLOC,
		                         slots->first, slots->count);
	return result;
}

static int build(struct exo_child *child)
{
	uint32_t core = (uint32_t)below(exo_info()->n_cores);
	int result = exo_child_create(child, "fighter", FRAMES_LEAST + below(FRAMES_MOST));

	if (result >= 0)
		result = exo_child_image(child, (const void *)(uintptr_t)image->address,
		                         image->size);
	if (result >= 0)
		result = arm(child);
	if (result >= 0)
		result = give_slot(child, core);
	return result >= 0 ? exo_child_start(child, core) : result;
}

static void start(struct fighter *f)
{
	memset(&f->child, 0, sizeof(f->child));
	if (build(&f->child) < 0) {
		exo_child_abandon(&f->child);
		refused++;
		return;
	}
	f->alive = true;
	f->until = exo_time_now_ns() + below(2000000000);
	started++;
}

/* Whether it has ended; then it is forgotten. */
static bool has_ended(struct fighter *f)
{
	struct exo_env_status status = {.env = f->child.cap};

	/* One whose end was not fetched in time is forgotten already. */
	if (exo_env_status(&status) != 0)
		status.state = EXO_ENV_KILLED;
	if (status.state <= EXO_ENV_RUNNING)
		return false;
	ends[status.state]++;
	exo_env_end(&f->child.cap);
	f->alive = false;
	return true;
}

/* All keys to some frame of anybody's die; its owner keeps it. */
static void revoke_something(void)
{
	struct exo_grant grant = {
	        .cap = *exo_start_cap(EXO_USE_FRAMES),
	        .to = exo_account()->env,
	        .rights = EXO_RIGHT_FREE,
	        .first = exo_info()->frame_first + below(exo_info()->frames_total),
	        .count = 1,
	};

	revoked += exo_grant(&grant) == 0 && exo_revoke(&grant.out) == 0;
}

/* Asks a fighter for frames, which answers to nobody; 5 ms later the kernel takes them. */
static void take_from(const struct fighter *f)
{
	struct exo_repossess block = {
	        .authority = *exo_start_cap(EXO_USE_FRAMES),
	        .env = f->child.id,
	        .kind = EXO_KIND_FRAME,
	        .first = EXO_UNITS_ANY,
	        .count = 1 + below(TAKEN),
	        .deadline = exo_tsc() + below(exo_time_ticks(5000000)),
	};

	taken += f->alive && exo_repossess(&block) == 0;
}

static void round(bool more)
{
	uint64_t now = exo_time_now_ns();

	for (unsigned i = 0; i < FIGHTERS; i++) {
		struct fighter *f = &fighters[i];

		if (f->alive && now >= f->until)
			exo_env_end(&f->child.cap);
		if (f->alive)
			has_ended(f);
		if (!f->alive && more)
			start(f);
	}
	if (more && below(4) == 0)
		take_from(&fighters[below(FIGHTERS)]);
	for (unsigned i = 0; i < REVOKE_TRIES && more; i++)
		revoke_something();
}

static bool anyone_left(void)
{
	for (unsigned i = 0; i < FIGHTERS; i++) {
		if (fighters[i].alive)
			return true;
	}
	return false;
}

static uint64_t number(const char *text)
{
	uint64_t n = 0;

	for (; text != NULL && *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (uint64_t)(*text - '0');
	return n;
}

int exo_main(void)
{
	uint64_t seconds = number(exo_start_arg(1)), end = seconds * 1000000000;
	uint64_t frames, limit, slots, reported = 0;
	bool balanced = false;

	image = exo_start_file("fighter");
	if (image == NULL || seconds == 0 || exo_start_cap(EXO_USE_SLOTS) == NULL) {
		exo_printf("arena SECONDS, with the right to control\n");
		return 2;
	}
	/* A first fight, so that this library OS has all the memory that it keeps. */
	round(true);
	for (unsigned i = 0; i < FIGHTERS; i++)
		fighters[i].until = 0;
	for (int i = 0; i < SETTLE_ROUNDS && anyone_left(); i++) {
		round(false);
		exo_time_sleep_ns(ROUND_NS);
	}
	exo_time_sleep_ns(1000000000);
	frames = exo_info()->frames_free;
	limit = exo_account()->frames_max;
	slots = free_slots();
	end += exo_time_now_ns();
	exo_printf("the fight begins: %llu frames and %llu slots are free\n",
	           (unsigned long long)frames, (unsigned long long)slots);
	while (exo_time_now_ns() < end) {
		round(true);
		exo_time_sleep_ns(ROUND_NS);
		if (exo_time_now_ns() / 10000000000 != reported) {
			reported = exo_time_now_ns() / 10000000000;
			exo_printf("%llu fighters so far\n", (unsigned long long)started);
		}
	}
	for (unsigned i = 0; i < FIGHTERS; i++)
		fighters[i].until = 0;
	for (int i = 0; i < SETTLE_ROUNDS && !balanced; i++) {
		round(false);
		exo_time_sleep_ns(ROUND_NS);
		balanced = !anyone_left() && exo_info()->frames_free == frames &&
		           exo_account()->frames_max == limit && free_slots() == slots;
	}
	exo_printf("%llu fighters: %llu exited, %llu faulted, %llu were ended; %llu could not be "
	           "started; %llu keys revoked, %llu times frames taken\n",
	           (unsigned long long)started, (unsigned long long)ends[EXO_ENV_EXITED],
	           (unsigned long long)ends[EXO_ENV_FAULTED],
	           (unsigned long long)ends[EXO_ENV_KILLED], (unsigned long long)refused,
	           (unsigned long long)revoked, (unsigned long long)taken);
	exo_printf("the ledger is %s: %llu frames free, %llu before; limit %llu, %llu before; %u "
	           "slots free, %llu before\n",
	           balanced ? "balanced" : "OUT OF BALANCE",
	           (unsigned long long)exo_info()->frames_free, (unsigned long long)frames,
	           (unsigned long long)exo_account()->frames_max, (unsigned long long)limit,
	           free_slots(), (unsigned long long)slots);
	return balanced ? 0 : 1;
}
