/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bare IP packets: IPv4 (RFC 791) and IPv6 (RFC 8200) without options, fragments or extension
 * headers, and the ICMP errors that quote our segments (RFC 792, 4443).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udp/checksum.h>

#include "internal.h"

enum {
	IP4_SIZE = 20,
	IP6_SIZE = 40,
	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_ICMP6 = 58,
	ICMP_SIZE = 8,
	TCP_PORTS_AND_SEQUENCE = 8,
	TTL = 64,
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_ip4(struct sluice_net *net, uint8_t *at, const struct tcp_packet *packet,
                    size_t size)
{
	uint16_t sum;

	memset(at, 0, IP4_SIZE);
	at[0] = 0x45;
	at[1] = packet->tos;
	put16(at + 2, (uint16_t)size);
	put16(at + 4, net->ip_id++);
	put16(at + 6, packet->dont_fragment ? 0x4000 : 0);
	at[8] = packet->ttl ? packet->ttl : TTL;
	at[9] = PROTOCOL_TCP;
	memcpy(at + 12, packet->src->bytes, 4);
	memcpy(at + 16, packet->dst->bytes, 4);
	sum = udp_sum_finish(udp_sum_add(0, at, IP4_SIZE));
	memcpy(at + 10, &sum, 2);
}

static void put_ip6(uint8_t *at, const struct tcp_packet *packet, size_t size)
{
	memset(at, 0, IP6_SIZE);
	put16(at, (uint16_t)(0x6000 | packet->tos << 4));
	put16(at + 4, (uint16_t)(size - IP6_SIZE));
	at[6] = PROTOCOL_TCP;
	at[7] = packet->ttl ? packet->ttl : TTL;
	memcpy(at + 8, packet->src->bytes, 16);
	memcpy(at + 24, packet->dst->bytes, 16);
}

static void append(struct sluice_net *net, struct out_packet *out)
{
	out->at_ns = net->now_ns;
	out->next = NULL;
	if (net->out_last)
		net->out_last->next = out;
	else
		net->out_first = out;
	net->out_last = out;
}

void packet_queue(struct sluice_net *net, const void *packet, size_t size)
{
	struct out_packet *out = malloc(sizeof(*out) + size);

	if (!out)
		return;
	out->size = size;
	memcpy(out->bytes, packet, size);
	append(net, out);
}

/* What a device would cut says PSH, as Linux has it: it is worth telling of when it is whole. Where
 * our own cutters are at work, only the last segment does, and the others are alike. */
static void copy_packet(const struct tcp_packet *packet, uint8_t *to)
{
	enum { FLAGS = 13, PSH = 8 };
	struct tcp_packet whole = *packet;
	uint8_t header[TCP_HEADER_MAX];

	memcpy(header, packet->header, packet->header_size);
	if (packet->segment_size != 0)
		header[FLAGS] |= PSH;
	whole.header = header;
	tcp_packet_copy(&whole, to);
}

void packet_out(void *context, const struct tcp_packet *packet)
{
	struct sluice_net *net = context;
	size_t header = packet->dst->family == 6 ? IP6_SIZE : IP4_SIZE;
	size_t size = header + packet->header_size + packet->size;
	struct out_packet *out = malloc(sizeof(*out) + size);

	if (!out || size > PACKET_MAX) {
		free(out);
		return;
	}
	out->size = size;
	if (packet->dst->family == 6)
		put_ip6(out->bytes, packet, size);
	else
		put_ip4(net, out->bytes, packet, size);
	copy_packet(packet, out->bytes + header);
	append(net, out);
}

/* What an IP header says. */
struct parsed {
	struct udp_ip src, dst;
	uint8_t protocol, tos, ttl;
	bool fragment;
	uint32_t header, size; /* size of all */
};

static bool parse_ip4(const uint8_t *packet, size_t size, struct parsed *parsed)
{
	uint32_t header = (packet[0] & 15u) * 4u;

	if (size < IP4_SIZE || header < IP4_SIZE || header > size || get16(packet + 2) > size ||
	    get16(packet + 2) < header)
		return false;
	*parsed = (struct parsed){.header = header,
	                          .size = get16(packet + 2),
	                          .fragment = (get16(packet + 6) & 0x3fff) != 0,
	                          .protocol = packet[9],
	                          .tos = packet[1],
	                          .ttl = packet[8],
	                          .src = {.family = 4},
	                          .dst = {.family = 4}};
	memcpy(parsed->src.bytes, packet + 12, 4);
	memcpy(parsed->dst.bytes, packet + 16, 4);
	return true;
}

static bool parse_ip6(const uint8_t *packet, size_t size, struct parsed *parsed)
{
	if (size < IP6_SIZE || size - IP6_SIZE < get16(packet + 4))
		return false;
	*parsed = (struct parsed){.header = IP6_SIZE,
	                          .size = IP6_SIZE + get16(packet + 4),
	                          .protocol = packet[6],
	                          .tos = (uint8_t)(get16(packet) >> 4),
	                          .ttl = packet[7],
	                          .src = udp_ip6(packet + 8),
	                          .dst = udp_ip6(packet + 24)};
	return true;
}

static bool parse_ip(const uint8_t *packet, size_t size, struct parsed *parsed)
{
	if (size && packet[0] >> 4 == 4)
		return parse_ip4(packet, size, parsed);
	return size && packet[0] >> 4 == 6 && parse_ip6(packet, size, parsed);
}

static enum tcp_failure failure4(uint8_t type, uint8_t code)
{
	/* Destination unreachable (RFC 792, RFC 1122, 3.2.2.1, RFC 1812, 5.2.7.1). */
	static const uint8_t failures[] = {
	        TCP_FAILURE_NO_NETWORK,  TCP_FAILURE_NO_ROUTE,    TCP_FAILURE_PROTOCOL,
	        TCP_FAILURE_REFUSED,     TCP_FAILURE_TOO_BIG,     TCP_FAILURE_SOURCE_ROUTE,
	        TCP_FAILURE_NETWORK,     TCP_FAILURE_UNKNOWN,     TCP_FAILURE_ISOLATED,
	        TCP_FAILURE_NETWORK,     TCP_FAILURE_UNREACHABLE, TCP_FAILURE_NETWORK,
	        TCP_FAILURE_UNREACHABLE, TCP_FAILURE_UNREACHABLE, TCP_FAILURE_UNREACHABLE,
	        TCP_FAILURE_UNREACHABLE};

	if (type == 3)
		return code < sizeof(failures) ? failures[code] : TCP_FAILURE_NONE;
	return type == 11   ? TCP_FAILURE_EXPIRED
	       : type == 12 ? TCP_FAILURE_HEADER
	                    : TCP_FAILURE_NONE;
}

static enum tcp_failure failure6(uint8_t type, uint8_t code)
{
	/* RFC 4443, 3.1. */
	static const uint8_t failures[] = {TCP_FAILURE_NO_NETWORK,  TCP_FAILURE_FORBIDDEN,
	                                   TCP_FAILURE_UNREACHABLE, TCP_FAILURE_UNREACHABLE,
	                                   TCP_FAILURE_REFUSED,     TCP_FAILURE_FORBIDDEN,
	                                   TCP_FAILURE_FORBIDDEN};

	if (type == 1)
		return code < sizeof(failures) ? failures[code] : TCP_FAILURE_NONE;
	return type == 2   ? TCP_FAILURE_TOO_BIG
	       : type == 3 ? TCP_FAILURE_EXPIRED
	       : type == 4 ? TCP_FAILURE_HEADER
	                   : TCP_FAILURE_NONE;
}

static enum tcp_failure failure_of(const struct parsed *parsed, const uint8_t *icmp,
                                   uint32_t *value)
{
	*value = get16(icmp + 6);
	if (parsed->protocol != PROTOCOL_ICMP6)
		return failure4(icmp[0], icmp[1]);
	*value |= (uint32_t)get16(icmp + 4) << 16;
	return failure6(icmp[0], icmp[1]);
}

/* The quoted packet is as we sent it: may be cut, so its length field means nothing. */
static void take_error(struct sluice_net *net, const struct parsed *parsed, const uint8_t *icmp,
                       uint32_t size)
{
	const uint8_t *quote = icmp + ICMP_SIZE;
	uint32_t value, room = size - ICMP_SIZE, header;
	struct udp_ip local, remote;

	if (size < ICMP_SIZE + IP4_SIZE)
		return;
	enum tcp_failure failure = failure_of(parsed, icmp, &value);
	if (quote[0] >> 4 == 4) {
		header = (quote[0] & 15u) * 4u;
		local = remote = (struct udp_ip){.family = 4};
		memcpy(local.bytes, quote + 12, 4);
		memcpy(remote.bytes, quote + 16, 4);
	} else {
		header = IP6_SIZE;
		if (room < IP6_SIZE)
			return;
		local = udp_ip6(quote + 8);
		remote = udp_ip6(quote + 24);
	}
	if (quote[quote[0] >> 4 == 4 ? 9 : 6] == PROTOCOL_TCP && failure != TCP_FAILURE_NONE &&
	    header >= IP4_SIZE && room >= header + TCP_PORTS_AND_SEQUENCE)
		tcp_stack_error(net->stack, &local, &remote, quote + header, room - header, failure,
		                value);
}

/* The stack may keep the segment: it gets a copy. */
static void take_segment(struct sluice_net *net, const struct parsed *parsed, const uint8_t *packet)
{
	uint32_t size = parsed->size - parsed->header;
	uint8_t *copy = malloc(size ? size : 1);
	struct tcp_arrival arrival = {.src = parsed->src,
	                              .dst = parsed->dst,
	                              .segment = copy,
	                              .size = size,
	                              .tos = parsed->tos,
	                              .ttl = parsed->ttl,
	                              .buffer = copy};

	if (!copy)
		return;
	memcpy(copy, packet + parsed->header, size);
	if (!tcp_stack_input(net->stack, &arrival))
		free(copy);
}

int packet_in(struct sluice_net *net, const uint8_t *packet, size_t size)
{
	struct parsed parsed;

	if (!parse_ip(packet, size, &parsed) ||
	    (parsed.src.family == 4 && udp_sum_finish(udp_sum_add(0, packet, parsed.header)) != 0))
		return -EINVAL;
	if (parsed.protocol == PROTOCOL_TCP) {
		if (parsed.fragment)
			return -EINVAL;
		take_segment(net, &parsed, packet);
		return 0;
	}
	if (!parsed.fragment &&
	    (parsed.protocol == PROTOCOL_ICMP || parsed.protocol == PROTOCOL_ICMP6))
		take_error(net, &parsed, packet + parsed.header, parsed.size - parsed.header);
	datagrams_in(net, &parsed.dst, packet, parsed.size);
	return 0;
}
