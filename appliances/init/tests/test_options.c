/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line: addresses compared with inet_pton's, and every way to get `ip=` wrong.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <exo/error.h>

#include "options.h"

static void good(const char *word, int family, const char *address, unsigned prefix,
                 const char *gateway, unsigned port)
{ /* port: with the VLAN, if any, in the upper half */
	struct options options = {0};
	char error[OPTIONS_ERROR_MAX] = "";
	uint8_t expected[16] = {0};

	if (options_take(&options, word, error) != 0)
		fail_msg("%s: %s", word, error);
	assert_int_equal(options.n_addresses, 1);
	assert_int_equal(options.addresses[0].family, family);
	assert_int_equal(inet_pton(family == 4 ? AF_INET : AF_INET6, address, expected), 1);
	assert_memory_equal(options.addresses[0].address, expected, 16);
	assert_int_equal(options.addresses[0].prefix, prefix);
	assert_int_equal(options.addresses[0].port | (unsigned)options.addresses[0].vlan << 16,
	                 port);
	memset(expected, 0, sizeof(expected));
	if (gateway != NULL)
		inet_pton(family == 4 ? AF_INET : AF_INET6, gateway, expected);
	assert_memory_equal(options.addresses[0].gateway, expected, 16);
}

static void bad(const char *word)
{
	struct options options = {0};
	char error[OPTIONS_ERROR_MAX] = "";

	if (options_take(&options, word, error) != -EXO_EINVAL)
		fail_msg("%s was accepted", word);
	assert_int_equal(options.n_addresses, 0);
	assert_non_null(strstr(error, ":"));
}

static void test_addresses(void **state)
{
	good("ip=10.0.2.15/24", 4, "10.0.2.15", 24, NULL, 0);
	good("ip=10.0.2.15/24,10.0.2.2", 4, "10.0.2.15", 24, "10.0.2.2", 0);
	good("ip=10.0.2.15/0,10.0.2.2@3", 4, "10.0.2.15", 0, "10.0.2.2", 3);
	good("ip=255.255.255.255/32@15", 4, "255.255.255.255", 32, NULL, 15);
	good("ip=2001:db8::1/64", 6, "2001:db8::1", 64, NULL, 0);
	good("ip=fe80::/10,fe80::1@1", 6, "fe80::", 10, "fe80::1", 1);
	good("ip=::/0", 6, "::", 0, NULL, 0);
	good("ip=10.0.2.15/24,10.0.2.2@1.5", 4, "10.0.2.15", 24, "10.0.2.2", 5 << 16 | 1);
	good("ip=fe80::1/64@0.4094", 6, "fe80::1", 64, NULL, 4094u << 16);
	good("ip=::1/128", 6, "::1", 128, NULL, 0);
	good("ip=1:2:3:4:5:6:7:8/128", 6, "1:2:3:4:5:6:7:8", 128, NULL, 0);
	good("ip=1:2:3:4:5:6:7::/112", 6, "1:2:3:4:5:6:7::", 112, NULL, 0);
	good("ip=ABCD::ef/16", 6, "abcd::ef", 16, NULL, 0);
}

static void test_bad_addresses(void **state)
{
	bad("ip=");
	bad("ip=10.0.2.15");
	bad("ip=10.0.2/24");
	bad("ip=10.0.2.256/24");
	bad("ip=10.0.2.15/33");
	bad("ip=10.0.2.15/");
	bad("ip=10.0.2.15/24,");
	bad("ip=10.0.2.15/24,::1");
	bad("ip=10.0.2.15/24@");
	bad("ip=10.0.2.15/24@16");
	bad("ip=10.0.2.15/24@1.");
	bad("ip=10.0.2.15/24@1.0");
	bad("ip=10.0.2.15/24@1.4095");
	bad("ip=10.0.2.15/24@1.5.6");
	bad("ip=10.0.2.15/24.5");
	bad("ip=dhcp@0.5");
	bad("ip=auto@0.5");
	bad("ip=10.0.2.15/24 ");
	bad("ip=10.0.2.15/24@1,10.0.2.2");
	bad("ip=1:2:3:4:5:6:7/64");
	bad("ip=1:2:3:4:5:6:7:8:9/64");
	bad("ip=1::2::3/64");
	bad("ip=:1::2/64");
	bad("ip=12345::/64");
	bad("ip=::1/129");
	bad("ip=99999999999999999999.1.1.1/8");
}

static void test_dhcp(void **state)
{
	struct options options = {0};
	char error[OPTIONS_ERROR_MAX];

	assert_int_equal(options_take(&options, "ip=10.0.0.1/8", error), 0);
	assert_int_equal(options_take(&options, "ip=dhcp", error), 0);
	assert_int_equal(options_take(&options, "ip=dhcp@2", error), 0);
	assert_int_equal(options_take(&options, "ip=dhcp,10.1.0.2/16,10.1.0.1@3", error), 0);
	assert_int_equal(options.n_addresses, 4);
	assert_int_equal(options.by_dhcp, 0xe);
	assert_int_equal(options.addresses[1].family, 0);
	assert_int_equal(options.addresses[2].port, 2);
	assert_int_equal(options.addresses[3].family, 4);
	assert_int_equal(options.addresses[3].prefix, 16);
	assert_int_equal(options.addresses[3].port, 3);
	assert_int_equal(options_take(&options, "ip=auto@1", error), 0);
	assert_int_equal(options.formed, 0x10);
	assert_int_equal(options.addresses[4].port, 1);
	assert_int_equal(options_take(&options, "ip=automatic", error), -EXO_EINVAL);
	assert_int_equal(options.formed, 0x10);
	assert_int_equal(options_take(&options, "stable=1", error), -EXO_EINVAL);
	bad("ip=dhcp,");
	bad("ip=dhcpx");
	bad("ip=dhcp@16");
	bad("ip=dhcp,::1/64");
}

static void test_other_words(void **state)
{
	struct options options = {0};
	char error[OPTIONS_ERROR_MAX];

	assert_int_equal(options_take(&options, "console=ttyS0", error), 0);
	assert_int_equal(options_take(&options, "ledger", error), 0);
	assert_true(options.ledger);
	assert_false(options.has_key);
	assert_int_equal(options_take(&options, "channel=12", error), -EXO_EINVAL);
	assert_int_equal(options_take(&options, "channel=000102030405060708090a0b0c0d0e0f", error),
	                 0);
	assert_true(options.has_key);
	for (int i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		assert_int_equal(options_take(&options, "ip=10.0.0.1/8", error), 0);
	assert_int_equal(options_take(&options, "ip=10.0.0.1/8", error), -EXO_E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_addresses),
	        cmocka_unit_test(test_bad_addresses),
	        cmocka_unit_test(test_dhcp),
	        cmocka_unit_test(test_other_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
