/* SPDX-License-Identifier: BSD-2-Clause */
/* The server on libos-tcp, and a client's stack at the other end of a wire that loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <http/server.h>

#define MS  1000000ull
#define GET "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"

enum { PORT = 80, ROOM = 2048, WIRE = 256, TEXT = 65536, CONNECTIONS = 4 };

struct end {
	struct tcp_stack *stack;
	struct udp_ip ip;
	void *memory;
};

static struct world {
	uint64_t now, random;
	struct end ends[2]; /* the server's, the client's */
	struct {
		unsigned to;
		uint32_t size;
		uint8_t bytes[ROOM];
	} wire[WIRE];
	unsigned first, n;
	struct http_server server;
	void *places;
	struct tcp_conn *conn; /* the client's; NULL: it has ended */
	char text[TEXT];       /* what it got */
	uint32_t size;
} world;

static struct http_resource resource = {.data = "hello\n", .size = 6, .type = "text/plain"};

/* ---- The wire ---- */

static void output(void *context, const struct tcp_packet *packet)
{
	unsigned i = (world.first + world.n) % WIRE;

	assert_true(world.n < WIRE);
	world.n++;
	world.wire[i].to = context == &world.ends[0];
	world.wire[i].size = packet->header_size + packet->size;
	tcp_packet_copy(packet, world.wire[i].bytes);
}

static void release(void *context, void *buffer)
{
	free(buffer);
}

static uint64_t random_of(void *context)
{
	return world.random = world.random * 6364136223846793005u + 1442695040888963407u;
}

static uint32_t path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	*local = ((struct end *)context)->ip;
	return 1500;
}

static void deliver(void)
{
	unsigned to = world.wire[world.first].to;
	struct tcp_arrival arrival = {.src = world.ends[!to].ip,
	                              .dst = world.ends[to].ip,
	                              .size = world.wire[world.first].size,
	                              .ttl = 64,
	                              .tail = 64};

	arrival.buffer = malloc(ROOM + 64);
	arrival.segment = memcpy(arrival.buffer, world.wire[world.first].bytes, arrival.size);
	world.first = (world.first + 1) % WIRE;
	world.n--;
	if (!tcp_stack_input(world.ends[to].stack, &arrival))
		free(arrival.buffer);
}

static void pass(uint64_t ms)
{
	for (uint64_t end = world.now + ms * MS; world.now < end;) {
		world.now += 10 * MS;
		for (unsigned i = 0; i < 2; i++)
			tcp_stack_clock(world.ends[i].stack, world.now);
		(void)http_server_run(&world.server, world.now, 0);
		do {
			while (world.n > 0)
				deliver();
			for (unsigned i = 0; i < 2; i++)
				(void)tcp_stack_run(world.ends[i].stack);
		} while (world.n > 0);
	}
}

/* ---- The client ---- */

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct tcp_span span;

	while (tcp_peek(conn, &span, 1) == 1) {
		assert_true(world.size + span.size < TEXT);
		memcpy(world.text + world.size, span.data, span.size);
		world.size += span.size;
		world.text[world.size] = '\0';
		tcp_consume(conn, span.size);
	}
	if (tcp_at_end(conn) || (events & TCP_EVENT_CLOSED)) {
		world.conn = NULL;
		tcp_close(conn);
	}
}

static void say(const char *text)
{
	assert_non_null(world.conn);
	assert_int_equal(tcp_send(world.conn, text, (uint32_t)strlen(text), NULL, NULL, 0), 0);
	tcp_stack_run(world.ends[1].stack);
	pass(50);
}

/* How often the client got that. */
static unsigned got(const char *text)
{
	unsigned n = 0;

	for (const char *at = world.text; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

/* ---- The world ---- */

static const struct http_resource *find(void *context, const struct http_request *request)
{
	return request->path_size == 1 ? &resource : NULL;
}

static void open_end(unsigned i)
{
	static const struct tcp_ops ops = {
	        .output = output, .release = release, .random = random_of, .path = path};
	struct tcp_config config = tcp_config_default();
	struct end *end = &world.ends[i];
	size_t size;

	config.connections = config.actives = config.requests = 16;
	size = tcp_stack_bytes(&config);
	end->memory = aligned_alloc(64, (size + 63) / 64 * 64);
	end->ip = (struct udp_ip){.family = 4, .bytes = {10, 0, 0, (uint8_t)(i + 1)}};
	end->stack = tcp_stack_create(end->memory, size, &config, &ops, end, world.now);
	assert_non_null(end->stack);
}

static int set_up(void **state)
{
	struct http_server_config config = http_server_config_default();
	struct udp_endpoint remote = {.port = PORT};
	size_t size;

	memset(&world, 0, sizeof world);
	world.now = MS;
	assert_true(http_resource_prepare(&resource));
	for (unsigned i = 0; i < 2; i++)
		open_end(i);
	config.connections = CONNECTIONS;
	config.find = find;
	size = http_server_bytes(&config);
	world.places = aligned_alloc(64, (size + 63) / 64 * 64);
	assert_int_equal(http_server_open(&world.server, &config, world.places, size), 0);
	assert_int_equal(http_server_listen(&world.server, world.ends[0].stack,
	                                    &(struct udp_endpoint){.port = PORT}),
	                 0);
	remote.ip = world.ends[0].ip;
	assert_int_equal(
	        tcp_connect(world.ends[1].stack, NULL, &remote, NULL, on_event, NULL, &world.conn),
	        0);
	pass(50);
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		tcp_stack_destroy(world.ends[i].stack);
		free(world.ends[i].memory);
	}
	free(world.places);
	return 0;
}

/* ---- Tests ---- */

static void answers(void **state)
{
	say(GET);
	say("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(got("HTTP/1.1 200 OK\r\n"), 2);
	assert_int_equal(got("\r\n\r\nhello\n"), 1);
	assert_int_equal(got("HTTP/1.1 404 "), 1);
	assert_non_null(world.conn);
	pass(61000);
	assert_null(world.conn);
	assert_int_equal(world.server.counters.idle, 1);
}

/* An empty line behind each request, as old clients have it: so many as there are requests. */
static void empty_lines(void **state)
{
	for (unsigned i = 1; i <= 40; i++) {
		say(GET "\r\n");
		assert_int_equal(got("HTTP/1.1 200 OK\r\n"), i);
	}
	assert_int_equal(got("HTTP/1.1 "), 40);
}

/* What is wrong behind the head of a request that was answered has no answer of its own: that would
 * be taken for the next one's. */
static void one_answer(void **state)
{
	say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nnonsense");
	assert_int_equal(got("HTTP/1.1 405 "), 1);
	assert_int_equal(got("HTTP/1.1 "), 1);
	assert_null(world.conn);
	pass(10000);
	assert_int_equal(world.server.in_use, 0);
}

/* Nor has a body that does not come. */
static void slow_body(void **state)
{
	say(GET "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
	pass(15000);
	assert_int_equal(got("HTTP/1.1 200 "), 1);
	assert_int_equal(got("HTTP/1.1 405 "), 1);
	assert_int_equal(got("HTTP/1.1 "), 2);
	assert_null(world.conn);
	assert_int_equal(world.server.counters.heads_too_slow, 1);
	pass(10000);
	assert_int_equal(world.server.in_use, 0);
}

/* A head that does not come has one. */
static void slow_head(void **state)
{
	say(GET "GET / HTT");
	pass(15000);
	assert_int_equal(got("HTTP/1.1 200 "), 1);
	assert_int_equal(got("HTTP/1.1 408 "), 1);
	assert_null(world.conn);
}

/* One of those who come at once, more than there are places. */
struct caller {
	struct tcp_conn *conn;
	char text[1024];
	uint32_t size;
};

static void on_call(struct tcp_conn *conn, unsigned events)
{
	struct caller *caller = tcp_conn_context(conn);

	if (events & TCP_EVENT_OPENED)
		assert_int_equal(tcp_send(conn, GET, sizeof GET - 1, NULL, NULL, 0), 0);
	caller->size += tcp_read(conn, caller->text + caller->size,
	                         (uint32_t)sizeof caller->text - 1 - caller->size);
	if (tcp_at_end(conn) || (events & TCP_EVENT_CLOSED)) {
		caller->conn = NULL;
		tcp_close(conn);
	}
}

/* Who has asked before there was a place is answered once, like all the others. */
static void crowd(void **state)
{
	static struct caller callers[3 * CONNECTIONS];
	struct udp_endpoint remote = {.port = PORT, .ip = world.ends[0].ip};

	memset(callers, 0, sizeof callers);
	for (unsigned i = 0; i < 3 * CONNECTIONS; i++)
		assert_int_equal(tcp_connect(world.ends[1].stack, NULL, &remote, NULL, on_call,
		                             &callers[i], &callers[i].conn),
		                 0);
	pass(1000);
	for (unsigned i = 0; i < 3 * CONNECTIONS; i++) {
		assert_non_null(strstr(callers[i].text, "\r\n\r\nhello\n"));
		assert_string_equal(callers[i].text, callers[0].text);
	}
	assert_int_equal(world.server.counters.requests, 3 * CONNECTIONS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(answers),   TEST(empty_lines), TEST(one_answer),
	        TEST(slow_body), TEST(slow_head),   TEST(crowd),
	};

	return cmocka_run_group_tests_name("http server", tests, NULL, NULL);
}
