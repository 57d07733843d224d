/* SPDX-License-Identifier: BSD-2-Clause */
/* What a stack takes: 100,000 idle connections in 64 MiB, floods that find an end, and windows that
 * promise no more than there are places for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tcp/conn.h>
#include <udp/checksum.h>
#include <udp/wire.h>

enum { MANY = 100000, PORT = 80, LIMIT = 64 << 20 };

struct world {
	void *memory;
	size_t bytes;
	struct tcp_stack *stack;
	struct tcp_listener *listener;
	uint64_t now, random, sent, accepted;
	uint32_t seq, ack; /* of the last segment sent */
	uint16_t window;
	uint8_t flags;
	struct tcp_conn *conn; /* the last one accepted */
	uint64_t from, to; /* the neighbour that segments come from; whom the last one went to */
	long kept;         /* buffers that the stack has */
};

static void op_output(void *context, const struct tcp_packet *packet)
{
	struct world *world = context;

	world->sent++;
	world->seq = wire_get32(packet->header + 4);
	world->ack = wire_get32(packet->header + 8);
	world->flags = packet->header[13];
	world->to = packet->route;
	world->window = wire_get16(packet->header + 14);
}

static void op_release(void *context, void *buffer)
{
	((struct world *)context)->kept--;
	free(buffer);
}

static uint64_t op_random(void *context)
{
	struct world *world = context;

	return world->random = world->random * 6364136223846793005ull + 1442695040888963407ull;
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	return 1500;
}

static void on_accept(struct tcp_listener *listener)
{
	struct world *world = tcp_listener_context(listener);
	struct tcp_conn *conn;

	for (; (conn = tcp_accept(listener, NULL, NULL)) != NULL; world->conn = conn)
		world->accepted++;
}

static void open_world(struct world *world, const struct tcp_config *config)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path, NULL};
	struct udp_endpoint local = {.port = PORT};

	*world = (struct world){.now = 1000000, .random = 3, .bytes = tcp_stack_bytes(config)};
	world->memory = aligned_alloc(64, world->bytes);
	assert_non_null(world->memory);
	world->stack =
	        tcp_stack_create(world->memory, world->bytes, config, &ops, world, world->now);
	assert_non_null(world->stack);
	assert_int_equal(
	        tcp_listen(world->stack, &local, 8, NULL, on_accept, world, &world->listener), 0);
}

static void close_world(struct world *world)
{
	tcp_stack_destroy(world->stack);
	free(world->memory);
}

/* A segment of the n-th client. */
static void give(struct world *world, uint32_t n, uint8_t flags, uint32_t seq, uint32_t ack)
{
	uint8_t segment[24] = {0};
	struct tcp_arrival arrival = {.src = udp_ip4(0x0a000000 + (n >> 8)),
	                              .dst = udp_ip4(0xc0000201),
	                              .segment = segment,
	                              .size = sizeof segment,
	                              .route = world->from,
	                              .checksum_ok = true};

	wire_put16(segment, (uint16_t)(1024 + (n & 255)));
	wire_put16(segment + 2, PORT);
	wire_put32(segment + 4, seq);
	wire_put32(segment + 8, ack);
	segment[12] = 0x60;
	segment[13] = flags;
	wire_put16(segment + 14, 1000);
	wire_put32(segment + 20, 0x02040000 + 1460);
	assert_false(tcp_stack_input(world->stack, &arrival));
}

static void hundred_thousand_idle_connections(void **state)
{
	struct tcp_config config = tcp_config_default();
	struct world world;

	config.connections = MANY;
	config.requests = config.time_waits = 256;
	config.chunks = config.records = config.actives = 256;
	config.arrivals = 256;
	config.blocks = 16;
	open_world(&world, &config);
	print_message("%zu bytes, %.1f for each of %d connections\n", world.bytes,
	              (double)world.bytes / MANY, MANY);
	assert_true(world.bytes <= LIMIT);
	for (uint32_t n = 0; n < MANY; n++) {
		give(&world, n + 256, 2, 1000, 0);
		assert_int_equal(world.flags, 0x12);
		give(&world, n + 256, 0x10, 1001, world.seq + 1);
	}
	assert_int_equal(world.accepted, MANY);
	assert_int_equal(tcp_stack_usage(world.stack).connections, MANY);
	assert_int_equal(tcp_stack_usage(world.stack).actives, 0);
	/* They live: the last one still answers nonsense, and one more finds no place. */
	give(&world, MANY + 255, 0x10, 900000, world.seq + 1);
	assert_int_equal(world.flags, 0x10);
	give(&world, MANY + 256, 2, 1000, 0);
	give(&world, MANY + 256, 0x10, 1001, world.seq + 1);
	assert_int_equal(tcp_stack_counters(world.stack)->connections_full, 1);
	close_world(&world);
}

/* Twenty thousand SYNs without a face, and one honest client among them. */
static void floods_leave_room_for_the_honest(void **state)
{
	struct tcp_config config = tcp_config_default();
	struct world world;
	uint32_t iss;

	config.requests = 128;
	open_world(&world, &config);
	for (uint32_t n = 0; n < 20000; n++)
		give(&world, n + 512, 2, n, 0);
	assert_int_equal(tcp_stack_usage(world.stack).requests, 128);
	give(&world, 300, 2, 77, 0);
	assert_int_equal(world.flags, 0x12);
	iss = world.seq;
	for (uint32_t n = 0; n < 1000; n++)
		give(&world, n + 40000, 2, n, 0);
	give(&world, 300, 0x10, 78, iss + 1);
	assert_int_equal(world.accepted, 1);
	assert_int_equal(tcp_stack_counters(world.stack)->cookies_good, 1);
	/* A guess is no cookie. */
	for (uint32_t n = 0; n < 1000; n++)
		give(&world, n + 60000, 0x10, n, n * 7919);
	assert_int_equal(world.accepted, 1);
	close_world(&world);
}

static void resets_are_limited(void **state)
{
	struct tcp_config config = tcp_config_default();
	struct world world;

	config.reset_rate = 50;
	open_world(&world, &config);
	for (uint32_t n = 0; n < 5000; n++)
		give(&world, n + 512, 0x10, n, n);
	assert_int_equal(world.sent, 50);
	assert_int_equal(tcp_stack_counters(world.stack)->resets_limited, 4950);
	close_world(&world);
}

/* ---- Windows ---- */

enum { PLACES = 64, FULL = 1460, ROOM = 2048 };

/* A client that sends as much as it may. */
struct sender {
	uint32_t n, ack, next, end; /* end: of the window */
	struct tcp_conn *conn;
};

static void note_window(struct sender *sender, const struct world *world)
{
	assert_int_equal(world->flags, 0x10);
	assert_true((int32_t)(world->ack + world->window - sender->end) >= 0); /* never back */
	sender->end = world->ack + world->window;
}

/* A stack of few places, and of more memory for each connection than they would hold. */
static void open_crowded(struct world *world)
{
	struct tcp_config config = tcp_config_default();

	config.arrivals = PLACES;
	config.receive_buffer = config.receive_buffer_max = 4 << 20;
	open_world(world, &config);
}

static void open_sender(struct world *world, struct sender *sender, uint32_t n)
{
	*sender = (struct sender){.n = n, .next = 1001};
	give(world, n, 2, 1000, 0);
	assert_int_equal(world->flags, 0x12);
	sender->end = 1001 + world->window;
	sender->ack = world->seq + 1;
	give(world, n, 0x10, 1001, sender->ack);
	sender->conn = world->conn;
}

/* One segment of it; false: the window has no room. */
static bool send_one(struct world *world, struct sender *sender, uint32_t size)
{
	uint8_t *bytes;
	struct tcp_arrival arrival = {.src = udp_ip4(0x0a000000 + (sender->n >> 8)),
	                              .dst = udp_ip4(0xc0000201),
	                              .size = 20 + size,
	                              .tail = ROOM - 20 - size,
	                              .checksum_ok = true};
	uint64_t sent = world->sent;

	if ((int32_t)(sender->end - sender->next) < (int32_t)size)
		return false;
	bytes = calloc(1, ROOM);
	assert_non_null(bytes);
	arrival.segment = arrival.buffer = bytes;
	wire_put16(bytes, (uint16_t)(1024 + (sender->n & 255)));
	wire_put16(bytes + 2, PORT);
	wire_put32(bytes + 4, sender->next);
	wire_put32(bytes + 8, sender->ack);
	bytes[12] = 0x50;
	bytes[13] = 0x10;
	wire_put16(bytes + 14, 1000);
	memset(bytes + 20, (int)(sender->next % 251), size);
	sender->next += size;
	if (tcp_stack_input(world->stack, &arrival))
		world->kept++;
	else
		free(bytes);
	if (world->sent > sent)
		note_window(sender, world);
	return true;
}

/* Sends until the window is shut, and stays so. → segments. */
static unsigned send_all(struct world *world, struct sender *sender, uint32_t size)
{
	uint64_t sent;
	unsigned n = 0;

	do {
		while (send_one(world, sender, size))
			n++;
		sent = world->sent;
		tcp_stack_clock(world->stack, world->now += 1000000000); /* a delayed ACK */
		(void)tcp_stack_run(world->stack);
		if (world->sent > sent)
			note_window(sender, world);
	} while (world->sent > sent);
	return n;
}

/* What was asked for finds its place, though nobody reads; reading opens the window again. */
static void windows_promise_no_more_than_there_is_room_for(void **state)
{
	static const uint32_t sizes[] = {FULL, 1000, 700, 400, 100};

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct world world;
		struct sender sender;
		uint32_t unread;

		open_crowded(&world);
		open_sender(&world, &sender, 300);
		assert_true(send_all(&world, &sender, sizes[i]) >= PLACES / 2);
		unread = tcp_unread(sender.conn);
		assert_int_equal(unread, sender.next - 1001);
		assert_true(unread >= (PLACES / 2) * sizes[i]);
		assert_true(world.kept <= PLACES);
		tcp_consume(sender.conn, unread);
		note_window(&sender, &world);
		assert_int_equal(world.kept, 0);
		assert_true(send_all(&world, &sender, sizes[i]) >= PLACES / 2);
		assert_int_equal(tcp_unread(sender.conn), sender.next - 1001 - unread);
		assert_int_equal(tcp_stack_counters(world.stack)->drop_memory, 0);
		close_world(&world);
	}
}

/* Who holds the places shuts nobody else's window. */
static void others_windows_stay_open(void **state)
{
	struct world world;
	struct sender greedy, modest;

	open_crowded(&world);
	open_sender(&world, &greedy, 300);
	open_sender(&world, &modest, 301);
	send_all(&world, &greedy, FULL);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(send_one(&world, &modest, FULL));
		tcp_consume(modest.conn, FULL);
		if (world.ack == modest.next)
			note_window(&modest, &world);
	}
	assert_int_equal(tcp_unread(greedy.conn), greedy.next - 1001);
	assert_int_equal(tcp_stack_counters(world.stack)->drop_memory, 0);
	close_world(&world);
}

/* Who leaves holes open takes no place from what comes in order. */
static void holes_leave_places_for_others(void **state)
{
	struct world world;
	struct sender greedy, modest;

	open_crowded(&world);
	open_sender(&world, &modest, 300);
	for (uint32_t n = 0; n < 4; n++) {
		open_sender(&world, &greedy, 301 + n);
		for (uint32_t i = 0; i < PLACES; i++) {
			greedy.next += 1;
			assert_true(send_one(&world, &greedy, 1));
		}
	}
	assert_int_equal(tcp_stack_usage(world.stack).arrivals, PLACES / 2);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(send_one(&world, &modest, FULL));
		assert_int_equal(tcp_unread(modest.conn), FULL);
		tcp_consume(modest.conn, FULL);
		if (world.ack == modest.next)
			note_window(&modest, &world);
	}
	close_world(&world);
	assert_int_equal(world.kept, 0);
}

/* Who was told the end and never ends makes room for who comes. */
static void orphans_make_room(void **state)
{
	struct tcp_config config = tcp_config_default();
	struct world world;
	uint32_t iss;

	config.connections = 4;
	open_world(&world, &config);
	for (uint32_t n = 0; n < 16; n++) {
		give(&world, 300 + n, 2, 1000, 0);
		iss = world.seq;
		give(&world, 300 + n, 0x10, 1001, iss + 1);
		assert_int_equal(world.accepted, n + 1);
		tcp_close(world.conn);
		assert_int_equal(world.flags, 0x11);
		give(&world, 300 + n, 0x10, 1001, iss + 2);
	}
	assert_int_equal(tcp_stack_usage(world.stack).connections, 4);
	assert_int_equal(tcp_stack_counters(world.stack)->orphans_dropped, 12);
	assert_int_equal(tcp_stack_counters(world.stack)->connections_full, 0);
	close_world(&world);
}

/* Who says what nobody could have been told, be it in the window, does not lead answers to
 * himself. */
static void answers_go_to_who_knows(void **state)
{
	struct world world;
	struct sender sender;

	open_crowded(&world);
	world.from = 1;
	open_sender(&world, &sender, 300);
	world.from = 2;
	give(&world, 300, 0x10, sender.next + 10, sender.ack + 0x40000000);
	give(&world, 300, 0x10, sender.next + 10, sender.ack - 0x40000000);
	assert_int_equal(tcp_send(sender.conn, "one", 3, NULL, NULL, 0), 0);
	assert_int_equal(world.to, 1);
	give(&world, 300, 0x10, sender.next, sender.ack + 3);
	assert_int_equal(tcp_send(sender.conn, "two", 3, NULL, NULL, 0), 0);
	assert_int_equal(world.to, 2);
	world.from = 3;
	give(&world, 300, 0x10, sender.next + 1, sender.ack);
	assert_int_equal(tcp_send(sender.conn, "three", 5, NULL, NULL, 0), 0);
	assert_int_equal(world.to, 2);
	close_world(&world);
}

static void configurations_are_checked(void **state)
{
	struct tcp_config config = tcp_config_default();

	assert_true(tcp_stack_bytes(&config) > 0);
	config.connections = 0;
	assert_int_equal(tcp_stack_bytes(&config), 0);
	config = tcp_config_default();
	config.congestion = TCP_CONGESTIONS;
	assert_int_equal(tcp_stack_bytes(&config), 0);
	config = tcp_config_default();
	config.port_last = 1;
	assert_int_equal(tcp_stack_bytes(&config), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(hundred_thousand_idle_connections),
	        cmocka_unit_test(floods_leave_room_for_the_honest),
	        cmocka_unit_test(resets_are_limited),
	        cmocka_unit_test(windows_promise_no_more_than_there_is_room_for),
	        cmocka_unit_test(others_windows_stay_open),
	        cmocka_unit_test(holes_leave_places_for_others),
	        cmocka_unit_test(orphans_make_room),
	        cmocka_unit_test(answers_go_to_who_knows),
	        cmocka_unit_test(configurations_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
