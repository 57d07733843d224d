/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps from the environment's side. Programs on other cores change them meanwhile: a value that is
 * read may be torn, as in any shared memory; keys and values are copied in and out once.
 */
#include <string.h>

#include <flt/map.h>

#include "ext.h"

/* What an operation works with. */
struct access {
	struct exo_ext_map arg;
	struct flt_map *map;
	uint8_t key[FLT_MAP_KEY_MAX];
	uint8_t *value; /* room_of(map) bytes */
};

static int map_error(int code)
{
	switch (code) {
	case 0:
		return 0;
	case FLT_E_NOT_FOUND:
		return -EXO_ENOENT;
	case FLT_E_LIMIT:
		return -EXO_E2BIG;
	case FLT_E_EXISTS:
		return -EXO_EBUSY;
	default:
		return -EXO_EINVAL;
	}
}

static bool is_ring(const struct access *a)
{
	return flt_map_spec(a->map)->type == FLT_MAP_RINGBUF;
}

/* Bytes for whatever it gives: a value, the next key, a record. */
static size_t room_of(const struct flt_map *map)
{
	const struct flt_map_spec *spec = flt_map_spec(map);

	if (spec->type == FLT_MAP_RINGBUF)
		return FLT_MAP_VALUE_MAX;
	return spec->value_size > spec->key_size ? spec->value_size : spec->key_size;
}

static int check_sizes(const struct access *a)
{
	const struct flt_map_spec *spec = flt_map_spec(a->map);
	const struct exo_ext_map *arg = &a->arg;
	uint32_t gives = arg->op == EXO_EXT_MAP_NEXT ? spec->key_size : spec->value_size;

	if (spec->type == FLT_MAP_ARENA || is_ring(a) != (arg->op == EXO_EXT_MAP_TAKE))
		return -EXO_EINVAL;
	if (is_ring(a))
		return arg->value_size <= FLT_MAP_VALUE_MAX ? 0 : -EXO_EINVAL;
	if (arg->key_size != spec->key_size && !(arg->op == EXO_EXT_MAP_NEXT && !arg->key))
		return -EXO_EINVAL;
	return arg->op == EXO_EXT_MAP_DELETE || arg->value_size == gives ? 0 : -EXO_EINVAL;
}

static int lookup(struct access *a)
{
	const void *value = flt_map_lookup_cpu(a->map, a->key, a->arg.core);

	if (!value)
		return -EXO_ENOENT;
	memcpy(a->value, value, a->arg.value_size);
	return 0;
}

static int64_t take(struct access *a)
{
	size_t n = flt_map_ringbuf_read(a->map, a->value, a->arg.value_size);

	if (n == 0)
		return -EXO_EAGAIN;
	if (n < a->arg.value_size)
		a->arg.value_size = (uint32_t)n;
	return (int64_t)n;
}

static int64_t operate(struct access *a)
{
	const struct exo_ext_map *arg = &a->arg;

	switch (arg->op) {
	case EXO_EXT_MAP_LOOKUP:
		return lookup(a);
	case EXO_EXT_MAP_UPDATE:
		return map_error(flt_map_update(a->map, a->key, a->value, arg->flags));
	case EXO_EXT_MAP_DELETE:
		return map_error(flt_map_delete(a->map, a->key));
	case EXO_EXT_MAP_NEXT:
		return map_error(flt_map_next_key(a->map, arg->key ? a->key : NULL, a->value));
	default:
		return take(a);
	}
}

/* Copies in, works, copies out: the extension is held. */
static int64_t access_map(struct access *a)
{
	const struct exo_ext_map *arg = &a->arg;
	bool reads = arg->op != EXO_EXT_MAP_UPDATE && arg->op != EXO_EXT_MAP_DELETE;
	int64_t result = check_sizes(a);

	if (!result && arg->key && !is_ring(a))
		result = call_copy_in(a->key, arg->key, arg->key_size);
	if (!result && arg->op == EXO_EXT_MAP_UPDATE)
		result = call_copy_in(a->value, arg->value, arg->value_size);
	if (!result && reads) /* a record must not be lost because there is nowhere to put it */
		result = call_copy_out(arg->value, a->value, arg->value_size);
	if (!result)
		result = operate(a);
	if (result >= 0 && reads && call_copy_out(arg->value, a->value, arg->value_size))
		result = -EXO_EFAULT;
	return result;
}

int64_t ext_op_map(struct call *call, uint64_t block)
{
	struct access a = {0};
	struct ext_domain *domain;
	int64_t result = call_copy_in(&a.arg, block, sizeof(a.arg));

	if (result)
		return result;
	if (a.arg.op > EXO_EXT_MAP_TAKE || strnlen(a.arg.map, EXO_NAME_MAX) == EXO_NAME_MAX)
		return -EXO_EINVAL;
	machine_lock(&ext.lock);
	domain = ext_find(call->env, a.arg.ref);
	if (!domain || !domain->object)
		result = -EXO_ENOENT;
	else if (domain->env != call->env->id)
		result = -EXO_EPERM; /* its functions are what others have of it */
	else
		domain->holds++;
	machine_unlock(&ext.lock);
	if (result)
		return result;
	a.map = flt_object_map(domain->object, a.arg.map);
	a.value = a.map ? machine_alloc(room_of(a.map)) : NULL;
	result = !a.map ? -EXO_ENOENT : !a.value ? -EXO_ENOMEM : access_map(&a);
	machine_free(a.value);
	ext_let_go(domain);
	return result;
}
