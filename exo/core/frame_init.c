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

static void enter_range(const struct machine_range *range, uint64_t own, uint64_t own_count)
{
	/* Downwards, so that the list hands out low frames first. */
	for (uint64_t i = range->count; i-- > 0;) {
		uint64_t number = range->first + i;
		struct frame *frame = &frame_table.frames[number - frame_table.first];

		if (number >= own && number - own < own_count) {
			frame->state = FRAME_KERNEL;
			frame_table.n_kernel++;
		} else {
			frame_release(frame);
		}
	}
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
}

void ledger_payload_give(struct env *init)
{
	uint64_t first, count;

	payload_frames(&first, &count);
	for (uint64_t i = count; i-- > 0;) {
		struct frame *frame = &frame_table.frames[first + i - frame_table.first];

		frame->owner = init->id;
		frame->epoch = 1;
		frame->fixed = true;
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
