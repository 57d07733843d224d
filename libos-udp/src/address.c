/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be said of an address by itself: classes, equality of networks. */
#include <udp/address.h>

bool udp_ip_same_net(const struct udp_ip *a, const struct udp_ip *b, unsigned prefix)
{
	unsigned whole = prefix / 8;
	uint8_t mask = (uint8_t)(0xff00 >> prefix % 8);

	if (a->family != b->family || prefix > 128 || memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return prefix % 8 == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & mask) == 0;
}

static bool all_zero(const uint8_t *bytes, unsigned n)
{
	uint8_t any = 0;

	for (unsigned i = 0; i < n; i++)
		any |= bytes[i];
	return any == 0;
}

bool udp_ip_is_unspecified(const struct udp_ip *ip)
{
	return all_zero(ip->bytes, sizeof ip->bytes);
}

bool udp_ip_is_multicast(const struct udp_ip *ip)
{
	return ip->family == 6 ? ip->bytes[0] == 0xff : (ip->bytes[0] & 0xf0) == 0xe0;
}

bool udp_ip_is_loopback(const struct udp_ip *ip)
{
	if (ip->family == 4)
		return ip->bytes[0] == 127;
	return all_zero(ip->bytes, 15) && ip->bytes[15] == 1;
}

/* IPv4 in the low 32 bits of an IPv6 address: never on a wire (RFC 4291, 2.5.5.2). */
static bool is_mapped(const struct udp_ip *ip)
{
	return all_zero(ip->bytes, 10) && ip->bytes[10] == 0xff && ip->bytes[11] == 0xff;
}

bool udp_ip_is_source(const struct udp_ip *ip)
{
	/* IPv4: neither this network, nor loopback, nor groups and what is behind them. */
	if (ip->family == 4)
		return ip->bytes[0] != 0 && ip->bytes[0] != 127 && ip->bytes[0] < 224;
	return ip->family == 6 && !udp_ip_is_unspecified(ip) && !udp_ip_is_multicast(ip) &&
	       !udp_ip_is_loopback(ip) && !is_mapped(ip);
}
