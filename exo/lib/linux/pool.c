/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page frames for the program's memory. They come from the kernel in chunks of up to 64 that share
 * one capability, and go back when a whole chunk is free and another one has frames left.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/start.h>

#include "family.h"

enum {
	CHUNK_FRAMES = 64,
};

struct chunk {
	struct exo_cap cap;
	uint64_t first;
	uint64_t free, dirty;      /* bit sets of its frames */
	uint64_t lent;             /* given back here, but other processes still show them */
	uint64_t all;              /* the bits of frames that exist */
	struct chunk *prev, *next; /* among those with free frames */
	struct chunk *next_of_all;
};

static struct radix chunk_of; /* by frame number */
static struct chunk *with_free;
static struct chunk *unused; /* records without frames */
static struct chunk *all;
static uint64_t n_lent; /* frames */

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
	chunk->dirty = chunk->lent = 0;
	chunk->next_of_all = all;
	all = chunk;
	link_chunk(chunk);
	return true;

no_table:
	exo_frame_free(&block.out);
no_frames:
	chunk->next = unused;
	unused = chunk;
	return false;
}

static void set_free(struct chunk *chunk, uint64_t bits)
{
	if (chunk->free == 0)
		link_chunk(chunk);
	chunk->free |= bits;
	chunk->dirty |= bits;
}

/* Frames that others have stopped showing. */
static void reclaim(void)
{
	for (struct chunk *chunk = all; chunk != NULL && n_lent > 0; chunk = chunk->next_of_all) {
		for (uint64_t left = chunk->lent; left != 0; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctzll(left);

			if (exo_frame_uses(chunk->first + i) != 0)
				continue;
			chunk->lent &= ~(1ull << i);
			n_lent--;
			set_free(chunk, 1ull << i);
		}
	}
}

bool pool_take(uint64_t *frame, bool *dirty)
{
	struct chunk *chunk;
	unsigned bit;

	if (with_free == NULL && n_lent > 0)
		reclaim();
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

/* Whether the kernel took it back. */
static bool give_back(struct chunk *chunk)
{
	struct chunk **link = &all;

	if (exo_frame_free(&chunk->cap) < 0)
		return false;
	unlink_chunk(chunk);
	while (*link != chunk)
		link = &(*link)->next_of_all;
	*link = chunk->next_of_all;
	for (unsigned i = 0; i < CHUNK_FRAMES; i++)
		if ((chunk->all >> i & 1) != 0)
			radix_set(&chunk_of, chunk->first + i, 0);
	chunk->next = unused;
	unused = chunk;
	return true;
}

void pool_give(uint64_t frame)
{
	struct chunk *chunk = (struct chunk *)radix_get(&chunk_of, frame);
	uint64_t bit;

	if (chunk == NULL)
		return;
	bit = 1ull << (frame - chunk->first);
	if (family_shared() && exo_frame_uses(frame) != 0) {
		chunk->lent |= bit;
		n_lent++;
		return;
	}
	set_free(chunk, bit);
	if (chunk->free == chunk->all && (chunk->prev != NULL || chunk->next != NULL))
		give_back(chunk);
}

void pool_forget(void)
{
	chunk_of = (struct radix){0};
	with_free = all = unused = NULL;
	n_lent = 0;
}

bool pool_drain(void)
{
	struct chunk *next;

	reclaim();
	for (struct chunk *chunk = all; chunk != NULL; chunk = next) {
		next = chunk->next_of_all;
		if (chunk->free == chunk->all)
			give_back(chunk);
	}
	return all == NULL;
}
