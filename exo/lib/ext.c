/* SPDX-License-Identifier: BSD-2-Clause */
/* Extensions: see libexo/ext.h. */
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/start.h>

/* What is being built on another core is there soon. */
static int64_t call_again(enum exo_ext_op op, void *block)
{
	int64_t result = exo_ext_call(op, block);

	for (unsigned tries = 0; result == -EXO_EAGAIN && tries < 100; tries++) {
		exo_yield(0);
		result = exo_ext_call(op, block);
	}
	return result;
}

int exo_ext_open_bytes(struct exo_ext *ext, const char *name, const void *bytes, size_t size,
                       uint32_t frames)
{
	struct exo_ext_create block = {.arena_count = frames,
	                               .error = (uintptr_t)ext->error,
	                               .error_size = sizeof(ext->error)};
	int result;

	memset(ext, 0, sizeof(*ext));
	if (frames != 0) {
		result = exo_pages_alloc(&ext->arena, frames);
		if (result < 0)
			return result;
	}
	exo_text_copy(block.name, sizeof(block.name), name);
	block.object = (uintptr_t)bytes;
	block.size = (uint32_t)size;
	block.arena_first = ext->arena.frame;
	result = (int)exo_ext_call(EXO_EXT_CREATE, &block);
	ext->ref = block.ref;
	if (result < 0 && frames != 0)
		(void)exo_pages_free(&ext->arena);
	return result;
}

int exo_ext_open(struct exo_ext *ext, const char *name, uint32_t frames)
{
	const struct exo_start_file *file = exo_start_file(name);

	memset(ext, 0, sizeof(*ext));
	if (file == NULL)
		return -EXO_ENOENT;
	return exo_ext_open_bytes(ext, name, (const void *)file->address, file->size, frames);
}

int exo_ext_close(struct exo_ext *ext)
{
	struct exo_ext_ref block = {.ref = ext->ref};
	int result = (int)exo_ext_call(EXO_EXT_DROP, &block);

	return result < 0 || ext->arena.count == 0 ? result : exo_pages_free(&ext->arena);
}

static int handle(struct exo_ext *ext, struct exo_ext_handle *block, const char *function,
                  uint64_t *id)
{
	int result;

	block->ref = ext->ref;
	block->error = (uintptr_t)ext->error;
	block->error_size = sizeof(ext->error);
	ext->error[0] = '\0';
	exo_text_copy(block->function, sizeof(block->function), function);
	result = (int)call_again(EXO_EXT_HANDLE, block);
	*id = block->id;
	return result;
}

int exo_ext_handle(struct exo_ext *ext, const char *function, const struct exo_cap *binding,
                   const struct exo_cap *space, uint32_t budget, uint64_t *id)
{
	struct exo_ext_handle block = {.event = EXO_EXT_PACKET,
	                               .target = (uintptr_t)binding,
	                               .space = (uintptr_t)space,
	                               .budget = budget};

	return handle(ext, &block, function, id);
}

int exo_ext_event(struct exo_ext *ext, enum exo_ext_event event, const char *function,
                  const struct exo_cap *target, uint32_t budget, uint64_t *id)
{
	struct exo_ext_handle block = {
	        .event = event, .target = (uintptr_t)target, .budget = budget};

	return handle(ext, &block, function, id);
}

int exo_ext_key(const struct exo_ext *ext, struct exo_cap *key)
{
	struct exo_ext_key block = {.ref = ext->ref};
	int result = (int)exo_ext_call(EXO_EXT_KEY, &block);

	*key = block.out;
	return result;
}

int exo_ext_accept(const struct exo_cap *key, uint32_t *ref)
{
	struct exo_ext_open block = {.cap = *key};
	int result = (int)exo_ext_call(EXO_EXT_OPEN, &block);

	*ref = block.ref;
	return result;
}

int exo_ext_core(uint32_t *ref)
{
	const struct exo_cap *frames = exo_start_cap(EXO_USE_FRAMES),
	                     *envs = exo_start_cap(EXO_USE_ENVS);
	struct exo_ext_core block = {0};
	int result;

	if (frames != NULL)
		block.frames = *frames;
	if (envs != NULL)
		block.envs = *envs;
	result = (int)exo_ext_call(EXO_EXT_CORE, &block);
	*ref = block.ref;
	return result;
}

int exo_ext_resolve(struct exo_ext *ext, uint32_t exporter)
{
	struct exo_ext_resolve block = {.importer = ext->ref,
	                                .exporter = exporter,
	                                .error = (uintptr_t)ext->error,
	                                .error_size = sizeof(ext->error)};
	int64_t result = call_again(EXO_EXT_RESOLVE, &block);

	return result < 0 ? (int)result : (int)block.missing;
}

int64_t exo_ext_invoke(uint32_t ref, const char *function, uint64_t a, uint64_t b, uint64_t c)
{
	struct exo_ext_invoke block = {.ref = ref, .arguments = {a, b, c}};
	int64_t result;

	exo_text_copy(block.function, sizeof(block.function), function);
	result = call_again(EXO_EXT_INVOKE, &block);
	return result < 0 ? result : (int64_t)block.result;
}

int exo_ext_release(uint64_t id)
{
	struct exo_ext_release block = {.id = id};

	return (int)exo_ext_call(EXO_EXT_RELEASE, &block);
}

static int access_map(const struct exo_ext *ext, enum exo_ext_map_op op, const char *map,
                      const void *key, uint32_t key_size, const void *value, uint32_t value_size)
{
	struct exo_ext_map block = {.ref = ext->ref,
	                            .op = op,
	                            .key = (uintptr_t)key,
	                            .value = (uintptr_t)value,
	                            .key_size = key_size,
	                            .value_size = value_size};

	exo_text_copy(block.map, sizeof(block.map), map);
	return (int)exo_ext_call(EXO_EXT_MAP, &block);
}

int exo_ext_lookup(const struct exo_ext *ext, const char *map, const void *key, uint32_t key_size,
                   void *value, uint32_t value_size)
{
	return access_map(ext, EXO_EXT_MAP_LOOKUP, map, key, key_size, value, value_size);
}

int exo_ext_update(const struct exo_ext *ext, const char *map, const void *key, uint32_t key_size,
                   const void *value, uint32_t value_size)
{
	return access_map(ext, EXO_EXT_MAP_UPDATE, map, key, key_size, value, value_size);
}
