/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page frames: the array of entries, the free list and free map, allocation by name or anywhere,
 * giving back, pins. States and locks: ledger.h.
 *
 * Order of events when a frame leaves its owner: its state says LEAVING, so that no new pin is
 * taken (pinning raises the count first and looks at the state afterwards; this looks at the count
 * after it has written the state: one of the two sees the other); what is pinned stays or drains;
 * mappings are broken; net_quiesce waits for polls that saw the old state; then it is free.
 */
#include "ledger.h"

#include <string.h>

#include <exo/layout.h>

#include "core.h"
#include "env.h"
#include "frame_table.h"
#include "net.h"
#include "space.h"

struct frame_table frame_table;

static uint8_t state_of(const struct frame *frame)
{
	return __atomic_load_n(&frame->state, __ATOMIC_SEQ_CST);
}

struct frame *ledger_frame(uint64_t number)
{
	struct frame *frame = frame_entry(number);

	return frame && state_of(frame) != FRAME_ABSENT ? frame : NULL;
}

uint64_t ledger_frame_number(const struct frame *frame)
{
	return frame_table.first + (uint64_t)(frame - frame_table.frames);
}

bool ledger_frame_fixed(const struct frame *frame)
{
	return (uint64_t)(frame - frame_table.frames) - frame_table.fixed < frame_table.n_fixed;
}

static void set_state(struct frame *frame, enum frame_state state)
{
	__atomic_store_n(&frame->state, (uint8_t)state, __ATOMIC_SEQ_CST);
}

static uint32_t pins_of(const struct frame *frame)
{
	return __atomic_load_n(&frame->pins, __ATOMIC_SEQ_CST);
}

/* ---- Lists ---- */

void frame_list_add(struct frame_list *list, struct frame *frame)
{
	uint32_t index = (uint32_t)(frame - frame_table.frames);

	frame->prev = FRAME_NONE;
	frame->next = list->head;
	if (list->head != FRAME_NONE)
		frame_table.frames[list->head].prev = index;
	list->head = index;
	list->n++;
}

void frame_list_remove(struct frame_list *list, struct frame *frame)
{
	if (frame->prev == FRAME_NONE)
		list->head = frame->next;
	else
		frame_table.frames[frame->prev].next = frame->next;
	if (frame->next != FRAME_NONE)
		frame_table.frames[frame->next].prev = frame->prev;
	list->n--;
}

static struct frame *list_first(const struct frame_list *list)
{
	return list->head == FRAME_NONE ? NULL : &frame_table.frames[list->head];
}

/* ---- The free map ---- */

static bool is_free(uint64_t index)
{
	return frame_table.free_map[index / 64] >> index % 64 & 1;
}

/* The map is read by everybody: words are written whole. */
static void mark_free(uint64_t index, bool free)
{
	uint64_t *word = &frame_table.free_map[index / 64];
	uint64_t bit = 1ull << index % 64;

	__atomic_store_n(word, free ? *word | bit : *word & ~bit, __ATOMIC_RELAXED);
}

static void tell_free(void)
{
	if (core_info)
		core_info->frames_free = frame_table.free.n;
}

/* Free frames from `index` on, counted up to `count`. */
static uint64_t free_run(uint64_t index, uint64_t count)
{
	uint64_t run = 0;

	while (run < count && is_free(index + run))
		run++;
	return run;
}

/* Index of `count` free frames in [from, end) whose frame number is a multiple of align. */
static bool find_run(uint64_t from, uint64_t end, uint64_t count, uint64_t align, uint64_t *found)
{
	uint64_t index = from;

	while (index < end) {
		uint64_t run, word;

		index += -(frame_table.first + index) & (align - 1);
		if (index >= end || end - index < count)
			return false;
		word = frame_table.free_map[index / 64] >> index % 64;
		if (!(word & 1)) {
			index += word ? (unsigned)__builtin_ctzll(word) : 64 - index % 64;
			continue;
		}
		run = free_run(index, count);
		if (run == count) {
			*found = index;
			return true;
		}
		index += run + 1;
	}
	return false;
}

void frame_release(struct frame *frame)
{
	uint64_t index = (uint64_t)(frame - frame_table.frames);

	frame_write(&frame->owner, 0);
	if (frame->epoch >= UINT32_MAX - 1) {
		set_state(frame, FRAME_RETIRED);
		frame_table.n_retired++;
		return;
	}
	set_state(frame, FRAME_FREE);
	frame_list_add(&frame_table.free, frame);
	mark_free(index, true);
}

static void take(uint64_t index, enum frame_state state, uint32_t owner, uint32_t epoch)
{
	struct frame *frame = &frame_table.frames[index];

	frame_list_remove(&frame_table.free, frame);
	mark_free(index, false);
	frame_write(&frame->owner, owner);
	frame_write(&frame->epoch, epoch);
	/* Its owner may map it on another core as soon as the state says so. */
	memset(machine_frame(frame_table.first + index), 0, EXO_PAGE_SIZE);
	set_state(frame, state);
}

/* ---- Allocation ---- */

/* Clips frames [from, from + span) to the table, as indices. */
static bool clip(uint64_t from, uint64_t span, uint64_t *begin, uint64_t *end)
{
	uint64_t first = frame_table.first;
	uint64_t last = span > UINT64_MAX - from ? UINT64_MAX : from + span;

	if (last <= first || from >= first + frame_table.n)
		return false;
	*begin = from > first ? from - first : 0;
	*end = last - first < frame_table.n ? last - first : frame_table.n;
	return *begin < *end;
}

/* A single frame from anywhere comes from the list's head: it was used last and is in the cache. */
static bool find_single(uint64_t begin, uint64_t end, uint64_t *index)
{
	if (frame_table.free.head == FRAME_NONE || begin != 0 || end != frame_table.n)
		return false;
	*index = frame_table.free.head;
	return true;
}

static int find_any(uint64_t from, uint64_t span, uint32_t count, uint64_t align, uint64_t *index)
{
	uint64_t begin, end;

	if (!clip(from, span, &begin, &end))
		return -EXO_ENOMEM;
	if (count == 1 && align <= 1 && find_single(begin, end, index))
		return 0;
	return find_run(begin, end, count, align ? align : 1, index) ? 0 : -EXO_ENOMEM;
}

/* The caller has checked that the names lie inside its authority. */
static int find_named(uint64_t first, uint32_t count, uint64_t *index)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct frame *frame = ledger_frame(first + i);

		if (!frame)
			return -EXO_ENOENT;
		if (frame->state != FRAME_FREE)
			return -EXO_EBUSY;
	}
	*index = first - frame_table.first;
	return 0;
}

/* An epoch that none of the frames has had. Frames near the end of theirs are retired, not free. */
static uint32_t new_epoch(uint64_t index, uint32_t count)
{
	uint32_t epoch = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (frame_table.frames[index + i].epoch > epoch)
			epoch = frame_table.frames[index + i].epoch;
	}
	return epoch + 1;
}

int ledger_frames_alloc(struct env *owner, uint64_t from, uint64_t span, uint64_t *first,
                        uint32_t count, uint64_t align)
{
	struct exo_account *account = owner->account;
	uint32_t epoch;
	uint64_t index;
	int error;

	if (count > FRAME_ALLOC_MAX)
		return -EXO_E2BIG;
	if (account->frames_max - account->frames < count || count == 0)
		return -EXO_ENOMEM;
	if (*first == EXO_FRAME_ANY)
		error = find_any(from, span, count, align, &index);
	else
		error = find_named(*first, count, &index);
	if (error)
		return error;
	epoch = new_epoch(index, count);
	for (uint32_t i = 0; i < count; i++) {
		take(index + i, FRAME_OWNED, owner->id, epoch);
		frame_list_add(&owner->frames, &frame_table.frames[index + i]);
	}
	account->frames += count;
	tell_free();
	*first = frame_table.first + index;
	return 0;
}

int ledger_kernel_frames(uint32_t count, uint64_t *first)
{
	uint64_t index;
	int error = find_any(frame_table.first, frame_table.n, count, 1, &index);

	if (error)
		return error;
	for (uint32_t i = 0; i < count; i++)
		take(index + i, FRAME_KERNEL, 0, frame_table.frames[index + i].epoch + 1);
	frame_table.n_kernel += count;
	tell_free();
	*first = frame_table.first + index;
	return 0;
}

void ledger_kernel_free(uint64_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		frame_release(ledger_frame(first + i));
	frame_table.n_kernel -= count;
	tell_free();
}

/* ---- Giving back ---- */

/* Whether `owner` may give the frame back now: 0, or why not. */
static int check_free(const struct env *owner, struct frame *frame)
{
	if (!frame || frame->state != FRAME_OWNED || frame->owner != owner->id ||
	    ledger_frame_fixed(frame))
		return -EXO_EPERM;
	return 0;
}

static void restore(uint64_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		set_state(ledger_frame(first + i), FRAME_OWNED);
}

/* Keeps new pins and mappings away from all frames, or, where others use one, from none. */
static int leave_all(const struct env *owner, uint64_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct frame *frame = ledger_frame(first + i);

		set_state(frame, FRAME_LEAVING);
		if (pins_of(frame) != 0 || space_frame_uses(frame, owner) != 0) {
			restore(first, i + 1);
			return -EXO_EBUSY;
		}
	}
	return 0;
}

int ledger_frames_free(struct env *owner, uint64_t first, uint32_t count)
{
	int error;

	for (uint32_t i = 0; i < count; i++) {
		error = check_free(owner, ledger_frame(first + i));
		if (error)
			return error;
	}
	error = leave_all(owner, first, count);
	if (error)
		return error;
	for (uint32_t i = 0; i < count; i++)
		space_break_frame(ledger_frame(first + i), 0);
	net_quiesce();
	for (uint32_t i = 0; i < count; i++) {
		struct frame *frame = ledger_frame(first + i);

		frame_list_remove(&owner->frames, frame);
		frame_release(frame);
	}
	owner->account->frames -= count;
	tell_free();
	return 0;
}

void ledger_frame_part(struct env *owner, struct frame *frame, struct frame_list *parted)
{
	set_state(frame, FRAME_LEAVING);
	if (pins_of(frame) != 0)
		net_frame_leaves(ledger_frame_number(frame));
	space_break_frame(frame, 0);
	frame_list_remove(&owner->frames, frame);
	frame_list_add(parted, frame);
	if (!ledger_frame_fixed(frame))
		owner->account->frames--;
}

void ledger_frames_settle(struct frame_list *parted)
{
	struct frame *frame;

	if (parted->n != 0)
		net_quiesce();
	while ((frame = list_first(parted))) {
		frame_list_remove(parted, frame);
		if (ledger_frame_fixed(frame)) {
			frame_write(&frame->owner, 0);
			set_state(frame, FRAME_KERNEL);
			frame_table.n_kernel++;
		} else if (pins_of(frame) != 0) {
			set_state(frame, FRAME_DRAINING);
			frame_list_add(&frame_table.draining, frame);
		} else {
			frame_release(frame);
		}
	}
	tell_free();
}

void ledger_frames_reclaim(struct env *owner)
{
	struct frame_list parted = {.head = FRAME_NONE};

	while (owner->frames.head != FRAME_NONE)
		ledger_frame_part(owner, list_first(&owner->frames), &parted);
	ledger_frames_settle(&parted);
}

struct frame *ledger_frames_of(const struct env *env)
{
	return list_first(&env->frames);
}

struct frame *ledger_frame_after(const struct frame *frame)
{
	return frame->next == FRAME_NONE ? NULL : &frame_table.frames[frame->next];
}

bool ledger_draining(void)
{
	return __atomic_load_n(&frame_table.draining.n, __ATOMIC_RELAXED) != 0;
}

void ledger_drain(void)
{
	uint32_t i = frame_table.draining.head;

	while (i != FRAME_NONE) {
		struct frame *frame = &frame_table.frames[i];

		i = frame->next;
		if (pins_of(frame) == 0) {
			frame_list_remove(&frame_table.draining, frame);
			frame_release(frame);
		}
	}
	tell_free();
}

/* ---- Pins ---- */

bool ledger_frame_owned(uint32_t env, uint64_t number)
{
	return frame_owned(env, number);
}

int ledger_frame_pin(uint32_t env, uint64_t number)
{
	struct frame *frame = ledger_frame(number);

	if (!frame)
		return -EXO_EPERM;
	__atomic_add_fetch(&frame->pins, 1, __ATOMIC_SEQ_CST);
	if (state_of(frame) == FRAME_OWNED && frame_read(&frame->owner) == env)
		return 0;
	__atomic_sub_fetch(&frame->pins, 1, __ATOMIC_SEQ_CST);
	return -EXO_EPERM;
}

void ledger_frame_unpin(uint64_t number)
{
	struct frame *frame = ledger_frame(number);
	uint32_t before;

	MACHINE_ASSERT(frame);
	before = __atomic_fetch_sub(&frame->pins, 1, __ATOMIC_SEQ_CST);
	MACHINE_ASSERT(before != 0);
}

int ledger_frames_pin(uint32_t env, uint64_t first, uint64_t count)
{
	if (count > frame_table.n)
		return -EXO_EPERM;
	for (uint64_t i = 0; i < count; i++) {
		int error = ledger_frame_pin(env, first + i);

		if (error) {
			ledger_frames_unpin(first, i);
			return error;
		}
	}
	return 0;
}

void ledger_frames_unpin(uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		ledger_frame_unpin(first + i);
}
