/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An environment with a disk extent.
 *
 *     disk-user verify    writes all of it, reads it back, compares, and tries what must be refused
 *     disk-user compare   reads what an earlier `verify` left there
 *     disk-user flood     keeps requests under way and never ends
 *     disk-user crash     likewise, and ends by a fault while they are
 *     disk-user handled   as `verify`, with an extension (filters/tests/link/keeper.c) that handles
 *                         completions first and keeps house: nobody tells of writes
 */
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

enum {
	PAGES = 32, /* of data: 4 requests of 64 sectors */
	REQUESTS = 4,
	SECTORS = PAGES / REQUESTS * 8, /* of one request */
};

static struct exo_pages data, words;
static const struct exo_cap *extent;
static struct exo_ext keeper;
static bool handled;
static unsigned told_of_writes;

static struct exo_disk_done *done_of(unsigned i)
{
	return (struct exo_disk_done *)words.address + i;
}

static int start(unsigned i, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct exo_disk_request block = {
	        .extent = *extent,
	        .sector = sector,
	        .frame = data.frame + (uint64_t)i * (PAGES / REQUESTS),
	        .count = count,
	        .flags = flags,
	        .done = exo_pages_physical(&words, done_of(i)),
	};

	return exo_disk(&block);
}

static int finish(unsigned i, uint32_t flags)
{
	bool alone = handled && flags & EXO_DISK_WRITE;
	int64_t events;

	while (__atomic_load_n(&done_of(i)->done, __ATOMIC_ACQUIRE) == 0) {
		events = exo_wait(alone ? exo_tsc() + exo_info()->slot_ticks : 0);
		told_of_writes += alone && events & EXO_EVENT_DISK;
	}
	return done_of(i)->result;
}

/* What a word of the extent holds after `verify`. */
static uint64_t pattern(uint64_t sector, unsigned word)
{
	return (sector << 8 | word) * 0x9e3779b97f4a7c15ull;
}

static uint64_t *buffer(unsigned i)
{
	return (uint64_t *)((char *)data.address + (size_t)i * (PAGES / REQUESTS) * EXO_PAGE_SIZE);
}

static uint32_t piece(uint64_t at)
{
	uint64_t left = extent->count - at;

	return left < SECTORS ? (uint32_t)left : SECTORS;
}

/* Goes through the whole extent, REQUESTS at a time. */
static int go_through(uint32_t flags, int (*visit)(uint64_t sector, uint64_t *words, bool before))
{
	for (uint64_t at = 0; at < extent->count;) {
		uint64_t begin = at;
		unsigned n = 0;

		for (; n < REQUESTS && at < extent->count; at += piece(at), n++) {
			for (uint32_t s = 0; s < piece(at); s++)
				visit(extent->first + at + s, buffer(n) + (size_t)s * 64, true);
			if (start(n, extent->first + at, piece(at), flags) != 0)
				return -1;
		}
		at = begin;
		for (unsigned i = 0; i < n; at += piece(at), i++) {
			if (finish(i, flags) != 0)
				return -1;
			for (uint32_t s = 0; s < piece(at); s++)
				if (visit(extent->first + at + s, buffer(i) + (size_t)s * 64,
				          false) != 0)
					return -1;
		}
	}
	return 0;
}

static int fill(uint64_t sector, uint64_t *to, bool before)
{
	for (unsigned i = 0; i < 64 && before; i++)
		to[i] = pattern(sector, i);
	return 0;
}

static int compare(uint64_t sector, uint64_t *from, bool before)
{
	for (unsigned i = 0; i < 64; i++) {
		if (before)
			from[i] = 0;
		else if (from[i] != pattern(sector, i))
			return -1;
	}
	return 0;
}

static int refusals(void)
{
	struct exo_disk_request block = {
	        .extent = *extent,
	        .sector = extent->first,
	        .frame = data.frame,
	        .count = 1,
	        .done = exo_pages_physical(&words, done_of(0)),
	};
	uint64_t end = extent->first + extent->count;
	int wrong = 0;

	wrong += start(0, end, 1, EXO_DISK_WRITE) != -EXO_EPERM;
	wrong += start(0, end - 1, 2, EXO_DISK_WRITE) != -EXO_EPERM;
	wrong += start(0, extent->first - 1, 1, 0) != -EXO_EPERM;
	block.extent.count++;
	wrong += exo_disk(&block) != -EXO_EKEY;
	block.extent = *extent;
	block.frame = exo_info()->frame_first;
	wrong += exo_disk(&block) != -EXO_EPERM;
	block.frame = data.frame;
	block.done = exo_info()->frame_first << EXO_PAGE_SHIFT;
	wrong += exo_disk(&block) != -EXO_EPERM;
	return wrong;
}

static int flood(bool crash)
{
	for (unsigned n = 0;; n++) {
		for (unsigned i = 0; i < REQUESTS; i++)
			start(i, extent->first, SECTORS, EXO_DISK_WRITE);
		if (n == 0)
			exo_printf("requests are under way\n");
		if (crash && n == 20)
			__builtin_trap();
		finish(0, 0);
	}
}

/* ---- Handled first ---- */

static int keep(void)
{
	uint64_t id;
	int result = exo_ext_open(&keeper, "link-keeper.o", 0);

	if (result == 0)
		result = exo_ext_event(&keeper, EXO_EXT_DISK, "done", NULL, 0, &id);
	if (result == 0)
		result = exo_ext_event(&keeper, EXO_EXT_KEEP, "keep", NULL, 0, &id);
	if (result != 0)
		exo_printf("keeper: %s %s\n", exo_error_text(result), keeper.error);
	return result;
}

static uint64_t kept(uint32_t what)
{
	uint64_t n = 0;

	(void)exo_ext_lookup(&keeper, "kept", &what, sizeof(what), &n, sizeof(n));
	return n;
}

/* Housekeeping goes on while its environment waits for nothing. */
static int check_keeper(void)
{
	const struct exo_account *account = exo_account();
	uint64_t before = kept(3);

	for (unsigned i = 0; i < 1000 && kept(3) < before + 3; i++)
		exo_wait(exo_tsc() + 20 * exo_info()->slot_ticks);
	exo_printf(
	        "the keeper saw %llu requests of %llu sectors, %llu failures; told of %u writes; "
	        "house was%s kept\n",
	        (unsigned long long)kept(0), (unsigned long long)kept(1),
	        (unsigned long long)kept(2), told_of_writes, kept(3) < before + 3 ? " not" : "");
	return kept(1) != account->disk_read + account->disk_written || kept(2) != 0 ||
	       told_of_writes != 0 || kept(3) < before + 3;
}

int exo_main(void)
{
	const char *deed = exo_start_arg(1);
	int result = -1;

	extent = exo_start_cap(EXO_USE_DISK);
	if (deed == NULL || extent == NULL || exo_pages_alloc(&data, PAGES) != 0 ||
	    exo_pages_alloc(&words, 1) != 0)
		return 2;
	if (strcmp(deed, "flood") == 0 || strcmp(deed, "crash") == 0)
		return flood(deed[0] == 'c');
	handled = strcmp(deed, "handled") == 0;
	if (handled && keep() != 0)
		return 2;
	if (handled || strcmp(deed, "verify") == 0)
		result = go_through(EXO_DISK_WRITE, fill);
	if (result == 0 || strcmp(deed, "compare") == 0)
		result = go_through(0, compare);
	if (result == 0)
		result = refusals();
	if (result == 0 && handled)
		result = check_keeper();
	exo_printf("%s %u sectors: %s; read %llu, written %llu, failed %llu\n", deed, extent->count,
	           result == 0 ? "good" : "WRONG", (unsigned long long)exo_account()->disk_read,
	           (unsigned long long)exo_account()->disk_written,
	           (unsigned long long)exo_account()->disk_failed);
	return result == 0 ? 0 : 1;
}
