/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver on exo rings, with the test as the kernel: it takes fill descriptors, delivers frames
 * in them, takes what is sent and completes it, rightly and wrongly.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"

#include <exo/error.h>
#include <exo/info.h>
#include <exo/layout.h>
#include <libexo/printf.h>
#include <udp/exo.h>
#include <udp/transport.h>

#include "../exo/driver.h"

enum { SIZE = 8, FRAME_BASE = 0x100000 };

static struct udp_exo driver;
static struct udp_socket echo_socket;

int exo_printf(const char *format, ...)
{
	return 0;
}

static uint64_t asked_at; /* when the last question arrived */

static void echo(struct udp_socket *socket, struct udp_datagram *datagram)
{
	asked_at = udp_socket_when(socket, datagram);
	udp_socket_reply(socket, datagram, datagram->size);
}

static void *zeroed(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);

	assert_non_null(memory);
	memset(memory, 0, size);
	return memory;
}

/* Times are reckoned from the information page. */
static int map_info(void **state)
{
	struct exo_info *info = mmap((void *)EXO_INFO_ADDR, 4096, PROT_READ | PROT_WRITE,
	                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (info != (void *)EXO_INFO_ADDR)
		return -1;
	info->tsc_hz = 1000000000;
	return 0;
}

static int setup(void **state)
{
	struct udp_config config = udp_config_default();
	struct udp_ip ip = udp_ip4(US);
	size_t bytes = udp_stack_bytes(&config);

	driver = (struct udp_exo){
	        .n_buffers = 2 * SIZE, .shift = 11, .ports = {3}, .n_interfaces = 1};
	exo_ring_layout(&driver.rx, zeroed(exo_ring_bytes(SIZE)), SIZE);
	exo_ring_layout(&driver.tx, zeroed(exo_ring_bytes(SIZE)), SIZE);
	driver.frames.address = zeroed((size_t)driver.n_buffers * UDP_EXO_BUFFER_BYTES);
	driver.frames.frame = FRAME_BASE >> EXO_PAGE_SHIFT;
	driver.buffers = zeroed(driver.n_buffers * sizeof *driver.buffers);
	driver.free = zeroed(driver.n_buffers * sizeof *driver.free);
	for (uint32_t i = 0; i < driver.n_buffers; i++)
		driver.free[driver.n_free++] = i;
	driver.stack = udp_stack_create(zeroed(bytes), bytes, &config, &driver_ops, &driver);
	assert_non_null(driver.stack);
	assert_int_equal(udp_interface_add(driver.stack, bench_mac, 1500), 0);
	assert_int_equal(udp_address_add(driver.stack, 0, &ip, 24), 0);
	echo_socket = (struct udp_socket){.receive = echo, .local.port = 7};
	assert_int_equal(udp_socket_open(driver.stack, &echo_socket), 0);
	driver_fill(&driver);
	return 0;
}

static int teardown(void **state)
{
	free(driver.rx.request);
	free(driver.tx.request);
	free(driver.frames.address);
	free(driver.buffers);
	free(driver.free);
	free(driver.stack);
	return 0;
}

/* The kernel takes one request. */
static struct exo_desc take(struct exo_queue *queue)
{
	assert_true(queue->head != queue->tail);
	return queue->desc[queue->tail++ & (SIZE - 1)];
}

static void respond(struct exo_queue *queue, const struct exo_desc *desc)
{
	queue->desc[queue->head & (SIZE - 1)] = *desc;
	queue->head++;
}

static uint8_t *memory_at(const struct exo_desc *desc)
{
	assert_in_range(desc->address, FRAME_BASE,
	                FRAME_BASE + (size_t)driver.n_buffers * UDP_EXO_BUFFER_BYTES -
	                        desc->length);
	return (uint8_t *)driver.frames.address + (desc->address - FRAME_BASE);
}

static struct exo_desc deliver(const uint8_t *frame, uint32_t size)
{
	struct exo_desc desc = take(driver.rx.request);

	assert_true(desc.length >= size);
	memcpy(memory_at(&desc), frame, size);
	desc.length = size;
	desc.port = 3;
	respond(driver.rx.response, &desc);
	return desc;
}

static uint32_t question(uint8_t *frame)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_UDP};
	uint8_t packet[100];

	return bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, 1000, 7, "hello", 5));
}

/* The two announcements of the address go out first. */
static void skip_announcement(void)
{
	struct exo_desc desc;

	udp_exo_poll(&driver);
	desc = take(driver.tx.request);
	assert_int_equal(desc.length, ETH_SIZE + ARP_SIZE);
	assert_int_equal(desc.port, 3);
	respond(driver.tx.response, &desc);
	udp_exo_poll(&driver);
}

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
	struct exo_info *info = (void *)EXO_INFO_ADDR;
	uint8_t frame[200];
	uint32_t size = question(frame);
	struct exo_desc desc;

	skip_announcement();
	for (uint64_t turn = 1; turn < 4; turn++) {
		info->tsc_boot = 1000;
		desc = take(driver.rx.request);
		memcpy(memory_at(&desc), frame, size);
		desc.length = size;
		desc.port = 3;
		desc.timestamp = 1000 + 77 * turn; /* of one a nanosecond */
		respond(driver.rx.response, &desc);
		assert_int_equal(udp_exo_poll(&driver), 1);
		assert_int_equal(asked_at, 77 * turn);
	}
	info->tsc_boot = 0;
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

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

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
	        T(merged_segments_are_taken_apart),
	        T(trailers_are_no_payload),
	        T(other_long_packets_are_lost),
	        T(needless_acknowledgements_are_left_out),
	        T(a_queue_s_buffers_go_back_to_it),
	};

	return cmocka_run_group_tests(tests, map_info, NULL);
}
