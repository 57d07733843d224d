/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packed traces: what was packed comes out, and nothing damaged is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../packed.h"

enum { FRAMES = 20 };

static _Alignas(8) uint8_t file[8192];

static size_t make(void)
{
	struct packed_header header = {PACKED_MAGIC, PACKED_VERSION, FRAMES};
	size_t at = sizeof(header);

	memset(file, 0, sizeof(file));
	memcpy(file, &header, sizeof(header));
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct packed_record record = {i + 1, 1000ull * i, 60 + i, packed_step(60 + i)};
		memcpy(file + at, &record, sizeof(record));
		memset(file + at + sizeof(record), (int)i, record.length);
		at += record.step;
	}
	return at;
}

static void test_frames_come_out(void **state)
{
	struct source_frame frame;
	struct packed packed;

	assert_null(packed_open(&packed, file, make()));
	assert_int_equal(packed.longest, 79);
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < FRAMES; i++) {
			assert_int_equal(packed.source.next(&packed.source, &frame), SOURCE_FRAME);
			assert_int_equal(frame.number, i + 1);
			assert_int_equal(frame.length, 60 + i);
			assert_int_equal(frame.data[frame.length - 1], i);
		}
		assert_int_equal(packed.source.next(&packed.source, &frame), SOURCE_END);
		packed.source.rewind(&packed.source);
	}
}

static void test_cut_anywhere(void **state)
{
	struct packed packed;
	size_t size = make();

	for (size_t cut = 0; cut < size; cut++)
		assert_non_null(packed_open(&packed, file, cut));
	assert_non_null(packed_open(&packed, file, size + 8));
}

static void test_wild_words(void **state)
{
	struct source_frame frame;
	struct packed packed;
	size_t size = make();

	for (size_t at = 0; at + 4 <= size; at += 4) {
		static const uint32_t words[] = {0, 1, 13, 0x7fffffff, 0xffffffff, 0xfffffff8};
		for (unsigned i = 0; i < 6; i++) {
			(void)make();
			memcpy(file + at, &words[i], 4);
			if (packed_open(&packed, file, size))
				continue;
			while (packed.source.next(&packed.source, &frame) == SOURCE_FRAME)
				assert_true(frame.data + frame.length <= file + size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_frames_come_out),
	        cmocka_unit_test(test_cut_anywhere),
	        cmocka_unit_test(test_wild_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
