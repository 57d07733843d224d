/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Epochs of every kind of unit, and the listing of the ledger. Frames themselves: frame.c.
 */
#include "ledger.h"

#include <stdio.h>
#include <string.h>

#include "core.h"
#include "env.h"
#include "extent.h"
#include "framebuffer.h"
#include "frame_table.h"
#include "net.h"
#include "space.h"

static uint32_t authority_epochs[EXO_KINDS];
static uint32_t
        unit_epochs[EXO_KINDS]; /* of kinds whose units share one: slots, console, machine */

uint32_t ledger_authority_epoch(enum exo_kind kind)
{
	return authority_epochs[kind];
}

static int frames_epoch(uint64_t first, uint32_t count, uint32_t *epoch)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct frame *frame = ledger_frame(first + i);

		if (!frame || __atomic_load_n(&frame->state, __ATOMIC_RELAXED) != FRAME_OWNED)
			return -EXO_ENOENT;
		if (i > 0 && frame_read(&frame->epoch) != *epoch)
			return -EXO_ESTALE;
		*epoch = frame_read(&frame->epoch);
	}
	return 0;
}

static int env_epoch(uint64_t id, uint32_t count, uint32_t *epoch)
{
	const struct env *env = id > UINT32_MAX || count != 1 ? NULL : env_find((uint32_t)id);

	if (!env)
		return -EXO_ENOENT;
	*epoch = env->epoch;
	return 0;
}

void ledger_units(enum exo_kind kind, uint64_t *first, uint64_t *count)
{
	*first = 0;
	switch (kind) {
	case EXO_KIND_FRAME:
		*first = frame_table.first;
		*count = frame_table.n;
		break;
	case EXO_KIND_ENV:
		*count = UINT32_MAX;
		break;
	case EXO_KIND_SLOT:
		*count = (uint64_t)machine_cores() * EXO_SLOTS_PER_CORE;
		break;
	case EXO_KIND_EXTENT:
		*count = core_info->disk_sectors;
		break;
	case EXO_KIND_SCREEN:
		*count = core_info->screen_width ? UINT32_MAX : 0;
		break;
	case EXO_KIND_CONSOLE:
	case EXO_KIND_MACHINE:
		*count = 1;
		break;
	default:
		*count = 0;
	}
}

static bool exist(enum exo_kind kind, uint64_t first, uint32_t count)
{
	uint64_t from, n;

	ledger_units(kind, &from, &n);
	return count != 0 && first < n && n - first >= count;
}

int ledger_epoch(enum exo_kind kind, uint64_t first, uint32_t count, uint32_t *epoch)
{
	if (kind == EXO_KIND_FRAME)
		return count == 0 ? -EXO_ENOENT : frames_epoch(first, count, epoch);
	if (kind == EXO_KIND_ENV)
		return env_epoch(first, count, epoch);
	if (kind == EXO_KIND_EXTENT)
		return extent_epoch(first, count, epoch);
	if (kind == EXO_KIND_SCREEN)
		return framebuffer_epoch(first, count, epoch);
	if (kind >= EXO_KINDS || !exist(kind, first, count))
		return -EXO_ENOENT;
	*epoch = unit_epochs[kind];
	return 0;
}

/* ---- Ending an epoch ---- */

static int end_frames(uint64_t first, uint32_t count)
{
	uint32_t epoch = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct frame *frame = ledger_frame(first + i);

		if (frame->epoch > epoch)
			epoch = frame->epoch;
	}
	/* The last epoch is left to the frame's next owner, who retires it by giving it back. */
	if (epoch >= UINT32_MAX - 1)
		return -EXO_EBUSY;
	for (uint32_t i = 0; i < count; i++) {
		struct frame *frame = ledger_frame(first + i);

		frame_write(&frame->epoch, epoch + 1);
		space_break_frame(frame, frame->owner);
	}
	return 0;
}

/* An authority's epoch is the whole kind's, so only who holds the whole of it may end it. */
static int end_authority(const struct exo_cap *cap)
{
	uint64_t first, count;

	ledger_units(cap->kind, &first, &count);
	if (count == 0 || cap->first != first || cap->count != count)
		return -EXO_EPERM;
	authority_epochs[cap->kind]++;
	return 0;
}

int ledger_epoch_end(const struct exo_cap *cap)
{
	uint32_t epoch;
	int error;

	if (cap->rights & EXO_RIGHT_ALLOC)
		return end_authority(cap);
	error = ledger_epoch(cap->kind, cap->first, cap->count, &epoch);
	if (error)
		return error;
	if (cap->kind == EXO_KIND_FRAME)
		return end_frames(cap->first, cap->count);
	if (cap->kind == EXO_KIND_EXTENT)
		return extent_epoch_end(cap->first, cap->count);
	if (cap->kind == EXO_KIND_SCREEN)
		return framebuffer_epoch_end(cap->first);
	if (cap->kind == EXO_KIND_ENV) {
		env_find((uint32_t)cap->first)->epoch++;
		pe_rename(env_find((uint32_t)cap->first));
	} else {
		unit_epochs[cap->kind]++;
	}
	return 0;
}

/* ---- Listing ---- */

static const char *state_name(const struct frame *frame)
{
	static const char *const names[] = {
	        [FRAME_ABSENT] = "absent",     [FRAME_FREE] = "free",
	        [FRAME_OWNED] = "owned",       [FRAME_KERNEL] = "kernel",
	        [FRAME_DRAINING] = "draining", [FRAME_RETIRED] = "retired",
	        [FRAME_LEAVING] = "owned",
	};

	return ledger_frame_fixed(frame) ? "payload" : names[frame->state];
}

static bool same_run(const struct frame *a, const struct frame *b)
{
	return a->state == b->state && a->owner == b->owner &&
	       ledger_frame_fixed(a) == ledger_frame_fixed(b);
}

/* The next run of frames that are alike, from frame number *cursor on. */
static bool list_frames(uint64_t *cursor, struct exo_ledger_entry *entry)
{
	const struct frame *frames = frame_table.frames;
	uint64_t i = *cursor > frame_table.first ? *cursor - frame_table.first : 0;
	uint64_t begin;

	while (i < frame_table.n && frames[i].state == FRAME_ABSENT)
		i++;
	if (i >= frame_table.n)
		return false;
	begin = i;
	for (; i < frame_table.n && same_run(&frames[begin], &frames[i]); i++)
		entry->uses += frames[i].n_mappings + frames[i].pins;
	entry->first = frame_table.first + begin;
	entry->count = i - begin;
	entry->owner = frames[begin].owner;
	snprintf(entry->note, sizeof(entry->note), "%s", state_name(&frames[begin]));
	*cursor = frame_table.first + i;
	return true;
}

static bool list_envs(uint64_t *cursor, struct exo_ledger_entry *entry)
{
	const struct env *env = *cursor > UINT32_MAX ? NULL : env_next((uint32_t)*cursor);

	if (!env)
		return false;
	entry->first = env->id;
	entry->count = 1;
	entry->owner = env->parent;
	entry->rights = env->state;
	entry->uses = env->account->frames;
	memcpy(entry->note, env->name, sizeof(entry->note));
	*cursor = env->id;
	return true;
}

static bool list_slots(uint64_t *cursor, struct exo_ledger_entry *entry)
{
	const struct exo_slot_info *slots = core_info_slots();
	uint64_t n = (uint64_t)machine_cores() * EXO_SLOTS_PER_CORE;
	uint64_t i = *cursor;

	if (i >= n)
		return false;
	while (i < n && slots[i].owner == slots[*cursor].owner &&
	       i / EXO_SLOTS_PER_CORE == *cursor / EXO_SLOTS_PER_CORE)
		i++;
	entry->first = *cursor;
	entry->count = i - *cursor;
	entry->owner = slots[*cursor].owner;
	*cursor = i;
	return true;
}

static bool list_own(uint32_t kind, uint64_t *cursor, struct exo_ledger_entry *entry)
{
	switch (kind) {
	case EXO_KIND_FRAME:
		return list_frames(cursor, entry);
	case EXO_KIND_ENV:
		return list_envs(cursor, entry);
	case EXO_KIND_SLOT:
		return list_slots(cursor, entry);
	case EXO_KIND_EXTENT:
		return extent_list(cursor, entry);
	case EXO_KIND_SCREEN:
		return framebuffer_list(cursor, entry);
	default:
		return false;
	}
}

uint32_t ledger_owner(enum exo_kind kind, uint64_t unit)
{
	uint64_t cursor = kind == EXO_KIND_SCREEN ? unit - 1 : unit;
	struct exo_ledger_entry entry = {0};
	uint64_t first, count;
	bool found;

	if (kind == EXO_KIND_FRAME)
		return ledger_frame(unit) && ledger_frame(unit)->state == FRAME_OWNED
		               ? ledger_frame(unit)->owner
		               : 0;
	if (kind == EXO_KIND_SLOT) {
		ledger_units(kind, &first, &count);
		return unit < count ? core_info_slots()[unit].owner : 0;
	}
	found = ledger_by_net(kind) ? net_list(kind, &cursor, &entry)
	                            : list_own(kind, &cursor, &entry);
	return found && unit >= entry.first && unit - entry.first < entry.count ? entry.owner : 0;
}

static bool list_next(uint32_t kind, uint64_t *cursor, struct exo_ledger_entry *entry)
{
	bool found;

	*entry = (struct exo_ledger_entry){0};
	if (ledger_by_net(kind))
		return net_list(kind, cursor, entry);
	core_lock();
	found = list_own(kind, cursor, entry);
	core_unlock();
	return found;
}

static int write_entry(const struct exo_listing *listing, const struct exo_ledger_entry *entry)
{
	uint64_t at = listing->entries + (uint64_t)listing->n * sizeof(*entry);

	return call_copy_out(at, entry, sizeof(*entry));
}

static int fill(struct exo_listing *listing)
{
	struct exo_ledger_entry entry;
	int error;

	listing->n = 0;
	while (listing->n < listing->room) {
		if (!list_next(listing->kind, &listing->cursor, &entry)) {
			listing->cursor = 0;
			return 0;
		}
		error = write_entry(listing, &entry);
		if (error)
			return error;
		listing->n++;
	}
	return 0;
}

int64_t ledger_call_list(struct call *call)
{
	struct exo_listing *listing = call->block;

	if (listing->reserved || listing->room == 0 || listing->room > LEDGER_LIST_MAX ||
	    listing->kind == EXO_KIND_NONE || listing->kind >= EXO_KINDS)
		return -EXO_EINVAL;
	return fill(listing);
}
