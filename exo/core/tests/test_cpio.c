/* SPDX-License-Identifier: BSD-2-Clause */
/* The archive walker against archives that lie: a line per case, boundaries on both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <exo/cpio.h>

static char archive[4096];
static size_t size;

static void pad(void)
{
	while (size % 4)
		archive[size++] = 0;
}

static void add(const char *name, const char *data, size_t data_size)
{
	size += (size_t)sprintf(
	        archive + size, "070701%08X%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1,
	        0x81a4, 0, 0, 1, 0, (unsigned)data_size, 0, 0, 0, 0, (unsigned)strlen(name) + 1, 0);
	memcpy(archive + size, name, strlen(name) + 1);
	size += strlen(name) + 1;
	pad();
	memcpy(archive + size, data, data_size);
	size += data_size;
	pad();
}

/* Two members; the second begins at 112, its name at 222, its content at 228. */
static void make(void)
{
	memset(archive, 0, sizeof(archive));
	size = 0;
	add("a", "", 0);
	add("file", "hello", 5);
	add("TRAILER!!!", "", 0);
}

static void walks(void **state)
{
	struct exo_cpio cpio = {.archive = archive};
	struct exo_cpio_member member;

	make();
	cpio.size = size;
	assert_null(exo_cpio_next(&cpio, &member));
	assert_string_equal(member.name, "a");
	assert_int_equal(member.size, 0);
	assert_null(exo_cpio_next(&cpio, &member));
	assert_string_equal(member.name, "file");
	assert_int_equal(member.size, 5);
	assert_memory_equal(member.data, "hello", 5);
	assert_int_equal(((const char *)member.data - archive) % 4, 0);
	assert_int_equal(member.mode, 0x81a4);
	assert_ptr_equal(exo_cpio_next(&cpio, &member), exo_cpio_end);
	assert_ptr_equal(exo_cpio_next(&cpio, &member), exo_cpio_end);
	assert_null(exo_cpio_find(archive, size, "file", &member));
	assert_ptr_equal(exo_cpio_find(archive, size, "fil", &member), exo_cpio_end);
}

/* Every shorter archive is refused, and none reads beyond its end (the fuzzer's build looks). */
static void truncated(void **state)
{
	make();
	for (size_t n = 0; n < size - 1; n++) {
		struct exo_cpio cpio = {.archive = archive, .size = n};
		struct exo_cpio_member member;
		const char *wrong;
		int members = 0;

		while (!(wrong = exo_cpio_next(&cpio, &member)))
			members++;
		if (n < size - 3)
			assert_ptr_not_equal(wrong, exo_cpio_end);
		assert_true(members <= 2);
		assert_string_equal(exo_cpio_next(&cpio, &member), wrong);
	}
}

static void lies(void **state)
{
	enum { SIZE = 112 + 6 + 6 * 8, NAME = 112 + 6 + 11 * 8, MODE = 112 + 6 + 8 };
	static const struct {
		size_t at;
		const char *text;
		const char *wrong; /* NULL: accepted */
	} rows[] = {
	        {112, "070701", NULL},
	        {112, "070702", "member without the newc magic 070701"},
	        {112, "070707", "member without the newc magic 070701"},
	        {SIZE, "00000005", NULL},
	        {SIZE, "ffffffff", "content reaches beyond the archive"},
	        {SIZE, "FFFFFFFF", "content reaches beyond the archive"},
	        {SIZE, "7fffffff", "content reaches beyond the archive"},
	        {SIZE, "0000000g", "number in a header is not hexadecimal"},
	        {SIZE, "-0000005", "number in a header is not hexadecimal"},
	        {SIZE, " 0000005", "number in a header is not hexadecimal"},
	        {SIZE, "0x000005", "number in a header is not hexadecimal"},
	        {MODE, "zzzzzzzz", "number in a header is not hexadecimal"},
	        {NAME, "00000000", "name is empty or longer than 1,023 bytes"},
	        {NAME, "00000001", "name is empty or longer than 1,023 bytes"},
	        {NAME, "00000004", "name is not terminated at its end"},
	        {NAME, "00000006", "name is not terminated at its end"},
	        {NAME, "00000400", "name reaches beyond the archive"},
	        {NAME, "00000401", "name is empty or longer than 1,023 bytes"},
	        {NAME, "ffffffff", "name is empty or longer than 1,023 bytes"},
	        {222 + 4, "x", "name is not terminated at its end"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exo_cpio cpio = {.archive = archive};
		struct exo_cpio_member member;
		const char *wrong;

		make();
		cpio.size = size;
		memcpy(archive + rows[i].at, rows[i].text, strlen(rows[i].text));
		assert_null(exo_cpio_next(&cpio, &member));
		wrong = exo_cpio_next(&cpio, &member);
		if (rows[i].wrong ? !wrong || strcmp(wrong, rows[i].wrong) != 0 : wrong != NULL)
			fail_msg("row %u: %s", i, wrong ? wrong : "accepted");
	}
}

static void offsets_beyond_the_end(void **state)
{
	struct exo_cpio cpio = {.archive = archive, .size = 8, .offset = 9};
	struct exo_cpio_member member;

	assert_string_equal(exo_cpio_next(&cpio, &member), "offset lies beyond the archive");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(walks),
	        cmocka_unit_test(truncated),
	        cmocka_unit_test(lies),
	        cmocka_unit_test(offsets_beyond_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
