/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: segments, Nagle, windows, loss and its recovery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <udp/checksum.h>

#include "script.h"

static void push_stands_on_the_last_segment(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 write 2500", "+0 > . 1:1001(1000) ack 1",
	       "+0 > . 1001:2001(1000) ack 1", "+0 > P. 2001:2501(500) ack 1",
	       "+.1 < . 1:1(0) ack 2501 win 32792");
}

static void offload_takes_bursts(void **state)
{
	SCRIPT_WITH(c->segment_max = 65000, PASSIVE_PLAIN, "+0 write 5500",
	            "+0 > P. 1:5501(5500) ack 1", "+.1 < . 1:1(0) ack 2001 win 32792",
	            "+0 < . 1:1(0) ack 5501 win 32792", "+0 write 20000",
	            "+0 > . 5501:17501(12000) ack 1", "+.1 < . 1:1(0) ack 17501 win 32792",
	            "+0 > P. 17501:25501(8000) ack 1", "+.1 < . 1:1(0) ack 25501 win 32792");
}

static void copies_into_short_blocks(void **state)
{
	SCRIPT_WITH(c->block_bytes = 64, PASSIVE_PLAIN, "+0 write 300", "+0 > P. 1:301(300) ack 1",
	            "+0 write 20", "+.05 < . 1:1(0) ack 301 win 32792", "+0 > P. 301:321(20) ack 1",
	            "+.05 < . 1:1(0) ack 321 win 32792", "+0 write 1000",
	            "+0 > P. 321:1321(1000) ack 1");
}

static void gathers_what_a_burst_lets_go(void **state)
{
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_PLAIN, "+0 write 30000",
	            "+0 > . 1:10001(10000) ack 1", "+.1 < . 1:1(0) ack 5001 win 32792",
	            "+0 < . 1:1(0) ack 10001 win 32792", "+0 > P. 10001:30001(20000) ack 1",
	            "+.1 < . 1:1(0) ack 30001 win 32792");
	/* The connection ends meanwhile. */
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_PLAIN, "+0 write 30000",
	            "+0 > . 1:10001(10000) ack 1", "+.1 < . 1:1(0) ack 5001 win 32792",
	            "+0 < R. 1:1(0) ack 5001 win 32792");
}

/* Until half of the window is free, or for a quarter of a millisecond. */
static void gathers_half_a_window(void **state)
{
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_SACK, "+0 write 60000",
	            "+0 > . 1:10001(10000) ack 1", "+.1 < . 1:1(0) ack 2001 win 257",
	            "+.0001 < . 1:1(0) ack 4001 win 257", "+0 > . 10001:18001(8000) ack 1",
	            "+.1 < . 1:1(0) ack 6001 win 257", "+.0002 < . 1:1(0) ack 8001 win 257",
	            "+0 > . 18001:26001(8000) ack 1", "+0 cwnd 18",
	            "+.0001 < . 1:1(0) ack 12001 win 257", "+.0001 < . 1:1(0) ack 13001 win 257",
	            "+0 > . 26001:36001(10000) ack 1", "+.1 < . 1:1(0) ack 36001 win 257",
	            "+0 > P. 36001:60001(24000) ack 1", "+.1 < . 1:1(0) ack 60001 win 257");
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_SACK, "+0 write 60000",
	            "+0 > . 1:10001(10000) ack 1", "+.1 < . 1:1(0) ack 2001 win 257",
	            "+0 > . 10001:14001(4000) ack 1", "+.1 < . 1:1(0) ack 14001 win 257",
	            "+0 > . 14001:38001(24000) ack 1", "+.1 < . 1:1(0) ack 38001 win 257",
	            "+0 > P. 38001:60001(22000) ack 1", "+.1 < . 1:1(0) ack 60001 win 257");
	/* What is left is less than there is room for. */
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_SACK, "+0 write 13000",
	            "+0 > . 1:10001(10000) ack 1", "+.1 < . 1:1(0) ack 2001 win 257",
	            "+0 > P. 10001:13001(3000) ack 1", "+.0001 < . 1:1(0) ack 4001 win 257",
	            "+.1 < . 1:1(0) ack 13001 win 257");
}

/* What waits for the burst's end is not lost: duplicates behind it count, and so does what it
 * acknowledges when the application ends the connection. */
static void takes_late_acknowledgements(void **state)
{
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_PLAIN, "+0 write 10000",
	            "+0 > P. 1:10001(10000) ack 1", "+.1 < . 1:1(0) ack 2001 win 32792",
	            "+0 < . 1:1(0) ack 4001 win 32792", "+0 < . 1:1(0) ack 4001 win 32792",
	            "+0 < . 1:1(0) ack 4001 win 32792", "+0 < . 1:1(0) ack 4001 win 32792",
	            "+0 > . 4001:5001(1000) ack 1", "+.1 < . 1:1(0) ack 10001 win 32792");
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_PLAIN, "+0 write 10000",
	            "+0 > P. 1:10001(10000) ack 1", "+.1 < . 1:1(0) ack 2001 win 32792",
	            "+0 < R. 1:1(0) ack 2001 win 32792");
	/* Ours has ended: what is acknowledged lets go of more, FIN's is not predicted. */
	SCRIPT_WITH((c->segment_max = 65000, c->gather = true), PASSIVE_PLAIN, "+0 write 30000",
	            "+0 > . 1:10001(10000) ack 1", "+0 shutdown",
	            "+.1 < . 1:1(0) ack 5001 win 32792", "+0 < . 1:1(0) ack 10001 win 32792",
	            "+0 > FP. 10001:30001(20000) ack 1", "+.1 < . 1:1(0) ack 30002 win 32792");
}

/* A known sum serves whole pieces at even and odd places; what is cut is summed up anew. */
static void takes_known_sums(void **state)
{
	static uint8_t bytes[300];
	const struct udp_ip ip = {.family = 4, .bytes = {10, 0, 0, 1}};
	uint8_t header[20] = {1}, whole[2][sizeof header + sizeof bytes], cut[TCP_HEADER_MAX];
	struct tcp_piece pieces[3], some[TCP_PIECES_MAX];
	struct tcp_packet packet = {.src = &ip,
	                            .dst = &ip,
	                            .header = header,
	                            .header_size = sizeof header,
	                            .n_pieces = 3,
	                            .size = 171,
	                            .pieces = pieces,
	                            .segment_size = 100};
	struct tcp_packet segment;

	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (unsigned known = 0; known < 2; known++) {
		pieces[0] = (struct tcp_piece){.data = bytes, .size = 51};
		pieces[1] = (struct tcp_piece){.data = bytes + 60, .size = 61};
		pieces[2] = (struct tcp_piece){.data = bytes + 130, .size = 59};
		for (unsigned i = 0; known && i < 3; i++) {
			pieces[i].sum = tcp_content_sum(pieces[i].data, pieces[i].size);
			pieces[i].summed = true;
		}
		packet.segment_size = 0;
		tcp_packet_copy(&packet, whole[known]);
		assert_int_equal(tcp_packet_sum(&packet), whole[known][16] | whole[known][17] << 8);
	}
	assert_memory_equal(whole[0], whole[1], sizeof header + packet.size);
	packet.segment_size = 100;
	for (uint32_t i = 0; tcp_packet_cut(&packet, i, &segment, cut, some); i++) {
		uint16_t with = tcp_packet_sum(&segment);

		for (unsigned n = 0; n < segment.n_pieces; n++)
			some[n].summed = false;
		assert_int_equal(with, tcp_packet_sum(&segment));
	}
}

/* Whatever is known of its pieces, a packet's segments have the same sums: cut here or there, by
 * the content's running sums or by its bytes. */
static void sums_segments_from_content(void **state)
{
	enum { SEGMENTS = 8 };
	static uint8_t bytes[3000];
	static uint16_t running[sizeof bytes / UDP_SUM_GRAIN + 1];
	const struct tcp_content content = {bytes, sizeof bytes, running, NULL};
	const struct udp_ip ip = {.family = 4, .bytes = {10, 0, 0, 1}};
	uint8_t header[20] = {1}, cut[TCP_HEADER_MAX], copy[sizeof header + 500];
	struct tcp_piece pieces[4], some[TCP_PIECES_MAX];
	struct tcp_packet segment, packet = {.src = &ip,
	                                     .dst = &ip,
	                                     .header = header,
	                                     .header_size = sizeof header,
	                                     .n_pieces = 4,
	                                     .pieces = pieces};

	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
	udp_sums_make(running, bytes, sizeof bytes);
	for (uint32_t size = 201; size <= 500; size++) {
		uint16_t sums[SEGMENTS];
		uint32_t n;

		pieces[0] = (struct tcp_piece){.data = bytes + 3, .size = 61};
		pieces[1] = (struct tcp_piece){
		        .data = bytes + 501, .size = 700 + size % 9, .content = &content};
		pieces[2] = (struct tcp_piece){.data = bytes + 2000, .size = 33, .summed = true};
		pieces[2].sum = tcp_content_sum(pieces[2].data, pieces[2].size);
		pieces[3] = (struct tcp_piece){.data = bytes, .size = 400, .content = &content};
		packet.segment_size = (uint16_t)size;
		packet.size = 61 + pieces[1].size + 33 + 400;
		n = tcp_packet_sums(&packet, sums, SEGMENTS);
		assert_int_equal(n, (packet.size + size - 1) / size);
		for (uint32_t i = 0; tcp_packet_cut(&packet, i, &segment, cut, some); i++) {
			uint16_t whole;

			tcp_packet_copy(&segment, copy);
			assert_int_equal(tcp_packet_sum(&segment), copy[16] | copy[17] << 8);
			memset(copy + 16, 0, 2);
			whole = udp_sum_finish(udp_sum_add(
			        udp_sum_pseudo(0, &ip, &ip, 6, sizeof header + segment.size), copy,
			        sizeof header + segment.size));
			assert_int_equal(tcp_packet_sum(&segment), whole);
			assert_int_equal(
			        udp_sum_finish((uint64_t)sums[i] + 1),
			        udp_sum_finish(udp_sum_add(0, copy + sizeof header, segment.size) +
			                       1));
		}
	}
	/* Too many segments; too many bytes of which nothing is known. */
	packet.segment_size = 100;
	assert_int_equal(tcp_packet_sums(&packet, (uint16_t[SEGMENTS]){0}, SEGMENTS), 0);
	packet.segment_size = 500;
	pieces[3].content = NULL;
	assert_int_equal(tcp_packet_sums(&packet, (uint16_t[SEGMENTS]){0}, SEGMENTS), 0);
}

/* Sums that were kept are those of the same segments, whatever was asked for in between. */
static void keeps_sums_of_segments(void **state)
{
	enum { SIZE = 20000, MAX = 30, ROUNDS = 20000 };
	static const uint32_t each[] = {1448, 1448, 1448, 1001, 512};
	static const uint32_t begin[] = {0, 7, 7, 7, 1000};
	static uint8_t bytes[SIZE];
	static uint16_t running[SIZE / UDP_SUM_GRAIN + 1], kept[sizeof(struct tcp_cuts) / 2 + MAX];
	struct tcp_cuts *cuts = memset(kept, 0, sizeof kept);
	const struct tcp_content content = {bytes, SIZE, running, cuts};
	const struct tcp_content plain = {bytes, SIZE, running, NULL};
	struct tcp_piece pieces[2];
	struct tcp_packet packet = {.pieces = pieces, .n_pieces = 2};
	uint32_t random = 1, reused = 0;

	for (unsigned i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
	udp_sums_make(running, bytes, SIZE);
	cuts->max = MAX;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint16_t sums[2][40];
		uint32_t way, from, n, known;

		random = random * 1103515245 + 12345;
		way = (random >> 16) % 5;
		n = 1 + (random >> 20) % 9;
		from = begin[way] + (random >> 24) % 12 * each[way];
		from = from < SIZE ? from : 0;
		pieces[0] = (struct tcp_piece){.data = bytes, .size = random >> 30, .summed = true};
		pieces[0].sum = tcp_content_sum(bytes, pieces[0].size);
		pieces[1] = (struct tcp_piece){.data = bytes + from, .content = &content};
		pieces[1].size = n * each[way] < SIZE - from ? n * each[way] : SIZE - from;
		packet.segment_size = (uint16_t)each[way];
		packet.size = pieces[0].size + pieces[1].size;
		known = cuts->to - cuts->from;
		n = tcp_packet_sums(&packet, sums[0], 40);
		reused += known > 1 && cuts->to - cuts->from >= known;
		pieces[1].content = &plain;
		assert_int_equal(tcp_packet_sums(&packet, sums[1], 40), n);
		assert_true(n > 0);
		assert_memory_equal(sums[0], sums[1], n * sizeof sums[0][0]);
		assert_true(cuts->to <= MAX && cuts->from <= cuts->to);
	}
	assert_true(reused > ROUNDS / 20);
}

static void nagle_holds_back_the_second_small_one(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 write 100", "+0 > P. 1:101(100) ack 1", "+0 write 100",
	       "+0 write 50", "+.05 < . 1:1(0) ack 101 win 32792", "+0 > P. 101:251(150) ack 1",
	       "+.05 < . 1:1(0) ack 251 win 32792");
	SCRIPT(PASSIVE_PLAIN, "+0 nodelay", "+0 write 100", "+0 > P. 1:101(100) ack 1",
	       "+0 write 100", "+0 > P. 101:201(100) ack 1", "+.05 < . 1:1(0) ack 201 win 32792");
	SCRIPT(PASSIVE_PLAIN, "+0 cork", "+0 write 1200", "+0 > . 1:1001(1000) ack 1",
	       "+.1 < . 1:1(0) ack 1001 win 32792", "+0 uncork", "+0 > P. 1001:1201(200) ack 1",
	       "+.1 < . 1:1(0) ack 1201 win 32792");
}

static void slow_start_doubles(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 write 10000", "+0 > . 1:1001(1000) ack 1",
	       "+0 > . 1001:2001(1000) ack 1", "+0 > . 2001:3001(1000) ack 1",
	       "+0 > . 3001:4001(1000) ack 1", "+0 > . 4001:5001(1000) ack 1",
	       "+0 > . 5001:6001(1000) ack 1", "+0 > . 6001:7001(1000) ack 1",
	       "+0 > . 7001:8001(1000) ack 1", "+0 > . 8001:9001(1000) ack 1",
	       "+0 > P. 9001:10001(1000) ack 1", "+.1 < . 1:1(0) ack 5001 win 32792", "+0 cwnd 15",
	       "+0 < . 1:1(0) ack 10001 win 32792", "+0 cwnd 20");
}

static void timeout_sends_the_first_again(void **state)
{
	/* Without SACK: no probe, the timeout itself, doubled each time. */
	SCRIPT(PASSIVE_PLAIN, "+0 write 1000", "+0 > P. 1:1001(1000) ack 1",
	       "+.3 > P. 1:1001(1000) ack 1", "+.6 > P. 1:1001(1000) ack 1",
	       "+1.2 > P. 1:1001(1000) ack 1", "+0 cwnd 1", "+.1 < . 1:1(0) ack 1001 win 32792");
}

static void tail_loss_probe_comes_first(void **state)
{
	/* One segment in flight: twice the round trip, and the delay of an acknowledgement; but not
	   later than the timeout. */
	SCRIPT(PASSIVE_SACK, "+0 write 1000", "+0 > P. 1:1001(1000) ack 1",
	       "+.3 > P. 1:1001(1000) ack 1", "+.1 < . 1:1(0) ack 1001 win 257");
	SCRIPT(PASSIVE_SACK, "+0 write 2000", "+0 > . 1:1001(1000) ack 1",
	       "+0 > P. 1001:2001(1000) ack 1", "+.202 > P. 1001:2001(1000) ack 1",
	       "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:2001>", "+0 > . 1:1001(1000) ack 1",
	       "+.1 < . 1:1(0) ack 2001 win 257");
}

#define TEN                                                                                        \
	"+0 write 10000", "+0 > . 1:1001(1000) ack 1", "+0 > . 1001:2001(1000) ack 1",             \
	        "+0 > . 2001:3001(1000) ack 1", "+0 > . 3001:4001(1000) ack 1",                    \
	        "+0 > . 4001:5001(1000) ack 1", "+0 > . 5001:6001(1000) ack 1",                    \
	        "+0 > . 6001:7001(1000) ack 1", "+0 > . 7001:8001(1000) ack 1",                    \
	        "+0 > . 8001:9001(1000) ack 1", "+0 > P. 9001:10001(1000) ack 1"

static void three_sacked_begin_recovery(void **state)
{
	SCRIPT(PASSIVE_SACK, TEN, "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:2001>",
	       "+0 < . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:3001>",
	       "+0 < . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:4001>", "+0 > . 1:1001(1000) ack 1",
	       "+.1 < . 1:1(0) ack 10001 win 257", "+0 cwnd 8");
}

static void reordering_waits_a_quarter_of_the_round_trip(void **state)
{
	/* Two are missing and three came: at once. One came: a little patience. */
	SCRIPT(PASSIVE_SACK, TEN, "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:2001>",
	       "+.027 > . 1:1001(1000) ack 1", "+.1 < . 1:1(0) ack 10001 win 257");
}

static void duplicates_begin_recovery_without_sack(void **state)
{
	SCRIPT_WITH(o->congestion = TCP_CONGESTION_NEWRENO, PASSIVE_PLAIN, TEN,
	            "+.1 < . 1:1(0) ack 1 win 32792", "+0 < . 1:1(0) ack 1 win 32792",
	            "+0 < . 1:1(0) ack 1 win 32792", "+0 > . 1:1001(1000) ack 1",
	            "+0 < . 1:1(0) ack 1 win 32792", "+0 < . 1:1(0) ack 1 win 32792",
	            /* A partial acknowledgement: the next hole. */
	            "+.1 < . 1:1(0) ack 4001 win 32792", "+0 > . 4001:5001(1000) ack 1",
	            "+.1 < . 1:1(0) ack 10001 win 32792", "+0 cwnd 5");
}

static void spurious_timeout_is_undone(void **state)
{
	/* F-RTO: what comes after the timeout acknowledges what was sent before it. */
	SCRIPT(PASSIVE_TS, "+0 write 3000", "+0 > . 1:1001(1000) ack 1",
	       "+0 > . 1001:2001(1000) ack 1", "+0 > P. 2001:3001(1000) ack 1",
	       "+.202 > P. 2001:3001(1000) ack 1", "+.3 > . 1:1001(1000) ack 1",
	       "+.05 < . 1:1(0) ack 1001 win 257 <nop,nop,TS val 1800 ecr 200>", "+0 cwnd 10",
	       "+0 < . 1:1(0) ack 3001 win 257 <nop,nop,TS val 1800 ecr 200>");
}

/* The peer had the segment at once, and its answers were lost: what it says at last, of a copy, is
 * no round trip of nine seconds, of which the next timeout would be made. */
static void lost_answers_are_no_round_trip(void **state)
{
	SCRIPT_WITH(
	        c->black_holes = false, PASSIVE_TS, "+0 write 1000", "+0 > P. 1:1001(1000) ack 1",
	        "+.3 > P. 1:1001(1000) ack 1", "+.3 > P. 1:1001(1000) ack 1",
	        "+.6 > P. 1:1001(1000) ack 1", "+1.2 > P. 1:1001(1000) ack 1",
	        "+2.4 > P. 1:1001(1000) ack 1", "+4.8 > P. 1:1001(1000) ack 1",
	        "+.1 < . 1:1(0) ack 1001 win 257 <nop,nop,TS val 9900 ecr 200,nop,nop,sack 1:1001>",
	        "+0 write 1000", "+0 > P. 1001:2001(1000) ack 1",
	        "+.1 < . 1:1(0) ack 2001 win 257 <nop,nop,TS val 10000 ecr 9900>", "+0 write 1000",
	        "+0 > P. 2001:3001(1000) ack 1", "+.3 > P. 2001:3001(1000) ack 1");
}

static void needless_recovery_is_undone(void **state)
{
	SCRIPT(PASSIVE_SACK, TEN, "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,sack 1001:4001>",
	       "+0 > . 1:1001(1000) ack 1", "+.01 < . 1:1(0) ack 4001 win 257",
	       /* The duplicate tells that the first had only been late. */
	       "+.09 < . 1:1(0) ack 4001 win 257 <nop,nop,sack 1:1001>", "+0 cwnd 10",
	       "+0 < . 1:1(0) ack 10001 win 257");
}

static void shut_windows_are_probed(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 write 1000", "+0 > P. 1:1001(1000) ack 1",
	       "+.1 < . 1:1(0) ack 1001 win 0", "+0 write 1000", "+.3 > . 1000:1000(0) ack 1",
	       "+.01 < . 1:1(0) ack 1001 win 0", "+.6 > . 1000:1000(0) ack 1",
	       "+.01 < . 1:1(0) ack 1001 win 0", "+1.2 > . 1000:1000(0) ack 1",
	       "+.01 < . 1:1(0) ack 1001 win 5000", "+0 > P. 1001:2001(1000) ack 1",
	       "+.1 < . 1:1(0) ack 2001 win 5000");
}

static void no_silly_windows_are_filled(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 write 1000", "+0 > P. 1:1001(1000) ack 1",
	       "+.1 < . 1:1(0) ack 1001 win 400", "+0 write 1000",
	       /* Room for less than a segment is not used, until the timer wants to know. */
	       "+.3 > P. 1001:1401(400) ack 1", "+.1 < . 1:1(0) ack 1401 win 5000",
	       "+0 > P. 1401:2001(600) ack 1", "+.1 < . 1:1(0) ack 2001 win 5000");
}

static void ecn_echo_shrinks_the_window(void **state)
{
	SCRIPT("+0 < SEW 0:0(0) win 32792 <mss 1000,nop,nop,sackOK>", "+0 > SE. 0:0(0) ack 1",
	       "+.1 < . 1:1(0) ack 1 win 32792", "+0 accept", TEN,
	       "+.1 < E. 1:1(0) ack 10001 win 32792", "+0 write 1000",
	       "+0 > PW. 10001:11001(1000) ack 1", "+.1 < . 1:1(0) ack 11001 win 32792",
	       "+0 cwnd 7");
}

static void big_packets_are_cut_on_request(void **state)
{
	SCRIPT("+0 < S 0:0(0) win 32792 <mss 1460>", "+0 > S. 0:0(0) ack 1",
	       "+.1 < . 1:1(0) ack 1 win 32792", "+0 accept", "+0 write 1460",
	       "+0 > P. 1:1461(1460) ack 1", "+.01 icmp toobig 1000 1", "+0 > . 1:961(960) ack 1",
	       "+0 < . 1:1(0) ack 961 win 32792", "+0 > P. 961:1461(500) ack 1",
	       "+.1 < . 1:1(0) ack 1461 win 32792",
	       /* What quotes nothing in flight is a guess. */
	       "+0 icmp toobig 600 1", "+0 write 960", "+0 > P. 1461:2421(960) ack 1",
	       "+.1 < . 1:1(0) ack 2421 win 32792");
}

static void idle_connections_are_asked(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 keepalive 10 2 2", "+10 > . 0:0(0) ack 1",
	       "+.01 < . 1:1(0) ack 1 win 1000", "+10 > . 0:0(0) ack 1", "+2 > . 0:0(0) ack 1",
	       "+2 > R. 1:1(0) ack 1", "+0 state CLOSED", "+0 cause TIMEOUT", "+0 close");
}

static void the_application_may_lose_patience(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 timeout 2000", "+0 write 1000", "+0 > P. 1:1001(1000) ack 1",
	       "+.3 > P. 1:1001(1000) ack 1", "+.6 > P. 1:1001(1000) ack 1",
	       "+1.2 > P. 1:1001(1000) ack 1", "+.81 state CLOSED", "+0 cause TIMEOUT", "+0 close");
}

static void urgent_is_marked(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 urgent 100", "+0 > PU. 1:101(100) ack 1 win 64240 urg 100",
	       "+.1 < . 1:1(0) ack 101 win 32792");
}

static void copied_bytes_coalesce(void **state)
{
	SCRIPT(PASSIVE_PLAIN, "+0 copy 1", "+0 > P. 1:2(1) ack 1", "+0 copy 500", "+0 copy 499",
	       "+0 copy 1000", "+0 > . 2:1002(1000) ack 1", "+.1 < . 1:1(0) ack 1002 win 32792",
	       "+0 > P. 1002:2001(999) ack 1", "+.1 < . 1:1(0) ack 2001 win 32792");
}

static void window_restarts_after_idle_time(void **state)
{
	SCRIPT(PASSIVE_PLAIN, TEN, "+.1 < . 1:1(0) ack 10001 win 32792", "+0 cwnd 20",
	       "+5 write 1000", "+0 > P. 10001:11001(1000) ack 1", "+0 cwnd 10",
	       "+.1 < . 1:1(0) ack 11001 win 32792");
}

/* A conversation of single segments says nothing of what the path takes: BBR goes on at the pace
 * that it began with. */
static void small_talk_is_no_slow_path(void **state)
{
	static const char *const opening[] = {PASSIVE_PLAIN, NULL};
	struct script script;
	struct tcp_conn_info before, after;

	script_begin(&script);
	script.options.congestion = TCP_CONGESTION_BBR;
	script_open(&script);
	script_run(&script, opening);
	tcp_conn_info(script.conn, &before);
	assert_true(before.pacing_rate > 0);
	for (unsigned i = 0; i < 16; i++) {
		char leaves[64], comes[64];
		const char *const lines[] = {i % 2 == 0 ? "+0 write 500" : "+0 copy 500", leaves,
		                             comes, NULL};

		snprintf(leaves, sizeof leaves, "+0 > P. %u:%u(500) ack 1", 500 * i + 1,
		         500 * i + 501);
		snprintf(comes, sizeof comes, "+.1 < . 1:1(0) ack %u win 32792", 500 * i + 501);
		script_run(&script, lines);
	}
	tcp_conn_info(script.conn, &after);
	assert_true(after.pacing_rate >= before.pacing_rate);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(push_stands_on_the_last_segment),
	        cmocka_unit_test(offload_takes_bursts),
	        cmocka_unit_test(copies_into_short_blocks),
	        cmocka_unit_test(gathers_what_a_burst_lets_go),
	        cmocka_unit_test(gathers_half_a_window),
	        cmocka_unit_test(takes_late_acknowledgements),
	        cmocka_unit_test(takes_known_sums),
	        cmocka_unit_test(sums_segments_from_content),
	        cmocka_unit_test(keeps_sums_of_segments),
	        cmocka_unit_test(nagle_holds_back_the_second_small_one),
	        cmocka_unit_test(slow_start_doubles),
	        cmocka_unit_test(timeout_sends_the_first_again),
	        cmocka_unit_test(tail_loss_probe_comes_first),
	        cmocka_unit_test(three_sacked_begin_recovery),
	        cmocka_unit_test(reordering_waits_a_quarter_of_the_round_trip),
	        cmocka_unit_test(duplicates_begin_recovery_without_sack),
	        cmocka_unit_test(spurious_timeout_is_undone),
	        cmocka_unit_test(lost_answers_are_no_round_trip),
	        cmocka_unit_test(needless_recovery_is_undone),
	        cmocka_unit_test(shut_windows_are_probed),
	        cmocka_unit_test(no_silly_windows_are_filled),
	        cmocka_unit_test(ecn_echo_shrinks_the_window),
	        cmocka_unit_test(big_packets_are_cut_on_request),
	        cmocka_unit_test(idle_connections_are_asked),
	        cmocka_unit_test(the_application_may_lose_patience),
	        cmocka_unit_test(urgent_is_marked),
	        cmocka_unit_test(copied_bytes_coalesce),
	        cmocka_unit_test(window_restarts_after_idle_time),
	        cmocka_unit_test(small_talk_is_no_slow_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
