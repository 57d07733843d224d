/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps: the memory that eBPF programs share with each other and with whoever loaded them.
 *
 * Types and numbers are Linux's. Keys and values are plain bytes. Lookups run on any core while
 * others update; an array's value is updated in place, a hash map's is replaced.
 */
#ifndef FLT_MAP_H
#define FLT_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum flt_map_type {
	FLT_MAP_HASH = 1,
	FLT_MAP_ARRAY = 2,
	FLT_MAP_PERCPU_HASH = 5,
	FLT_MAP_PERCPU_ARRAY = 6,
	FLT_MAP_LRU_HASH = 9,
	FLT_MAP_LPM_TRIE = 11,
	FLT_MAP_RINGBUF = 27,
	FLT_MAP_ARENA = 33, /* no key, no value: max_entries frames that somebody gives */
};

enum {
	FLT_MAP_ENTRIES_MAX = 1 << 20,
	FLT_MAP_KEY_MAX = 512,
	FLT_MAP_VALUE_MAX = 1 << 16,
	FLT_MAP_MEMORY_MAX = 64 << 20, /* bytes of one map */
	FLT_MAP_FRAME = 4096,          /* bytes of a frame of an arena */
	FLT_MAP_FRAMES_MAX = 4096,
};

/* Flags of an update, Linux's. */
enum { FLT_MAP_ANY = 0, FLT_MAP_NOEXIST = 1, FLT_MAP_EXIST = 2 };

struct flt_map_spec {
	uint32_t type; /* enum flt_map_type */
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries; /* ring buffer: bytes, a power of two */
	uint32_t flags; /* Linux's map_flags; BPF_F_NO_PREALLOC (1), BPF_F_RDONLY_PROG (128) */
	char name[32];
};

struct flt_map;

/* Creates and destroys a map that belongs to no object. */
int flt_map_create(const struct flt_map_spec *spec, struct flt_map **map, struct flt_error *error);
void flt_map_destroy(struct flt_map *map);

const struct flt_map_spec *flt_map_spec(const struct flt_map *map);

/* The value of a key, or NULL. Per-core maps: the running core's. Valid inside the caller's read
 * section; the bytes may change under the reader. */
void *flt_map_lookup(struct flt_map *map, const void *key);
/* The same for a given core's value. */
void *flt_map_lookup_cpu(struct flt_map *map, const void *key, uint32_t cpu);
/* FLT_OK, FLT_E_EXISTS, FLT_E_NOT_FOUND, FLT_E_LIMIT (full), FLT_E_INVALID. Any core. */
int flt_map_update(struct flt_map *map, const void *key, const void *value, uint64_t flags);
int flt_map_delete(struct flt_map *map, const void *key);
/* The key after `key` (NULL: the first) into next; FLT_E_NOT_FOUND after the last. */
int flt_map_next_key(struct flt_map *map, const void *key, void *next);

/* Takes the oldest record out of a ring buffer: copies at most size bytes into record, returns its
 * whole length, 0 where the buffer is empty. Any core. */
size_t flt_map_ringbuf_read(struct flt_map *map, void *record, size_t size);

/* Gives an arena its i-th frame (NULL: takes it away), FLT_MAP_FRAME bytes that stay the caller's.
 * Frames are given before programs run that use the arena; and before they are loaded, where they
 * have variables in it. FLT_E_INVALID: no arena, not so large, or such programs have its address.
 */
int flt_map_arena_give(struct flt_map *map, uint32_t i, void *frame);
/* Bytes of platform memory that it holds. */
size_t flt_map_memory(const struct flt_map *map);

#endif
