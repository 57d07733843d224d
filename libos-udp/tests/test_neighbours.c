/* SPDX-License-Identifier: BSD-2-Clause */
/* A neighbour table that the host of an address keeps and another stack at that address reads. */
#include "check.h"

#include <udp/neighbours.h>

#define MS 1000000ull

static struct bench host, sharer;
static struct udp_neighbours table;
static struct udp_socket sender;
static unsigned failures;

static void ignore(struct udp_socket *socket, struct udp_datagram *datagram)
{
}

static void failed(struct udp_socket *socket, enum udp_failure failure,
                   const struct udp_endpoint *remote, uint32_t value)
{
	failures += failure == UDP_FAILURE_NEIGHBOUR;
}

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	memset(&table, 0, sizeof(table));
	failures = 0;
	bench_open(&host, &config);
	config.roles = UDP_ROLE_ASK;
	bench_open(&sharer, &config);
	assert_int_equal(udp_neighbours_publish(host.stack, 0, &table), 0);
	assert_int_equal(udp_neighbours_consult(sharer.stack, 0, &table), 0);
	assert_int_equal(udp_neighbours_consult(sharer.stack, 1, &table), -UDP_EINVAL);
	sender = (struct udp_socket){.receive = ignore, .failure = failed, .local.port = 40000};
	assert_int_equal(udp_socket_open(sharer.stack, &sender), 0);
	bench_empty_tray(&host);
	bench_empty_tray(&sharer);
	return 0;
}

static int teardown(void **state)
{
	bench_close(&host);
	bench_close(&sharer);
	return 0;
}

static void send_one(void)
{
	struct udp_endpoint to = {.ip = udp_ip4(PEER), .port = 9};

	assert_int_equal(udp_socket_send_copy(&sender, "hello", 5, &to), 0);
}

/* ARP of the peer's arrives at the host. */
static void arp_arrives(uint16_t op, const uint8_t *mac)
{
	uint8_t frame[128];

	bench_input(&host, frame, bench_arp(frame, op, mac, PEER, bench_mac, US));
}

static void leaves_to(const uint8_t *mac)
{
	assert_int_equal(sharer.n_tray, 1);
	assert_memory_equal(sharer.tray[0].data, mac, UDP_MAC_BYTES);
	assert_int_equal(wire_get16(sharer.tray[0].data + 12), ETHERTYPE_IP4);
	bench_empty_tray(&sharer);
}

/* What the host knows already costs no question. */
static void known_to_the_host(void **state)
{
	arp_arrives(1, bench_peer);
	send_one();
	leaves_to(bench_peer);
}

/* The question is the sharer's, the answer the host's. */
static void asked_for(void **state)
{
	send_one();
	assert_int_equal(sharer.n_tray, 1);
	assert_int_equal(wire_get16(sharer.tray[0].data + 12), ETHERTYPE_ARP);
	bench_empty_tray(&sharer);
	bench_pass(&sharer, 100 * MS);
	assert_int_equal(sharer.n_tray, 0);
	arp_arrives(2, bench_peer);
	bench_pass(&sharer, 100 * MS);
	leaves_to(bench_peer);
}

/* What others on the link ask each other is no answer to anybody here, and fills no table. */
static void talk_of_others_is_not_kept(void **state)
{
	uint8_t frame[128], mac[UDP_MAC_BYTES] = {2, 1};

	send_one();
	arp_arrives(2, bench_peer);
	bench_pass(&sharer, 100 * MS);
	bench_empty_tray(&sharer);
	for (uint32_t i = 0; i < 100; i++) {
		host.now += MS;
		mac[5] = (uint8_t)i;
		bench_input(&host, frame,
		            bench_arp(frame, 1, mac, PEER + 10 + i, bench_mac, PEER + 200));
	}
	send_one();
	leaves_to(bench_peer);
}

static void nobody_answers(void **state)
{
	send_one();
	bench_pass(&sharer, 4000 * MS);
	assert_int_equal(failures, 1);
	assert_int_equal(sharer.n_tray, 3); /* questions */
	bench_empty_tray(&sharer);
}

/* A neighbour that moves is found at its new place; one that is forgotten is asked for again. */
static void follows_the_host(void **state)
{
	static const uint8_t other[UDP_MAC_BYTES] = {2, 0, 0, 0, 0, 77};

	arp_arrives(1, bench_peer);
	arp_arrives(1, other);
	send_one();
	leaves_to(other);
	for (unsigned i = 0; i < UDP_NEIGHBOURS_MAX; i++)
		table.entries[i].used = 0;
	send_one();
	assert_int_equal(wire_get16(sharer.tray[0].data + 12), ETHERTYPE_ARP);
}

/* What is being written for ever, or nonsense, is as if it were not there. */
static void distrusts_the_table(void **state)
{
	static const uint8_t group[UDP_MAC_BYTES] = {1, 0, 0, 0, 0, 1};

	arp_arrives(1, bench_peer);
	for (unsigned i = 0; i < UDP_NEIGHBOURS_MAX; i++)
		table.entries[i].sequence |= 1;
	send_one();
	assert_int_equal(wire_get16(sharer.tray[0].data + 12), ETHERTYPE_ARP);
	bench_empty_tray(&sharer);
	for (unsigned i = 0; i < UDP_NEIGHBOURS_MAX; i++) {
		table.entries[i].sequence = 2;
		memcpy(table.entries[i].mac, group, sizeof(group));
	}
	bench_pass(&sharer, 100 * MS);
	assert_int_equal(sharer.n_tray, 0);
}

/* ---- The same over IPv6 (RFC 4861) ---- */

static struct udp_ip us6, peer6;
static uint8_t flags = ND_SOLICITED | ND_OVERRIDE; /* of advertisements */

static struct udp_ip ip_of(const char *text)
{
	struct udp_ip ip;

	assert_true(udp_ip_parse(text, &ip));
	return ip;
}

static int setup6(void **state)
{
	(void)setup(state);
	us6 = ip_of("fd51::1");
	peer6 = ip_of("fd51::2");
	assert_int_equal(udp_address_add(host.stack, 0, &us6, 64), 0);
	assert_int_equal(udp_address_add(sharer.stack, 0, &us6, 64), 0);
	bench_pass(&host, 10000 * MS);
	bench_pass(&sharer, 10000 * MS);
	bench_empty_tray(&host);
	bench_empty_tray(&sharer);
	return 0;
}

static void send_six(void)
{
	struct udp_endpoint to = {.ip = peer6, .port = 9};

	assert_int_equal(udp_socket_send_copy(&sender, "hello", 5, &to), 0);
}

/* The peer asks for us (a solicitation), or answers (an advertisement), at the host. */
static void nd_arrives(uint8_t type, const struct udp_ip *target, const uint8_t *mac)
{
	struct bench_ip6 ip = {.src = peer6, .dst = us6, .next = PROTOCOL_ICMP6, .hops = ND_HOPS};
	uint8_t message[ND_SIZE + ND_OPTION_SIZE] = {[ICMP_TYPE] = type}, frame[256];
	bool asks = type == ICMP6_NEIGHBOUR_SOLICIT;

	message[ND_FLAGS] = asks ? 0 : flags;
	memcpy(message + ND_TARGET, target->bytes, 16);
	message[ND_SIZE] = asks ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
	message[ND_SIZE + 1] = 1;
	memcpy(message + ND_SIZE + 2, mac, UDP_MAC_BYTES);
	bench_icmp6_sum(message, sizeof(message), &ip);
	bench_input(&host, frame, bench_ip6(frame, &ip, message, sizeof(message)));
}

/* → whether one frame left, a UDP datagram to this neighbour. */
static bool left6(const uint8_t *mac)
{
	bool right = sharer.n_tray == 1 && memcmp(sharer.tray[0].data, mac, UDP_MAC_BYTES) == 0 &&
	             wire_get16(sharer.tray[0].data + 12) == ETHERTYPE_IP6 &&
	             sharer.tray[0].data[14 + 6] == PROTOCOL_UDP;

	bench_empty_tray(&sharer);
	return right;
}

static void known_to_the_host6(void **state)
{
	static const uint8_t other[UDP_MAC_BYTES] = {2, 0, 0, 0, 0, 77};

	nd_arrives(ICMP6_NEIGHBOUR_SOLICIT, &us6, bench_peer);
	send_six();
	assert_true(left6(bench_peer));
	nd_arrives(ICMP6_NEIGHBOUR_SOLICIT, &us6, other);
	send_six();
	assert_true(left6(other));
}

static void talk_of_others_is_not_kept6(void **state)
{
	struct udp_ip other = peer6;

	send_six();
	nd_arrives(ICMP6_NEIGHBOUR_ADVERT, &peer6, bench_peer);
	bench_pass(&sharer, 100 * MS);
	bench_empty_tray(&sharer);
	for (uint8_t i = 0; i < 100; i++) {
		host.now += MS;
		other.bytes[14] = i + 1;
		flags = ND_OVERRIDE;
		nd_arrives(ICMP6_NEIGHBOUR_ADVERT, &other, bench_mac);
	}
	flags = ND_SOLICITED | ND_OVERRIDE;
	send_six();
	assert_true(left6(bench_peer));
}

static void asked_for6(void **state)
{
	send_six();
	assert_int_equal(sharer.n_tray, 1);
	assert_int_equal(sharer.tray[0].data[14 + IP6_SIZE + ICMP_TYPE], ICMP6_NEIGHBOUR_SOLICIT);
	bench_empty_tray(&sharer);
	nd_arrives(ICMP6_NEIGHBOUR_ADVERT, &peer6, bench_peer);
	bench_pass(&sharer, 100 * MS);
	assert_true(left6(bench_peer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(known_to_the_host, setup, teardown),
	        cmocka_unit_test_setup_teardown(asked_for, setup, teardown),
	        cmocka_unit_test_setup_teardown(talk_of_others_is_not_kept, setup, teardown),
	        cmocka_unit_test_setup_teardown(nobody_answers, setup, teardown),
	        cmocka_unit_test_setup_teardown(follows_the_host, setup, teardown),
	        cmocka_unit_test_setup_teardown(distrusts_the_table, setup, teardown),
	        cmocka_unit_test_setup_teardown(known_to_the_host6, setup6, teardown),
	        cmocka_unit_test_setup_teardown(asked_for6, setup6, teardown),
	        cmocka_unit_test_setup_teardown(talk_of_others_is_not_kept6, setup6, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
