/* SPDX-License-Identifier: BSD-2-Clause */
/* Live titles: a transport stream made here comes in datagrams; what goes out, what is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <udp/wire.h>

#include "../server/live.h"

enum { RING = 200 * 1024, VIDEO_PID = 0x100, PMT_PID = 0x1000, FRAME_MS = 40, GROUP = 25 };

static uint8_t *ring;
static struct live live;
static const struct udp_endpoint source = {.ip = {.family = 4, .bytes = {10, 0, 0, 1}}, .port = 7};
static uint64_t now;

/* What came out. */
static struct {
	uint8_t bytes[RING];
	uint32_t size, pieces, last_timestamp;
} out;

static void on_piece(void *context, uint32_t offset, uint32_t size, uint32_t timestamp)
{
	assert_ptr_equal(context, &out);
	assert_in_range(size, TS_BYTES, LIVE_PIECE);
	assert_int_equal(size % TS_BYTES, 0);
	assert_true(offset <= live.size - size);
	if (out.size + size <= sizeof out.bytes) {
		memcpy(out.bytes + out.size, ring + offset, size);
		out.size += size;
	}
	out.pieces++;
	out.last_timestamp = timestamp;
}

static int begin(void **state)
{
	(void)state;
	ring = malloc(RING);
	memset(&out, 0, sizeof out);
	now = 1000;
	live_open(&live, ring, RING, on_piece, &out);
	return ring == NULL;
}

static int end(void **state)
{
	(void)state;
	free(ring);
	return 0;
}

/* ---- The stream ---- */

static void header(uint8_t *packet, uint16_t pid, bool starts)
{
	memset(packet, 0xff, TS_BYTES);
	packet[0] = TS_SYNC;
	wire_put16(packet + 1, (uint16_t)(pid | starts << 14));
	packet[3] = 0x10;
}

static void make_pat(uint8_t *packet)
{
	static const uint8_t section[] = {0,    0,  0xb0, 17, 0,    1, 0xc1, 0, 0, 0, 0,
	                                  0xe0, 16, 0,    1,  0xf0, 0, 1,    2, 3, 4};

	header(packet, 0, true);
	memcpy(packet + 4, section, sizeof section);
}

static void make_pmt(uint8_t *packet)
{
	static const uint8_t section[] = {0,    2, 0xb0, 18,   0, 1,    0xc1, 0, 0, 0xe1, 0,
	                                  0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0,    0, 0, 0,    0};

	header(packet, PMT_PID, true);
	memcpy(packet + 4, section, sizeof section);
}

static void make_frame(uint8_t *packet, uint64_t pts, bool key)
{
	static const uint8_t pes[] = {0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1};

	header(packet, VIDEO_PID, true);
	packet[3] = 0x30;
	packet[4] = 1;
	packet[5] = key ? 0x40 : 0;
	memcpy(packet + 6, pes, sizeof pes);
	ts_shift(packet, pts);
}

static void send(const uint8_t *bytes, size_t size)
{
	live_input(&live, bytes, size, &source, now);
}

/* A second of film, a key frame first: a datagram for each frame. */
static void send_group(uint32_t frames)
{
	uint8_t packets[4 * TS_BYTES];

	for (uint32_t i = 0; i < frames; i++, now += FRAME_MS) {
		make_pat(packets);
		make_pmt(packets + TS_BYTES);
		make_frame(packets + (size_t)2 * TS_BYTES, now * 90, i == 0);
		header(packets + (size_t)3 * TS_BYTES, VIDEO_PID, false);
		send(packets, sizeof packets);
	}
}

/* ---- Cases ---- */

static void what_comes_goes_out(void **state)
{
	uint8_t packets[10 * TS_BYTES], rtp[12 + TS_BYTES] = {0x80, 33, 0, 5, 0, 0, 0x30, 0x39};

	(void)state;
	for (size_t i = 0; i < 10; i++)
		header(packets + i * TS_BYTES, (uint16_t)(32 + i), false);
	send(packets, sizeof packets);
	assert_int_equal(out.pieces, 2);
	assert_int_equal(out.size, sizeof packets);
	assert_memory_equal(out.bytes, packets, sizeof packets);
	assert_int_equal(out.last_timestamp, 90000);
	now += LIVE_SILENCE_MS;
	memcpy(rtp + 12, packets, TS_BYTES);
	send(rtp, sizeof rtp);
	assert_int_equal(out.last_timestamp, 12345);
	assert_int_equal(out.pieces, 3);
	assert_int_equal(live.count.sources, 2);
}

static void segments_begin_at_key_frames(void **state)
{
	const struct live_segment *segment;
	struct ts_packet is;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		send_group(GROUP);
	/* Five seconds: two segments of two, and one that is open. */
	assert_int_equal(live.n_segments, 2);
	assert_int_equal(live_first(&live), 0);
	assert_null(live_segment(&live, 2));
	for (uint64_t i = 0; i < 2; i++) {
		const uint8_t *at;

		segment = live_segment(&live, i);
		assert_non_null(segment);
		at = ring + segment->offset;
		assert_int_equal(segment->ms, 2000);
		assert_false(segment->breaks);
		assert_true(ts_read(at, &is) && is.pid == 0);
		assert_true(ts_read(at + TS_BYTES, &is) && is.pid == PMT_PID);
		assert_true(ts_read(at + (size_t)2 * TS_BYTES, &is) && is.random_access);
		assert_int_equal(segment->size, 50 * 4 * TS_BYTES + 2 * TS_BYTES);
	}
	/* The tables that were put in are not sent: there is nothing twice. */
	assert_int_equal(out.size, live.count.bytes);
	assert_int_equal(live.longest_ms, 2000);
}

static void the_ring_goes_round(void **state)
{
	uint64_t first, last = 0;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		send_group(GROUP);
		first = live_first(&live);
		assert_true(first >= last);
		last = first;
		for (uint64_t k = first; k < live.n_segments; k++) {
			const struct live_segment *segment = live_segment(&live, k);

			assert_non_null(segment);
			assert_true(segment->offset <= live.size - segment->size);
			assert_int_equal(ring[segment->offset], TS_SYNC);
			assert_int_equal(ring[segment->offset + 1] & 0x1f, 0);
		}
	}
	assert_in_range(live.n_segments, 19, 25);
	assert_true(live_first(&live) > 10);
	assert_null(live_segment(&live, 0));
	assert_true(live_gone(&live, 0));
	assert_false(live_gone(&live, live.written));
}

static void one_source_at_a_time(void **state)
{
	struct udp_endpoint other = source;
	uint8_t packet[TS_BYTES];

	(void)state;
	other.port = 8;
	make_pat(packet);
	send(packet, sizeof packet);
	live_input(&live, packet, sizeof packet, &other, now + LIVE_SILENCE_MS - 1);
	assert_int_equal(live.count.foreign, 1);
	assert_true(live_on(&live, now + LIVE_SILENCE_MS - 1));
	assert_false(live_on(&live, now + LIVE_SILENCE_MS));
	live_input(&live, packet, sizeof packet, &other, now + LIVE_SILENCE_MS);
	assert_int_equal(live.count.foreign, 1);
	assert_int_equal(live.count.sources, 2);
	assert_int_equal(out.pieces, 2);
}

static void an_interruption_is_marked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		send_group(GROUP);
	now += 10000;
	for (unsigned i = 0; i < 5; i++)
		send_group(GROUP);
	/* 0 … 2, 2 … 3, and behind the gap 13 … 15, 15 … 17. */
	assert_int_equal(live.n_segments, 4);
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(live_segment(&live, i)->breaks, i == 2);
		assert_int_equal(live_segment(&live, i)->epoch, i >= 2);
		assert_in_range(live_segment(&live, i)->ms, i == 1 ? 900 : 2000,
		                i == 1 ? 1100 : 2000);
	}
}

static void send_rtp(uint16_t sequence)
{
	uint8_t rtp[12 + TS_BYTES] = {0x80, 33};

	wire_put16(rtp + 2, sequence);
	make_pat(rtp + 12);
	send(rtp, sizeof rtp);
}

static void losses_are_counted(void **state)
{
	static const uint16_t sequences[] = {65534, 65535, 1, 0, 2, 5};

	(void)state;
	for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
		send_rtp(sequences[i]);
	assert_int_equal(live.count.lost, 3);
	assert_int_equal(out.pieces, 5); /* the late one is left out */
	send_rtp(40000);                 /* it began again */
	send_rtp(40001);
	assert_int_equal(live.count.lost, 3);
	assert_int_equal(out.pieces, 7);
}

static void nonsense_is_counted(void **state)
{
	uint8_t packets[2 * TS_BYTES];

	(void)state;
	make_pat(packets);
	make_pat(packets + TS_BYTES);
	send(packets, 0);
	send(packets, TS_BYTES - 1);
	send(packets, TS_BYTES + 1);
	send(packets + 1, TS_BYTES);
	assert_int_equal(live.count.malformed, 4);
	assert_false(live.heard);
	packets[TS_BYTES] = 0; /* the second one is none */
	send(packets, sizeof packets);
	assert_int_equal(live.count.malformed, 5);
	assert_int_equal(out.size, TS_BYTES);
	send((const uint8_t *)"\x80\x60\0\0\0\0\0\0\0\0\0\0\x47", 13);
	assert_int_equal(live.count.malformed, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_comes_goes_out, begin, end),
	        cmocka_unit_test_setup_teardown(segments_begin_at_key_frames, begin, end),
	        cmocka_unit_test_setup_teardown(the_ring_goes_round, begin, end),
	        cmocka_unit_test_setup_teardown(one_source_at_a_time, begin, end),
	        cmocka_unit_test_setup_teardown(an_interruption_is_marked, begin, end),
	        cmocka_unit_test_setup_teardown(losses_are_counted, begin, end),
	        cmocka_unit_test_setup_teardown(nonsense_is_counted, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
