/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps. All memory is taken when a map is made, so that programs never allocate.
 *
 *     array            values side by side
 *     hash, LRU hash   buckets of chained nodes, linked by index. A chain ends with its bucket's
 *                      number, so that a reader that was led into another chain, because its node
 *                      was freed and used again meanwhile, notices and starts over
 *     longest prefix   a hash map whose keys are the masked prefixes; a lookup tries the prefix
 *                      lengths that exist, longest first
 *     ring buffer      records behind each other, each with its length before it
 *
 * Per-core kinds hold one value per core, side by side. Writers take the map's lock; readers take
 * none, but those that take records out of a ring buffer, who have one of their own.
 */
#include "map_internal.h"

enum {
	RDONLY_PROG = 1 << 7,        /* BPF_F_RDONLY_PROG */
	CHAIN_END = (int)0x80000000, /* | bucket */
	PREFIX_BITS_MAX = 128,
	RECORD_HEADER = 8,
	EVICT_LOOKS_MAX = 16, /* nodes that evicting one looks at */
};

struct node {
	uint32_t next; /* of the chain, or of the free list */
	uint32_t hash;
	uint8_t used;    /* linked into a chain */
	uint8_t touched; /* LRU: looked up since the hand passed */
	uint8_t key[];   /* rounded up to 8, then the value */
};

struct flt_map {
	struct flt_map_spec spec;
	bool frozen;
	uint32_t lock;
	uint32_t value_stride; /* value size rounded up to 8 */
	uint32_t values;       /* per key: the number of cores, or 1 */
	uint8_t *memory;

	/* hash kinds */
	uint32_t key_stride;
	uint32_t node_size;
	uint32_t n_buckets; /* a power of two */
	uint32_t *buckets;
	uint32_t free_list; /* node index, or UINT32_MAX */
	uint32_t hand;
	uint32_t prefixes[PREFIX_BITS_MAX + 1]; /* LPM: keys of each length */

	uint8_t **frames; /* arena: max_entries of them */
	bool settled;     /* arena: programs have its address */

	/* ring buffer: positions count up and are taken modulo the size */
	uint64_t head, tail;
	uint32_t reading; /* likewise a lock: writers don't wait for who reads */
};

/* --- making --- */

static bool is_hash(const struct flt_map *map)
{
	uint32_t type = map->spec.type;
	return type == FLT_MAP_HASH || type == FLT_MAP_PERCPU_HASH || type == FLT_MAP_LRU_HASH ||
	       type == FLT_MAP_LPM_TRIE;
}

static bool is_array(const struct flt_map *map)
{
	return map->spec.type == FLT_MAP_ARRAY || map->spec.type == FLT_MAP_PERCPU_ARRAY;
}

static const char *check_ring(const struct flt_map_spec *spec)
{
	if (spec->key_size || spec->value_size)
		return "ring buffer with a key or a value";
	if (spec->max_entries < 64 || (spec->max_entries & (spec->max_entries - 1)))
		return "ring buffer's size is not a power of two of at least 64";
	return spec->max_entries <= FLT_MAP_MEMORY_MAX ? NULL : "ring buffer is too large";
}

static const char *check_arena(const struct flt_map_spec *spec)
{
	if (spec->key_size || spec->value_size)
		return "arena with a key or a value";
	return spec->max_entries && spec->max_entries <= FLT_MAP_FRAMES_MAX
	               ? NULL
	               : "arena of no frames or of too many";
}

static const char *check_spec(const struct flt_map_spec *spec)
{
	if (spec->type == FLT_MAP_ARENA)
		return check_arena(spec);
	if (spec->type == FLT_MAP_RINGBUF)
		return check_ring(spec);
	if (!spec->max_entries || spec->max_entries > FLT_MAP_ENTRIES_MAX)
		return "number of entries is 0 or too large";
	if (!spec->value_size || spec->value_size > FLT_MAP_VALUE_MAX)
		return "value's size is 0 or too large";
	if (!spec->key_size || spec->key_size > FLT_MAP_KEY_MAX)
		return "key's size is 0 or too large";
	switch (spec->type) {
	case FLT_MAP_ARRAY:
	case FLT_MAP_PERCPU_ARRAY:
		return spec->key_size == 4 ? NULL : "array's key is not of 4 bytes";
	case FLT_MAP_LPM_TRIE:
		return spec->key_size >= 5 && spec->key_size <= 4 + PREFIX_BITS_MAX / 8
		               ? NULL
		               : "prefix key is not of 5 to 20 bytes";
	case FLT_MAP_HASH:
	case FLT_MAP_PERCPU_HASH:
	case FLT_MAP_LRU_HASH:
		return NULL;
	default:
		return "unknown type of map";
	}
}

static struct node *node_at(const struct flt_map *map, uint32_t i)
{
	return (struct node *)(void *)(map->memory + (size_t)i * map->node_size);
}

static bool make_hash(struct flt_map *map)
{
	uint32_t n = map->spec.max_entries;
	map->n_buckets = 1u << flt_log2_ceil(n);
	map->buckets = flt_alloc_array(map->n_buckets, sizeof(*map->buckets));
	map->memory = flt_alloc_array(n, map->node_size);
	if (!map->buckets || !map->memory)
		return false;
	for (uint32_t b = 0; b < map->n_buckets; b++)
		map->buckets[b] = (uint32_t)CHAIN_END | b;
	for (uint32_t i = 0; i < n; i++)
		node_at(map, i)->next = i + 1 < n ? i + 1 : UINT32_MAX;
	map->free_list = 0;
	return true;
}

static uint32_t round8(uint32_t size)
{
	return (size + 7) & ~7u;
}

static bool make_memory(struct flt_map *map)
{
	if (is_hash(map))
		return make_hash(map);
	if (map->spec.type == FLT_MAP_ARENA) {
		map->frames = flt_alloc_array(map->spec.max_entries, sizeof(*map->frames));
		return map->frames;
	}
	if (map->spec.type == FLT_MAP_RINGBUF)
		map->memory = flt_alloc_array(map->spec.max_entries, 1);
	else
		map->memory = flt_alloc_array(map->spec.max_entries,
		                              (size_t)map->value_stride * map->values);
	return map->memory;
}

static void lay_out(struct flt_map *map)
{
	const struct flt_map_spec *spec = &map->spec;
	bool per_core = spec->type == FLT_MAP_PERCPU_ARRAY || spec->type == FLT_MAP_PERCPU_HASH;
	map->values = per_core ? flt_platform.cpus : 1;
	map->value_stride = round8(spec->value_size);
	map->key_stride = round8(spec->key_size);
	map->node_size = round8((uint32_t)sizeof(struct node)) + map->key_stride +
	                 map->value_stride * map->values;
}

static bool too_large(const struct flt_map *map)
{
	uint64_t each = is_hash(map) ? (uint64_t)map->node_size + 8
	                             : (uint64_t)map->value_stride * map->values;
	return map->spec.type != FLT_MAP_RINGBUF &&
	       each * map->spec.max_entries > FLT_MAP_MEMORY_MAX;
}

int flt_map_create(const struct flt_map_spec *spec, struct flt_map **out, struct flt_error *error)
{
	*out = NULL;
	struct flt_map *map = flt_alloc_array(1, sizeof(*map));
	if (!map)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	map->spec = *spec;
	map->spec.name[sizeof(map->spec.name) - 1] = '\0';
	lay_out(map);
	const char *reason = check_spec(&map->spec);
	int code = reason ? FLT_E_INVALID : 0;
	if (!code && too_large(map)) {
		code = FLT_E_LIMIT;
		reason = "needs too much memory";
	}
	if (!code && !make_memory(map)) {
		code = FLT_E_NO_MEMORY;
		reason = "no memory";
	}
	if (code) {
		flt_fail(error, code, -1, "map \"%s\": %s", map->spec.name, reason);
		flt_map_destroy(map);
		return code;
	}
	*out = map;
	return 0;
}

void flt_map_destroy(struct flt_map *map)
{
	if (!map)
		return;
	flt_free(map->memory);
	flt_free(map->buckets);
	flt_free((void *)map->frames);
	flt_free(map);
}

const struct flt_map_spec *flt_map_spec(const struct flt_map *map)
{
	return &map->spec;
}

void *flt_map_array_base(const struct flt_map *map)
{
	return map->spec.type == FLT_MAP_ARRAY ? map->memory : NULL;
}

bool flt_map_is_read_only(const struct flt_map *map)
{
	return map->frozen || map->spec.flags & RDONLY_PROG;
}

bool flt_map_is_frozen(const struct flt_map *map)
{
	return map->frozen;
}

void flt_map_freeze(struct flt_map *map)
{
	map->frozen = true;
}

size_t flt_map_memory(const struct flt_map *map)
{
	size_t n = map->spec.max_entries;
	if (map->spec.type == FLT_MAP_ARENA)
		return sizeof(*map) + n * sizeof(*map->frames);
	if (is_hash(map))
		return sizeof(*map) + n * map->node_size + map->n_buckets * sizeof(*map->buckets);
	return sizeof(*map) + n * (map->spec.type == FLT_MAP_RINGBUF
	                                   ? 1
	                                   : (size_t)map->value_stride * map->values);
}

/* --- arenas --- */

int flt_map_arena_give(struct flt_map *map, uint32_t i, void *frame)
{
	if (map->spec.type != FLT_MAP_ARENA || i >= map->spec.max_entries || map->settled)
		return FLT_E_INVALID;
	map->frames[i] = frame;
	return 0;
}

/* In one piece, and as far as atomic operations go, where such belong. */
static bool is_one_piece(const struct flt_map *map)
{
	const uint8_t *first = map->frames[0];
	for (uint32_t i = 0; i < map->spec.max_entries; i++)
		if (!map->frames[i] || map->frames[i] != first + (size_t)i * FLT_MAP_FRAME)
			return false;
	return (uintptr_t)first % sizeof(uint64_t) == 0;
}

uint8_t *flt_map_variables(struct flt_map *map)
{
	if (map->spec.type != FLT_MAP_ARENA)
		return flt_map_array_base(map);
	map->settled = map->settled || is_one_piece(map);
	return map->settled ? map->frames[0] : NULL;
}

uint32_t flt_map_variables_size(const struct flt_map *map)
{
	return map->spec.type == FLT_MAP_ARENA ? map->spec.max_entries * FLT_MAP_FRAME
	                                       : map->spec.value_size;
}

bool flt_map_arena_holds(const struct flt_map *map, uint64_t offset, uint64_t size)
{
	uint64_t bytes = (uint64_t)map->spec.max_entries * FLT_MAP_FRAME;
	if (size > bytes || offset > bytes - size)
		return false;
	for (uint64_t i = offset / FLT_MAP_FRAME; i * FLT_MAP_FRAME < offset + size; i++)
		if (!map->frames[i])
			return false;
	return true;
}

/* --- the lock --- */

static void lock(uint32_t *taken)
{
	while (__atomic_exchange_n(taken, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void unlock(uint32_t *taken)
{
	__atomic_store_n(taken, 0, __ATOMIC_RELEASE);
}

/* --- arrays --- */

/* All ones if index < size, else 0, without a branch that could be mispredicted. */
static uint64_t index_mask(uint64_t index, uint64_t size)
{
	__asm__(""
	        : "+r"(index)); /* the compiler may not conclude anything from an earlier check */
	return (uint64_t)((int64_t)(index - size) >> 63);
}

static void *array_value(const struct flt_map *map, const void *key, uint32_t cpu)
{
	uint32_t index;
	memcpy(&index, key, sizeof(index));
	if (index >= map->spec.max_entries || cpu >= map->values)
		return NULL;
	uint64_t i = index & index_mask(index, map->spec.max_entries);
	return map->memory + (i * map->values + cpu) * map->value_stride;
}

/* Masked as well: the check before may be mispredicted. */
uint8_t *flt_map_arena_at(const struct flt_map *map, uint64_t offset)
{
	uint64_t i = offset / FLT_MAP_FRAME;
	return map->frames[i & index_mask(i, map->spec.max_entries)] + offset % FLT_MAP_FRAME;
}

uint8_t *flt_map_arena_part(const struct flt_map *map, uint64_t offset, uint64_t size)
{
	uint64_t i = offset / FLT_MAP_FRAME, n = map->spec.max_entries;
	uint8_t *frame;
	if (i >= n || size > FLT_MAP_FRAME - offset % FLT_MAP_FRAME)
		return NULL;
	frame = map->frames[i & index_mask(i, n)];
	return frame ? frame + offset % FLT_MAP_FRAME : NULL;
}

/* --- hash maps --- */

static uint64_t hash_word(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9fb21c651e98df25u;
	return h ^ h >> 35;
}

static uint32_t hash_key(const struct flt_map *map, const uint8_t *key)
{
	uint64_t h = flt_platform.hash_seed ^ map->spec.key_size, word;
	uint32_t left = map->spec.key_size;
	for (; left >= sizeof(word); left -= sizeof(word), key += sizeof(word)) {
		memcpy(&word, key, sizeof(word));
		h = hash_word(h, word);
	}
	word = 0;
	memcpy(&word, key, left);
	h = left ? hash_word(h, word) : h;
	return (uint32_t)(h ^ h >> 32);
}

static uint8_t *node_value(const struct flt_map *map, struct node *node)
{
	return node->key + map->key_stride;
}

static struct node *find_node(const struct flt_map *map, const uint8_t *key, uint32_t hash)
{
	uint32_t bucket = hash & (map->n_buckets - 1);
	for (;;) {
		uint32_t i = __atomic_load_n(&map->buckets[bucket], __ATOMIC_ACQUIRE);
		for (uint32_t steps = 0; !(i & (uint32_t)CHAIN_END); steps++) {
			struct node *node = node_at(map, i);
			if (node->hash == hash && !memcmp(node->key, key, map->spec.key_size))
				return node;
			if (steps > map->spec.max_entries)
				break;
			i = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE);
		}
		if (i == ((uint32_t)CHAIN_END | bucket))
			return NULL;
	}
}

static void unlink_node(struct flt_map *map, struct node *node)
{
	uint32_t index = (uint32_t)(((uint8_t *)node - map->memory) / map->node_size);
	uint32_t *link = &map->buckets[node->hash & (map->n_buckets - 1)];
	while (*link != index)
		link = &node_at(map, *link)->next;
	__atomic_store_n(link, node->next, __ATOMIC_RELEASE);
	node->used = 0;
	node->next = map->free_list;
	map->free_list = index;
}

/* LRU: the hand goes round and evicts the first node that was not looked up since it last came by,
 * or the last of those that it looks at: an insertion is not to take longer the larger the map. All
 * nodes are in use. */
static void evict(struct flt_map *map)
{
	for (uint32_t i = 1; i <= EVICT_LOOKS_MAX; i++) {
		struct node *node = node_at(map, map->hand);
		map->hand = map->hand + 1 < map->spec.max_entries ? map->hand + 1 : 0;
		if (!node->touched || i == EVICT_LOOKS_MAX) {
			unlink_node(map, node);
			return;
		}
		node->touched = 0;
	}
}

/* The running core's value is set; the other cores' of a fresh node are cleared. */
static void set_value(struct flt_map *map, struct node *node, const void *value, bool fresh)
{
	uint8_t *values = node_value(map, node);
	uint32_t cpu = map->values > 1 ? flt_platform.cpu() : 0;
	if (fresh)
		memset(values, 0, (size_t)map->value_stride * map->values);
	memcpy(values + (size_t)cpu * map->value_stride, value, map->spec.value_size);
}

static int insert_node(struct flt_map *map, const uint8_t *key, uint32_t hash, const void *value)
{
	if (map->free_list == UINT32_MAX && map->spec.type == FLT_MAP_LRU_HASH)
		evict(map);
	if (map->free_list == UINT32_MAX)
		return FLT_E_LIMIT;
	uint32_t index = map->free_list, bucket = hash & (map->n_buckets - 1);
	struct node *node = node_at(map, index);
	map->free_list = node->next;
	memcpy(node->key, key, map->spec.key_size);
	node->hash = hash;
	node->used = 1;
	node->touched = 1;
	set_value(map, node, value, true);
	__atomic_store_n(&node->next, map->buckets[bucket], __ATOMIC_RELEASE);
	__atomic_store_n(&map->buckets[bucket], index, __ATOMIC_RELEASE);
	return 0;
}

static int update_hash(struct flt_map *map, const uint8_t *key, const void *value, uint64_t flags)
{
	uint32_t hash = hash_key(map, key);
	struct node *node = find_node(map, key, hash);
	if (node && flags == FLT_MAP_NOEXIST)
		return FLT_E_EXISTS;
	if (!node && flags == FLT_MAP_EXIST)
		return FLT_E_NOT_FOUND;
	if (!node)
		return insert_node(map, key, hash, value);
	set_value(map, node, value, false);
	return 0;
}

static int delete_hash(struct flt_map *map, const uint8_t *key)
{
	struct node *node = find_node(map, key, hash_key(map, key));
	if (!node)
		return FLT_E_NOT_FOUND;
	unlink_node(map, node);
	return 0;
}

static void *hash_value(const struct flt_map *map, const uint8_t *key, uint32_t cpu)
{
	struct node *node = find_node(map, key, hash_key(map, key));
	if (!node || cpu >= map->values)
		return NULL;
	if (map->spec.type == FLT_MAP_LRU_HASH)
		node->touched = 1;
	return node_value(map, node) + (size_t)cpu * map->value_stride;
}

/* --- longest prefixes --- */

struct prefix_key {
	uint32_t bits;
	uint8_t data[PREFIX_BITS_MAX / 8];
};

/* Copies a key with a given prefix length, the rest cleared; false where it is too long. */
static bool make_prefix(const struct flt_map *map, const uint8_t *key, uint32_t bits,
                        struct prefix_key *out)
{
	uint32_t bytes = map->spec.key_size - 4;
	if (bits > 8 * bytes)
		return false;
	memset(out, 0, sizeof(*out));
	out->bits = bits;
	memcpy(out->data, key + 4, bytes);
	for (uint32_t i = 0; i < bytes; i++) {
		uint32_t kept = bits > 8 * i ? flt_min_u32(8, bits - 8 * i) : 0;
		out->data[i] &= (uint8_t)(0xff00u >> kept);
	}
	return true;
}

static uint32_t prefix_bits(const uint8_t *key)
{
	uint32_t bits;
	memcpy(&bits, key, sizeof(bits));
	return bits;
}

/* From the longest on that may be meant, bit by bit shorter. */
static void *longest_prefix(const struct flt_map *map, const uint8_t *key)
{
	struct prefix_key prefix;
	uint32_t bits = flt_min_u32(prefix_bits(key), 8 * (map->spec.key_size - 4));
	void *value = NULL;
	if (!make_prefix(map, key, bits, &prefix))
		return NULL;
	for (;;) {
		prefix.bits = bits;
		if (map->prefixes[bits])
			value = hash_value(map, (const uint8_t *)&prefix, 0);
		if (value || !bits--)
			return value;
		prefix.data[bits / 8] &= (uint8_t) ~(0x80u >> bits % 8);
	}
}

static int update_prefix(struct flt_map *map, const uint8_t *key, const void *value, uint64_t flags)
{
	struct prefix_key prefix;
	if (!make_prefix(map, key, prefix_bits(key), &prefix))
		return FLT_E_INVALID;
	bool exists = hash_value(map, (const uint8_t *)&prefix, 0);
	int code = update_hash(map, (const uint8_t *)&prefix, value, flags);
	if (!code && !exists)
		map->prefixes[prefix.bits]++;
	return code;
}

static int delete_prefix(struct flt_map *map, const uint8_t *key)
{
	struct prefix_key prefix;
	if (!make_prefix(map, key, prefix_bits(key), &prefix))
		return FLT_E_INVALID;
	int code = delete_hash(map, (const uint8_t *)&prefix);
	if (!code)
		map->prefixes[prefix.bits]--;
	return code;
}

/* --- all kinds --- */

void *flt_map_lookup_cpu(struct flt_map *map, const void *key, uint32_t cpu)
{
	if (is_array(map))
		return array_value(map, key, cpu);
	if (map->spec.type == FLT_MAP_LPM_TRIE)
		return longest_prefix(map, key);
	return is_hash(map) ? hash_value(map, key, cpu) : NULL;
}

void *flt_map_lookup(struct flt_map *map, const void *key)
{
	return flt_map_lookup_cpu(map, key, map->values > 1 ? flt_platform.cpu() : 0);
}

static int update_array(struct flt_map *map, const void *key, const void *value, uint64_t flags)
{
	void *place = array_value(map, key, map->values > 1 ? flt_platform.cpu() : 0);
	if (!place)
		return FLT_E_LIMIT;
	if (flags == FLT_MAP_NOEXIST)
		return FLT_E_EXISTS;
	memcpy(place, value, map->spec.value_size);
	return 0;
}

int flt_map_update(struct flt_map *map, const void *key, const void *value, uint64_t flags)
{
	if (flags > FLT_MAP_EXIST || map->frozen)
		return FLT_E_INVALID;
	if (is_array(map))
		return update_array(map, key, value, flags);
	if (!is_hash(map))
		return FLT_E_INVALID;
	lock(&map->lock);
	int code = map->spec.type == FLT_MAP_LPM_TRIE ? update_prefix(map, key, value, flags)
	                                              : update_hash(map, key, value, flags);
	unlock(&map->lock);
	return code;
}

int flt_map_delete(struct flt_map *map, const void *key)
{
	if (!is_hash(map) || map->frozen)
		return FLT_E_INVALID;
	lock(&map->lock);
	int code = map->spec.type == FLT_MAP_LPM_TRIE ? delete_prefix(map, key)
	                                              : delete_hash(map, key);
	unlock(&map->lock);
	return code;
}

static int next_index(const struct flt_map *map, const void *key, void *next)
{
	uint32_t index = UINT32_MAX;
	if (key)
		memcpy(&index, key, sizeof(index));
	index = index >= map->spec.max_entries ? 0 : index + 1;
	if (index >= map->spec.max_entries)
		return FLT_E_NOT_FOUND;
	memcpy(next, &index, sizeof(index));
	return 0;
}

int flt_map_next_key(struct flt_map *map, const void *key, void *next)
{
	uint32_t i = 0;
	if (is_array(map))
		return next_index(map, key, next);
	if (!is_hash(map))
		return FLT_E_INVALID;
	struct node *node = key ? find_node(map, key, hash_key(map, key)) : NULL;
	if (node)
		i = (uint32_t)(((uint8_t *)node - map->memory) / map->node_size) + 1;
	for (; i < map->spec.max_entries; i++) {
		if (node_at(map, i)->used) {
			memcpy(next, node_at(map, i)->key, map->spec.key_size);
			return 0;
		}
	}
	return FLT_E_NOT_FOUND;
}

/* --- ring buffers --- */

static void ring_put(struct flt_map *map, uint64_t at, const void *data, uint64_t size)
{
	uint64_t start = at & (map->spec.max_entries - 1);
	uint64_t first = map->spec.max_entries - start;
	first = first < size ? first : size;
	memcpy(map->memory + start, data, first);
	memcpy(map->memory, (const uint8_t *)data + first, size - first);
}

static void ring_get(const struct flt_map *map, uint64_t at, void *data, uint64_t size)
{
	uint64_t start = at & (map->spec.max_entries - 1);
	uint64_t first = map->spec.max_entries - start;
	first = first < size ? first : size;
	memcpy(data, map->memory + start, first);
	memcpy((uint8_t *)data + first, map->memory, size - first);
}

static uint64_t record_bytes(uint64_t size)
{
	return RECORD_HEADER + ((size + 7) & ~7ull);
}

int flt_map_ringbuf_write(struct flt_map *map, const void *data, uint64_t size)
{
	int code = FLT_E_LIMIT;
	if (size > map->spec.max_entries - RECORD_HEADER)
		return FLT_E_LIMIT;
	lock(&map->lock);
	uint64_t used = map->head - __atomic_load_n(&map->tail, __ATOMIC_ACQUIRE);
	if (record_bytes(size) <= map->spec.max_entries - used) {
		ring_put(map, map->head, &size, RECORD_HEADER);
		ring_put(map, map->head + RECORD_HEADER, data, size);
		__atomic_store_n(&map->head, map->head + record_bytes(size), __ATOMIC_RELEASE);
		code = 0;
	}
	unlock(&map->lock);
	return code;
}

size_t flt_map_ringbuf_read(struct flt_map *map, void *record, size_t size)
{
	uint64_t length = 0;
	if (map->spec.type != FLT_MAP_RINGBUF)
		return 0;
	lock(&map->reading);
	if (map->tail != __atomic_load_n(&map->head, __ATOMIC_ACQUIRE)) {
		ring_get(map, map->tail, &length, RECORD_HEADER);
		ring_get(map, map->tail + RECORD_HEADER, record, length < size ? length : size);
		__atomic_store_n(&map->tail, map->tail + record_bytes(length), __ATOMIC_RELEASE);
	}
	unlock(&map->reading);
	return length;
}
