/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4, reassembly, fragments out, ICMP: frames in, frames out. */
#include "check.h"

static struct bench bench;

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	bench_open(&bench, &config);
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

static const struct bench_ip ping_ip = {.src = PEER, .dst = US, .protocol = PROTOCOL_ICMP};

static uint32_t make_ping(uint8_t *frame, const struct bench_ip *ip, uint32_t size)
{
	uint8_t data[2000], packet[2100];

	for (uint32_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7);
	return bench_ip4(frame, ip, packet, bench_echo(packet, 1, 2, data, size));
}

/* Whether the i-th frame in the tray is a whole, right IPv4 packet to the peer. → its payload. */
static const uint8_t *sent_ip(unsigned i, uint8_t protocol, uint32_t *size)
{
	const uint8_t *at = bench.tray[i].data;

	assert_true(bench.n_tray > i);
	assert_true(bench.tray[i].size >= ETH_SIZE + IP4_SIZE);
	assert_memory_equal(at + ETH_DST, bench_peer, UDP_MAC_BYTES);
	assert_memory_equal(at + ETH_SRC, bench_mac, UDP_MAC_BYTES);
	at += ETH_SIZE;
	assert_int_equal(at[0], 0x45);
	assert_int_equal(wire_get16(at + IP4_LENGTH), bench.tray[i].size - ETH_SIZE);
	assert_int_equal(udp_sum_finish(udp_sum_add(0, at, IP4_SIZE)), 0);
	assert_int_equal(wire_get32(at + IP4_SRC), US);
	assert_int_equal(at[IP4_PROTOCOL], protocol);
	*size = bench.tray[i].size - ETH_SIZE - IP4_SIZE;
	return at + IP4_SIZE;
}

static void check_echo(const uint8_t *at, uint32_t size, uint32_t data)
{
	assert_int_equal(size, ICMP_SIZE + data);
	assert_int_equal(at[ICMP_TYPE], ICMP_ECHO_REPLY);
	assert_int_equal(udp_sum_finish(udp_sum_add(0, at, size)), 0);
	assert_int_equal(wire_get32(at + ICMP_REST), 0x00010002);
	for (uint32_t i = 0; i < data; i++)
		assert_int_equal(at[ICMP_SIZE + i], (uint8_t)(i * 7));
}

static void echo_is_answered(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 17, 56, 1471, 1472};
	uint8_t frame[2200];

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint32_t size = make_ping(frame, &ping_ip, sizes[i]);
		const uint8_t *at;

		bench_input(&bench, frame, size < 60 ? 60 : size);
		at = sent_ip(0, PROTOCOL_ICMP, &size);
		check_echo(at, size, sizes[i]);
		bench_empty_tray(&bench);
	}
	assert_int_equal(bench.buffers, 0);
}

static void options_are_skipped(void **state)
{
	static const uint8_t options[] = {1, 1, 7, 7, 4, 0, 0, 0, 0, 0, 0, 0};
	struct bench_ip ip = ping_ip;
	uint8_t frame[200];
	const uint8_t *at;
	uint32_t size;

	ip.options = options;
	ip.options_size = sizeof options;
	bench_input(&bench, frame, make_ping(frame, &ip, 30));
	at = sent_ip(0, PROTOCOL_ICMP, &size);
	check_echo(at, size, 30);
}

static void source_routes_are_refused(void **state)
{
	static const uint8_t options[][8] = {{131, 7, 4, 1, 2, 3, 4, 0},
	                                     {1, 137, 7, 4, 1, 2, 3, 4}};
	struct bench_ip ip = ping_ip;
	uint8_t frame[200];

	ip.options_size = 8;
	for (unsigned i = 0; i < 2; i++) {
		ip.options = options[i];
		bench_input(&bench, frame, make_ping(frame, &ip, 30));
	}
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, drop_source_route), 2);
}

static void broken_options_end_nothing(void **state)
{
	static const uint8_t options[][4] = {
	        {7, 0, 1, 1}, {7, 1, 1, 1}, {7, 255, 1, 1}, {1, 1, 1, 7}};
	struct bench_ip ip = ping_ip;
	uint8_t frame[200];

	ip.options_size = 4;
	for (unsigned i = 0; i < 4; i++) {
		ip.options = options[i];
		bench_input(&bench, frame, make_ping(frame, &ip, 30));
	}
	assert_int_equal(bench.n_tray, 4);
}

static void bad_headers_are_counted(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} wrong[] = {{0, 0x55}, {0, 0x44}, {0, 0x40}, {2, 0xff}, {3, 19}};
	uint8_t frame[200];
	uint32_t size;

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		size = make_ping(frame, &ping_ip, 30);
		frame[ETH_SIZE + wrong[i].at] = wrong[i].value;
		bench_ip4_sum(frame);
		bench_input(&bench, frame, size);
	}
	assert_int_equal(COUNT(&bench, drop_ip_header), 4);
	assert_int_equal(COUNT(&bench, drop_short), 1);
	size = make_ping(frame, &ping_ip, 30);
	frame[ETH_SIZE + IP4_TTL]++;
	bench_input(&bench, frame, size);
	assert_int_equal(COUNT(&bench, drop_ip_checksum), 1);
	assert_int_equal(bench.n_tray, 0);
}

static void every_cut_is_harmless(void **state)
{
	uint8_t frame[200];
	uint32_t size = make_ping(frame, &ping_ip, 30);

	for (uint32_t i = 0; i < size; i++)
		bench_input(&bench, frame, i);
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, drop_short), size);
	assert_int_equal(bench.buffers, 0);
}

static void impossible_sources_are_refused(void **state)
{
	static const uint32_t sources[] = {0,          0x7f000001, 0xe0000001, 0xf0000001,
	                                   0xffffffff, US,         0x0a0000ff};
	struct bench_ip ip = ping_ip;
	uint8_t frame[200];
	unsigned n = sizeof sources / sizeof sources[0];

	for (unsigned i = 0; i < n; i++) {
		ip.src = sources[i];
		bench_input(&bench, frame, make_ping(frame, &ip, 10));
	}
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, drop_source), n);
}

static void others_packets_are_refused(void **state)
{
	struct bench_ip ip = ping_ip;
	uint8_t frame[200];
	uint32_t size;

	ip.dst = 0x0a000003;
	bench_input(&bench, frame, make_ping(frame, &ip, 10));
	size = make_ping(frame, &ping_ip, 10);
	frame[5]++; /* another MAC */
	bench_input(&bench, frame, size);
	size = make_ping(frame, &ping_ip, 10);
	memset(frame, 0xff, 6); /* our address in everybody's frame */
	bench_input(&bench, frame, size);
	assert_int_equal(COUNT(&bench, drop_not_ours), 3);
	assert_int_equal(bench.n_tray, 0);
}

static void groups_are_not_answered(void **state)
{
	static const uint32_t groups[] = {0xffffffff, 0x0a0000ff, 0xe0000001};
	struct bench_ip ip = ping_ip;
	uint8_t frame[200];

	for (unsigned i = 0; i < 3; i++) {
		uint32_t size;

		ip.dst = groups[i];
		size = make_ping(frame, &ip, 10);
		memset(frame, 0xff, 6);
		bench_input(&bench, frame, size);
	}
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, icmp_ignored), 3);
}

static void flagged_frames_are_dropped(void **state)
{
	uint8_t frame[200];
	uint32_t size = make_ping(frame, &ping_ip, 10);

	bench_input_flags(&bench, frame, size, UDP_BUFFER_BAD);
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, drop_bad_buffer), 1);
}

static void unknown_protocol_is_unreachable(void **state)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = 200};
	uint8_t frame[200];
	const uint8_t *at;
	uint32_t size;

	size = bench_ip4(frame, &ip, "abcdefghijkl", 12);
	bench_input(&bench, frame, size);
	at = sent_ip(0, PROTOCOL_ICMP, &size);
	assert_int_equal(at[ICMP_TYPE], ICMP_UNREACHABLE);
	assert_int_equal(at[ICMP_CODE], ICMP_CODE_PROTOCOL);
	assert_int_equal(size, ICMP_SIZE + IP4_SIZE + 12);
	assert_memory_equal(at + ICMP_SIZE, frame + ETH_SIZE, IP4_SIZE + 12);
	assert_int_equal(udp_sum_finish(udp_sum_add(0, at, size)), 0);
}

static void errors_quote_no_more_than_576_bytes(void **state)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = 200};
	uint8_t frame[2000], data[1400] = {0};

	bench_input(&bench, frame, bench_ip4(frame, &ip, data, sizeof data));
	assert_int_equal(bench.tray[0].size, ETH_SIZE + 576);
}

static void errors_are_rate_limited(void **state)
{
	struct bench_ip ip = {.src = PEER, .dst = US, .protocol = 200};
	uint8_t frame[200];
	uint32_t size = bench_ip4(frame, &ip, "abcdefghijkl", 12);

	for (unsigned i = 0; i < 80; i++)
		bench_input(&bench, frame, size);
	assert_int_equal(bench.n_tray, 50);
	assert_int_equal(COUNT(&bench, icmp_errors_limited), 30);
	bench_pass(&bench, 10000000);
	for (unsigned i = 0; i < 80; i++)
		bench_input(&bench, frame, size);
	assert_int_equal(bench.n_tray, 60);
}

static void errors_are_not_answered_by_errors(void **state)
{
	uint8_t frame[200], packet[64] = {ICMP_UNREACHABLE, 3};
	uint16_t sum = udp_sum_finish(udp_sum_add(0, packet, 40));

	memcpy(packet + 2, &sum, 2);
	bench_input(&bench, frame, bench_ip4(frame, &ping_ip, packet, 40));
	packet[0]++;
	bench_input(&bench, frame, bench_ip4(frame, &ping_ip, packet, 40));
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, icmp_bad), 1);
	assert_int_equal(COUNT(&bench, icmp_errors_in), 1);
}

/* ---- Fragments in ---- */

static uint8_t big[70000];

/* One fragment of an echo request of `total` transport bytes that lies in `big`. */
static void send_fragment(uint16_t id, uint32_t from, uint32_t size, bool more)
{
	struct bench_ip ip = ping_ip;
	uint8_t frame[70000];

	ip.id = id;
	ip.fragment = (uint16_t)(from / 8 | (more ? IP4_MF : 0));
	bench_input(&bench, frame, bench_ip4(frame, &ip, big + from, size));
}

static void make_big(uint32_t data)
{
	static uint8_t bytes[70000];

	for (uint32_t i = 0; i < data; i++)
		bytes[i] = (uint8_t)(i * 7);
	bench_echo(big, 1, 2, bytes, data);
}

/* The tray's frames put together again, as a receiver would. */
static void check_fragmented_echo(uint32_t data)
{
	static uint8_t whole[70000];
	uint32_t at = 0;

	for (unsigned i = 0; i < bench.n_tray; i++) {
		uint32_t size;
		const uint8_t *part = sent_ip(i, PROTOCOL_ICMP, &size);
		uint16_t word = wire_get16(bench.tray[i].data + ETH_SIZE + IP4_FRAGMENT);

		assert_int_equal((word & IP4_OFFSET_MASK) * 8, at);
		assert_int_equal((word & IP4_MF) != 0, i + 1 < bench.n_tray);
		assert_true(bench.tray[i].size <= 1514);
		memcpy(whole + at, part, size);
		at += size;
	}
	check_echo(whole, at, data);
}

static void fragments_in_any_order_are_answered(void **state)
{
	make_big(4000);
	send_fragment(1, 2960, 4008 - 2960, false);
	send_fragment(1, 0, 1480, true);
	assert_int_equal(bench.n_tray, 0);
	send_fragment(1, 1480, 1480, true);
	check_fragmented_echo(4000);
	assert_int_equal(bench.n_tray, 3);
	assert_int_equal(COUNT(&bench, reassembled), 1);
}

static void the_largest_is_answered(void **state)
{
	uint32_t total = 65535 - 20;

	make_big(total - ICMP_SIZE);
	for (uint32_t at = 0; at < total; at += 1480)
		send_fragment(7, at, total - at < 1480 ? total - at : 1480, total - at > 1480);
	check_fragmented_echo(total - ICMP_SIZE);
}

static void longer_than_a_datagram_is_refused(void **state)
{
	send_fragment(1, 65528 - 8, 24, false); /* ping of death */
	send_fragment(1, 65528, 8, false);
	send_fragment(1, 0, 13, true); /* not a multiple of 8 */
	send_fragment(1, 8, 0, false);
	assert_int_equal(COUNT(&bench, fragments_bad), 4);
	assert_int_equal(bench.n_tray, 0);
}

static void repeated_fragments_are_harmless(void **state)
{
	make_big(2000);
	send_fragment(1, 0, 1480, true);
	send_fragment(1, 0, 1480, true);
	send_fragment(1, 1480, 528, false);
	check_fragmented_echo(2000);
	assert_int_equal(COUNT(&bench, fragments_duplicate), 1);
}

static void overlap_ends_the_datagram(void **state)
{
	make_big(2000);
	send_fragment(1, 0, 1480, true);
	send_fragment(1, 1472, 536, false);
	assert_int_equal(COUNT(&bench, fragments_overlap), 1);
	send_fragment(1, 1480, 528, false); /* too late: what comes later is part of it */
	assert_int_equal(bench.n_tray, 0);
	bench_pass(&bench, 31000000000ull);
	assert_int_equal(bench.n_tray, 0); /* and nobody is told */
	send_fragment(1, 0, 1480, true);
	send_fragment(1, 1480, 528, false);
	check_fragmented_echo(2000);
}

static void changed_repetition_is_an_overlap(void **state)
{
	make_big(2000);
	send_fragment(1, 0, 1480, true);
	big[100] ^= 1;
	send_fragment(1, 0, 1480, true);
	assert_int_equal(COUNT(&bench, fragments_overlap), 1);
}

static void two_ends_are_an_overlap(void **state)
{
	make_big(4000);
	send_fragment(1, 2960, 1048, false);
	send_fragment(1, 2960 + 1048, 8, false);
	assert_int_equal(COUNT(&bench, fragments_overlap), 1);
	send_fragment(2, 2960, 1048, true);
	send_fragment(2, 1480, 40, false);
	assert_int_equal(COUNT(&bench, fragments_overlap), 2);
}

static void missing_fragments_time_out(void **state)
{
	uint32_t size;
	const uint8_t *at;

	make_big(2000);
	send_fragment(1, 0, 1480, true);
	send_fragment(2, 1480, 528, false); /* without a first fragment nobody is told */
	bench_pass(&bench, 29000000000ull);
	assert_int_equal(COUNT(&bench, reassembly_timeouts), 0);
	bench_pass(&bench, 2000000000ull);
	assert_int_equal(COUNT(&bench, reassembly_timeouts), 2);
	assert_int_equal(bench.n_tray, 1);
	at = sent_ip(0, PROTOCOL_ICMP, &size);
	assert_int_equal(at[ICMP_TYPE], ICMP_EXPIRED);
	assert_int_equal(at[ICMP_CODE], ICMP_CODE_REASSEMBLY);
}

static void flood_of_fragments_is_bounded(void **state)
{
	make_big(2000);
	for (uint16_t id = 0; id < 1000; id++)
		send_fragment(id, 0, 1480, true);
	assert_int_equal(COUNT(&bench, reassembly_evicted), 1000 - 4);
	send_fragment(999, 1480, 528, false);
	check_fragmented_echo(2000);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(echo_is_answered),
	        T(options_are_skipped),
	        T(source_routes_are_refused),
	        T(broken_options_end_nothing),
	        T(bad_headers_are_counted),
	        T(every_cut_is_harmless),
	        T(impossible_sources_are_refused),
	        T(others_packets_are_refused),
	        T(groups_are_not_answered),
	        T(flagged_frames_are_dropped),
	        T(unknown_protocol_is_unreachable),
	        T(errors_quote_no_more_than_576_bytes),
	        T(errors_are_rate_limited),
	        T(errors_are_not_answered_by_errors),
	        T(fragments_in_any_order_are_answered),
	        T(the_largest_is_answered),
	        T(longer_than_a_datagram_is_refused),
	        T(repeated_fragments_are_harmless),
	        T(overlap_ends_the_datagram),
	        T(changed_repetition_is_an_overlap),
	        T(two_ends_are_an_overlap),
	        T(missing_fragments_time_out),
	        T(flood_of_fragments_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
