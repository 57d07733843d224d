/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <udp/checksum.h>

#include "world.h"

enum { TAIL = 128 /* room for the client's own notes */, STEP_US = 500, FRAME_LEAST = 60 };

static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, client_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t server_ip[4] = {10, 0, 0, 1}, client_ip[4] = {10, 0, 0, 2};

struct world world;
enum front_mode front_mode;

static uint8_t body[BODY];

uint64_t draw(void)
{
	uint64_t z = world.seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static bool chance(uint32_t of_10000)
{
	return draw() % 10000 < of_10000;
}

/* ---- The cable ---- */

static void carry(const uint8_t *bytes, uint32_t size, bool to_server)
{
	struct packet *packet;

	if (chance(world.loss) || world.n == CABLE ||
	    (!to_server && world.path != 0 && size > world.path))
		return;
	packet = &world.cable[world.n++];
	packet->at = world.now + 1000000 + (world.jitter_us ? draw() % world.jitter_us : 0) * 1000;
	packet->size = size;
	packet->to_server = to_server;
	memcpy(packet->bytes, bytes, size);
	if (chance(world.damage))
		packet->bytes[HEADERS + draw() % (size - HEADERS)] ^= (uint8_t)(1 + draw() % 255);
}

static void put_on_cable(const uint8_t *bytes, uint32_t size, bool to_server)
{
	carry(bytes, size, to_server);
	if (chance(world.repeat))
		carry(bytes, size, to_server);
}

static void leave(const uint8_t *frame, uint32_t size)
{
	if (frame != world.last)
		memcpy(world.last, frame, size);
	world.last_size = size;
	world.sent++;
	put_on_cable(frame, size, false);
}

static void from_server(void *context, const struct static_frame *frame)
{
	memcpy(world.last, frame->headers, frame->headers_size);
	if (frame->payload_size > 0)
		memcpy(world.last + frame->headers_size, frame->payload, frame->payload_size);
	leave(world.last, frame->headers_size + frame->payload_size);
}

static void to_server(const uint8_t *frame, uint32_t size)
{
	static_stack_clock(world.server, world.now);
	if (world.front == NULL)
		static_stack_input(world.server, frame, size, false);
	else
		front_input(world.front, world.server, frame, size, leave);
}

/* Headers of a frame from the client's host to the server. */
static void wrap(uint8_t *frame, uint32_t size)
{
	uint8_t *ip = frame + 14;
	uint32_t total = 20 + size;
	uint16_t sum;

	memcpy(frame, server_mac, 6);
	memcpy(frame + 6, client_mac, 6);
	frame[12] = 8;
	frame[13] = 0;
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[2] = (uint8_t)(total >> 8);
	ip[3] = (uint8_t)total;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, client_ip, 4);
	memcpy(ip + 16, server_ip, 4);
	sum = udp_sum_finish(udp_sum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
}

static void from_client(void *context, const struct tcp_packet *packet)
{
	uint8_t frame[FRAME];
	uint32_t size = packet->header_size + packet->size;

	tcp_packet_copy(packet, frame + HEADERS);
	wrap(frame, size);
	put_on_cable(frame, HEADERS + size, true);
}

static void deliver(struct packet *packet)
{
	struct tcp_arrival arrival = {.src = {.family = 4}, .dst = {.family = 4}};

	if (packet->to_server) {
		to_server(packet->bytes, packet->size);
		return;
	}
	memcpy(arrival.src.bytes, server_ip, 4);
	memcpy(arrival.dst.bytes, client_ip, 4);
	assert_memory_equal(packet->bytes, client_mac, 6);
	arrival.buffer = malloc(FRAME + TAIL);
	memcpy(arrival.buffer, packet->bytes, packet->size);
	arrival.segment = (uint8_t *)arrival.buffer + HEADERS;
	arrival.size = packet->size - HEADERS;
	arrival.tail = FRAME + TAIL - packet->size;
	arrival.ttl = 64;
	tcp_stack_clock(world.stack, world.now);
	if (!tcp_stack_input(world.stack, &arrival))
		free(arrival.buffer);
}

static void deliver_due(void)
{
	for (;;) {
		struct packet packet;
		unsigned best = CABLE;

		for (unsigned i = 0; i < world.n; i++)
			if (world.cable[i].at <= world.now &&
			    (best == CABLE || world.cable[i].at < world.cable[best].at))
				best = i;
		if (best == CABLE)
			return;
		packet = world.cable[best];
		memmove(&world.cable[best], &world.cable[best + 1],
		        (--world.n - best) * sizeof packet);
		deliver(&packet);
	}
}

void pass(uint64_t ms)
{
	for (uint64_t end = world.now + ms * 1000000; world.now < end;) {
		world.now += STEP_US * 1000ull;
		deliver_due();
		static_stack_run(world.server, world.now);
		if (world.front != NULL)
			front_run(world.front, world.server, world.now);
		tcp_stack_clock(world.stack, world.now);
		tcp_stack_run(world.stack);
	}
}

/* ---- Clients ---- */

static void release(void *context, void *buffer)
{
	free(buffer);
}

static uint64_t random_of(void *context)
{
	return draw();
}

static uint32_t path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	local->family = 4;
	memcpy(local->bytes, client_ip, 4);
	return 1500;
}

/* What is next of the client's requests; less than two pieces are one. */
static void ask_next(struct client *client, struct tcp_conn *conn)
{
	const char *text = client->request + client->asked;
	uint32_t size = (uint32_t)strlen(text);

	if (client->piece != 0 && size >= 2 * client->piece)
		size = client->piece;
	client->asked += size;
	if (size > 0)
		tcp_send(conn, text, size, NULL, NULL, 0);
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct client *client = tcp_conn_context(conn);
	struct tcp_span span;

	if (events & TCP_EVENT_OPENED) {
		client->opened = true;
		ask_next(client, conn);
	}
	while (tcp_peek(conn, &span, 1) == 1) {
		if (client->seen + span.size > client->expected_size ||
		    memcmp(client->expected + client->seen, span.data, span.size) != 0)
			client->wrong = true;
		client->seen += span.size;
		tcp_consume(conn, span.size);
		if (client->reply != 0 && client->seen % client->reply == 0)
			ask_next(client, conn);
	}
	if (tcp_at_end(conn) || (events & TCP_EVENT_CLOSED)) {
		client->ended = true;
		tcp_close(conn);
	}
}

void ask(unsigned i, const char *request, const uint8_t *expected, uint32_t size)
{
	struct udp_endpoint remote = {.ip = {.family = 4}, .port = PORT};

	memcpy(remote.ip.bytes, server_ip, 4);
	world.clients[i] =
	        (struct client){.request = request, .expected = expected, .expected_size = size};
	tcp_stack_clock(world.stack, world.now);
	assert_int_equal(tcp_connect(world.stack, NULL, &remote, NULL, on_event, &world.clients[i],
	                             &world.clients[i].conn),
	                 0);
}

int setup(void **state)
{
	static const struct tcp_ops ops = {from_client, release, random_of, path, NULL};
	struct static_file files[] = {{"/", "text/html", body, BODY},
	                              {"/s", "text/plain", "small", 5}};
	struct static_config config = static_config_default();
	struct tcp_config tcp = tcp_config_default();
	size_t site_size = static_site_bytes(files, 2), size;

	memset(&world, 0, sizeof world);
	for (unsigned i = 0; i < BODY; i++)
		body[i] = (uint8_t)(i * 7 ^ i >> 8);
	world.memory[0] = malloc(site_size);
	assert_int_equal(static_site_open(&world.site, files, 2, world.memory[0], site_size), 0);
	config.port = PORT;
	memcpy(config.mac, server_mac, 6);
	memcpy(config.address, server_ip, 4);
	memcpy(config.secret, (uint64_t[]){1, 2, 3, 0x9e3779b97f4a7c15ull}, sizeof config.secret);
	config.connections = 64;
	size = static_stack_bytes(&config);
	world.memory[1] = aligned_alloc(64, (size + 63) / 64 * 64);
	world.server = static_stack_open(world.memory[1], size, &config, &world.site, from_server,
	                                 NULL, 0);
	assert_non_null(world.server);
	if (front_mode != ALONE)
		world.front = front_open(world.server, front_mode == COMPILED);
	size = tcp_stack_bytes(&tcp);
	world.memory[2] = aligned_alloc(64, (size + 63) / 64 * 64);
	world.stack = tcp_stack_create(world.memory[2], size, &tcp, &ops, NULL, 0);
	assert_non_null(world.stack);
	return 0;
}

int teardown(void **state)
{
	tcp_stack_destroy(world.stack);
	if (world.front != NULL)
		front_close(world.front);
	for (unsigned i = 0; i < 3; i++)
		free(world.memory[i]);
	return 0;
}

const struct static_answer *answer(unsigned i)
{
	return &world.site.answers[STATIC_ERRORS + i];
}

bool whole(unsigned i)
{
	return world.clients[i].seen == world.clients[i].expected_size;
}

bool forgotten(unsigned i)
{
	return world.clients[i].seen == 0 && static_stack_counters(world.server)->cookies_bad > 0;
}

/* ---- Nobody's segments ---- */

static void put32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, 4);
}

void inject(const struct made *made)
{
	uint8_t frame[FRAME] = {0}, *tcp = frame + HEADERS;
	uint32_t text = made->text == NULL ? 0 : (uint32_t)strlen(made->text);
	uint32_t header = 20 + made->n_options, size = header + text;
	uint8_t tail[4] = {0, 6, (uint8_t)(size >> 8), (uint8_t)size};
	uint16_t window = made->window == 0 && !made->shut ? 0xff00 : made->window, sum;
	uint64_t total;

	wrap(frame, size);
	tcp[0] = (uint8_t)(made->port >> 8);
	tcp[1] = (uint8_t)made->port;
	tcp[3] = PORT;
	put32(tcp + 4, made->seq);
	put32(tcp + 8, made->ack);
	tcp[12] = (uint8_t)(header << 2);
	tcp[13] = made->flags;
	tcp[14] = (uint8_t)(window >> 8);
	tcp[15] = (uint8_t)window;
	if (made->n_options > 0)
		memcpy(tcp + 20, made->options, made->n_options);
	if (text > 0)
		memcpy(tcp + header, made->text, text);
	total = udp_sum_add(udp_sum_add(0, frame + 26, 8), tail, 4);
	sum = udp_sum_finish(udp_sum_add(total, tcp, size));
	memcpy(tcp + 16, &sum, 2);
	tcp[16] ^= made->damaged;
	to_server(frame, HEADERS + size < FRAME_LEAST ? FRAME_LEAST : HEADERS + size);
}

void say(uint16_t port, uint32_t seq, uint32_t ack, uint8_t flags, const char *text)
{
	inject(&(struct made){.port = port, .seq = seq, .ack = ack, .flags = flags, .text = text});
}

uint32_t last_number(unsigned offset)
{
	uint32_t value;

	memcpy(&value, world.last + HEADERS + offset, 4);
	return __builtin_bswap32(value);
}

uint8_t last_flags(void)
{
	return world.last[HEADERS + 13];
}

/* → the server's next number. */
uint32_t open_by_hand(uint16_t port)
{
	say(port, 1000, 0, SYN, NULL);
	assert_int_equal(last_flags(), SYN | ACK);
	assert_int_equal(last_number(8), 1001);
	say(port, 1001, last_number(4) + 1, ACK, NULL);
	return last_number(4) + 1;
}
