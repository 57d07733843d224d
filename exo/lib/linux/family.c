/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared area, its lock and its blocks. */
#include <errno.h>

#include "family.h"

#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/start.h>

enum {
	SHARE = 8, /* one frame in … of the environment's is for the area */
	BLOCKS_LEAST = 8,
};

struct family *family;
struct process *self;

static uint8_t *blocks(void)
{
	return (uint8_t *)family + ((sizeof(*family) + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1));
}

void family_init(void)
{
	uint64_t most = exo_account()->frames_max / SHARE;
	struct exo_pages pages;
	uint32_t area_pages;

	most = most > BLOCKS_MAX ? BLOCKS_MAX : most < BLOCKS_LEAST ? BLOCKS_LEAST : most;
	area_pages = exo_pages_for(sizeof(*family)) + (uint32_t)most;
	if (exo_pages_alloc(&pages, area_pages) < 0)
		linux_give_up("no memory for the process table");
	family = pages.address;
	family->blocks = family->blocks_free = (uint32_t)most;
	for (uint64_t i = 0; i < most; i++)
		family->next_block[i] = (uint16_t)i;
	family_add(family, area_pages, EXO_RIGHT_READ | EXO_RIGHT_WRITE);
	family->live = 1;
	family->next_pid = 2;
	self = &family->processes[0];
	*self = (struct process){
	        .state = PROCESS_LIVE, .pid = 1, .group = 1, .env = exo_start_page()->env};
}

void family_join(uint32_t index)
{
	self = &family->processes[index];
}

bool family_shared(void)
{
	return family->live > 1;
}

static bool in_area(const struct family_area *area, uint64_t address)
{
	return address - area->address < (uint64_t)area->pages << EXO_PAGE_SHIFT;
}

bool family_has(uint64_t address)
{
	for (unsigned i = 0; i < AREAS_MAX; i++)
		if (in_area(&family->areas[i], address))
			return true;
	return false;
}

int family_add(const void *address, uint32_t pages, unsigned rights)
{
	for (unsigned i = 0; i < AREAS_MAX; i++) {
		if (family->areas[i].pages != 0)
			continue;
		family->areas[i] = (struct family_area){(uintptr_t)address, pages, rights};
		return 0;
	}
	return -ENOSPC;
}

static int share_area(struct exo_child *child, const struct family_area *area)
{
	struct exo_mapping mapping = {
	        .address = area->address,
	        .frame = area->address >> EXO_PAGE_SHIFT,
	        .count = area->pages,
	        .rights = (uint16_t)area->rights,
	        .flags = EXO_MAP_GUARANTEED | EXO_MAP_SHARE,
	};
	int64_t n = exo_map(&child->cap, &mapping, 1);

	return n == 1 ? 0 : n < 0 ? (int)n : -EXO_ENOMEM;
}

int family_share(struct exo_child *child)
{
	int result = 0;

	for (unsigned i = 0; result == 0 && i < AREAS_MAX; i++)
		if (family->areas[i].pages != 0)
			result = share_area(child, &family->areas[i]);
	return result;
}

/* A holder that has ended in the middle can't let go: whoever finds it gone takes over. */
void family_lock(void)
{
	uint32_t own = exo_start_page()->env, holder = 0;

	while (!__atomic_compare_exchange_n(&family->lock, &holder, own, false, __ATOMIC_ACQUIRE,
	                                    __ATOMIC_RELAXED)) {
		if (exo_yield(holder) == -EXO_ENOENT &&
		    __atomic_compare_exchange_n(&family->lock, &holder, own, false,
		                                __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		holder = 0;
	}
}

void family_lock_again(void)
{
	if (__atomic_load_n(&family->lock, __ATOMIC_RELAXED) != exo_start_page()->env)
		family_lock();
}

/* All processes are on one core, so that whoever is not asleep yet sees the change before it is. */
static void wake_others(void)
{
	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		const struct process *process = &family->processes[i];

		if (process != self && process->state == PROCESS_LIVE &&
		    __atomic_load_n(&process->asleep, __ATOMIC_RELAXED))
			exo_yield_wake(process->env);
	}
}

static bool changed; /* by this process, which holds the lock */

void family_changed(void)
{
	family->changes++;
	changed = true;
}

void family_unlock(void)
{
	bool wake = changed;

	changed = false;
	__atomic_store_n(&family->lock, 0, __ATOMIC_RELEASE);
	if (wake)
		wake_others();
}

int64_t family_sleep(uint64_t deadline, uint32_t seen)
{
	int64_t events;

	__atomic_store_n(&self->asleep, true, __ATOMIC_RELAXED);
	events = exo_wait_while(deadline, &family->changes, seen);
	__atomic_store_n(&self->asleep, false, __ATOMIC_RELAXED);
	return events;
}

uint16_t block_take(void)
{
	if (family->blocks_free == 0)
		return NONE;
	for (uint32_t i = 0; i < family->blocks; i++) {
		if (family->next_block[i] != i)
			continue;
		family->next_block[i] = NONE;
		family->blocks_free--;
		memset(block_bytes((uint16_t)i), 0, BLOCK_BYTES);
		return (uint16_t)i;
	}
	return NONE;
}

void block_give(uint16_t block)
{
	family->next_block[block] = block;
	family->blocks_free++;
}

void *block_bytes(uint16_t block)
{
	return blocks() + (size_t)(block < family->blocks ? block : 0) * BLOCK_BYTES;
}
