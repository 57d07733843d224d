/* SPDX-License-Identifier: BSD-2-Clause */
/* The workload on libos-tcp: two stacks, a wire of buffers between them. */
#include <tcp/conn.h>

#include "workload.h"

enum { BURST_BYTES = 65160 }; /* of segments that leave the stack together */

struct packet {
	struct packet *next;
	struct udp_ip src, dst;
	uint32_t size;
	uint8_t bytes[PACKET_MAX];
};

struct end {
	struct tcp_stack *stack;
	struct end *peer;
	struct packet *first, *last; /* on their way to it */
};

struct client {
	struct tcp_conn *conn;
	uint32_t wanted; /* bytes of the answer to come */
};

static struct packet packets[WIRE_PACKETS], *free_packets;
static struct end ends[2];
static uint8_t data[PIECE_BYTES];
static struct client clients[CLIENTS];
static uint64_t now = 1, received, to_send;
static uint32_t asked, answered, served[CLIENTS];

/* ---- The wire ---- */

static void put(void *context, const struct tcp_packet *packet)
{
	struct end *to = ((struct end *)context)->peer;
	struct packet *copy = free_packets;

	if (copy == NULL)
		return;
	free_packets = copy->next;
	copy->next = NULL;
	copy->src = *packet->src;
	copy->dst = *packet->dst;
	copy->size = packet->header_size + packet->size;
	tcp_packet_copy(packet, copy->bytes);
	if (to->first == NULL)
		to->first = copy;
	else
		to->last->next = copy;
	to->last = copy;
}

/* The wire takes packets of Ethernet's MTU: a burst is cut here, as a driver does. */
static void op_output(void *context, const struct tcp_packet *packet)
{
	struct tcp_piece pieces[TCP_PIECES_MAX];
	uint8_t header[TCP_HEADER_MAX];
	struct tcp_packet segment;

	if (packet->segment_size == 0)
		put(context, packet);
	else
		for (uint32_t i = 0; tcp_packet_cut(packet, i, &segment, header, pieces); i++)
			put(context, &segment);
}

static void op_release(void *context, void *buffer)
{
	struct packet *packet = buffer;

	packet->next = free_packets;
	free_packets = packet;
}

static uint64_t op_random(void *context)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return state;
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	*local = (struct udp_ip){.family = 4, .bytes = {10, 0, 0, context == &ends[0] ? 1 : 2}};
	return PACKET_MAX;
}

static void carry(struct end *end)
{
	struct packet *packet = end->first;

	end->first = NULL;
	while (packet != NULL) {
		struct packet *next = packet->next;
		struct tcp_arrival arrival = {.src = packet->src,
		                              .dst = packet->dst,
		                              .segment = packet->bytes,
		                              .size = packet->size,
		                              .ttl = 64,
		                              .buffer = packet};

		if (!tcp_stack_input(end->stack, &arrival))
			op_release(end, packet);
		packet = next;
	}
}

static void turn(void)
{
	now += 1000;
	for (unsigned i = 0; i < 2; i++) {
		tcp_stack_clock(ends[i].stack, now);
		carry(&ends[i]);
		if (tcp_stack_deadline(ends[i].stack) <= now || ends[!i].first == NULL)
			(void)tcp_stack_run(ends[i].stack);
	}
	/* Nothing is under way: what waits for a timer need not wait in real time. */
	if (ends[0].first == NULL && ends[1].first == NULL)
		now += 1000000;
}

/* ---- Applications ---- */

static uint32_t drain(struct tcp_conn *conn)
{
	uint32_t n = tcp_unread(conn);

	tcp_consume(conn, n);
	return n;
}

static void on_sink(struct tcp_conn *conn, unsigned events)
{
	received += drain(conn);
}

static void on_source(struct tcp_conn *conn, unsigned events)
{
	while (to_send > 0 && tcp_send_space(conn) > 0 && tcp_unsent(conn) < 4 * PIECE_BYTES) {
		uint32_t n = to_send < PIECE_BYTES ? (uint32_t)to_send : PIECE_BYTES;

		if (tcp_send(conn, data, n, NULL, NULL, 0) != 0)
			break;
		to_send -= n;
	}
}

static void on_request(struct tcp_conn *conn, unsigned events)
{
	uint32_t *have = tcp_conn_context(conn);

	*have += drain(conn);
	while (*have >= REQUEST_BYTES) {
		*have -= REQUEST_BYTES;
		(void)tcp_send(conn, data, ANSWER_BYTES, NULL, NULL, 0);
	}
}

static void ask(struct client *client)
{
	if (asked == REQUESTS)
		return;
	asked++;
	client->wanted = ANSWER_BYTES;
	(void)tcp_send(client->conn, data, REQUEST_BYTES, NULL, NULL, 0);
}

static void on_answer(struct tcp_conn *conn, unsigned events)
{
	struct client *client = tcp_conn_context(conn);
	uint32_t n = drain(conn);

	if (events & TCP_EVENT_OPENED) {
		ask(client);
		return;
	}
	if (n == 0)
		return;
	client->wanted -= n;
	if (client->wanted > 0)
		return;
	answered++;
	ask(client);
}

static void on_accept(struct tcp_listener *listener)
{
	static unsigned n;
	tcp_event_fn *event = (tcp_event_fn *)tcp_listener_context(listener);

	while (tcp_accept(listener, event, &served[n % CLIENTS]) != NULL)
		n++;
}

static struct tcp_conn *connect_to(uint16_t port, tcp_event_fn *event, void *context)
{
	struct udp_endpoint remote = {.ip = {.family = 4, .bytes = {10, 0, 0, 2}}, .port = port};
	struct tcp_conn *conn = NULL;

	workload_check(tcp_connect(ends[0].stack, NULL, &remote, NULL, event, context, &conn) == 0,
	               "connect");
	return conn;
}

static void open_end(struct end *end, struct end *peer)
{
	static const struct tcp_ops ops = {op_output, op_release, op_random, op_path, NULL};
	struct tcp_config config = tcp_config_default();
	size_t size;

	config.segment_max = BURST_BYTES;
	config.gather = true;
	size = tcp_stack_bytes(&config);
	end->peer = peer;
	end->stack = tcp_stack_create(aligned_alloc(64, (size + 63) & ~(size_t)63), size, &config,
	                              &ops, end, now);
	workload_check(end->stack != NULL, "stack");
}

static void bulk(void)
{
	struct tcp_conn *conn = connect_to(1, on_source, NULL);
	double start = workload_seconds();

	to_send = BULK_BYTES;
	while (received < BULK_BYTES) {
		on_source(conn, 0);
		turn();
	}
	printf("bulk %.6f\n", workload_seconds() - start);
}

static void requests(void)
{
	double start = workload_seconds();

	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i].conn = connect_to(2, on_answer, &clients[i]);
	while (answered < REQUESTS)
		turn();
	printf("requests %.6f\n", workload_seconds() - start);
}

int main(void)
{
	struct tcp_listener *listener;

	for (unsigned i = 0; i < WIRE_PACKETS; i++)
		op_release(NULL, &packets[i]);
	open_end(&ends[0], &ends[1]);
	open_end(&ends[1], &ends[0]);
	workload_check(tcp_listen(ends[1].stack, &(struct udp_endpoint){.port = 1}, 64, NULL,
	                          on_accept, (void *)on_sink, &listener) == 0 &&
	                       tcp_listen(ends[1].stack, &(struct udp_endpoint){.port = 2}, 64,
	                                  NULL, on_accept, (void *)on_request, &listener) == 0,
	               "listen");
	bulk();
	requests();
	return 0;
}
