/* SPDX-License-Identifier: BSD-2-Clause */
/* FAT12, FAT16 and FAT32, by Microsoft's "FAT: General Overview of On-Disk Format" 1.03. */
#include <string.h>

#include "volume.h"

enum {
	/* The boot sector. */
	BYTES_PER_SECTOR = 11,
	SECTORS_PER_CLUSTER = 13,
	RESERVED = 14,
	COPIES = 16,
	ROOT_ENTRIES = 17,
	TOTAL16 = 19,
	TABLE16 = 22,
	TOTAL32 = 32,
	TABLE32 = 36,
	ROOT_CLUSTER = 44,
	SIGNATURE = 510,
	/* A directory entry. */
	ENTRY = 32,
	ATTRIBUTES = 11,
	CLUSTER_HIGH = 20,
	CLUSTER_LOW = 26,
	SIZE = 28,
	NOT_A_FILE = 0x08 | 0x10, /* label, directory; long names have the first as well */
	LAST = 0,
	DELETED = 0xe5,
	CLUSTERS12_MAX = 4084,
	CLUSTERS32_MAX = 0x0ffffff5,
};

struct fat {
	const struct volume *volume;
	uint64_t table, root, data; /* first sectors, of 512 bytes */
	uint32_t root_sectors;      /* 0: the root is a chain of clusters (FAT32) */
	uint32_t root_cluster;
	uint32_t per_cluster; /* sectors of 512 bytes */
	uint32_t clusters;    /* those from 2 to clusters + 1 are there */
	unsigned bits;        /* of an entry of the table */
	uint64_t cached;      /* sector that is in `sector` */
	uint8_t sector[VOLUME_SECTOR];
	uint32_t left; /* entries that may still be looked at */
	struct volume_file file;
};

static uint32_t get16(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | get16(at + 2) << 16;
}

static bool power_of_two(uint32_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/* The byte at `offset` of the table. false: the disk failed, or ends. */
static bool table_byte(struct fat *fat, uint64_t offset, uint32_t *byte)
{
	uint64_t sector = fat->table + offset / VOLUME_SECTOR;

	if (sector != fat->cached) {
		fat->cached = UINT64_MAX;
		if (sector >= fat->volume->sectors ||
		    !fat->volume->read(fat->volume->context, sector, fat->sector))
			return false;
		fat->cached = sector;
	}
	*byte = fat->sector[offset % VOLUME_SECTOR];
	return true;
}

/* The cluster behind `cluster`; 0: the chain ends, or is broken (*sound false). */
static uint32_t next_cluster(struct fat *fat, uint32_t cluster, bool *sound)
{
	uint64_t bit = (uint64_t)cluster * fat->bits;
	uint32_t value = 0, byte, mask = fat->bits == 32 ? 0x0fffffff : (1u << fat->bits) - 1;

	for (unsigned i = 0; i < (fat->bits + 7) / 8; i++) {
		if (!table_byte(fat, bit / 8 + i, &byte)) {
			*sound = false;
			return 0;
		}
		value |= byte << 8 * i;
	}
	value = value >> bit % 8 & mask;
	if (value >= (mask & ~7u)) /* …f8 and above: the last one */
		return 0;
	*sound = value >= 2 && value - 2 < fat->clusters;
	return *sound ? value : 0;
}

static uint64_t sector_of(const struct fat *fat, uint32_t cluster)
{
	return fat->data + (uint64_t)(cluster - 2) * fat->per_cluster;
}

static bool add_piece(struct volume_file *file, uint64_t sector, uint64_t count)
{
	struct volume_piece *last = &file->pieces[file->n > 0 ? file->n - 1 : 0];

	if (file->n > 0 && last->sector + last->count == sector) {
		last->count += count;
		return true;
	}
	if (file->n == VOLUME_PIECES_MAX)
		return false;
	file->pieces[file->n++] = (struct volume_piece){sector, count};
	return true;
}

/* Follows the chain as far as `size` bytes go: rings in it end there, too. */
static bool find_pieces(struct fat *fat, uint32_t cluster, uint32_t size)
{
	uint64_t bytes = (uint64_t)fat->per_cluster * VOLUME_SECTOR;
	uint64_t wanted = (size + bytes - 1) / bytes;
	bool sound = cluster >= 2 && cluster - 2 < fat->clusters && wanted <= fat->clusters;

	fat->file.size = size;
	fat->file.n = 0;
	for (; sound && wanted > 0; wanted--) {
		sound = cluster != 0 &&
		        add_piece(&fat->file, sector_of(fat, cluster), fat->per_cluster);
		if (sound && wanted > 1)
			cluster = next_cluster(fat, cluster, &sound);
	}
	return sound;
}

/* → whether there are more entries. */
static bool visit(struct fat *fat, const uint8_t *entry)
{
	uint32_t cluster = get16(entry + CLUSTER_LOW), size = get32(entry + SIZE);

	if (entry[0] == LAST)
		return false;
	if (fat->bits == 32)
		cluster |= get16(entry + CLUSTER_HIGH) << 16;
	if (entry[0] != DELETED && (entry[ATTRIBUTES] & NOT_A_FILE) == 0 && size > 0)
		fat->volume->file(fat->volume->context,
		                  find_pieces(fat, cluster, size) ? &fat->file : NULL);
	return true;
}

/* → NULL, or why not; *more: whether the directory goes on behind these sectors. */
static const char *walk_sectors(struct fat *fat, uint64_t first, uint32_t count, bool *more)
{
	uint8_t sector[VOLUME_SECTOR];

	for (uint32_t i = 0; i < count && *more; i++) {
		if (first + i >= fat->volume->sectors ||
		    !fat->volume->read(fat->volume->context, first + i, sector))
			return "its root directory can't be read";
		for (uint32_t at = 0; at < VOLUME_SECTOR && *more; at += ENTRY) {
			if (fat->left-- == 0)
				return "its root directory has too many entries";
			*more = visit(fat, sector + at);
		}
	}
	return NULL;
}

static const char *walk_root(struct fat *fat)
{
	uint32_t cluster = fat->root_cluster;
	const char *wrong = NULL;
	bool more = true, sound = true;

	if (fat->root_sectors > 0)
		return walk_sectors(fat, fat->root, fat->root_sectors, &more);
	while (wrong == NULL && more && cluster != 0) {
		if (cluster < 2 || cluster - 2 >= fat->clusters)
			return "its root directory lies nowhere";
		wrong = walk_sectors(fat, sector_of(fat, cluster), fat->per_cluster, &more);
		cluster = next_cluster(fat, cluster, &sound);
	}
	return wrong == NULL && !sound && more ? "its root directory is cut" : wrong;
}

/* Whether it may be a boot sector: what other sectors hold by chance is not. */
static bool is_boot(const uint8_t *boot)
{
	uint32_t bytes = get16(boot + BYTES_PER_SECTOR);

	return boot[SIGNATURE] == 0x55 && boot[SIGNATURE + 1] == 0xaa && power_of_two(bytes) &&
	       bytes >= VOLUME_SECTOR && bytes <= 4096 && power_of_two(boot[SECTORS_PER_CLUSTER]) &&
	       get16(boot + RESERVED) != 0 && boot[COPIES] != 0;
}

/* Where everything lies. false: the numbers contradict each other. */
static bool lay_out(struct fat *fat, const uint8_t *boot, uint64_t first)
{
	uint64_t scale = get16(boot + BYTES_PER_SECTOR) / VOLUME_SECTOR;
	uint64_t table = get16(boot + TABLE16), total = get16(boot + TOTAL16), front;

	if (table == 0)
		table = get32(boot + TABLE32);
	if (total == 0)
		total = get32(boot + TOTAL32);
	fat->root_sectors =
	        (get16(boot + ROOT_ENTRIES) * ENTRY + VOLUME_SECTOR - 1) / VOLUME_SECTOR;
	fat->per_cluster = (uint32_t)(boot[SECTORS_PER_CLUSTER] * scale);
	fat->table = first + get16(boot + RESERVED) * scale;
	fat->root = fat->table + boot[COPIES] * table * scale;
	fat->data = fat->root + fat->root_sectors;
	front = fat->data - first;
	if (table == 0 || total * scale <= front || total * scale > fat->volume->sectors - first)
		return false;
	total = (total * scale - front) / fat->per_cluster;
	fat->clusters = total < CLUSTERS32_MAX ? (uint32_t)total : CLUSTERS32_MAX;
	fat->bits = get16(boot + TABLE16) == 0 ? 32 : fat->clusters <= CLUSTERS12_MAX ? 12 : 16;
	fat->root_cluster = fat->bits == 32 ? get32(boot + ROOT_CLUSTER) : 0;
	return fat->clusters > 0 && (fat->bits == 32) == (fat->root_sectors == 0);
}

const char *volume_fat(const struct volume *volume, uint64_t first)
{
	struct fat fat = {.volume = volume, .cached = UINT64_MAX, .left = 16 * VOLUME_FILES_MAX};
	uint8_t boot[VOLUME_SECTOR];

	if (first >= volume->sectors || !volume->read(volume->context, first, boot) ||
	    !is_boot(boot))
		return "";
	if (!lay_out(&fat, boot, first))
		return "its FAT file system contradicts itself, or is cut";
	return walk_root(&fat);
}
