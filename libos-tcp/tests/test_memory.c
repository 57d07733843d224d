/* SPDX-License-Identifier: BSD-2-Clause */
/* What a stack takes: 100,000 idle connections in 64 MiB, and floods that find an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

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
	uint64_t random, sent, accepted;
	uint32_t seq; /* of the last segment sent */
	uint8_t flags;
};

static void op_output(void *context, const struct tcp_packet *packet)
{
	struct world *world = context;

	world->sent++;
	world->seq = wire_get32(packet->header + 4);
	world->flags = packet->header[13];
}

static void op_release(void *context, void *buffer)
{
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

	while (tcp_accept(listener, NULL, NULL) != NULL)
		world->accepted++;
}

static void open_world(struct world *world, const struct tcp_config *config)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path};
	struct udp_endpoint local = {.port = PORT};

	*world = (struct world){.random = 3, .bytes = tcp_stack_bytes(config)};
	world->memory = aligned_alloc(64, world->bytes);
	assert_non_null(world->memory);
	world->stack = tcp_stack_create(world->memory, world->bytes, config, &ops, world, 1000000);
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
	        cmocka_unit_test(configurations_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
