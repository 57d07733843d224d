/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds the array of frame entries at start, out of the memory that it describes. */
#include "ledger.h"

#include <string.h>

#include <exo/layout.h>

#include "env.h"
#include "frame_table.h"

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
}

static void payload_frames(uint64_t *first, uint64_t *count)
{
	const struct machine_info *info = machine_info();

	*first = info->payload >> EXO_PAGE_SHIFT;
	*count = pages_of(info->payload_size);
}

static void widen(uint64_t first, uint64_t count, uint64_t *begin, uint64_t *end)
{
	if (count == 0)
		return;
	if (first < *begin)
		*begin = first;
	if (first + count > *end)
		*end = first + count;
}

/* The span of frame numbers that the table has to cover. */
static void find_span(uint64_t *begin, uint64_t *end)
{
	struct machine_range range;
	uint64_t first, count;

	*begin = UINT64_MAX;
	*end = 0;
	for (unsigned i = 0; machine_memory(i, &range); i++)
		widen(range.first, range.count, begin, end);
	payload_frames(&first, &count);
	widen(first, count, begin, end);
	machine_receive_frames(&range);
	widen(range.first, range.count, begin, end);
}

/* The last `count` frames of the first range that holds them: contiguous, also through the alias.
 */
static uint64_t carve(uint64_t count)
{
	struct machine_range range;

	for (unsigned i = 0; machine_memory(i, &range); i++) {
		if (range.count >= count)
			return range.first + range.count - count;
	}
	machine_panic("no %lu contiguous frames for the ledger", (unsigned long)count);
}

static void map_free(uint64_t index, uint64_t count)
{
	for (; count > 0 && index % 64 != 0; index++, count--)
		frame_table.free_map[index / 64] |= 1ull << index % 64;
	memset(&frame_table.free_map[index / 64], 0xff, count / 8);
	index += count & ~7ull;
	for (count &= 7; count > 0; index++, count--)
		frame_table.free_map[index / 64] |= 1ull << index % 64;
}

/* Puts fresh frames before all others of the free list, the lowest first. A boot on a large machine
 * is mostly this loop: frame_release for each would take three times as long. */
static void free_frames(uint64_t index, uint64_t count)
{
	struct frame *frames = frame_table.frames;
	struct frame_list *free = &frame_table.free;

	if (count == 0)
		return;
	for (uint64_t i = index; i < index + count; i++) {
		frames[i].state = FRAME_FREE;
		frames[i].prev = (uint32_t)i - 1;
		frames[i].next = (uint32_t)i + 1;
	}
	frames[index].prev = FRAME_NONE;
	frames[index + count - 1].next = free->head;
	if (free->head != FRAME_NONE)
		frames[free->head].prev = (uint32_t)(index + count - 1);
	free->head = (uint32_t)index;
	free->n += count;
	map_free(index, count);
}

/* The ledger's own frames are the end of one range: see carve. */
static void enter_range(const struct machine_range *range, uint64_t own, uint64_t own_count)
{
	uint64_t first = range->first - frame_table.first, count = range->count;

	if (own - range->first < count) {
		count -= own_count;
		for (uint64_t i = 0; i < own_count; i++)
			frame_table.frames[first + count + i].state = FRAME_KERNEL;
		frame_table.n_kernel += own_count;
	}
	free_frames(first, count);
}

void ledger_init(void)
{
	uint64_t begin, end, table_frames, map_frames, own;
	struct machine_range range;
	unsigned n = 0;

	find_span(&begin, &end);
	if (begin >= end || end - begin >= FRAME_NONE)
		machine_panic("memory spans %lu frames, which the ledger can't hold",
		              (unsigned long)(end - begin));
	table_frames = pages_of((end - begin) * sizeof(struct frame));
	map_frames = pages_of((end - begin + 63) / 64 * 8);
	own = carve(table_frames + map_frames);
	frame_table = (struct frame_table){
	        .frames = machine_frame(own),
	        .free_map = machine_frame(own + table_frames),
	        .first = begin,
	        .n = end - begin,
	        .aliases = machine_frame(begin),
	        .free = {.head = FRAME_NONE},
	        .draining = {.head = FRAME_NONE},
	};
	memset(frame_table.frames, 0, (table_frames + map_frames) << EXO_PAGE_SHIFT);
	while (machine_memory(n, &range))
		n++;
	while (n-- > 0) {
		machine_memory(n, &range);
		enter_range(&range, own, table_frames + map_frames);
	}
	frame_table.total = frame_table.free.n;
	machine_receive_frames(&range);
	frame_table.n_kernel += range.count;
	for (uint64_t i = 0; i < range.count; i++)
		frame_table.frames[range.first + i - frame_table.first].state = FRAME_KERNEL;
}

void ledger_payload_give(struct env *init)
{
	uint64_t first, count;

	payload_frames(&first, &count);
	frame_table.fixed = first - frame_table.first;
	frame_table.n_fixed = count;
	for (uint64_t i = count; i-- > 0;) {
		struct frame *frame = &frame_table.frames[first + i - frame_table.first];

		frame->owner = init->id;
		frame->epoch = 1;
		frame->state = FRAME_OWNED;
		frame_list_add(&init->frames, frame);
	}
}

uint64_t ledger_total(uint64_t *free)
{
	*free = frame_table.free.n;
	return frame_table.total;
}

void ledger_free_map(uint64_t *map_frame, uint64_t *map_frames, uint64_t *first, uint64_t *end)
{
	*map_frame = machine_frame_of(frame_table.free_map);
	*map_frames = pages_of((frame_table.n + 63) / 64 * 8);
	*first = frame_table.first;
	*end = frame_table.first + frame_table.n;
}
