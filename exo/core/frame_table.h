/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The array of frame entries, as the files that implement ledger.h share it (frame.c, frame_init.c,
 * ledger.c, space.c), and ring_lone.c, ring_plain.c, ring_receive.c and cut.c, which ask whose a
 * frame is. Nobody else includes this.
 */
#ifndef CORE_FRAME_TABLE_H
#define CORE_FRAME_TABLE_H

#include <exo/layout.h>

#include "ledger.h"

struct frame_table {
	struct frame *frames; /* n entries */
	uint64_t *free_map;   /* bit i: entry i is free; whole pages, mapped read-only everywhere */
	uint64_t first, n;    /* number of the first entry's frame; entries */
	uint8_t *aliases;     /* of those frames, in a row */
	uint64_t fixed, n_fixed; /* entries of the payload */
	uint64_t total;          /* frames that are free or can become so */
	uint64_t n_kernel, n_retired;
	struct frame_list free, draining;
};

extern struct frame_table frame_table;

/* As ledger_frame, but perhaps absent. */
static inline struct frame *frame_entry(uint64_t number)
{
	uint64_t index = number - frame_table.first;

	return index < frame_table.n ? &frame_table.frames[index] : NULL;
}

/* As ledger_frame_owned, inline. */
static inline bool frame_owned(uint32_t env, uint64_t number)
{
	const struct frame *frame = frame_entry(number);

	return frame && __atomic_load_n(&frame->state, __ATOMIC_SEQ_CST) == FRAME_OWNED &&
	       frame_read(&frame->owner) == env;
}

/* The kernel's alias of a frame that is an environment's; NULL: it is not. */
static inline uint8_t *frame_alias(uint32_t env, uint64_t number)
{
	const uint64_t index = number - frame_table.first;
	const struct frame *frame;

	if (index >= frame_table.n)
		return NULL;
	frame = &frame_table.frames[index];
	if (__atomic_load_n(&frame->state, __ATOMIC_SEQ_CST) != FRAME_OWNED ||
	    frame_read(&frame->owner) != env)
		return NULL;
	return frame_table.aliases + index * EXO_PAGE_SIZE;
}

/* How many frames from a number on, at most so many, are the environment's without a gap. */
static inline uint32_t frames_owned(uint32_t env, uint64_t number, uint32_t most)
{
	const uint64_t index = number - frame_table.first;
	const struct frame *frame;
	uint32_t n = 0;

	if (index >= frame_table.n)
		return 0;
	frame = &frame_table.frames[index];
	most = most < frame_table.n - index ? most : (uint32_t)(frame_table.n - index);
	for (; n < most && __atomic_load_n(&frame->state, __ATOMIC_SEQ_CST) == FRAME_OWNED &&
	       frame_read(&frame->owner) == env;
	     frame++)
		n++;
	return n;
}

void frame_list_add(struct frame_list *list, struct frame *frame);
void frame_list_remove(struct frame_list *list, struct frame *frame);
/* Puts a frame that is in no list into the free list (or retires it). */
void frame_release(struct frame *frame);

#endif
