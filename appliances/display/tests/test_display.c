/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of uncompressed video: what is taken apart, drawn and shown, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <udp/wire.h>

#include "../receiver.h"

enum { WIDTH = 8, HEIGHT = 4, HEADER = 12 + 2 + 6 };

static uint32_t pixels[WIDTH * HEIGHT];
static struct picture picture;
static struct receiver receiver;
static unsigned shown;

static uint32_t at(size_t line, size_t pixel)
{
	return pixels[line * WIDTH + pixel];
}

static void show(void *context)
{
	(void)context;
	shown++;
}

static int begin_with(const char *sampling, unsigned depth)
{
	memset(pixels, 0, sizeof pixels);
	shown = 0;
	picture = (struct picture){.sampling = picture_sampling(sampling, depth),
	                           .matrix = picture_matrix("BT601-5"),
	                           .width = WIDTH,
	                           .height = HEIGHT,
	                           .pixels = pixels};
	receiver = (struct receiver){.picture = &picture, .show = show};
	return picture.sampling == NULL;
}

static int begin(void **state)
{
	return begin_with("RGB", 8);
}

/* A packet with one piece of `n` bytes, each of them `fill`. → its size. */
static size_t make(uint8_t *at, uint32_t sequence, uint32_t timestamp, bool marker, uint32_t line,
                   uint32_t pixel, uint32_t n, uint8_t fill)
{
	memset(at, 0, HEADER);
	at[0] = 0x80;
	at[1] = (uint8_t)(96 | marker << 7);
	wire_put16(at + 2, (uint16_t)sequence);
	wire_put32(at + 4, timestamp);
	wire_put32(at + 8, 0x1234);
	wire_put16(at + 12, (uint16_t)(sequence >> 16));
	wire_put16(at + 14, (uint16_t)n);
	wire_put16(at + 16, (uint16_t)line);
	wire_put16(at + 18, (uint16_t)pixel);
	memset(at + HEADER, fill, n);
	return HEADER + n;
}

static void send(uint32_t sequence, uint32_t timestamp, bool marker, uint32_t line, uint8_t fill)
{
	uint8_t packet[HEADER + 3 * WIDTH];
	size_t size = make(packet, sequence, timestamp, marker, line, 0, 3 * WIDTH, fill);

	receiver_input(&receiver, packet, size, 1);
}

/* ---- Packets ---- */

static void pieces_are_found(void **state)
{
	static const uint8_t packet[] = {
	        0xb1, 0xe0, 0x00, 0x05, 0,    0, 0, 7, 0, 0, 0, 9, /* padding, extension, one CSRC
	                                                            */
	        1,    1,    1,    1,    0,    0, 0, 1, 2, 2, 2, 2, /* CSRC, extension of one word */
	        0,    1, /* the extended sequence number */
	        0,    2,    0,    3,    0x80, 4, 0, 1, 0, 5, 0, 6, 'a', 'b', 'c', 0, 2};
	struct raw_packet is;
	struct raw_piece piece;

	assert_true(raw_open(&is, packet, sizeof packet));
	assert_int_equal(is.sequence, 0x10005);
	assert_int_equal(is.timestamp, 7);
	assert_int_equal(is.ssrc, 9);
	assert_true(is.marker);
	assert_true(raw_next(&is, &piece));
	assert_int_equal(piece.line, 3);
	assert_int_equal(piece.pixel, 4);
	assert_int_equal(piece.size, 2);
	assert_memory_equal(piece.data, "ab", 2);
	assert_true(raw_next(&is, &piece));
	assert_int_equal(piece.line, 5);
	assert_int_equal(piece.pixel, 6);
	assert_int_equal(piece.size, 1);
	assert_memory_equal(piece.data, "c", 1);
	assert_false(raw_next(&is, &piece));
	for (size_t size = 0; size < sizeof packet - 2; size++)
		assert_false(raw_open(&is, packet, size));
}

static void what_is_no_packet(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t is;
	} cases[] = {
	        {0, 0x40},  /* version 1 */
	        {0, 0x8f},  /* sources to the end and beyond */
	        {0, 0x90},  /* an extension that is longer than the packet */
	        {0, 0xa0},  /* 255 bytes of padding */
	        {16, 0x80}, /* a second field */
	        {18, 0x80}, /* another piece's header is announced: what stands there is none */
	        {15, 7},    /* one byte more than there is */
	};
	uint8_t packet[HEADER + 6];
	struct raw_packet is;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t size = make(packet, 1, 1, false, 0, 0, 6, 0xff);

		assert_true(raw_open(&is, packet, size));
		packet[cases[i].at] = cases[i].is;
		assert_false(raw_open(&is, packet, size));
	}
}

/* ---- Pictures ---- */

static void samplings_become_colours(void **state)
{
	static const struct {
		const char *name;
		unsigned depth;
		uint8_t group[6];
		uint32_t pixels[2], below[2];
	} cases[] = {
	        {"RGB", 8, {1, 2, 3, 4, 5, 6}, {0x010203, 0x040506}, {0}},
	        {"BGR", 8, {1, 2, 3, 4, 5, 6}, {0x030201, 0x060504}, {0}},
	        {"YCbCr-4:2:2", 8, {128, 235, 128, 16}, {0xffffff, 0x000000}, {0}},
	        {"YCbCr-4:2:2", 8, {90, 81, 240, 255}, {0xff0000, 0xffcaca}, {0}},
	        {"YCbCr-4:2:2", 10, {128, 0x3a, 0xc8, 0, 64}, {0xffffff, 0x000000}, {0}},
	        {"YCbCr-4:2:0",
	         8,
	         {235, 16, 16, 235, 128, 128},
	         {0xffffff, 0x000000},
	         {0x000000, 0xffffff}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct raw_piece piece = {.line = 2, .pixel = 4, .data = cases[i].group};

		assert_int_equal(begin_with(cases[i].name, cases[i].depth), 0);
		piece.size = picture.sampling->bytes * (2 / picture.sampling->width);
		assert_true(picture_put(&picture, &piece));
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(at(2, 4 + k), cases[i].pixels[k]);
			assert_int_equal(at(3, 4 + k), cases[i].below[k]);
		}
		assert_int_equal(at(2, 3) | at(2, 6), 0);
	}
	assert_null(picture_sampling("RGB", 10));
	assert_null(picture_sampling("XYZ", 8));
	assert_null(picture_matrix("BT2020"));
}

static void pieces_outside_are_refused(void **state)
{
	static const uint8_t data[64] = {255};
	static const struct {
		const char *sampling;
		struct raw_piece piece;
		bool fits;
	} cases[] = {
	        {"RGB", {.line = 3, .pixel = 7, .size = 3}, true},
	        {"RGB", {.line = 3, .pixel = 7, .size = 6}, false},
	        {"RGB", {.line = 3, .pixel = 8, .size = 0}, false},
	        {"RGB", {.line = 4, .pixel = 0, .size = 3}, false},
	        {"RGB", {.line = 0, .pixel = 0, .size = 4}, false},
	        {"RGB", {.line = 0, .pixel = 0x7fff, .size = 3}, false},
	        {"YCbCr-4:2:2", {.line = 0, .pixel = 6, .size = 4}, true},
	        {"YCbCr-4:2:2", {.line = 0, .pixel = 1, .size = 4}, false},
	        {"YCbCr-4:2:2", {.line = 0, .pixel = 0, .size = 20}, false},
	        {"YCbCr-4:2:0", {.line = 2, .pixel = 6, .size = 6}, true},
	        {"YCbCr-4:2:0", {.line = 3, .pixel = 0, .size = 6}, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct raw_piece piece = cases[i].piece;

		piece.data = data;
		assert_int_equal(begin_with(cases[i].sampling, 8), 0);
		assert_int_equal(picture_put(&picture, &piece), cases[i].fits);
	}
	assert_true(picture_fits(picture.sampling, 1920, 1080));
	assert_false(picture_fits(picture.sampling, 1922, 2));
	assert_false(picture_fits(picture.sampling, 2, 1082));
	assert_false(picture_fits(picture.sampling, 3, 2));
	assert_false(picture_fits(picture.sampling, 2, 3));
	assert_false(picture_fits(picture.sampling, 0, 2));
}

/* ---- The stream ---- */

static void a_marker_shows_the_picture(void **state)
{
	for (uint32_t line = 0; line < HEIGHT; line++)
		send(0xfffe + line, 50, line == HEIGHT - 1, line, (uint8_t)(line + 1));
	assert_int_equal(shown, 1);
	for (uint32_t line = 0; line < HEIGHT; line++)
		assert_int_equal(at(line, 0), 0x010101 * (line + 1));
	assert_int_equal(receiver.count.lost + receiver.count.malformed, 0);
}

/* The marker was lost, and more besides; one packet comes too late, one just in time. */
static void losses_are_counted(void **state)
{
	send(10, 1, false, 0, 1);
	send(13, 1, false, 1, 1);
	send(12, 1, false, 2, 1);
	assert_int_equal(shown, 0);
	assert_int_equal(at(2, 0), 0x010101);
	send(15, 2, false, 0, 2);
	assert_int_equal(shown, 1);
	send(14, 1, true, 3, 9);
	assert_int_equal(shown, 1);
	assert_int_equal(at(3, 0), 0);
	assert_int_equal(receiver.count.lost, 3);
	assert_int_equal(receiver.count.late, 1);
	assert_int_equal(receiver.count.packets, 5);
}

static void one_source_at_a_time(void **state)
{
	uint8_t packet[HEADER + 3];
	size_t size = make(packet, 1, 1, true, 0, 0, 3, 5);

	send(10, 1, true, 0, 1);
	packet[8] = 77;
	receiver_input(&receiver, packet, size, 500);
	assert_int_equal(receiver.count.foreign, 1);
	assert_int_equal(pixels[0], 0x010101);
	assert_false(receiver_silent(&receiver, 1000));
	assert_true(receiver_silent(&receiver, 1001));
	assert_false(receiver_silent(&receiver, 1002));
	receiver_input(&receiver, packet, size, 1100);
	assert_int_equal(pixels[0], 0x050505);
	assert_int_equal(shown, 2);
}

static void nonsense_changes_nothing(void **state)
{
	uint8_t packet[HEADER + 6];
	size_t size;

	receiver_input(&receiver, (const uint8_t *)"hello", 5, 1);
	assert_false(receiver.listens);
	size = make(packet, 1, 1, true, 0, 7, 6, 5);
	receiver_input(&receiver, packet, size, 1);
	assert_int_equal(receiver.count.malformed, 2);
	assert_int_equal(shown, 0);
	for (unsigned i = 0; i < WIDTH * HEIGHT; i++)
		assert_int_equal(pixels[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(pieces_are_found),
	        cmocka_unit_test(what_is_no_packet),
	        cmocka_unit_test(samplings_become_colours),
	        cmocka_unit_test(pieces_outside_are_refused),
	        cmocka_unit_test_setup(a_marker_shows_the_picture, begin),
	        cmocka_unit_test_setup(losses_are_counted, begin),
	        cmocka_unit_test_setup(one_source_at_a_time, begin),
	        cmocka_unit_test_setup(nonsense_changes_nothing, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
