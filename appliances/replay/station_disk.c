/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block s of all passes lies in slot s % DISK_AHEAD, and holds the trace's block s % blocks.
 */
#include <string.h>

#include <libexo/call.h>
#include <libexo/start.h>

#include "station_disk.h"

enum { BLOCK_SECTORS = DISK_BLOCK / EXO_SECTOR_BYTES };

static struct exo_disk_done *done_of(const struct station_disk *disk, uint64_t block)
{
	return (struct exo_disk_done *)disk->words.address + block % DISK_AHEAD;
}

static uint32_t least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* Asks for the block behind those asked for; whether that went. */
static bool start(struct station_disk *disk)
{
	uint64_t first = disk->started % disk->blocks * BLOCK_SECTORS;
	struct exo_disk_done *done = done_of(disk, disk->started);
	struct exo_disk_request request = {
	        .extent = *disk->extent,
	        .sector = disk->extent->first + first,
	        .frame = disk->data.frame +
	                 disk->started % DISK_AHEAD * (DISK_BLOCK / EXO_PAGE_SIZE),
	        .count = least(BLOCK_SECTORS, disk->extent->count - first),
	        .done = exo_pages_physical(&disk->words, done),
	};

	if (exo_disk(&request) != 0)
		return false; /* too many are under way: another time */
	disk->started++;
	return true;
}

static void read_ahead(struct station_disk *disk)
{
	while (disk->started - disk->used < DISK_AHEAD && start(disk))
		;
}

static bool is_done(const struct station_disk *disk, uint64_t block)
{
	return disk->started > block &&
	       __atomic_load_n(&done_of(disk, block)->done, __ATOMIC_ACQUIRE);
}

static ptrdiff_t read_disk(struct stream_feed *feed, void *to, size_t size)
{
	struct station_disk *disk = (struct station_disk *)feed;

	if (disk->at == disk->size)
		return STREAM_END;
	read_ahead(disk);
	if (!is_done(disk, disk->used))
		return 0;
	if (done_of(disk, disk->used)->result != 0) {
		feed->reason = "the disk failed";
		return STREAM_BROKEN;
	}
	uint32_t length = least(DISK_BLOCK, disk->size - (disk->at - disk->in_block));
	uint32_t n = least(size, length - disk->in_block);
	const char *block = (const char *)disk->data.address + disk->used % DISK_AHEAD * DISK_BLOCK;
	memcpy(to, block + disk->in_block, n);
	disk->at += n;
	disk->in_block += n;
	if (disk->in_block == length) {
		disk->in_block = 0;
		disk->used++;
		read_ahead(disk);
	}
	return (ptrdiff_t)n;
}

/* The trace ended before its bytes did: what was asked for beyond is waited for and forgotten. */
static void skip_to_next_pass(struct station_disk *disk)
{
	for (uint64_t block = disk->used; block < disk->started; block++)
		while (!is_done(disk, block))
			exo_wait(0);
	disk->used = disk->started = (disk->used / disk->blocks + 1) * disk->blocks;
	disk->in_block = 0;
}

static void rewind_disk(struct stream_feed *feed)
{
	struct station_disk *disk = (struct station_disk *)feed;

	if (disk->at != disk->size)
		skip_to_next_pass(disk);
	disk->at = 0;
}

const char *station_disk_open(struct station_disk *disk, uint64_t size)
{
	*disk = (struct station_disk){.feed = {.read = read_disk, .rewind = rewind_disk},
	                              .extent = exo_start_cap(EXO_USE_DISK)};
	if (!disk->extent)
		return "the manifest grants no part of a disk";
	uint64_t whole = disk->extent->count * (uint64_t)EXO_SECTOR_BYTES;
	if (size > whole)
		return "the part of the disk is shorter than that";
	disk->size = size ? size : whole;
	disk->blocks = (disk->size + DISK_BLOCK - 1) / DISK_BLOCK;
	if (exo_pages_alloc(&disk->data, DISK_AHEAD * (DISK_BLOCK / EXO_PAGE_SIZE)) != 0 ||
	    exo_pages_alloc(&disk->words, 1) != 0)
		return "there is not enough memory";
	read_ahead(disk);
	return NULL;
}
