/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions that call each other: linked by name and type, by who has a key, and ended in any
 * order, also while a core is inside.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <flt/program.h>

#include "../../core/cap.h"
#include "common.h"

enum { ALICE = 2, BOB = 3, CAROL = 4 };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001 };

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
	assert_int_equal(world_mbufs(), 0);
	return 0;
}

static int resolve(uint32_t env, int importer, int exporter, uint32_t *missing)
{
	struct exo_ext_resolve arg = {.importer = (uint32_t)importer,
	                              .exporter = (uint32_t)exporter,
	                              .error = (uintptr_t)test_reason,
	                              .error_size = sizeof(test_reason)};
	int64_t error = test_ext(env, EXO_EXT_RESOLVE, &arg);

	if (missing)
		*missing = arg.missing;
	return error ? (int)error : (int)arg.resolved;
}

static int64_t invoke(uint32_t env, int ref, const char *name, uint64_t a, uint64_t b)
{
	struct exo_ext_invoke arg = {.ref = (uint32_t)ref, .arguments = {a, b}};
	int64_t error;

	snprintf(arg.function, sizeof(arg.function), "%s", name);
	error = test_ext(env, EXO_EXT_INVOKE, &arg);
	return error ? error : (int64_t)arg.result;
}

/* What `from` has, as a reference of `to`. */
static int share(uint32_t from, int ref, uint32_t to)
{
	struct exo_ext_key key = {.ref = (uint32_t)ref};
	struct exo_ext_open open;

	assert_int_equal(test_ext(from, EXO_EXT_KEY, &key), 0);
	open.cap = key.out;
	open.cap.holder = to; /* as EXO_CALL_GRANT derives it */
	open.cap.rights = EXO_RIGHT_CALL;
	cap_seal(&open.cap);
	assert_int_equal(test_ext(to, EXO_EXT_OPEN, &open), 0);
	return (int)open.ref;
}

static int combine(uint32_t env, int a, int b)
{
	struct exo_ext_combine arg = {.name = "both", .a = (uint32_t)a, .b = (uint32_t)b};
	int64_t error = test_ext(env, EXO_EXT_COMBINE, &arg);

	return error ? (int)error : (int)arg.ref;
}

static int drop(uint32_t env, int ref)
{
	struct exo_ext_ref arg = {.ref = (uint32_t)ref};

	return (int)test_ext(env, EXO_EXT_DROP, &arg);
}

static void links_by_name_and_type(void **state)
{
	int caller = test_create(ALICE, "link-caller"), callee = test_create(ALICE, "link-callee");
	uint32_t missing;

	assert_int_equal(invoke(ALICE, caller, "deeper", 5, 0), -EXO_EAGAIN);
	assert_int_equal(resolve(ALICE, caller, callee, &missing), 3);
	assert_int_equal(missing, 0);
	assert_int_equal(invoke(ALICE, caller, "deeper", 5, 0), 20);
	assert_int_equal(invoke(ALICE, caller, "compute", 30, 80), 220 * 1000 + 801);
	assert_int_equal(invoke(ALICE, callee, "twice", 21, 0), 42);
	assert_int_equal(invoke(ALICE, callee, "add", 1, 2), -EXO_EINVAL); /* takes memory */
	assert_int_equal(invoke(ALICE, callee, "nothing", 1, 2), -EXO_ENOENT);
	assert_int_equal(drop(ALICE, callee), -EXO_EBUSY);
	assert_int_equal(drop(ALICE, caller), 0);
	assert_int_equal(drop(ALICE, callee), 0);
}

static void refuses_other_types(void **state)
{
	int caller = test_create(ALICE, "link-caller"), other = test_create(ALICE, "link-other");

	assert_int_equal(resolve(ALICE, caller, other, NULL), -EXO_EVERIFY);
	assert_non_null(strstr(test_reason, "types"));
	assert_int_equal(invoke(ALICE, caller, "deeper", 5, 0), -EXO_EAGAIN);
}

static void refuses_circles(void **state)
{
	int caller = test_create(ALICE, "link-caller"), again = test_create(ALICE, "link-caller");
	uint32_t missing;

	/* Neither defines what the other wants; and none links to itself. */
	assert_int_equal(resolve(ALICE, caller, again, &missing), 0);
	assert_int_equal(missing, 3);
	assert_int_equal(resolve(ALICE, caller, caller, NULL), 0);
	assert_int_equal(resolve(ALICE, caller, 40, NULL), -EXO_ENOENT);
	assert_int_equal(resolve(ALICE, 64, caller, NULL), -EXO_ENOENT);
}

static void shares_by_keys_only(void **state)
{
	int callee = test_create(ALICE, "link-callee"), caller = test_create(BOB, "link-caller");
	struct exo_ext_open open = {.cap = {.kind = EXO_KIND_EXTENSION, .count = 1, .first = 1}};
	int shared;

	assert_int_equal(test_ext(BOB, EXO_EXT_OPEN, &open), -EXO_EKEY);
	assert_int_equal(resolve(BOB, caller, callee + 1, NULL), -EXO_ENOENT);
	shared = share(ALICE, callee, BOB);
	assert_int_equal(resolve(BOB, caller, shared, NULL), 3);
	assert_int_equal(invoke(BOB, caller, "deeper", 5, 0), 20);
	assert_int_equal(invoke(BOB, shared, "twice", 4, 0), 8);
	/* A key lets Bob call; it does not let him change, bind or hand it on. */
	assert_int_equal(resolve(BOB, shared, caller, NULL), -EXO_EPERM);
	assert_int_equal(test_map(BOB, shared, EXO_EXT_MAP_NEXT, "x", NULL, 0, &open, 4),
	                 -EXO_EPERM);
	{
		struct exo_ext_key key = {.ref = (uint32_t)shared};

		assert_int_equal(test_ext(BOB, EXO_EXT_KEY, &key), -EXO_EPERM);
	}
}

/* Two applications, each with its own caller, share one callee; its maker's end unlinks both. */
static void an_exporters_end_unlinks_everybody(void **state)
{
	int callee = test_create(ALICE, "link-callee"), bobs = test_create(BOB, "link-caller"),
	    carols = test_create(CAROL, "link-caller");
	int for_bob = share(ALICE, callee, BOB), for_carol = share(ALICE, callee, CAROL);
	int own;

	assert_int_equal(resolve(BOB, bobs, for_bob, NULL), 3);
	assert_int_equal(resolve(CAROL, carols, for_carol, NULL), 3);
	assert_int_equal(invoke(BOB, bobs, "deeper", 5, 0), 20);
	assert_int_equal(invoke(CAROL, carols, "deeper", 6, 0), 24);
	test_end(BOB);
	assert_int_equal(invoke(CAROL, carols, "deeper", 6, 0), 24);
	test_end(ALICE);
	assert_int_equal(invoke(CAROL, carols, "deeper", 6, 0), -EXO_EAGAIN);
	assert_int_equal(invoke(CAROL, for_carol, "twice", 6, 0), -EXO_ENOENT);
	own = test_create(CAROL, "link-callee");
	assert_int_equal(resolve(CAROL, carols, own, NULL), 3);
	assert_int_equal(invoke(CAROL, carols, "deeper", 6, 0), 24);
}

static void combines_exports(void **state)
{
	int callee = test_create(ALICE, "link-callee"), caller = test_create(ALICE, "link-caller");
	int other = test_create(ALICE, "link-other"), both, third;

	assert_int_equal(combine(ALICE, callee, other), -EXO_EBUSY); /* both have `add` */
	both = combine(ALICE, callee, caller);
	assert_true(both >= 0);
	assert_int_equal(invoke(ALICE, both, "twice", 4, 0), 8);
	assert_int_equal(resolve(ALICE, caller, both, NULL), 3);
	assert_int_equal(invoke(ALICE, both, "deeper", 4, 0), 16);
	third = test_create(BOB, "link-caller");
	assert_int_equal(resolve(BOB, third, share(ALICE, both, BOB), NULL), 3);
	assert_int_equal(invoke(BOB, third, "deeper", 1, 0), 4);
}

static void a_combination_ends_with_its_parts(void **state)
{
	int callee = test_create(ALICE, "link-callee"), mine = test_create(BOB, "link-caller");
	int both = combine(BOB, share(ALICE, callee, BOB), mine);

	assert_true(both >= 0);
	assert_int_equal(invoke(BOB, both, "twice", 4, 0), 8);
	test_end(ALICE);
	assert_int_equal(invoke(BOB, both, "twice", 4, 0), -EXO_ENOENT);
	assert_int_equal(drop(BOB, both), 0);
	assert_int_equal(drop(BOB, mine), 0);
}

/* Bob calls what is Alice's, on another core, while she ends and begins anew. */
static volatile bool stop;

static void *keep_calling(void *arg)
{
	uint64_t calls = 0;

	world_core_set(1);
	while (!stop) {
		int64_t result = invoke(BOB, *(int *)arg, "deeper", 5, 0);

		assert_true(result == 20 || result == -EXO_EAGAIN);
		calls += result == 20;
	}
	return (void *)(uintptr_t)calls;
}

/* The other core may be building the importer. */
static void resolve_all(int importer, int exporter)
{
	uint32_t missing = 1;

	while (missing) {
		int resolved = resolve(BOB, importer, exporter, &missing);

		assert_true(resolved >= 0 || resolved == -EXO_EAGAIN);
		missing = resolved < 0 ? 1 : missing;
	}
}

static void unloads_while_calls_run(void **state)
{
	int caller = test_create(BOB, "link-caller");
	pthread_t thread;
	void *calls;

	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, keep_calling, &caller), 0);
	for (int i = 0; i < 200; i++) {
		int callee = test_create(ALICE, "link-callee");

		resolve_all(caller, share(ALICE, callee, BOB));
		for (int k = 0; k < 20; k++) {
			int64_t result = invoke(BOB, caller, "deeper", 5, 0);

			assert_true(result == 20 || result == -EXO_EAGAIN);
		}
		if (i % 2) {
			struct exo_ext_ref arg = {.ref = (uint32_t)callee};

			assert_int_equal(test_ext(ALICE, EXO_EXT_UNLOAD, &arg), 0);
		}
		test_end(ALICE);
	}
	stop = true;
	pthread_join(thread, &calls);
	assert_non_null(calls);
}

/* An extension ends whoever uses it; others' references go with it. */
static void unloads_one(void **state)
{
	int callee = test_create(ALICE, "link-callee"), mine = test_create(ALICE, "link-caller"),
	    bobs = test_create(BOB, "link-caller");
	int shared = share(ALICE, callee, BOB);
	struct exo_ext_ref arg = {.ref = (uint32_t)callee}, foreign = {.ref = (uint32_t)shared};

	assert_int_equal(resolve(BOB, bobs, shared, NULL), 3);
	assert_int_equal(resolve(ALICE, mine, callee, NULL), 3);
	assert_int_equal(invoke(BOB, bobs, "deeper", 5, 0), 20);
	assert_int_equal(test_ext(BOB, EXO_EXT_UNLOAD, &foreign), -EXO_EPERM);
	assert_int_equal(drop(ALICE, callee), -EXO_EBUSY);
	assert_int_equal(test_ext(ALICE, EXO_EXT_UNLOAD, &arg), 0);
	assert_int_equal(test_ext(ALICE, EXO_EXT_UNLOAD, &arg), -EXO_ENOENT);
	assert_int_equal(invoke(BOB, bobs, "deeper", 5, 0), -EXO_EAGAIN);
	assert_int_equal(invoke(BOB, shared, "twice", 5, 0), -EXO_ENOENT);
	callee = test_create(ALICE, "link-callee");
	assert_int_equal(resolve(ALICE, mine, callee, NULL), 3);
	assert_int_equal(invoke(ALICE, mine, "deeper", 5, 0), 20);
}

/* Something happens on another core while RESOLVE looks at an import's types. */
static void (*meanwhile)(void);

int __real_flt_object_import_signature(const struct flt_object *object, const char *name,
                                       struct flt_signature *signature, struct flt_error *error);
int __wrap_flt_object_import_signature(const struct flt_object *object, const char *name,
                                       struct flt_signature *signature, struct flt_error *error);
int __wrap_flt_object_import_signature(const struct flt_object *object, const char *name,
                                       struct flt_signature *signature, struct flt_error *error)
{
	void (*happens)(void) = meanwhile;

	meanwhile = NULL;
	if (happens)
		happens();
	return __real_flt_object_import_signature(object, name, signature, error);
}

static int going;

static void unload_it(void)
{
	struct exo_ext_ref arg = {.ref = (uint32_t)going};

	assert_int_equal(test_ext(ALICE, EXO_EXT_UNLOAD, &arg), 0);
}

/* Nobody is linked to code that is gone. */
static void unloads_while_somebody_resolves(void **state)
{
	int bobs = test_create(BOB, "link-caller"), shared;
	uint32_t missing;

	for (int built = 0; built < 2; built++) {
		going = test_create(ALICE, "link-callee");
		shared = share(ALICE, going, BOB);
		if (built)
			assert_int_equal(invoke(ALICE, going, "twice", 5, 0), 10);
		meanwhile = unload_it;
		assert_int_equal(resolve(BOB, bobs, shared, &missing), -EXO_EAGAIN);
		assert_null(meanwhile);
		assert_int_equal(missing, 3);
		assert_int_equal(invoke(BOB, bobs, "deeper", 5, 0), -EXO_EAGAIN);
	}
	going = test_create(ALICE, "link-callee");
	assert_int_equal(resolve(BOB, bobs, share(ALICE, going, BOB), NULL), 3);
	assert_int_equal(invoke(BOB, bobs, "deeper", 5, 0), 20);
}

/* Likewise while somebody waits until nobody runs what ends. */
static void (*while_waiting)(void);

void __real_ext_quiesce(void);
void __wrap_ext_quiesce(void);
void __wrap_ext_quiesce(void)
{
	void (*happens)(void) = while_waiting;

	while_waiting = NULL;
	if (happens)
		happens();
	__real_ext_quiesce();
}

/* Who is linked last holds what was unloaded meanwhile. */
static void unloads_while_an_importer_ends(void **state)
{
	long before = 0;

	for (int i = 0; i < 3; i++) {
		int bobs = test_create(BOB, "link-caller");

		going = test_create(ALICE, "link-callee");
		assert_int_equal(resolve(BOB, bobs, share(ALICE, going, BOB), NULL), 3);
		while_waiting = unload_it;
		assert_int_equal(drop(BOB, bobs), 0);
		assert_null(while_waiting);
		test_end(ALICE);
		test_end(BOB);
		if (i == 0) /* the first time what stays is made, too */
			before = world_allocations();
	}
	assert_int_equal(world_allocations(), before);
}

/* An environment's own interfaces among domains (SPIN's CreateFromModule). */
static int create_module(uint32_t env, const char *object)
{
	uint32_t size;
	const void *bytes = test_object(object, &size);
	struct exo_ext_create arg = {.name = "module",
	                             .object = (uintptr_t)bytes,
	                             .size = size,
	                             .flags = EXO_EXT_MODULE,
	                             .error = (uintptr_t)test_reason,
	                             .error_size = sizeof(test_reason)};
	int64_t error = test_ext(env, EXO_EXT_CREATE, &arg);

	return error ? (int)error : (int)arg.ref;
}

static void a_module_gets_letters(void **state)
{
	static struct pe pe;
	int module, teller = test_create(BOB, "link-teller");
	uint32_t missing;

	world_env(ALICE)->pes = &pe;
	module = create_module(ALICE, "link-module");
	assert_true(module >= 0);
	assert_int_equal(resolve(BOB, teller, share(ALICE, module, BOB), &missing), 2);
	assert_int_equal(missing, 0);
	test_letter.n = 0;
	assert_int_equal(invoke(BOB, teller, "say", 7, 0), 0);
	assert_int_equal(test_letter.n, 1);
	assert_true(test_letter.in_section);
	assert_int_equal(test_letter.from, BOB);
	assert_int_equal(test_letter.args[0], 0); /* the first function of the module */
	assert_int_equal(test_letter.args[1], 7);
	assert_int_equal(test_letter.args[2], 8);
	assert_int_equal(invoke(BOB, teller, "shout", 0, 0), 0);
	assert_int_equal(test_letter.args[0], 1);
	assert_int_equal(invoke(ALICE, module, "tell", 3, 4), 0);
	assert_int_equal(test_letter.args[1], 3);
	assert_true(test_letter.in_section);
	assert_int_equal(test_letter.n, 3);
	test_end(ALICE);
	assert_int_equal(invoke(BOB, teller, "say", 7, 0), -EXO_EAGAIN);
	assert_int_equal(test_letter.n, 3);
	world_env(ALICE)->pes = NULL;
}

static void a_module_calls_what_it_imports(void **state)
{
	int module = create_module(ALICE, "link-module"), other, callee;

	other = test_create(ALICE, "link-other");
	callee = test_create(ALICE, "link-callee");
	assert_int_equal(invoke(ALICE, module, "twice", 21, 0), -EXO_EAGAIN);
	assert_int_equal(resolve(ALICE, module, other, NULL), -EXO_EVERIFY); /* other types */
	assert_int_equal(resolve(ALICE, module, callee, NULL), 1);
	assert_int_equal(invoke(ALICE, module, "twice", 21, 0), 42);
	assert_int_equal(invoke(ALICE, module, "show", 1, 0), -EXO_EVERIFY); /* takes memory */
}

/* What an extension takes of the kernel's memory comes off its maker's limit. */
static void charges_its_memory(void **state)
{
	const struct exo_account *account = world_env(ALICE)->account;
	uint64_t before = account->frames_max, with;
	int callee = test_create(ALICE, "link-callee"), caller = test_create(ALICE, "link-caller");

	with = account->frames_max;
	assert_true(with < before);
	assert_int_equal(resolve(ALICE, caller, callee, NULL), 3);
	assert_int_equal(invoke(ALICE, caller, "compute", 5, 0) > 0, true);
	assert_true(account->frames_max <= with);
	assert_int_equal(drop(ALICE, caller), 0);
	assert_int_equal(drop(ALICE, callee), 0);
	assert_int_equal(account->frames_max, before);
	world_env(ALICE)->account->frames_max = 1;
	assert_int_equal(test_create(ALICE, "link-callee"), -EXO_ENOMEM);
	assert_int_equal(account->frames_max, 1);
	world_env(ALICE)->account->frames_max = before;
}

/* Objects that are cut, and with bytes changed: refused, or harmless. */
static void survives_hostile_objects(void **state)
{
	static uint8_t bytes[1 << 16];
	uint32_t size, seed = 1;
	int callee = test_create(ALICE, "link-callee");

	memcpy(bytes, test_object("link-caller", &size),
	       sizeof(bytes) < size ? sizeof(bytes) : size);
	for (uint32_t i = 0; i < 400; i++) {
		uint8_t changed[1 << 16];
		uint32_t length = i % 4 ? size : size * (i % 97) / 97;
		int ref;

		memcpy(changed, bytes, size);
		for (uint32_t k = 0; k < 1 + i % 8; k++) {
			seed = seed * 1664525 + 1013904223;
			changed[(seed >> 8) % size] = (uint8_t)(seed >> 24);
		}
		ref = test_create_bytes(BOB, changed, length, 0, 0);
		if (ref < 0)
			continue;
		(void)resolve(BOB, ref, share(ALICE, callee, BOB), NULL);
		(void)invoke(BOB, ref, "deeper", 5, 0);
		test_end(BOB);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
	const struct CMUnitTest tests[] = {
	        CASE(links_by_name_and_type),
	        CASE(refuses_other_types),
	        CASE(refuses_circles),
	        CASE(shares_by_keys_only),
	        CASE(an_exporters_end_unlinks_everybody),
	        CASE(combines_exports),
	        CASE(a_combination_ends_with_its_parts),
	        CASE(unloads_while_calls_run),
	        CASE(unloads_one),
	        CASE(unloads_while_somebody_resolves),
	        CASE(unloads_while_an_importer_ends),
	        CASE(a_module_gets_letters),
	        CASE(a_module_calls_what_it_imports),
	        CASE(charges_its_memory),
	        CASE(survives_hostile_objects),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
