/* SPDX-License-Identifier: BSD-2-Clause */
/* The stream stack on libos-udp's IP layer: two hosts whose frames go to each other, ARP and all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <tcp/udp.h>

#include "../../libos-udp/tests/bench.h"

enum { BYTES = 200000, PORT = 80 };

struct host {
	struct bench bench;
	struct tcp_udp glue;
	void *memory;
	struct tcp_conn *conn;
	uint32_t received;
	bool opened, closed;
	enum tcp_cause cause;
};

static uint8_t content[BYTES];

static void open_host(struct host *host, const uint8_t *mac, uint32_t address)
{
	struct udp_config udp = udp_config_default();
	struct tcp_config config = tcp_config_default();
	struct udp_ip ip = udp_ip4(address);
	size_t size = tcp_stack_bytes(&config);

	*host = (struct host){.opened = false};
	bench_open_bare(&host->bench, &udp, mac, address);
	assert_int_equal(udp_address_add(host->bench.stack, 0, &ip, 24), 0);
	host->memory = aligned_alloc(64, size);
	assert_int_equal(tcp_udp_open(&host->glue, host->bench.stack, &config, host->memory, size),
	                 0);
}

static void close_host(struct host *host)
{
	tcp_udp_close(&host->glue);
	free(host->memory);
	bench_close(&host->bench);
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct host *host = tcp_conn_context(conn);
	struct tcp_span span;

	host->opened |= (events & TCP_EVENT_OPENED) != 0;
	while (tcp_peek(conn, &span, 1) == 1) {
		assert_in_range(span.size, 1, BYTES - host->received);
		assert_memory_equal(span.data, content + host->received, span.size);
		host->received += span.size;
		tcp_consume(conn, span.size);
	}
	if (events & TCP_EVENT_CLOSED) {
		host->closed = true;
		host->cause = tcp_conn_cause(conn);
	} else if (tcp_at_end(conn)) {
		(void)tcp_shutdown(conn);
	}
}

static void on_accept(struct tcp_listener *listener)
{
	struct host *host = tcp_listener_context(listener);

	host->conn = tcp_accept(listener, on_event, host);
	assert_int_equal(tcp_send(host->conn, content, BYTES, NULL, NULL, TCP_SEND_END), 0);
}

/* Carries what one host has sent to the other. */
static unsigned carry(struct host *from, struct host *to)
{
	unsigned n = from->bench.n_tray;

	for (unsigned i = 0; i < n; i++)
		bench_input(&to->bench, from->bench.tray[i].data, from->bench.tray[i].size);
	bench_empty_tray(&from->bench);
	return n;
}

static void exchange(struct host *a, struct host *b, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i++) {
		while (carry(a, b) + carry(b, a) > 0)
			;
		bench_pass(&a->bench, 1000000);
		bench_pass(&b->bench, 1000000);
	}
}

static void streams_cross_the_ip_layer(void **state)
{
	struct udp_endpoint server = {.ip = udp_ip4(0x0a000002), .port = PORT};
	struct tcp_listener *listener;
	static struct host a, b;

	open_host(&a, bench_mac, 0x0a000001);
	open_host(&b, bench_peer, 0x0a000002);
	assert_int_equal(tcp_listen(b.glue.tcp, &server, 8, NULL, on_accept, &b, &listener), 0);
	tcp_udp_clock(&a.glue);
	assert_int_equal(tcp_connect(a.glue.tcp, NULL, &server, NULL, on_event, &a, &a.conn), 0);
	exchange(&a, &b, 3000);
	assert_true(a.opened);
	assert_int_equal(a.received, BYTES);
	assert_true(a.closed && b.closed);
	assert_int_equal(a.cause, TCP_CAUSE_FINISHED);
	tcp_close(a.conn);
	tcp_close(b.conn);
	close_host(&a);
	close_host(&b);
}

static void ignore(struct udp_socket *socket, struct udp_datagram *datagram)
{
}

/* A stream from b to a is open; b is about to hear so. */
static void begin_stream(struct host *a, struct host *b)
{
	struct udp_endpoint server = {.ip = udp_ip4(0x0a000002), .port = PORT};
	struct tcp_listener *listener;

	open_host(a, bench_mac, 0x0a000001);
	open_host(b, bench_peer, 0x0a000002);
	assert_int_equal(tcp_listen(b->glue.tcp, &server, 8, NULL, on_accept, b, &listener), 0);
	tcp_udp_clock(&a->glue);
	assert_int_equal(tcp_connect(a->glue.tcp, NULL, &server, NULL, on_event, a, &a->conn), 0);
	while (!a->opened) {
		(void)carry(a, b);
		(void)carry(b, a);
		bench_pass(&a->bench, 1000000);
		bench_pass(&b->bench, 1000000);
	}
}

static void end_stream(struct host *a, struct host *b)
{
	assert_int_equal(a->received, BYTES);
	tcp_close(a->conn);
	tcp_close(b->conn);
	close_host(a);
	close_host(b);
}

/* What anybody can claim of datagrams, whose ports are known, ends no stream to the same host. */
static void forged_path_of_datagrams_stops_no_stream(void **state)
{
	struct udp_socket socket = {.receive = ignore, .local.port = 7};
	static struct host a, b;
	uint8_t frame[128];
	uint32_t size = bench_too_big(frame, 0x0a000002, 7, 0x0a000001, 1500, 552);

	begin_stream(&a, &b);
	assert_int_equal(udp_socket_open(b.bench.stack, &socket), 0);
	memcpy(frame, bench_peer, sizeof bench_peer);
	bench_input(&b.bench, frame, size);
	assert_int_equal(udp_stack_counters(b.bench.stack)->path_mtu_learned, 1);
	exchange(&a, &b, 3000);
	end_stream(&a, &b);
}

static const uint8_t moved[UDP_MAC_BYTES] = {2, 0, 0, 0, 0, 0x77};

/* Likewise, where `a` has another link address than it knows. */
static unsigned carry_from_moved(struct host *a, struct host *b)
{
	unsigned n = a->bench.n_tray;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = a->bench.tray[i].data;

		memcpy(frame + ETH_SRC, moved, sizeof moved);
		if (wire_get16(frame + ETH_TYPE) == ETHERTYPE_ARP)
			memcpy(frame + ETH_SIZE + ARP_SHA, moved, sizeof moved);
	}
	return carry(a, b) + n;
}

static unsigned carry_to_moved(struct host *b, struct host *a)
{
	unsigned n = b->bench.n_tray;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = b->bench.tray[i].data;

		if (memcmp(frame, moved, sizeof moved) == 0)
			memcpy(frame, a->bench.mac, sizeof moved);
		else if (!(frame[0] & 1))
			memset(frame, 0, sizeof moved); /* to whom nobody is any more */
	}
	return carry(b, a) + n;
}

/* Who only hears says nothing by which the sender would find him at another link address, as behind
 * a router that was exchanged: after some timeouts the neighbour table is asked. */
static void silence_makes_the_way_doubtful(void **state)
{
	static struct host a, b;
	uint8_t frame[64];

	begin_stream(&a, &b);
	(void)carry(&a, &b);
	bench_empty_tray(&b.bench);
	bench_input(&b.bench, frame,
	            bench_arp(frame, ARP_REQUEST, moved, 0x0a000001, moved, 0x0a000001));
	for (unsigned ms = 0; ms < 5000; ms++) {
		while (carry_from_moved(&a, &b) + carry_to_moved(&b, &a) > 0)
			;
		bench_pass(&a.bench, 1000000);
		bench_pass(&b.bench, 1000000);
	}
	end_stream(&a, &b);
}

/* Nobody listens: the reset comes back at once. Nobody is there: ARP gives up, and we hear of it.
 */
static void refusal_and_absence(void **state)
{
	struct udp_endpoint closed = {.ip = udp_ip4(0x0a000002), .port = 81};
	struct udp_endpoint absent = {.ip = udp_ip4(0x0a000063), .port = 81};
	static struct host a, b;

	open_host(&a, bench_mac, 0x0a000001);
	open_host(&b, bench_peer, 0x0a000002);
	assert_int_equal(tcp_connect(a.glue.tcp, NULL, &closed, NULL, on_event, &a, &a.conn), 0);
	exchange(&a, &b, 100);
	assert_true(a.closed);
	assert_int_equal(a.cause, TCP_CAUSE_REFUSED);
	tcp_close(a.conn);
	a.closed = false;
	assert_int_equal(tcp_connect(a.glue.tcp, NULL, &absent, NULL, on_event, &a, &a.conn), 0);
	exchange(&a, &b, 5000);
	assert_true(a.closed);
	assert_int_equal(a.cause, TCP_CAUSE_UNREACHABLE);
	tcp_close(a.conn);
	close_host(&a);
	close_host(&b);
}

/* A stream from a stack to itself. */
static void loopback_carries_streams(void **state)
{
	struct udp_endpoint server = {.ip = udp_ip4(0x7f000001), .port = PORT};
	struct tcp_listener *listener;
	static struct host a;
	struct tcp_conn *client;

	open_host(&a, bench_mac, 0x0a000001);
	assert_int_equal(udp_loopback_add(a.bench.stack), 1);
	bench_pass(&a.bench, 10000000000ull);
	bench_empty_tray(&a.bench);
	assert_int_equal(tcp_listen(a.glue.tcp, &server, 8, NULL, on_accept, &a, &listener), 0);
	tcp_udp_clock(&a.glue);
	assert_int_equal(tcp_connect(a.glue.tcp, NULL, &server, NULL, on_event, &a, &client), 0);
	for (unsigned i = 0; i < 3000; i++)
		bench_pass(&a.bench, 1000000);
	assert_true(a.opened);
	assert_int_equal(a.received, BYTES);
	assert_int_equal(a.bench.n_tray, 0);
	tcp_close(client);
	tcp_close(a.conn);
	server.port++;
	a.closed = false;
	assert_int_equal(tcp_connect(a.glue.tcp, NULL, &server, NULL, on_event, &a, &client), 0);
	for (unsigned i = 0; i < 10; i++)
		bench_pass(&a.bench, 1000000);
	assert_true(a.closed);
	assert_int_equal(a.cause, TCP_CAUSE_REFUSED);
	tcp_close(client);
	tcp_listener_close(listener);
	close_host(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(streams_cross_the_ip_layer),
	        cmocka_unit_test(loopback_carries_streams),
	        cmocka_unit_test(refusal_and_absence),
	        cmocka_unit_test(forged_path_of_datagrams_stops_no_stream),
	        cmocka_unit_test(silence_makes_the_way_doubtful),
	};

	for (uint32_t i = 0; i < BYTES; i++)
		content[i] = (uint8_t)(i * 7 + (i >> 8));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
