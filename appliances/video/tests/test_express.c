/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way of RTP packets (express.h): the frames that would leave are put together from the
 * ring's descriptors as the kernel would do it, and read strictly, checksums included. The test
 * plays the kernel, which gives frames and a ring, and the stack, which knows the neighbour.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <exo/error.h>
#include <libexo/start.h>

#include "../express.h"

enum {
	DESCRIPTORS = 64,
	ARENA_FRAMES = 3 * EXPRESS_CHUNK_FRAMES,
	FIRST_FRAME = 7000,
	GAP = 13, /* frames between two allocations, where the arena is not in one piece */
	CHUNK_BYTES = EXPRESS_CHUNK_FRAMES * EXO_PAGE_SIZE,
	CONTENT_BYTES = 2 * CHUNK_BYTES - 5000,
	HEADERS = 54, /* from Ethernet's to RTP's */
	TITLE = 3,
	NIC_PORT = 2,
	PACKETS = 4000,
};

static const uint8_t here[] = {2, 0, 0, 0, 0, 1}, there[] = {2, 0, 0, 0, 0, 2};

/* ---- What libexo, the stack and the server would do ---- */

static uint8_t *arena; /* its frames are numbered from FIRST_FRAME on, with gaps */
static uint32_t arena_used, gap, doorbells;
static uint64_t frame_of[ARENA_FRAMES];
static bool by_socket = true, neighbour = true;
static uint32_t mtu = 1500;

int exo_pages_alloc(struct exo_pages *pages, uint32_t count)
{
	if (count > ARENA_FRAMES - arena_used)
		return -EXO_ENOMEM;
	*pages = (struct exo_pages){.address = arena + (size_t)arena_used * EXO_PAGE_SIZE,
	                            .frame = arena_used == 0 ? FIRST_FRAME
	                                                     : frame_of[arena_used - 1] + 1 + gap,
	                            .count = count};
	for (uint32_t i = 0; i < count; i++)
		frame_of[arena_used++] = pages->frame + i;
	return 0;
}

int exo_pages_free(struct exo_pages *pages)
{
	arena_used -= pages->count; /* the last one first */
	return 0;
}

int exo_ring_open(struct exo_ring *ring, enum exo_ring_kind kind, enum exo_ring_mode mode,
                  uint32_t size, uint32_t core, const struct exo_cap *space)
{
	static _Alignas(4096) uint8_t memory[64 * 1024];

	assert_int_equal(kind, EXO_RING_TRANSMIT);
	assert_true(exo_ring_bytes(size) <= sizeof memory);
	memset(memory, 0, sizeof memory);
	*ring = (struct exo_ring){.size = size,
	                          .request = (struct exo_queue *)memory,
	                          .response = (struct exo_queue *)(memory + exo_queue_bytes(size))};
	return 0;
}

int exo_ring_doorbell(const struct exo_ring *ring)
{
	doorbells++;
	return 0;
}

bool udp_frame_way(struct udp_stack *stack, const struct udp_ip *dst, struct udp_frame_way *way)
{
	memcpy(way->to, there, sizeof there);
	memcpy(way->from, here, sizeof here);
	way->interface = 1;
	way->src = (struct udp_ip){.family = 4, .bytes = {10, 51, 0, 2}};
	return neighbour;
}

uint32_t udp_path_mtu(struct udp_stack *stack, const struct udp_ip *src, const struct udp_ip *dst)
{
	return mtu;
}

bool video_send_copy(struct video *video, const struct video_viewer *viewer,
                     const struct video_leg *leg, const uint8_t *head, uint32_t head_size,
                     const uint8_t *content, uint32_t size)
{
	return by_socket;
}

/* ---- A server with one viewer ---- */

static struct express express;
static struct video *video;
static struct video_viewer viewer;
static struct video_leg *leg;
static struct media_packet packets[PACKETS];
static const uint8_t *content;

/* One's complement sum of 16-bit words (RFC 1071); `size` is made even. */
static uint32_t sum_of(const uint8_t *bytes, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A record of some bytes of the content. */
static void make_packet(struct media_packet *packet, uint64_t offset, uint16_t size, bool plain)
{
	uint8_t all[MEDIA_PREFIX_MAX + MEDIA_PAYLOAD_MAX];
	uint32_t sum;

	*packet = (struct media_packet){.offset = offset,
	                                .size = size,
	                                .timestamp = (uint32_t)random(),
	                                .flags = !plain && random() % 2 ? MEDIA_MARKER : 0,
	                                .prefix_size = plain ? 0 : (uint8_t)(random() % 10)};
	if (random() % 4 == 0) /* as it lies in memory nearly 2^32: sums carry */
		packet->timestamp = ((uint32_t)random() << 16 | 0xffff) - leg->timestamp;
	for (unsigned i = 0; i < packet->prefix_size; i++)
		packet->prefix[i] = (uint8_t)random();
	memcpy(all, packet->prefix, packet->prefix_size);
	memcpy(all + packet->prefix_size, content + offset, size);
	sum = sum_of(all, (size_t)packet->prefix_size + size, 0);
	packet->sum = __builtin_bswap16((uint16_t)sum); /* in memory order */
}

static int begin(uint32_t frames_between)
{
	static struct exo_start_cap flow;
	static struct udp_exo driver = {.flow = &flow, .ports = {0, NIC_PORT}};
	uint8_t *bytes;

	arena_used = 0;
	gap = frames_between;
	by_socket = neighbour = true;
	mtu = 1500;
	memset(&express, 0, sizeof express);
	memset(&viewer, 0, sizeof viewer);
	video->now = 1000;
	memset(&video->count, 0, sizeof video->count);
	video->rtp.local.port = 5000;
	if (express_open(&express, &driver, video, DESCRIPTORS) != 0)
		return -1;
	bytes = express_reserve(&express, TITLE, CONTENT_BYTES);
	if (bytes == NULL)
		return -1;
	for (size_t i = 0; i < CONTENT_BYTES; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 24);
	content = bytes;
	viewer.title = TITLE;
	viewer.packets = packets;
	viewer.peer = (struct udp_ip){.family = 4, .bytes = {10, 51, 0, 1}};
	leg = &viewer.legs[0];
	leg->kind = VIDEO_LEG_UDP;
	leg->rtp_port = 6000;
	leg->ssrc = 0x89abcdef;
	leg->timestamp = 0xfffffff0;
	leg->sequence = 0xfff0;
	return 0;
}

static int in_one_piece(void **state)
{
	return begin(0);
}

static int in_pieces(void **state)
{
	return begin(GAP);
}

static int make_world(void **state)
{
	void *page = mmap((void *)EXO_START_ADDR, EXO_PAGE_SIZE, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	srandom(1);
	arena = aligned_alloc(EXO_PAGE_SIZE, (size_t)ARENA_FRAMES * EXO_PAGE_SIZE);
	video = calloc(1, sizeof *video);
	return arena != NULL && video != NULL && page != MAP_FAILED ? 0 : -1;
}

static int drop_world(void **state)
{
	free(arena);
	free(video);
	return munmap((void *)EXO_START_ADDR, EXO_PAGE_SIZE);
}

/* Sends one the long way, which teaches the short one. */
static bool learn(void)
{
	const uint8_t head[12] = {0x80, 96 | 0x80, 0, 0, 0, 0, 0, 0, 0x89, 0xab, 0xcd, 0xef};

	return express_send(&express, video, &viewer, leg, head, sizeof head, content, packets);
}

static const uint8_t *memory_of(uint64_t physical)
{
	for (uint32_t i = 0; i < arena_used; i++)
		if (frame_of[i] == physical >> EXO_PAGE_SHIFT)
			return arena + (size_t)i * EXO_PAGE_SIZE + physical % EXO_PAGE_SIZE;
	fail_msg("an address that is nobody's");
	return NULL;
}

/* The kernel: takes the next packet's two descriptors. → the frame's size. */
static size_t take(uint8_t *frame)
{
	struct exo_queue *queue = express.ring.request;
	const struct exo_desc *desc = &queue->desc[queue->tail & (DESCRIPTORS - 1)];

	assert_true(queue->head - queue->tail >= 2);
	assert_int_equal(desc[0].flags, EXO_DESC_MORE);
	assert_int_equal(desc[1].flags, 0);
	assert_int_equal(desc[0].port, NIC_PORT);
	for (uint32_t i = 0; i < desc[1].length; i += EXO_PAGE_SIZE - 1)
		assert_ptr_equal(memory_of(desc[1].address + i),
		                 memory_of(desc[1].address) + i); /* in one piece */
	memcpy(frame, memory_of(desc[0].address), desc[0].length);
	memcpy(frame + desc[0].length, memory_of(desc[1].address), desc[1].length);
	queue->tail += 2;
	return desc[0].length + desc[1].length;
}

static uint32_t number(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | *at++;
	return value;
}

static void check_frame(const uint8_t *frame, size_t size, const struct media_packet *packet,
                        uint16_t sequence)
{
	const uint8_t *ip = frame + 14, *udp = ip + 20, *rtp = udp + 8, *body = rtp + 12;
	size_t length = packet->prefix_size + (size_t)packet->size;

	assert_int_equal(size, HEADERS + length);
	assert_memory_equal(frame, there, 6);
	assert_memory_equal(frame + 6, here, 6);
	assert_int_equal(number(frame + 12, 2), 0x0800);
	assert_int_equal(number(ip, 2), 0x4500);
	assert_int_equal(number(ip + 2, 2), size - 14);
	assert_int_equal(number(ip + 6, 2), 0x4000);
	assert_int_equal(ip[9], 17);
	assert_int_equal(sum_of(ip, 20, 0), 0xffff);
	assert_memory_equal(ip + 12, "\x0a\x33\x00\x02\x0a\x33\x00\x01", 8);
	assert_int_equal(number(udp, 2), 5000);
	assert_int_equal(number(udp + 2, 2), 6000);
	assert_int_equal(number(udp + 4, 2), size - 34);
	assert_int_not_equal(number(udp + 6, 2), 0); /* RFC 768: 0 means that there is none */
	assert_int_equal(sum_of(udp, size - 34, sum_of(ip + 12, 8, 17 + (uint32_t)size - 34)),
	                 0xffff);
	assert_int_equal(rtp[0], 0x80);
	assert_int_equal(rtp[1], 96 | (packet->flags & MEDIA_MARKER ? 0x80 : 0));
	assert_int_equal(number(rtp + 2, 2), sequence);
	assert_int_equal(number(rtp + 4, 4), (uint32_t)(leg->timestamp + packet->timestamp));
	assert_int_equal(number(rtp + 8, 4), leg->ssrc);
	assert_memory_equal(body, packet->prefix, packet->prefix_size);
	assert_memory_equal(body + packet->prefix_size, content + packet->offset, packet->size);
}

/* ---- Cases ---- */

static void frames_are_whole(void **state)
{
	uint8_t frame[2048];
	uint16_t sequence = leg->sequence;
	uint64_t octets = 0;

	for (unsigned i = 0; i < PACKETS; i++) {
		uint16_t size = (uint16_t)(1 + random() % (MEDIA_PAYLOAD_MAX - MEDIA_PREFIX_MAX));
		uint64_t chunk = (uint64_t)random() % 2 * CHUNK_BYTES;

		make_packet(&packets[i], chunk + (uint64_t)random() % (CHUNK_BYTES - 8000), size,
		            i % 3 == 0);
	}
	assert_true(learn());
	for (viewer.next = 0; viewer.next < PACKETS;) {
		uint32_t first = viewer.next;

		viewer.end = first + 1 + (uint32_t)random() % (DESCRIPTORS / 2);
		viewer.end = viewer.end < PACKETS ? viewer.end : PACKETS;
		express_burst(&express, video, &viewer, 0);
		express_flush(&express);
		assert_int_equal(viewer.next, viewer.end);
		for (uint32_t i = first; i < viewer.end; i++) {
			check_frame(frame, take(frame), &packets[i], sequence++);
			octets += packets[i].size + packets[i].prefix_size;
		}
	}
	assert_int_equal(leg->sequence, sequence);
	assert_int_equal(leg->packets, PACKETS);
	assert_int_equal(leg->octets, octets);
	assert_int_equal(video->count.rtp_packets, PACKETS);
	assert_int_equal(video->count.rtp_bytes, octets + 12ull * PACKETS);
	assert_int_equal(video->count.rtp_by_socket, 1);
	assert_true(doorbells > 0);
}

static void nothing_goes_before_it_is_learnt(void **state)
{
	make_packet(packets, 0, 100, true);
	viewer.end = 1;
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 0);
	neighbour = false;
	assert_true(learn());
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 0);
	neighbour = true;
	mtu = 1400; /* the stack would have to cut them */
	assert_true(learn());
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 0);
	mtu = 1500;
	by_socket = false;
	assert_false(learn());
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 0);
	by_socket = true;
	assert_true(learn());
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 1);
}

static void what_was_learnt_grows_old(void **state)
{
	make_packet(packets, 0, 100, true);
	make_packet(packets + 1, 100, 100, true);
	assert_true(learn());
	viewer.end = 1;
	video->now += 3999999999;
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 1);
	viewer.end = 2;
	video->now++;
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 1);
}

static void what_is_not_due_waits(void **state)
{
	make_packet(packets, 0, 100, true);
	make_packet(packets + 1, 100, 100, true);
	packets[1].due_ms = 20;
	viewer.end = 2;
	assert_true(learn());
	express_burst(&express, video, &viewer, 19);
	assert_int_equal(viewer.next, 1);
	express_burst(&express, video, &viewer, 20);
	assert_int_equal(viewer.next, 2);
}

/* Without room packets are lost, as their numbers show, and what stands in the ring stays. */
static void a_full_ring_loses(void **state)
{
	uint8_t frame[2048];
	uint16_t sequence = leg->sequence;

	for (unsigned i = 0; i < DESCRIPTORS; i++)
		make_packet(&packets[i], 1000ull * i, 500, true);
	viewer.end = DESCRIPTORS;
	assert_true(learn());
	express_burst(&express, video, &viewer, 0);
	express_flush(&express);
	assert_int_equal(viewer.next, DESCRIPTORS);
	assert_int_equal(video->count.rtp_unsent, DESCRIPTORS / 2);
	assert_int_equal(leg->sequence, (uint16_t)(sequence + DESCRIPTORS));
	for (unsigned i = 0; i < DESCRIPTORS / 2; i++)
		check_frame(frame, take(frame), &packets[i], sequence++);
}

/* What is not in frames of ours, or not in one piece, goes the long way. */
static void some_go_the_long_way(void **state)
{
	const uint64_t places[] = {CHUNK_BYTES - 50, /* over the gap */
	                           2ull * CHUNK_BYTES, UINT64_MAX - 50};

	make_packet(packets, 0, 100, true);
	assert_true(learn());
	for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
		viewer.next = 0;
		viewer.end = 1;
		packets[0].offset = places[i];
		express_burst(&express, video, &viewer, 0);
		assert_int_equal(viewer.next, 0);
	}
	packets[0].offset = CHUNK_BYTES - 100;
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 1);
	viewer.next = 0;
	viewer.title = TITLE + 1;
	express_burst(&express, video, &viewer, 0);
	assert_int_equal(viewer.next, 0);
}

static void refusals_are_counted(void **state)
{
	struct exo_queue *response = express.ring.response;

	response->desc[0].status = EXO_EPERM;
	response->desc[1].status = 0;
	response->head = 2;
	express_flush(&express);
	assert_int_equal(video->count.rtp_refused, 1);
	assert_int_equal(response->tail, 2);
}

static void too_large_a_title_stays_where_it_is(void **state)
{
	static const uint8_t bytes[] = "a title";
	uint32_t before = arena_used;

	assert_null(express_reserve(&express, TITLE + 1, (uint64_t)ARENA_FRAMES * EXO_PAGE_SIZE));
	assert_int_equal(arena_used, before);
	assert_null(express_reserve(&express, VIDEO_TITLES_MAX, 1));
	assert_memory_equal(express_adopt(&express, TITLE + 1, bytes, sizeof bytes), bytes,
	                    sizeof bytes);
	assert_int_equal(arena_used, before + 1);
	express_release(&express, TITLE + 1);
	assert_int_equal(arena_used, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(frames_are_whole, in_one_piece),
	        cmocka_unit_test_setup(frames_are_whole, in_pieces),
	        cmocka_unit_test_setup(nothing_goes_before_it_is_learnt, in_one_piece),
	        cmocka_unit_test_setup(what_was_learnt_grows_old, in_one_piece),
	        cmocka_unit_test_setup(what_is_not_due_waits, in_one_piece),
	        cmocka_unit_test_setup(a_full_ring_loses, in_one_piece),
	        cmocka_unit_test_setup(some_go_the_long_way, in_pieces),
	        cmocka_unit_test_setup(refusals_are_counted, in_one_piece),
	        cmocka_unit_test_setup(too_large_a_title_stays_where_it_is, in_one_piece),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
