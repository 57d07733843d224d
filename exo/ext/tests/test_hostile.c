/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions that want what they must not have: refused with a reason, or harmless. What hostile
 * objects and keys do is in test_link.c, what hostile packets' handlers do in test_packet.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../ext.h"
#include "common.h"

enum { ALICE = 2, BOB = 3, CAROL = 4 };

static int start(void **state)
{
	world_start();
	return 0;
}

static int tear_down(void **state)
{
	for (uint32_t env = ALICE; env <= CAROL; env++)
		test_end(env);
	assert_int_equal(world_pins(), 0);
	return 0;
}

static int64_t resolve(uint32_t env, int importer, int exporter)
{
	struct exo_ext_resolve arg = {.importer = (uint32_t)importer,
	                              .exporter = (uint32_t)exporter,
	                              .error = (uintptr_t)test_reason,
	                              .error_size = sizeof(test_reason)};
	int64_t error = test_ext(env, EXO_EXT_RESOLVE, &arg);

	return error ? error : arg.resolved;
}

static int64_t invoke(uint32_t env, int ref, const char *name, uint64_t a)
{
	struct exo_ext_invoke arg = {.ref = (uint32_t)ref, .arguments = {a}};
	int64_t error;

	snprintf(arg.function, sizeof(arg.function), "%s", name);
	error = test_ext(env, EXO_EXT_INVOKE, &arg);
	return error ? error : (int64_t)arg.result;
}

static int make_core(uint32_t env)
{
	struct exo_ext_core arg = {0};

	assert_int_equal(test_ext(env, EXO_EXT_CORE, &arg), 0);
	return (int)arg.ref;
}

static uint64_t frames; /* two: the arena, and what lies behind it */

static int make_hostile(uint32_t env)
{
	uint32_t size;
	const void *bytes = test_object("link-hostile", &size);

	frames = world_frames(env, 2, 0x77);
	return test_create_bytes(env, bytes, size, frames, 1);
}

/* Binds a function to an event, to have the verifier's reason. */
static int64_t try(uint32_t env, int ref, const char *function)
{
	struct exo_ext_handle arg = {.ref = (uint32_t)ref,
	                             .event = EXO_EXT_TIMER,
	                             .error = (uintptr_t)test_reason,
	                             .error_size = sizeof(test_reason)};

	test_reason[0] = '\0';
	snprintf(arg.function, sizeof(arg.function), "%s", function);
	return test_ext(env, EXO_EXT_HANDLE, &arg);
}

static void are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *function, *reason;
	} cases[] = {
	        {"loops", "endless loop"},
	        {"leaks_by_result", "returns a pointer"},
	        {"leaks_by_map", "stored where others could read it"},
	        {"leaks_by_service", "a number is wanted"},
	        {"writes_outside", "access of 8 bytes at offset"},
	};
	int core = make_core(ALICE), ref = make_hostile(ALICE);

	assert_int_equal(try(ALICE, ref, "leaks_by_service"), -EXO_EVERIFY);
	assert_non_null(strstr(test_reason, "not in the object")); /* nobody is linked to it */
	assert_int_equal(resolve(ALICE, ref, core), 1);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(try(ALICE, ref, cases[i].function), -EXO_EVERIFY);
		if (!strstr(test_reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].function, test_reason);
		assert_int_equal(invoke(ALICE, ref, cases[i].function, 0), -EXO_EVERIFY);
	}
}

static void write_inside_what_was_pinned(void **state)
{
	int core = make_core(ALICE), ref = make_hostile(ALICE);
	const uint8_t *bytes = world_memory(frames * 4096);

	assert_int_equal(resolve(ALICE, ref, core), 1);
	assert_int_equal(invoke(ALICE, ref, "writes_arena", 4088), 0);
	assert_int_equal(bytes[4095], 0x5a);
	for (uint64_t offset = 4089; offset < 4100; offset++)
		assert_int_not_equal(invoke(ALICE, ref, "writes_arena", offset), 0);
	assert_int_not_equal(invoke(ALICE, ref, "writes_arena", UINT64_MAX - 3), 0);
	for (unsigned i = 4096; i < 8192; i++)
		assert_int_equal(bytes[i], 0x77);
}

/* Two frames that an object has variables in, between two that it has not. */
static void variables_stay_in_what_was_pinned(void **state)
{
	static const char *const refused[] = {"reads_beyond",   "reads_before",
	                                      "reads_anywhere", "writes_half_beyond",
	                                      "looks_twice",    "follows"};
	uint64_t first = world_frames(ALICE, 4, 0x77);
	uint8_t *bytes = world_memory(first * 4096);
	uint32_t size;
	const void *object = test_object("link-arena", &size);
	int ref;

	assert_int_equal(test_create_bytes(ALICE, object, size, first + 1, 1), -EXO_EINVAL);
	assert_int_equal(test_create_bytes(BOB, object, size, first + 1, 2), -EXO_EPERM);
	ref = test_create_bytes(ALICE, object, size, first + 1, 2);
	assert_int_equal(world_pins(), 2);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(invoke(ALICE, ref, refused[i], 0), -EXO_EVERIFY);
	for (uint64_t i = 1020; i < 1030; i++) {
		(void)invoke(ALICE, ref, "writes", i);
		(void)invoke(ALICE, ref, "adds", UINT64_MAX - i);
		(void)invoke(ALICE, ref, "writes_byte", 8 * i);
	}
	assert_int_equal(bytes[3 * 4096 - 8], 0);
	for (unsigned i = 0; i < 4096; i++) {
		assert_int_equal(bytes[i], 0x77);
		assert_int_equal(bytes[3 * 4096 + i], 0x77);
	}
}

/* Who exports a service's name is used by who resolves against it, and by nobody else. */
static void squat_on_names_in_vain(void **state)
{
	int core = make_core(ALICE), squatter = make_hostile(ALICE), user;
	struct exo_ext_combine both = {
	        .name = "both", .a = (uint32_t)core, .b = (uint32_t)squatter};

	assert_int_equal(resolve(ALICE, squatter, core), 1);
	user = test_create(ALICE, "link-service");
	assert_int_equal(test_ext(ALICE, EXO_EXT_COMBINE, &both), -EXO_EBUSY);
	assert_int_equal(resolve(ALICE, user, squatter), -EXO_EVERIFY);
	assert_non_null(strstr(test_reason, "types"));
	assert_true(resolve(ALICE, user, core) > 0);
	assert_int_equal(resolve(ALICE, user, squatter), 0); /* what is linked stays */
	assert_int_not_equal(invoke(ALICE, user, "give_back", 1), 4711);
}

static void make_no_circles(void **state)
{
	int ping = test_create(ALICE, "link-ping"), pong = test_create(ALICE, "link-pong");

	for (int i = 0; i < 2; i++) {
		assert_int_equal(resolve(ALICE, ping, pong), -EXO_EAGAIN);
		assert_int_equal(resolve(ALICE, pong, ping), -EXO_EAGAIN);
	}
	assert_int_equal(invoke(ALICE, ping, "ping", 1000), -EXO_EAGAIN);
}

static unsigned fill(uint32_t env)
{
	unsigned n = 0;

	while (test_create(env, "syn_cookie") >= 0)
		n++;
	return n;
}

/* The kernel's heap is for others, too: however many try, extensions get a share of it. */
static void do_not_use_up_the_heap(void **state)
{
	unsigned first = fill(ALICE), then = fill(BOB) + fill(CAROL);

	assert_true(first > 1);
	assert_true(then < first);
	test_end(ALICE);
	assert_true(test_create(CAROL, "syn_cookie") >= 0);
}

static unsigned pauses;

static void leave_section(void)
{
	if (pauses++ == 0)
		ext_section_end(1);
}

/* Another core's handler may wait for this core to forget what it mapped. */
static void who_waits_for_handlers_serves_their_cores(void **state)
{
	world_pause = leave_section;
	ext_section_begin(1);
	ext_quiesce();
	world_pause = NULL;
	assert_int_not_equal(pauses, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
	const struct CMUnitTest tests[] = {
	        CASE(are_refused_with_a_reason),
	        CASE(write_inside_what_was_pinned),
	        CASE(variables_stay_in_what_was_pinned),
	        CASE(squat_on_names_in_vain),
	        CASE(make_no_circles),
	        CASE(do_not_use_up_the_heap),
	        CASE(who_waits_for_handlers_serves_their_cores),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
