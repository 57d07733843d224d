/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page frames for the program's memory. They come from the kernel in chunks of up to 64 that share
 * one capability, and go back when a whole chunk is free and another one has frames left.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/start.h>

#include "linux.h"

enum {
	CHUNK_FRAMES = 64,
};

struct chunk {
	struct exo_cap cap;
	uint64_t first;
	uint64_t free, dirty;      /* bit sets of its frames */
	uint64_t all;              /* the bits of frames that exist */
	struct chunk *prev, *next; /* among those with free frames */
};

static struct radix chunk_of; /* by frame number */
static struct chunk *with_free;
static struct chunk *unused; /* records without frames */

static void link_chunk(struct chunk *chunk)
{
	chunk->prev = NULL;
	chunk->next = with_free;
	if (with_free != NULL)
		with_free->prev = chunk;
	with_free = chunk;
}

static void unlink_chunk(struct chunk *chunk)
{
	if (chunk->prev != NULL)
		chunk->prev->next = chunk->next;
	else
		with_free = chunk->next;
	if (chunk->next != NULL)
		chunk->next->prev = chunk->prev;
}

static struct chunk *take_record(void)
{
	struct exo_pages pages;
	struct chunk *chunk;

	if (unused == NULL) {
		if (exo_pages_alloc(&pages, 1) < 0)
			return NULL;
		chunk = pages.address;
		for (unsigned i = 0; i < EXO_PAGE_SIZE / sizeof(*chunk); i++, chunk++) {
			chunk->next = unused;
			unused = chunk;
		}
	}
	chunk = unused;
	unused = chunk->next;
	return chunk;
}

static bool alloc_frames(struct exo_frame_alloc *block, uint32_t *count)
{
	const struct exo_cap *authority = exo_start_cap(EXO_USE_FRAMES);

	if (authority == NULL)
		return false;
	for (*count = CHUNK_FRAMES; *count > 0; *count /= 2) {
		*block = (struct exo_frame_alloc){
		        .authority = *authority, .count = *count, .first = EXO_FRAME_ANY};
		if (exo_frame_alloc(block) >= 0)
			return true;
	}
	return false;
}

static bool grow(void)
{
	struct chunk *chunk = take_record();
	struct exo_frame_alloc block;
	uint32_t count;

	if (chunk == NULL)
		return false;
	if (!alloc_frames(&block, &count))
		goto no_frames;
	for (uint32_t i = 0; i < count; i++)
		if (!radix_set(&chunk_of, block.first + i, (uintptr_t)chunk))
			goto no_table;
	chunk->cap = block.out;
	chunk->first = block.first;
	chunk->all = chunk->free = ~0ull >> (CHUNK_FRAMES - count);
	chunk->dirty = 0;
	link_chunk(chunk);
	return true;

no_table:
	exo_frame_free(&block.out);
no_frames:
	chunk->next = unused;
	unused = chunk;
	return false;
}

bool pool_take(uint64_t *frame, bool *dirty)
{
	struct chunk *chunk;
	unsigned bit;

	if (with_free == NULL && !grow())
		return false;
	chunk = with_free;
	bit = (unsigned)__builtin_ctzll(chunk->free);
	chunk->free &= ~(1ull << bit);
	*dirty = (chunk->dirty >> bit & 1) != 0;
	*frame = chunk->first + bit;
	if (chunk->free == 0)
		unlink_chunk(chunk);
	return true;
}

static void give_back(struct chunk *chunk)
{
	if (exo_frame_free(&chunk->cap) < 0)
		return;
	unlink_chunk(chunk);
	for (unsigned i = 0; i < CHUNK_FRAMES; i++)
		if ((chunk->all >> i & 1) != 0)
			radix_set(&chunk_of, chunk->first + i, 0);
	chunk->next = unused;
	unused = chunk;
}

void pool_give(uint64_t frame)
{
	struct chunk *chunk = (struct chunk *)radix_get(&chunk_of, frame);
	uint64_t bit;

	if (chunk == NULL)
		return;
	bit = 1ull << (frame - chunk->first);
	if (chunk->free == 0)
		link_chunk(chunk);
	chunk->free |= bit;
	chunk->dirty |= bit;
	if (chunk->free == chunk->all && (chunk->prev != NULL || chunk->next != NULL))
		give_back(chunk);
}
