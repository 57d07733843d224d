/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Variables in an arena (link/arena.c): programs reach them by their address, compiled and
 * interpreted alike, and nothing beside them; an arena that is not in one piece has no address, and
 * one that has keeps its frames.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <flt/host.h>
#include <flt/map.h>
#include <flt/program.h>

enum { FRAME = FLT_MAP_FRAME, WORDS = 1024, TIMES = 20000 };

/* A frame before, the arena's two, one behind. */
static uint64_t memory[4 * FRAME / 8];
static uint64_t *const words = memory + FRAME / 8;

static struct flt_object *open_object(void)
{
	char path[512];
	struct flt_object *object;
	struct flt_error error;

	snprintf(path, sizeof(path), "%s/link-arena.o", getenv("OBJECTS"));
	if (flt_host_object_open(path, &object, &error))
		fail_msg("%s: %s", path, error.reason);
	return object;
}

static int give(struct flt_object *object, uint32_t i, void *frame)
{
	return flt_map_arena_give(flt_object_map(object, ".bss.arena"), i, frame);
}

static struct flt_object *open_whole(void)
{
	struct flt_object *object = open_object();

	memset(memory, 0x77, sizeof(memory));
	memset(words, 0, (size_t)2 * FRAME);
	assert_int_equal(give(object, 0, words), 0);
	assert_int_equal(give(object, 1, words + FRAME / 8), 0);
	assert_int_equal(give(object, 2, words + 2 * FRAME / 8), FLT_E_INVALID);
	return object;
}

static struct flt_program *load(struct flt_object *object, const char *name, uint32_t flags)
{
	struct flt_program *program;
	struct flt_error error;

	if (flt_program_load_object(object, name, flags, &program, &error))
		fail_msg("%s: %s", name, error.reason);
	assert_int_equal(flt_program_is_native(program), !(flags & FLT_LOAD_INTERPRET));
	return program;
}

static uint64_t call(struct flt_object *object, const char *name, uint32_t flags, uint64_t a,
                     uint64_t b)
{
	struct flt_program *program = load(object, name, flags);
	const uint64_t arguments[] = {a, b};
	uint64_t result = flt_program_call(program, arguments);

	flt_program_free(program);
	return result;
}

static void is_alone(void)
{
	for (unsigned i = 0; i < FRAME / 8; i++) {
		assert_int_equal(memory[i], 0x7777777777777777);
		assert_int_equal(words[WORDS + i], 0x7777777777777777);
	}
}

static void reaches_all_of_it(uint32_t flags)
{
	static const uint64_t places[] = {0, 1, 511, 512, 1022, 1023};
	struct flt_object *object = open_whole();

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint64_t at = places[i];

		words[at] = 1000 + at;
		assert_int_equal(call(object, "reads", flags, at, 0), 1000 + at);
		assert_int_equal(call(object, "writes", flags, at, 7 * at), 0);
		assert_int_equal(words[at], 7 * at);
		assert_int_equal(call(object, "adds", flags, at, 5), 7 * at);
		assert_int_equal(words[at], 7 * at + 5);
		assert_int_equal(call(object, "keeps", flags, at, 0), 7 * at + 5);
		assert_int_equal(call(object, "looks_up", flags, at, 0), at < 2 ? 0 : 4711);
	}
	assert_int_equal(call(object, "writes_byte", flags, 2 * FRAME - 1, 0xab), 0);
	assert_int_equal(words[WORDS - 1] >> 56, 0xab);
	flt_object_close(object);
	is_alone();
}

static void reaches_nothing_else(uint32_t flags)
{
	static const uint64_t places[] = {WORDS, WORDS + 1, UINT32_MAX, 1ull << 61, UINT64_MAX};
	struct flt_object *object = open_whole();

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(call(object, "reads", flags, places[i], 0), 4711);
		(void)call(object, "writes", flags, places[i], 1);
		(void)call(object, "adds", flags, places[i], 1);
		(void)call(object, "writes_byte", flags, 8 * places[i] + 8192, 1);
	}
	flt_object_close(object);
	is_alone();
}

static void variables(void **state)
{
	reaches_all_of_it(0);
	reaches_all_of_it(FLT_LOAD_INTERPRET);
	reaches_nothing_else(0);
	reaches_nothing_else(FLT_LOAD_INTERPRET);
}

static void refused(void **state)
{
	static const struct {
		const char *function, *reason;
	} cases[] = {
	        {"reads_beyond", "access of 8 bytes at offset 8192 of a value"},
	        {"reads_before", "access before the start"},
	        {"reads_anywhere", "without bounds"},
	        {"writes_half_beyond", "access of 8 bytes at offset 8188 of a value"},
	        {"looks_twice", "without bounds"},
	        {"adds_askew", "misaligned atomic operation"},
	        {"tells_where", "returns a pointer"},
	        {"keeps_a_pointer", "stored where others could read it"},
	        {"follows", "a number: no memory"},
	};
	struct flt_object *object = open_whole();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flt_program *program;
		struct flt_error error;
		int code = flt_program_load_object(object, cases[i].function, 0, &program, &error);

		if (code != FLT_E_REFUSED || !strstr(error.reason, cases[i].reason))
			fail_msg("%s: %d, %s", cases[i].function, code, error.reason);
	}
	flt_object_close(object);
}

/* In pieces, with a hole, or where atomic operations would not be: there is no address. */
static void pieces(void **state)
{
	uint8_t *const bytes = (uint8_t *)words;
	uint8_t *const given[][2] = {{bytes, NULL},
	                             {NULL, bytes},
	                             {NULL, NULL},
	                             {bytes + FRAME, bytes},
	                             {bytes, bytes + (size_t)2 * FRAME},
	                             {bytes, bytes},
	                             {bytes + 4, bytes + 4 + FRAME}};
	struct flt_object *object = open_object();
	struct flt_program *program;
	struct flt_error error;

	for (unsigned i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		assert_int_equal(give(object, 0, given[i][0]), 0);
		assert_int_equal(give(object, 1, given[i][1]), 0);
		assert_int_equal(flt_program_load_object(object, "writes", 0, &program, &error),
		                 FLT_E_REFUSED);
		assert_non_null(strstr(error.reason, "not in one piece"));
	}
	flt_object_close(object);
}

/* A program's address stays right. */
static void frames_stay(void **state)
{
	struct flt_object *object = open_whole();
	struct flt_program *program = load(object, "writes", 0);

	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(give(object, i, NULL), FLT_E_INVALID);
		assert_int_equal(give(object, i, memory), FLT_E_INVALID);
	}
	flt_program_free(program);
	assert_int_equal(give(object, 0, memory), FLT_E_INVALID); /* another may be loaded yet */
	flt_object_close(object);
}

/* Somebody else writes all the time: what was compared is what is used. */
static void *scribble(void *stop)
{
	for (uint64_t i = 0; !__atomic_load_n((bool *)stop, __ATOMIC_RELAXED); i++)
		__atomic_store_n(&words[3], i & 1 ? 3 : UINT64_MAX / 2, __ATOMIC_RELAXED);
	return NULL;
}

static void others_write(void **state)
{
	struct flt_object *object = open_whole();
	struct flt_program *programs[] = {load(object, "looks_up", 0),
	                                  load(object, "looks_up", FLT_LOAD_INTERPRET)};
	const uint64_t at[] = {3};
	bool stop = false;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, scribble, &stop), 0);
	for (unsigned i = 0; i < TIMES; i++) {
		uint64_t result = flt_program_call(programs[i % 2], at);

		assert_true(result == 0 || result == 4711);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	flt_program_free(programs[0]);
	flt_program_free(programs[1]);
	flt_object_close(object);
	is_alone();
}

static int start(void **state)
{
	flt_host_init(true);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(variables),    cmocka_unit_test(refused),
	        cmocka_unit_test(pieces),       cmocka_unit_test(frames_stay),
	        cmocka_unit_test(others_write),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
