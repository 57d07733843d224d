/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv6: neighbour discovery, echo, extension headers, fragments, errors, UDP. */
#include "check.h"

static struct bench bench;
static struct udp_ip us, peer, group;
static struct bench_ip6 to_us;

static struct udp_ip ip_of(const char *text)
{
	struct udp_ip ip;

	assert_true(udp_ip_parse(text, &ip));
	return ip;
}

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	bench_open(&bench, &config);
	us = ip_of("fd51::1");
	peer = ip_of("fd51::2");
	group = ip_of("ff02::1:ff00:1");
	assert_int_equal(udp_address_add(bench.stack, 0, &us, 64), 0);
	bench_pass(&bench, 10000000000ull);
	to_us = (struct bench_ip6){.src = peer, .dst = us, .next = PROTOCOL_ICMP6};
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

/* A message of neighbour discovery about `target`, with a link address option unless mac is NULL.
 */
static uint32_t make_nd(uint8_t *at, uint8_t type, uint8_t flags, const struct udp_ip *target,
                        const uint8_t *mac, const struct bench_ip6 *ip)
{
	uint32_t size = ND_SIZE;

	memset(at, 0, ND_SIZE);
	at[ICMP_TYPE] = type;
	at[ND_FLAGS] = flags;
	memcpy(at + ND_TARGET, target->bytes, 16);
	if (mac != NULL) {
		at[size] = type == ICMP6_NEIGHBOUR_SOLICIT ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
		at[size + 1] = 1;
		memcpy(at + size + 2, mac, UDP_MAC_BYTES);
		size += ND_OPTION_SIZE;
	}
	bench_icmp6_sum(at, size, ip);
	return size;
}

static void input(const struct bench_ip6 *ip, const void *payload, uint32_t size)
{
	uint8_t frame[4096];

	bench_input(&bench, frame, bench_ip6(frame, ip, payload, size));
}

static void input_nd(struct bench_ip6 ip, uint8_t type, uint8_t flags, const struct udp_ip *target,
                     const uint8_t *mac)
{
	uint8_t message[64];

	ip.hops = ip.hops != 0 ? ip.hops : ND_HOPS;
	input(&ip, message, make_nd(message, type, flags, target, mac, &ip));
}

/* The i-th frame of the tray is IPv6 with this next header. → its payload. */
static const uint8_t *sent(unsigned i, uint8_t next, uint32_t *size)
{
	const uint8_t *at = bench.tray[i].data;

	assert_true(bench.n_tray > i);
	assert_true(bench.tray[i].size >= ETH_SIZE + IP6_SIZE);
	assert_int_equal(wire_get16(at + ETH_TYPE), ETHERTYPE_IP6);
	assert_memory_equal(at + ETH_SRC, bench_mac, UDP_MAC_BYTES);
	at += ETH_SIZE;
	assert_int_equal(at[0], 0x60);
	assert_int_equal(at[IP6_NEXT], next);
	assert_memory_equal(at + IP6_SRC, us.bytes, 16);
	*size = wire_get16(at + IP6_LENGTH);
	assert_int_equal(*size, bench.tray[i].size - ETH_SIZE - IP6_SIZE);
	return at + IP6_SIZE;
}

static void check_sum(const uint8_t *at, uint32_t size, uint8_t protocol, const struct udp_ip *dst)
{
	uint64_t sum = udp_sum_pseudo(0, &us, dst, protocol, size);

	assert_int_equal(udp_sum_finish(udp_sum_add(sum, at, size)), 0);
}

static void address_is_announced(void **state)
{
	uint32_t size;
	const uint8_t *at = sent(0, PROTOCOL_ICMP6, &size);
	struct udp_ip all = ip_of("ff02::1");

	assert_int_equal(bench.n_tray, 2);
	assert_memory_equal(bench.tray[0].data, "\x33\x33\0\0\0\1", 6);
	assert_int_equal(at[ICMP_TYPE], ICMP6_NEIGHBOUR_ADVERT);
	check_sum(at, size, PROTOCOL_ICMP6, &all);
	bench_empty_tray(&bench);
}

static void solicitation_is_answered(void **state)
{
	struct bench_ip6 ip = to_us;
	uint32_t size;
	const uint8_t *at;

	ip.dst = group;
	bench_empty_tray(&bench);
	input_nd(ip, ICMP6_NEIGHBOUR_SOLICIT, 0, &us, bench_peer);
	assert_int_equal(bench.n_tray, 1);
	at = sent(0, PROTOCOL_ICMP6, &size);
	assert_memory_equal(bench.tray[0].data, bench_peer, UDP_MAC_BYTES);
	assert_int_equal(bench.tray[0].data[ETH_SIZE + IP6_HOPS], ND_HOPS);
	assert_int_equal(at[ICMP_TYPE], ICMP6_NEIGHBOUR_ADVERT);
	assert_int_equal(at[ND_FLAGS], ND_SOLICITED | ND_OVERRIDE);
	assert_memory_equal(at + ND_TARGET, us.bytes, 16);
	assert_int_equal(at[ND_SIZE], ND_OPTION_TARGET);
	assert_memory_equal(at + ND_SIZE + 2, bench_mac, UDP_MAC_BYTES);
	check_sum(at, size, PROTOCOL_ICMP6, &peer);
}

static void taken_address_is_defended(void **state)
{
	struct bench_ip6 ip = {.dst = group, .next = PROTOCOL_ICMP6};
	uint32_t size;

	ip.src.family = 6; /* no address yet: is this one free? */
	bench_empty_tray(&bench);
	input_nd(ip, ICMP6_NEIGHBOUR_SOLICIT, 0, &us, NULL);
	assert_int_equal(bench.n_tray, 1);
	assert_int_equal(*sent(0, PROTOCOL_ICMP6, &size), ICMP6_NEIGHBOUR_ADVERT);
	assert_memory_equal(bench.tray[0].data, "\x33\x33\0\0\0\1", 6);
	input_nd(to_us, ICMP6_NEIGHBOUR_ADVERT, ND_OVERRIDE, &us, bench_peer);
	assert_int_equal(bench.notices, 1);
}

static void malformed_discovery_is_counted(void **state)
{
	struct udp_ip multicast = ip_of("ff02::1");
	struct bench_ip6 far = to_us, ip = to_us;
	uint8_t message[64];
	uint32_t size;

	bench_empty_tray(&bench);
	far.hops = 254;
	input_nd(far, ICMP6_NEIGHBOUR_SOLICIT, 0, &us, bench_peer);
	input_nd(to_us, ICMP6_NEIGHBOUR_SOLICIT, 0, &multicast, bench_peer);
	ip.hops = ND_HOPS;
	size = make_nd(message, ICMP6_NEIGHBOUR_SOLICIT, 0, &us, bench_peer, &ip);
	for (uint8_t length = 0; length < 4; length++) {
		message[ND_SIZE + 1] = length == 1 ? 0 : length; /* 1 is right */
		bench_icmp6_sum(message, size, &ip);
		input(&ip, message, size);
	}
	message[ND_SIZE + 1] = 1;
	for (uint32_t cut = ICMP_SIZE; cut < size; cut++) {
		if (cut == ND_SIZE)
			continue; /* without options: good */
		bench_icmp6_sum(message, cut, &ip);
		input(&ip, message, cut);
	}
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, nd_bad), 2 + 4 + (size - ICMP_SIZE - 1));
}

static uint32_t make_echo(uint8_t *at, uint32_t data)
{
	at[ICMP_TYPE] = ICMP6_ECHO;
	at[ICMP_CODE] = 0;
	wire_put32(at + ICMP_REST, 0x00010002);
	for (uint32_t i = 0; i < data; i++)
		at[ICMP_SIZE + i] = (uint8_t)(i * 7);
	bench_icmp6_sum(at, ICMP_SIZE + data, &to_us);
	return ICMP_SIZE + data;
}

static void check_echo(const uint8_t *at, uint32_t size, uint32_t data)
{
	assert_int_equal(size, ICMP_SIZE + data);
	assert_int_equal(at[ICMP_TYPE], ICMP6_ECHO_REPLY);
	check_sum(at, size, PROTOCOL_ICMP6, &peer);
	for (uint32_t i = 0; i < data; i++)
		assert_int_equal(at[ICMP_SIZE + i], (uint8_t)(i * 7));
}

static void echo_is_answered(void **state)
{
	static const uint32_t sizes[] = {0, 1, 56, 1451, 1452};
	uint8_t message[2000];

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint32_t size;
		const uint8_t *at;

		bench_empty_tray(&bench);
		input(&to_us, message, make_echo(message, sizes[i]));
		at = sent(0, PROTOCOL_ICMP6, &size);
		check_echo(at, size, sizes[i]);
	}
}

static void every_cut_is_harmless(void **state)
{
	uint8_t frame[200], message[100];
	uint32_t size = bench_ip6(frame, &to_us, message, make_echo(message, 30));

	bench_empty_tray(&bench);
	for (uint32_t i = 0; i < size; i++)
		bench_input(&bench, frame, i);
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(bench.buffers, 0);
}

/* An echo request behind `size` bytes of extension headers, the first of kind `next`. */
static void input_behind(uint8_t next, const uint8_t *chain, uint32_t size)
{
	struct bench_ip6 ip = to_us;
	uint8_t packet[400];

	memcpy(packet, chain, size);
	ip.next = next;
	bench_empty_tray(&bench);
	input(&ip, packet, size + make_echo(packet + size, 20));
}

static void extension_headers_are_skipped(void **state)
{
	static const uint8_t chain[] = {
	        60, 0, 1, 4, 0, 0, 0, 0,                         /* hop by hop: padding */
	        43, 1, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, /* destination options */
	        44, 0, 2, 0, 0, 0, 0, 0,                         /* routing, used up */
	        58, 0, 0, 0, 1, 2, 3, 4,                         /* a fragment that is all */
	};
	uint32_t size;
	const uint8_t *at;

	input_behind(IP6_NEXT_HOP_BY_HOP, chain, sizeof chain);
	at = sent(0, PROTOCOL_ICMP6, &size);
	check_echo(at, size, 20);
}

static void bad_extension_headers_are_counted(void **state)
{
	static const uint8_t too_long[] = {58, 200, 1, 4, 0, 0, 0, 0};
	static const uint8_t option_too_long[] = {58, 0, 1, 5, 0, 0, 0, 0};
	static const uint8_t discard[] = {58, 0, 0x7e, 4, 0, 0, 0, 0};
	static const uint8_t late[] = {0, 0, 1, 4, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0};
	static const uint8_t again[8] = {60, 0, 1, 4};
	uint8_t endless[160];

	for (unsigned i = 0; i < sizeof endless; i += 8)
		memcpy(endless + i, again, sizeof again);
	input_behind(IP6_NEXT_DESTINATION, too_long, sizeof too_long);
	input_behind(IP6_NEXT_DESTINATION, option_too_long, sizeof option_too_long);
	input_behind(IP6_NEXT_DESTINATION, discard, sizeof discard);
	input_behind(IP6_NEXT_DESTINATION, late, sizeof late);
	input_behind(IP6_NEXT_DESTINATION, endless, sizeof endless);
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, ip6_extension_bad), 5);
}

static void check_parameter_problem(uint8_t code, uint32_t pointer)
{
	uint32_t size;
	const uint8_t *at = sent(0, PROTOCOL_ICMP6, &size);

	assert_int_equal(at[ICMP_TYPE], ICMP6_PARAMETER);
	assert_int_equal(at[ICMP_CODE], code);
	assert_int_equal(wire_get32(at + ICMP_REST), pointer);
	check_sum(at, size, PROTOCOL_ICMP6, &peer);
}

static void what_wants_a_word_gets_one(void **state)
{
	static const uint8_t report[] = {58, 0, 0xbe, 4, 0, 0, 0, 0};
	static const uint8_t route[] = {58, 0, 0, 1, 0, 0, 0, 0};
	static const uint8_t next[] = {200, 0, 1, 4, 0, 0, 0, 0};

	input_behind(IP6_NEXT_DESTINATION, report, sizeof report);
	check_parameter_problem(ICMP6_CODE_OPTION, 42);
	input_behind(IP6_NEXT_ROUTING, route, sizeof route);
	check_parameter_problem(ICMP6_CODE_FIELD, 42);
	input_behind(200, NULL, 0);
	check_parameter_problem(ICMP6_CODE_NEXT_HEADER, IP6_NEXT);
	input_behind(IP6_NEXT_DESTINATION, next, sizeof next);
	check_parameter_problem(ICMP6_CODE_NEXT_HEADER, 40);
}

static void fragments_are_put_together(void **state)
{
	static uint8_t message[5000], whole[5000];
	uint8_t part[1500];
	uint32_t total = make_echo(message, 4000), at = 0;
	struct bench_ip6 ip = to_us;

	ip.next = IP6_NEXT_FRAGMENT;
	bench_empty_tray(&bench);
	for (uint32_t from = 0; from < total; from += 1400) {
		uint32_t size = total - from < 1400 ? total - from : 1400;

		memset(part, 0, 8);
		part[0] = PROTOCOL_ICMP6;
		wire_put16(part + 2, (uint16_t)(from | (from + size < total)));
		wire_put32(part + 4, 77);
		memcpy(part + 8, message + from, size);
		input(&ip, part, 8 + size);
	}
	assert_int_equal(COUNT(&bench, reassembled), 1);
	assert_int_equal(bench.n_tray, 3);
	for (unsigned i = 0; i < bench.n_tray; i++) {
		uint32_t size;
		const uint8_t *piece = sent(i, IP6_NEXT_FRAGMENT, &size);

		assert_int_equal(piece[0], PROTOCOL_ICMP6);
		assert_int_equal(wire_get16(piece + 2) & ~7, at);
		assert_int_equal(wire_get16(piece + 2) & 1, i < 2);
		memcpy(whole + at, piece + 8, size - 8);
		at += size - 8;
	}
	check_echo(whole, at, 4000);
}

/* A fragment of what lies at `message`; `next` as this one has it. */
static void input_fragment(const uint8_t *message, uint8_t next, uint32_t from, uint32_t size,
                           bool more)
{
	struct bench_ip6 ip = to_us;
	uint8_t part[1500] = {next};

	ip.next = IP6_NEXT_FRAGMENT;
	wire_put16(part + 2, (uint16_t)(from | more));
	wire_put32(part + 4, 77);
	memcpy(part + 8, message + from, size);
	input(&ip, part, 8 + size);
}

/* IPv6's length does not count its header (RFC 8200, 3). */
static void the_largest_is_answered(void **state)
{
	static uint8_t message[65536], whole[65535];
	uint32_t total = make_echo(message, sizeof whole - ICMP_SIZE), at = 0;

	bench_empty_tray(&bench);
	for (uint32_t from = 0; from < total; from += 1400)
		input_fragment(message, PROTOCOL_ICMP6, from,
		               total - from < 1400 ? total - from : 1400, total - from > 1400);
	assert_int_equal(COUNT(&bench, reassembled), 1);
	for (unsigned i = 0; i < bench.n_tray; i++) {
		uint32_t size;
		const uint8_t *piece = sent(i, IP6_NEXT_FRAGMENT, &size);

		memcpy(whole + at, piece + 8, size - 8);
		at += size - 8;
	}
	check_echo(whole, at, sizeof whole - ICMP_SIZE);
	input_fragment(message, PROTOCOL_ICMP6, 65528, 8, false); /* longer than any */
	assert_int_equal(COUNT(&bench, fragments_bad), 1);
}

/* RFC 8200, 4.5: of an odd length, and longer than any packet. */
static void impossible_fragments_get_a_word(void **state)
{
	static uint8_t message[65536];

	bench_empty_tray(&bench);
	input_fragment(message, PROTOCOL_ICMP6, 0, 13, true);
	check_parameter_problem(ICMP6_CODE_FIELD, IP6_LENGTH);
	bench_empty_tray(&bench);
	input_fragment(message, PROTOCOL_ICMP6, 65528, 8, false);
	check_parameter_problem(ICMP6_CODE_FIELD, IP6_SIZE + 2);
	bench_empty_tray(&bench);
	input_fragment(message, PROTOCOL_ICMP6, 0, 0, true); /* nothing in it */
	assert_int_equal(COUNT(&bench, fragments_bad), 3);
	assert_int_equal(bench.n_tray, 0);
}

/* Only the first fragment's next header counts (RFC 8200, 4.5). */
static void first_fragment_says_what_it_is(void **state)
{
	uint8_t message[100];
	uint32_t size = make_echo(message, 24);

	bench_empty_tray(&bench);
	input_fragment(message, IP6_NEXT_NONE, 16, size - 16, false);
	input_fragment(message, PROTOCOL_ICMP6, 0, 16, true);
	check_echo(sent(0, PROTOCOL_ICMP6, &size), ICMP_SIZE + 24, 24);
}

static unsigned got, failures;

static void answer(struct udp_socket *socket, struct udp_datagram *datagram)
{
	got++;
	assert_true(udp_ip_equal(&datagram->from.ip, &peer));
	assert_int_equal(udp_socket_reply(socket, datagram, datagram->size), 0);
}

static void on_failure(struct udp_socket *socket, enum udp_failure failure,
                       const struct udp_endpoint *remote, uint32_t value)
{
	failures++;
	assert_int_equal(failure, UDP_FAILURE_REFUSED);
	assert_true(udp_ip_equal(&remote->ip, &peer));
}

static void the_largest_datagram_is_sent(void **state)
{
	static uint8_t data[UDP_DATAGRAM_MAX6 + 1];
	struct udp_socket socket = {.receive = answer, .local.port = 7, .remote = {peer, 9}};
	uint32_t size, total = 0;

	assert_int_equal(udp_neighbour_set(bench.stack, 0, &peer, bench_peer), 0);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	bench_empty_tray(&bench);
	assert_int_equal(udp_socket_send_copy(&socket, data, UDP_DATAGRAM_MAX6 + 1, NULL),
	                 -UDP_EMSGSIZE);
	assert_int_equal(udp_socket_send_copy(&socket, data, UDP_DATAGRAM_MAX6, NULL), 0);
	for (unsigned i = 0; i < bench.n_tray; i++) {
		(void)sent(i, IP6_NEXT_FRAGMENT, &size);
		total += size - 8;
	}
	assert_int_equal(total, 65535);
}

static void datagrams_are_answered(void **state)
{
	struct udp_socket socket = {.receive = answer, .local.port = 7};
	struct bench_ip6 ip = to_us;
	uint8_t packet[100];
	uint32_t size;
	const uint8_t *at;

	got = 0;
	ip.next = PROTOCOL_UDP;
	bench_empty_tray(&bench);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	input(&ip, packet, bench_udp_between(packet, &peer, &us, 1000, 7, "hello", 5));
	assert_int_equal(got, 1);
	at = sent(0, PROTOCOL_UDP, &size);
	check_sum(at, size, PROTOCOL_UDP, &peer);
	assert_memory_equal(at + UDP_SIZE, "hello", 5);
	wire_put16(packet + UDP_CHECKSUM, 0); /* IPv6 allows none without */
	input(&ip, packet, 13);
	assert_int_equal(got, 1);
	bench_empty_tray(&bench);
	input(&ip, packet, bench_udp_between(packet, &peer, &us, 1000, 9, "hello", 5));
	at = sent(0, PROTOCOL_ICMP6, &size);
	assert_int_equal(at[ICMP_TYPE], ICMP6_UNREACHABLE);
	assert_int_equal(at[ICMP_CODE], ICMP6_CODE_PORT);
}

static void neighbours_are_asked_and_refusals_heard(void **state)
{
	struct udp_socket socket = {
	        .receive = answer, .failure = on_failure, .local.port = 7, .remote = {peer, 9}};
	uint8_t message[200] = {ICMP6_UNREACHABLE, ICMP6_CODE_PORT};
	uint32_t size;
	const uint8_t *at;

	failures = 0;
	bench_empty_tray(&bench);
	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	assert_int_equal(udp_socket_send_copy(&socket, "x", 1, NULL), 0);
	at = sent(0, PROTOCOL_ICMP6, &size);
	assert_int_equal(at[ICMP_TYPE], ICMP6_NEIGHBOUR_SOLICIT);
	assert_memory_equal(bench.tray[0].data, "\x33\x33\xff\0\0\2", 6);
	input_nd(to_us, ICMP6_NEIGHBOUR_ADVERT, ND_SOLICITED | ND_OVERRIDE, &peer, bench_peer);
	assert_int_equal(bench.n_tray, 2);
	assert_memory_equal(bench.tray[1].data, bench_peer, UDP_MAC_BYTES);
	sent(1, PROTOCOL_UDP, &size);
	memcpy(message + ICMP_SIZE, bench.tray[1].data + ETH_SIZE, IP6_SIZE + size);
	size += ICMP_SIZE + IP6_SIZE;
	bench_icmp6_sum(message, size, &to_us);
	input(&to_us, message, size);
	assert_int_equal(failures, 1);
}

static const uint8_t other[UDP_MAC_BYTES] = {2, 0, 0, 0, 0, 9};

static void advertise(uint8_t flags, const uint8_t *mac)
{
	input_nd(to_us, ICMP6_NEIGHBOUR_ADVERT, flags, &peer, mac);
}

/* Where the next datagram to the peer goes, and whether a question goes with it. */
static void goes_to(struct udp_socket *socket, const uint8_t *mac, bool asks)
{
	struct udp_endpoint to = {peer, 9};
	uint32_t size;

	bench_empty_tray(&bench);
	assert_int_equal(udp_socket_send_copy(socket, "x", 1, &to), 0);
	assert_int_equal(bench.n_tray, 1 + asks);
	sent(asks, PROTOCOL_UDP, &size);
	assert_memory_equal(bench.tray[asks].data, mac, UDP_MAC_BYTES);
}

/* RFC 4861, 7.2.5: without the override flag another link address changes nothing but trust. */
static void link_address_is_replaced_only_where_told_so(void **state)
{
	struct udp_socket socket = {.receive = answer, .local.port = 7};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	input_nd(to_us, ICMP6_NEIGHBOUR_SOLICIT, 0, &us, bench_peer);
	advertise(ND_SOLICITED, bench_peer);
	goes_to(&socket, bench_peer, false);
	advertise(ND_SOLICITED, other);
	goes_to(&socket, bench_peer, true); /* now to be looked after */
	advertise(0, other);
	goes_to(&socket, bench_peer, false);
	advertise(ND_OVERRIDE, other);
	goes_to(&socket, other, true);
}

/* Who is asked directly may leave its address out of the answer (RFC 4861, 7.2.4; BSDs do). */
static void answer_without_link_address_confirms(void **state)
{
	struct udp_socket socket = {.receive = answer, .local.port = 7};

	assert_int_equal(udp_socket_open(bench.stack, &socket), 0);
	advertise(ND_SOLICITED, NULL); /* nobody is known: nothing to confirm */
	input_nd(to_us, ICMP6_NEIGHBOUR_SOLICIT, 0, &us, bench_peer);
	goes_to(&socket, bench_peer, true);
	advertise(ND_SOLICITED, NULL);
	bench_pass(&bench, 5000000000ull);
	assert_int_equal(COUNT(&bench, neighbour_failed), 0);
	goes_to(&socket, bench_peer, false);
}

/* RFC 4861, 7.1.2. */
static void answer_to_a_group_is_refused(void **state)
{
	struct bench_ip6 ip = to_us;

	ip.dst = ip_of("ff02::1");
	bench_empty_tray(&bench);
	input_nd(ip, ICMP6_NEIGHBOUR_ADVERT, ND_SOLICITED | ND_OVERRIDE, &peer, bench_peer);
	assert_int_equal(COUNT(&bench, nd_bad), 1);
}

static void impossible_sources_are_refused(void **state)
{
	static const char *const sources[] = {"::1", "ff02::1", "::ffff:10.0.0.1", "fd51::1"};
	struct bench_ip6 ip = to_us;
	uint8_t message[100];
	uint32_t size = make_echo(message, 4);

	bench_empty_tray(&bench);
	for (unsigned i = 0; i < 4; i++) {
		ip.src = ip_of(sources[i]);
		bench_icmp6_sum(message, size, &ip);
		input(&ip, message, size);
	}
	ip = to_us;
	ip.dst = ip_of("fd51::3");
	input(&ip, message, size);
	ip.dst = ip_of("ff02::1:ff00:2");
	input(&ip, message, size);
	assert_int_equal(bench.n_tray, 0);
	assert_int_equal(COUNT(&bench, drop_source), 4);
	assert_int_equal(COUNT(&bench, drop_not_ours), 2);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(address_is_announced),
	        T(solicitation_is_answered),
	        T(taken_address_is_defended),
	        T(malformed_discovery_is_counted),
	        T(echo_is_answered),
	        T(every_cut_is_harmless),
	        T(extension_headers_are_skipped),
	        T(bad_extension_headers_are_counted),
	        T(what_wants_a_word_gets_one),
	        T(fragments_are_put_together),
	        T(the_largest_is_answered),
	        T(impossible_fragments_get_a_word),
	        T(first_fragment_says_what_it_is),
	        T(the_largest_datagram_is_sent),
	        T(datagrams_are_answered),
	        T(neighbours_are_asked_and_refusals_heard),
	        T(link_address_is_replaced_only_where_told_so),
	        T(answer_without_link_address_confirms),
	        T(answer_to_a_group_is_refused),
	        T(impossible_sources_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
