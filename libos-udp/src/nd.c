/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Neighbour discovery (RFC 4861): solicitations answered, advertisements learned from, addresses
 * announced and defended. Who is believed is as with ARP (arp.c): whoever asks us is entered,
 * answers count where we asked or knew, and replace what we knew where they say so.
 */
#include "internal.h"

struct discovery {
	struct udp_ip target;
	const uint8_t *mac; /* from the option that belongs to the message; NULL: none */
};

/* Options: type, length in units of eight bytes (never zero), value. The first of the wanted kind.
 * false: the message is to be dropped (RFC 4861, 7.1). Untrusted. */
static bool parse_options(const uint8_t *at, uint32_t size, uint8_t wanted, const uint8_t **mac)
{
	while (size > 0) {
		uint32_t length;

		if (size < 2)
			return false;
		length = at[1] * 8u;
		if (length == 0 || length > size)
			return false;
		if (at[0] == wanted && length == ND_OPTION_SIZE && *mac == NULL)
			*mac = at + 2;
		at += length;
		size -= length;
	}
	return true;
}

static bool parse(const struct packet *packet, struct discovery *found)
{
	const uint8_t *at = packet->payload;
	bool solicit = at[ICMP_TYPE] == ICMP6_NEIGHBOUR_SOLICIT;

	/* A router would have counted the hop limit down: it came from this link. */
	if (packet->ttl != ND_HOPS || at[ICMP_CODE] != 0 || packet->size < ND_SIZE)
		return false;
	/* Who answers answers one. */
	if (!solicit && packet->to_group && (at[ND_FLAGS] & ND_SOLICITED))
		return false;
	found->target = udp_ip6(at + ND_TARGET);
	found->mac = NULL;
	if (udp_ip_is_multicast(&found->target) ||
	    !parse_options(at + ND_SIZE, packet->size - ND_SIZE,
	                   solicit ? ND_OPTION_SOURCE : ND_OPTION_TARGET, &found->mac))
		return false;
	/* Who has no address has none to give, and asks the group. */
	if (udp_ip_is_unspecified(&packet->src))
		return solicit && found->mac == NULL && packet->to_group;
	return found->mac == NULL || !(found->mac[0] & 1);
}

/* A message without options. */
static struct udp_buffer *build_bare(struct udp_stack *stack, uint8_t type, uint8_t flags,
                                     const struct udp_ip *target, uint32_t options)
{
	struct udp_buffer *buffer = stack_allocate(stack, ND_SIZE + options);
	uint8_t *at;

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return NULL;
	}
	at = buffer->data;
	memset(at, 0, ND_TARGET);
	at[ICMP_TYPE] = type;
	at[ND_FLAGS] = flags;
	memcpy(at + ND_TARGET, target->bytes, 16);
	return buffer;
}

/* A message with our link address as its only option. */
static struct udp_buffer *build(struct udp_stack *stack, unsigned interface, uint8_t type,
                                uint8_t flags, const struct udp_ip *target)
{
	struct udp_buffer *buffer = build_bare(stack, type, flags, target, ND_OPTION_SIZE);
	uint8_t *at;

	if (buffer == NULL)
		return NULL;
	at = buffer->data;
	at[ND_SIZE] = type == ICMP6_NEIGHBOUR_SOLICIT ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
	at[ND_SIZE + 1] = ND_OPTION_SIZE / 8;
	memcpy(at + ND_SIZE + 2, stack->interfaces[interface].mac, UDP_MAC_BYTES);
	return buffer;
}

/* From `src` to `dst`; `mac` NULL: dst is a group. */
static void transmit(struct udp_stack *stack, unsigned interface, struct udp_buffer *buffer,
                     const struct udp_ip *src, const struct udp_ip *dst, const uint8_t *mac)
{
	struct send send = {.src = *src,
	                    .dst = *dst,
	                    .direct = true,
	                    .interface = (uint8_t)interface,
	                    .protocol = PROTOCOL_ICMP6,
	                    .ttl = ND_HOPS};

	if (buffer == NULL)
		return;
	if (mac != NULL)
		memcpy(send.mac, mac, UDP_MAC_BYTES);
	else
		ip_multicast_mac(dst, send.mac);
	icmp6_finish(buffer, src, dst);
	stack->count.nd_out++;
	(void)ip_send(stack, &send, buffer);
}

void nd_solicit(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                const uint8_t *mac)
{
	const struct udp_ip *src = interface_source(&stack->interfaces[interface], ip);
	struct udp_ip group = ip6_solicited_group(ip);

	if (src != NULL)
		transmit(stack, interface, build(stack, interface, ICMP6_NEIGHBOUR_SOLICIT, 0, ip),
		         src, mac != NULL ? ip : &group, mac);
}

static const struct udp_ip all_nodes = {.family = 6, .bytes = {0xff, 2, [15] = 1}};

void nd_announce(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	transmit(stack, interface, build(stack, interface, ICMP6_NEIGHBOUR_ADVERT, ND_OVERRIDE, ip),
	         ip, &all_nodes, NULL);
}

void nd_probe(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	struct udp_ip nobody = {.family = 6}, group = ip6_solicited_group(ip);

	transmit(stack, interface, build_bare(stack, ICMP6_NEIGHBOUR_SOLICIT, 0, ip, 0), &nobody,
	         &group, NULL);
}

static bool is_ourselves(const struct packet *packet)
{
	return memcmp(packet->mac, packet->interface->mac, UDP_MAC_BYTES) == 0;
}

static void solicit_input(struct packet *packet, const struct discovery *found)
{
	struct udp_stack *stack = packet->stack;
	unsigned interface = packet->buffer->interface;
	struct address *mine = own_address_find(packet->interface, &found->target);
	bool nameless = udp_ip_is_unspecified(&packet->src);

	/* Somebody else wants the address that we want (RFC 4862, 5.4.3). */
	if (mine != NULL && mine->state == ADDRESS_TENTATIVE && nameless && !is_ourselves(packet))
		own_address_conflict(stack, interface, mine, packet->mac);
	if (interface_address(packet->interface, &found->target) == NULL)
		return;
	if (found->mac != NULL)
		neighbour_learn(stack, interface, &packet->src, found->mac, true, false);
	if (nameless)
		nd_announce(stack, interface, &found->target);
	else
		transmit(stack, interface,
		         build(stack, interface, ICMP6_NEIGHBOUR_ADVERT, ND_SOLICITED | ND_OVERRIDE,
		               &found->target),
		         &found->target, &packet->src,
		         found->mac != NULL ? found->mac : packet->mac);
}

static void advert_input(struct packet *packet, const struct discovery *found)
{
	unsigned interface = packet->buffer->interface;
	struct address *mine = own_address_find(packet->interface, &found->target);
	uint8_t flags = packet->payload[ND_FLAGS];

	if (mine != NULL && !is_ourselves(packet))
		own_address_conflict(packet->stack, interface, mine, packet->mac);
	else if (mine == NULL)
		neighbour_advert(packet->stack, interface, &found->target, found->mac,
		                 flags & ND_SOLICITED, flags & ND_OVERRIDE);
}

void nd_input(struct packet *packet)
{
	struct discovery found;

	packet->stack->count.nd_in++;
	/* Fragments would hide it from whoever guards the link (RFC 6980, 5). */
	if (!(packet->stack->config.roles & UDP_ROLE_RESOLVE) || packet->fragmented ||
	    !parse(packet, &found)) {
		packet->stack->count.nd_bad++;
		return;
	}
	if (packet->payload[ICMP_TYPE] == ICMP6_NEIGHBOUR_SOLICIT)
		solicit_input(packet, &found);
	else
		advert_input(packet, &found);
}
