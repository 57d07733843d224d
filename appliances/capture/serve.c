/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers by TCP: a connection gets the stream from its beginning on, for as long as it stays open.
 * What a reader sends is thrown away.
 */
#include <exo/error.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <tcp/exo.h>

#include "capture.h"

enum {
	READERS_MAX = 4,
	SEND_BUFFER = 1 << 20,
	RING_SIZE = 128,
};

struct reader {
	struct outlet outlet;  /* first: outlet_* give it back */
	struct tcp_conn *conn; /* NULL: free */
	/* What is left of a block that the stack took a part of: it goes first. */
	uint32_t left_at, left;
	uint8_t rest[CAPTURE_BLOCK_MAX];
};

static struct tcp_exo net;
static bool is_open;
static struct reader readers[READERS_MAX];

/* Whether the rest has gone. */
static bool push(struct reader *reader)
{
	int64_t n = reader->left == 0 ? 0
	                              : tcp_send_copy(reader->conn, reader->rest + reader->left_at,
	                                              reader->left, 0);

	if (n > 0) {
		reader->left_at += (uint32_t)n;
		reader->left -= (uint32_t)n;
	}
	return reader->left == 0;
}

static bool write(struct outlet *outlet, const void *block, uint32_t size)
{
	struct reader *reader = (struct reader *)outlet;
	int64_t n;

	if (!push(reader) || tcp_send_space(reader->conn) < size)
		return false;
	n = tcp_send_copy(reader->conn, block, size, 0);
	if (n <= 0)
		return false;
	reader->left_at = 0;
	reader->left = size - (uint32_t)n;
	memcpy(reader->rest, (const uint8_t *)block + n, reader->left);
	return true;
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct reader *reader = tcp_conn_context(conn);

	if (reader->conn != NULL && (events & (TCP_EVENT_ENDED | TCP_EVENT_CLOSED)) != 0) {
		reader->conn = NULL;
		tcp_close(conn);
	}
}

static void on_accept(struct tcp_listener *listener)
{
	struct reader *reader = readers;
	struct tcp_conn *conn;

	while (reader < readers + READERS_MAX && reader->conn != NULL)
		reader++;
	if (reader == readers + READERS_MAX) {
		conn = tcp_accept(listener, NULL, NULL);
		if (conn != NULL)
			tcp_abort(conn);
		return;
	}
	conn = tcp_accept(listener, on_event, reader);
	if (conn == NULL)
		return;
	reader->conn = conn;
	reader->left = 0;
	tcp_shutdown_read(conn);
	outlet_open(&reader->outlet, write);
	(void)outlet_begin(&reader->outlet);
}

int serve_open(uint16_t port)
{
	struct tcp_exo_options options = tcp_exo_options_default();
	struct tcp_options each;
	struct tcp_listener *listener;
	int result;

	options.udp.flow = "serve";
	options.udp.ring_size = RING_SIZE;
	options.tcp.connections = options.tcp.actives = 2 * READERS_MAX;
	options.tcp.requests = options.tcp.time_waits = 2 * READERS_MAX;
	options.tcp.blocks = READERS_MAX * SEND_BUFFER / TCP_BLOCK_BYTES;
	options.tcp.chunks = 2 * options.tcp.blocks;
	options.tcp.records = READERS_MAX * SEND_BUFFER / 1024;
	options.tcp.send_buffer = options.tcp.send_buffer_max = SEND_BUFFER;
	result = tcp_exo_open(&net, &options);
	if (result < 0) {
		exo_printf("capture: %s\n", net.driver.error);
		return result;
	}
	each = tcp_options_default(net.stack);
	each.send_buffer = SEND_BUFFER;
	if (tcp_listen(net.stack, &(struct udp_endpoint){.port = port}, READERS_MAX, &each,
	               on_accept, NULL, &listener) != 0) {
		exo_printf("capture: cannot listen at port %u\n", port);
		return -EXO_EINVAL;
	}
	is_open = true;
	return 0;
}

void serve_packet(const struct interface *interface, const struct exo_rx_frame *frame)
{
	for (unsigned i = 0; i < READERS_MAX; i++)
		if (readers[i].conn != NULL)
			(void)outlet_packet(&readers[i].outlet, interface, frame);
}

void serve_statistics(void)
{
	for (unsigned i = 0; i < READERS_MAX; i++)
		if (readers[i].conn != NULL)
			outlet_statistics(&readers[i].outlet);
}

uint32_t serve_run(void)
{
	if (!is_open)
		return 0;
	for (unsigned i = 0; i < READERS_MAX; i++)
		if (readers[i].conn != NULL)
			(void)push(&readers[i]);
	return tcp_exo_poll(&net);
}

uint64_t serve_due(void)
{
	return is_open ? net.driver.deadline : UINT64_MAX;
}
