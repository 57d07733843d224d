/* SPDX-License-Identifier: BSD-2-Clause */
/* ARP and the neighbour table, as seen on the wire. */
#include "check.h"

static struct bench bench;
static const uint8_t nobody[UDP_MAC_BYTES];
static const uint8_t other[UDP_MAC_BYTES] = {0x02, 0, 0, 0, 0, 9};

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	config.neighbours = 8;
	bench_open(&bench, &config);
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

static void ignore(struct udp_socket *socket, struct udp_datagram *datagram)
{
}

static void ask(uint32_t from, const uint8_t *mac, uint32_t target)
{
	uint8_t frame[64] = {0};

	bench_arp(frame, ARP_REQUEST, mac, from, nobody, target);
	bench_input(&bench, frame, 60);
}

static int send_to(struct udp_socket *socket, uint32_t ip)
{
	struct udp_endpoint to = {.ip = udp_ip4(ip), .port = 9};

	return udp_socket_send_copy(socket, "hello", 5, &to);
}

static void request_is_answered(void **state)
{
	uint8_t want[64];

	ask(PEER, bench_peer, US);
	assert_int_equal(bench.n_tray, 1);
	bench_arp(want, ARP_REPLY, bench_mac, US, bench_peer, PEER);
	memcpy(want + ETH_DST, bench_peer, UDP_MAC_BYTES);
	assert_int_equal(bench.tray[0].size, ETH_SIZE + ARP_SIZE);
	assert_memory_equal(bench.tray[0].data, want, ETH_SIZE + ARP_SIZE);
}

static void request_for_others_is_not(void **state)
{
	ask(PEER, bench_peer, 0x0a000003);
	assert_int_equal(bench.n_tray, 0);
}

static void probe_is_answered(void **state)
{
	ask(0, bench_peer, US);
	assert_int_equal(bench.n_tray, 1);
}

static void malformed_is_counted(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} wrong[] = {{ARP_HTYPE + 1, 2}, {ARP_PTYPE, 9},  {ARP_HLEN, 8},
	             {ARP_PLEN, 16},     {ARP_OP + 1, 3}, {ARP_OP + 1, 0},
	             {ARP_SHA, 1},       {ARP_SPA, 224},  {ARP_SPA, 127}};
	uint8_t frame[64];
	unsigned n = sizeof wrong / sizeof wrong[0];

	for (unsigned i = 0; i < n; i++) {
		bench_arp(frame, ARP_REQUEST, bench_peer, PEER, nobody, US);
		frame[ETH_SIZE + wrong[i].at] = wrong[i].value;
		bench_input(&bench, frame, ETH_SIZE + ARP_SIZE);
	}
	bench_arp(frame, ARP_REQUEST, bench_peer, PEER, nobody, US);
	bench_input(&bench, frame, ETH_SIZE + ARP_SIZE - 1);
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, arp_bad), n + 1);
}

static void address_is_announced_twice(void **state)
{
	struct udp_ip ip = udp_ip4(0x0a000005);

	assert_int_equal(udp_address_add(bench.stack, 0, &ip, 24), 0);
	bench_pass(&bench, 20000000000ull);
	assert_int_equal(bench.n_tray, 2);
	assert_int_equal(wire_get32(bench.tray[0].data + ETH_SIZE + ARP_SPA), 0x0a000005);
	assert_int_equal(wire_get32(bench.tray[0].data + ETH_SIZE + ARP_TPA), 0x0a000005);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_SIZE + ARP_OP), ARP_REQUEST);
}

static void conflict_is_noticed_and_defended_once(void **state)
{
	ask(US, other, US);
	ask(US, other, US);
	assert_int_equal(bench.notices, 1);
	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(COUNT(&bench, arp_conflicts), 2);
	bench_pass(&bench, 11000000000ull);
	ask(US, other, PEER);
	assert_int_equal(bench.n_tray, 2);
}

static void own_frames_looped_back_are_no_conflict(void **state)
{
	ask(US, bench_mac, US);
	assert_int_equal(bench.notices, 0);
	assert_int_equal(bench.n_tray, 0);
}

static void packet_waits_for_the_answer(void **state)
{
	struct udp_socket socket = {.receive = ignore};
	uint8_t frame[64];

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(send_to(&socket, PEER), 0);
	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_TYPE), ETHERTYPE_ARP);
	bench_arp(frame, ARP_REPLY, bench_peer, PEER, bench_mac, US);
	bench_input(&bench, frame, ETH_SIZE + ARP_SIZE);
	assert_int_equal(bench.n_tray, 2);
	assert_int_equal(wire_get16(bench.tray[1].data + ETH_TYPE), ETHERTYPE_IP4);
	assert_memory_equal(bench.tray[1].data, bench_peer, UDP_MAC_BYTES);
	assert_int_equal(send_to(&socket, PEER), 0);
	assert_int_equal(bench.n_tray, 3);
}

static void unasked_reply_makes_no_entry(void **state)
{
	struct udp_socket socket = {.receive = ignore};
	uint8_t frame[64];

	bench_arp(frame, ARP_REPLY, other, PEER, bench_mac, US);
	bench_input(&bench, frame, ETH_SIZE + ARP_SIZE);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(send_to(&socket, PEER), 0);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_TYPE), ETHERTYPE_ARP);
}

static unsigned failures;

static void on_failure(struct udp_socket *socket, enum udp_failure failure,
                       const struct udp_endpoint *remote, uint32_t value)
{
	assert_int_equal(failure, UDP_FAILURE_NEIGHBOUR);
	assert_int_equal(udp_ip4_value(&remote->ip), PEER);
	failures++;
}

static void silence_ends_the_wait(void **state)
{
	struct udp_socket socket = {.receive = ignore, .failure = on_failure};

	failures = 0;
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(send_to(&socket, PEER), 0);
	bench_pass(&bench, 10000000000ull);
	assert_int_equal(bench.n_tray, 3); /* three questions, no more */
	assert_int_equal(failures, 3);     /* as many as waited */
	assert_int_equal(COUNT(&bench, neighbour_queue_drops), 2);
	assert_int_equal(COUNT(&bench, neighbour_failed), 1);
	assert_int_equal(bench.buffers, 0);
}

static void far_destinations_go_by_the_gateway(void **state)
{
	struct udp_socket socket = {.receive = ignore};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(send_to(&socket, FAR), 0);
	assert_int_equal(wire_get32(bench.tray[0].data + ETH_SIZE + ARP_TPA), 0x0a0000fe);
}

static void stale_entries_are_checked_when_used(void **state)
{
	struct udp_socket socket = {.receive = ignore};

	ask(PEER, bench_peer, US);
	bench_empty_tray(&bench);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(send_to(&socket, PEER), 0);
	assert_int_equal(bench.n_tray, 2); /* a question to that neighbour alone, and the packet */
	assert_memory_equal(bench.tray[0].data, bench_peer, UDP_MAC_BYTES);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_TYPE), ETHERTYPE_ARP);
	assert_int_equal(wire_get16(bench.tray[1].data + ETH_TYPE), ETHERTYPE_IP4);
	bench_pass(&bench, 10000000000ull);
	bench_empty_tray(&bench);
	assert_int_equal(send_to(&socket, PEER), 0); /* silent: forgotten, asked for again */
	assert_int_equal(bench.n_tray, 1);
	assert_memory_equal(bench.tray[0].data, "\xff\xff\xff\xff\xff\xff", UDP_MAC_BYTES);
}

static void flood_does_not_drive_out_what_is_used(void **state)
{
	struct udp_socket socket = {.receive = ignore};

	ask(PEER, bench_peer, US);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(send_to(&socket, PEER), 0);
	for (uint32_t i = 0; i < 100; i++) {
		bench.now += 1000;
		ask(0x0a000010 + i, other, US);
	}
	bench_empty_tray(&bench);
	assert_int_equal(send_to(&socket, PEER), 0);
	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_TYPE), ETHERTYPE_IP4);
}

/* Those whom nobody answers for drive out neither who does nor more than they are worth. */
static void questions_do_not_drive_out_what_is_known(void **state)
{
	struct udp_socket socket = {.receive = ignore};
	unsigned before;

	ask(PEER, bench_peer, US);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(send_to(&socket, PEER), 0);
	for (uint32_t i = 0; i < 100; i++) {
		bench.now += 1000;
		(void)send_to(&socket, 0x0a000010 + i);
	}
	bench_empty_tray(&bench);
	assert_int_equal(send_to(&socket, PEER), 0);
	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(wire_get16(bench.tray[0].data + ETH_TYPE), ETHERTYPE_IP4);
	before = (unsigned)COUNT(&bench, neighbour_full);
	assert_true(before > 0);
	bench_pass(&bench, 10000000000ull); /* they are given up */
	assert_int_equal(send_to(&socket, 0x0a000080), 0);
	assert_int_equal(COUNT(&bench, neighbour_full), before);
}

static void without_the_role_nothing_is_said(void **state)
{
	struct udp_config config = udp_config_default();
	struct bench quiet;
	uint8_t frame[64];

	config.roles = 0;
	bench_open(&quiet, &config);
	bench_arp(frame, ARP_REQUEST, bench_peer, PEER, nobody, US);
	bench_input(&quiet, frame, ETH_SIZE + ARP_SIZE);
	bench_pass(&quiet, 10000000000ull);
	assert_int_equal(quiet.n_tray, 0);
	bench_close(&quiet);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Known once the neighbour has answered, and never asked for by looking. */
static void the_way_of_a_frame_is_told(void **state)
{
	struct udp_ip peer = udp_ip4(0x0a000002), far = udp_ip4(0x08080808);
	struct udp_ip group = udp_ip4(0xefff2a01);
	static const uint8_t group_mac[] = {1, 0, 0x5e, 0x7f, 0x2a, 1};
	struct udp_config config = udp_config_default();
	struct udp_frame_way way;
	struct bench bench;

	bench_open(&bench, &config);
	assert_false(udp_frame_way(bench.stack, &peer, &way));
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(udp_neighbour_set(bench.stack, 0, &peer, bench_peer), 0);
	assert_true(udp_frame_way(bench.stack, &peer, &way));
	assert_memory_equal(way.to, bench_peer, UDP_MAC_BYTES);
	assert_memory_equal(way.from, bench_mac, UDP_MAC_BYTES);
	assert_int_equal(udp_ip4_value(&way.src), 0x0a000001);
	assert_false(udp_frame_way(bench.stack, &far, &way));
	assert_true(udp_frame_way(bench.stack, &group, &way));
	assert_memory_equal(way.to, group_mac, UDP_MAC_BYTES);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(request_is_answered),
	        T(request_for_others_is_not),
	        T(probe_is_answered),
	        T(malformed_is_counted),
	        T(address_is_announced_twice),
	        T(conflict_is_noticed_and_defended_once),
	        T(own_frames_looped_back_are_no_conflict),
	        T(packet_waits_for_the_answer),
	        T(unasked_reply_makes_no_entry),
	        T(silence_ends_the_wait),
	        T(far_destinations_go_by_the_gateway),
	        T(stale_entries_are_checked_when_used),
	        T(flood_does_not_drive_out_what_is_used),
	        T(questions_do_not_drive_out_what_is_known),
	        T(without_the_role_nothing_is_said),
	        cmocka_unit_test(the_way_of_a_frame_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
