/* SPDX-License-Identifier: BSD-2-Clause */
/* File systems made here, byte by byte: what is found on them, and what is refused. Images that
 * other programs made are the clients' test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../disk/volume.h"

enum { SECTORS = 4200, FILES_MAX = 8 };

static uint8_t *disk;
static struct {
	struct volume_file files[FILES_MAX];
	uint32_t n, unsound;
} found;
static uint64_t failing; /* sector that can't be read */

static bool read_disk(void *context, uint64_t sector, void *to)
{
	const struct volume *volume = context;

	assert_true(sector < volume->sectors);
	memcpy(to, disk + sector * VOLUME_SECTOR, VOLUME_SECTOR);
	return sector != failing;
}

static void on_file(void *context, const struct volume_file *file)
{
	(void)context;
	if (file == NULL) {
		found.unsound++;
		return;
	}
	assert_true(found.n < FILES_MAX);
	found.files[found.n++] = *file;
}

static const char *walk(uint64_t sectors)
{
	struct volume volume = {.sectors = sectors, .read = read_disk, .file = on_file};

	volume.context = &volume;
	memset(&found, 0, sizeof found);
	return volume_walk(&volume);
}

static int begin(void **state)
{
	(void)state;
	disk = calloc(SECTORS, VOLUME_SECTOR);
	failing = UINT64_MAX;
	return disk == NULL;
}

static int end(void **state)
{
	(void)state;
	free(disk);
	return 0;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value);
	put16(at + 2, value >> 16);
}

/* ---- ISO 9660 ---- */

static uint8_t *block(uint32_t number)
{
	return disk + (size_t)number * 2048;
}

static uint8_t *record(uint8_t *at, uint32_t extent, uint32_t size, uint8_t flags)
{
	at[0] = 40;
	put32(at + 2, extent);
	put32(at + 10, size);
	at[25] = flags;
	return at + 40;
}

/* Two blocks of directory at 30: a directory, a file, an empty one, and one in the second. */
static void make_iso(void)
{
	uint8_t *at = block(30);

	block(16)[0] = 0; /* a boot record comes first */
	memcpy(block(16) + 1, "CD001", 5);
	block(17)[0] = 1;
	memcpy(block(17) + 1, "CD001", 5);
	put16(block(17) + 128, 2048);
	record(block(17) + 156, 30, 4096, 2);
	at = record(at, 30, 4096, 2);
	at = record(at, 100, 5000, 0);
	record(at, 120, 0, 0);
	record(block(31), 200, 1, 0);
}

static void files_of_an_iso(void **state)
{
	(void)state;
	make_iso();
	assert_null(walk(SECTORS));
	assert_int_equal(found.n, 2);
	assert_int_equal(found.unsound, 0);
	assert_int_equal(found.files[0].size, 5000);
	assert_int_equal(found.files[0].n, 1);
	assert_int_equal(found.files[0].pieces[0].sector, 400);
	assert_int_equal(found.files[0].pieces[0].count, 10);
	assert_int_equal(found.files[1].pieces[0].sector, 800);
}

static void isos_that_lie(void **state)
{
	(void)state;
	make_iso();
	put32(block(31) + 2, 0xffffffff); /* a file that lies nowhere */
	assert_null(walk(SECTORS));
	assert_int_equal(found.n, 1);
	assert_int_equal(found.unsound, 1);
	put32(block(31) + 2, SECTORS / 4);
	put32(block(31) + 10, 0xffffffff);
	assert_null(walk(SECTORS));
	assert_int_equal(found.unsound, 1);
	block(31)[0] = 33; /* a record that is too short */
	assert_string_equal(walk(SECTORS), "a record of its directory is cut");
	put32(block(17) + 156 + 10, 0x7fffffff);
	assert_string_equal(walk(SECTORS), "its root directory is too long");
	put32(block(17) + 156 + 10, 4096);
	assert_string_equal(walk(124), "its root directory can't be read");
	failing = 120;
	assert_string_equal(walk(SECTORS), "its root directory can't be read");
	put16(block(17) + 128, 512);
	assert_string_equal(walk(SECTORS), "its blocks are not of 2,048 bytes");
}

/* ---- FAT ---- */

static uint8_t *sector(uint64_t number)
{
	return disk + number * VOLUME_SECTOR;
}

static void put12(uint64_t table, uint32_t cluster, uint32_t value)
{
	uint8_t *at = sector(table) + cluster * 3 / 2;

	if (cluster % 2 == 0) {
		at[0] = (uint8_t)value;
		at[1] = (uint8_t)((at[1] & 0xf0) | value >> 8);
	} else {
		at[0] = (uint8_t)((at[0] & 0x0f) | (value & 15) << 4);
		at[1] = (uint8_t)(value >> 4);
	}
}

static void entry(uint8_t *at, uint8_t first, uint8_t attributes, uint32_t cluster, uint32_t size)
{
	at[0] = first;
	at[11] = attributes;
	put16(at + 20, cluster >> 16);
	put16(at + 26, cluster);
	put32(at + 28, size);
}

/* FAT12 at `first`: 2 copies of 3 sectors, 16 entries of root, clusters of 2 sectors from 8 on. One
 * file lies in clusters 5, 6, 9; around it a label, a long name, a deleted file, a directory. */
static void make_fat(uint64_t first)
{
	uint8_t *boot = sector(first), *root = sector(first + 7);

	put16(boot + 11, 512);
	boot[13] = 2;
	put16(boot + 14, 1);
	boot[16] = 2;
	put16(boot + 17, 16);
	put16(boot + 19, 2008);
	put16(boot + 22, 3);
	boot[510] = 0x55;
	boot[511] = 0xaa;
	put12(first + 1, 5, 6);
	put12(first + 1, 6, 9);
	put12(first + 1, 9, 0xfff);
	entry(root, 'L', 0x08, 0, 0);
	entry(root + 32, 'A', 0x0f, 0, 77);
	entry(root + 64, 0xe5, 0, 3, 77);
	entry(root + 96, 'D', 0x10, 3, 0);
	entry(root + 128, 'F', 0x20, 5, 2500);
}

static void a_file_of_a_fat(void **state)
{
	(void)state;
	make_fat(0);
	assert_null(walk(SECTORS));
	assert_int_equal(found.n, 1);
	assert_int_equal(found.unsound, 0);
	assert_int_equal(found.files[0].size, 2500);
	assert_int_equal(found.files[0].n, 2);
	assert_int_equal(found.files[0].pieces[0].sector, 8 + 3 * 2);
	assert_int_equal(found.files[0].pieces[0].count, 4);
	assert_int_equal(found.files[0].pieces[1].sector, 8 + 7 * 2);
	assert_int_equal(found.files[0].pieces[1].count, 2);
}

static void a_fat_in_a_partition(void **state)
{
	(void)state;
	make_fat(64);
	sector(0)[510] = 0x55;
	sector(0)[511] = 0xaa;
	sector(0)[446 + 4] = 0x83;
	sector(0)[446 + 16 + 4] = 0x0c;
	put32(sector(0) + 446 + 16 + 8, 64);
	assert_null(walk(SECTORS));
	assert_int_equal(found.n, 1);
	assert_int_equal(found.files[0].pieces[0].sector, 64 + 8 + 3 * 2);
	put32(sector(0) + 446 + 16 + 8, SECTORS);
	assert_string_equal(walk(SECTORS), "it has no ISO 9660 and no FAT file system");
}

static void fats_that_lie(void **state)
{
	static const uint32_t nexts[] = {0, 1, 0xff7, 1999, 0xfff};

	(void)state;
	for (size_t i = 0; i < sizeof nexts / sizeof nexts[0]; i++) {
		memset(disk, 0, (size_t)SECTORS * VOLUME_SECTOR);
		make_fat(0);
		put12(1, 6, nexts[i]); /* the chain breaks, leaves the disk, or is too short */
		assert_null(walk(SECTORS));
		assert_int_equal(found.n, 0);
		assert_int_equal(found.unsound, 1);
	}
	put12(1, 6, 5); /* a ring: ends with the file's size */
	assert_null(walk(SECTORS));
	assert_int_equal(found.n, 1);
	put32(sector(7) + 128 + 28, 0xffffffff); /* which is more than there are clusters */
	assert_null(walk(SECTORS));
	assert_int_equal(found.unsound, 1);
	assert_string_equal(walk(2007), "its FAT file system contradicts itself, or is cut");
	failing = 7;
	assert_string_equal(walk(SECTORS), "its root directory can't be read");
	failing = 2;
	assert_null(walk(SECTORS));
	sector(0)[13] = 3;
	assert_string_equal(walk(SECTORS), "it has no ISO 9660 and no FAT file system");
}

static void nothing_at_all(void **state)
{
	(void)state;
	assert_string_equal(walk(SECTORS), "it has no ISO 9660 and no FAT file system");
	assert_string_equal(walk(0), "it has no ISO 9660 and no FAT file system");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(files_of_an_iso, begin, end),
	        cmocka_unit_test_setup_teardown(isos_that_lie, begin, end),
	        cmocka_unit_test_setup_teardown(a_file_of_a_fat, begin, end),
	        cmocka_unit_test_setup_teardown(a_fat_in_a_partition, begin, end),
	        cmocka_unit_test_setup_teardown(fats_that_lie, begin, end),
	        cmocka_unit_test_setup_teardown(nothing_at_all, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
