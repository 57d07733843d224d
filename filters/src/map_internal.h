/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps, from inside the engine.
 */
#ifndef FLT_MAP_INTERNAL_H
#define FLT_MAP_INTERNAL_H

#include <flt/map.h>

#include "internal.h"

/* The first value of an array: its address does not change. NULL for other types. */
void *flt_map_array_base(const struct flt_map *map);
/* What a program's variables lie in: an array's first value, or an arena in one piece, whose frames
 * stay as they are from then on. NULL: it is neither. And its bytes. */
uint8_t *flt_map_variables(struct flt_map *map);
uint32_t flt_map_variables_size(const struct flt_map *map);
/* Programs may not write to it. */
bool flt_map_is_read_only(const struct flt_map *map);
/* Nobody writes to it any more: what it holds is constant. */
bool flt_map_is_frozen(const struct flt_map *map);
void flt_map_freeze(struct flt_map *map);
/* ringbuf_output: 0, or FLT_E_LIMIT where there is no room. */
int flt_map_ringbuf_write(struct flt_map *map, const void *data, uint64_t size);
/* Whether an arena has been given all the bytes [offset, offset + size); the place of one. */
bool flt_map_arena_holds(const struct flt_map *map, uint64_t offset, uint64_t size);
uint8_t *flt_map_arena_at(const struct flt_map *map, uint64_t offset);
/* Where `size` bytes lie that are in one frame; NULL: in several, or not at all. */
uint8_t *flt_map_arena_part(const struct flt_map *map, uint64_t offset, uint64_t size);

#endif
