/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the program asked for of its memory: a sorted array of regions that do not overlap.
 */
#ifndef EXO_LINUX_REGION_H
#define EXO_LINUX_REGION_H

#include <stdbool.h>
#include <stdint.h>

struct region {
	uint64_t begin, end;
	unsigned prot;                 /* PROT_* */
	uint64_t source, source_bytes; /* read-only content that it begins with; 0: none */
};

extern struct region region_all[]; /* region_n of them, by address */
extern unsigned region_n;
extern uint64_t region_image_begin, region_image_end; /* of the library OS: never free */
extern uint64_t region_heap_end;                      /* nothing is placed close behind it */

/* Index of the first region that ends behind `address`. */
unsigned region_at(uint64_t address);
/* The region that holds `address`; NULL: none. */
const struct region *region_find(uint64_t address);
bool region_is_free(uint64_t begin, uint64_t end);
/* Puts a region at an index. false: there are too many. */
bool region_insert(unsigned i, struct region region);
void region_remove(unsigned i);
/* Makes `address` a border between regions where it lies inside one. */
bool region_split(uint64_t address);
/* Adds a region where nothing is; joins it with neighbours alike. */
bool region_add(uint64_t begin, uint64_t end, unsigned prot);
/* A place for `size` bytes, as high as possible below `end`. 0: none. */
uint64_t region_place(uint64_t size, uint64_t end);

#endif
