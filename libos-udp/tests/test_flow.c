/* SPDX-License-Identifier: BSD-2-Clause */
/* Known flows: the short way does what the long one does, and no more than it may. */
#include "check.h"

#include "../src/internal.h"

static struct bench bench;
static struct udp_socket echo;
static unsigned got, short_ways;
static uint8_t frame[2000];
static uint32_t frame_size;

/* Answers with each byte raised by one, so that checksums can't be taken from the question. */
static void answer(struct udp_socket *socket, struct udp_datagram *datagram)
{
	got++;
	short_ways += datagram->flow != NULL;
	for (uint32_t i = 0; i < datagram->size; i++)
		datagram->data[i]++;
	assert_int_equal(udp_socket_reply(socket, datagram, datagram->size), 0);
	assert_null(datagram->buffer);
}

static void question(const void *bytes, uint32_t size)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_UDP};
	uint8_t packet[1500];

	frame_size = bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, 1000, 7, bytes, size));
}

static void arrive(void)
{
	bench_input(&bench, frame, frame_size < 60 ? 60 : frame_size);
}

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	config.roles |= UDP_ROLE_LEARN;
	bench_open(&bench, &config);
	echo = (struct udp_socket){.receive = answer, .local.port = 7};
	assert_int_equal(udp_socket_open(bench.stack, &echo), 0);
	question("hello", 5);
	arrive();
	bench_empty_tray(&bench);
	got = short_ways = 0;
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

/* The answer in the tray, checked from its headers on. */
static void check_answer(const void *bytes, uint32_t size)
{
	struct bench_ip ip = {.src = US, .dst = PEER, .protocol = PROTOCOL_UDP};
	const uint8_t *at = bench.tray[0].data;
	uint8_t packet[1500];
	uint32_t total = bench_udp(packet, &ip, 7, 1000, bytes, size);

	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(bench.tray[0].size, ETH_SIZE + IP4_SIZE + total);
	assert_memory_equal(at + ETH_DST, bench_peer, UDP_MAC_BYTES);
	assert_memory_equal(at + ETH_SRC, bench_mac, UDP_MAC_BYTES);
	assert_int_equal(wire_get16(at + ETH_TYPE), ETHERTYPE_IP4);
	at += ETH_SIZE;
	assert_int_equal(udp_sum_finish(udp_sum_add(0, at, IP4_SIZE)), 0);
	assert_int_equal(at[IP4_VERSION_IHL], 0x45);
	assert_int_equal(at[IP4_TTL], 64);
	assert_int_equal(at[IP4_PROTOCOL], PROTOCOL_UDP);
	assert_int_equal(wire_get16(at + IP4_LENGTH), IP4_SIZE + total);
	assert_int_equal(wire_get32(at + IP4_SRC), US);
	assert_int_equal(wire_get32(at + IP4_DST), PEER);
	assert_memory_equal(at + IP4_SIZE, packet, total);
	bench_empty_tray(&bench);
}

static void the_next_datagram_goes_the_short_way(void **state)
{
	uint8_t bytes[1472], raised[1472];

	for (uint32_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (uint8_t)(i * 7);
		raised[i] = (uint8_t)(bytes[i] + 1);
	}
	for (uint32_t size = 0; size <= sizeof bytes; size += size < 70 ? 1 : 199) {
		question(bytes, size);
		arrive();
		check_answer(raised, size);
	}
	assert_int_equal(got, short_ways);
	assert_true(got > 70);
	assert_int_equal(COUNT(&bench, udp_in), got + 1);
	assert_int_equal(COUNT(&bench, udp_out), got + 1);
	assert_int_equal(COUNT(&bench, frames_in), got + 1);
}

static void what_the_socket_says_goes_into_the_header(void **state)
{
	uint16_t id;

	arrive();
	id = wire_get16(bench.tray[0].data + ETH_SIZE + IP4_ID);
	bench_empty_tray(&bench);
	echo.ttl = 3;
	echo.tos = 0x88;
	echo.dont_fragment = true;
	arrive();
	assert_int_equal(short_ways, 2);
	assert_int_equal(bench.tray[0].data[ETH_SIZE + IP4_TTL], 3);
	assert_int_equal(bench.tray[0].data[ETH_SIZE + IP4_TOS], 0x88);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_SIZE + IP4_FRAGMENT), IP4_DF);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_SIZE + IP4_ID), (uint16_t)(id + 1));
	assert_int_equal(udp_sum_finish(udp_sum_add(0, bench.tray[0].data + ETH_SIZE, IP4_SIZE)),
	                 0);
}

static void what_is_wrong_is_counted_by_the_long_way(void **state)
{
	frame[ETH_SIZE + IP4_ID]++;
	arrive();
	assert_int_equal(COUNT(&bench, drop_ip_checksum), 1);
	question("hello", 5);
	frame[ETH_SIZE + IP4_SIZE + UDP_SIZE]++;
	arrive();
	assert_int_equal(COUNT(&bench, udp_checksum), 1);
	question("hello", 5);
	wire_put16(frame + ETH_SIZE + IP4_SIZE + UDP_LENGTH, 7);
	arrive();
	wire_put16(frame + ETH_SIZE + IP4_SIZE + UDP_LENGTH, 14);
	arrive();
	assert_int_equal(COUNT(&bench, udp_bad), 2);
	question("hello", 5);
	bench_input(&bench, frame, frame_size - 1);
	assert_int_equal(COUNT(&bench, drop_short), 1);
	bench_input_flags(&bench, frame, frame_size, UDP_BUFFER_BAD);
	assert_int_equal(COUNT(&bench, drop_bad_buffer), 1);
	/* Only who shares the address on this machine sends from it. */
	assert_int_equal(got, 0);
	/* No checksum: allowed; and what hardware has looked at is believed. */
	wire_put16(frame + ETH_SIZE + IP4_SIZE + UDP_CHECKSUM, 0);
	arrive();
	wire_put16(frame + ETH_SIZE + IP4_SIZE + UDP_CHECKSUM, 1);
	bench_input_flags(&bench, frame, frame_size, UDP_BUFFER_L4_OK);
	assert_int_equal(short_ways, 2);
}

/* Only the first field that differs is changed. */
static void another_flow_goes_the_long_way(void **state)
{
	static const struct {
		uint16_t at, value;
	} changes[] = {
	        {ETH_SRC + 4, 0x1234},
	        {ETH_SIZE + IP4_TTL, 17 << 8 | PROTOCOL_UDP},
	        {ETH_SIZE + IP4_VERSION_IHL, 0x45b8},
	        {ETH_SIZE + IP4_FRAGMENT, IP4_DF},
	        {ETH_SIZE + IP4_SRC + 2, 0x0005},
	        {ETH_SIZE + IP4_SIZE + UDP_SRC_PORT, 1001},
	};

	for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		question("hello", 5);
		wire_put16(frame + changes[i].at, changes[i].value);
		wire_put16(frame + ETH_SIZE + IP4_SIZE + UDP_CHECKSUM, 0);
		bench_ip4_sum(frame);
		arrive();
		assert_int_equal(got, i + 1);
		assert_memory_equal(bench.tray[0].data, frame + ETH_SRC, UDP_MAC_BYTES);
		bench_empty_tray(&bench);
	}
	assert_int_equal(short_ways, 0);
	/* A first fragment is none that is whole. */
	question("hello, world", 12);
	wire_put16(frame + ETH_SIZE + IP4_FRAGMENT, IP4_MF);
	bench_ip4_sum(frame);
	arrive();
	assert_int_equal(COUNT(&bench, fragments_in), 1);
	assert_int_equal(got, sizeof changes / sizeof changes[0]);
}

static void an_era_ends(void **state)
{
	struct udp_ip us = udp_ip4(US), router = udp_ip4(0x0a0000fe);
	struct udp_socket other = {.receive = answer, .local.port = 9};
	unsigned expected = 1;

	arrive();
	assert_int_equal(short_ways, expected);
	assert_int_equal(udp_socket_open(bench.stack, &other), 0);
	arrive();
	assert_int_equal(short_ways, expected);
	arrive();
	assert_int_equal(short_ways, ++expected);
	assert_int_equal(udp_gateway_set(bench.stack, 0, &router), 0);
	arrive();
	assert_int_equal(short_ways, expected);
	bench_pass(&bench, 1100000000ull); /* of itself */
	arrive();
	assert_int_equal(short_ways, expected);
	arrive();
	assert_int_equal(short_ways, ++expected);
	bench_empty_tray(&bench);
	udp_socket_close(&echo);
	arrive();
	assert_int_equal(COUNT(&bench, udp_no_port), 1);
	assert_int_equal(udp_address_remove(bench.stack, 0, &us), 0);
	arrive();
	assert_int_equal(COUNT(&bench, drop_not_ours), 1);
	assert_int_equal(short_ways, expected);
}

static void close_within(struct udp_socket *socket, struct udp_datagram *datagram)
{
	got++;
	udp_socket_close(socket);
	assert_int_equal(udp_socket_reply(socket, datagram, 1), -UDP_EINVAL);
}

static void a_socket_may_be_closed_within(void **state)
{
	echo.receive = close_within;
	arrive();
	arrive();
	assert_int_equal(got, 1);
	assert_int_equal(COUNT(&bench, udp_no_port), 1);
}

static uint32_t answer_size;

static void answer_longer(struct udp_socket *socket, struct udp_datagram *datagram)
{
	got++;
	if (answer_size > datagram->size + datagram->buffer->tail) {
		assert_int_equal(udp_socket_reply(socket, datagram, answer_size), -UDP_EMSGSIZE);
		return;
	}
	memset(datagram->data, 'x', answer_size);
	assert_int_equal(udp_socket_reply(socket, datagram, answer_size), 0);
}

static void answers_may_have_another_length(void **state)
{
	uint8_t expected[1400];

	memset(expected, 'x', sizeof expected);
	echo.receive = answer_longer;
	for (answer_size = 0; answer_size < 20; answer_size++) {
		question("hello", 5);
		arrive();
		if (bench.n_tray > 0)
			check_answer(expected, answer_size);
	}
	assert_int_equal(got, 20);
}

/* Sums of few bytes take other steps for each length, and all bits set carry the most. */
static void answers_of_any_length_are_summed_up(void **state)
{
	uint8_t bytes[2][80];

	for (unsigned turn = 0; turn < 2; turn++) {
		for (uint32_t i = 0; i < sizeof bytes[0]; i++)
			bytes[0][i] = turn == 0 ? 0xfe : (uint8_t)(i * 37);
		for (uint32_t i = 0; i < sizeof bytes[0]; i++)
			bytes[1][i] = (uint8_t)(bytes[0][i] + 1);
		for (uint32_t size = 0; size <= sizeof bytes[0]; size++) {
			question(bytes[0], size);
			arrive();
			check_answer(bytes[1], size);
		}
	}
	assert_int_equal(short_ways, got);
}

static unsigned short_answers;

static void answer_short(struct udp_socket *socket, struct udp_datagram *datagram)
{
	if (flow_answer(socket, datagram, datagram->size))
		short_answers++;
	else
		assert_int_equal(udp_socket_reply(socket, datagram, datagram->size), 0);
}

static void too_big(uint32_t to, uint16_t mtu)
{
	uint8_t packet[128];

	bench_input(&bench, packet, bench_too_big(packet, US, 7, to, 1500, mtu));
}

/* A path that takes less is its own peer's matter, and of him only what does not fit. */
static void a_smaller_path_is_its_own_peers(void **state)
{
	static const uint8_t bytes[1000];

	echo.receive = answer_short;
	short_answers = 0;
	arrive();
	assert_int_equal(short_answers, 1);
	too_big(PEER + 1, 600);
	arrive();
	assert_int_equal(short_answers, 2);
	too_big(PEER, 600);
	arrive(); /* finds the way anew */
	arrive();
	assert_int_equal(short_answers, 3);
	question(bytes, 600 - IP4_SIZE - UDP_SIZE);
	arrive();
	assert_int_equal(short_answers, 4);
	bench_empty_tray(&bench);
	question(bytes, sizeof bytes);
	arrive();
	assert_int_equal(short_answers, 4);
	assert_int_equal(bench.n_tray, 2);
	assert_true(bench.tray[0].size <= ETH_SIZE + 600);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(the_next_datagram_goes_the_short_way),
	        T(what_the_socket_says_goes_into_the_header),
	        T(what_is_wrong_is_counted_by_the_long_way),
	        T(another_flow_goes_the_long_way),
	        T(an_era_ends),
	        T(a_socket_may_be_closed_within),
	        T(answers_may_have_another_length),
	        T(answers_of_any_length_are_summed_up),
	        T(a_smaller_path_is_its_own_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
