/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole stack in front of a hostile peer. The input is a program: segments whose numbers lie near
 * what the connection expects (or anywhere), what the application does, and how time passes. After
 * each step the stack must be in order; at the end everything must have been given back. Built with
 * EDGE, a handler stands in front (tcp/edge.h) that writes whatever it likes into what it shares
 * with the stack, also while the stack reads: records that are right but for some of their bytes.
 */
#include <stdlib.h>
#include <tcp/conn.h>
#include <tcp/edge.h>
#include <udp/wire.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PORT = 80, PEER_PORT = 5000, PIECE_MAX = 3000, FRAME = 128 + PIECE_MAX };

struct program {
	const uint8_t *at;
	size_t left;
};

struct world {
	struct tcp_stack *stack;
	struct tcp_listener *listener;
	struct tcp_conn *conn;
	struct tcp_config config;
	uint64_t now, random;
	uint32_t seq, ack; /* what the stack sent last to the peer */
	uint32_t ts;
	uint16_t port;
	long buffers;
	bool six;
	struct edge_arena *arena; /* NULL: no handler */
	struct edge_rules rules;
	struct program *program;
};

#ifdef EDGE
enum { IN_FRONT = 1, PEERS = 4 };
#else
enum { IN_FRONT = 0, PEERS = 1 };
#endif

static uint8_t content[65536 + 1];

static uint32_t take(struct program *program, unsigned bytes)
{
	uint32_t value = 0;

	for (; bytes > 0 && program->left > 0; bytes--, program->left--)
		value = value << 8 | *program->at++;
	return value;
}

static struct udp_ip ip_of(const struct world *world, unsigned last)
{
	uint8_t bytes[16] = {0x20, 1, [15] = (uint8_t)last};

	return world->six ? udp_ip6(bytes) : udp_ip4(0x0a000000 + last);
}

/* ---- The handler ---- */

static uint32_t near_to(struct program *program, uint32_t expected);

static uint64_t peer_of(const struct world *world, uint32_t port)
{
	static const uint8_t source[4] = {10, 0, 0, 2};
	uint32_t word;

	memcpy(&word, source, sizeof word);
	return edge_peer(word, __builtin_bswap16((uint16_t)port) | (uint32_t)__builtin_bswap16(PORT)
	                                                                   << 16);
}

static struct edge_line *line_of(struct world *world, uint64_t peer)
{
	return &world->arena->lines[peer * world->rules.spread >> EDGE_LINE_SHIFT];
}

static void write_asked(struct world *world, struct program *program)
{
	uint64_t peer = peer_of(world, PEER_PORT + take(program, 1) % PEERS);
	struct edge_line *line = line_of(world, peer);
	struct edge_asked *asked = &line->asked;

	*asked = (struct edge_asked){.peer = peer,
	                             .irs = world->ack - 1,
	                             .iss = take(program, 4),
	                             .stamp = (uint32_t)(world->now / 1000000),
	                             .us = near_to(program, (uint32_t)(world->now / 1000)),
	                             .mss = (uint16_t)take(program, 2),
	                             .window = 60000,
	                             .own_window = (uint16_t)take(program, 2),
	                             .scale = (uint8_t)take(program, 1),
	                             .own_scale = (uint8_t)take(program, 1)};
	asked->check = edge_check(asked);
	world->seq = asked->iss + 1;
	world->ack = asked->irs + 1;
	if (take(program, 1) & 1)
		line->heard =
		        (struct edge_heard){asked->iss, asked->stamp, take(program, 4), 1000, 0};
}

static void write_closed(struct world *world, struct program *program)
{
	struct edge_line *line =
	        line_of(world, peer_of(world, PEER_PORT + take(program, 1) % PEERS));

	line->closed.tag = line->closing.tag;
	line->closed.news = take(program, 1);
	line->closed.stamp = near_to(program, line->closing.stamp);
}

static void scribble(struct world *world, struct program *program)
{
	uint32_t how = take(program, 1), at = take(program, 1);
	uint8_t *bytes = (uint8_t *)world->arena;
	struct edge_line *line =
	        line_of(world, peer_of(world, PEER_PORT + take(program, 1) % PEERS));

	if (how < 200)
		bytes = (uint8_t *)line + at % sizeof *line;
	else
		bytes += take(program, 3) % (sizeof *world->arena - 4);
	for (unsigned i = 0; i < 1 + (how & 3) && (how >= 200 || at % 128 + i < 128); i++)
		bytes[i] = (uint8_t)take(program, 1);
}

static void handle(struct world *world, struct program *program)
{
	uint32_t what = take(program, 1);

	if (world->arena == NULL)
		return;
	if (what < 100)
		write_asked(world, program);
	else if (what < 160)
		write_closed(world, program);
	else
		scribble(world, program);
}

/* In the midst of something. */
static void interfere(struct world *world)
{
	if (world->arena != NULL && world->program->left > 0 && take(world->program, 1) < 40)
		handle(world, world->program);
}

static bool update(void *context, const struct edge_rules *rules)
{
	((struct world *)context)->rules = *rules;
	return true;
}

static void put_in_front(struct world *world)
{
	struct tcp_edge edge = {
	        .address = ip_of(world, 1), .mtu = 1500, .update = update, .context = world};
	struct edge_arena *arena = calloc(1, sizeof *arena);

	if (arena == NULL)
		abort();
	if (tcp_edge_open(world->stack, arena, &edge) == 0)
		world->arena = arena;
	else
		free(arena);
}

static void remove_front(struct world *world)
{
	if (world->arena == NULL)
		return;
	tcp_edge_close(world->stack);
	free(world->arena);
	world->arena = NULL;
}

/* ---- The stack's surroundings ---- */

static void op_output(void *context, const struct tcp_packet *packet)
{
	struct world *world = context;
	uint32_t total = 0;

	interfere(world);

	if (packet->header_size < 20 || packet->header_size > TCP_HEADER_MAX ||
	    packet->n_pieces > TCP_PIECES_MAX)
		__builtin_trap();
	for (unsigned i = 0; i < packet->n_pieces; i++)
		total += packet->pieces[i].size;
	if (total != packet->size)
		__builtin_trap();
	world->port = wire_get16(packet->header);
	world->seq = wire_get32(packet->header + 4) + packet->size + !!(packet->header[13] & 3);
	if (packet->header[13] & 0x10)
		world->ack = wire_get32(packet->header + 8);
	if (packet->header_size >= 32 && packet->header[22] == 8)
		world->ts = wire_get32(packet->header + 24);
}

static void op_release(void *context, void *buffer)
{
	((struct world *)context)->buffers--;
	free(buffer);
}

static uint64_t op_random(void *context)
{
	struct world *world = context;

	return world->random = world->random * 6364136223846793005ull + 1442695040888963407ull;
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	interfere(context);
	if (local->family == 0)
		*local = ip_of(context, 1);
	return 1500;
}

/* A number near what is expected, or anywhere. */
static uint32_t near_to(struct program *program, uint32_t expected)
{
	uint32_t how = take(program, 1);

	if (how < 128)
		return expected + (how & 1 ? how : 0u - how) / 2 * (how & 2 ? 700 : 1);
	return how < 240 ? expected : take(program, 4);
}

static uint32_t put_options(struct world *world, struct program *program, uint8_t *at)
{
	static const uint8_t syn[] = {2, 4, 5, 0xb4, 3, 3, 7, 1, 4, 2, 1, 1};
	uint32_t how = take(program, 1), size = 0;

	if (how & 1) {
		memcpy(at, (const uint8_t[]){1, 1, 8, 10}, 4);
		wire_put32(at + 4, near_to(program, (uint32_t)(world->now / 1000000)));
		wire_put32(at + 8, near_to(program, world->ts));
		size = 12;
	}
	if (how & 2) {
		memcpy(at + size, (const uint8_t[]){1, 1, 5, 18}, 4);
		for (unsigned i = 0; i < 4; i++)
			wire_put32(at + size + 4 + 4 * (size_t)i, near_to(program, world->seq));
		size += 20;
	} else if (how & 4) {
		memcpy(at + size, syn, sizeof syn);
		size += sizeof syn;
	}
	if (how & 16 && size <= 28) { /* a Fast Open cookie, or the question for one */
		at[size] = 34;
		at[size + 1] = how & 32 ? 10 : 2;
		memset(at + size + 2, 0, 10);
		size += 12;
	}
	if (how & 8 && size <= 36)
		for (unsigned i = 0; i < 4; i++)
			at[size++] = (uint8_t)take(program, 1);
	return size;
}

static void segment(struct world *world, struct program *program)
{
	uint32_t payload = take(program, 2) % PIECE_MAX, options;
	uint8_t *buffer = calloc(1, FRAME);
	struct tcp_arrival arrival = {.src = ip_of(world, 2),
	                              .dst = ip_of(world, 1),
	                              .checksum_ok = true,
	                              .segment = buffer,
	                              .buffer = buffer,
	                              .ttl = 64};

	if (buffer == NULL)
		abort();
	arrival.tos = (uint8_t)take(program, 1);
	if (take(program, 1) < 100)
		payload = 0;
	wire_put16(buffer, (uint16_t)(PEER_PORT + (IN_FRONT ? take(program, 1) % PEERS : 0)));
	wire_put16(buffer + 2, world->port);
	wire_put32(buffer + 4, near_to(program, world->ack));
	wire_put32(buffer + 8, near_to(program, world->seq));
	buffer[13] = (uint8_t)take(program, 1);
	if (take(program, 1) < 200)
		buffer[13] = (uint8_t)(0x10 | (buffer[13] & 0x08));
	wire_put16(buffer + 14, (uint16_t)take(program, 2));
	wire_put16(buffer + 18, (uint16_t)take(program, 1));
	options = put_options(world, program, buffer + 20);
	buffer[12] = (uint8_t)((20 + options) / 4 << 4);
	arrival.size = 20 + options + payload;
	arrival.tail = FRAME - arrival.size;
	if (take(program, 1) < 5)
		arrival.size = take(program, 1) % (arrival.size + 1);
	world->buffers++;
	if (!tcp_stack_input(world->stack, &arrival))
		op_release(world, buffer);
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	uint8_t sink[512];

	/* Reads only sometimes, so that windows shut. */
	if (events & TCP_EVENT_URGENT)
		(void)tcp_read(conn, sink, sizeof sink);
}

static void open_one(struct world *world)
{
	struct udp_endpoint remote = {.ip = ip_of(world, 2), .port = PEER_PORT};
	struct tcp_options options = tcp_options_default(world->stack);
	uint32_t taken;

	options.fast_open = TCP_FAST_ASK;
	if (world->conn == NULL)
		world->conn = tcp_accept(world->listener, on_event, world);
	if (world->conn == NULL)
		(void)tcp_connect_data(world->stack, NULL, &remote, &options, on_event, world,
		                       world, 100, &taken, &world->conn);
}

static void set_options(struct world *world, uint32_t n)
{
	struct tcp_options options;

	tcp_conn_get_options(world->conn, &options);
	options.congestion = (uint8_t)(n % TCP_CONGESTIONS);
	options.no_delay = n & 16;
	options.cork = n & 32;
	options.keepalive = n & 64;
	options.quick_ack = n >> 7 & 1;
	options.receive_buffer = n & 256 ? n * 4 : 0;
	(void)tcp_conn_set_options(world->conn, &options);
}

static void act_on(struct world *world, struct program *program)
{
	uint32_t what = take(program, 1) % 9, n = take(program, 2);
	uint8_t sink[4096];

	switch (what) {
	case 0:
		(void)tcp_send(world->conn, content, n + 1, NULL, NULL, n & 7);
		return;
	case 1:
		(void)tcp_send_copy(world->conn, content, n, n & 1);
		return;
	case 2:
		(void)tcp_read(world->conn, sink, n % sizeof sink);
		return;
	case 3:
		(void)tcp_shutdown(world->conn);
		return;
	case 4:
		set_options(world, n);
		return;
	case 5:
		tcp_shutdown_read(world->conn);
		return;
	case 6:
		tcp_consume(world->conn, n);
		return;
	case 7:
		tcp_close(world->conn);
		break;
	default:
		tcp_abort(world->conn);
		break;
	}
	world->conn = NULL;
}

static void pass(struct world *world, uint64_t ns)
{
	uint64_t end = world->now + ns;
	unsigned runs = 0;

	while (tcp_stack_deadline(world->stack) <= end && runs++ < 1000) {
		if (tcp_stack_deadline(world->stack) > world->now)
			world->now = tcp_stack_deadline(world->stack);
		tcp_stack_clock(world->stack, world->now);
		if (tcp_stack_run(world->stack) <= world->now)
			__builtin_trap();
	}
	world->now = end;
	tcp_stack_clock(world->stack, world->now);
	(void)tcp_stack_run(world->stack);
}

static void error(struct world *world, struct program *program)
{
	struct udp_ip local = ip_of(world, 1), remote = ip_of(world, 2);
	uint32_t size = take(program, 1) % 9, failure = take(program, 1) % TCP_FAILURES;
	uint8_t quote[8];

	wire_put16(quote, world->port);
	wire_put16(quote + 2, PEER_PORT);
	wire_put32(quote + 4, near_to(program, world->seq));
	tcp_stack_error(world->stack, &local, &remote, quote, size, (enum tcp_failure)failure,
	                take(program, 2));
}

static void check(struct world *world)
{
	struct tcp_usage usage = tcp_stack_usage(world->stack);
	struct tcp_conn_info info;

	if (usage.connections > world->config.connections ||
	    usage.arrivals > world->config.arrivals || world->buffers > usage.arrivals)
		__builtin_trap();
	if (world->conn == NULL)
		return;
	tcp_conn_info(world->conn, &info);
	if (info.sacked + info.lost > info.unacked || info.retrans > info.unacked ||
	    info.cwnd == 0 || info.rto_us > world->config.rto_max_ms * 1000 || info.rto_us == 0 ||
	    info.send_mss < 36 || info.unread > 1u << 24)
		__builtin_trap();
}

/* Closes it, opens another one, or changes what it wants. */
static void change_listener(struct world *world, struct program *program)
{
	struct udp_endpoint local = {.port = PORT};
	struct tcp_options options;
	uint32_t how = take(program, 1);

	tcp_listener_get_options(world->listener, &options);
	options.peer_first = how & 1;
	options.defer_accept = how & 2 ? 1 : 0;
	options.max_segment = (uint16_t)(how & 4 ? how : 0);
	if (how < 128) {
		(void)tcp_listener_set_options(world->listener, &options);
		return;
	}
	tcp_listener_close(world->listener);
	if (tcp_listen(world->stack, &local, 2, &options, NULL, world, &world->listener) != 0)
		abort();
}

static void step(struct world *world, struct program *program)
{
	uint32_t what = take(program, 1);

	if (IN_FRONT && what < 60)
		handle(world, program);
	else if (IN_FRONT && what < 62)
		world->arena == NULL ? put_in_front(world) : remove_front(world);
	else if (IN_FRONT && what < 66)
		change_listener(world, program);
	else if (what < 150)
		segment(world, program);
	else if (what < 200 && world->conn != NULL)
		act_on(world, program);
	else if (what < 210)
		open_one(world);
	else if (what < 215)
		error(world, program);
	else
		pass(world, 1000ull << take(program, 1) % 28);
	check(world);
}

static void *begin(struct world *world, struct program *program)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path, NULL};
	struct udp_endpoint local = {.port = PORT};
	uint32_t how = take(program, 1);
	struct tcp_config config = tcp_config_default();
	size_t size;
	void *memory;

	config.connections = config.requests = config.time_waits = 4;
	config.actives = 3;
	config.chunks = 16;
	config.records = how & 2 ? 8 : 64;
	config.arrivals = 24;
	config.blocks = 4;
	config.segment_max = how & 4 ? 20000 : 0;
	config.ecn = how & 8 ? TCP_ECN_ON : TCP_ECN_OFF;
	config.cookies = (uint8_t)(IN_FRONT ? TCP_COOKIES_NEEDED : how >> 4 & 1);
	config.fast_open = TCP_FAST_CLIENT | TCP_FAST_SERVER | TCP_FAST_SERVER_ALL |
	                   (how & 32 ? TCP_FAST_SERVER_COOKIELESS | TCP_FAST_CLIENT_COOKIELESS : 0);
	*world = (struct world){.now = 1000000,
	                        .random = 9,
	                        .port = PORT,
	                        .six = !IN_FRONT && how & 1,
	                        .config = config,
	                        .program = program};
	size = tcp_stack_bytes(&config);
	memory = aligned_alloc(64, size);
	if (memory == NULL)
		abort();
	world->stack = tcp_stack_create(memory, size, &config, &ops, world, world->now);
	if (tcp_listen(world->stack, &local, 2, NULL, NULL, world, &world->listener) != 0)
		abort();
	if (IN_FRONT)
		put_in_front(world);
	return memory;
}

/* The application lets go of everything: so must the stack, after a while. */
static void end(struct world *world)
{
	struct tcp_usage usage;

	if (world->conn != NULL)
		tcp_close(world->conn);
	world->conn = NULL;
	tcp_listener_close(world->listener);
	remove_front(world);
	for (unsigned i = 0; i < 2000 && tcp_stack_usage(world->stack).connections > 0; i++)
		pass(world, 100000000000ull);
	usage = tcp_stack_usage(world->stack);
	if (usage.connections + usage.records + usage.chunks + usage.actives + usage.arrivals > 0 ||
	    world->buffers != 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = {data, size};
	struct world world;
	void *memory = begin(&world, &program);

	while (program.left > 0)
		step(&world, &program);
	end(&world);
	tcp_stack_destroy(world.stack);
	free(memory);
	return 0;
}
