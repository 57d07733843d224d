/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps and helpers where several use them at once, or ask for much: what is read is what was
 * written, and no more is looked at than counts.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common.h"

#include <flt/map.h>

#include "helper.h"
#include "map_internal.h"

/* --- a ring buffer with several consumers --- */

enum { READERS = 2, RECORDS = 20000, RECORD_MAX = 200, RING = 1024, PAGE = 4096, PAGES = 2 * PAGE };

static struct flt_map *ring;
static uint32_t n_read;

/* Each byte of a record says how long it is. */
static bool is_record(const uint8_t *bytes, size_t size)
{
	bool good = size >= 1 && size <= RECORD_MAX;
	for (size_t i = 0; good && i < size; i++)
		good = bytes[i] == size;
	return good;
}

static void *take_all(void *arg)
{
	uint8_t bytes[PAGE];
	uintptr_t wrong = 0;
	while (!wrong && __atomic_load_n(&n_read, __ATOMIC_RELAXED) < RECORDS) {
		size_t size = flt_map_ringbuf_read(ring, bytes, sizeof(bytes));
		if (!size)
			continue;
		wrong += !is_record(bytes, size);
		__atomic_add_fetch(&n_read, 1, __ATOMIC_RELAXED);
	}
	__atomic_add_fetch(&n_read, wrong ? RECORDS : 0, __ATOMIC_RELAXED);
	return (void *)wrong;
}

static void write_all(void)
{
	uint8_t bytes[RECORD_MAX];
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint32_t size = 1 + test_random() % RECORD_MAX;
		memset(bytes, (int)size, size);
		while (flt_map_ringbuf_write(ring, bytes, size))
			if (__atomic_load_n(&n_read, __ATOMIC_RELAXED) >= RECORDS)
				return;
	}
}

static void each_record_is_taken_once(void **state)
{
	const struct flt_map_spec spec = {
	        .type = FLT_MAP_RINGBUF, .max_entries = RING, .name = "ring"};
	pthread_t readers[READERS];
	assert_int_equal(flt_map_create(&spec, &ring, NULL), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, take_all, NULL), 0);
	write_all();
	for (int i = 0; i < READERS; i++) {
		void *wrong;
		pthread_join(readers[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(n_read, RECORDS);
	flt_map_destroy(ring);
}

/* --- eviction --- */

/* However many there are that were all looked up: an insertion in the kernel must not take long. */
static void evicting_looks_at_few(void **state)
{
	enum { ENTRIES = 1000, FEW = 64 };
	const struct flt_map_spec spec = {.type = FLT_MAP_LRU_HASH,
	                                  .key_size = 4,
	                                  .value_size = 4,
	                                  .max_entries = ENTRIES,
	                                  .name = "lru"};
	struct flt_map *map;
	uint32_t there = 0;
	assert_int_equal(flt_map_create(&spec, &map, NULL), 0);
	for (uint32_t i = 0; i < ENTRIES + 2; i++)
		assert_int_equal(flt_map_update(map, &i, &i, FLT_MAP_ANY), 0);
	/* The first insertion behind the last place went by some; the second one took none of them.
	 */
	for (uint32_t i = 0; i < FEW; i++)
		there += flt_map_lookup(map, &i) != NULL;
	assert_in_range(there, FEW - 2, FEW);
	assert_non_null(flt_map_lookup(map, &(uint32_t){0}));
	assert_non_null(flt_map_lookup(map, &(uint32_t){1}));
	for (uint32_t i = ENTRIES; i < ENTRIES + 2; i++)
		assert_non_null(flt_map_lookup(map, &i));
	flt_map_destroy(map);
}

/* --- prefixes --- */

struct address {
	uint32_t bits;
	uint8_t bytes[6];
};

static bool begins_alike(const struct address *a, const struct address *b, uint32_t bits)
{
	for (uint32_t i = 0; i < bits; i++)
		if ((a->bytes[i / 8] ^ b->bytes[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static struct address pick_address(void)
{
	struct address a = {.bits = test_random() % 49};
	for (uint32_t i = 0; i < sizeof(a.bytes); i++)
		a.bytes[i] = test_random() % 4 ? 0xaa : (uint8_t)test_random();
	return a;
}

static void the_longest_prefix_is_found(void **state)
{
	enum { PREFIXES = 60 };
	const struct flt_map_spec spec = {.type = FLT_MAP_LPM_TRIE,
	                                  .key_size = sizeof(uint32_t) + 6,
	                                  .value_size = 4,
	                                  .max_entries = PREFIXES,
	                                  .name = "lpm"};
	struct address prefixes[PREFIXES];
	struct flt_map *map;
	assert_int_equal(flt_map_create(&spec, &map, NULL), 0);
	for (uint32_t i = 0; i < PREFIXES; i++) {
		prefixes[i] = pick_address();
		assert_int_equal(flt_map_update(map, &prefixes[i], &prefixes[i].bits, 0), 0);
	}
	for (uint32_t i = 0; i < 3000; i++) {
		struct address a = pick_address();
		int64_t best = -1;
		for (uint32_t k = 0; k < PREFIXES; k++)
			if (prefixes[k].bits <= a.bits && (int64_t)prefixes[k].bits > best &&
			    begins_alike(&a, &prefixes[k], prefixes[k].bits))
				best = prefixes[k].bits;
		const uint32_t *found = flt_map_lookup(map, &a);
		assert_int_equal(found ? (int64_t)*found : -1, best);
	}
	flt_map_destroy(map);
}

/* --- helpers --- */

static char traced[256];

static void note_trace(const char *text, size_t length)
{
	memcpy(traced, text, length);
	traced[length] = '\0';
}

static uint64_t trace(const char *format, uint64_t size)
{
	return flt_helper_find(6)->call((uint64_t)(uintptr_t)format, size, 4711, 0, 0);
}

/* A program may say that its format is as long as its map's value is. */
static void traces_look_at_no_more_than_a_line(void **state)
{
	char *page = mmap(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct flt_platform platform;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
	flt_host_platform(&platform, true);
	platform.trace = note_trace;
	assert_int_equal(flt_init(&platform), 0);

	assert_int_equal(trace("it is %lld, %x", 14), 13);
	assert_string_equal(traced, "it is 4711, 0");
	memset(page, 'a', PAGE);
	assert_int_equal(trace(page, PAGES), 127);
	memset(page, 'l', PAGE);
	page[0] = '%';
	assert_int_equal((int64_t)trace(page, PAGES), -22);
	munmap(page, PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_record_is_taken_once),
	        cmocka_unit_test(evicting_looks_at_few),
	        cmocka_unit_test(the_longest_prefix_is_found),
	        cmocka_unit_test(traces_look_at_no_more_than_a_line),
	};
	flt_host_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
