/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv4 on its way up (RFC 791, RFC 1122 section 3.2.1): one check after another, then fragments to
 * reassembly and whole packets to their transport protocol.
 */
#include "internal.h"

static void drop(struct packet *packet, uint64_t *counter)
{
	(*counter)++;
	udp_buffer_release(packet->stack, packet->buffer);
}

/* Version, lengths, checksum; trims what the link padded. Untrusted. NULL, or the counter. */
static uint64_t *check_header(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;
	const uint8_t *at = packet->buffer->data + ETH_SIZE;
	uint32_t size = packet->buffer->size - ETH_SIZE;
	uint32_t header, length;

	if (size < IP4_SIZE)
		return &count->drop_short;
	header = (at[IP4_VERSION_IHL] & 15u) * 4;
	length = wire_get16(at + IP4_LENGTH);
	if (at[IP4_VERSION_IHL] >> 4 != 4 || header < IP4_SIZE || length < header)
		return &count->drop_ip_header;
	if (length > size)
		return &count->drop_short;
	if (!(packet->buffer->flags & UDP_BUFFER_L3_OK) &&
	    udp_sum_finish(udp_sum_add(0, at, header)) != 0)
		return &count->drop_ip_checksum;
	packet->header = at;
	packet->header_size = header;
	packet->payload = packet->buffer->data + ETH_SIZE + header;
	packet->size = length - header;
	return NULL;
}

/* Source routes ask for what only routers do; a host answers none (RFC 1122, 3.2.1.8, and the
 * advice of RFC 7126). Other options may be anything: they are skipped. */
static bool has_source_route(const struct packet *packet)
{
	uint32_t at = IP4_SIZE;

	while (at < packet->header_size) {
		uint8_t kind = packet->header[at];

		if (kind == IP4_OPTION_END)
			return false;
		if (kind == IP4_OPTION_LSRR || kind == IP4_OPTION_SSRR)
			return true;
		if (kind == IP4_OPTION_NOP) {
			at++;
			continue;
		}
		if (packet->header_size - at < 2 || packet->header[at + 1] < 2)
			return false;
		at += packet->header[at + 1];
	}
	return false;
}

/* A DHCP server may address its answer to the address that it offers (RFC 2131, 4.1). */
static bool is_lease_to_be(const struct packet *packet)
{
	return packet->header[IP4_PROTOCOL] == PROTOCOL_UDP && packet->size >= UDP_SIZE &&
	       wire_get16(packet->payload + UDP_DST_PORT) == UDP_DHCP_CLIENT_PORT &&
	       (wire_get16(packet->header + IP4_FRAGMENT) & (IP4_MF | IP4_OFFSET_MASK)) == 0 &&
	       dhcp_expects(packet->stack, packet->buffer->interface);
}

bool ip_may_send(const struct packet *packet)
{
	return packet->interface->loop ? udp_ip_is_loopback(&packet->src)
	                               : udp_ip_is_source(&packet->src);
}

bool ip_is_forged(const struct packet *packet)
{
	return !(packet->buffer->flags & UDP_BUFFER_LOCAL) &&
	       route_is_ours(packet->stack, &packet->src);
}

/* All hosts hear 224.0.0.1; what IGMP says, routers' groups and all, is heard as it is. */
static bool hears(const struct packet *packet)
{
	return udp_ip4_value(&packet->dst) == ALL_HOSTS ||
	       packet->header[IP4_PROTOCOL] == PROTOCOL_IGMP ||
	       group_hears(packet->interface, &packet->dst, &packet->src);
}

/* A switch without an address asks for groups from 0.0.0.0, and hosts say from there what they hear
 * (RFC 4541, 2.1.1; RFC 3376, 4.2.13). */
static bool is_nameless_igmp(const struct packet *packet)
{
	return packet->header[IP4_PROTOCOL] == PROTOCOL_IGMP &&
	       udp_ip_is_unspecified(&packet->src) && udp_ip_is_multicast(&packet->dst);
}

/* Who sent it, and whether it is for us. NULL, or the counter. */
static uint64_t *check_addresses(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;

	packet->src = udp_ip4(wire_get32(packet->header + IP4_SRC));
	packet->dst = udp_ip4(wire_get32(packet->header + IP4_DST));
	/* A client without an address sends from 0.0.0.0, but not to us as one host. */
	if ((!ip_may_send(packet) && !is_nameless_igmp(packet)) || ip_is_forged(packet) ||
	    route_is_broadcast(packet->interface, &packet->src))
		return &count->drop_source;
	packet->to_group = udp_ip_is_multicast(&packet->dst) ||
	                   route_is_broadcast(packet->interface, &packet->dst);
	if (udp_ip_is_multicast(&packet->dst) && !hears(packet))
		return &count->drop_not_ours;
	if (packet->interface->loop)
		return udp_ip_is_loopback(&packet->dst) ? NULL : &count->drop_not_ours;
	if (!packet->to_group && interface_address(packet->interface, &packet->dst) == NULL &&
	    !is_lease_to_be(packet))
		return &count->drop_not_ours;
	/* One host's address in everybody's frame is a mistake or an attack (RFC 1122, 3.3.6). */
	if (packet->link_group && !packet->to_group)
		return &count->drop_not_ours;
	return NULL;
}

void ip_learn(const struct packet *packet)
{
	struct route route;

	if (!(packet->stack->config.roles & UDP_ROLE_LEARN) || packet->to_group ||
	    route_find(packet->stack, &packet->dst, &packet->src, &route) != 0 || route.broadcast ||
	    route.index != packet->buffer->interface)
		return;
	neighbour_learn(packet->stack, route.index, &route.next_hop, packet->mac, true, false);
}

static void deliver(struct packet *packet)
{
	switch (packet->protocol) {
	case PROTOCOL_UDP:
		udp_input(packet);
		break;
	case PROTOCOL_ICMP:
		icmp_input(packet);
		break;
	case PROTOCOL_IGMP:
		igmp_input(packet);
		break;
	case PROTOCOL_TCP:
		if (packet->stack->transport != NULL)
			transport_input(packet);
		else
			tcp_reset(packet);
		break;
	default:
		packet->stack->count.drop_protocol++;
		icmp_error(packet, CAUSE_PROTOCOL, 0);
	}
	if (packet->buffer != NULL)
		udp_buffer_release(packet->stack, packet->buffer);
}

static void fragment_input(struct packet *packet, uint16_t word)
{
	struct packet whole;
	bool complete;

	packet->stack->count.fragments_in++;
	packet->fragmented = true;
	complete = reassembly_add(packet, wire_get16(packet->header + IP4_ID),
	                          (word & IP4_OFFSET_MASK) * 8u, word & IP4_MF, &whole);
	if (complete)
		deliver(&whole);
	udp_buffer_release(packet->stack, packet->buffer);
}

void ip4_input(struct udp_stack *stack, struct udp_buffer *buffer, const uint8_t *mac,
               bool link_group)
{
	struct packet packet = {.stack = stack,
	                        .buffer = buffer,
	                        .interface = &stack->interfaces[buffer->interface],
	                        .mac = mac,
	                        .link_group = link_group};
	uint64_t *reason = check_header(&packet);
	uint16_t word;

	if (reason == NULL && has_source_route(&packet))
		reason = &stack->count.drop_source_route;
	if (reason == NULL)
		reason = check_addresses(&packet);
	if (reason != NULL) {
		drop(&packet, reason);
		return;
	}
	packet.protocol = packet.header[IP4_PROTOCOL];
	packet.ttl = packet.header[IP4_TTL];
	packet.tos = packet.header[IP4_TOS];
	ip_learn(&packet);
	word = wire_get16(packet.header + IP4_FRAGMENT);
	if (word & (IP4_MF | IP4_OFFSET_MASK))
		fragment_input(&packet, word);
	else
		deliver(&packet);
}
