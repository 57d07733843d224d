/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's heap.
 *
 * One word per page says what it is: free, head of a run (with the run's length), inside a run, or
 * a slab of one size class. Runs are found first-fit from a hint below which nothing is free. A
 * slab is a page with a 64-byte head and blocks of one size, all multiples of 64 bytes; slabs with
 * a free block hang in their class's list, and an empty slab gives its page back.
 */
#include "heap.h"

#include <exo/layout.h>

#include "../core/machine.h"
#include <string.h>

enum {
	PAGE = 4096,
	SLAB_HEAD = 64,

	/* Words of the page map: the kind in the low two bits, length or class above. */
	KIND_FREE = 0,
	KIND_RUN = 1,
	KIND_INSIDE = 2,
	KIND_SLAB = 3,
	KIND_BITS = 2,
};

/* Chosen so that (4096 - 64) / size wastes little. */
static const uint16_t class_bytes[] = {64,  128, 192, 256, 320,  384, 448,
                                       576, 640, 768, 960, 1344, 1984};
enum {
	CLASSES = sizeof(class_bytes) / sizeof(class_bytes[0]),
};

struct block {
	struct block *next;
};

struct slab {
	struct slab *next, *previous; /* in the class's list while a block is free */
	struct block *free;
	uint32_t n_free, n_blocks;
};
_Static_assert(sizeof(struct slab) <= SLAB_HEAD, "a slab's head fits before its blocks");

static struct machine_lock lock;
/* All below is guarded by the lock. */
static uint8_t *pages;
static uint32_t *map;
static size_t n_pages, n_free, hint;
static struct slab *partial[CLASSES];

void heap_init(struct x86_region region)
{
	size_t map_pages;

	pages = x86_direct(region.physical);
	n_pages = region.size / PAGE;
	map = (uint32_t *)pages;
	map_pages = (n_pages * sizeof(uint32_t) + PAGE - 1) / PAGE;
	memset(map, 0, n_pages * sizeof(uint32_t));
	for (size_t i = 1; i < map_pages; i++)
		map[i] = KIND_INSIDE;
	map[0] = (uint32_t)map_pages << KIND_BITS | KIND_RUN;
	hint = map_pages;
	n_free = n_pages - map_pages;
}

static size_t page_index(const void *memory)
{
	return (size_t)((const uint8_t *)memory - pages) / PAGE;
}

/* Length of the free run at `i`, looked at no further than `enough`. */
static size_t free_length(size_t i, size_t enough)
{
	size_t n = 0;

	while (n < enough && i + n < n_pages && map[i + n] == KIND_FREE)
		n++;
	return n;
}

static void *take_run(size_t count, size_t align)
{
	size_t first_page = (uintptr_t)pages / PAGE;
	size_t i = hint, n;

	if (count == 0 || count > n_pages)
		return NULL;
	while (i < n_pages && map[i] != KIND_FREE)
		i++;
	hint = i;
	for (; i + count <= n_pages; i += n == 0 ? 1 : n) {
		size_t skip = -(first_page + i) & (align - 1);

		if (skip != 0) {
			n = skip;
			continue;
		}
		n = free_length(i, count);
		if (n == count)
			break;
	}
	if (i + count > n_pages)
		return NULL;
	map[i] = (uint32_t)count << KIND_BITS | KIND_RUN;
	for (size_t k = 1; k < count; k++)
		map[i + k] = KIND_INSIDE;
	if (i == hint)
		hint = i + count;
	n_free -= count;
	return pages + i * PAGE;
}

static void give_run(size_t i, size_t count)
{
	for (size_t k = 0; k < count; k++)
		map[i + k] = KIND_FREE;
	if (i < hint)
		hint = i;
	n_free += count;
}

static void unlink_slab(unsigned class, struct slab *slab)
{
	if (slab->previous != NULL)
		slab->previous->next = slab->next;
	else
		partial[class] = slab->next;
	if (slab->next != NULL)
		slab->next->previous = slab->previous;
}

static void link_slab(unsigned class, struct slab *slab)
{
	slab->previous = NULL;
	slab->next = partial[class];
	if (slab->next != NULL)
		slab->next->previous = slab;
	partial[class] = slab;
}

static struct slab *new_slab(unsigned class)
{
	struct slab *slab = take_run(1, 1);
	size_t size = class_bytes[class];

	if (slab == NULL)
		return NULL;
	map[page_index(slab)] = class << KIND_BITS | KIND_SLAB;
	slab->n_blocks = slab->n_free = (uint32_t)((PAGE - SLAB_HEAD) / size);
	slab->free = NULL;
	for (size_t i = slab->n_blocks; i > 0; i--) {
		struct block *block =
		        (struct block *)((uint8_t *)slab + SLAB_HEAD + (i - 1) * size);

		block->next = slab->free;
		slab->free = block;
	}
	link_slab(class, slab);
	return slab;
}

static void *take_block(unsigned class)
{
	struct slab *slab = partial[class];
	struct block *block;

	if (slab == NULL)
		slab = new_slab(class);
	if (slab == NULL)
		return NULL;
	block = slab->free;
	slab->free = block->next;
	if (--slab->n_free == 0)
		unlink_slab(class, slab);
	return block;
}

static void give_block(struct slab *slab, unsigned class, void *memory)
{
	struct block *block = memory;

	block->next = slab->free;
	slab->free = block;
	if (slab->n_free++ == 0)
		link_slab(class, slab);
	if (slab->n_free == slab->n_blocks) {
		unlink_slab(class, slab);
		give_run(page_index(slab), 1);
	}
}

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while (class < CLASSES && class_bytes[class] < size)
		class ++;
	return class;
}

void *heap_pages(size_t count, size_t align)
{
	void *memory;

	machine_lock(&lock);
	memory = take_run(count, align);
	machine_unlock(&lock);
	return memory;
}

void *heap_table(void)
{
	void *memory = heap_pages(1, 1);

	if (memory != NULL)
		memset(memory, 0, PAGE);
	return memory;
}

void *x86_alloc_raw(size_t size, size_t align)
{
	unsigned class = align <= SLAB_HEAD ? class_of(size) : CLASSES;
	void *memory;

	if (class == CLASSES) {
		if (size > SIZE_MAX - PAGE)
			return NULL;
		return heap_pages((size + PAGE - 1) / PAGE, align <= PAGE ? 1 : align / PAGE);
	}
	machine_lock(&lock);
	memory = take_block(class);
	machine_unlock(&lock);
	return memory;
}

void *machine_alloc(size_t size)
{
	void *memory = x86_alloc_raw(size == 0 ? 1 : size, SLAB_HEAD);

	if (memory != NULL)
		memset(memory, 0, (size + 7) & ~(size_t)7);
	return memory;
}

/* The page map's word of a block; panics where no block can be. */
static uint32_t describe(const void *memory)
{
	size_t i = page_index(memory);

	if ((const uint8_t *)memory < pages || i >= n_pages ||
	    ((map[i] & 3) != KIND_RUN && (map[i] & 3) != KIND_SLAB))
		machine_panic("heap: %p is not an allocated block", (void *)(uintptr_t)memory);
	return map[i];
}

size_t x86_alloc_size(const void *memory)
{
	uint32_t word = describe(memory);

	if ((word & 3) == KIND_RUN)
		return (size_t)(word >> KIND_BITS) * PAGE;
	return class_bytes[word >> KIND_BITS];
}

void heap_free(void *memory)
{
	uint32_t word;

	if (memory == NULL)
		return;
	machine_lock(&lock);
	word = describe(memory);
	if ((word & 3) == KIND_RUN)
		give_run(page_index(memory), word >> KIND_BITS);
	else
		give_block((struct slab *)((uintptr_t)memory & ~(uintptr_t)(PAGE - 1)),
		           word >> KIND_BITS, memory);
	machine_unlock(&lock);
}

void machine_free(void *memory)
{
	heap_free(memory);
}

size_t machine_memory_left(void)
{
	size_t left;

	machine_lock(&lock);
	left = n_free * PAGE;
	machine_unlock(&lock);
	return left;
}
