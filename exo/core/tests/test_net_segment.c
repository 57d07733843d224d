/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A long TCP or UDP packet becomes segments: each with right lengths and sums, together exactly the
 * payload; hostile sizes are refused; what the port has no room for waits; nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3, PORT = 1 };

static struct world_ring ring;
static uint64_t buffers;
static uint8_t got[65536], want[65536];

static int set_up(void **state)
{
	struct flt_conjunction any;
	struct exo_cap space;

	world_any(&any);
	space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &any);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &ring), 0);
	buffers = world_frames(ALICE, 32, 0) * 4096;
	return 0;
}

static int tear_down(void **state)
{
	world_drain(PORT);
	world_leave(ALICE, BOB);
	return 0;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* What a packet looks like. */
struct shape {
	const char *what;
	bool six, tcp, tagged;
	uint8_t flags;    /* of TCP */
	uint32_t options; /* bytes behind TCP's header */
	uint32_t payload;
	uint16_t size; /* of a segment */
};

static uint32_t l3_of(const struct shape *shape)
{
	return shape->tagged ? 18 : 14;
}

static uint32_t l4_of(const struct shape *shape)
{
	return l3_of(shape) + (shape->six ? 40 : 20);
}

static uint32_t data_of(const struct shape *shape)
{
	return l4_of(shape) + (shape->tcp ? 20 + shape->options : 8);
}

/* Makes it in want[]. → its length. */
static uint32_t make(const struct shape *shape)
{
	uint32_t l3 = l3_of(shape), l4 = l4_of(shape), data = data_of(shape);
	uint32_t length = data + shape->payload;
	uint8_t *ip = want + l3, *tcp = want + l4;

	memset(want, 0, data);
	want[0] = want[6] = 2;
	if (shape->tagged)
		put16(want + 12, 0x8100);
	put16(want + l3 - 2, shape->six ? 0x86dd : 0x0800);
	if (shape->six) {
		ip[0] = 0x60;
		put16(ip + 4, length - l4);
		ip[6] = shape->tcp ? 6 : 17;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, length - l3);
		put16(ip + 4, 0xfffe); /* identification: wraps on the way */
		ip[8] = 64;
		ip[9] = shape->tcp ? 6 : 17;
	}
	for (unsigned i = 0; i < (shape->six ? 32 : 8); i++)
		ip[(shape->six ? 8 : 12) + i] = (uint8_t)(i + 1);
	put16(tcp, 7);
	put16(tcp + 2, 99);
	if (shape->tcp) {
		memset(tcp + 4, 0xff, 3); /* sequence number: wraps */
		tcp[12] = (uint8_t)((20 + shape->options) / 4 << 4);
		tcp[13] = shape->flags;
		memset(tcp + 20, 1, shape->options);
	} else {
		put16(tcp + 4, length - l4);
	}
	for (uint32_t i = 0; i < shape->payload; i++)
		want[data + i] = (uint8_t)(i * 31 + (i >> 8));
	return length;
}

/* Sends want[]. → the completion's status. */
static int send_it(const struct shape *shape, uint32_t length)
{
	struct exo_desc desc;

	memcpy(world_memory(buffers), want, length);
	world_put(&ring, (struct exo_desc){.address = buffers,
	                                   .length = length,
	                                   .flags = EXO_DESC_REPORT | EXO_DESC_SEGMENT,
	                                   .port = PORT,
	                                   .segment_size = shape->size});
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	world_poll();
	if (!world_get(&ring, &desc))
		return -1;
	assert_int_equal(desc.length, length);
	return desc.status;
}

static void check_sums(const struct shape *shape, const uint8_t *frame, uint32_t length)
{
	uint32_t l3 = l3_of(shape), l4 = l4_of(shape), n = length - l4;
	uint32_t addresses = shape->six ? 32 : 8;

	if (!shape->six)
		assert_int_equal(world_sum(frame + l3, 20, 0), 0xffff);
	assert_int_equal(
	        world_sum(frame + l4, n,
	                  world_sum(frame + l4 - addresses, addresses, (shape->tcp ? 6 : 17) + n)),
	        0xffff);
}

/* The segment that begins `done` bytes into the payload. → its payload's length. */
static uint32_t check_segment(const struct shape *shape, uint32_t length, unsigned i, uint32_t done)
{
	uint32_t l3 = l3_of(shape), l4 = l4_of(shape), data = data_of(shape), n = length - data;
	bool last = done + n == shape->payload;

	assert_int_equal(n, last ? shape->payload - done : shape->size);
	assert_memory_equal(got + data, want + data + done, n);
	assert_int_equal(shape->six ? get16(got + l3 + 4) + 40 : get16(got + l3 + 2), length - l3);
	if (!shape->six)
		assert_int_equal(get16(got + l3 + 4), (0xfffe + i) & 0xffff);
	if (shape->tcp) {
		uint8_t first_only = i ? 0x80 : 0, last_only = last ? 0 : 0x09;

		assert_int_equal(get32(got + l4 + 4), 0xffffff00 + done);
		assert_int_equal(got[l4 + 13], shape->flags & ~(first_only | last_only));
		assert_memory_equal(got + l4 + 20, want + l4 + 20, shape->options);
	} else {
		assert_int_equal(get16(got + l4 + 4), 8 + n);
	}
	check_sums(shape, got, length);
	return n;
}

static unsigned check_all(const struct shape *shape)
{
	uint32_t done = 0, length;
	unsigned i = 0;

	while ((length = world_sent(PORT, got, sizeof(got))))
		done += check_segment(shape, length, i++, done);
	assert_int_equal(done, shape->payload);
	return i;
}

static const struct shape shapes[] = {
        {"TCP", .tcp = true, .flags = 0x98, .payload = 40000, .size = 1448},
        {"FIN", .tcp = true, .flags = 0x99, .payload = 3000, .size = 1460},
        {"options", .tcp = true, .options = 40, .payload = 65000, .size = 1400},
        {"one", .tcp = true, .flags = 0x18, .payload = 1448, .size = 1448},
        {"one and a byte", .tcp = true, .flags = 0x18, .payload = 1449, .size = 1448},
        {"nothing", .tcp = true, .flags = 0x10, .payload = 0, .size = 1448},
        {"TCP, IPv6", .six = true, .tcp = true, .flags = 0x98, .payload = 40000, .size = 1428},
        {"UDP", .payload = 60000, .size = 1472},
        {"UDP, IPv6", .six = true, .payload = 9999, .size = 1001},
        {"a tag", .tagged = true, .tcp = true, .payload = 20000, .size = 1448},
        {"as many as may be", .tcp = true, .payload = 12800, .size = 100},
};

static void cuts(void **state)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *shape = &shapes[i];
		uint32_t length = make(shape);
		int status = send_it(shape, length);
		struct exo_desc desc;
		unsigned n;

		n = check_all(shape);
		assert_int_equal(
		        n, shape->payload ? (shape->payload + shape->size - 1) / shape->size : 1);
		world_poll();
		assert_true(status == 0 || (status == -1 && world_get(&ring, &desc)));
		assert_int_equal(ring.counters->packets, i + 1);
	}
}

/* Puts want[] in parts, which lie apart from each other and across frames' borders; the `bad`-th in
 * somebody else's memory. → the completion's status. */
static int send_parts(const struct shape *shape, uint32_t length, unsigned bad)
{
	static const uint32_t sizes[] = {20, 34, 13, 1, 5000, 1434, 3};
	uint64_t at = buffers + 4090;
	struct exo_desc desc;

	for (unsigned i = 0; length > 0; i++) {
		uint32_t part = i < sizeof(sizes) / sizeof(sizes[0]) && sizes[i] < length ? sizes[i]
		                                                                          : length;
		uint64_t to = i == bad ? world_frames(BOB, 8, 0) * 4096 + 7 : at;
		uint32_t done = data_of(shape) + shape->payload - length;

		memcpy(world_memory(to), want + done, part);
		length -= part;
		at += part + 11;
		world_put(&ring, (struct exo_desc){.address = to,
		                                   .length = part,
		                                   .flags = EXO_DESC_REPORT | EXO_DESC_SEGMENT |
		                                            (length ? EXO_DESC_MORE : 0),
		                                   .port = PORT,
		                                   .segment_size = shape->size});
	}
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	world_poll();
	return world_get(&ring, &desc) ? desc.status : -1;
}

static void gathers_parts(void **state)
{
	const struct shape shape = {.tcp = true, .flags = 0x18, .payload = 20000, .size = 1448};
	uint64_t pins = world_pins();

	assert_int_equal(send_parts(&shape, make(&shape), UINT32_MAX), 0);
	assert_int_equal(check_all(&shape), 14);
	for (unsigned bad = 0; bad < 8; bad++) {
		assert_int_equal(send_parts(&shape, make(&shape), bad), EXO_EFAULT);
		assert_int_equal(ring.counters->bad_descriptor, bad + 1);
		assert_int_equal(world_waiting(PORT), 0);
	}
	assert_int_equal(world_pins(), pins);
}

/* Puts want[] and the sums of its segments; the latter `bytes` long at `at`. → the completion's
 * status. */
static int send_summed(const struct shape *shape, uint64_t at, uint32_t bytes, uint16_t flags)
{
	uint32_t length = make(shape);
	struct exo_desc desc;

	memcpy(world_memory(buffers), want, length);
	world_put(&ring, (struct exo_desc){.address = buffers,
	                                   .length = length,
	                                   .flags = EXO_DESC_REPORT | EXO_DESC_SUMS |
	                                            EXO_DESC_MORE | flags,
	                                   .port = PORT,
	                                   .segment_size = shape->size});
	world_put(&ring, (struct exo_desc){.address = at, .length = bytes});
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	world_poll();
	return world_get(&ring, &desc) ? desc.status : -1;
}

/* Sums of which the environment knows are believed, right or wrong. */
static void takes_known_sums(void **state)
{
	static const struct shape some[] = {
	        {.tcp = true, .flags = 0x99, .payload = 4001, .size = 1447},
	        {.six = true, .tcp = true, .payload = 1400, .size = 1400},
	        {.payload = 3000, .size = 999},
	};
	const uint64_t at = buffers + 20ull * 4096;

	for (unsigned n = 0; n < sizeof(some) / sizeof(some[0]); n++) {
		const struct shape *shape = &some[n];
		uint32_t data = data_of(shape), count = 0;
		uint16_t *sums = (uint16_t *)world_memory(at);

		make(shape);
		for (uint32_t done = 0; done < shape->payload; done += shape->size) {
			uint32_t left = shape->payload - done;
			uint32_t sum = world_sum(want + data + done,
			                         left < shape->size ? left : shape->size, 0);

			sums[count++] = __builtin_bswap16((uint16_t)sum);
		}
		assert_int_equal(send_summed(shape, at, 2 * count, EXO_DESC_SEGMENT), 0);
		assert_int_equal(check_all(shape), count);
	}
	((uint16_t *)world_memory(at))[0]++;
	assert_int_equal(send_summed(&some[0], at, 6, EXO_DESC_SEGMENT), 0);
	assert_true(world_sent(PORT, got, sizeof(got)) > 0);
	assert_int_not_equal(world_sum(got + 34, 20 + 1447, world_sum(got + 26, 8, 6 + 20 + 1447)),
	                     0xffff);
}

static void refuses_sums(void **state)
{
	const struct shape shape = {.tcp = true, .payload = 5000, .size = 1000};
	const uint64_t at = buffers + 20ull * 4096;

	assert_int_equal(send_summed(&shape, at, 8, EXO_DESC_SEGMENT), EXO_EINVAL);
	assert_int_equal(send_summed(&shape, at, 12, EXO_DESC_SEGMENT), EXO_EINVAL);
	assert_int_equal(send_summed(&shape, at + 1, 10, EXO_DESC_SEGMENT), EXO_EINVAL);
	assert_int_equal(send_summed(&shape, at + 4088, 10, EXO_DESC_SEGMENT), EXO_EINVAL);
	assert_int_equal(send_summed(&shape, at, 10, 0), EXO_EINVAL);
	assert_int_equal(send_summed(&shape, world_frames(BOB, 1, 0) * 4096, 10, EXO_DESC_SEGMENT),
	                 EXO_EFAULT);
	assert_int_equal(send_summed(&shape, UINT64_MAX - 1, 10, EXO_DESC_SEGMENT), EXO_EINVAL);
	assert_int_equal(send_summed(&shape, 1ull << 60, 10, EXO_DESC_SEGMENT), EXO_EFAULT);
	assert_int_equal(world_waiting(PORT), 0);
}

static void refuses(void **state)
{
	static const struct {
		struct shape shape;
		int status;
	} cases[] = {
	        {{.tcp = true, .payload = 12801, .size = 100}, EXO_E2BIG},
	        {{.tcp = true, .payload = 65000, .size = 1}, EXO_E2BIG},
	        {{.tcp = true, .payload = 30000, .size = 9000}, EXO_E2BIG},
	        {{.tcp = true, .payload = 30000, .size = 0}, EXO_EINVAL},
	};
	static const struct {
		const char *what;
		uint32_t at;
		uint8_t value;
	} bytes[] = {
	        {"neither TCP nor UDP", 23, 1},
	        {"a fragment", 20, 0x20},
	        {"length beyond the frame", 16, 0xff},
	        {"length short of it", 17, 0},
	        {"TCP header beyond 256 bytes of IP", 14, 0x42},
	        {"not IP", 12, 9},
	};
	struct shape shape = {.tcp = true, .payload = 5000, .size = 1000};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(send_it(&cases[i].shape, make(&cases[i].shape)), cases[i].status);
	for (unsigned i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		uint32_t length = make(&shape);

		want[bytes[i].at] = bytes[i].value;
		assert_int_equal(send_it(&shape, length), EXO_EINVAL);
	}
	make(&shape);
	want[0] = 1; /* to a group */
	assert_int_equal(send_it(&shape, data_of(&shape) + 5000), EXO_EINVAL);
	assert_int_equal(world_waiting(PORT), 0);
}

/* A guard that looks into the payload can't be asked for each segment: one that begins otherwise
 * would leave behind one that may. */
static void refuses_what_payload_lets_pass(void **state)
{
	const struct shape shape = {"guarded", .payload = 4000, .size = 1400};
	const uint32_t length = make(&shape), data = data_of(&shape);
	struct flt_conjunction flow;
	struct exo_cap space;
	struct exo_desc desc;

	for (unsigned behind = 0; behind < 2; behind++) {
		world_any(&flow);
		world_term(&flow, (uint16_t)(behind ? data : data - 8), 1, 0xff,
		           want[behind ? data : data - 8]);
		space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &flow);
		assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &ring), 0);
		assert_int_equal(send_it(&shape, length), behind ? EXO_EPERM : 0);
		assert_int_equal(world_waiting(PORT), behind ? 0 : 3);
		world_drain(PORT);
	}
	/* One by itself may leave. */
	memcpy(world_memory(buffers), want, 1400);
	world_put(&ring, (struct exo_desc){.address = buffers,
	                                   .length = 1400,
	                                   .flags = EXO_DESC_REPORT,
	                                   .port = PORT});
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	world_poll();
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.status, 0);
	assert_int_equal(world_waiting(PORT), 1);
}

/* Nor can one that looks at what each segment has for itself: they would differ from what it let
 * pass. Other bits beside those do no harm. */
static void guard_looks_at_what_differs(void **state)
{
	static const struct {
		bool tcp, six, may;
		uint16_t offset;
		uint8_t width;
		uint32_t mask;
	} cases[] = {
	        {true, false, false, 14 + 2, 2, 0xffff},     /* total length */
	        {true, false, false, 14 + 4, 2, 1},          /* identification */
	        {true, false, false, 34 + 4, 4, 0xffffffff}, /* number */
	        {true, false, false, 34 + 13, 1, 0x01},      /* FIN */
	        {true, false, false, 34 + 12, 2, 0xf008},    /* data offset and PSH */
	        {true, false, true, 34 + 13, 1, 0x16},       /* SYN, RST, ACK */
	        {true, false, true, 34 + 12, 1, 0xf0},       /* data offset */
	        {true, false, true, 14 + 6, 2, 0x3fff},      /* fragment */
	        {false, false, false, 34 + 4, 2, 0xff00},    /* UDP's length */
	        {false, true, false, 14 + 4, 2, 0xffff},     /* payload length */
	        {false, true, true, 14 + 6, 2, 0xffff},      /* next header, hops */
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct shape shape = {.tcp = cases[i].tcp,
		                            .six = cases[i].six,
		                            .flags = 0x19,
		                            .payload = 4000,
		                            .size = 1400};
		uint32_t length = make(&shape), value = 0;
		struct flt_conjunction flow;
		struct exo_cap space;

		for (unsigned k = 0; k < cases[i].width; k++)
			value = value << 8 | want[cases[i].offset + k];
		world_any(&flow);
		world_term(&flow, cases[i].offset, cases[i].width, cases[i].mask,
		           value & cases[i].mask);
		space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &flow);
		assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &ring), 0);
		assert_int_equal(send_it(&shape, length), cases[i].may ? 0 : EXO_EPERM);
		assert_int_equal(world_waiting(PORT), cases[i].may ? 3 : 0);
		world_drain(PORT);
	}
}

/* The port takes two segments at first: the others follow, in order, before the next packet. */
static void waits_for_the_port(void **state)
{
	struct shape shape = {.tcp = true, .payload = 10000, .size = 1000};
	struct exo_desc desc;
	uint32_t length = make(&shape), sent = 0;

	memcpy(world_memory(buffers), want, length);
	world_port_room(PORT, 2);
	for (unsigned i = 0; i < 2; i++)
		world_put(&ring, (struct exo_desc){.address = buffers,
		                                   .length = length,
		                                   .flags = EXO_DESC_REPORT | EXO_DESC_SEGMENT,
		                                   .port = PORT,
		                                   .cookie = i,
		                                   .segment_size = 1000});
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	for (unsigned i = 0; i < 5; i++)
		net_poll(0, 64);
	assert_int_equal(ring.request->tail, 1);
	world_port_room(PORT, 1023); /* those two are gone */
	world_poll();
	for (unsigned i = 2; i < 20; i++) {
		uint32_t n = world_sent(PORT, got, sizeof(got));

		assert_true(n > 0);
		sent += check_segment(&shape, n, i % 10, i % 10 * 1000);
	}
	assert_int_equal(sent, 18000);
	world_poll();
	for (unsigned i = 0; i < 2; i++) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.cookie, i);
	}
}

/* However many rings have segments for a port that takes nothing: on others everybody sends. */
static void a_full_port_leaves_others_buffers(void **state)
{
	enum { RINGS = 64, FRAMES = 16 };
	struct shape shape = {.tcp = true, .payload = 2000, .size = 100};
	uint32_t length = make(&shape), n = 0, small;
	struct world_ring rings[RINGS], bobs;
	struct flt_conjunction any;
	struct exo_cap space;
	uint64_t buffer;

	world_any(&any);
	space = world_grant_ports(ALICE, EXO_RIGHT_SEND, 1 << PORT, NULL, &any);
	memcpy(world_memory(buffers), want, length);
	shape.payload = 200;
	small = make(&shape);
	memcpy(world_memory(buffers + 65536), want, small);
	world_port_room(PORT, 0);
	for (unsigned i = 0; i < RINGS; i++) {
		assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 16, &space, &rings[i]), 0);
		world_put(&rings[i],
		          (struct exo_desc){.address = i < 44 ? buffers : buffers + 65536,
		                            .length = i < 44 ? length : small,
		                            .flags = EXO_DESC_SEGMENT,
		                            .port = PORT,
		                            .segment_size = 100});
		assert_int_equal(net_call_doorbell(world_env(ALICE), rings[i].cap.first), 0);
	}
	for (unsigned i = 0; i < 200; i++)
		net_poll(0, 64);
	space = world_grant_ports(BOB, EXO_RIGHT_SEND, 1 << 0, NULL, &any);
	assert_int_equal(world_ring(BOB, EXO_RING_TRANSMIT, 16, &space, &bobs), 0);
	buffer = world_frames(BOB, 1, 0) * 4096;
	memcpy(world_memory(buffer), want, 100);
	for (unsigned i = 0; i < FRAMES; i++)
		world_put(&bobs, (struct exo_desc){.address = buffer, .length = 100});
	assert_int_equal(net_call_doorbell(world_env(BOB), bobs.cap.first), 0);
	for (unsigned i = 0; i < 200; i++)
		net_poll(0, 64);
	while (world_sent(0, got, sizeof(got)))
		n++;
	world_port_room(PORT, 1023);
	for (unsigned i = 0; i < 200; i++) {
		net_poll(0, 64);
		world_drain(PORT);
	}
	assert_int_equal(n, FRAMES);
}

/* Segments that wait when their ring ends are given up. */
static void ring_ends_meanwhile(void **state)
{
	struct shape shape = {.tcp = true, .payload = 10000, .size = 1000};
	uint32_t length = make(&shape);

	memcpy(world_memory(buffers), want, length);
	world_port_room(PORT, 2);
	world_put(&ring, (struct exo_desc){.address = buffers,
	                                   .length = length,
	                                   .flags = EXO_DESC_REPORT | EXO_DESC_SEGMENT,
	                                   .port = PORT,
	                                   .segment_size = 1000});
	assert_int_equal(net_call_doorbell(world_env(ALICE), ring.cap.first), 0);
	for (unsigned i = 0; i < 5; i++)
		net_poll(0, 64);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
	world_port_room(PORT, 1023);
	assert_int_equal(world_pins(), 0);
}

/* To a neighbour on this machine: as if they had come by a wire. */
static void cuts_what_stays_here(void **state)
{
	struct shape shape = {.tcp = true, .payload = 5000, .size = 1000};
	uint32_t length = make(&shape), done = 0;
	struct world_ring receive;
	struct flt_conjunction any;
	struct exo_cap bobs;
	struct exo_bind bind = {0};
	struct exo_desc desc;

	world_any(&any);
	bobs = world_grant_ports(BOB, EXO_RIGHT_BIND, 1 << PORT, &any, NULL);
	assert_int_equal(world_ring(BOB, EXO_RING_RECEIVE, 16, NULL, &receive), 0);
	world_fill(BOB, &receive, 8, 4096, 0);
	assert_int_equal(world_bind(BOB, &bobs, &any, &receive, &bind), 0);
	memset(want, 0, 6); /* the ring port's own address */
	assert_int_equal(send_it(&shape, length), 0);
	assert_int_equal(world_waiting(PORT), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(world_get(&receive, &desc));
		memcpy(got, world_memory(desc.address), desc.length);
		done += check_segment(&shape, desc.length, i, done);
	}
	assert_int_equal(done, 5000);
	assert_false(world_get(&receive, &desc));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	        TEST(cuts),
	        TEST(gathers_parts),
	        TEST(takes_known_sums),
	        TEST(refuses_sums),
	        TEST(refuses),
	        TEST(refuses_what_payload_lets_pass),
	        TEST(guard_looks_at_what_differs),
	        TEST(waits_for_the_port),
	        TEST(a_full_port_leaves_others_buffers),
	        TEST(ring_ends_meanwhile),
	        TEST(cuts_what_stays_here),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
