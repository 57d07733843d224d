/* SPDX-License-Identifier: BSD-2-Clause */
/* Disk extents and requests: extent.h. */
#include "extent.h"

#include <stdio.h>
#include <string.h>

#include <exo/layout.h>

#include "core.h"
#include "cap.h"
#include "env.h"
#include "hooks.h"
#include "ledger.h"

enum {
	EXTENTS_MAX = 1024,
	SECTORS_PER_FRAME = EXO_PAGE_SIZE / EXO_SECTOR_BYTES,
	FREE_FOR_KERNEL = 8, /* requests that only extent_save uses */
};

struct extent {
	struct extent *next; /* ascending */
	uint64_t first;
	uint32_t count, owner; /* owner 0: it has ended, and requests are under way */
	uint32_t epoch;
	uint32_t busy; /* requests; under `lock` */
};

/* A request under way; under `lock`. */
struct request {
	struct extent *extent; /* NULL: not in use */
	struct env *env;       /* NULL: it has ended, or nobody waits */
	uint32_t id, sectors;  /* id: of whose frames they are */
	uint64_t frame, frames;
	uint64_t done; /* 0: nobody waits */
	bool write;
};

static struct {
	struct extent *extents;
	unsigned n;
	uint32_t last_epoch; /* of any extent: a key of an earlier one never fits a later */
	struct machine_lock lock;
	uint32_t n_requests; /* atomic for those who only look */
	struct request requests[MACHINE_DISK_REQUESTS];
} disk;

void extent_init(void)
{
	memset(&disk, 0, sizeof(disk));
}

/* ---- Extents ---- */

/* The extent that holds the whole range, or NULL. */
static struct extent *find(uint64_t first, uint64_t count)
{
	for (struct extent *e = disk.extents; e; e = e->next) {
		if (first >= e->first && first - e->first < e->count)
			return count && e->count - (first - e->first) >= count ? e : NULL;
	}
	return NULL;
}

int extent_epoch(uint64_t first, uint32_t count, uint32_t *epoch)
{
	const struct extent *e = find(first, count);

	if (!e || !e->owner)
		return -EXO_ENOENT;
	*epoch = e->epoch;
	return 0;
}

int extent_epoch_end(uint64_t first, uint32_t count)
{
	struct extent *e = find(first, count);

	if (!e || disk.last_epoch == UINT32_MAX)
		return -EXO_EBUSY;
	e->epoch = ++disk.last_epoch;
	return 0;
}

bool extent_list(uint64_t *cursor, struct exo_ledger_entry *entry)
{
	const struct extent *e = disk.extents;

	while (e && e->first < *cursor)
		e = e->next;
	if (!e)
		return false;
	*entry = (struct exo_ledger_entry){
	        .first = e->first, .count = e->count, .owner = e->owner, .uses = e->busy};
	snprintf(entry->note, sizeof(entry->note), "%s", e->owner ? "extent" : "draining");
	*cursor = e->first + e->count;
	return true;
}

static void remove_extent(struct extent **link)
{
	struct extent *e = *link;

	*link = e->next;
	disk.n--;
	machine_free(e);
}

/* Nobody's extents whose last request is done become free sectors. */
static void sweep(void)
{
	struct extent **link = &disk.extents;

	machine_lock(&disk.lock);
	while (*link) {
		if (!(*link)->owner && !(*link)->busy)
			remove_extent(link);
		else
			link = &(*link)->next;
	}
	machine_unlock(&disk.lock);
}

static int add_extent(uint64_t first, uint32_t count, struct env *owner)
{
	struct extent **link = &disk.extents, *e;

	sweep();
	while (*link && (*link)->first < first && first - (*link)->first >= (*link)->count)
		link = &(*link)->next;
	if (*link && ((*link)->first <= first || (*link)->first - first < count))
		return -EXO_EBUSY;
	e = disk.n < EXTENTS_MAX && disk.last_epoch != UINT32_MAX ? machine_alloc(sizeof(*e))
	                                                          : NULL;
	if (!e)
		return -EXO_ENOMEM;
	*e = (struct extent){.next = *link,
	                     .first = first,
	                     .count = count,
	                     .owner = owner->id,
	                     .epoch = ++disk.last_epoch};
	*link = e;
	disk.n++;
	owner->account->sectors += count;
	return 0;
}

void extent_end(struct env *owner, uint64_t sector)
{
	struct extent *e = find(sector, 1);

	owner->account->sectors -= e->count;
	e->owner = 0;
	sweep();
}

void extent_env_end(struct env *env)
{
	machine_lock(&disk.lock);
	for (unsigned i = 0; i < MACHINE_DISK_REQUESTS; i++) {
		if (disk.requests[i].env == env)
			disk.requests[i].env = NULL;
	}
	machine_unlock(&disk.lock);
	for (struct extent *e = disk.extents; e; e = e->next) {
		if (e->owner == env->id)
			e->owner = 0;
	}
	env->account->sectors = 0;
	sweep();
}

/* ---- Requests ---- */

static void unpin(const struct request *r)
{
	ledger_frames_unpin(r->frame, r->frames);
	if (r->done)
		ledger_frame_unpin(r->done >> EXO_PAGE_SHIFT);
}

static int pin(const struct request *r)
{
	int error = ledger_frames_pin(r->id, r->frame, r->frames);

	if (error || !r->done)
		return error;
	error = ledger_frame_pin(r->id, r->done >> EXO_PAGE_SHIFT);
	if (error)
		ledger_frames_unpin(r->frame, r->frames);
	return error;
}

/* Pinned, or still the environment's: the frame can't be anybody else's. */
static void tell(const struct request *r, uint32_t done, int result)
{
	const struct exo_disk_done word = {.done = done, .result = result};
	uint64_t bits;

	if (!r->done)
		return;
	memcpy(&bits, &word, sizeof(bits));
	__atomic_store_n((uint64_t *)((uint8_t *)machine_frame(r->done >> EXO_PAGE_SHIFT) +
	                              r->done % EXO_PAGE_SIZE),
	                 bits, __ATOMIC_RELEASE);
}

static void settle(struct request *r, int result)
{
	if (r->env) {
		struct exo_account *account = r->env->account;

		account->disk_failed += result != 0;
		*(r->write ? &account->disk_written : &account->disk_read) +=
		        result == 0 ? r->sectors : 0;
		tell(r, 1, result);
		if (!core_raise(r->env, EXO_EXT_DISK, r->frame, (uint64_t)(int64_t)result,
		                (uint64_t)r->write << 32 | r->sectors))
			env_post(r->env, UINT32_MAX, EXO_EVENT_DISK);
	}
	unpin(r);
	r->extent->busy--;
	*r = (struct request){0};
	__atomic_sub_fetch(&disk.n_requests, 1, __ATOMIC_SEQ_CST);
}

void extent_poll(void)
{
	uint32_t id;
	int result;

	if (__atomic_load_n(&disk.n_requests, __ATOMIC_RELAXED) == 0)
		return;
	machine_lock(&disk.lock);
	while (machine_disk_done(&id, &result))
		settle(&disk.requests[id], result);
	machine_unlock(&disk.lock);
}

/* An unused request for `env`, which may have `most` beside others' that it leaves alone. */
static struct request *take(const struct env *env, unsigned most, unsigned spare)
{
	struct request *found = NULL;
	unsigned own = 0, unused = 0;

	for (unsigned i = 0; i < MACHINE_DISK_REQUESTS; i++) {
		own += disk.requests[i].env == env;
		if (disk.requests[i].extent)
			continue;
		unused++;
		found = &disk.requests[i];
	}
	return own < most && unused > spare ? found : NULL;
}

static int start(const struct request *wanted, struct request *r, uint64_t sector)
{
	int error = r ? pin(wanted) : -EXO_EAGAIN;

	if (error)
		return error;
	*r = *wanted;
	error = machine_disk_start((uint32_t)(r - disk.requests), r->write, sector, r->frame,
	                           r->sectors);
	if (error) {
		unpin(r);
		*r = (struct request){0};
		return error;
	}
	tell(r, 0, 0);
	r->extent->busy++;
	__atomic_add_fetch(&disk.n_requests, 1, __ATOMIC_SEQ_CST);
	return 0;
}

int extent_save(struct env *env, uint64_t sector, uint64_t frame)
{
	struct request r = {.extent = find(sector, SECTORS_PER_FRAME),
	                    .env = env,
	                    .id = env->id,
	                    .sectors = SECTORS_PER_FRAME,
	                    .frame = frame,
	                    .frames = 1,
	                    .write = true};
	int error;

	if (!r.extent || r.extent->owner != env->id)
		return -EXO_EPERM;
	machine_lock(&disk.lock);
	error = start(&r, take(env, UINT32_MAX, 0), sector);
	machine_unlock(&disk.lock);
	return error;
}

/* ---- Calls ---- */

int64_t extent_call_alloc(struct call *call)
{
	struct exo_extent_alloc *a = call->block;
	struct env *owner;
	int error = a->count ? cap_covers(&a->authority, a->first, a->count) : -EXO_EINVAL;

	if (!error)
		error = call_owner(call, a->owner, &owner);
	if (!error)
		error = add_extent(a->first, a->count, owner);
	if (error)
		return error;
	return cap_make(&a->out, EXO_KIND_EXTENT,
	                EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_GRANT | EXO_RIGHT_FREE,
	                call->env->id, a->first, a->count);
}

int64_t extent_call_free(struct call *call)
{
	const struct exo_cap *cap = call->block;
	struct extent *e = find(cap->first, cap->count);

	if ((cap->rights & EXO_RIGHT_ALLOC) || !e || e->first != cap->first ||
	    e->count != cap->count)
		return -EXO_EINVAL;
	if (__atomic_load_n(&e->busy, __ATOMIC_RELAXED))
		return -EXO_EBUSY;
	extent_end(env_find(e->owner), e->first);
	return 0;
}

static int check_request(const struct call *call, const struct exo_disk_request *q)
{
	bool write = q->flags & EXO_DISK_WRITE;
	int error = cap_check(&q->extent, call->env, EXO_KIND_EXTENT,
	                      write ? EXO_RIGHT_WRITE : EXO_RIGHT_READ);

	if (!error && (q->extent.rights & EXO_RIGHT_ALLOC))
		error = -EXO_EPERM;
	if (!error && ((q->flags & ~(uint32_t)EXO_DISK_WRITE) || !q->count ||
	               q->done % sizeof(struct exo_disk_done) || !q->done))
		error = -EXO_EINVAL;
	if (!error && q->count > EXO_DISK_SECTORS_MAX)
		error = -EXO_E2BIG;
	return error ? error : cap_covers(&q->extent, q->sector, q->count);
}

int64_t extent_call_disk(struct call *call)
{
	const struct exo_disk_request *q = call->block;
	struct request r = {.env = call->env,
	                    .id = call->env->id,
	                    .sectors = q->count,
	                    .frame = q->frame,
	                    .frames = (q->count + SECTORS_PER_FRAME - 1ull) / SECTORS_PER_FRAME,
	                    .done = q->done,
	                    .write = q->flags & EXO_DISK_WRITE};
	int error = check_request(call, q);

	if (error)
		return error;
	r.extent = find(q->sector, q->count);
	machine_lock(&disk.lock);
	error = start(&r, take(call->env, EXO_DISK_REQUESTS_MAX, FREE_FOR_KERNEL), q->sector);
	machine_unlock(&disk.lock);
	return error;
}
