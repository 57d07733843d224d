/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as text and as classes; the checksum. */
#include "check.h"

static void text_round_trips(void **state)
{
	static const char *const same[] = {"0.0.0.0",
	                                   "10.0.0.1",
	                                   "255.255.255.255",
	                                   "::",
	                                   "::1",
	                                   "1::",
	                                   "2001:db8::1",
	                                   "1:2:3:4:5:6:7:8",
	                                   "1:0:3::8",
	                                   "fe80::200:ff:fe00:1",
	                                   "1:2:3:4:5:6::8",
	                                   "::2:3:4:5:6:7:8"};
	char text[UDP_IP_TEXT_MAX];
	struct udp_ip ip;

	for (unsigned i = 0; i < sizeof same / sizeof same[0] - 2; i++) {
		assert_true(udp_ip_parse(same[i], &ip));
		assert_string_equal(udp_ip_format(&ip, text), same[i]);
	}
	/* One zero group alone is not shortened (RFC 5952, 4.2.2), but may be read. */
	assert_true(udp_ip_parse("1:2:3:4:5:6::8", &ip));
	assert_string_equal(udp_ip_format(&ip, text), "1:2:3:4:5:6:0:8");
	assert_true(udp_ip_parse("::ffff:10.0.0.1", &ip));
	assert_string_equal(udp_ip_format(&ip, text), "::ffff:a00:1");
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {"",
	                                  "1",
	                                  "1.2.3",
	                                  "1.2.3.4.5",
	                                  "256.1.1.1",
	                                  "1.2.3.4x",
	                                  ":",
	                                  ":::",
	                                  "1::2::3",
	                                  "1:2",
	                                  "12345::",
	                                  "g::",
	                                  "1:2:3:4:5:6:7:8:9",
	                                  "1:2:3:4:5:6:7:8::",
	                                  "1.2.3.4::",
	                                  "::1.2.3",
	                                  "::1.2.3.4:5",
	                                  "1:",
	                                  ":1",
	                                  "1.2.3.-4",
	                                  "1..2.3",
	                                  "1:2:3:4:5:6:7:1.2.3.4"};
	struct udp_ip ip = udp_ip4(1), before = ip;

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(udp_ip_parse(bad[i], &ip));
		assert_true(udp_ip_equal(&ip, &before));
	}
}

static void networks_compare(void **state)
{
	struct udp_ip a = udp_ip4(0x0a0000ff), b = udp_ip4(0x0a000080), c = udp_ip4(0x0a00007f);
	struct udp_ip six = {.family = 6};

	assert_true(udp_ip_same_net(&a, &b, 25));
	assert_false(udp_ip_same_net(&a, &c, 25));
	assert_true(udp_ip_same_net(&a, &c, 24));
	assert_false(udp_ip_same_net(&a, &b, 32));
	assert_true(udp_ip_same_net(&a, &a, 32));
	assert_true(udp_ip_same_net(&a, &c, 0));
	assert_false(udp_ip_same_net(&a, &six, 0));
}

static void sources_are_judged(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {{"0.0.0.0", false},    {"0.0.0.1", false},         {"1.0.0.0", true},
	             {"126.1.1.1", true},   {"127.0.0.1", false},       {"128.0.0.1", true},
	             {"223.1.1.1", true},   {"224.0.0.1", false},       {"239.1.1.1", false},
	             {"240.0.0.1", false},  {"255.255.255.255", false}, {"::", false},
	             {"::1", false},        {"fe80::1", true},          {"ff02::1", false},
	             {"2001:db8::1", true}, {"::ffff:10.0.0.1", false}};
	struct udp_ip ip;

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_true(udp_ip_parse(cases[i].text, &ip));
		assert_int_equal(udp_ip_is_source(&ip), cases[i].good);
	}
}

/* As RFC 1071 writes it: 16-bit words in network order. */
static uint16_t plain_sum(const uint8_t *at, uint32_t size)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < size; i += 2)
		sum += wire_get16(at + i);
	if (size % 2 != 0)
		sum += (uint32_t)at[size - 1] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void checksum_is_that_of_the_rfc(void **state)
{
	uint8_t data[3000], stored[2];
	uint64_t seed = 1;

	for (uint32_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)bench_random(&seed);
	for (uint32_t size = 0; size < 2000; size++) {
		uint32_t from = size % 7, split = size / 2 & ~1u;
		uint64_t sum = udp_sum_add(0, data + from, split);
		uint16_t result =
		        udp_sum_finish(udp_sum_add(sum, data + from + split, size - split));

		memcpy(stored, &result, 2);
		assert_int_equal(wire_get16(stored), plain_sum(data + from, size));
	}
	memset(data, 0xff, sizeof data);
	assert_int_equal(udp_sum_finish(udp_sum_add(0, data, 2998)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(text_round_trips),
	        cmocka_unit_test(nonsense_is_refused),
	        cmocka_unit_test(networks_compare),
	        cmocka_unit_test(sources_are_judged),
	        cmocka_unit_test(checksum_is_that_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
