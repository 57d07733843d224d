/* SPDX-License-Identifier: BSD-2-Clause */
/* ISO 9660: the root directory of the primary volume. Sections are those of ECMA-119. */
#include <string.h>

#include "volume.h"

enum {
	BLOCK = 2048,
	SECTORS = BLOCK / VOLUME_SECTOR, /* of a block */
	DESCRIPTORS = 16,                /* the first one's block */
	DESCRIPTORS_MAX = 16,
	PRIMARY = 1,
	TERMINATOR = 255,
	BLOCK_SIZE = 128, /* in the descriptor (8.4) */
	ROOT = 156,
	/* A directory record (9.1). */
	RECORD_MIN = 34,
	ATTRIBUTES = 1,
	EXTENT = 2,
	SIZE = 10,
	FLAGS = 25,
	UNIT = 26, /* of interleaving, and the gap behind it */
	DIRECTORY = 2,
	CONTINUES = 128, /* the file has another extent */
	ROOT_MAX = 1024, /* blocks */
};

/* Little-endian first, then big-endian (7.3.3): the first is taken. */
static uint32_t get32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool read_block(const struct volume *volume, uint64_t block, uint8_t *to)
{
	for (uint64_t i = 0; i < SECTORS; i++)
		if (block * SECTORS + i >= volume->sectors ||
		    !volume->read(volume->context, block * SECTORS + i, to + i * VOLUME_SECTOR))
			return false;
	return true;
}

static void visit(const struct volume *volume, const uint8_t *record)
{
	struct volume_file file = {.size = get32(record + SIZE), .n = 1};
	uint64_t first = ((uint64_t)get32(record + EXTENT) + record[ATTRIBUTES]) * SECTORS;
	uint64_t count = (file.size + VOLUME_SECTOR - 1) / VOLUME_SECTOR;
	bool sound = (record[FLAGS] & CONTINUES) == 0 && record[UNIT] == 0 &&
	             record[UNIT + 1] == 0 && first < volume->sectors &&
	             count <= volume->sectors - first;

	file.pieces[0] = (struct volume_piece){first, count};
	if (file.size > 0)
		volume->file(volume->context, sound ? &file : NULL);
}

/* The records of one block of the directory. *left: files that may still be looked at. */
static const char *walk_block(const struct volume *volume, const uint8_t *block, uint32_t size,
                              uint32_t *left)
{
	for (uint32_t at = 0; at < size && block[at] != 0; at += block[at]) {
		if (block[at] < RECORD_MIN || block[at] > size - at)
			return "a record of its directory is cut";
		if ((block[at + FLAGS] & DIRECTORY) != 0)
			continue;
		if ((*left)-- == 0)
			return "its root directory has too many files";
		visit(volume, block + at);
	}
	return NULL;
}

static const char *walk_root(const struct volume *volume, uint64_t first, uint32_t size)
{
	uint32_t blocks = (size + BLOCK - 1) / BLOCK, left = VOLUME_FILES_MAX;
	uint8_t block[BLOCK];
	const char *wrong = NULL;

	if (size > ROOT_MAX * BLOCK)
		return "its root directory is too long";
	for (uint32_t i = 0; i < blocks && wrong == NULL; i++) {
		uint32_t rest = size - i * BLOCK;

		if (!read_block(volume, first + i, block))
			return "its root directory can't be read";
		wrong = walk_block(volume, block, rest < BLOCK ? rest : BLOCK, &left);
	}
	return wrong;
}

const char *volume_iso(const struct volume *volume)
{
	uint8_t block[BLOCK];

	for (uint64_t i = DESCRIPTORS; i < DESCRIPTORS + DESCRIPTORS_MAX; i++) {
		if (!read_block(volume, i, block) || memcmp(block + 1, "CD001", 5) != 0)
			return "";
		if (block[0] == TERMINATOR)
			return "";
		if (block[0] != PRIMARY)
			continue;
		if (block[BLOCK_SIZE] != (BLOCK & 255) || block[BLOCK_SIZE + 1] != BLOCK >> 8)
			return "its blocks are not of 2,048 bytes";
		return walk_root(volume, get32(block + ROOT + EXTENT), get32(block + ROOT + SIZE));
	}
	return "";
}
