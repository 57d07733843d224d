/* SPDX-License-Identifier: BSD-2-Clause */
/* Titles on a disk; see shelf.h. */
#include "shelf.h"

#include <exo/disk.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

enum {
	PIECE_SECTORS = 512,
	PIECE_PAGES = PIECE_SECTORS / (EXO_PAGE_SIZE / EXO_SECTOR_BYTES),
	GROUP = EXO_PAGE_SIZE / EXO_SECTOR_BYTES, /* sectors that are read for one of them */
};

/* Reads into shelf->piece, and waits for it. `sector` counts from the extent's first. */
static bool read(struct shelf *shelf, uint64_t sector, uint32_t count)
{
	struct exo_disk_done *done = shelf->word.address;
	struct exo_disk_request request = {
	        .extent = *shelf->extent,
	        .sector = shelf->extent->first + sector,
	        .frame = shelf->piece.frame,
	        .count = count,
	        .done = exo_pages_physical(&shelf->word, done),
	};

	shelf->cached = 0;
	if (exo_disk(&request) != 0)
		return false;
	while (__atomic_load_n(&done->done, __ATOMIC_ACQUIRE) == 0)
		exo_wait(0);
	return done->result == 0;
}

/* One sector, with its neighbours, which are asked for next. */
static bool read_sector(void *context, uint64_t sector, void *to)
{
	struct shelf *shelf = context;
	uint64_t first = sector / GROUP * GROUP;
	uint64_t left = shelf->extent->count - first;

	if (shelf->cached != first + 1) {
		if (!read(shelf, first, left < GROUP ? (uint32_t)left : GROUP))
			return false;
		shelf->cached = first + 1;
	}
	memcpy(to, (const uint8_t *)shelf->piece.address + (sector - first) * EXO_SECTOR_BYTES,
	       EXO_SECTOR_BYTES);
	return true;
}

/* Whether the file is new; it is not, the next time. */
static bool is_new(struct shelf *shelf, const struct volume_file *file)
{
	for (uint32_t i = 0; i < shelf->n_seen; i++)
		if (shelf->seen[i].sector == file->pieces[0].sector &&
		    shelf->seen[i].size == file->size)
			return false;
	if (shelf->n_seen == SHELF_SEEN_MAX)
		return false;
	shelf->seen[shelf->n_seen].sector = file->pieces[0].sector;
	shelf->seen[shelf->n_seen++].size = file->size;
	return true;
}

static void on_file(void *context, const struct volume_file *file)
{
	struct shelf *shelf = context;
	uint8_t sector[EXO_SECTOR_BYTES];

	if (file == NULL) {
		exo_printf(
		        "a file of the disk is left out: it lies in too many pieces, or outside\n");
		return;
	}
	if (shelf->n_waiting == VIDEO_TITLES_MAX ||
	    !read_sector(shelf, file->pieces[0].sector, sector) ||
	    memcmp(sector, MEDIA_MAGIC, sizeof MEDIA_MAGIC - 1) != 0 || !is_new(shelf, file))
		return;
	shelf->waiting[shelf->n_waiting++] = *file;
}

void shelf_scan(struct shelf *shelf)
{
	struct volume volume = {.read = read_sector, .file = on_file, .context = shelf};
	const char *wrong;

	if (shelf->extent == NULL || shelf->n_waiting > 0)
		return;
	volume.sectors = shelf->extent->count;
	shelf->cached = 0;
	wrong = volume_walk(&volume);
	if (wrong != NULL)
		exo_printf("the disk: %s\n", wrong);
}

void shelf_open(struct shelf *shelf, struct video *video, struct express *express)
{
	*shelf = (struct shelf){
	        .extent = exo_start_cap(EXO_USE_DISK), .video = video, .express = express};
	if (shelf->extent == NULL)
		return;
	if (exo_pages_alloc(&shelf->piece, PIECE_PAGES) != 0 ||
	    exo_pages_alloc(&shelf->word, 1) != 0) {
		exo_printf("the disk: there are too few frames to read it\n");
		shelf->extent = NULL;
		return;
	}
	shelf_scan(shelf);
}

/* The first file that waits is done with, well or not. */
static void next_file(struct shelf *shelf, const char *wrong)
{
	if (wrong != NULL) {
		exo_printf("a title of the disk is left out: %s\n", wrong);
		express_release(shelf->express, shelf->video->n_titles);
	} else {
		exo_printf("title of the disk: %s\n",
		           shelf->video->titles[shelf->video->n_titles - 1].title);
	}
	shelf->base = NULL;
	shelf->n_waiting--;
	memmove(shelf->waiting, shelf->waiting + 1, shelf->n_waiting * sizeof shelf->waiting[0]);
}

static const char *begin(struct shelf *shelf)
{
	const struct volume_file *file = &shelf->waiting[0];

	if (shelf->video->n_titles == VIDEO_TITLES_MAX)
		return "there are too many titles";
	shelf->base = express_reserve(shelf->express, shelf->video->n_titles, file->size);
	shelf->done = shelf->in = shelf->part = 0;
	return shelf->base == NULL ? "there are too few frames for it" : NULL;
}

/* → NULL, or why not. The file's pieces hold all of its bytes. */
static const char *read_piece(struct shelf *shelf)
{
	const struct volume_file *file = &shelf->waiting[0];
	const struct volume_piece *piece = &file->pieces[shelf->in];
	uint64_t left = piece->count - shelf->part, bytes = file->size - shelf->done;
	uint32_t count = left < PIECE_SECTORS ? (uint32_t)left : PIECE_SECTORS;

	if (!read(shelf, piece->sector + shelf->part, count))
		return "the disk failed";
	if (bytes > (uint64_t)count * EXO_SECTOR_BYTES)
		bytes = (uint64_t)count * EXO_SECTOR_BYTES;
	memcpy(shelf->base + shelf->done, shelf->piece.address, bytes);
	shelf->done += bytes;
	shelf->part += count;
	if (shelf->part == piece->count) {
		shelf->part = 0;
		shelf->in++;
	}
	return NULL;
}

bool shelf_step(struct shelf *shelf)
{
	const char *wrong;

	if (shelf->n_waiting == 0)
		return false;
	wrong = shelf->base == NULL ? begin(shelf) : read_piece(shelf);
	if (wrong == NULL && shelf->done < shelf->waiting[0].size)
		return true;
	if (wrong == NULL)
		wrong = video_add_title(shelf->video, shelf->base, shelf->waiting[0].size);
	next_file(shelf, wrong);
	return true;
}
