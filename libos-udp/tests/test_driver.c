/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver: buffers, descriptors, tags, pieces; a NIC's own buffers. */
#include <stdlib.h>

#include "driver_world.h"

#include <exo/error.h>

/* Buffers go round many at a time: now. */
static void settle(void)
{
	driver_reclaim(&driver);
	driver_fill(&driver);
}

static void all_buffers_come_back(void **state)
{
	uint8_t frame[200];
	uint32_t size = question(frame);

	skip_announcement();
	for (unsigned i = 0; i < 1000; i++) {
		struct exo_desc in = deliver(frame, size), out;

		assert_int_equal(udp_exo_poll(&driver), 1);
		out = take(driver.tx.request);
		/* The answer is in the question's buffer; its tail says that it was sent. */
		assert_int_equal((uint32_t)out.cookie, in.cookie);
		assert_int_equal(out.flags, 0);
		assert_int_equal(out.length, size);
		assert_memory_equal(memory_at(&out), bench_peer, UDP_MAC_BYTES);
		assert_int_equal(udp_exo_poll(&driver), 0);
		assert_in_range(driver.n_filled, SIZE / 2, SIZE);
	}
	settle();
	assert_int_equal(driver.n_filled, SIZE);
	assert_int_equal(driver.n_free, SIZE);
	assert_int_equal(driver.strange, 0);
}

/* The same frame with a tag of some priority. → its length. */
static uint32_t tagged(uint8_t *to, const uint8_t *frame, uint32_t size, uint16_t vlan)
{
	memcpy(to, frame, 12);
	to[12] = 0x81;
	to[13] = 0;
	to[14] = (uint8_t)(0x60 | vlan >> 8);
	to[15] = (uint8_t)vlan;
	memcpy(to + 16, frame + 12, size - 12);
	return size + 4;
}

static bool is_answered(const uint8_t *frame, uint32_t size, struct exo_desc *out)
{
	deliver(frame, size);
	udp_exo_poll(&driver);
	if (driver.tx.request->head == driver.tx.request->tail)
		return false;
	*out = take(driver.tx.request);
	udp_exo_poll(&driver);
	return true;
}

static void a_vlan_is_an_interface_of_its_own(void **state)
{
	static const uint8_t tag[] = {0x81, 0, 0x01, 0x23, 0x08, 0};
	uint8_t plain[200], frame[200];
	uint32_t size = question(plain);
	struct exo_desc out = {0};

	skip_announcement();
	driver.vlans[0] = 0x123;
	driver.tagged = true;
	for (unsigned i = 0; i < 5 * SIZE; i++) {
		assert_true(is_answered(frame, tagged(frame, plain, size, 0x123), &out));
		assert_int_equal(out.length, size + 4);
		assert_memory_equal(memory_at(&out), bench_peer, UDP_MAC_BYTES);
		assert_memory_equal(memory_at(&out) + 6, bench_mac, UDP_MAC_BYTES);
		assert_memory_equal(memory_at(&out) + 12, tag, sizeof tag);
		assert_false(is_answered(plain, size, &out));
		assert_false(is_answered(frame, tagged(frame, plain, size, 0x124), &out));
		assert_false(is_answered(frame, tagged(frame, plain, size, 0), &out));
		assert_false(is_answered(frame, 15, &out));
	}
	settle();
	assert_int_equal(driver.n_filled, SIZE);
	assert_int_equal(driver.n_free, SIZE);
	driver.vlans[0] = 0;
	assert_true(is_answered(frame, tagged(frame, plain, size, 0), &out));
	assert_int_equal(out.length, size);
}

static void a_silent_nic_loses_no_buffer(void **state)
{
	uint8_t frame[200];
	uint32_t size = question(frame);

	skip_announcement();
	/* Nothing is completed: what does not fit the transmit ring is dropped and counted. */
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		if (driver.n_filled == 0)
			break;
		deliver(frame, size);
		udp_exo_poll(&driver);
	}
	assert_int_equal(driver.n_free + driver.n_filled + SIZE, 2 * SIZE);
	assert_int_equal(driver.tx_drops, 3 * SIZE - SIZE);
	for (unsigned i = 0; i < SIZE; i++) {
		struct exo_desc out = take(driver.tx.request);

		out.status = EXO_EPERM;
		respond(driver.tx.response, &out);
	}
	udp_exo_poll(&driver);
	assert_int_equal(driver.tx_refused, SIZE);
	assert_int_equal(driver.tx_error, EXO_EPERM);
	settle();
	assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
}

static void strange_descriptors_are_counted(void **state)
{
	uint8_t frame[200];
	uint32_t size = question(frame);
	struct exo_desc in, out;

	skip_announcement();
	in = deliver(frame, size);
	respond(driver.rx.response, &in); /* twice */
	in.cookie = 1ull << 40;
	respond(driver.rx.response, &in); /* nobody's */
	udp_exo_poll(&driver);
	assert_int_equal(driver.strange, 2);
	out = take(driver.tx.request);
	out.cookie = 0;
	out.status = 0;
	respond(driver.tx.response, &out); /* is not there */
	out.cookie = driver.n_buffers;
	respond(driver.tx.response, &out);
	udp_exo_poll(&driver);
	assert_int_equal(driver.strange, 4);
	settle();
	assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
}

static void arrivals_are_told_in_nanoseconds(void **state)
{
	uint8_t frame[200];
	uint32_t size = question(frame);

	skip_announcement();
	((struct exo_info *)EXO_INFO_ADDR)->tsc_boot = 1000; /* of one a nanosecond */
	for (uint64_t turn = 1; turn < 4; turn++) {
		deliver(frame, size);
		driver.rx.response->desc[driver.rx.response_tail & (SIZE - 1)].timestamp =
		        1000 + 77 * turn;
		assert_int_equal(udp_exo_poll(&driver), 1);
		assert_int_equal(asked_at, 77 * turn);
	}
	((struct exo_info *)EXO_INFO_ADDR)->tsc_boot = 0;
}

static void impossible_lengths_are_cut(void **state)
{
	uint8_t frame[200];
	struct exo_desc desc = {.length = 0xffffffff, .port = 3};

	skip_announcement();
	question(frame);
	desc.cookie = take(driver.rx.request).cookie;
	respond(driver.rx.response, &desc);
	desc.cookie = take(driver.rx.request).cookie;
	desc.port = 77; /* no interface of ours */
	respond(driver.rx.response, &desc);
	desc.cookie = take(driver.rx.request).cookie;
	desc.port = 3;
	desc.flags = EXO_DESC_CUT;
	respond(driver.rx.response, &desc);
	udp_exo_poll(&driver);
	assert_int_equal(udp_stack_counters(driver.stack)->frames_in, 3);
	assert_int_equal(udp_stack_counters(driver.stack)->drop_bad_buffer, 2);
	assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
}

static unsigned n_done;
static uint8_t content[2 * EXO_PAGE_SIZE] __attribute__((aligned(4096)));

static void on_done(void *owner)
{
	assert_ptr_equal(owner, &n_done);
	n_done++;
}

/* A transport's packet: 20 bytes of header, `n` pieces of the content's. */
static int send_pieces(uint16_t n, uint16_t segment_size, const struct udp_piece *pieces)
{
	struct udp_transport_send send = {.src = udp_ip4(US),
	                                  .dst = udp_ip4(PEER),
	                                  .protocol = PROTOCOL_TCP,
	                                  .ttl = 64,
	                                  .sum = true,
	                                  .segment_size = segment_size,
	                                  .n_pieces = n,
	                                  .pieces = pieces,
	                                  .done = on_done};
	struct udp_buffer *buffer = udp_transport_reserve(driver.stack, 20);

	assert_non_null(buffer);
	memset(buffer->data, 0x44, 20);
	return udp_transport_send(driver.stack, &send, buffer);
}

static void let_pieces(void)
{
	const struct udp_offload offload = {
	        UDP_OFFLOAD_SUM | UDP_OFFLOAD_PIECES | UDP_OFFLOAD_SEGMENT, 65521};
	struct exo_pages pages = {.address = content, .frame = 0x777, .count = 2};
	struct udp_ip peer = udp_ip4(PEER), us = udp_ip4(US);

	skip_announcement();
	assert_int_equal(udp_transport_offload(driver.stack, &us).flags, 0);
	udp_interface_offload(driver.stack, 0, &offload);
	assert_int_equal(udp_transport_offload(driver.stack, &us).size_max, 65521);
	assert_int_equal(udp_transport_offload(driver.stack, &peer).flags, 0);
	assert_int_equal(udp_exo_reach(&driver, &pages), 0);
	assert_int_equal(udp_neighbour_set(driver.stack, 0, &peer, bench_peer), 0);
	n_done = 0;
}

static void pieces_go_out_from_where_they_lie(void **state)
{
	struct udp_piece pieces[] = {
	        {content + 100, 3000, &n_done}, {content + 8000, 192, NULL}, {content, 1, &n_done}};
	struct exo_desc head, piece;

	let_pieces();
	assert_int_equal(send_pieces(3, 1400, pieces), 0);
	udp_exo_poll(&driver);
	head = take(driver.tx.request);
	assert_int_equal(head.length, ETH_SIZE + IP4_SIZE + 20);
	assert_int_equal(head.flags,
	                 EXO_DESC_MORE | EXO_DESC_REPORT | EXO_DESC_L4_SUM | EXO_DESC_SEGMENT);
	assert_int_equal(head.segment_size, 1400);
	assert_int_equal(wire_get16(memory_at(&head) + ETH_SIZE + IP4_LENGTH),
	                 IP4_SIZE + 20 + 3193);
	for (unsigned i = 0; i < 3; i++) {
		piece = take(driver.tx.request);
		assert_int_equal(piece.address, 0x777000 + (uint64_t)(pieces[i].data - content));
		assert_int_equal(piece.length, pieces[i].size);
		assert_int_equal(piece.flags, i < 2 ? EXO_DESC_MORE : 0);
	}
	assert_int_equal(n_done, 0);
	respond(driver.tx.response, &head);
	udp_exo_poll(&driver);
	assert_int_equal(n_done, 2);
	settle();
	assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
	/* Not longer than a segment: nothing to cut. */
	assert_int_equal(send_pieces(1, 3000, pieces), -UDP_EMSGSIZE);
	assert_int_equal(n_done, 3);
	pieces[0].size = 1400;
	assert_int_equal(send_pieces(1, 1400, pieces), 0);
	udp_exo_poll(&driver);
	head = take(driver.tx.request);
	assert_int_equal(head.flags, EXO_DESC_MORE | EXO_DESC_REPORT | EXO_DESC_L4_SUM);
}

static void pieces_that_cannot_go_are_done_with(void **state)
{
	struct udp_piece pieces[UDP_PIECES_MAX + 1];
	static uint8_t elsewhere[100];

	let_pieces();
	for (unsigned i = 0; i < UDP_PIECES_MAX + 1; i++)
		pieces[i] = (struct udp_piece){content, 10, &n_done};
	/* More than a packet has. */
	assert_int_equal(send_pieces(UDP_PIECES_MAX + 1, 0, pieces), -UDP_EMSGSIZE);
	assert_int_equal(n_done, UDP_PIECES_MAX + 1);
	n_done = 0;
	/* More than the ring holds. */
	assert_int_equal(send_pieces(UDP_PIECES_MAX, 0, pieces), 0);
	assert_int_equal(n_done, UDP_PIECES_MAX);
	assert_int_equal(driver.tx_drops, 1);
	/* Out of reach. */
	assert_false(udp_transport_reaches(driver.stack, elsewhere, 1));
	assert_false(udp_transport_reaches(driver.stack, content + 8191, 2));
	assert_false(udp_transport_reaches(driver.stack, content, 8193));
	assert_true(udp_transport_reaches(driver.stack, content, 8192));
	pieces[0].data = elsewhere;
	assert_int_equal(send_pieces(1, 0, pieces), 0);
	assert_int_equal(driver.tx_drops, 2);
	assert_int_equal(n_done, UDP_PIECES_MAX + 1);
	assert_int_equal(driver.tx.request->head, driver.tx.request->tail);
	assert_int_equal(driver.n_free + driver.n_filled, 2 * SIZE);
}

/* ---- A NIC's own buffers ---- */

/* The first buffers are the NIC's: answered in place, and filled in again when they have left. */
static void a_queue_s_buffers_go_back_to_it(void **state)
{
	uint8_t frame[200];
	uint32_t size = question(frame);

	/* Nothing was filled in: the NIC has them from the beginning. */
	driver.slots = SIZE;
	driver.rx.request->tail = driver.rx.request->head;
	driver.n_free = 0;
	for (uint32_t i = SIZE; i < 2 * SIZE; i++) {
		driver.free[driver.n_free++] = i;
		driver.buffers[i].place = 0;
	}
	driver_lend(&driver);
	skip_announcement();
	assert_int_equal(driver.n_filled, SIZE);
	for (uint32_t i = 0; i < 10 * SIZE; i++) {
		const size_t slot = i % SIZE, at = 128 + i % 3;
		struct exo_desc desc = {.address = FRAME_BASE + slot * UDP_EXO_BUFFER_BYTES + at,
		                        .length = size,
		                        .cookie = slot,
		                        .port = 3};

		memcpy((uint8_t *)driver.frames.address + slot * UDP_EXO_BUFFER_BYTES + at, frame,
		       size);
		respond(driver.rx.response, &desc);
		assert_int_equal(udp_exo_poll(&driver), 1);
		assert_int_equal(driver.n_filled, SIZE - 1);
		assert_int_equal(driver.rx.request->head, driver.rx.request->tail);
		desc = take(driver.tx.request);
		assert_int_equal((uint32_t)desc.cookie, slot);
		assert_int_equal(desc.length, size);
		udp_exo_poll(&driver);
		desc = take(driver.rx.request);
		assert_int_equal(desc.cookie, slot);
		assert_int_equal(desc.address / UDP_EXO_BUFFER_BYTES,
		                 FRAME_BASE / UDP_EXO_BUFFER_BYTES + slot);
		assert_int_equal(driver.n_filled, SIZE);
		assert_int_equal(driver.n_free, SIZE);
	}
	assert_int_equal(driver.strange, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(all_buffers_come_back),
	        T(a_vlan_is_an_interface_of_its_own),
	        T(a_silent_nic_loses_no_buffer),
	        T(strange_descriptors_are_counted),
	        T(arrivals_are_told_in_nanoseconds),
	        T(impossible_lengths_are_cut),
	        T(pieces_go_out_from_where_they_lie),
	        T(pieces_that_cannot_go_are_done_with),
	        T(a_queue_s_buffers_go_back_to_it),
	};

	return cmocka_run_group_tests(tests, map_info, NULL);
}
