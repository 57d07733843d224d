/* SPDX-License-Identifier: BSD-2-Clause */
/* The loopback interface: sockets of one stack reach one another, and nobody else does. */
#include "check.h"

static struct bench bench;
static unsigned got, failed;
static struct udp_endpoint from;
static uint32_t size;

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	bench_open(&bench, &config);
	assert_int_equal(udp_loopback_add(bench.stack), 1);
	got = failed = 0;
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
	from = datagram->from;
	size = datagram->size;
}

static void answer(struct udp_socket *socket, struct udp_datagram *datagram)
{
	(void)udp_socket_reply(socket, datagram, datagram->size);
}

static void on_failure(struct udp_socket *socket, enum udp_failure failure,
                       const struct udp_endpoint *remote, uint32_t value)
{
	failed += failure == UDP_FAILURE_REFUSED;
}

static struct udp_ip six(void)
{
	return (struct udp_ip){.family = 6, .bytes = {[15] = 1}};
}

static void ask(const struct udp_ip *ip, uint32_t bytes)
{
	static uint8_t data[5000];
	struct udp_socket server = {.receive = answer, .local.port = 7};
	struct udp_socket client = {.receive = receive, .remote = {*ip, 7}};
	unsigned before = got;

	assert_int_equal(udp_socket_open(bench.stack, &server), 0);
	assert_int_equal(udp_socket_open(bench.stack, &client), 0);
	assert_int_equal(udp_socket_send_copy(&client, data, bytes, NULL), 0);
	assert_int_equal(got, before); /* never from within */
	(void)udp_stack_run(bench.stack);
	(void)udp_stack_run(bench.stack);
	assert_int_equal(got, before + 1);
	assert_int_equal(size, bytes);
	assert_true(udp_ip_equal(&from.ip, ip));
	assert_int_equal(bench.n_tray, 0);
	udp_socket_close(&client);
	udp_socket_close(&server);
}

static void both_families_answer(void **state)
{
	struct udp_ip one = udp_ip4(0x7f000001), two = udp_ip4(0x7f000002), last = six();

	ask(&one, 5);
	ask(&last, 5);
	ask(&one, 4000); /* in fragments */
	ask(&two, 5);
}

static void a_closed_port_refuses(void **state)
{
	struct udp_socket client = {
	        .receive = receive, .failure = on_failure, .remote = {udp_ip4(0x7f000001), 9}};

	assert_int_equal(udp_socket_open(bench.stack, &client), 0);
	assert_int_equal(udp_socket_send_copy(&client, "x", 1, NULL), 0);
	(void)udp_stack_run(bench.stack);
	(void)udp_stack_run(bench.stack);
	assert_int_equal(failed, 1);
	assert_int_equal(bench.n_tray, 0);
	udp_socket_close(&client);
}

/* RFC 1122, 3.2.1.3: not from outside, not to outside. */
static void nothing_crosses(void **state)
{
	struct bench_ip ip = {.src = 0x7f000001, .dst = US, .protocol = PROTOCOL_UDP};
	struct udp_socket server = {.receive = receive, .local.port = 7};
	struct udp_socket outside = {.receive = receive, .remote = {udp_ip4(PEER), 7}};
	uint8_t frame[200], packet[200];
	uint32_t n;

	assert_int_equal(udp_socket_open(bench.stack, &server), 0);
	n = bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, 1, 7, "x", 1));
	bench_input(&bench, frame, n < 60 ? 60 : n);
	ip = (struct bench_ip){.src = PEER, .dst = 0x7f000001, .protocol = PROTOCOL_UDP};
	n = bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, 1, 7, "x", 1));
	bench_input(&bench, frame, n < 60 ? 60 : n);
	assert_int_equal(got, 0);
	assert_int_equal(COUNT(&bench, drop_source), 1);
	assert_int_equal(COUNT(&bench, drop_not_ours), 1);
	outside.local.ip = udp_ip4(0x7f000001);
	assert_int_equal(udp_socket_open(bench.stack, &outside), 0);
	assert_int_equal(udp_socket_send_copy(&outside, "x", 1, NULL), -UDP_EUNREACHABLE);
	udp_socket_close(&outside);
	udp_socket_close(&server);
}

/* Whatever a driver takes a frame's place of arrival for. */
static void no_frame_arrives_by_it(void **state)
{
	static const uint8_t nobody[UDP_MAC_BYTES];
	struct bench_ip ip = {.src = 0x7f000002, .dst = 0x7f000001, .protocol = PROTOCOL_UDP};
	struct udp_socket server = {.receive = receive, .local = {udp_ip4(0x7f000001), 7}};
	uint8_t frame[200], packet[200];
	uint32_t n = bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, 1, 7, "x", 1));

	memcpy(frame, nobody, sizeof nobody);
	assert_int_equal(udp_socket_open(bench.stack, &server), 0);
	bench.interface = 1;
	bench_input(&bench, frame, n);
	assert_int_equal(got, 0);
	assert_int_equal(COUNT(&bench, drop_bad_buffer), 1);
	udp_socket_close(&server);
}

static void a_full_queue_drops(void **state)
{
	struct udp_socket server = {.receive = receive, .local.port = 7};
	struct udp_socket client = {.receive = answer, .remote = {udp_ip4(0x7f000001), 7}};

	assert_int_equal(udp_socket_open(bench.stack, &server), 0);
	assert_int_equal(udp_socket_open(bench.stack, &client), 0);
	for (unsigned i = 0; i < 100; i++)
		(void)udp_socket_send_copy(&client, "x", 1, NULL);
	(void)udp_stack_run(bench.stack);
	assert_int_equal(got, 64);
	assert_int_equal(COUNT(&bench, drop_no_buffer), 36);
	(void)udp_socket_send_copy(&client, "x", 1, NULL); /* stays: the stack ends with it */
	udp_socket_close(&client);
	udp_socket_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(both_families_answer, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_closed_port_refuses, setup, teardown),
	        cmocka_unit_test_setup_teardown(nothing_crosses, setup, teardown),
	        cmocka_unit_test_setup_teardown(no_frame_arrives_by_it, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_full_queue_drops, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
