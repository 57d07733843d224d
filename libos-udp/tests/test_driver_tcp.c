/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver does for TCP alone: segments that a NIC has merged, and acknowledgements in a
 * row. */
#include "driver_world.h"

#include <udp/checksum.h>

/* ---- What a NIC has merged ---- */

enum { TCP_SIZE = 32, SENT_SEQ = 0xfffff000, MERGED = 4500 };
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_ACK = 16, TCP_CWR = 128 };

/* What TCP got: bytes in order, and the flags of each segment. */
static uint8_t arrived[MERGED], arrived_flags[8];
static uint32_t n_arrived, n_segments;

static bool take_segment(void *context, const struct udp_transport_packet *packet)
{
	uint32_t size = packet->size - TCP_SIZE;

	assert_true(packet->checksum_ok);
	assert_int_equal(wire_get32(packet->data + 4), (uint32_t)(SENT_SEQ + n_arrived));
	assert_in_range(size, 1, MERGED - n_arrived);
	memcpy(arrived + n_arrived, packet->data + TCP_SIZE, size);
	n_arrived += size;
	arrived_flags[n_segments++] = packet->data[13];
	return false;
}

static uint64_t run_nothing(void *context, uint64_t now)
{
	return UINT64_MAX;
}

static void begin_merged(void)
{
	static const struct udp_transport transport = {.input = take_segment, .run = run_nothing};

	skip_announcement();
	assert_int_equal(udp_transport_set(driver.stack, PROTOCOL_TCP, &transport, NULL), 0);
}

/* A frame with all of `size` bytes of payload. → its length. */
static uint32_t merged_frame(uint8_t *frame, uint32_t size)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_TCP};
	static uint8_t packet[TCP_SIZE + MERGED];

	memset(packet, 0, TCP_SIZE);
	wire_put16(packet, 1000);
	wire_put16(packet + 2, 80);
	wire_put32(packet + 4, SENT_SEQ);
	packet[12] = TCP_SIZE / 4 << 4;
	packet[13] = TCP_ACK | TCP_PSH | TCP_FIN | TCP_CWR;
	for (uint32_t i = 0; i < size; i++)
		packet[TCP_SIZE + i] = (uint8_t)(i * 7 + i / 256);
	n_arrived = n_segments = 0;
	return bench_ip4(frame, &ip, packet, TCP_SIZE + size);
}

/* As the kernel does: into as many buffers as it takes. */
static void deliver_parts(const uint8_t *frame, uint32_t size, uint16_t flags)
{
	while (size > 0) {
		struct exo_desc desc = take(driver.rx.request);
		uint32_t part = size < desc.length ? size : desc.length;

		memcpy(memory_at(&desc), frame, part);
		frame += part;
		size -= part;
		desc.length = part;
		desc.port = 3;
		desc.flags = flags | (size > 0 ? EXO_DESC_MORE : 0);
		respond(driver.rx.response, &desc);
	}
	udp_exo_poll(&driver);
}

static void merged_segments_are_taken_apart(void **state)
{
	uint8_t frame[MERGED + 100];
	uint32_t size = merged_frame(frame, MERGED);

	begin_merged();
	deliver_parts(frame, size, EXO_DESC_L4_SUM_OK);
	assert_int_equal(n_segments, 3);
	assert_int_equal(n_arrived, MERGED);
	assert_memory_equal(arrived, frame + ETH_SIZE + IP4_SIZE + TCP_SIZE, MERGED);
	assert_int_equal(arrived_flags[0], TCP_ACK | TCP_CWR);
	assert_int_equal(arrived_flags[1], TCP_ACK);
	assert_int_equal(arrived_flags[2], TCP_ACK | TCP_PSH | TCP_FIN);
	assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
	assert_int_equal(driver.merged.lost, 0);
	/* Its end is missing: nobody may believe that it is there. */
	n_arrived = n_segments = 0;
	deliver_parts(frame, size - 100, EXO_DESC_L4_SUM_OK | EXO_DESC_CUT);
	assert_int_equal(n_segments, 3);
	assert_int_equal(n_arrived, MERGED - 100);
	assert_int_equal(arrived_flags[2], TCP_ACK);
}

/* What lies behind the packet is not of it, in its last buffer or in one behind. */
static void trailers_are_no_payload(void **state)
{
	enum { ROOM = UDP_EXO_BUFFER_BYTES - UDP_HEADROOM, HEADS = ETH_SIZE + IP4_SIZE + TCP_SIZE };
	static const uint32_t sizes[] = {2 * ROOM - HEADS, 2 * ROOM - HEADS - 20, MERGED};
	uint8_t frame[MERGED + 200];

	begin_merged();
	for (unsigned i = 0; i < 3; i++) {
		uint32_t size = merged_frame(frame, sizes[i]);

		memset(frame + size, 0xee, 60);
		deliver_parts(frame, size + 60, EXO_DESC_L4_SUM_OK);
		assert_int_equal(n_arrived, sizes[i]);
		assert_memory_equal(arrived, frame + HEADS, sizes[i]);
		assert_int_equal(n_segments, i < 2 ? 2 : 3);
		assert_int_equal(arrived_flags[n_segments - 1], TCP_ACK | TCP_PSH | TCP_FIN);
		assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
	}
}

/* A packet in several buffers that can't be taken apart is dropped whole, and no part of it is
 * taken for a packet. */
static void other_long_packets_are_lost(void **state)
{
	uint8_t frame[MERGED + 100], *ip = frame + ETH_SIZE;
	uint32_t size = merged_frame(frame, MERGED), inner;

	begin_merged();
	/* What begins with a frame of its own in the second buffer. */
	inner = question(frame + UDP_EXO_BUFFER_BYTES - UDP_HEADROOM);
	deliver_parts(frame, UDP_EXO_BUFFER_BYTES - UDP_HEADROOM + inner, 0); /* not checked */
	deliver_parts(frame, size, EXO_DESC_L4_SUM_OK | EXO_DESC_SUM_BAD);
	wire_put16(ip + IP4_FRAGMENT, IP4_MF);
	deliver_parts(frame, size, EXO_DESC_L4_SUM_OK | EXO_DESC_L3_SUM_OK);
	wire_put16(ip + IP4_FRAGMENT, 0);
	ip[IP4_CHECKSUM] ^= 1;
	deliver_parts(frame, size, EXO_DESC_L4_SUM_OK);
	ip[IP4_CHECKSUM] ^= 1;
	ip[IP4_PROTOCOL] = PROTOCOL_UDP;
	deliver_parts(frame, size, EXO_DESC_L4_SUM_OK | EXO_DESC_L3_SUM_OK);
	ip[IP4_PROTOCOL] = PROTOCOL_TCP;
	ip[IP4_SIZE + 12] = 4 << 4; /* TCP's header is too short */
	deliver_parts(frame, size, EXO_DESC_L4_SUM_OK | EXO_DESC_L3_SUM_OK);
	assert_int_equal(n_segments, 0);
	assert_int_equal(driver.merged.lost, 6);
	assert_int_equal(driver.tx.request->head,
	                 driver.tx.request->tail); /* nothing was answered */
	assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
	ip[IP4_SIZE + 12] = TCP_SIZE / 4 << 4;
	deliver_parts(frame, size, EXO_DESC_L4_SUM_OK);
	assert_int_equal(n_segments, 3);
}

/* ---- Acknowledgements in a row ---- */

static uint32_t last_ack;

static bool take_ack(void *context, const struct udp_transport_packet *packet)
{
	last_ack = wire_get32(packet->data + 8);
	n_segments++;
	return false;
}

/* TCP gets the last one where it said that this is enough, and its buffers come back. */
static void needless_acknowledgements_are_left_out(void **state)
{
	static const struct udp_transport transport = {.input = take_ack, .run = run_nothing};
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_TCP};
	const struct udp_ip peer = udp_ip4(PEER), us = udp_ip4(US);
	uint8_t frame[200], packet[20] = {0};

	skip_announcement();
	assert_int_equal(udp_transport_set(driver.stack, PROTOCOL_TCP, &transport, NULL), 0);
	packet[12] = 5 << 4;
	packet[13] = TCP_ACK;
	for (unsigned round = 0; round < 40; round++) {
		n_segments = 0;
		driver.skims = round % 2 == 1;
		for (uint32_t i = 1; i <= 4; i++) {
			uint64_t sum;
			uint16_t check;

			wire_put32(packet + 8, i * 1000);
			wire_put16(packet + 16, 0);
			sum = udp_sum_pseudo(0, &peer, &us, PROTOCOL_TCP, sizeof packet);
			check = udp_sum_finish(udp_sum_add(sum, packet, sizeof packet));
			memcpy(packet + 16, &check, sizeof check);
			deliver(frame, bench_ip4(frame, &ip, packet, sizeof packet));
		}
		udp_exo_poll(&driver);
		assert_int_equal(n_segments, driver.skims ? 1 : 4);
		assert_int_equal(last_ack, 4000);
		assert_int_equal(driver.skimmed, (round + 1) / 2 * 3);
		assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
	}
	assert_int_equal(driver.strange, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(merged_segments_are_taken_apart),
	        T(trailers_are_no_payload),
	        T(other_long_packets_are_lost),
	        T(needless_acknowledgements_are_left_out),
	};

	return cmocka_run_group_tests(tests, map_info, NULL);
}
