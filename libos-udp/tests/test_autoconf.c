/* SPDX-License-Identifier: BSD-2-Clause */
/* Autoconfiguration: a router by hand on the other side of the wire. */
#include "check.h"

#include <udp/autoconf.h>
#include <udp/transport.h>

#define S 1000000000ull

static const uint64_t secret[2] = {1, 2};
static const struct udp_ip router = {.family = 6, .bytes = {0xfe, 0x80, [15] = 9}};
static const struct udp_ip group = {.family = 6, .bytes = {0xff, 2, [15] = 1}};
static const uint8_t net[8] = {0x20, 1, 0x0d, 0xb8, 0, 1, 0, 2};
static struct bench bench;

static int setup(void **state)
{
	struct udp_config config = udp_config_default();

	bench_open_bare(&bench, &config, bench_mac, 11);
	assert_int_equal(udp_autoconf_start(bench.stack, 0, secret), 0);
	return 0;
}

static int teardown(void **state)
{
	bench_close(&bench);
	return 0;
}

struct advert {
	uint8_t bytes[400];
	uint32_t size;
};

static struct advert advert(uint16_t lifetime)
{
	struct advert advert = {.bytes = {ICMP6_ROUTER_ADVERT, 0, 0, 0, 64}, .size = 16};

	wire_put16(advert.bytes + 6, lifetime);
	return advert;
}

static void add_prefix(struct advert *advert, const uint8_t *prefix, uint8_t flags, uint32_t valid,
                       uint32_t preferred)
{
	uint8_t *at = advert->bytes + advert->size;

	at[0] = 3;
	at[1] = 4;
	at[2] = 64;
	at[3] = flags;
	wire_put32(at + 4, valid);
	wire_put32(at + 8, preferred);
	memcpy(at + 16, prefix, 8);
	advert->size += 32;
}

static void add_word(struct advert *advert, uint8_t code, uint32_t value)
{
	uint8_t *at = advert->bytes + advert->size;

	at[0] = code;
	at[1] = 1;
	wire_put32(at + 4, value);
	advert->size += 8;
}

static void deliver_from(struct advert *advert, const struct udp_ip *from, uint8_t hops)
{
	struct bench_ip6 ip = {.src = *from, .dst = group, .next = PROTOCOL_ICMP6, .hops = hops};
	uint8_t frame[512];

	bench_icmp6_sum(advert->bytes, advert->size, &ip);
	bench_input(&bench, frame, bench_ip6(frame, &ip, advert->bytes, advert->size));
	udp_stack_run(bench.stack);
}

static void announce(uint32_t valid, uint32_t preferred, uint16_t lifetime)
{
	struct advert message = advert(lifetime);

	add_prefix(&message, net, 0xc0, valid, preferred);
	deliver_from(&message, &router, 255);
}

static struct udp_autoconf_info info(void)
{
	struct udp_autoconf_info now;

	udp_autoconf_get(bench.stack, 0, &now);
	return now;
}

static bool is(struct udp_ip got, const struct udp_ip *wanted)
{
	return udp_ip_equal(&got, wanted);
}

static unsigned sent_of(uint8_t type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < bench.n_tray; i++) {
		const uint8_t *ip = bench.tray[i].data + ETH_SIZE;

		n += wire_get16(bench.tray[i].data + ETH_TYPE) == ETHERTYPE_IP6 &&
		     ip[IP6_NEXT] == PROTOCOL_ICMP6 && ip[IP6_SIZE] == type;
	}
	return n;
}

static void link_address_is_probed_then_used(void **state)
{
	struct udp_ip link = udp_autoconf_link(bench.stack, 0);

	assert_memory_equal(link.bytes, "\xfe\x80\0\0\0\0\0\0", 8);
	udp_stack_run(bench.stack);
	assert_int_equal(sent_of(ICMP6_NEIGHBOUR_SOLICIT), 1);
	assert_int_equal(sent_of(ICMP6_ROUTER_SOLICIT), 1);
	assert_int_equal(info().link.family, 0);
	bench_pass(&bench, 1 * S);
	assert_true(is(info().link, &link));
	assert_int_equal(info().ip.family, 0);
	assert_int_equal(bench.notices, 1);
}

static void identifiers_are_stable_and_per_prefix(void **state)
{
	struct udp_ip link = udp_autoconf_link(bench.stack, 0), again;
	struct udp_config config = udp_config_default();
	static const uint64_t other[2] = {1, 3};

	teardown(NULL);
	setup(NULL);
	again = udp_autoconf_link(bench.stack, 0);
	assert_true(udp_ip_equal(&link, &again));
	announce(3600, 3600, 1800);
	bench_pass(&bench, 2 * S);
	assert_memory_not_equal(info().ip.bytes + 8, link.bytes + 8, 8);
	teardown(NULL);
	bench_open_bare(&bench, &config, bench_mac, 11);
	assert_int_equal(udp_autoconf_start(bench.stack, 0, other), 0);
	again = udp_autoconf_link(bench.stack, 0);
	assert_false(udp_ip_equal(&link, &again));
}

static void nobody_there_is_asked_ever_more_rarely(void **state)
{
	bench_pass(&bench, 61 * S);
	assert_int_equal(sent_of(ICMP6_ROUTER_SOLICIT), 5); /* at 0, 4, 12, 28, 60 */
	announce(3600, 3600, 1800);
	bench_empty_tray(&bench);
	bench_pass(&bench, 1000 * S);
	assert_int_equal(sent_of(ICMP6_ROUTER_SOLICIT), 0);
}

/* RFC 7559, 2: who is no router for us is not the one that is asked for. */
static void who_resigns_ends_no_asking(void **state)
{
	bench_pass(&bench, 1 * S);
	announce(3600, 3600, 0);
	bench_pass(&bench, 61 * S);
	assert_int_equal(sent_of(ICMP6_ROUTER_SOLICIT), 5);
	announce(3600, 3600, 1800);
	bench_empty_tray(&bench);
	bench_pass(&bench, 1000 * S);
	assert_int_equal(sent_of(ICMP6_ROUTER_SOLICIT), 0);
}

/* What is begun from then on heeds it, too. */
static void smaller_link_is_heeded_at_once(void **state)
{
	struct udp_ip far = {.family = 6, .bytes = {0x2a, 0, [15] = 1}}, src = {.family = 0};
	struct advert message = advert(1800);

	announce(3600, 3600, 1800);
	bench_pass(&bench, 2 * S);
	assert_int_equal(udp_transport_path(bench.stack, &far, &src), 1500);
	src = udp_ip_none();
	add_word(&message, 5, 1400);
	deliver_from(&message, &router, 255);
	assert_int_equal(udp_transport_path(bench.stack, &far, &src), 1400);
}

static void prefix_gives_an_address_and_a_way_out(void **state)
{
	struct udp_ip far = {.family = 6, .bytes = {0x2a, 0, [15] = 1}};
	struct udp_ip src = {.family = 0};
	struct advert message = advert(1800);

	add_prefix(&message, net, 0xc0, 3600, 1800);
	add_word(&message, 5, 1400);
	memcpy(message.bytes + message.size, "\x19\x03\0\0\0\0\x0e\x10", 8);
	memcpy(message.bytes + message.size + 8, net, 8);
	memset(message.bytes + message.size + 16, 5, 8);
	message.size += 24;
	deliver_from(&message, &router, 255);
	assert_int_equal(info().ip.family, 0);
	bench_pass(&bench, 2 * S);
	assert_memory_equal(info().ip.bytes, net, 8);
	assert_int_equal(info().prefix, 64);
	assert_true(is(info().gateway, &router));
	assert_int_equal(info().mtu, 1400);
	assert_int_equal(info().n_dns, 1);
	assert_int_equal(info().dns[0].bytes[15], 5);
	assert_int_equal(udp_transport_path(bench.stack, &far, &src), 1400);
	assert_memory_equal(src.bytes, net, 8);
	assert_int_equal(udp_path_mtu(bench.stack, NULL, &far), 1400);
	src = udp_ip_none();
	assert_int_equal(udp_transport_path(bench.stack, &router, &src), 1400);
	assert_int_equal(src.bytes[0], 0xfe); /* to the link from the link's own address */
}

static void what_ends_is_taken_away(void **state)
{
	announce(100, 50, 30);
	bench_pass(&bench, 29 * S);
	assert_int_equal(info().gateway.family, 6);
	bench_pass(&bench, 2 * S);
	assert_int_equal(info().gateway.family, 0);
	assert_int_equal(info().ip.family, 6);
	bench_pass(&bench, 68 * S);
	assert_int_equal(info().ip.family, 6); /* deprecated, and the only one */
	bench_pass(&bench, 2 * S);
	assert_int_equal(info().ip.family, 0);
}

static void forged_end_takes_two_hours(void **state)
{
	announce(864000, 864000, 1800);
	announce(1, 1, 1800);
	bench_pass(&bench, 7000 * S);
	assert_int_equal(info().ip.family, 6);
	bench_pass(&bench, 400 * S);
	assert_int_equal(info().ip.family, 0);
}

static void router_that_resigns_is_gone_at_once(void **state)
{
	announce(3600, 3600, 1800);
	assert_int_equal(info().gateway.family, 6);
	announce(3600, 3600, 0);
	assert_int_equal(info().gateway.family, 0);
}

static void preferred_router_is_taken(void **state)
{
	struct udp_ip second = router;
	struct advert message = advert(1800);

	second.bytes[15] = 10;
	announce(3600, 3600, 1800);
	message.bytes[5] = 1 << 3; /* high */
	deliver_from(&message, &second, 255);
	assert_true(is(info().gateway, &second));
	message.bytes[5] = 3 << 3; /* low */
	deliver_from(&message, &second, 255);
	assert_true(is(info().gateway, &router));
}

static void conflict(const struct udp_ip *ip)
{
	uint8_t message[ND_SIZE + ND_OPTION_SIZE] = {ICMP6_NEIGHBOUR_ADVERT}, frame[128];
	struct bench_ip6 to = {.src = *ip, .dst = group, .next = PROTOCOL_ICMP6, .hops = 255};

	memcpy(message + ND_TARGET, ip->bytes, 16);
	memcpy(message + ND_SIZE, (const uint8_t[]){2, 1, 2, 0, 0, 0, 0, 7}, 8);
	bench_icmp6_sum(message, sizeof message, &to);
	bench_input(&bench, frame, bench_ip6(frame, &to, message, sizeof message));
}

static void taken_identifiers_are_replaced_three_times(void **state)
{
	struct udp_ip first = udp_autoconf_link(bench.stack, 0), second;

	udp_stack_run(bench.stack);
	conflict(&first);
	second = udp_autoconf_link(bench.stack, 0);
	assert_false(udp_ip_equal(&first, &second));
	udp_stack_run(bench.stack);
	conflict(&second);
	udp_stack_run(bench.stack);
	second = udp_autoconf_link(bench.stack, 0);
	conflict(&second);
	bench_pass(&bench, 10 * S);
	assert_int_equal(info().link.family, 0); /* given up */
}

static void false_announcements_are_refused(void **state)
{
	struct udp_ip global = {.family = 6, .bytes = {0x20, 1, [15] = 1}};
	struct advert message = advert(1800);

	add_prefix(&message, net, 0xc0, 3600, 3600);
	deliver_from(&message, &router, 254); /* from beyond the link */
	deliver_from(&message, &global, 255); /* from no link-local address */
	message.bytes[ICMP_CODE] = 1;
	deliver_from(&message, &router, 255);
	message.bytes[ICMP_CODE] = 0;
	message.bytes[17] = 0; /* an option without length */
	deliver_from(&message, &router, 255);
	message.bytes[17] = 5; /* one that reaches out */
	deliver_from(&message, &router, 255);
	message = advert(1800);
	message.size = 15;
	deliver_from(&message, &router, 255);
	assert_int_equal(COUNT(&bench, ra_bad), 6);
	bench_pass(&bench, 2 * S);
	assert_int_equal(info().ip.family, 0);
	assert_int_equal(info().gateway.family, 0);
}

static void prefixes_that_are_not_for_us_are_left(void **state)
{
	static const uint8_t link[8] = {0xfe, 0x80}, many[8] = {0xff, 5};
	struct advert message = advert(0);

	add_prefix(&message, net, 0x80, 3600, 3600);  /* not autonomous */
	add_prefix(&message, net, 0xc0, 100, 3600);   /* preferred beyond valid */
	add_prefix(&message, link, 0xc0, 3600, 3600); /* the link's own */
	add_prefix(&message, many, 0xc0, 3600, 3600); /* groups */
	add_prefix(&message, net, 0xc0, 3600, 3600);
	message.bytes[message.size - 30] = 96; /* leaves too little for an identifier */
	deliver_from(&message, &router, 255);
	bench_pass(&bench, 2 * S);
	assert_int_equal(info().ip.family, 0);
	assert_int_equal(COUNT(&bench, ra_bad), 0);
}

static void floods_are_bounded(void **state)
{
	for (unsigned i = 0; i < 100; i++) {
		uint8_t prefix[8] = {0x20, 2, 0, (uint8_t)i};
		struct udp_ip from = router;
		struct advert message = advert(1800);

		from.bytes[14] = (uint8_t)i;
		add_prefix(&message, prefix, 0xc0, 3600, 3600);
		deliver_from(&message, &from, 255);
	}
	bench_pass(&bench, 2 * S);
	assert_true(COUNT(&bench, ra_full) > 150);
	assert_int_equal(info().ip.family, 6);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        T(link_address_is_probed_then_used),
	        T(identifiers_are_stable_and_per_prefix),
	        T(nobody_there_is_asked_ever_more_rarely),
	        T(who_resigns_ends_no_asking),
	        T(smaller_link_is_heeded_at_once),
	        T(prefix_gives_an_address_and_a_way_out),
	        T(what_ends_is_taken_away),
	        T(forged_end_takes_two_hours),
	        T(router_that_resigns_is_gone_at_once),
	        T(preferred_router_is_taken),
	        T(taken_identifiers_are_replaced_three_times),
	        T(false_announcements_are_refused),
	        T(prefixes_that_are_not_for_us_are_left),
	        T(floods_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
