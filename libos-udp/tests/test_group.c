/* SPDX-License-Identifier: BSD-2-Clause */
/* Multicast: what is heard, what is reported, and to queriers of which age. */
#include "check.h"

#include <udp/multicast.h>

#define S 1000000000ull

enum { GROUP = 0xef010203, ROUTER = PEER };

static const struct udp_ip us6 = {.family = 6, .bytes = {0xfe, 0x80, [15] = 1}};
static const struct udp_ip router6 = {.family = 6, .bytes = {0xfe, 0x80, [15] = 9}};
static const struct udp_ip group6 = {.family = 6, .bytes = {0xff, 5, [15] = 0x77}};
static struct bench bench;
static unsigned heard[2];

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	memset(heard, 0, sizeof heard);
	bench_open(&bench, &config);
	assert_int_equal(udp_address_add(bench.stack, 0, &us6, 64), 0);
	bench_pass(&bench, 10 * S);
	bench_empty_tray(&bench);
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

static void count(struct udp_socket *socket, struct udp_datagram *datagram)
{
	assert_int_equal(datagram->size, 5);
	assert_memory_equal(datagram->data, "hello", 5);
	heard[socket->context != NULL]++;
	datagram->data[0] = 'x'; /* each has a copy of its own */
}

static void datagram_from(uint32_t source)
{
	struct bench_ip ip = {.src = source, .dst = GROUP, .protocol = PROTOCOL_UDP};
	uint8_t packet[64], frame[128];
	uint32_t size = bench_ip4(frame, &ip, packet, bench_udp(packet, &ip, 9, 7, "hello", 5));

	memcpy(frame, (const uint8_t[]){1, 0, 0x5e, 1, 2, 3}, 6);
	bench_input(&bench, frame, size);
}

static void igmp_between(uint32_t from, uint32_t to, const uint8_t *message, uint32_t size)
{
	struct bench_ip ip = {.src = from, .dst = to, .protocol = PROTOCOL_IGMP, .ttl = 1};
	uint8_t copy[64], frame[128];
	uint16_t sum;

	memcpy(copy, message, size);
	memset(copy + 2, 0, 2);
	sum = udp_sum_finish(udp_sum_add(0, copy, size));
	memcpy(copy + 2, &sum, 2);
	size = bench_ip4(frame, &ip, copy, size);
	if (to != US)
		memcpy(frame, (const uint8_t[]){1, 0, 0x5e, 0, 0, 1}, 6);
	bench_input(&bench, frame, size);
}

static void igmp(const uint8_t *message, uint32_t size)
{
	igmp_between(ROUTER, 0xe0000001, message, size);
}

static void mld(const uint8_t *message, uint32_t size)
{
	struct bench_ip6 ip = {.src = router6,
	                       .dst = {.family = 6, .bytes = {0xff, 2, [15] = 1}},
	                       .next = PROTOCOL_ICMP6,
	                       .hops = 1};
	uint8_t copy[64], frame[128];

	memcpy(copy, message, size);
	bench_icmp6_sum(copy, size, &ip);
	bench_input(&bench, frame, bench_ip6(frame, &ip, copy, size));
}

/* The i-th IGMP message on the tray, behind its IP header with router alert; NULL: none. */
static const uint8_t *igmp_sent(unsigned i)
{
	for (unsigned k = 0; k < bench.n_tray; k++) {
		const uint8_t *ip = bench.tray[k].data + ETH_SIZE;

		if (wire_get16(bench.tray[k].data + ETH_TYPE) != ETHERTYPE_IP4 ||
		    ip[IP4_PROTOCOL] != PROTOCOL_IGMP || i-- > 0)
			continue;
		assert_int_equal(ip[0], 0x46);
		assert_int_equal(ip[IP4_TTL], 1);
		assert_memory_equal(ip + IP4_SIZE, "\x94\x04\0\0", 4);
		assert_int_equal(udp_sum_finish(udp_sum_add(0, ip, 24)), 0);
		assert_int_equal(
		        udp_sum_finish(udp_sum_add(0, ip + 24, wire_get16(ip + IP4_LENGTH) - 24)),
		        0);
		return ip + 24;
	}
	return NULL;
}

static const uint8_t *mld_sent(unsigned i)
{
	for (unsigned k = 0; k < bench.n_tray; k++) {
		const uint8_t *ip = bench.tray[k].data + ETH_SIZE;

		if (wire_get16(bench.tray[k].data + ETH_TYPE) != ETHERTYPE_IP6 ||
		    ip[IP6_NEXT] != IP6_NEXT_HOP_BY_HOP || i-- > 0)
			continue;
		assert_int_equal(ip[IP6_HOPS], 1);
		assert_memory_equal(ip + IP6_SRC, us6.bytes, 16);
		assert_memory_equal(ip + IP6_SIZE, "\x3a\0\5\2\0\0\1\0", 8);
		return ip + IP6_SIZE + 8;
	}
	return NULL;
}

static int listen(enum udp_group_mode mode, uint32_t source)
{
	struct udp_ip group = udp_ip4(GROUP), from = udp_ip4(source);

	return udp_group_listen(bench.stack, 0, &group, mode, &from, source != 0);
}

static void group_is_heard_while_joined(void **state)
{
	struct udp_socket socket = {.receive = count, .local.port = 7};
	struct udp_ip group = udp_ip4(GROUP);

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	datagram_from(PEER);
	assert_int_equal(heard[0], 0);
	assert_int_equal(udp_group_join(bench.stack, 0, &group), 0);
	datagram_from(PEER);
	assert_int_equal(heard[0], 1);
	assert_int_equal(udp_group_leave(bench.stack, 0, &group), 0);
	datagram_from(PEER);
	assert_int_equal(heard[0], 1);
	udp_socket_close(&socket);
}

static void sources_are_filtered(void **state)
{
	struct udp_socket socket = {.receive = count, .local.port = 7};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(listen(UDP_GROUP_INCLUDE, PEER), 0);
	datagram_from(PEER);
	datagram_from(PEER + 1);
	assert_int_equal(heard[0], 1);
	assert_int_equal(listen(UDP_GROUP_EXCLUDE, PEER), 0);
	datagram_from(PEER);
	datagram_from(PEER + 1);
	assert_int_equal(heard[0], 2);
	udp_socket_close(&socket);
}

static void all_who_share_the_port_get_a_copy(void **state)
{
	struct udp_socket one = {.receive = count, .local.port = 7, .shared = true};
	struct udp_socket two = {
	        .receive = count, .local.port = 7, .shared = true, .context = &bench};
	struct udp_ip group = udp_ip4(GROUP);

	assert_int_equal(udp_socket_open(bench.stack, &one), 0);
	assert_int_equal(udp_socket_open(bench.stack, &two), 0);
	assert_int_equal(udp_group_join(bench.stack, 0, &group), 0);
	datagram_from(PEER);
	assert_int_equal(heard[0], 1);
	assert_int_equal(heard[1], 1);
	udp_socket_close(&one);
	udp_socket_close(&two);
}

static void changes_are_reported_twice(void **state)
{
	const uint8_t *report;

	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 5 * S);
	report = igmp_sent(0);
	assert_non_null(report);
	assert_int_equal(report[0], 0x22);
	assert_int_equal(wire_get16(report + 6), 1);
	assert_int_equal(report[8], 4); /* to exclude, nothing */
	assert_int_equal(wire_get16(report + 10), 0);
	assert_int_equal(wire_get32(report + 12), GROUP);
	assert_non_null(igmp_sent(1));
	assert_null(igmp_sent(2));
	bench_empty_tray(&bench);
	assert_int_equal(listen(UDP_GROUP_INCLUDE, PEER), 0);
	bench_pass(&bench, 5 * S);
	assert_int_equal(igmp_sent(1)[8], 3); /* to include, one */
	assert_int_equal(wire_get32(igmp_sent(1) + 16), PEER);
	bench_empty_tray(&bench);
	assert_int_equal(listen(UDP_GROUP_INCLUDE, 0), 0);
	bench_pass(&bench, 5 * S);
	assert_int_equal(igmp_sent(1)[8], 3); /* to include nothing: left */
	assert_int_equal(wire_get16(igmp_sent(1) + 10), 0);
}

static void query_is_answered_within_its_time(void **state)
{
	static const uint8_t general[12] = {0x11, 20, 0, 0, 0, 0, 0, 0, 2, 125};
	uint8_t specific[16] = {0x11, 10, 0, 0, 0xef, 1, 2, 3, 2, 125, 0, 1};

	assert_int_equal(listen(UDP_GROUP_INCLUDE, PEER), 0);
	bench_pass(&bench, 5 * S);
	bench_empty_tray(&bench);
	igmp(general, sizeof general);
	bench_pass(&bench, 2 * S);
	assert_int_equal(igmp_sent(0)[8], 1); /* includes */
	assert_null(igmp_sent(1));
	bench_empty_tray(&bench);
	wire_put32(specific + 12, PEER + 1); /* somebody whom we do not hear */
	igmp(specific, sizeof specific);
	bench_pass(&bench, 5 * S);
	assert_null(igmp_sent(0));
	wire_put32(specific + 12, PEER);
	igmp(specific, sizeof specific);
	bench_pass(&bench, 1 * S);
	assert_non_null(igmp_sent(0));
}

static void older_queriers_are_spoken_to_in_their_way(void **state)
{
	static const uint8_t two[8] = {0x11, 10}, one[8] = {0x11, 0};

	igmp(two, sizeof two);
	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 30 * S);
	assert_int_equal(igmp_sent(0)[0], 0x16);
	assert_int_equal(wire_get32(igmp_sent(0) + 4), GROUP);
	bench_empty_tray(&bench);
	assert_int_equal(listen(UDP_GROUP_INCLUDE, 0), 0);
	bench_pass(&bench, 1 * S);
	assert_int_equal(igmp_sent(0)[0], 0x17); /* leaves */
	assert_null(igmp_sent(1));
	bench_empty_tray(&bench);
	igmp(one, sizeof one);
	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 30 * S);
	assert_int_equal(igmp_sent(0)[0], 0x12);
	bench_empty_tray(&bench);
	assert_int_equal(listen(UDP_GROUP_INCLUDE, 0), 0);
	bench_pass(&bench, 30 * S);
	assert_null(igmp_sent(0)); /* version 1 leaves silently */
	bench_pass(&bench, 400 * S);
	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 1 * S);
	assert_int_equal(igmp_sent(0)[0], 0x22); /* the old ones are gone */
}

static void somebody_elses_report_is_enough(void **state)
{
	static const uint8_t query[8] = {0x11, 100}, report[8] = {0x16, 0, 0, 0, 0xef, 1, 2, 3};

	igmp(query, sizeof query);
	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 30 * S);
	bench_empty_tray(&bench);
	igmp(query, sizeof query);
	igmp(report, sizeof report); /* RFC 2236, 3: before ours would be due at the earliest */
	bench_pass(&bench, 20 * S);
	assert_null(igmp_sent(0));
	igmp(report, sizeof report);
	bench_empty_tray(&bench);
	assert_int_equal(listen(UDP_GROUP_INCLUDE, 0), 0);
	bench_pass(&bench, 5 * S);
	assert_null(igmp_sent(0)); /* who reported last leaves */
}

/* Their time is that of the whole answer. */
static void older_queriers_hear_in_time(void **state)
{
	static const uint8_t query[8] = {0x11, 1};

	igmp(query, sizeof query);
	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 30 * S);
	for (unsigned i = 0; i < 20; i++) {
		bench_empty_tray(&bench);
		igmp(query, sizeof query);
		bench_pass(&bench, S / 10);
		assert_non_null(igmp_sent(0));
		bench_pass(&bench, 5 * S);
	}
}

/* Routers forward what is for one host: from beyond them nobody asks for all groups, or makes us
 * speak an older version, or says that our report is not needed (RFC 3376, 9.1). */
static void strangers_are_no_queriers(void **state)
{
	static const uint8_t general[12] = {0x11, 1, 0, 0, 0, 0, 0, 0, 7, 125};
	static const uint8_t one[8] = {0x11, 0}, two[8] = {0x11, 1};
	static const uint8_t specific[8] = {0x11, 1, 0, 0, 0xef, 1, 2, 3};
	static const uint8_t report[8] = {0x16, 0, 0, 0, 0xef, 1, 2, 3};

	igmp_between(FAR, US, one, sizeof one);
	igmp_between(FAR, US, two, sizeof two);
	igmp_between(FAR, US, general, sizeof general);
	igmp_between(FAR, US, specific, sizeof specific);
	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 20 * S);
	assert_int_equal(igmp_sent(1)[0], 0x22);
	assert_null(igmp_sent(2));
	bench_empty_tray(&bench);
	igmp_between(FAR, US, general, sizeof general);
	bench_pass(&bench, 20 * S);
	assert_null(igmp_sent(0));
	igmp(two, sizeof two);
	bench_empty_tray(&bench);
	igmp_between(PEER, US, report, sizeof report);
	bench_pass(&bench, 20 * S);
	assert_non_null(igmp_sent(0));
}

/* Switches that have no address ask from none (RFC 4541, 2.1.1). */
static void switches_without_an_address_are_answered(void **state)
{
	static const uint8_t general[12] = {0x11, 20, 0, 0, 0, 0, 0, 0, 2, 125};

	assert_int_equal(listen(UDP_GROUP_EXCLUDE, 0), 0);
	bench_pass(&bench, 5 * S);
	bench_empty_tray(&bench);
	igmp_between(0, US, general, sizeof general);
	assert_int_equal(COUNT(&bench, drop_source), 1);
	igmp_between(0, 0xe0000001, general, sizeof general);
	bench_pass(&bench, 2 * S);
	assert_non_null(igmp_sent(0));
}

static void mld_is_spoken_too(void **state)
{
	static const uint8_t general[28] = {ICMP6_MLD_QUERY, 0, 0, 0, 0x07, 0xd0};
	static const uint8_t old[24] = {ICMP6_MLD_QUERY, 0, 0, 0, 0x03, 0xe8};

	assert_int_equal(udp_group_join(bench.stack, 0, &group6), 0);
	bench_pass(&bench, 5 * S);
	assert_int_equal(mld_sent(0)[0], 143);
	assert_int_equal(mld_sent(0)[8], 4);
	assert_memory_equal(mld_sent(0) + 12, group6.bytes, 16);
	bench_empty_tray(&bench);
	mld(general, sizeof general);
	bench_pass(&bench, 2 * S);
	assert_int_equal(mld_sent(0)[8], 2); /* excludes nothing */
	bench_empty_tray(&bench);
	mld(old, sizeof old);
	bench_pass(&bench, 3 * S);
	assert_int_equal(mld_sent(0)[0], 131);
	assert_memory_equal(mld_sent(0) + 8, group6.bytes, 16);
	bench_empty_tray(&bench);
	assert_int_equal(udp_group_leave(bench.stack, 0, &group6), 0);
	bench_pass(&bench, 1 * S);
	assert_int_equal(mld_sent(0)[0], 132);
}

static void wrong_messages_and_arguments_are_refused(void **state)
{
	static const uint8_t odd[10] = {0x11, 20};
	uint8_t many[12] = {0x11, 20, 0, 0, 0, 0, 0, 0, 2, 125, 0xff, 0xff};
	struct udp_ip us = udp_ip4(US), hosts = udp_ip4(0xe0000001), ip;

	igmp(odd, sizeof odd);
	igmp(many, sizeof many); /* more sources than it holds */
	igmp(many, 7);
	many[4] = 10; /* a group that is none */
	many[10] = many[11] = 0;
	igmp(many, sizeof many);
	assert_int_equal(COUNT(&bench, group_bad), 4);
	assert_int_equal(udp_group_join(bench.stack, 0, &us), -UDP_EINVAL);
	assert_int_equal(udp_group_join(bench.stack, 0, &hosts), -UDP_EINVAL);
	assert_int_equal(udp_group_join(bench.stack, 1, &group6), -UDP_EINVAL);
	for (uint32_t i = 0; i < UDP_GROUPS_MAX; i++) {
		ip = udp_ip4(GROUP + i);
		assert_int_equal(udp_group_join(bench.stack, 0, &ip), 0);
	}
	assert_int_equal(udp_group_join(bench.stack, 0, &group6), -UDP_ENOSPC);
	assert_int_equal(udp_group_leave(bench.stack, 0, &ip), 0);
	bench_pass(&bench, 5 * S);
	assert_int_equal(udp_group_join(bench.stack, 0, &group6), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(group_is_heard_while_joined),
	        T(sources_are_filtered),
	        T(all_who_share_the_port_get_a_copy),
	        T(changes_are_reported_twice),
	        T(query_is_answered_within_its_time),
	        T(older_queriers_are_spoken_to_in_their_way),
	        T(somebody_elses_report_is_enough),
	        T(older_queriers_hear_in_time),
	        T(strangers_are_no_queriers),
	        T(switches_without_an_address_are_answered),
	        T(mld_is_spoken_too),
	        T(wrong_messages_and_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
