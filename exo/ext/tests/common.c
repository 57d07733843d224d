/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common.h"

#include "../../core/core.h"
#include "../../core/hooks.h"

char test_reason[160];

const void *test_object(const char *name, uint32_t *size)
{
	static uint8_t bytes[1 << 17];
	const char *folder = getenv("HANDLERS");
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s.o", folder ? folder : ".",
	         strncmp(name, "link-", 5) ? "programs" : "tests", name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s: not built", path);
	*size = (uint32_t)fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	return bytes;
}

int64_t test_ext(uint32_t env, enum exo_ext_op op, void *block)
{
	struct call call = {.env = world_env(env), .arg = {op, (uintptr_t)block}};

	return core_hooks->call(&call);
}

int test_create_bytes(uint32_t env, const void *bytes, uint32_t size, uint64_t arena_first,
                      uint32_t arena_count)
{
	struct exo_ext_create arg = {.name = "test",
	                             .object = (uintptr_t)bytes,
	                             .size = size,
	                             .arena_first = arena_first,
	                             .arena_count = arena_count,
	                             .error = (uintptr_t)test_reason,
	                             .error_size = sizeof(test_reason)};
	int64_t error = test_ext(env, EXO_EXT_CREATE, &arg);

	return error ? (int)error : (int)arg.ref;
}

int test_create(uint32_t env, const char *object)
{
	uint32_t size;
	const void *bytes = test_object(object, &size);

	return test_create_bytes(env, bytes, size, 0, 0);
}

int64_t test_handle(uint32_t env, int ref, const char *function, const struct exo_cap *binding,
                    const struct exo_cap *space, uint32_t budget)
{
	struct exo_ext_handle arg = {.ref = (uint32_t)ref,
	                             .event = EXO_EXT_PACKET,
	                             .target = (uintptr_t)binding,
	                             .space = (uintptr_t)space,
	                             .budget = budget,
	                             .error = (uintptr_t)test_reason,
	                             .error_size = sizeof(test_reason)};
	int64_t error;

	snprintf(arg.function, sizeof(arg.function), "%s", function);
	error = test_ext(env, EXO_EXT_HANDLE, &arg);
	return error ? error : (int64_t)arg.id;
}

bool test_line(uint32_t env, uint64_t id, struct exo_ext_line *line)
{
	struct exo_ext_listing arg = {.cursor = id, .lines = (uintptr_t)line, .room = 1};

	assert_int_equal(test_ext(env, EXO_EXT_LIST, &arg), 0);
	return arg.n == 1 && line->id == id;
}

int64_t test_map(uint32_t env, int ref, enum exo_ext_map_op op, const char *map, const void *key,
                 uint32_t key_size, void *value, uint32_t value_size)
{
	struct exo_ext_map arg = {.ref = (uint32_t)ref,
	                          .op = op,
	                          .key = (uintptr_t)key,
	                          .key_size = key_size,
	                          .value = (uintptr_t)value,
	                          .value_size = value_size};

	snprintf(arg.map, sizeof(arg.map), "%s", map);
	return test_ext(env, EXO_EXT_MAP, &arg);
}

void test_end(uint32_t env)
{
	net_env_end(world_env(env));
	core_hooks->env_end(world_env(env));
	world_frames_free(env);
	assert_int_equal(world_env(env)->account->rings, 0);
	assert_int_equal(world_env(env)->account->bindings, 0);
	assert_int_equal(world_env(env)->account->flows, 0);
	world_env_reset(env);
}
