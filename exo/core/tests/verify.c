/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the ledger is consistent: entries with lists, free map, accounts, mappings and page
 * tables.
 */
#include "verify.h"

#include <host/host.h>

#include "../env.h"
#include "../frame_table.h"
#include "../space.h"

void ledger_count(struct ledger_counts *counts)
{
	*counts = (struct ledger_counts){0};
	for (uint64_t i = 0; i < frame_table.n; i++) {
		const struct frame *frame = &frame_table.frames[i];

		counts->free += frame->state == FRAME_FREE;
		counts->owned += frame->state == FRAME_OWNED;
		counts->kernel += frame->state == FRAME_KERNEL;
		counts->draining += frame->state == FRAME_DRAINING;
		counts->retired += frame->state == FRAME_RETIRED;
		counts->mappings += frame->n_mappings;
		counts->pins += frame->pins;
	}
}

static const char *verify_mappings(const struct frame *frame)
{
	unsigned n = 0;

	for (const struct mapping *m = frame->mappings; m; m = m->next_of_frame, n++) {
		uint64_t number;
		unsigned rights;

		if (m->frame != frame)
			return "a mapping hangs on the wrong frame";
		if (machine_space_query(m->env->space, m->address, &number, &rights) != 0 ||
		    number != ledger_frame_number(frame) || rights != m->rights)
			return "the page tables say something else than a mapping";
	}
	return n == frame->n_mappings ? NULL : "a frame's count of mappings is wrong";
}

static const char *verify_frame(uint64_t i)
{
	const struct frame *frame = &frame_table.frames[i];
	bool marked = frame_table.free_map[i / 64] >> i % 64 & 1;
	const struct env *owner;

	if (marked != (frame->state == FRAME_FREE))
		return "the free map differs from the ledger";
	if (frame->state != FRAME_OWNED)
		return frame->n_mappings ? "a frame that nobody owns is mapped" : NULL;
	owner = env_find(frame->owner);
	if (!owner || owner->reaped)
		return "a frame's owner has ended";
	return verify_mappings(frame);
}

static const char *verify_env(const struct env *env)
{
	uint64_t owned = 0, mappings = 0;

	for (uint32_t i = env->frames.head; i != FRAME_NONE; i = frame_table.frames[i].next) {
		if (frame_table.frames[i].owner != env->id)
			return "a frame is in the wrong owner's list";
		owned += !ledger_frame_fixed(&frame_table.frames[i]);
	}
	for (const struct mapping *m = env->mappings; m; m = m->next_of_env)
		mappings++;
	if (host_space_stale(env->space))
		return "a mapping was taken away and not flushed";
	if (owned != env->account->frames || mappings != env->account->mappings)
		return "an account differs from the ledger";
	return owned <= env->account->frames_max ? NULL : "an environment exceeds its limit";
}

const char *ledger_verify(void)
{
	const char *wrong = NULL;
	struct ledger_counts counts;

	for (uint64_t i = 0; i < frame_table.n && !wrong; i++)
		wrong = verify_frame(i);
	for (const struct env *env = env_next(0); env && !wrong; env = env_next(env->id)) {
		if (!env->reaped)
			wrong = verify_env(env);
	}
	ledger_count(&counts);
	if (!wrong &&
	    (counts.free != frame_table.free.n || counts.draining != frame_table.draining.n ||
	     counts.kernel != frame_table.n_kernel))
		wrong = "a list's length differs from the entries' states";
	return wrong;
}
