/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces that come in pieces: whatever the pieces, the same frames; wherever they end, a clear
 * word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../stream.h"

enum { FRAMES = 20, ROOM = 1 << 16, SHORT = 7, LONG = 13, LONGEST = 300 };

/* Bytes in pieces of odd sizes, with nothing between them now and then. */
struct pieces {
	struct stream_feed feed; /* first */
	const uint8_t *bytes;
	size_t size, at;
	unsigned seed;
	bool breaks;
};

static uint8_t file[ROOM];
static struct stream stream;

static ptrdiff_t read_piece(struct stream_feed *feed, void *to, size_t size)
{
	struct pieces *pieces = (struct pieces *)feed;
	size_t left = pieces->size - pieces->at;

	pieces->seed = pieces->seed * 1103515245 + 12345;
	size_t piece = pieces->seed >> 16 & 63;
	if (!left)
		return pieces->breaks ? STREAM_BROKEN : STREAM_END;
	if (!piece)
		return 0;
	piece = piece < size ? piece : size;
	piece = piece < left ? piece : left;
	memcpy(to, pieces->bytes + pieces->at, piece);
	pieces->at += piece;
	return (ptrdiff_t)piece;
}

static void rewind_pieces(struct stream_feed *feed)
{
	((struct pieces *)feed)->at = 0;
}

static struct pieces pieces_of(size_t size)
{
	return (struct pieces){.feed = {.read = read_piece, .rewind = rewind_pieces},
	                       .bytes = file,
	                       .size = size,
	                       .seed = 1};
}

/* Of record i; two are left out, where the format has such. */
static uint32_t length_of(uint32_t i)
{
	return i == SHORT ? 5 : i == LONG ? LONGEST + 1 : 60 + i;
}

static void put(size_t *at, const void *bytes, size_t size)
{
	memcpy(file + *at, bytes, size);
	*at += size;
}

static void put_frame(size_t *at, uint32_t i)
{
	memset(file + *at, (int)i, length_of(i));
	*at += length_of(i);
}

static size_t make_packed(void)
{
	struct packed_header header = {PACKED_MAGIC, PACKED_VERSION, FRAMES - 1};
	size_t at = 0;

	memset(file, 0, sizeof(file));
	put(&at, &header, sizeof(header));
	for (uint32_t i = 0; i < FRAMES; i++) {
		struct packed_record record = {i + 1, 1000ull * i, length_of(i),
		                               packed_step(length_of(i))};
		if (i == SHORT)
			continue; /* such are not packed */
		size_t next = at + record.step;
		put(&at, &record, sizeof(record));
		put_frame(&at, i);
		at = next;
	}
	return at;
}

static void put32(size_t *at, uint32_t value, bool swapped)
{
	value = swapped ? __builtin_bswap32(value) : value;
	put(at, &value, sizeof(value));
}

static size_t make_pcap(bool nanoseconds, bool swapped)
{
	const uint32_t head[] = {nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 0, 0, 0, 65535, 0xf0000001};
	size_t at = 0;

	for (unsigned i = 0; i < 6; i++)
		put32(&at, head[i], swapped);
	for (uint32_t i = 0; i < FRAMES; i++) {
		put32(&at, 0, swapped);
		put32(&at, nanoseconds ? 1000 * i : i, swapped);
		put32(&at, length_of(i), swapped);
		put32(&at, length_of(i) + (i == 3), swapped);
		put_frame(&at, i);
	}
	return at;
}

static enum source_state next(struct source_frame *frame)
{
	enum source_state state;

	do
		state = stream.source.next(&stream.source, frame);
	while (state == SOURCE_STARVED);
	return state;
}

static void check_passes(size_t size, bool has_short)
{
	struct pieces pieces = pieces_of(size);
	struct source_frame frame;

	stream_open(&stream, &pieces.feed, LONGEST);
	for (int pass = 0; pass < 3; pass++) {
		for (uint32_t i = 0; i < FRAMES; i++) {
			if (i == SHORT || i == LONG)
				continue;
			assert_int_equal(next(&frame), SOURCE_FRAME);
			assert_int_equal(frame.number, i + 1);
			assert_int_equal(frame.time_ns, 1000 * i);
			assert_int_equal(frame.length, length_of(i));
			for (uint32_t k = 0; k < frame.length; k++)
				assert_int_equal(frame.data[k], i);
		}
		assert_int_equal(next(&frame), SOURCE_END);
		assert_int_equal(next(&frame), SOURCE_END);
		stream.source.rewind(&stream.source);
	}
	assert_int_equal(stream.account.frames, FRAMES - 2);
	assert_int_equal(stream.account.records, FRAMES - !has_short);
	assert_int_equal(stream.account.too_long.n, 1);
	assert_int_equal(stream.account.too_long.first, LONG + 1);
	assert_int_equal(stream.account.too_short.n, has_short);
	assert_int_equal(stream.account.snapped.n, has_short);
	assert_int_equal(stream.account.disordered.n, 0);
}

static void test_packed(void **state)
{
	check_passes(make_packed(), false);
}

static void test_pcap(void **state)
{
	for (int kind = 0; kind < 4; kind++)
		check_passes(make_pcap(kind & 1, kind & 2), true);
}

/* Cut at every byte: frames, then an end where a record ends, else a word with the record. */
static void check_cuts(size_t size, bool ends_anywhere)
{
	for (size_t cut = 0; cut < size; cut++) {
		struct pieces pieces = pieces_of(cut);
		struct source_frame frame;
		enum source_state state;
		uint64_t frames = 0;

		stream_open(&stream, &pieces.feed, LONGEST);
		while ((state = next(&frame)) == SOURCE_FRAME)
			frames++;
		assert_true(frames < FRAMES - 2 || state == SOURCE_BROKEN);
		assert_true(state == SOURCE_BROKEN || (ends_anywhere && cut >= 24));
		if (state == SOURCE_BROKEN && cut > 24)
			assert_non_null(strstr(stream.source.reason, "cut (record "));
	}
}

static void test_cut_anywhere(void **state)
{
	check_cuts(make_packed(), false);
	check_cuts(make_pcap(true, false), true);
}

static const char *complaint(size_t size)
{
	struct pieces pieces = pieces_of(size);
	struct source_frame frame;
	enum source_state state;

	stream_open(&stream, &pieces.feed, LONGEST);
	while ((state = next(&frame)) == SOURCE_FRAME)
		;
	assert_int_equal(state, SOURCE_BROKEN);
	return stream.source.reason;
}

static void test_what_it_is_not(void **state)
{
	const uint32_t pcapng = 0x0a0d0d0a;
	size_t size = make_pcap(false, false);

	assert_non_null(strstr(complaint(0), "empty"));
	file[20] = 113;
	assert_non_null(strstr(complaint(size), "link type 113"));
	memcpy(file, &pcapng, sizeof(pcapng));
	assert_non_null(strstr(complaint(size), "pcapng"));
	memset(file, 'x', 64);
	assert_non_null(strstr(complaint(64), "neither"));
	size = make_packed();
	file[4] = 9;
	assert_non_null(strstr(complaint(size), "version"));
	size = make_packed();
	file[16 + 16 + 4]++; /* the first record's step */
	assert_non_null(strstr(complaint(size), "damaged (record 1)"));
	size = make_pcap(false, false);
	memset(file + 24 + 8, 0xff, 4); /* the first record's length */
	assert_non_null(strstr(complaint(size), "damaged (record 1)"));
}

static void test_feed_breaks(void **state)
{
	struct pieces pieces = pieces_of(make_packed() / 2);
	struct source_frame frame;

	pieces.breaks = true;
	pieces.feed.reason = "the disk failed";
	stream_open(&stream, &pieces.feed, LONGEST);
	enum source_state found;
	while ((found = next(&frame)) == SOURCE_FRAME)
		;
	assert_int_equal(found, SOURCE_BROKEN);
	assert_non_null(strstr(stream.source.reason, "the disk failed"));
}

static void test_out_of_order(void **state)
{
	size_t size = make_pcap(true, false), at = 24;
	struct pieces pieces = pieces_of(size);
	struct source_frame frame;

	for (uint32_t i = 0; i < 5; i++)
		at += 16 + length_of(i);
	file[at + 4] = 0; /* the sixth record's nanoseconds */
	file[at + 5] = 0;
	stream_open(&stream, &pieces.feed, LONGEST);
	while (next(&frame) == SOURCE_FRAME)
		;
	assert_int_equal(stream.account.disordered.n, 1);
	assert_int_equal(stream.account.disordered.first, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_packed),       cmocka_unit_test(test_pcap),
	        cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_what_it_is_not),
	        cmocka_unit_test(test_feed_breaks),  cmocka_unit_test(test_out_of_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
