/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets: who gets what, answers in place, what is sent. */
#include "check.h"

static struct bench bench;
static unsigned got, failures;
static uint8_t data[70000];
static uint32_t data_size;
static struct udp_datagram last;
static struct udp_socket *last_socket;

static int setup(void **state)
{
	struct udp_config config = udp_config_default();
	struct udp_ip peer = udp_ip4(PEER);

	bench_open(&bench, &config);
	udp_neighbour_set(bench.stack, 0, &peer, bench_peer);
	got = failures = 0;
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

static void receive(struct udp_socket *socket, struct udp_datagram *datagram)
{
	got++;
	last = *datagram;
	last_socket = socket;
	data_size = datagram->size;
	memcpy(data, datagram->data, datagram->size);
}

static void on_failure(struct udp_socket *socket, enum udp_failure failure,
                       const struct udp_endpoint *remote, uint32_t value)
{
	failures++;
	*(enum udp_failure *)socket->context = failure;
}

static void arrive(uint16_t from, uint16_t to, const void *bytes, uint32_t size)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_UDP};
	uint8_t frame[2000], packet[2000];

	size = bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, from, to, bytes, size));
	bench_input(&bench, frame, size < 60 ? 60 : size);
}

static void datagrams_reach_their_socket(void **state)
{
	struct udp_socket a = {.receive = receive, .local.port = 7};
	struct udp_socket b = {.receive = receive, .local = {udp_ip4(US), 9}};

	assert_int_equal(udp_socket_open(bench.stack, &a), 0);
	assert_int_equal(udp_socket_open(bench.stack, &b), 0);
	arrive(1000, 7, "hello", 5);
	assert_int_equal(got, 1);
	assert_ptr_equal(last_socket, &a);
	assert_int_equal(data_size, 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(last.from.port, 1000);
	assert_int_equal(udp_ip4_value(&last.from.ip), PEER);
	assert_int_equal(last.ttl, 64);
	arrive(1000, 9, "", 0);
	assert_ptr_equal(last_socket, &b);
	assert_int_equal(data_size, 0);
	udp_socket_close(&b);
	arrive(1000, 9, "x", 1);
	assert_int_equal(got, 2);
	assert_int_equal(COUNT(&bench, udp_no_port), 1);
	assert_int_equal(bench.n_tray, 1); /* port unreachable */
	assert_int_equal(bench.tray[0].data[ETH_SIZE + IP4_SIZE + 1], ICMP_CODE_PORT);
}

static void the_closest_socket_wins(void **state)
{
	struct udp_socket any = {.receive = receive, .local.port = 7};
	struct udp_socket ours = {.receive = receive, .local = {udp_ip4(US), 7}};
	struct udp_socket peers = {
	        .receive = receive, .local.port = 7, .remote = {udp_ip4(PEER), 1000}};

	assert_int_equal(udp_socket_open(bench.stack, &any), 0);
	arrive(1000, 7, "x", 1);
	assert_ptr_equal(last_socket, &any);
	assert_int_equal(udp_socket_open(bench.stack, &ours), 0);
	arrive(1000, 7, "x", 1);
	assert_ptr_equal(last_socket, &ours);
	assert_int_equal(udp_socket_open(bench.stack, &peers), 0);
	arrive(1000, 7, "x", 1);
	assert_ptr_equal(last_socket, &peers);
	arrive(1001, 7, "x", 1);
	assert_ptr_equal(last_socket, &ours);
}

static void taken_ports_are_refused(void **state)
{
	struct udp_socket a = {.receive = receive, .local.port = 7};
	struct udp_socket b = {.receive = receive, .local.port = 7};
	struct udp_socket c = {.receive = receive, .local = {udp_ip4(0x0a000009), 7}};

	assert_int_equal(udp_socket_open(bench.stack, &a), 0);
	assert_int_equal(udp_socket_open(bench.stack, &b), -UDP_EINUSE);
	assert_int_equal(udp_socket_open(bench.stack, &c), -UDP_EINVAL);
	udp_socket_close(&a);
	assert_int_equal(udp_socket_open(bench.stack, &b), 0);
}

static void ephemeral_ports_run_out(void **state)
{
	struct udp_config config = udp_config_default();
	struct udp_socket sockets[4] = {{0}};
	struct bench small;

	config.port_first = 5000;
	config.port_last = 5002;
	bench_open(&small, &config);
	for (unsigned i = 0; i < 4; i++) {
		sockets[i].receive = receive;
		assert_int_equal(udp_socket_open(small.stack, &sockets[i]),
		                 i < 3 ? 0 : -UDP_ENOSPC);
	}
	assert_in_range(sockets[0].local.port, 5000, 5002);
	bench_close(&small);
}

static void bad_datagrams_are_counted(void **state)
{
	struct udp_socket socket = {.receive = receive, .local.port = 7};
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_UDP};
	uint8_t frame[200], packet[100];
	uint32_t size;

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	for (uint16_t length = 0; length < 8; length++) {
		size = bench_udp(packet, &ip, 1, 7, "hello", 5);
		wire_put16(packet + UDP_LENGTH, length);
		bench_input(&bench, frame, bench_ip4(frame, &ip, packet, size));
	}
	size = bench_udp(packet, &ip, 1, 7, "hello", 5);
	wire_put16(packet + UDP_LENGTH, (uint16_t)(size + 1));
	bench_input(&bench, frame, bench_ip4(frame, &ip, packet, size));
	bench_input(&bench, frame, bench_ip4(frame, &ip, packet, 7));
	assert_int_equal(COUNT(&bench, udp_bad), 10);
	size = bench_udp(packet, &ip, 1, 7, "hello", 5);
	packet[10]++;
	bench_input(&bench, frame, bench_ip4(frame, &ip, packet, size));
	assert_int_equal(COUNT(&bench, udp_checksum), 1);
	assert_int_equal(got, 0);
	wire_put16(packet + UDP_CHECKSUM, 0); /* no checksum: allowed */
	bench_input(&bench, frame, bench_ip4(frame, &ip, packet, size));
	assert_int_equal(got, 1);
}

static void shorter_than_its_packet_is_trimmed(void **state)
{
	struct udp_socket socket = {.receive = receive, .local.port = 7};
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_UDP};
	uint8_t frame[200], packet[100] = {0};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	bench_udp(packet, &ip, 1, 7, "hello", 5);
	bench_input(&bench, frame, bench_ip4(frame, &ip, packet, 40));
	assert_int_equal(got, 1);
	assert_int_equal(data_size, 5);
}

static void answer(struct udp_socket *socket, struct udp_datagram *datagram)
{
	got++;
	assert_int_equal(udp_socket_reply(socket, datagram, datagram->size), 0);
	assert_null(datagram->buffer);
}

/* What the tray holds is a datagram back from port 7 with these bytes. */
static void check_answer(const void *bytes, uint32_t size)
{
	struct bench_ip ip = {.src = US, .dst = PEER, .protocol = PROTOCOL_UDP};
	uint8_t packet[2000];
	uint32_t total = bench_udp(packet, &ip, 7, 1000, bytes, size);

	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(bench.tray[0].size, ETH_SIZE + IP4_SIZE + total);
	assert_memory_equal(bench.tray[0].data, bench_peer, UDP_MAC_BYTES);
	assert_memory_equal(bench.tray[0].data + ETH_SIZE + IP4_SIZE, packet, total);
	bench_empty_tray(&bench);
}

static void answers_in_place(void **state)
{
	struct udp_socket socket = {.receive = answer, .local.port = 7};
	uint8_t bytes[1472];

	for (uint32_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 3);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	for (uint32_t size = 0; size <= sizeof bytes; size += size < 64 ? 1 : 64) {
		bench.buffers_max = 1; /* the request's own is all there is */
		arrive(1000, 7, bytes, size);
		check_answer(bytes, size);
	}
	arrive(1000, 7, bytes, sizeof bytes);
	check_answer(bytes, sizeof bytes);
	assert_int_equal(bench.buffers, 0);
}

static void fragmented_datagrams_are_answered_in_fragments(void **state)
{
	struct udp_socket socket = {.receive = answer, .local.port = 7};
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_UDP, .id = 4};
	uint8_t frame[2000], packet[4100], bytes[4000] = {1, 2, 3};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	bench_udp(packet, &ip, 1000, 7, bytes, sizeof bytes);
	for (uint16_t at = 0; at < 4008; at += 1480) {
		ip.fragment = (uint16_t)(at / 8 | (at < 2960 ? IP4_MF : 0));
		bench_input(&bench, frame,
		            bench_ip4(frame, &ip, packet + at, at < 2960 ? 1480 : 1048));
	}
	assert_int_equal(got, 1);
	assert_int_equal(bench.n_tray, 3);
}

static struct udp_buffer *kept;

static void keep(struct udp_socket *socket, struct udp_datagram *datagram)
{
	last = *datagram;
	kept = udp_datagram_keep(datagram);
	assert_int_equal(udp_socket_reply(socket, datagram, 1), -UDP_EINVAL);
}

static void datagrams_can_be_kept(void **state)
{
	struct udp_socket socket = {.receive = keep, .local.port = 7};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	arrive(1000, 7, "hello", 5);
	assert_int_equal(bench.buffers, 1);
	assert_memory_equal(last.data, "hello", 5);
	udp_buffer_release(bench.stack, kept);
	assert_int_equal(bench.buffers, 0);
}

static void close_and_answer(struct udp_socket *socket, struct udp_datagram *datagram)
{
	got++;
	udp_socket_close(socket);
	assert_int_equal(udp_socket_reply(socket, datagram, 1), -UDP_EINVAL);
}

static void sockets_may_close_themselves(void **state)
{
	struct udp_socket socket = {.receive = close_and_answer, .local.port = 7};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	arrive(1000, 7, "x", 1);
	arrive(1000, 7, "x", 1);
	assert_int_equal(got, 1);
}

static void sends_in_place(void **state)
{
	struct udp_socket socket = {
	        .receive = receive, .local.port = 7, .remote = {udp_ip4(PEER), 1000}};
	struct udp_buffer *buffer;

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	buffer = udp_socket_reserve(&socket, 5);
	assert_non_null(buffer);
	memcpy(buffer->data, "hello", 5);
	assert_int_equal(udp_socket_send(&socket, buffer, NULL), 0);
	check_answer("hello", 5);
}

static void sending_checks_its_arguments(void **state)
{
	struct udp_socket socket = {.receive = receive, .dont_fragment = true};
	struct udp_endpoint none = {.ip = udp_ip4(PEER)}, to = {udp_ip4(PEER), 9};
	struct udp_endpoint loop = {udp_ip4(0x7f000001), 9};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(udp_socket_send_copy(&socket, "x", 1, NULL), -UDP_EINVAL);
	assert_int_equal(udp_socket_send_copy(&socket, "x", 1, &none), -UDP_EINVAL);
	assert_int_equal(udp_socket_send_copy(&socket, "x", 1, &loop), -UDP_EUNREACHABLE);
	assert_int_equal(udp_socket_send_copy(&socket, data, 1472, &to), 0);
	assert_int_equal(udp_socket_send_copy(&socket, data, 1473, &to), -UDP_EMSGSIZE);
	assert_int_equal(udp_socket_send_copy(&socket, data, 65508, &to), -UDP_EMSGSIZE);
	socket.dont_fragment = false;
	assert_int_equal(udp_socket_send_copy(&socket, data, 65507, &to), 0);
	assert_null(udp_socket_reserve(&socket, 65508));
	bench.buffers_max = 0;
	assert_null(udp_socket_reserve(&socket, 5));
	assert_int_equal(udp_socket_send_copy(&socket, "x", 1, &to), -UDP_ENOBUFS);
}

static void refusal_reaches_the_socket(void **state)
{
	enum udp_failure failure = 0;
	struct udp_socket socket = {
	        .receive = receive, .failure = on_failure, .context = &failure, .local.port = 7};
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_ICMP};
	struct udp_endpoint to = {udp_ip4(PEER), 9};
	uint8_t frame[200], packet[100] = {ICMP_UNREACHABLE, ICMP_CODE_PORT};
	uint16_t sum;

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(udp_socket_send_copy(&socket, "x", 1, &to), 0);
	memcpy(packet + ICMP_SIZE, bench.tray[0].data + ETH_SIZE, 29);
	sum = udp_sum_finish(udp_sum_add(0, packet, 40));
	memcpy(packet + 2, &sum, 2);
	bench_input(&bench, frame, bench_ip4(frame, &ip, packet, 40));
	assert_int_equal(failures, 1);
	assert_int_equal(failure, UDP_FAILURE_REFUSED);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(datagrams_reach_their_socket),
	        T(the_closest_socket_wins),
	        T(taken_ports_are_refused),
	        T(ephemeral_ports_run_out),
	        T(bad_datagrams_are_counted),
	        T(shorter_than_its_packet_is_trimmed),
	        T(answers_in_place),
	        T(fragmented_datagrams_are_answered_in_fragments),
	        T(datagrams_can_be_kept),
	        T(sockets_may_close_themselves),
	        T(sends_in_place),
	        T(sending_checks_its_arguments),
	        T(refusal_reaches_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
