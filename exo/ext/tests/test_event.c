/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of environments: who may handle them, in which order, behind which guards; and their ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/cap.h"
#include "../../core/hooks.h"
#include "common.h"

enum { ALICE = 2, BOB = 3 };

static int start(void **state)
{
	world_start();
	return 0;
}

static int tear_down(void **state)
{
	test_end(ALICE);
	test_end(BOB);
	assert_null(world_env(ALICE)->events);
	return 0;
}

/* A handler of an event; a target of 0: the environment's own. */
static int64_t handle(uint32_t env, int ref, uint32_t event, const char *function,
                      const char *guard, int32_t priority, uint64_t target)
{
	struct exo_ext_handle arg = {.ref = (uint32_t)ref,
	                             .event = event,
	                             .target = target,
	                             .priority = priority,
	                             .error = (uintptr_t)test_reason,
	                             .error_size = sizeof(test_reason)};
	int64_t error;

	snprintf(arg.function, sizeof(arg.function), "%s", function);
	snprintf(arg.guard, sizeof(arg.guard), "%s", guard);
	error = test_ext(env, EXO_EXT_HANDLE, &arg);
	return error ? error : (int64_t)arg.id;
}

static uint64_t seen(uint32_t env, int ref, uint32_t i)
{
	uint64_t value = 0;

	assert_int_equal(test_map(env, ref, EXO_EXT_MAP_LOOKUP, "seen", &i, 4, &value, 8), 0);
	return value;
}

static int release(uint32_t env, int64_t id)
{
	struct exo_ext_release arg = {.id = (uint64_t)id};

	return (int)test_ext(env, EXO_EXT_RELEASE, &arg);
}

static struct exo_cap key_to(uint32_t env, uint32_t holder, uint16_t rights)
{
	struct exo_cap cap = {
	        .kind = EXO_KIND_ENV, .rights = rights, .holder = holder, .first = env, .count = 1};

	cap_seal(&cap);
	return cap;
}

static void runs_with_what_happened(void **state)
{
	int ref = test_create(ALICE, "link-events");
	int64_t id = handle(ALICE, ref, EXO_EXT_TIMER, "note", "", 0, 0);
	struct exo_ext_line line;

	assert_true(id > 0);
	core_raise(world_env(ALICE), EXO_EXT_TIMER, 7, 8, 9);
	core_raise(world_env(ALICE), EXO_EXT_START, 1, 1, 1); /* another event */
	core_raise(world_env(BOB), EXO_EXT_TIMER, 1, 1, 1);   /* another's */
	assert_int_equal(seen(ALICE, ref, 0), 1);
	assert_int_equal(seen(ALICE, ref, 1), ALICE);
	assert_int_equal(seen(ALICE, ref, 2), 7);
	assert_int_equal(seen(ALICE, ref, 4), 9);
	assert_true(test_line(ALICE, (uint64_t)id, &line));
	assert_int_equal(line.runs, 1);
	assert_int_equal(line.event, EXO_EXT_TIMER);
	assert_int_equal(release(ALICE, id), 0);
	core_raise(world_env(ALICE), EXO_EXT_TIMER, 7, 8, 9);
	assert_int_equal(seen(ALICE, ref, 0), 1);
}

static void runs_in_order_until_one_stops(void **state)
{
	int ref = test_create(ALICE, "link-events");
	int64_t late = handle(ALICE, ref, EXO_EXT_FAULT, "note", "", 1, 0);

	assert_true(late > 0);
	assert_true(handle(ALICE, ref, EXO_EXT_FAULT, "second", "", 5, 0) > 0);
	assert_true(handle(ALICE, ref, EXO_EXT_FAULT, "first", "", 9, 0) > 0);
	core_raise(world_env(ALICE), EXO_EXT_FAULT, 0, 0, 0);
	assert_int_equal(seen(ALICE, ref, 5), 12);
	assert_int_equal(seen(ALICE, ref, 0), 0);
	assert_true(world_events[ALICE] & EXO_EVENT_HANDLER);
}

static void asks_guards_first(void **state)
{
	int ref = test_create(ALICE, "link-events");
	int64_t id = handle(ALICE, ref, EXO_EXT_TIMER, "note", "is_even", 0, 0);
	struct exo_ext_line line;

	assert_true(id > 0);
	for (uint64_t i = 0; i < 10; i++)
		core_raise(world_env(ALICE), EXO_EXT_TIMER, i, 0, 0);
	assert_int_equal(seen(ALICE, ref, 0), 5);
	assert_int_equal(seen(ALICE, ref, 2), 8);
	assert_true(test_line(ALICE, (uint64_t)id, &line));
	assert_int_equal(line.runs, 5);
	assert_int_equal(line.passed, 5);
}

static void others_need_a_key_or_leave(void **state)
{
	int ref = test_create(BOB, "link-events");
	struct exo_cap control = key_to(ALICE, BOB, EXO_RIGHT_CONTROL | EXO_RIGHT_CALL);
	struct exo_cap call = key_to(ALICE, BOB, EXO_RIGHT_CALL), forged = call;
	struct exo_ext_admit admit = {.event = EXO_EXT_TIMER, .n_max = 1, .budget_max = 4096};
	int64_t id;

	forged.first = BOB;
	assert_int_equal(handle(BOB, ref, EXO_EXT_TIMER, "note", "", 0, (uintptr_t)&forged),
	                 -EXO_EKEY);
	assert_int_equal(handle(BOB, ref, EXO_EXT_TIMER, "note", "", 0, (uintptr_t)&call),
	                 -EXO_EPERM);
	assert_int_equal(test_ext(ALICE, EXO_EXT_ADMIT, &admit), 0);
	id = handle(BOB, ref, EXO_EXT_TIMER, "note", "", 0, (uintptr_t)&call);
	assert_true(id > 0);
	assert_int_equal(handle(BOB, ref, EXO_EXT_TIMER, "first", "", 0, (uintptr_t)&call),
	                 -EXO_EBUSY);
	assert_int_equal(release(BOB, id), 0);
	admit.budget_max = 5; /* constrained: it costs more */
	assert_int_equal(test_ext(ALICE, EXO_EXT_ADMIT, &admit), 0);
	assert_int_equal(handle(BOB, ref, EXO_EXT_TIMER, "note", "", 0, (uintptr_t)&call),
	                 -EXO_EPERM);
	assert_true(handle(BOB, ref, EXO_EXT_TIMER, "note", "", 0, (uintptr_t)&control) > 0);
	core_raise(world_env(ALICE), EXO_EXT_TIMER, 3, 0, 0);
	assert_int_equal(seen(BOB, ref, 1), ALICE);
}

static void tells_of_the_end(void **state)
{
	int ref = test_create(BOB, "link-events");
	struct exo_cap control = key_to(ALICE, BOB, EXO_RIGHT_CONTROL | EXO_RIGHT_CALL);
	int64_t id = handle(BOB, ref, EXO_EXT_END, "note", "", 0, (uintptr_t)&control);
	struct exo_ext_line line;

	assert_true(id > 0);
	world_env(ALICE)->state = EXO_ENV_KILLED;
	test_end(ALICE);
	world_env(ALICE)->state = EXO_ENV_NEW;
	assert_int_equal(seen(BOB, ref, 1), ALICE);
	assert_int_equal(seen(BOB, ref, 2), EXO_ENV_KILLED);
	assert_true(test_line(BOB, (uint64_t)id, &line));
	assert_int_equal(line.target, 0);
	assert_int_equal(release(BOB, id), 0);
}

static void a_call_by_name_is_an_event(void **state)
{
	int ref = test_create(ALICE, "link-events"), bobs = test_create(BOB, "link-events");
	struct exo_ext_invoke invoke = {
	        .ref = (uint32_t)ref, .function = "square", .arguments = {9}};
	struct exo_ext_ref drop = {.ref = (uint32_t)ref};
	int64_t id = handle(ALICE, ref, EXO_EXT_INVOKED, "note", "", 0, (uint64_t)ref);

	assert_true(id > 0);
	assert_int_equal(handle(BOB, bobs, EXO_EXT_INVOKED, "note", "", 0, (uint64_t)ref + 1),
	                 -EXO_ENOENT);
	assert_int_equal(test_ext(ALICE, EXO_EXT_INVOKE, &invoke), 0);
	assert_int_equal(invoke.result, 81);
	assert_int_equal(seen(ALICE, ref, 0), 1);
	assert_int_equal(seen(ALICE, ref, 1), 9);
	assert_int_equal(release(ALICE, id), 0);
	assert_int_equal(test_ext(ALICE, EXO_EXT_INVOKE, &invoke), 0);
	assert_int_equal(seen(ALICE, ref, 0), 1);
	assert_int_equal(test_ext(ALICE, EXO_EXT_DROP, &drop), 0);
}

static void refuses_what_fits_not(void **state)
{
	int ref = test_create(ALICE, "link-events"), udp = test_create(ALICE, "udp_echo");
	int callee = test_create(ALICE, "link-callee");

	assert_int_equal(handle(ALICE, udp, EXO_EXT_TIMER, "udp_echo", "", 0, 0), -EXO_EVERIFY);
	assert_int_equal(handle(ALICE, callee, EXO_EXT_TIMER, "add", "", 0, 0), -EXO_EVERIFY);
	assert_int_equal(handle(ALICE, ref, EXO_EXT_EVENTS, "note", "", 0, 0), -EXO_EINVAL);
	assert_int_equal(handle(ALICE, ref, EXO_EXT_TIMER, "note", "nobody", 0, 0), -EXO_ENOENT);
	assert_null(strstr(test_reason, "budget"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
	const struct CMUnitTest tests[] = {
	        CASE(runs_with_what_happened), CASE(runs_in_order_until_one_stops),
	        CASE(asks_guards_first),       CASE(others_need_a_key_or_leave),
	        CASE(tells_of_the_end),        CASE(a_call_by_name_is_an_event),
	        CASE(refuses_what_fits_not),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
