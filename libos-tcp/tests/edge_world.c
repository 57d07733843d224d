/* SPDX-License-Identifier: BSD-2-Clause */
#include <udp/checksum.h>
#include <udp/wire.h>

#include "edge_world.h"

/* Options of a SYN, in the order in which hosts have them. */
const uint8_t all_options[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 3, 232, 0, 0, 0, 0, 1, 3, 3, 7};
const uint8_t stamps[12] = {1, 1, 8, 10, 0, 0, 3, 233, 0, 0, 0, 0};

struct world world;

struct udp_ip server_ip, client_ip;

uint64_t draw(void)
{
	uint64_t z = world.seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* ---- The stack's surroundings ---- */

static void op_output(void *context, const struct tcp_packet *packet)
{
	tcp_packet_copy(packet, world.last);
	world.size = packet->header_size + packet->size;
	world.sent++;
}

static void op_release(void *context, void *buffer)
{
	world.buffers--;
	free(buffer);
}

static uint64_t op_random(void *context)
{
	return draw();
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	if (local->family == 0)
		*local = server_ip;
	return 1500;
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct tcp_span span;

	while (tcp_peek(conn, &span, 1) == 1) {
		world.read += span.size;
		tcp_consume(conn, span.size);
		if (world.answers)
			tcp_send(conn, "answer", 6, NULL, NULL, TCP_SEND_END);
	}
	if (tcp_at_end(conn) || (events & TCP_EVENT_CLOSED)) {
		world.closed++;
		if (world.conn == conn)
			world.conn = NULL;
		tcp_close(conn);
	}
}

void take(struct tcp_listener *listener)
{
	struct tcp_conn *conn = tcp_accept(listener, on_event, NULL);

	world.accepted++;
	world.conn = conn;
	on_event(conn, 0);
}

void pass(uint64_t ms)
{
	uint64_t step = ms < 5000 ? 10 * MS : 200 * MS;

	for (uint64_t end = world.now + ms * MS; world.now < end;) {
		world.now += step;
		tcp_stack_clock(world.stack, world.now);
		tcp_stack_run(world.stack);
	}
}

/* ---- Segments ---- */

static void to_stack(const uint8_t *segment, uint32_t size)
{
	struct tcp_arrival arrival = {
	        .src = client_ip, .dst = server_ip, .size = size, .ttl = 64, .tail = 64};

	arrival.buffer = malloc(size + 64);
	arrival.segment = memcpy(arrival.buffer, segment, size);
	tcp_stack_clock(world.stack, world.now);
	if (tcp_stack_input(world.stack, &arrival))
		world.buffers++;
	else
		free(arrival.buffer);
}

uint32_t make(uint8_t *at, const struct made *made)
{
	uint32_t text = made->text == NULL ? 0 : (uint32_t)strlen(made->text);
	uint32_t header = 20 + made->n_options, size = header + text;
	uint16_t sum;

	memset(at, 0, 20);
	wire_put16(at, made->port == 0 ? PEER : made->port);
	wire_put16(at + 2, PORT);
	wire_put32(at + 4, made->seq);
	wire_put32(at + 8, made->ack);
	at[12] = (uint8_t)(header << 2);
	at[13] = made->flags;
	wire_put16(at + 14, made->window == 0 ? 60000 : made->window);
	if (made->n_options > 0)
		memcpy(at + 20, made->options, made->n_options);
	if (text > 0)
		memcpy(at + header, made->text, text);
	sum = udp_sum_finish(
	        udp_sum_add(udp_sum_pseudo(0, &client_ip, &server_ip, 6, size), at, size));
	memcpy(at + 16, &sum, 2);
	at[16] ^= made->damaged;
	return size;
}

void arrive(uint8_t *segment, uint32_t size)
{
	enum front_verdict verdict = world.front == NULL ? FRONT_PASS
	                                                 : front_input(world.front, &client_ip,
	                                                               segment, &size, world.now);

	if (verdict == FRONT_PASS) {
		to_stack(segment, size);
	} else if (verdict == FRONT_ANSWER) {
		memcpy(world.last, segment, size);
		world.size = size;
		world.sent++;
	}
}

void inject(const struct made *made)
{
	uint8_t segment[ROOM];

	arrive(segment, make(segment, made));
}

/* With timestamps, a millisecond later than those before. */
void say(uint32_t seq, uint32_t ack, uint8_t flags, const char *text)
{
	inject(&(struct made){.seq = seq,
	                      .ack = ack,
	                      .flags = flags,
	                      .text = text,
	                      .options = stamps,
	                      .n_options = sizeof stamps});
}

void syn(uint16_t port, uint32_t seq)
{
	inject(&(struct made){.port = port,
	                      .seq = seq,
	                      .flags = F_SYN,
	                      .options = all_options,
	                      .n_options = sizeof all_options});
}

uint8_t last_flags(void)
{
	return world.last[13];
}

uint32_t last_seq(void)
{
	return wire_get32(world.last + 4);
}

uint32_t last_ack(void)
{
	return wire_get32(world.last + 8);
}

struct edge_counts counts(void)
{
	return front_counts(world.front);
}

/* ---- The world ---- */

int setup(void **state)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path, NULL};
	struct tcp_config config = tcp_config_default();
	struct tcp_options options;
	struct udp_endpoint local;
	bool compiled = world.compiled;
	size_t size;

	memset(&world, 0, sizeof world);
	world.compiled = compiled;
	world.now = 1000ull * 1000 * MS;
	world.answers = true;
	server_ip = udp_ip4(0x0a000001);
	client_ip = udp_ip4(0x0a000002);
	config.connections = config.requests = config.actives = 64;
	size = tcp_stack_bytes(&config);
	world.memory = aligned_alloc(64, size);
	world.stack = tcp_stack_create(world.memory, size, &config, &ops, NULL, world.now);
	options = tcp_options_default(world.stack);
	options.peer_first = true;
	local = (struct udp_endpoint){.ip = server_ip, .port = PORT};
	assert_int_equal(tcp_listen(world.stack, &local, 8, &options, take, NULL, &world.listener),
	                 0);
	world.front = front_open(world.stack, &server_ip, world.compiled);
	assert_non_null(world.front);
	/* The first SYN in a second is the stack's. */
	syn(1, 1);
	inject(&(struct made){.port = 1,
	                      .seq = 2,
	                      .flags = F_RST,
	                      .options = stamps,
	                      .n_options = sizeof stamps});
	assert_int_equal(counts().asked, 0);
	world.sent = 0;
	return 0;
}

void remove_front(void)
{
	front_close(world.front);
	world.front = NULL;
}

int teardown(void **state)
{
	struct tcp_usage usage;

	pass(2000000); /* all give up */
	usage = tcp_stack_usage(world.stack);
	assert_int_equal(usage.requests + usage.time_waits + usage.records + usage.arrivals, 0);
	if (world.front != NULL) {
		const struct edge_arena *arena = front_arena(world.front);

		if (usage.connections == 0)
			for (uint32_t i = 0; i < EDGE_PLACES; i++)
				assert_true(arena->held[i] == 0 || arena->held[i] == EDGE_HELD_MAX);
		for (uint32_t i = 0; i < EDGE_LINES; i++)
			assert_true(arena->lines[i].asked.peer == 0 &&
			            (arena->lines[i].closing.peer == 0 || usage.connections > 0));
		remove_front();
	}
	assert_int_equal(tcp_stack_deadline(world.stack) == UINT64_MAX, usage.connections == 0);
	tcp_stack_destroy(world.stack);
	assert_int_equal(world.buffers, 0);
	free(world.memory);
	return 0;
}

/* SYN and what follows; → our next number. */
uint32_t open_by_hand(void)
{
	syn(PEER, FIRST);
	assert_int_equal(last_flags(), F_SYN | F_ACK);
	assert_int_equal(last_ack(), FIRST + 1);
	say(FIRST + 1, last_seq() + 1, F_ACK, NULL);
	return last_seq() + 1;
}

/* … and a request that is answered with all; → the number that acknowledges that. */
uint32_t ask_by_hand(void)
{
	uint32_t ours = open_by_hand();

	say(FIRST + 1, ours, F_ACK | F_PSH, "question");
	assert_int_equal(last_flags(), F_ACK | F_PSH | F_FIN);
	assert_int_equal(last_seq(), ours);
	return ours + 7;
}
