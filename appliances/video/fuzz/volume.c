/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile disks: a sound small FAT or ISO, or nothing, with the input's bytes over it: each four of
 * them say where and what.
 */
#include <stdlib.h>
#include <string.h>

#include "../disk/volume.h"

enum { SECTORS = 512, READS_MAX = 200000 };

static uint8_t disk[SECTORS * VOLUME_SECTOR];
static uint32_t reads;

static bool read_disk(void *context, uint64_t sector, void *to)
{
	(void)context;
	if (sector >= SECTORS || ++reads > READS_MAX)
		abort(); /* beyond the disk, or without end */
	memcpy(to, disk + sector * VOLUME_SECTOR, VOLUME_SECTOR);
	return true;
}

static void on_file(void *context, const struct volume_file *file)
{
	uint64_t bytes = 0;

	(void)context;
	if (file == NULL)
		return;
	for (uint32_t i = 0; i < file->n; i++) {
		if (file->pieces[i].sector >= SECTORS ||
		    file->pieces[i].count > SECTORS - file->pieces[i].sector)
			abort();
		bytes += file->pieces[i].count * VOLUME_SECTOR;
	}
	if (bytes < file->size)
		abort();
}

static void make_fat(bool wide)
{
	static const uint8_t boot[] = {0, 2, 1, 1, 0, 1, 16, 0, 0, 2, 0, 2, 0};

	memcpy(disk + 11, boot, sizeof boot);
	if (wide) { /* FAT32: no root of its own */
		disk[17] = disk[22] = 0;
		disk[36] = 2;
		disk[44] = 2;
	}
	disk[510] = 0x55;
	disk[511] = 0xaa;
}

static void make_iso(void)
{
	memcpy(disk + 16 * 2048, "\1CD001", 6);
	disk[16 * 2048 + 129] = 8;
	disk[16 * 2048 + 158] = 20;
	disk[16 * 2048 + 167] = 8;
	disk[20 * 2048] = 40;
	disk[20 * 2048 + 2] = 30;
	disk[20 * 2048 + 10] = 77;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct volume volume = {.sectors = SECTORS, .read = read_disk, .file = on_file};

	if (size == 0)
		return 0;
	memset(disk, 0, sizeof disk);
	reads = 0;
	if ((data[0] & 3) < 2)
		make_fat((data[0] & 1) != 0);
	else if ((data[0] & 3) == 2)
		make_iso();
	for (size_t i = 1; i + 3 < size; i += 4)
		disk[(data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16) %
		     sizeof disk] = data[i + 3];
	volume.sectors -= data[0] >> 4;
	(void)volume_walk(&volume);
	return 0;
}
