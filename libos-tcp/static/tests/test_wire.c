/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server against libos-tcp's client over a wire that loses, repeats, reorders and damages as a
 * seed says, in virtual time; and against segments that no client would send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <static/stack.h>
#include <tcp/conn.h>
#include <udp/checksum.h>

#include "internal.h"

enum {
	PORT = 80,
	HEADERS = 34, /* Ethernet and IPv4 */
	CABLE = 4096,
	FRAME = 1600,
	TAIL = 128, /* room for the client's own notes */
	BODY = 300000,
	CONNS = 40,
	STEP_US = 500,
};

static const uint8_t server_mac[6] = {2, 0, 0, 0, 0, 1}, client_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t server_ip[4] = {10, 0, 0, 1}, client_ip[4] = {10, 0, 0, 2};

struct packet {
	uint64_t at;
	uint32_t size;
	bool to_server;
	uint8_t bytes[FRAME];
};

struct client {
	struct tcp_conn *conn;
	const char *request;
	const uint8_t *expected;
	uint32_t expected_size, seen;
	bool opened, ended, wrong;
};

static struct {
	uint64_t now, seed;
	uint32_t loss, repeat, damage, jitter_us; /* of 10,000 */
	struct packet cable[CABLE];
	unsigned n;
	struct static_site site;
	struct static_stack *server;
	struct tcp_stack *stack;
	struct client clients[CONNS];
	void *memory[3];
	uint8_t last[FRAME]; /* the server's last frame */
	uint32_t last_size, sent;
} world;

static uint8_t body[BODY];

static uint64_t draw(void)
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

	if (chance(world.loss) || world.n == CABLE)
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

static void from_server(void *context, const struct static_frame *frame)
{
	world.last_size = frame->headers_size + frame->payload_size;
	memcpy(world.last, frame->headers, frame->headers_size);
	if (frame->payload_size > 0)
		memcpy(world.last + frame->headers_size, frame->payload, frame->payload_size);
	world.sent++;
	put_on_cable(world.last, world.last_size, false);
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
		static_stack_clock(world.server, world.now);
		static_stack_input(world.server, packet->bytes, packet->size, false);
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

static void pass(uint64_t ms)
{
	for (uint64_t end = world.now + ms * 1000000; world.now < end;) {
		world.now += STEP_US * 1000ull;
		deliver_due();
		static_stack_run(world.server, world.now);
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

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct client *client = tcp_conn_context(conn);
	struct tcp_span span;

	if (events & TCP_EVENT_OPENED) {
		client->opened = true;
		tcp_send(conn, client->request, (uint32_t)strlen(client->request), NULL, NULL, 0);
	}
	while (tcp_peek(conn, &span, 1) == 1) {
		if (client->seen + span.size > client->expected_size ||
		    memcmp(client->expected + client->seen, span.data, span.size) != 0)
			client->wrong = true;
		client->seen += span.size;
		tcp_consume(conn, span.size);
	}
	if (tcp_at_end(conn) || (events & TCP_EVENT_CLOSED)) {
		client->ended = true;
		tcp_close(conn);
	}
}

static void ask(unsigned i, const char *request, const uint8_t *expected, uint32_t size)
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

static int setup(void **state)
{
	static const struct tcp_ops ops = {from_client, release, random_of, path};
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
	size = tcp_stack_bytes(&tcp);
	world.memory[2] = aligned_alloc(64, (size + 63) / 64 * 64);
	world.stack = tcp_stack_create(world.memory[2], size, &tcp, &ops, NULL, 0);
	assert_non_null(world.stack);
	return 0;
}

static int teardown(void **state)
{
	tcp_stack_destroy(world.stack);
	for (unsigned i = 0; i < 3; i++)
		free(world.memory[i]);
	return 0;
}

static const struct static_answer *answer(unsigned i)
{
	return &world.site.answers[STATIC_ERRORS + i];
}

/* ---- Order ---- */

static void test_clean(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);

	ask(0, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->size);
	ask(1, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer(0)->bytes,
	    answer(0)->head);
	pass(3000);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(world.clients[i].ended && !world.clients[i].wrong);
		assert_int_equal(world.clients[i].seen, world.clients[i].expected_size);
	}
	assert_int_equal(count->retransmitted, 0);
	assert_int_equal(count->closed, 2);
	assert_int_equal(static_stack_connections(world.server), 2); /* TIME-WAIT */
	pass(61000);
	assert_int_equal(static_stack_connections(world.server), 0);
}

/* Ten requests in one segment: two more than the queue takes. */
static void test_pipeline(void **state)
{
	static char requests[1024];
	static uint8_t expected[4096];
	uint32_t size = answer(1)->size;

	for (unsigned i = 0; i < 10; i++) {
		snprintf(requests + strlen(requests), sizeof requests - strlen(requests),
		         "GET /s HTTP/1.1\r\nHost: x\r\n%s\r\n",
		         i == 9 ? "Connection: close\r\n" : "");
		memcpy(expected + (size_t)i * size, answer(1)->bytes, size);
	}
	ask(0, requests, expected, 10 * size);
	pass(3000);
	assert_true(world.clients[0].ended && !world.clients[0].wrong);
	assert_int_equal(world.clients[0].seen, 10 * size);
}

static void test_idle(void **state)
{
	ask(0, "GET /s HTTP/1.1\r\nHost: x\r\n\r\n", answer(1)->bytes, answer(1)->size);
	pass(1000);
	assert_false(world.clients[0].ended);
	assert_int_equal(world.clients[0].seen, answer(1)->size);
	pass(40000);
	assert_true(world.clients[0].ended);
}

static bool whole(unsigned i)
{
	return world.clients[i].seen == world.clients[i].expected_size;
}

/* The price of cookies (RFC 4987, 3.6): where the acknowledgement of SYN and the request are both
 * lost, any later segment is of no connection, and reset. Before the first byte, never after. */
static bool forgotten(unsigned i)
{
	return world.clients[i].seen == 0 && static_stack_counters(world.server)->cookies_bad > 0;
}

static void test_lossy(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		setup(state);
		world.seed = seed * 1000003;
		world.loss = (uint32_t)(draw() % 800);
		world.repeat = (uint32_t)(draw() % 300);
		world.damage = (uint32_t)(draw() % 200);
		world.jitter_us = (uint32_t)(draw() % 4000);
		for (unsigned i = 0; i < 4; i++)
			ask(i, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			    answer(0)->bytes, answer(0)->size);
		for (unsigned i = 0; i < 200; i++)
			pass(1000);
		for (unsigned i = 0; i < 4; i++)
			if (world.clients[i].wrong || !(whole(i) || forgotten(i)))
				fail_msg("seed %llu, client %u: %u of %u%s",
				         (unsigned long long)seed, i, world.clients[i].seen,
				         world.clients[i].expected_size,
				         world.clients[i].wrong ? ", wrong" : "");
		assert_int_equal(static_stack_connections(world.server), 0);
		if (seed < 60)
			teardown(state);
	}
}

/* ---- Nobody's segments ---- */

struct made {
	uint16_t port;
	uint32_t seq, ack;
	uint8_t flags;
	const char *text;
};

static void inject(const struct made *made)
{
	uint8_t frame[FRAME] = {0}, *tcp = frame + HEADERS;
	uint32_t text = made->text == NULL ? 0 : (uint32_t)strlen(made->text), size = 20 + text;
	uint8_t tail[4] = {0, 6, (uint8_t)(size >> 8), (uint8_t)size};
	uint32_t seq = __builtin_bswap32(made->seq), ack = __builtin_bswap32(made->ack);
	uint16_t port = __builtin_bswap16(made->port), sum;
	uint64_t total;

	wrap(frame, size);
	memcpy(tcp, &port, 2);
	tcp[3] = PORT;
	memcpy(tcp + 4, &seq, 4);
	memcpy(tcp + 8, &ack, 4);
	tcp[12] = 5 << 4;
	tcp[13] = made->flags;
	tcp[14] = 0xff;
	if (text > 0)
		memcpy(tcp + 20, made->text, text);
	total = udp_sum_add(udp_sum_add(0, frame + 26, 8), tail, 4);
	sum = udp_sum_finish(udp_sum_add(total, tcp, size));
	memcpy(tcp + 16, &sum, 2);
	static_stack_input(world.server, frame, HEADERS + size, false);
}

static uint32_t last_number(unsigned offset)
{
	uint32_t value;

	memcpy(&value, world.last + HEADERS + offset, 4);
	return __builtin_bswap32(value);
}

static uint8_t last_flags(void)
{
	return world.last[HEADERS + 13];
}

/* → the server's next number. */
static uint32_t open_by_hand(uint16_t port)
{
	inject(&(struct made){port, 1000, 0, SYN, NULL});
	assert_int_equal(last_flags(), SYN | ACK);
	assert_int_equal(last_number(8), 1001);
	inject(&(struct made){port, 1001, last_number(4) + 1, ACK, NULL});
	return last_number(4) + 1;
}

static void test_flood(void **state)
{
	for (uint32_t i = 0; i < 100000; i++)
		inject(&(struct made){(uint16_t)(1024 + i % 60000), i * 77777, 0, SYN, NULL});
	assert_int_equal(static_stack_connections(world.server), 0);
	world.n = 0;
	test_clean(state);
}

static void test_forged(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);

	for (uint32_t i = 0; i < 1000; i++)
		inject(&(struct made){5000, 1001, (uint32_t)draw(), ACK, "GET / HTTP/1.1\r\n\r\n"});
	assert_int_equal(count->cookies_bad, 1000);
	assert_int_equal(count->opened, 0);
}

static void test_blind(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);
	uint32_t next = open_by_hand(5000), sent;

	assert_int_equal(static_stack_connections(world.server), 1);
	inject(&(struct made){5000, 1001 + 100, 0, RST, NULL});
	inject(&(struct made){5000, 1001, 0, SYN, NULL});
	inject(&(struct made){5000, 1001, next + 1, ACK, NULL});
	inject(&(struct made){5000, 1001, next - 2000000, ACK, NULL});
	assert_int_equal(count->challenges, 4);
	assert_int_equal(static_stack_connections(world.server), 1);
	sent = world.sent;
	inject(&(struct made){5000, 1001 + 20000, 0, RST, NULL}); /* beyond the window */
	assert_int_equal(world.sent, sent);
	inject(&(struct made){5000, 1001, 0, RST, NULL});
	assert_int_equal(static_stack_connections(world.server), 0);
	assert_int_equal(count->resets_in, 1);
}

static void test_crowd(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);

	for (uint16_t port = 5000; port < 5000 + 200; port++)
		open_by_hand(port);
	assert_int_equal(static_stack_connections(world.server), 64);
	assert_int_equal(count->evicted, 200 - 64);
}

/* A peer that takes nothing is asked for its window, and left at last. */
static void test_stalled(void **state)
{
	const struct static_counters *count = static_stack_counters(world.server);
	uint32_t next = open_by_hand(5000);

	world.loss = 10000; /* the other host knows nothing of this connection */
	inject(&(struct made){5000, 1001, next, ACK | PSH, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"});
	for (unsigned i = 0; i < 600; i++)
		pass(1000);
	assert_int_equal(static_stack_connections(world.server), 0);
	assert_int_equal(count->timed_out, 1);
	assert_int_equal(last_flags(), RST | ACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_pipeline, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
	        cmocka_unit_test_teardown(test_lossy, teardown),
	        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_blind, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_stalled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
