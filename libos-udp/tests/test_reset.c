/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets for TCP segments to ports that nobody has (RFC 9293, 3.10.7.1). */
#include "check.h"

#include <udp/transport.h>

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, SEGMENT = 20 };

static struct bench bench;

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	bench_open(&bench, &config);
	bench_empty_tray(&bench);
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

/* A segment from port 1000 to port 80 with `data` bytes behind the header. */
static void arrives(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t data, bool damaged)
{
	const struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_TCP, .ttl = 64};
	struct udp_ip src = udp_ip4(PEER), dst = udp_ip4(US);
	uint8_t segment[SEGMENT + 100] = {0}, frame[256];
	uint16_t sum;

	wire_put16(segment, 1000);
	wire_put16(segment + 2, 80);
	wire_put32(segment + 4, seq);
	wire_put32(segment + 8, ack);
	segment[12] = 5 << 4;
	segment[13] = flags;
	sum = udp_sum_finish(
	        udp_sum_add(udp_sum_pseudo(0, &src, &dst, PROTOCOL_TCP, SEGMENT + data), segment,
	                    SEGMENT + data));
	memcpy(segment + 16, &sum, sizeof(sum));
	segment[4] ^= damaged;
	bench_input(&bench, frame, bench_ip4(frame, &ip, segment, SEGMENT + data));
}

/* The one frame in the tray is a reset with these numbers. */
static void reset_left(uint8_t flags, uint32_t seq, uint32_t ack)
{
	const uint8_t *ip, *segment;
	struct udp_ip src = udp_ip4(US), dst = udp_ip4(PEER);

	assert_int_equal(bench.n_tray, 1);
	ip = bench.tray[0].data + ETH_SIZE;
	segment = ip + IP4_SIZE;
	assert_int_equal(ip[IP4_PROTOCOL], PROTOCOL_TCP);
	assert_int_equal(wire_get32(ip + IP4_DST), PEER);
	assert_int_equal(wire_get16(segment), 80);
	assert_int_equal(wire_get16(segment + 2), 1000);
	assert_int_equal(segment[13], flags);
	assert_int_equal(wire_get32(segment + 4), seq);
	assert_int_equal(wire_get32(segment + 8), ack);
	assert_int_equal(
	        udp_sum_finish(udp_sum_add(udp_sum_pseudo(0, &src, &dst, PROTOCOL_TCP, SEGMENT),
	                                   segment, SEGMENT)),
	        0);
	bench_empty_tray(&bench);
}

static void without_ack(void **state)
{
	arrives(SYN, 100, 0, 0, false);
	reset_left(RST | ACK, 0, 101);
	arrives(FIN, 0xffffffff, 0, 10, false);
	reset_left(RST | ACK, 0, 10);
	assert_int_equal(udp_stack_counters(bench.stack)->tcp_resets_out, 2);
}

static void with_ack(void **state)
{
	arrives(ACK, 100, 777, 50, false);
	reset_left(RST, 777, 0);
}

static void not_answered(void **state)
{
	arrives(RST, 1, 0, 0, false);
	arrives(RST | ACK, 1, 1, 0, false);
	arrives(SYN, 1, 0, 0, true);
	assert_int_equal(bench.n_tray, 0);
}

/* As often as errors may be sent, and not more. */
static void limited(void **state)
{
	unsigned burst = udp_config_default().error_burst;

	for (unsigned i = 0; i < burst + 5; i++)
		arrives(SYN, i, 0, 0, false);
	assert_int_equal(bench.n_tray, burst);
	assert_int_equal(udp_stack_counters(bench.stack)->icmp_errors_limited, 5);
}

static bool takes_none(void *context, const struct udp_transport_packet *packet)
{
	return false;
}

static uint64_t never(void *context, uint64_t now)
{
	return UINT64_MAX;
}

/* Who has a stream stack answers by it. */
static void not_beside_a_transport(void **state)
{
	static const struct udp_transport transport = {.input = takes_none, .run = never};

	assert_int_equal(udp_transport_set(bench.stack, PROTOCOL_TCP, &transport, NULL), 0);
	arrives(SYN, 1, 0, 0, false);
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(udp_transport_set(bench.stack, PROTOCOL_TCP, NULL, NULL), 0);
}

/* Who shares the address without that duty is silent. */
static void not_without_the_role(void **state)
{
	struct udp_config config = udp_config_default();

	bench_close(&bench);
	config.roles = UDP_ROLE_RESOLVE | UDP_ROLE_ECHO;
	bench_open(&bench, &config);
	bench_empty_tray(&bench);
	arrives(SYN, 1, 0, 0, false);
	assert_int_equal(bench.n_tray, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(without_ack, setup, teardown),
	        cmocka_unit_test_setup_teardown(with_ack, setup, teardown),
	        cmocka_unit_test_setup_teardown(not_answered, setup, teardown),
	        cmocka_unit_test_setup_teardown(limited, setup, teardown),
	        cmocka_unit_test_setup_teardown(not_beside_a_transport, setup, teardown),
	        cmocka_unit_test_setup_teardown(not_without_the_role, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
