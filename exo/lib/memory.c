/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of the library OS: addresses from its own area (128 GiB of it, first fit among what was
 * given back, else from the untouched rest), frames from the kernel.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/start.h>

#include "runtime.h"
#include "space.h"

#define SPACE_HOLES_MAX 64
#define OWN_PAGES       32768

struct hole {
	uint64_t address, count;
};

static struct hole holes[SPACE_HOLES_MAX];
static unsigned n_holes;
static uint64_t untouched = SPACE_PAGES_BASE;

void *exo_space_take(uint64_t count)
{
	uint64_t address;

	for (unsigned i = 0; i < n_holes; i++) {
		if (holes[i].count < count)
			continue;
		address = holes[i].address;
		holes[i].address += count << EXO_PAGE_SHIFT;
		holes[i].count -= count;
		if (holes[i].count == 0)
			holes[i] = holes[--n_holes];
		return (void *)address;
	}
	if (count > (SPACE_PAGES_END - untouched) >> EXO_PAGE_SHIFT)
		return NULL;
	address = untouched;
	untouched += count << EXO_PAGE_SHIFT;
	return (void *)address;
}

void exo_space_give(void *address, uint64_t count)
{
	uint64_t begin = (uintptr_t)address, end = begin + (count << EXO_PAGE_SHIFT);

	for (unsigned i = 0; i < n_holes; i++) {
		uint64_t hole_end = holes[i].address + (holes[i].count << EXO_PAGE_SHIFT);

		if (hole_end != begin && holes[i].address != end)
			continue;
		if (holes[i].address == end)
			holes[i].address = begin;
		holes[i].count += count;
		return;
	}
	/* A full table loses addresses, never memory: the area is far larger than any machine. */
	if (n_holes < SPACE_HOLES_MAX)
		holes[n_holes++] = (struct hole){begin, count};
}

/* The first pages of the area that exo_pages_alloc gave, for who copies an environment. */
static uint64_t own_pages[OWN_PAGES / 64];

static void note_own(const void *address, uint32_t count, bool own)
{
	uint64_t first = ((uintptr_t)address - SPACE_PAGES_BASE) >> EXO_PAGE_SHIFT;

	for (uint64_t i = first; i < first + count && i < OWN_PAGES; i++) {
		uint64_t bit = 1ull << i % 64;

		own_pages[i / 64] = own ? own_pages[i / 64] | bit : own_pages[i / 64] & ~bit;
	}
}

bool exo_space_is_own(uint64_t address)
{
	uint64_t i = (address - SPACE_PAGES_BASE) >> EXO_PAGE_SHIFT;

	return i < OWN_PAGES && (own_pages[i / 64] >> i % 64 & 1) != 0;
}

uint64_t exo_space_untouched(void)
{
	return (untouched - SPACE_PAGES_BASE) >> EXO_PAGE_SHIFT <= OWN_PAGES ? untouched : 0;
}

static int map_own(void *address, uint64_t frame, uint32_t count)
{
	struct exo_mapping mapping = {
	        .address = (uintptr_t)address,
	        .frame = frame,
	        .count = count,
	        .rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE,
	        .flags = EXO_MAP_GUARANTEED,
	};
	int64_t n = exo_map(NULL, &mapping, 1);

	return n == 1 ? 0 : n < 0 ? (int)n : -EXO_ENOMEM;
}

static int take_frames(struct exo_pages *pages, uint32_t count)
{
	const struct exo_cap *authority = exo_start_cap(EXO_USE_FRAMES);
	struct exo_frame_alloc block = {.count = count, .first = EXO_FRAME_ANY};
	int result;

	if (authority == NULL)
		return -EXO_EPERM;
	block.authority = *authority;
	result = exo_frame_alloc(&block);
	if (result < 0)
		return result;
	pages->frame = block.first;
	pages->count = count;
	pages->cap = block.out;
	return 0;
}

int exo_pages_alloc(struct exo_pages *pages, uint32_t count)
{
	int result;

	memset(pages, 0, sizeof(*pages));
	if (count == 0)
		return -EXO_EINVAL;
	result = take_frames(pages, count);
	if (result < 0)
		return result;
	result = -EXO_ENOMEM;
	pages->address = exo_space_take(count);
	if (pages->address == NULL)
		goto no_space;
	result = map_own(pages->address, pages->frame, count);
	if (result == 0) {
		note_own(pages->address, count, true);
		return 0;
	}
	exo_space_give(pages->address, count);
no_space:
	exo_frame_free(&pages->cap);
	memset(pages, 0, sizeof(*pages));
	return result;
}

int exo_pages_free(struct exo_pages *pages)
{
	struct exo_range range = {(uintptr_t)pages->address, pages->count};
	int result;

	if (pages->address == NULL)
		return 0;
	exo_unmap(NULL, &range, 1);
	result = exo_frame_free(&pages->cap);
	if (result < 0) {
		map_own(pages->address, pages->frame, pages->count);
		return result;
	}
	note_own(pages->address, pages->count, false);
	exo_space_give(pages->address, pages->count);
	memset(pages, 0, sizeof(*pages));
	return 0;
}

void exo_pages_free_each(struct exo_pages *pages, const uint64_t *frames)
{
	struct exo_range range = {(uintptr_t)pages->address, pages->count};

	exo_unmap(NULL, &range, 1);
	for (uint32_t i = 0; i < pages->count; i++)
		(void)exo_frame_free_own(frames[i], 1);
	note_own(pages->address, pages->count, false);
	exo_space_give(pages->address, pages->count);
	memset(pages, 0, sizeof(*pages));
}
