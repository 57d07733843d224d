/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that call each other: types must be equal, memory must be readable, costs add up, and
 * the call gives the same by machine code and interpreted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <flt/host.h>
#include <flt/program.h>

static struct flt_object *callee, *caller, *other;
static uint32_t flags;

static struct flt_object *open_object(const char *name)
{
	char path[512];
	struct flt_object *object;
	struct flt_error error;

	snprintf(path, sizeof(path), "%s/link-%s.o", getenv("OBJECTS"), name);
	if (flt_host_object_open(path, &object, &error))
		fail_msg("%s: %s", path, error.reason);
	return object;
}

static int start(void **state)
{
	flt_host_init(true);
	callee = open_object("callee");
	caller = open_object("caller");
	other = open_object("other");
	return 0;
}

static int stop(void **state)
{
	flt_object_close(callee);
	flt_object_close(caller);
	flt_object_close(other);
	return 0;
}

/* Programs of an object, loaded as they are asked for. */
struct exports {
	struct flt_object *object;
	uint32_t n;
	struct flt_program *programs[8];
};

static struct flt_program *import(void *arg, const char *name, struct flt_error *error)
{
	struct exports *exports = arg;
	struct flt_load load = {.flags = flags};

	for (uint32_t i = 0; i < exports->n; i++)
		if (!strcmp(flt_program_name(exports->programs[i]), name))
			return exports->programs[i];
	if (flt_program_load(exports->object, name, &load, &exports->programs[exports->n], error))
		return NULL;
	return exports->programs[exports->n++];
}

static void drop(struct exports *exports)
{
	while (exports->n)
		flt_program_free(exports->programs[--exports->n]);
}

static int load(const char *name, struct exports *exports, uint32_t budget,
                struct flt_program **program, struct flt_error *error)
{
	struct flt_load load = {
	        .flags = flags, .budget = budget, .import = import, .import_arg = exports};
	return flt_program_load(caller, name, &load, program, error);
}

static void calls(uint32_t with)
{
	struct exports exports = {.object = callee};
	struct flt_program *program;
	struct flt_error error;
	const uint64_t arguments[] = {30, 80};

	flags = with;
	assert_int_equal(load("compute", &exports, 0, &program, &error), 0);
	assert_int_equal(flt_program_is_native(program), !(with & FLT_LOAD_INTERPRET));
	assert_int_equal(flt_program_call(program, arguments), 220 * 1000 + 800 + 1);
	flt_program_free(program);
	assert_int_equal(load("deeper", &exports, 0, &program, &error), 0);
	assert_int_equal(flt_program_call(program, arguments), 120);
	flt_program_free(program);
	drop(&exports);
	flags = 0;
}

static void calls_another_program(void **state)
{
	calls(0);
	calls(FLT_LOAD_INTERPRET);
}

static void refuses_other_types(void **state)
{
	struct exports exports = {.object = other};
	struct flt_program *program;
	struct flt_error error;

	assert_int_equal(load("compute", &exports, 0, &program, &error), FLT_E_REFUSED);
	assert_non_null(strstr(error.reason, "other types"));
	assert_int_equal(load("deeper", &exports, 0, &program, &error), FLT_E_REFUSED);
	assert_null(program);
	drop(&exports);
}

static void refuses_what_is_missing(void **state)
{
	struct exports exports = {.object = caller}; /* which has none of them */
	struct flt_program *program;
	struct flt_error error;

	assert_int_equal(load("compute", &exports, 0, &program, &error), FLT_E_UNSUPPORTED);
	assert_int_equal(flt_program_load_object(caller, "compute", 0, &program, &error),
	                 FLT_E_UNSUPPORTED);
	assert_string_equal(flt_object_import_name(caller, 0), "add");
	assert_null(flt_object_import_name(caller, 3));
	assert_null(flt_object_import_name(callee, 0));
}

/* What the callee could read must have been written. */
static void refuses_memory_that_was_never_written(void **state)
{
	struct exports exports = {.object = callee};
	struct flt_program *program;
	struct flt_error error;

	assert_int_equal(load("leaks", &exports, 0, &program, &error), FLT_E_REFUSED);
	assert_non_null(strstr(error.reason, "never written"));
	drop(&exports);
}

static void adds_up_costs(void **state)
{
	struct exports exports = {.object = callee};
	struct flt_program *program;
	struct flt_error error;
	uint32_t cost;

	assert_int_equal(load("deeper", &exports, 0, &program, &error), 0);
	cost = flt_program_cost(program);
	assert_true(cost >= 2 * flt_program_cost(exports.programs[0]) + 4);
	flt_program_free(program);
	assert_int_equal(load("deeper", &exports, cost, &program, &error), 0);
	flt_program_free(program);
	assert_int_equal(load("deeper", &exports, cost - 1, &program, &error), FLT_E_REFUSED);
	drop(&exports);
}

static void says_what_it_takes(void **state)
{
	struct exports exports = {.object = callee};
	struct flt_error error;
	char text[64];
	const struct flt_program *larger = import(&exports, "larger", &error);

	flt_signature_text(flt_program_signature(larger), text, sizeof(text));
	assert_string_equal(text, "(const 16, number 4)");
	drop(&exports);
}

/* A function of the host's own among programs: its context is its maker's, its types count. */
static int64_t allocate(uint64_t count, uint64_t align, uint64_t c, uint64_t d, uint64_t e,
                        void *context)
{
	return (int64_t)(*(uint64_t *)context + count * 100 + align);
}

static struct flt_program *service;

static struct flt_program *import_service(void *arg, const char *name, struct flt_error *error)
{
	return service;
}

static void calls_a_service(uint32_t with)
{
	struct flt_object *object = open_object("service");
	struct flt_load load = {.flags = with, .import = import_service};
	uint64_t context = 7000, arguments[] = {3};
	struct flt_service wanted = {.name = "exo_phys_allocate", .call = allocate, .cost = 50};
	struct flt_program *program;
	struct flt_error error;

	flt_signature_numbers(1, &wanted.signature);
	assert_int_equal(flt_program_service(&wanted, &context, &service), 0);
	assert_int_equal(flt_program_load(object, "allocate", &load, &program, &error),
	                 FLT_E_REFUSED);
	flt_program_free(service);
	flt_signature_numbers(2, &wanted.signature);
	assert_int_equal(flt_program_service(&wanted, &context, &service), 0);
	assert_int_equal(flt_program_load(object, "allocate", &load, &program, &error), 0);
	assert_int_equal(flt_program_call(program, arguments), 7301);
	assert_true(flt_program_cost(program) > 50);
	flt_program_free(program);
	flt_program_free(service);
	flt_object_close(object);
}

static void calls_services(void **state)
{
	calls_a_service(0);
	calls_a_service(FLT_LOAD_INTERPRET);
	flt_host_init(false);
	calls_a_service(0);
	flt_host_init(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(calls_another_program),
	        cmocka_unit_test(refuses_other_types),
	        cmocka_unit_test(refuses_what_is_missing),
	        cmocka_unit_test(refuses_memory_that_was_never_written),
	        cmocka_unit_test(adds_up_costs),
	        cmocka_unit_test(says_what_it_takes),
	        cmocka_unit_test(calls_services),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
