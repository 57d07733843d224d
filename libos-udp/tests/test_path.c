/* SPDX-License-Identifier: BSD-2-Clause */
/* Path MTU discovery, and the border to other transports. */
#include "check.h"

#include <udp/transport.h>

#define S 1000000000ull

enum { PROTOCOL_TEST = 253 };

static struct bench bench;
static struct udp_socket sender;
static const struct udp_ip us6 = {.family = 6, .bytes = {0xfd, 0x51, [15] = 1}};
static const struct udp_ip peer6 = {.family = 6, .bytes = {0xfd, 0x51, [15] = 2}};
static unsigned failures;
static uint32_t last_value;
static udp_way way;
static struct udp_buffer *kept[8];
static unsigned n_kept, keep_max;

static void ignore(struct udp_socket *socket, struct udp_datagram *datagram)
{
}

static void failed(struct udp_socket *socket, enum udp_failure failure,
                   const struct udp_endpoint *remote, uint32_t value)
{
	failures += failure == UDP_FAILURE_TOO_BIG;
	last_value = value;
}

static int setup(void **state)
{
	struct udp_config config = udp_config_default();
	struct udp_ip peer = udp_ip4(PEER);

	failures = keep_max = 0;
	config.paths = 4;
	bench_open(&bench, &config);
	assert_int_equal(udp_address_add(bench.stack, 0, &us6, 64), 0);
	assert_int_equal(udp_neighbour_set(bench.stack, 0, &peer, bench_peer), 0);
	assert_int_equal(udp_neighbour_set(bench.stack, 0, &peer6, bench_peer), 0);
	sender = (struct udp_socket){.receive = ignore, .failure = failed, .local.port = 7};
	assert_int_equal(udp_socket_open(bench.stack, &sender), 0);
	bench_pass(&bench, 5 * S);
	bench_empty_tray(&bench);
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

static uint32_t mtu_to(const struct udp_ip *ip)
{
	return udp_path_mtu(bench.stack, NULL, ip);
}

/* A router says so of a datagram of `length` bytes from port `port`. */
static void too_big4(uint32_t dst, uint16_t port, uint16_t length, uint16_t mtu)
{
	uint8_t frame[128];

	bench_input(&bench, frame, bench_too_big(frame, US, port, dst, length, mtu));
}

static void too_big6(uint8_t protocol, uint32_t mtu)
{
	uint8_t message[ICMP_SIZE + IP6_SIZE + UDP_SIZE] = {ICMP6_TOO_BIG};
	struct bench_ip6 ip = {.src = peer6, .dst = us6, .next = PROTOCOL_ICMP6};
	uint8_t *quote = message + ICMP_SIZE, frame[160];

	wire_put32(message + ICMP_REST, mtu);
	quote[0] = 0x60;
	quote[IP6_NEXT] = protocol;
	memcpy(quote + IP6_SRC, us6.bytes, 16);
	memcpy(quote + IP6_DST, peer6.bytes, 16);
	wire_put16(quote + IP6_SIZE + UDP_SRC_PORT, 7);
	wire_put16(quote + IP6_SIZE + UDP_DST_PORT, 9);
	bench_icmp6_sum(message, sizeof message, &ip);
	bench_input(&bench, frame, bench_ip6(frame, &ip, message, sizeof message));
}

static void send(const struct udp_ip *ip, uint32_t size)
{
	static const uint8_t data[4000];
	struct udp_endpoint to = {*ip, 9};

	assert_int_equal(udp_socket_send_copy(&sender, data, size, &to), 0);
}

static void smaller_mtu_cuts_what_is_sent(void **state)
{
	struct udp_ip peer = udp_ip4(PEER);

	send(&peer, 1400);
	assert_int_equal(bench.n_tray, 1);
	too_big4(PEER, 7, 1428, 1000);
	assert_int_equal(failures, 1);
	assert_int_equal(last_value, 1000);
	assert_int_equal(mtu_to(&peer), 1000);
	bench_empty_tray(&bench);
	send(&peer, 1400);
	assert_int_equal(bench.n_tray, 2);
	assert_true(bench.tray[0].size <= ETH_SIZE + 1000);
	sender.dont_fragment = true;
	assert_int_equal(udp_socket_send_copy(&sender, "", 1, &(struct udp_endpoint){peer, 9}), 0);
	assert_int_equal(
	        udp_socket_send_copy(&sender, bench.tray, 1000, &(struct udp_endpoint){peer, 9}),
	        -UDP_EMSGSIZE);
	bench_pass(&bench, 601 * S);
	assert_int_equal(mtu_to(&peer), 1500);
}

static void only_what_we_sent_is_believed(void **state)
{
	struct udp_ip peer = udp_ip4(PEER);

	too_big4(PEER, 8, 1428, 1000); /* no socket has that port */
	assert_int_equal(mtu_to(&peer), 1500);
	too_big6(PROTOCOL_TEST, 1300); /* nobody speaks that */
	assert_int_equal(mtu_to(&peer6), 1500);
}

static void mtu_only_falls_and_not_too_far(void **state)
{
	struct udp_ip peer = udp_ip4(PEER);

	too_big4(PEER, 7, 1428, 1000);
	too_big4(PEER, 7, 1428, 1400);
	assert_int_equal(mtu_to(&peer), 1000);
	too_big4(PEER, 7, 1428, 68);
	assert_int_equal(mtu_to(&peer), 552);
	too_big6(PROTOCOL_UDP, 600);
	assert_int_equal(mtu_to(&peer6), 1280);
}

static void router_that_names_no_mtu_gets_the_next_lower(void **state)
{
	struct udp_ip peer = udp_ip4(PEER);

	too_big4(PEER, 7, 1500, 0);
	assert_int_equal(mtu_to(&peer), 1492);
	too_big4(PEER, 7, 1492, 0);
	assert_int_equal(mtu_to(&peer), 1006);
	too_big4(PEER, 7, 40, 0);
	assert_int_equal(mtu_to(&peer), 552);
}

static void table_is_bounded(void **state)
{
	for (uint32_t i = 0; i < 100; i++) {
		struct udp_ip ip = udp_ip4(0x0a000010 + i);

		bench.now += 1;
		too_big4(0x0a000010 + i, 7, 1428, 1000);
		assert_int_equal(mtu_to(&ip), 1000);
	}
	/* Four places, one set: the oldest are forgotten. */
	assert_int_equal(mtu_to(&(struct udp_ip){.family = 4, .bytes = {10, 0, 0, 16}}), 1500);
	assert_int_equal(mtu_to(&(struct udp_ip){.family = 4, .bytes = {10, 0, 0, 114}}), 1000);
}

/* What is no less than the path is thought to take is no news (RFC 8201, 4), and drives out none.
 */
static void mtu_that_is_no_less_is_no_news(void **state)
{
	struct udp_ip peer = udp_ip4(PEER);

	too_big4(PEER, 7, 1428, 1000);
	for (uint32_t i = 0; i < 100; i++) {
		bench.now += 1;
		too_big4(0x0a000010 + i, 7, 1428, 1500);
		too_big4(0x0a000010 + i, 7, 1428, 9000);
	}
	assert_int_equal(COUNT(&bench, path_mtu_learned), 1);
	assert_int_equal(mtu_to(&peer), 1000);
}

static void echo_replies_are_cut_too(void **state)
{
	uint8_t packet[1500], data[1300] = {0}, frame[1600];
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_ICMP};

	too_big4(PEER, 7, 1428, 1000);
	bench_input(&bench, frame,
	            bench_ip4(frame, &ip, packet, bench_echo(packet, 1, 1, data, sizeof data)));
	assert_int_equal(bench.n_tray, 2);
}

/* ---- Transports ---- */

static unsigned quoted;
static bool believe;

static bool input(void *context, const struct udp_transport_packet *packet)
{
	way = packet->way;
	if (n_kept >= keep_max)
		return false;
	for (uint32_t i = 0; i < packet->size; i++)
		assert_int_equal(packet->data[i], (uint8_t)i);
	memset(packet->data + packet->size, 0xff, packet->tail);
	kept[n_kept++] = packet->buffer;
	return true;
}

static void failure(void *context, const struct udp_ip *local, const struct udp_ip *remote,
                    const uint8_t *quote, uint32_t size, enum udp_failure what, uint32_t value)
{
	quoted++;
	assert_int_equal(what, UDP_FAILURE_TOO_BIG);
	assert_int_equal(value, 1400);
	assert_int_equal(wire_get16(quote), 7);
	assert_true(udp_ip_equal(remote, &peer6));
	if (believe)
		udp_transport_believe(bench.stack, remote, value);
}

static uint64_t run(void *context, uint64_t now)
{
	return UINT64_MAX;
}

static void transports_judge_what_is_quoted(void **state)
{
	static const struct udp_transport transport = {
	        .input = input, .error = failure, .run = run};
	struct udp_ip local = {.family = 0};

	quoted = 0;
	believe = false;
	assert_int_equal(udp_transport_set(bench.stack, PROTOCOL_TCP, &transport, NULL), 0);
	too_big6(PROTOCOL_TCP, 1400);
	assert_int_equal(quoted, 1);
	assert_int_equal(udp_transport_path(bench.stack, &peer6, &local), 1500);
	believe = true;
	too_big6(PROTOCOL_TCP, 1400);
	assert_int_equal(udp_transport_path(bench.stack, &peer6, &local), 1400);
}

/* An answer to what came in fragments goes straight back as well: whoever invents senders must not
 * have us ask for each of them. */
static void fragments_have_a_way_back(void **state)
{
	static const struct udp_transport transport = {
	        .input = input, .error = failure, .run = run};
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_TCP, .id = 1};
	uint8_t segment[24] = {0}, frame[128];
	udp_way whole;

	assert_int_equal(udp_transport_set(bench.stack, PROTOCOL_TCP, &transport, NULL), 0);
	bench_input(&bench, frame, bench_ip4(frame, &ip, segment, sizeof segment));
	whole = way;
	assert_true(whole != 0);
	way = 0;
	ip.fragment = 1;
	bench_input(&bench, frame, bench_ip4(frame, &ip, segment + 8, sizeof segment - 8));
	ip.fragment = IP4_MF;
	bench_input(&bench, frame, bench_ip4(frame, &ip, segment, 8));
	assert_int_equal(COUNT(&bench, reassembled), 1);
	assert_true(way == whole);
}

/* Who sends segments that nobody reads, in fragments, must not hold the places where fragments are
 * put together. */
static void who_keeps_segments_keeps_no_place_of_fragments(void **state)
{
	static const struct udp_transport transport = {
	        .input = input, .error = failure, .run = run};
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_TCP};
	uint8_t segment[3000], frame[4096];

	for (uint32_t i = 0; i < sizeof segment; i++)
		segment[i] = (uint8_t)i;
	n_kept = 0;
	keep_max = 8;
	assert_int_equal(udp_transport_set(bench.stack, PROTOCOL_TCP, &transport, NULL), 0);
	for (unsigned i = 0; i < keep_max; i++) {
		ip.id++;
		ip.fragment = IP4_MF;
		bench_input(&bench, frame, bench_ip4(frame, &ip, segment, 8));
		ip.fragment = 1;
		bench_input(&bench, frame, bench_ip4(frame, &ip, segment + 8, 100));
	}
	assert_int_equal(n_kept, keep_max);
	assert_int_equal(COUNT(&bench, reassembly_full), 0);
	/* What is longer than a segment of ours may be goes no further. */
	ip.id++;
	ip.fragment = IP4_MF;
	bench_input(&bench, frame, bench_ip4(frame, &ip, segment, 1480));
	ip.fragment = 1480 / 8;
	bench_input(&bench, frame, bench_ip4(frame, &ip, segment + 1480, 1480));
	assert_int_equal(COUNT(&bench, drop_no_buffer), 1);
	for (unsigned i = 0; i < n_kept; i++)
		udp_buffer_release(bench.stack, kept[i]);
}

/* Anybody can say what he wants of our datagrams; a transport looks after its own packets, which it
 * made for what it knows of the path. */
static void what_is_said_of_datagrams_stops_no_other_transport(void **state)
{
	struct udp_transport_send send = {.src = udp_ip4(US),
	                                  .dst = udp_ip4(PEER),
	                                  .protocol = PROTOCOL_TCP,
	                                  .ttl = 64,
	                                  .dont_fragment = true};
	struct udp_ip local = {.family = 0};
	struct udp_buffer *buffer;

	too_big4(PEER, 7, 1428, 552);
	bench_empty_tray(&bench);
	buffer = udp_transport_reserve(bench.stack, 1480);
	memset(buffer->data, 0, 1480);
	assert_int_equal(udp_transport_send(bench.stack, &send, buffer), 0);
	assert_int_equal(bench.n_tray, 1);
	buffer = udp_transport_reserve(bench.stack, 1481);
	assert_int_equal(udp_transport_send(bench.stack, &send, buffer), -UDP_EMSGSIZE);
	assert_int_equal(udp_transport_path(bench.stack, &send.dst, &local), 552);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(smaller_mtu_cuts_what_is_sent),
	        T(only_what_we_sent_is_believed),
	        T(mtu_only_falls_and_not_too_far),
	        T(router_that_names_no_mtu_gets_the_next_lower),
	        T(table_is_bounded),
	        T(mtu_that_is_no_less_is_no_news),
	        T(echo_replies_are_cut_too),
	        T(transports_judge_what_is_quoted),
	        T(fragments_have_a_way_back),
	        T(who_keeps_segments_keeps_no_place_of_fragments),
	        T(what_is_said_of_datagrams_stops_no_other_transport),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
