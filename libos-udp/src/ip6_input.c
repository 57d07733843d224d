/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6 on its way up (RFC 8200): the fixed header, then the chain of extension headers, bounded in
 * length; fragments to reassembly, whole packets to their transport protocol.
 */
#include "internal.h"

enum {
	CHAIN_MAX = 8, /* extension headers of one packet; honest ones have two */
	EXTENSION_UNIT = 8,
	OPTION_PAD1 = 0,
	OPTION_PADN = 1,
	OPTION_SKIP = 0, /* what an unknown option's two highest bits want done (RFC 8200, 4.2) */
	OPTION_DISCARD = 1,
	OPTION_REPORT = 2,
};

static void drop(struct packet *packet, uint64_t *counter)
{
	(*counter)++;
	udp_buffer_release(packet->stack, packet->buffer);
}

/* Version and length; trims what the link padded. Untrusted. NULL, or the counter. */
static uint64_t *check_header(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;
	uint8_t *at = packet->buffer->data + ETH_SIZE;
	uint32_t size = packet->buffer->size - ETH_SIZE;

	if (size < IP6_SIZE)
		return &count->drop_short;
	if (at[IP6_VERSION] >> 4 != 6)
		return &count->drop_ip_header;
	if (wire_get16(at + IP6_LENGTH) > size - IP6_SIZE)
		return &count->drop_short;
	packet->header = at;
	packet->header_size = IP6_SIZE;
	packet->payload = at + IP6_SIZE;
	packet->size = wire_get16(at + IP6_LENGTH);
	packet->protocol = at[IP6_NEXT];
	packet->ttl = at[IP6_HOPS];
	packet->tos = (uint8_t)(wire_get16(at + IP6_VERSION) >> 4);
	return NULL;
}

struct udp_ip ip6_solicited_group(const struct udp_ip *ip)
{
	struct udp_ip group = {.family = 6, .bytes = {0xff, 2, [11] = 1, [12] = 0xff}};

	memcpy(group.bytes + 13, ip->bytes + 13, 3);
	return group;
}

/* All nodes, and the groups in which our addresses are asked for. */
static bool is_our_group(const struct interface *interface, const struct udp_ip *group)
{
	static const struct udp_ip all = {.family = 6, .bytes = {0xff, 2, [15] = 1}};

	if (udp_ip_equal(group, &all))
		return true;
	for (uint32_t i = 0; i < interface->n_addresses; i++) {
		const struct udp_ip *ip = &interface->addresses[i].ip;
		struct udp_ip solicited = ip6_solicited_group(ip);

		if (ip->family == 6 && udp_ip_equal(group, &solicited))
			return true;
	}
	return false;
}

static uint64_t *check_addresses(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;

	packet->src = udp_ip6(packet->header + IP6_SRC);
	packet->dst = udp_ip6(packet->header + IP6_DST);
	/* Who has no address yet asks whether one is free (RFC 4862, 5.4.2), and nothing else. */
	if (!ip_may_send(packet) &&
	    !(udp_ip_is_unspecified(&packet->src) && packet->protocol == PROTOCOL_ICMP6))
		return &count->drop_source;
	if (ip_is_forged(packet))
		return &count->drop_source;
	packet->to_group = udp_ip_is_multicast(&packet->dst);
	if (packet->to_group ? !is_our_group(packet->interface, &packet->dst) &&
	                               !group_hears(packet->interface, &packet->dst, &packet->src)
	                     : interface_address(packet->interface, &packet->dst) == NULL)
		return &count->drop_not_ours;
	if (packet->link_group && !packet->to_group)
		return &count->drop_not_ours;
	return NULL;
}

/* Where a byte of the packet stands, for an error's pointer. */
static uint32_t offset_of(const struct packet *packet, const uint8_t *at)
{
	return (uint32_t)(at - packet->header);
}

/* The options between `at` and `end`. false: the packet is to be dropped; who sent it was told
 * where the option wants that. Untrusted. */
static bool options_pass(const struct packet *packet, const uint8_t *at, const uint8_t *end)
{
	while (at < end) {
		uint8_t kind = *at;

		if (kind == OPTION_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at - 2 < at[1])
			return false;
		if (kind != OPTION_PADN && kind >> 6 != OPTION_SKIP) {
			if (kind >> 6 >= OPTION_REPORT)
				icmp_error(packet, CAUSE_OPTION, offset_of(packet, at));
			return false;
		}
		at += 2 + at[1];
	}
	return true;
}

/* Takes one extension header off. `named` is the byte that named it. */
static bool skip_extension(struct packet *packet, const uint8_t **named)
{
	uint8_t *at = packet->payload;
	uint32_t size;

	if (packet->size < EXTENSION_UNIT)
		return false;
	size = (at[1] + 1u) * EXTENSION_UNIT;
	if (size > packet->size)
		return false;
	if (packet->protocol == IP6_NEXT_ROUTING) {
		/* Nobody routes by us (RFC 8200, 4.4; RFC 5095). */
		if (at[3] != 0) {
			icmp_error(packet, CAUSE_HEADER, offset_of(packet, at + 2));
			return false;
		}
	} else if (!options_pass(packet, at + 2, at + size)) {
		return false;
	}
	*named = at;
	packet->protocol = at[0];
	packet->payload += size;
	packet->size -= size;
	return true;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IP6_NEXT_HOP_BY_HOP || protocol == IP6_NEXT_ROUTING ||
	       protocol == IP6_NEXT_DESTINATION;
}

static void deliver_transport(struct packet *packet, const uint8_t *named)
{
	switch (packet->protocol) {
	case PROTOCOL_UDP:
		udp_input(packet);
		break;
	case PROTOCOL_ICMP6:
		icmp6_input(packet);
		break;
	case IP6_NEXT_NONE:
		break;
	case PROTOCOL_TCP:
		if (packet->stack->transport != NULL)
			transport_input(packet);
		else
			tcp_reset(packet);
		break;
	default:
		packet->stack->count.drop_protocol++;
		icmp_error(packet, CAUSE_PROTOCOL, offset_of(packet, named));
	}
}

static void walk(struct packet *packet, unsigned left);

/* Lengths that no fragment has (RFC 8200, 4.5): whoever sent it is told. `part` is what it holds.
 */
static bool is_possible(const struct packet *packet, const struct packet *part, uint16_t word)
{
	const uint8_t *at = packet->payload;

	if ((word & 1) && part->size % 8 != 0) {
		icmp_error(packet, CAUSE_HEADER, IP6_LENGTH);
		return false;
	}
	if ((word & ~7u) + part->size > 65535) {
		icmp_error(packet, CAUSE_HEADER, offset_of(packet, at + IP6_FRAGMENT_WORD));
		return false;
	}
	return true;
}

/* The part that every fragment repeats becomes a plain header in front of the datagram. */
static void fragment_input(struct packet *packet, unsigned left)
{
	uint8_t plain[IP6_SIZE];
	struct packet part = *packet, whole;
	uint16_t word = wire_get16(packet->payload + IP6_FRAGMENT_WORD);
	uint32_t id = wire_get32(packet->payload + IP6_FRAGMENT_ID);

	packet->stack->count.fragments_in++;
	part.fragmented = true;
	memcpy(plain, packet->header, IP6_SIZE);
	plain[IP6_NEXT] = packet->payload[0];
	part.header = plain;
	part.header_size = IP6_SIZE;
	part.protocol = packet->payload[0];
	part.payload += IP6_FRAGMENT_SIZE;
	part.size -= IP6_FRAGMENT_SIZE;
	if (!is_possible(packet, &part, word)) {
		packet->stack->count.fragments_bad++;
		return;
	}
	if (!reassembly_add(&part, id, word & ~7u, word & 1, &whole))
		return;
	walk(&whole, left);
	if (whole.buffer != NULL)
		udp_buffer_release(whole.stack, whole.buffer);
}

/* A fragment that is the whole datagram waits for nobody (RFC 6946). */
static bool take_fragment(struct packet *packet, const uint8_t **named, unsigned left)
{
	uint8_t *at = packet->payload;

	if (packet->size < IP6_FRAGMENT_SIZE)
		return false;
	if ((wire_get16(at + IP6_FRAGMENT_WORD) & ~6) != 0) {
		fragment_input(packet, left);
		packet->protocol = IP6_NEXT_NONE;
		return true;
	}
	*named = at;
	packet->fragmented = true;
	packet->protocol = at[0];
	packet->payload += IP6_FRAGMENT_SIZE;
	packet->size -= IP6_FRAGMENT_SIZE;
	return true;
}

/* Hop-by-hop options stand first or nowhere (RFC 8200, 4.1). → false. */
static bool misplaced(const struct packet *packet, const uint8_t *named)
{
	icmp_error(packet, CAUSE_NEXT, offset_of(packet, named));
	return false;
}

/* Follows the chain to the transport header; `left` more extension headers are borne. */
static void walk(struct packet *packet, unsigned left)
{
	const uint8_t *named = packet->header + IP6_NEXT;
	bool first = true, good = true;

	for (; good && left > 0; left--, first = false) {
		if (packet->protocol == IP6_NEXT_FRAGMENT)
			good = take_fragment(packet, &named, left - 1);
		else if (!is_extension(packet->protocol))
			break;
		else if (packet->protocol == IP6_NEXT_HOP_BY_HOP && !first)
			good = misplaced(packet, named);
		else
			good = skip_extension(packet, &named);
	}
	if (!good || left == 0) {
		packet->stack->count.ip6_extension_bad++;
		return;
	}
	packet->header_size = offset_of(packet, packet->payload);
	deliver_transport(packet, named);
}

void ip6_input(struct udp_stack *stack, struct udp_buffer *buffer, const uint8_t *mac,
               bool link_group)
{
	struct packet packet = {.stack = stack,
	                        .buffer = buffer,
	                        .interface = &stack->interfaces[buffer->interface],
	                        .mac = mac,
	                        .link_group = link_group};
	uint64_t *reason = check_header(&packet);

	if (reason == NULL)
		reason = check_addresses(&packet);
	if (reason != NULL) {
		drop(&packet, reason);
		return;
	}
	ip_learn(&packet);
	walk(&packet, CHAIN_MAX);
	if (packet.buffer != NULL)
		udp_buffer_release(stack, packet.buffer);
}
