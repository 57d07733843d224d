/* SPDX-License-Identifier: BSD-2-Clause */
/* Extensions: see libexo/ext.h. */
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/start.h>

int exo_ext_open(struct exo_ext *ext, const char *name, uint32_t frames)
{
	const struct exo_start_file *file = exo_start_file(name);
	struct exo_ext_create block = {.arena_count = frames,
	                               .error = (uintptr_t)ext->error,
	                               .error_size = sizeof(ext->error)};
	int result;

	memset(ext, 0, sizeof(*ext));
	if (file == NULL)
		return -EXO_ENOENT;
	if (frames != 0) {
		result = exo_pages_alloc(&ext->arena, frames);
		if (result < 0)
			return result;
	}
	exo_text_copy(block.name, sizeof(block.name), name);
	block.object = file->address;
	block.size = (uint32_t)file->size;
	block.arena_first = ext->arena.frame;
	result = (int)exo_ext_call(EXO_EXT_CREATE, &block);
	ext->ref = block.ref;
	if (result < 0 && frames != 0)
		(void)exo_pages_free(&ext->arena);
	return result;
}

int exo_ext_close(struct exo_ext *ext)
{
	struct exo_ext_ref block = {.ref = ext->ref};
	int result = (int)exo_ext_call(EXO_EXT_DROP, &block);

	return result < 0 || ext->arena.count == 0 ? result : exo_pages_free(&ext->arena);
}

int exo_ext_handle(struct exo_ext *ext, const char *function, const struct exo_cap *binding,
                   const struct exo_cap *space, uint32_t budget, uint64_t *id)
{
	struct exo_ext_handle block = {.ref = ext->ref,
	                               .event = EXO_EXT_PACKET,
	                               .target = (uintptr_t)binding,
	                               .space = (uintptr_t)space,
	                               .budget = budget,
	                               .error = (uintptr_t)ext->error,
	                               .error_size = sizeof(ext->error)};
	int result;

	ext->error[0] = '\0';
	exo_text_copy(block.function, sizeof(block.function), function);
	result = (int)exo_ext_call(EXO_EXT_HANDLE, &block);
	*id = block.id;
	return result;
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
