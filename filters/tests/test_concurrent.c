/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision structure under a writer and readers at once: a frame that one entry always wants is
 * never anybody's else's, and what readers see is never freed memory (retired memory is overwritten
 * as soon as no reader is inside).
 */
#include "common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <flt/platform.h>
#include <flt/table.h>

enum { READERS = 2, ENTRIES = 64, ROUNDS = 30000, RETIRED_MAX = 4096 };

/* Readers announce what they have passed; retired memory waits for all of them. */
static uint64_t passed[READERS];
static int stop;
static struct {
	void *memory;
	void (*release)(void *memory);
} retired[RETIRED_MAX];
static uint32_t n_retired;

static void wait_for_readers(void)
{
	uint64_t seen[READERS];
	for (int i = 0; i < READERS; i++)
		seen[i] = __atomic_load_n(&passed[i], __ATOMIC_ACQUIRE);
	for (int i = 0; i < READERS; i++)
		while (__atomic_load_n(&passed[i], __ATOMIC_ACQUIRE) < seen[i] + 2)
			nanosleep(&(struct timespec){0, 1000}, NULL);
}

static void release_all(void)
{
	for (uint32_t i = 0; i < n_retired; i++)
		retired[i].release(retired[i].memory);
	n_retired = 0;
}

static void retire_later(void *memory, void (*release)(void *memory))
{
	if (n_retired == RETIRED_MAX) {
		wait_for_readers();
		release_all();
	}
	retired[n_retired].memory = memory;
	retired[n_retired++].release = release;
}

struct rule {
	struct flt_conjunction c;
	struct flt_entry *entry;
};

static struct rule rules[ENTRIES], always;
static struct flt_table *table;

/*
 * Frame k: bytes 20 to 27 are k, so that rule k wants it; every frame has 0x55 at 0, which `always`
 * wants. Shapes are so many that they come and go, and often have one key.
 */
static void make_rules(void)
{
	for (uint32_t i = 0; i < ENTRIES; i++) {
		rules[i].c.n_terms = 1 + i % 3;
		rules[i].c.terms[0] =
		        (struct flt_term){.width = 1, .offset = 20, .mask = 0xff, .value = i};
		rules[i].c.terms[1] = (struct flt_term){.width = 1, .mask = 0xff, .value = i};
		rules[i].c.terms[1].offset = (uint16_t)(21 + i % 7);
		rules[i].c.terms[2] = (struct flt_term){
		        .width = 1, .offset = 28, .mask = 0xff, .value = 1, .negate = 1};
	}
	always.c.n_terms = 1;
	always.c.terms[0] = (struct flt_term){.width = 1, .mask = 0xff, .value = 0x55};
}

static void insert(struct rule *rule, uint64_t age)
{
	struct flt_entry_spec spec = {.owner = rule, .flow = {&rule->c, 1}, .age = age};
	assert_int_equal(flt_table_insert(table, &spec, &rule->entry, NULL), 0);
}

static void *read_for_ever(void *arg)
{
	uint64_t *mine = arg;
	uint8_t bytes[ENTRIES][32] = {{0}};
	struct flt_frame frames[ENTRIES];
	struct flt_verdict verdicts[ENTRIES];
	uintptr_t wrong = 0;
	for (uint32_t i = 0; i < ENTRIES; i++) {
		bytes[i][0] = 0x55;
		memset(&bytes[i][20], (int)i, 8);
		frames[i] = (struct flt_frame){.data = bytes[i], .len = 32, .wire_len = 32};
	}
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		flt_table_classify(table, frames, ENTRIES, verdicts, NULL);
		for (uint32_t i = 0; i < ENTRIES; i++)
			wrong += verdicts[i].owner != &always && verdicts[i].owner != &rules[i];
		__atomic_add_fetch(mine, 1, __ATOMIC_RELEASE);
	}
	return (void *)wrong;
}

static void readers_see_whole_entries(void **state)
{
	pthread_t readers[READERS];
	assert_int_equal(flt_table_create(&table, NULL), 0);
	make_rules();
	insert(&always, 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_for_ever, &passed[i]), 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct rule *rule = &rules[test_random() % ENTRIES];
		if (rule->entry) {
			flt_table_remove(table, rule->entry);
			rule->entry = NULL;
		} else {
			insert(rule, round);
		}
	}
	wait_for_readers();
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < READERS; i++) {
		void *wrong;
		pthread_join(readers[i], &wrong);
		assert_null(wrong);
	}
	flt_table_destroy(table);
	release_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_whole_entries)};
	struct flt_platform platform;
	flt_host_platform(&platform, true);
	platform.retire = retire_later;
	if (flt_init(&platform))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
