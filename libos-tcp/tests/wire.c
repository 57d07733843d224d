/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual wire: see wire.h. */
#include "segment.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <udp/checksum.h>
#include <udp/wire.h>

enum { EVENTS_MAX = 1 << 16, PORT = 80, MTU = 1500, BURST = 8 };

#define BURST_NS 10000000000ull /* at most, or it would outlast anybody who sends rarely */

struct packet {
	uint8_t bytes[WIRE_PACKET_MAX];
	uint32_t size, room;
	uint8_t tos;
	struct udp_ip src, dst;
};

struct event {
	uint64_t at, order;
	struct packet *packet; /* NULL: an application's turn */
	unsigned end, conn;
};

struct app {
	struct tcp_conn *conn;
	struct side *side;
	unsigned index;
	uint32_t sent, received, expected, to_send;
	bool open, ended, done, stalled;
};

struct side {
	struct wire *wire;
	unsigned end;
	void *memory;
	struct tcp_stack *stack;
	struct tcp_listener *listener;
	struct udp_ip ip;
	uint64_t random;
	uint64_t link_free; /* when the bottleneck has sent all that waits */
	uint32_t burst;     /* packets that are lost yet, */
	uint64_t burst_end; /* until then */
	struct app apps[WIRE_CONNS_MAX];
	uint32_t n_accepted;
	long buffers;
	/* The furthest byte that this side has offered to take, for each connection, and the scale
	   of its window (255: it sent no such option). */
	uint32_t edge[WIRE_CONNS_MAX];
	uint8_t scale[WIRE_CONNS_MAX];
	bool offered[WIRE_CONNS_MAX], said[WIRE_CONNS_MAX];
};

struct wire {
	struct wire_params params;
	struct side sides[WIRE_ENDS];
	struct event heap[EVENTS_MAX];
	uint32_t n;
	uint64_t now, order, seed, packets, lost;
	const char *failure;
	struct front *front; /* NULL: none */
	struct wire_result *result;
	bool info_taken;
};

uint64_t wire_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static bool chance(struct wire *wire, uint32_t of, uint32_t all)
{
	return of > 0 && wire_random(&wire->seed) % all < of;
}

static void fail(struct wire *wire, const char *why)
{
	if (wire->failure == NULL)
		wire->failure = why;
}

/* ---- Events ---- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct wire *wire, struct event event)
{
	uint32_t i = wire->n++;

	if (wire->n > EVENTS_MAX)
		abort();
	event.order = wire->order++;
	while (i > 0 && before(&event, &wire->heap[(i - 1) / 2])) {
		wire->heap[i] = wire->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	wire->heap[i] = event;
}

static struct event pop(struct wire *wire)
{
	struct event first = wire->heap[0], last = wire->heap[--wire->n];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= wire->n)
			break;
		if (child + 1 < wire->n && before(&wire->heap[child + 1], &wire->heap[child]))
			child++;
		if (!before(&wire->heap[child], &last))
			break;
		wire->heap[i] = wire->heap[child];
		i = child;
	}
	wire->heap[i] = last;
	return first;
}

/* ---- The wire ---- */

static void deliver_later(struct wire *wire, unsigned end, struct packet *packet, uint64_t at)
{
	push(wire, (struct event){.at = at, .packet = packet, .end = end});
}

static struct packet *duplicate(const struct packet *packet)
{
	struct packet *copy = malloc(sizeof *copy);

	if (copy == NULL)
		abort();
	*copy = *packet;
	return copy;
}

/* When a packet leaves the bottleneck; 0: the queue is full. */
static uint64_t bottleneck(struct wire *wire, struct side *side, struct packet *packet)
{
	const struct wire_params *params = &wire->params;
	uint64_t cost, waiting;

	if (params->rate == 0)
		return wire->now;
	cost = (packet->size + 38ull) * 1000000000ull / params->rate;
	if (side->link_free < wire->now)
		side->link_free = wire->now;
	waiting = (side->link_free - wire->now) / (1538ull * 1000000000ull / params->rate);
	if (waiting >= params->queue)
		return 0;
	if (params->mark_at != 0 && waiting >= params->mark_at && (packet->tos & 3) != 0)
		packet->tos |= 3;
	side->link_free += cost;
	return side->link_free;
}

static bool lose(struct wire *wire, struct side *side)
{
	if (side->burst > 0 && wire->now < side->burst_end) {
		side->burst--;
		return true;
	}
	side->burst = 0;
	if (chance(wire, wire->params.burst_loss, 10000)) {
		side->burst = 1 + wire_random(&wire->seed) % BURST;
		side->burst_end = wire->now + BURST_NS;
	}
	return chance(wire, wire->params.loss, 10000);
}

static void transport(struct wire *wire, struct side *side, struct packet *packet)
{
	const struct wire_params *params = &wire->params;
	uint64_t at = bottleneck(wire, side, packet);
	unsigned to = !side->end;

	wire->packets++;
	if (at == 0 || lose(wire, side)) {
		wire->lost++;
		free(packet);
		return;
	}
	at += params->delay_ns;
	if (params->jitter_ns != 0)
		at += wire_random(&wire->seed) % params->jitter_ns;
	if (chance(wire, params->duplicate, 10000))
		deliver_later(wire, to, duplicate(packet),
		              at + wire_random(&wire->seed) % (params->delay_ns + 1));
	/* Who has not heard from the peer yet believes any SYN: nothing to be proven there. */
	if (!(packet->bytes[13] & 2) && chance(wire, params->hostile, 10000)) {
		struct packet *forged = duplicate(packet);

		segment_forge(forged->bytes, forged->size, &forged->src, &forged->dst,
		              wire_random(&wire->seed));
		deliver_later(wire, to, forged, at);
	}
	if (chance(wire, params->corrupt, 10000))
		packet->bytes[wire_random(&wire->seed) % packet->size] ^=
		        (uint8_t)(1u << wire_random(&wire->seed) % 8);
	deliver_later(wire, to, packet, at);
}

/* ---- What the stacks ask for ---- */

/* What this side offers, and that it sends nothing beyond what the other has offered. */
static void check_window(struct side *side, const struct tcp_packet *out)
{
	const uint8_t *at = out->header;
	uint16_t port = side->end == 0 ? wire_get16(at) : wire_get16(at + 2);
	struct side *peer = &side->wire->sides[!side->end];
	uint32_t i = port - 10000u, edge, shift = 0, end = wire_get32(at + 4) + out->size;

	if (i >= WIRE_CONNS_MAX || (at[13] & 4))
		return;
	/* The first SYN counts; cookies answer forged ones too. */
	if ((at[13] & 2) && !side->said[i])
		side->scale[i] = segment_scale(at, at + out->header_size);
	if (at[13] & 2)
		side->said[i] = true;
	else if (side->scale[i] != 255 && peer->scale[i] != 255)
		shift = side->scale[i];
	edge = wire_get32(at + 8) + ((uint32_t)wire_get16(at + 14) << shift);
	if ((at[13] & 16) && (!side->offered[i] || (int32_t)(edge - side->edge[i]) > 0)) {
		side->edge[i] = edge;
		side->offered[i] = true;
	}
	if (out->size > 0 && (!peer->offered[i] || (int32_t)(end - peer->edge[i]) > 0))
		fail(side->wire, "data went beyond the window");
}

static void emit(struct side *side, const struct tcp_packet *out)
{
	struct packet *packet = malloc(sizeof *packet);

	if (packet == NULL || out->header_size + out->size > sizeof packet->bytes)
		abort();
	check_window(side, out);
	packet->size = out->header_size + out->size;
	packet->tos = out->tos;
	packet->src = *out->src;
	packet->dst = *out->dst;
	packet->room = sizeof packet->bytes - packet->size;
	tcp_packet_copy(out, packet->bytes);
	transport(side->wire, side, packet);
}

static void op_output(void *context, const struct tcp_packet *out)
{
	struct tcp_packet segment;
	struct tcp_piece pieces[TCP_PIECES_MAX];
	uint8_t header[TCP_HEADER_MAX];

	if (out->segment_size == 0) {
		emit(context, out);
		return;
	}
	for (uint32_t i = 0; tcp_packet_cut(out, i, &segment, header, pieces); i++)
		emit(context, &segment);
}

static void op_release(void *context, void *buffer)
{
	((struct side *)context)->buffers--;
	free(buffer);
}

static uint64_t op_random(void *context)
{
	return wire_random(&((struct side *)context)->random);
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	if (local->family == 0)
		*local = ((struct side *)context)->ip;
	return MTU;
}

/* ---- Applications ---- */

/* The byte at a place of a connection's stream. */
static uint8_t pattern(unsigned end, unsigned conn, uint32_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16) + end * 101 + conn * 13);
}

static void released(void *context, const void *data, uint32_t size)
{
	((struct side *)context)->buffers--;
	free((void *)data);
}

static bool write_some(struct app *app)
{
	struct side *side = app->side;
	const struct wire_params *params = &side->wire->params;
	uint32_t left = app->to_send - app->sent, n = left;
	uint8_t *data;
	int64_t took;

	if (params->write_max != 0 && n > params->write_max)
		n = params->write_max;
	if (n > 65536)
		n = 65536;
	if (tcp_send_space(app->conn) == 0)
		return false;
	data = malloc(n);
	if (data == NULL)
		abort();
	for (uint32_t i = 0; i < n; i++)
		data[i] = pattern(side->end, app->index, app->sent + i);
	if (params->copy) {
		took = tcp_send_copy(app->conn, data, n, 0);
		free(data);
	} else {
		/* Counted first: it may be acknowledged and released at once. */
		side->buffers++;
		took = tcp_send(app->conn, data, n, released, side, 0);
		if (took != 0) {
			side->buffers--;
			free(data);
		} else {
			took = n;
		}
	}
	if (took <= 0)
		return false;
	app->sent += (uint32_t)took;
	return true;
}

static void check_bytes(struct app *app, const uint8_t *data, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		if (data[i] != pattern(!app->side->end, app->index, app->received + i))
			fail(app->side->wire, "the stream was damaged");
	app->received += size;
	if (app->received > app->expected)
		fail(app->side->wire, "more arrived than was sent");
}

static void read_some(struct app *app)
{
	struct wire *wire = app->side->wire;
	struct tcp_span span;

	while (!app->stalled && tcp_peek(app->conn, &span, 1) == 1) {
		uint32_t n = span.size;

		if (wire->params.stall > 0 && chance(wire, wire->params.stall, 100)) {
			app->stalled = true;
			push(wire, (struct event){.at = wire->now +
			                                wire_random(&wire->seed) % 3000000000ull,
			                          .end = app->side->end,
			                          .conn = app->index});
			return;
		}
		if (wire->params.read_max != 0 && n > wire->params.read_max)
			n = wire->params.read_max;
		check_bytes(app, span.data, n);
		tcp_consume(app->conn, n);
	}
}

static void finish(struct app *app)
{
	struct wire *wire = app->side->wire;

	if (app->side->end == 0 && app->index == 0 && !wire->info_taken) {
		tcp_conn_info(app->conn, &wire->result->info);
		wire->info_taken = true;
	}
	app->done = true;
	tcp_close(app->conn);
	app->conn = NULL;
}

/* What must hold of a connection at any time. */
static void check_conn(struct app *app)
{
	const struct tcp_config *config = &app->side->wire->params.config[app->side->end];
	struct tcp_conn_info info;

	tcp_conn_info(app->conn, &info);
	if (info.rto_us < config->rto_min_ms * 1000 || info.rto_us > config->rto_max_ms * 1000)
		fail(app->side->wire, "the timeout is out of bounds");
	if (info.cwnd == 0 || info.sacked + info.lost > info.unacked || info.retrans > info.unacked)
		fail(app->side->wire, "the counts of segments contradict each other");
	if (info.unread > config->receive_buffer_max)
		fail(app->side->wire, "more is held than the buffer takes");
}

static void act(struct app *app)
{
	if (app->conn == NULL || !app->open)
		return;
	check_conn(app);
	read_some(app);
	while (app->sent < app->to_send && write_some(app))
		;
	if (app->sent == app->to_send &&
	    (!app->side->wire->params.late_end || app->side->end == 1 || tcp_at_end(app->conn)))
		(void)tcp_shutdown(app->conn);
	if (tcp_conn_cause(app->conn) > TCP_CAUSE_FINISHED)
		fail(app->side->wire, "a connection was reset or timed out");
	if (tcp_at_end(app->conn) && app->sent == app->to_send &&
	    tcp_unacknowledged(app->conn) == 0) {
		if (app->received != app->expected)
			fail(app->side->wire, "the stream ended early");
		finish(app);
	}
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct app *app = tcp_conn_context(conn);

	if (events & TCP_EVENT_OPENED)
		app->open = true;
	if ((events & TCP_EVENT_CLOSED) && tcp_conn_cause(conn) != TCP_CAUSE_FINISHED) {
		/* Where only the very last acknowledgement was lost, again and again, until the
		   other's TIME-WAIT was over, a reset is what comes; nothing is missing. */
		if (app->side->wire->sides[!app->side->end].apps[app->index].done &&
		    app->received == app->expected) {
			finish(app);
			return;
		}
		fail(app->side->wire, "a connection failed");
	}
	act(app);
}

static void on_accept(struct tcp_listener *listener)
{
	struct side *side = tcp_listener_context(listener);
	struct tcp_conn *conn = tcp_accept(listener, NULL, NULL);
	unsigned index = tcp_conn_remote(conn).port - 10000u;
	struct app *app;

	if (index >= WIRE_CONNS_MAX || side->apps[index].conn != NULL || side->apps[index].done) {
		fail(side->wire, "a connection that nobody opened");
		tcp_abort(conn);
		return;
	}
	app = &side->apps[index];
	app->conn = conn;
	app->open = true;
	tcp_conn_set_event(conn, on_event, app);
	act(app);
}

/* ---- The run ---- */

static void open_side(struct wire *wire, unsigned end)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path, NULL};
	const struct wire_params *params = &wire->params;
	struct side *side = &wire->sides[end];
	size_t size = tcp_stack_bytes(&params->config[end]);
	uint8_t six[16] = {0x20, 1, 0xd, 0xb8, [15] = (uint8_t)(end + 1)};

	side->wire = wire;
	side->end = end;
	side->random = params->seed * 2 + end + 1;
	side->ip = params->family == 6 ? udp_ip6(six) : udp_ip4(0x0a000001 + end);
	side->memory = aligned_alloc(64, size);
	side->stack =
	        tcp_stack_create(side->memory, size, &params->config[end], &ops, side, wire->now);
	if (side->stack == NULL)
		abort();
	for (unsigned i = 0; i < WIRE_CONNS_MAX; i++) {
		struct app *app = &side->apps[i];

		app->side = side;
		app->index = i;
		app->to_send = params->bytes[end];
		app->expected = params->bytes[!end];
	}
}

static void open_front(struct wire *wire)
{
	enum wire_front front = wire->params.front;

	if (front != WIRE_ALONE && wire->params.family == 4)
		wire->front = front_open(wire->sides[1].stack, &wire->sides[1].ip,
		                         front == WIRE_COMPILED);
}

static void open_conns(struct wire *wire)
{
	const struct wire_params *params = &wire->params;
	struct udp_endpoint server = {.ip = wire->sides[1].ip, .port = PORT};
	struct tcp_options options =
	        params->set_options ? params->options : tcp_options_default(wire->sides[1].stack);

	options.peer_first |= params->peer_first;
	if (tcp_listen(wire->sides[1].stack, &server, WIRE_CONNS_MAX, &options, on_accept,
	               &wire->sides[1], &wire->sides[1].listener) != 0)
		abort();
	open_front(wire);
	for (unsigned i = 0; i < params->connections; i++) {
		struct app *app = &wire->sides[0].apps[i];
		struct udp_endpoint local = {.port = (uint16_t)(10000 + i)};

		if (tcp_connect(wire->sides[0].stack, &local, &server,
		                params->set_options ? &params->options : NULL, on_event, app,
		                &app->conn) != 0)
			abort();
	}
}

/* true: what stands in front has taken the packet. */
static bool front_takes(struct wire *wire, struct packet *packet)
{
	uint8_t *at = packet->bytes;
	struct tcp_packet answer = {.src = &packet->dst, .dst = &packet->src, .header = at};
	enum front_verdict verdict =
	        front_input(wire->front, &packet->src, at, &packet->size, wire->now);

	if (verdict == FRONT_ANSWER) {
		answer.header_size = (uint8_t)packet->size;
		emit(&wire->sides[1], &answer);
	}
	return verdict != FRONT_PASS;
}

static void give(struct wire *wire, const struct event *event)
{
	struct side *side = &wire->sides[event->end];
	struct packet *packet = event->packet;
	struct tcp_arrival arrival = {.src = packet->src,
	                              .dst = packet->dst,
	                              .segment = packet->bytes,
	                              .size = packet->size,
	                              .tos = packet->tos,
	                              .ttl = 64,
	                              .buffer = packet,
	                              .tail = packet->room};

	if (wire->front != NULL && side->end == 1 && front_takes(wire, packet)) {
		free(packet);
		return;
	}
	tcp_stack_clock(side->stack, wire->now);
	side->buffers++;
	if (!tcp_stack_input(side->stack, &arrival)) {
		side->buffers--;
		free(packet);
	}
}

static bool all_done(const struct wire *wire)
{
	for (unsigned end = 0; end < WIRE_ENDS; end++)
		for (unsigned i = 0; i < wire->params.connections; i++)
			if (!wire->sides[end].apps[i].done)
				return false;
	return true;
}

static void check_usage(struct wire *wire)
{
	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		struct tcp_usage usage = tcp_stack_usage(wire->sides[end].stack);

		if (usage.connections != 0 || usage.chunks != 0 || usage.records != 0 ||
		    usage.arrivals != 0 || usage.blocks != 0 || usage.actives != 0 ||
		    usage.requests != 0 || usage.time_waits != 0)
			fail(wire, "something was not given back");
		if (wire->sides[end].buffers != 0)
			fail(wire, "a buffer was lost");
	}
}

static void turn(struct wire *wire, struct event event)
{
	struct side *side = &wire->sides[event.end];

	if (event.packet != NULL) {
		give(wire, &event);
		return;
	}
	tcp_stack_clock(side->stack, wire->now);
	side->apps[event.conn].stalled = false;
	act(&side->apps[event.conn]);
}

/* One step: the earliest of packets, applications and timers. false: nothing is left. */
static bool step(struct wire *wire)
{
	uint64_t next = wire->n > 0 ? wire->heap[0].at : UINT64_MAX;

	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		uint64_t due = tcp_stack_deadline(wire->sides[end].stack);

		if (due < next)
			next = due;
	}
	if (next == UINT64_MAX)
		return false;
	if (next > wire->now)
		wire->now = next;
	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		tcp_stack_clock(wire->sides[end].stack, wire->now);
		if (tcp_stack_run(wire->sides[end].stack) <= wire->now)
			fail(wire, "a timer that was run is due again");
	}
	while (wire->n > 0 && wire->heap[0].at <= wire->now && wire->failure == NULL)
		turn(wire, pop(wire));
	return true;
}

static void close_wire(struct wire *wire)
{
	if (wire->front != NULL) {
		wire->result->edge = front_counts(wire->front);
		front_close(wire->front);
	}
	while (wire->n > 0)
		free(pop(wire).packet);
	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		wire->result->counters[end] = *tcp_stack_counters(wire->sides[end].stack);
		tcp_stack_destroy(wire->sides[end].stack);
		free(wire->sides[end].memory);
	}
}

struct wire_params wire_params_default(void)
{
	struct wire_params params = {.seed = 1,
	                             .connections = 1,
	                             .bytes = {100000, 100000},
	                             .delay_ns = 10000000,
	                             .queue = 100,
	                             .family = 4,
	                             .time_max = 3600ull * 1000000000ull};

	for (unsigned end = 0; end < WIRE_ENDS; end++) {
		struct tcp_config config = tcp_config_default();

		config.connections = config.actives = config.requests = config.time_waits = 128;
		config.chunks = 1024;
		config.records = 4096;
		config.arrivals = 8192;
		config.blocks = 256;
		params.config[end] = config;
	}
	return params;
}

struct wire_result wire_run(const struct wire_params *params)
{
	struct wire_result result = {.ns = 0};
	struct wire *wire = calloc(1, sizeof *wire);
	uint64_t steps = 0;

	if (wire == NULL)
		abort();
	wire->params = *params;
	wire->result = &result;
	wire->seed = params->seed;
	wire->now = 1000000000;
	open_side(wire, 0);
	open_side(wire, 1);
	open_conns(wire);
	while (wire->failure == NULL && !all_done(wire)) {
		if (!step(wire))
			fail(wire, "nothing happens any more");
		if (wire->now > params->time_max || ++steps > 50000000)
			fail(wire, "it takes too long");
	}
	result.ns = wire->now - 1000000000;
	/* TIME-WAIT and what else is left passes. */
	wire->params.hostile = 0;
	while (wire->failure == NULL && step(wire))
		;
	if (wire->failure == NULL)
		check_usage(wire);
	result.failure = wire->failure;
	result.packets = wire->packets;
	result.lost = wire->lost;
	close_wire(wire);
	free(wire);
	return result;
}
