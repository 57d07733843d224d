/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile peer: the input is a row of segments, each with its flags, numbers relative to those
 * of the connection, and text; checksums are right, or declared so. Time passes between them. A
 * handler that stands in front (static/front.h) answers whatever comes next in the input.
 */
#include <stdlib.h>
#include <string.h>

#include <static/front.h>
#include <static/stack.h>
#include <udp/checksum.h>

#include "internal.h"

enum { FRAME = 1600, HEADERS = 34, STEP = 8, BODY = 20000 };

static struct {
	struct static_site site;
	struct static_stack *server;
	void *memory;
	size_t size;
	struct static_config config;
	uint32_t their_ack, their_seq; /* of the server's last frame: what it has, what it sends */
	struct static_front front;
	const uint8_t *data; /* what comes next */
	size_t left;
} world;

/* ---- The handler ---- */

static void take_bytes(void *to, size_t size)
{
	size_t n = size < world.left ? size : world.left;

	memset(to, 0, size);
	memcpy(to, world.data, n);
	world.data += n;
	world.left -= n;
}

static int take(void *context, uint64_t peer, struct front_taken *taken)
{
	uint8_t how;

	take_bytes(&how, 1);
	if (how < 100)
		return how % 4 - 1;
	take_bytes(taken, sizeof *taken);
	if (how < 200) { /* as it could be */
		taken->place %= FRONT_PLACES;
		taken->theirs = world.their_ack;
		taken->ours = world.their_seq;
	}
	return 1;
}

static uint64_t age(void *context, uint64_t first, uint64_t *old)
{
	uint64_t next;
	uint8_t how;

	take_bytes(&how, 1);
	take_bytes(old, sizeof *old);
	if (how > 128)
		return (first + FRONT_AGED) | (how & 1 ? FRONT_OLD : 0);
	take_bytes(&next, how & 1 ? 2 : sizeof next);
	return next;
}

/* ---- The server's surroundings ---- */

static void on_frame(void *context, const struct static_frame *frame)
{
	uint32_t number;
	volatile uint8_t sum = 0;

	if (frame->headers_size > STATIC_HEADERS_MAX || frame->payload_size > 1460)
		abort();
	for (uint32_t i = 0; i < frame->payload_size; i++)
		sum ^= frame->payload[i];
	memcpy(&number, frame->headers + HEADERS + 4, 4);
	world.their_seq = __builtin_bswap32(number) + frame->payload_size +
	                  ((frame->headers[HEADERS + 13] & (SYN | FIN)) != 0);
	memcpy(&number, frame->headers + HEADERS + 8, 4);
	world.their_ack = __builtin_bswap32(number);
}

static void prepare(void)
{
	static uint8_t body[BODY];
	struct static_file files[] = {{"/", "text/html", body, BODY}, {"/ab", "t", "x", 1}};
	size_t size = static_site_bytes(files, 2);

	if (static_site_open(&world.site, files, 2, malloc(size), size) != 0)
		abort();
	world.config = static_config_default();
	world.config.connections = 4;
	world.config.port = 80;
	memcpy(world.config.mac, "\x02\0\0\0\0\x01", 6);
	memcpy(world.config.address, "\x0a\0\0\x01", 4);
	world.size = static_stack_bytes(&world.config);
	world.memory = aligned_alloc(64, (world.size + 63) / 64 * 64);
	world.front.arena = malloc((size_t)FRONT_PLACES * FRONT_FRAME);
}

static void put32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, 4);
}

/* Eight bytes say what the segment is: flags, port and flaws, how far its numbers are off, window,
 * size of the text that follows. */
static void inject(const uint8_t *data, size_t text)
{
	uint8_t frame[FRAME] = {0}, *ip = frame + 14, *tcp = frame + HEADERS;
	uint16_t sum;

	memcpy(frame, world.config.mac, 6);
	frame[11] = 2;
	frame[12] = 8;
	ip[0] = 0x45;
	ip[2] = (uint8_t)((40 + text) >> 8);
	ip[3] = (uint8_t)(40 + text);
	ip[9] = 6;
	memcpy(ip + 12, "\x0a\0\0\x02", 4);
	memcpy(ip + 16, world.config.address, 4);
	if (data[1] & 0x80)
		ip[data[5] % 20] ^= data[6];
	sum = udp_sum_finish(udp_sum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
	tcp[1] = data[1] & 7;
	tcp[3] = 80;
	put32(tcp + 4, world.their_ack + (uint32_t)(int8_t)data[2] * (data[1] & 8 ? 1000u : 1u));
	put32(tcp + 8, world.their_seq + (uint32_t)(int8_t)data[3] * (data[1] & 16 ? 1000u : 1u));
	tcp[12] = data[1] & 0x40 ? data[6] : 5 << 4;
	tcp[13] = data[0];
	tcp[14] = data[4];
	memcpy(tcp + 20, data + STEP, text);
	static_stack_input(world.server, frame, (uint32_t)(HEADERS + 20 + text), true);
}

static void open_front(void)
{
	uint8_t *arena = world.front.arena;

	memset(&world.front, 0, sizeof world.front);
	world.front.arena = arena;
	world.front.take = take;
	world.front.age = age;
	(void)static_front_rules(&world.front, world.server);
	static_front_attach(&world.front, world.server);
}

static void step(uint64_t *now)
{
	const uint8_t *data = world.data;
	size_t size = world.left, text = data[7] < size - STEP ? data[7] : size - STEP;

	world.data += STEP + text;
	world.left -= STEP + text;
	inject(data, text);
	*now += (uint64_t)data[5] * data[5] * 1000000;
	static_stack_run(world.server, *now);
	if (world.server->front != NULL) {
		(void)static_front_learn(&world.front, world.server, "/ab");
		if (data[5] > 200)
			static_front_age(&world.front, world.server);
	}
	if (static_stack_connections(world.server) > world.config.connections)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = 0;

	if (world.memory == NULL)
		prepare();
	world.server = static_stack_open(world.memory, world.size, &world.config, &world.site,
	                                 on_frame, NULL, 0);
	if (size > 0 && data[size - 1] & 1)
		open_front();
	world.data = data;
	world.left = size;
	while (world.left >= STEP)
		step(&now);
	/* Whatever it was, it ends. */
	for (unsigned i = 0; i < 2000; i++)
		static_stack_run(world.server, now += 1000000000);
	if (static_stack_connections(world.server) != 0)
		abort();
	return 0;
}
