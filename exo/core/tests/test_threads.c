/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Environments on cores of their own, a thread each, that map, share, revoke and give back frames
 * at once, while another takes frames from them by force and ends one in the middle of whatever it
 * does. Built with ThreadSanitizer, which knows nothing but the core's own locks.
 */
#include "kit.h"

#include <pthread.h>
#include <string.h>

#include <host/host.h>

#include "../core.h"
#include "../revoke.h"
#include "../space.h"

enum { ACTORS = 3, FRAMES = 8, ROUNDS = 4000, PAGES = 12 };
#define WINDOW 0x900000ull

static struct actor {
	uint32_t id;
	struct env *env;
	struct pe *pe;
	struct exo_cap authority, own, key; /* over free frames; its own frames; of init, to it */
	uint64_t first;                     /* its frames */
	unsigned random;
	uint64_t entered, refused; /* calls that worked, and that did not */
} actors[ACTORS];

/* What each granted to each. */
static struct exo_cap granted[ACTORS][ACTORS];
static pthread_mutex_t handing_over = PTHREAD_MUTEX_INITIALIZER;

static unsigned below(struct actor *a, unsigned n)
{
	a->random = a->random * 1103515245 + 12345;
	return (a->random >> 16) % n;
}

/* As the core's loop: false where the environment has ended. */
static bool call(struct actor *a, uint64_t number, uint64_t x, uint64_t y, uint64_t z)
{
	struct exo_regs *regs = &a->pe->machine.regs;

	*regs = (struct exo_regs){.rax = number, .rdi = x, .rsi = y, .rdx = z};
	call_dispatch(a->pe);
	__atomic_fetch_add((int64_t)regs->rax < 0 ? &a->refused : &a->entered, 1, __ATOMIC_RELAXED);
	return (int64_t)regs->rax >= 0;
}

static bool block_call(struct actor *a, uint64_t number, void *block, size_t size)
{
	bool good;

	host_store(a->env->space, KIT_DATA_PAGE(1), block, size);
	good = call(a, number, KIT_DATA_PAGE(1), 0, 0);
	host_load(a->env->space, block, KIT_DATA_PAGE(1), size);
	return good;
}

static uint64_t place(struct actor *a)
{
	return WINDOW + (uint64_t)below(a, PAGES) * EXO_PAGE_SIZE;
}

static void map(struct actor *a, uint64_t frame, uint32_t count, const struct exo_cap *key)
{
	struct exo_mapping m = {.address = place(a),
	                        .frame = frame,
	                        .count = count,
	                        .rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE,
	                        .key = key ? KIT_DATA_PAGE(2) : 0};

	if (key)
		host_store(a->env->space, KIT_DATA_PAGE(2), key, sizeof(*key));
	host_store(a->env->space, KIT_DATA_PAGE(1), &m, sizeof(m));
	call(a, EXO_CALL_MAP, 0, KIT_DATA_PAGE(1), 1);
}

static void map_of_another(struct actor *a)
{
	unsigned other = below(a, ACTORS);
	struct exo_cap key;

	pthread_mutex_lock(&handing_over);
	key = granted[other][a - actors];
	pthread_mutex_unlock(&handing_over);
	map(a, actors[other].first + below(a, FRAMES), 1, &key);
}

static void grant_to_all(struct actor *a)
{
	for (unsigned i = 0; i < ACTORS; i++) {
		struct exo_grant grant = {.cap = a->own,
		                          .to = actors[i].id,
		                          .rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE,
		                          .first = a->first,
		                          .count = FRAMES};

		if (!block_call(a, EXO_CALL_GRANT, &grant, sizeof(grant)))
			continue;
		pthread_mutex_lock(&handing_over);
		granted[a - actors][i] = grant.out;
		pthread_mutex_unlock(&handing_over);
	}
}

static void come_and_go(struct actor *a)
{
	struct exo_frame_alloc alloc = {
	        .authority = a->authority, .count = 2, .first = EXO_FRAME_ANY};

	if (!block_call(a, EXO_CALL_FRAME_ALLOC, &alloc, sizeof(alloc)))
		return;
	map(a, alloc.first, 2, NULL);
	if (below(a, 8))
		block_call(a, EXO_CALL_FRAME_FREE, &alloc.out, sizeof(alloc.out));
}

static void act(struct actor *a)
{
	struct exo_range range = {place(a), 1 + below(a, 4)};
	unsigned what = below(a, 200);

	if (what == 0 && block_call(a, EXO_CALL_REVOKE, &a->own, sizeof(a->own)))
		grant_to_all(a);
	else if (what < 60)
		space_leaf_map(&a->pe->machine, place(a) | EXO_RIGHT_READ,
		               a->first + below(a, FRAMES), 0);
	else if (what < 100)
		space_leaf_unmap(&a->pe->machine, place(a), 0, 0);
	else if (what < 140)
		map_of_another(a);
	else if (what < 160)
		map(a, a->first, FRAMES / 2, NULL);
	else if (what < 170)
		come_and_go(a);
	else if (host_store(a->env->space, KIT_DATA_PAGE(1), &range, sizeof(range)) == 0)
		call(a, EXO_CALL_UNMAP, 0, KIT_DATA_PAGE(1), 1);
}

static void *live(void *argument)
{
	struct actor *a = argument;

	host_core_set(1 + (unsigned)(a - actors));
	for (unsigned i = 0; i < ROUNDS && env_enter(a->env); i++) {
		host_space_set(a->env->space);
		act(a);
		env_leave(a->env);
	}
	return NULL;
}

/* init, on core 0: takes two frames of each, and ends the last in its middle. */
static void rule(void)
{
	struct exo_repossess ask = {
	        .authority = kit_cap(EXO_USE_FRAMES), .kind = EXO_KIND_FRAME, .count = 2};
	const uint64_t *far = &actors[ACTORS - 1].entered;

	for (unsigned i = 0; i < ACTORS; i++) {
		ask.env = actors[i].id;
		ask.first = actors[i].first + FRAMES - 2;
		assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REPOSSESS, &ask, sizeof(ask)),
		                 0);
		revoke_tick(machine_tsc() + i);
	}
	while (__atomic_load_n(far, __ATOMIC_RELAXED) < ROUNDS / 8)
		machine_pause();
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_END, &actors[ACTORS - 1].key,
	                                sizeof(struct exo_cap)),
	                 0);
}

static void make(struct actor *a, unsigned number)
{
	char name[] = {(char)('a' + number), 0};
	struct exo_cap all = kit_cap(EXO_USE_FRAMES);

	a->id = kit_child(name, 64, 1 + number, 1, true, &a->key);
	a->env = kit_env(a->id);
	a->pe = kit_pe(a->id);
	a->random = number;
	assert_int_equal(kit_frames(a->id, FRAMES, &a->first, &a->own), 0);
	assert_int_equal(kit_grant(ENV_INIT, &all, a->id, EXO_RIGHT_ALLOC, all.first, all.count,
	                           &a->authority),
	                 0);
}

static void at_once(void **state)
{
	pthread_t threads[ACTORS];

	kit_start(1024, 1 + ACTORS);
	for (unsigned i = 0; i < ACTORS; i++)
		make(&actors[i], i);
	for (unsigned i = 0; i < ACTORS; i++) {
		host_space_set(actors[i].env->space);
		grant_to_all(&actors[i]);
	}
	host_threads(true);
	for (unsigned i = 0; i < ACTORS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, live, &actors[i]), 0);
	rule();
	for (unsigned i = 0; i < ACTORS; i++)
		pthread_join(threads[i], NULL);
	host_threads(false);
	assert_true(kit_env(actors[ACTORS - 1].id)->reaped);
	for (unsigned i = 0; i < ACTORS - 1; i++) {
		assert_true(actors[i].entered > ROUNDS / 8 && actors[i].refused > 0);
		assert_int_equal(actors[i].env->account->n_losses, 2);
	}
	kit_verify();
	kit_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(at_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
