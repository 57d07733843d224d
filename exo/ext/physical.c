/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical pages: SPIN's PhysAddr. What an extension allocated is known by frame and epoch: a frame
 * that was given back meanwhile, and taken anew, is in another one. */
#include <string.h>

#include "../core/cap.h"
#include "../core/ledger.h"
#include "service.h"

enum { RUNS_FIRST = 16 };

/* Room for one more run. Core lock. */
static struct ext_run *room_for_one(struct ext_domain *domain)
{
	struct ext_holdings *holdings = ext_holdings_of(domain);
	uint32_t more = holdings && holdings->room ? holdings->room * 2 : RUNS_FIRST;
	struct ext_run *runs;

	if (!holdings || (holdings->n_runs == holdings->room && more > EXO_SERVICE_RUNS_MAX))
		return NULL;
	if (holdings->n_runs < holdings->room)
		return &holdings->runs[holdings->n_runs];
	runs = machine_alloc(more * sizeof(*runs));
	if (!runs)
		return NULL;
	if (holdings->n_runs)
		memcpy(runs, holdings->runs, holdings->n_runs * sizeof(*runs));
	machine_free(holdings->runs);
	holdings->runs = runs;
	holdings->room = more;
	return &runs[holdings->n_runs];
}

static int64_t allocate(const struct ext_user *user, uint32_t count, uint64_t align)
{
	const struct exo_cap *authority = &user->from->core->frames;
	struct env *maker = user->from->maker;
	uint64_t first = EXO_FRAME_ANY;
	struct ext_run *run;
	int error = cap_check(authority, maker, EXO_KIND_FRAME, EXO_RIGHT_ALLOC);

	if (error)
		return error;
	run = room_for_one(user->user);
	if (!run)
		return -EXO_E2BIG;
	error = ledger_frames_alloc(maker, authority->first, authority->count, &first, count,
	                            align);
	if (error)
		return error;
	*run = (struct ext_run){first, count, ledger_frame(first)->epoch};
	user->user->holdings->n_runs++;
	return (int64_t)first;
}

int64_t ext_phys_allocate(uint64_t count, uint64_t align, uint64_t c, uint64_t d, uint64_t e,
                          void *user)
{
	int64_t result;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	if (count == 0 || count > EXO_SERVICE_FRAMES_MAX || (align & (align - 1)))
		return -EXO_EINVAL;
	core_lock();
	result = allocate(user, (uint32_t)count, align);
	core_unlock();
	return result;
}

/* The run that has all of the frames, or NULL. */
static struct ext_run *find_run(struct ext_holdings *holdings, uint64_t first, uint64_t count)
{
	for (uint32_t i = 0; holdings && i < holdings->n_runs; i++) {
		struct ext_run *run = &holdings->runs[i];

		if (first >= run->first && first - run->first < run->count &&
		    run->count - (first - run->first) >= count)
			return run;
	}
	return NULL;
}

/* Takes frames out of a run: nothing, the front, the back or two parts are left. The array has room
 * for one more (allocations leave none without it only at its full size). */
static int shrink(struct ext_domain *domain, struct ext_run *run, uint64_t first, uint32_t count)
{
	struct ext_holdings *holdings = domain->holdings;
	uint32_t before = (uint32_t)(first - run->first), behind = run->count - before - count;

	if (before && behind) {
		size_t index = (size_t)(run - holdings->runs);
		struct ext_run *other = room_for_one(domain);

		if (!other)
			return -EXO_E2BIG;
		run = &holdings->runs[index];
		*other = (struct ext_run){first + count, behind, run->epoch};
		holdings->n_runs++;
		run->count = before;
	} else if (before || behind) {
		run->first = before ? run->first : first + count;
		run->count = before + behind;
	} else {
		*run = holdings->runs[--holdings->n_runs];
	}
	return 0;
}

static bool in_epoch(const struct ext_run *run, uint64_t frame)
{
	const struct frame *entry = ledger_frame(frame);

	return entry && frame_read(&entry->epoch) == run->epoch;
}

static int deallocate(const struct ext_user *user, uint64_t first, uint32_t count)
{
	struct ext_run *run = find_run(user->user->holdings, first, count);
	struct ext_run was;
	int error;

	if (!run)
		return -EXO_EPERM;
	was = *run;
	error = shrink(user->user, run, first, count);
	if (error)
		return error;
	/* It is no longer ours to give where another epoch has begun. */
	for (uint32_t i = 0; i < count && !error; i++)
		error = in_epoch(&was, first + i) ? 0 : -EXO_ESTALE;
	if (error)
		return error;
	error = ledger_frames_free(user->from->maker, first, count);
	if (error == -EXO_EBUSY) { /* mapped by others, or pinned: it stays with us */
		run = room_for_one(user->user);
		if (run) {
			*run = (struct ext_run){first, count, was.epoch};
			user->user->holdings->n_runs++;
		}
	}
	return error;
}

int64_t ext_phys_deallocate(uint64_t first, uint64_t count, uint64_t c, uint64_t d, uint64_t e,
                            void *user)
{
	int error;

	if (!ext_services_are_open())
		return -EXO_EAGAIN;
	if (count == 0 || count > EXO_SERVICE_FRAMES_MAX)
		return -EXO_EINVAL;
	core_lock();
	error = deallocate(user, first, (uint32_t)count);
	core_unlock();
	return error;
}

int64_t ext_phys_nominate(uint64_t frame, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          void *user)
{
	*ext_nominated(machine_core()) = frame;
	return 0;
}

/* Frame by frame: some of a run may be in other hands, or in use. */
void ext_physical_end(struct ext_domain *domain)
{
	const struct ext_holdings *holdings = domain->holdings;
	struct env *maker = env_find_live(domain->env);

	for (uint32_t i = 0; maker && i < holdings->n_runs; i++) {
		const struct ext_run *run = &holdings->runs[i];

		for (uint32_t k = 0; k < run->count; k++)
			if (in_epoch(run, run->first + k))
				(void)ledger_frames_free(maker, run->first + k, 1);
	}
}
