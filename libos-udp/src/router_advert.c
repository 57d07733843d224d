/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Router advertisements, read (RFC 4861, 4.2 and 6.1.2): the whole message is checked before any of
 * it is acted on. Options: prefix information (4.6.2), MTU (4.6.4), link address, recursive name
 * servers (RFC 8106, 5.1).
 */
#include "internal.h"

enum {
	RA_FLAGS = 5,
	RA_LIFETIME = 6,
	RA_SIZE = 16,
	RA_OPTION_PREFIX = 3,
	RA_OPTION_MTU = 5,
	RA_OPTION_DNS = 25,
	PREFIX_LENGTH = 2,
	PREFIX_FLAGS = 3,
	PREFIX_VALID = 4,
	PREFIX_PREFERRED = 8,
	PREFIX_NET = 16,
	PREFIX_SIZE = 32,
	PREFIX_ON_LINK = 0x80,
	PREFIX_AUTONOMOUS = 0x40,
	MTU_VALUE = 4,
	DNS_LIFETIME = 4,
	DNS_FIRST = 8,
	OPTIONS_MAX = 32, /* of one message; honest ones have a handful */
};

static bool is_link_local(const struct udp_ip *ip)
{
	return ip->family == 6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static bool options_sound(const uint8_t *at, uint32_t size)
{
	for (unsigned i = 0; size > 0; i++) {
		uint32_t length = size < 8 ? 0 : at[1] * 8u;

		if (length == 0 || length > size || i == OPTIONS_MAX)
			return false;
		at += length;
		size -= length;
	}
	return true;
}

/* Only prefixes of 64 bits leave room for our identifiers (RFC 4862, 5.5.3 (d); RFC 7421). */
static void take_prefix(const struct packet *packet, const uint8_t *at)
{
	uint32_t valid = wire_get32(at + PREFIX_VALID);
	uint32_t preferred = wire_get32(at + PREFIX_PREFERRED);
	struct udp_ip net = udp_ip6(at + PREFIX_NET);

	memset(net.bytes + 8, 0, 8);
	if (!(at[PREFIX_FLAGS] & PREFIX_AUTONOMOUS) || at[PREFIX_LENGTH] != 64 ||
	    preferred > valid || is_link_local(&net) || !udp_ip_is_source(&net))
		return;
	autoconf_prefix(packet->stack, packet->buffer->interface, &net,
	                at[PREFIX_FLAGS] & PREFIX_ON_LINK, preferred, valid);
}

static void take_dns(const struct packet *packet, const uint8_t *at, uint32_t length)
{
	for (uint32_t i = DNS_FIRST; i + 16 <= length; i += 16) {
		struct udp_ip ip = udp_ip6(at + i);

		if (udp_ip_is_source(&ip))
			autoconf_dns(packet->stack, packet->buffer->interface, &ip,
			             wire_get32(at + DNS_LIFETIME));
	}
}

static void take_option(const struct packet *packet, const uint8_t *at, uint32_t length)
{
	unsigned interface = packet->buffer->interface;

	if (at[0] == RA_OPTION_PREFIX && length == PREFIX_SIZE)
		take_prefix(packet, at);
	else if (at[0] == RA_OPTION_MTU && length == 8)
		autoconf_mtu(packet->stack, interface, wire_get32(at + MTU_VALUE));
	else if (at[0] == RA_OPTION_DNS && length >= DNS_FIRST + 16)
		take_dns(packet, at, length);
	else if (at[0] == ND_OPTION_SOURCE && length == ND_OPTION_SIZE && !(at[2] & 1))
		neighbour_learn(packet->stack, interface, &packet->src, at + 2, true, false);
}

/* RFC 4191, 2.2: two bits, signed; 10 is reserved and means medium. */
static uint8_t preference(uint8_t flags)
{
	static const uint8_t order[] = {1, 2, 1, 0};

	return order[flags >> 3 & 3];
}

void router_advert_input(struct packet *packet)
{
	struct udp_stack *stack = packet->stack;
	const uint8_t *at = packet->payload;
	uint32_t left;

	stack->count.ra_in++;
	if (packet->ttl != ND_HOPS || at[ICMP_CODE] != 0 || packet->fragmented ||
	    packet->size < RA_SIZE || !is_link_local(&packet->src) ||
	    !options_sound(at + RA_SIZE, packet->size - RA_SIZE)) {
		stack->count.ra_bad++;
		return;
	}
	if (!packet->interface->autoconf.on)
		return;
	autoconf_router(stack, packet->buffer->interface, &packet->src, preference(at[RA_FLAGS]),
	                wire_get16(at + RA_LIFETIME));
	left = packet->size - RA_SIZE;
	for (at += RA_SIZE; left > 0; left -= at[1] * 8u, at += (size_t)at[1] * 8)
		take_option(packet, at, at[1] * 8u);
}
