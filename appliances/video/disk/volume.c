/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file system there is; see volume.h. */
#include "volume.h"

enum {
	TABLE = 446, /* of partitions, in the first sector */
	ENTRY_BYTES = 16,
	ENTRIES = 4,
	KIND = 4,
	FIRST = 8,
};

static bool is_fat(uint8_t kind)
{
	return kind == 0x01 || kind == 0x04 || kind == 0x06 || kind == 0x0b || kind == 0x0c ||
	       kind == 0x0e;
}

/* The first sector of the first FAT partition; 0: there is none. */
static uint64_t find_partition(const struct volume *volume)
{
	uint8_t sector[VOLUME_SECTOR];

	if (volume->sectors == 0 || !volume->read(volume->context, 0, sector) ||
	    sector[510] != 0x55 || sector[511] != 0xaa)
		return 0;
	for (unsigned i = 0; i < ENTRIES; i++) {
		const uint8_t *entry = sector + TABLE + (size_t)i * ENTRY_BYTES;

		if (is_fat(entry[KIND]))
			return (uint64_t)entry[FIRST] | (uint64_t)entry[FIRST + 1] << 8 |
			       (uint64_t)entry[FIRST + 2] << 16 | (uint64_t)entry[FIRST + 3] << 24;
	}
	return 0;
}

const char *volume_walk(const struct volume *volume)
{
	const char *wrong = volume_iso(volume);
	uint64_t first;

	if (wrong == NULL || wrong[0] != '\0')
		return wrong;
	wrong = volume_fat(volume, 0);
	if (wrong == NULL || wrong[0] != '\0')
		return wrong;
	first = find_partition(volume);
	if (first != 0 && first < volume->sectors)
		wrong = volume_fat(volume, first);
	return wrong != NULL && wrong[0] == '\0' ? "it has no ISO 9660 and no FAT file system"
	                                         : wrong;
}
