/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ARP for IPv4 over Ethernet: RFC 826 in the order of its "Packet Reception", with the address
 * conflict rules of RFC 5227 (announcements, and one defence in ten seconds).
 *
 * Who is believed: a reply only while we ask for that address or know it already, or where others
 * at our address may have asked; a request to us makes an entry, since it is about to send
 * something (RFC 826); other requests only refresh.
 */
#include "internal.h"

struct arp {
	uint16_t op;
	uint8_t sha[UDP_MAC_BYTES];
	struct udp_ip spa, tpa;
};

static bool parse(const struct udp_buffer *buffer, struct arp *arp)
{
	const uint8_t *at = buffer->data + ETH_SIZE;

	if (buffer->size - ETH_SIZE < ARP_SIZE)
		return false;
	if (wire_get16(at + ARP_HTYPE) != 1 || wire_get16(at + ARP_PTYPE) != ETHERTYPE_IP4 ||
	    at[ARP_HLEN] != UDP_MAC_BYTES || at[ARP_PLEN] != 4)
		return false;
	arp->op = wire_get16(at + ARP_OP);
	memcpy(arp->sha, at + ARP_SHA, UDP_MAC_BYTES);
	arp->spa = udp_ip4(wire_get32(at + ARP_SPA));
	arp->tpa = udp_ip4(wire_get32(at + ARP_TPA));
	if (arp->op != ARP_REQUEST && arp->op != ARP_REPLY)
		return false;
	/* A probe's sender has no address yet (RFC 5227, 2.1.1). */
	return !(arp->sha[0] & 1) &&
	       (udp_ip_is_unspecified(&arp->spa) || udp_ip_is_source(&arp->spa));
}

static void build(uint8_t *at, uint16_t op, const uint8_t *sha, const struct udp_ip *spa,
                  const uint8_t *tha, const struct udp_ip *tpa)
{
	wire_put16(at + ARP_HTYPE, 1);
	wire_put16(at + ARP_PTYPE, ETHERTYPE_IP4);
	at[ARP_HLEN] = UDP_MAC_BYTES;
	at[ARP_PLEN] = 4;
	wire_put16(at + ARP_OP, op);
	memcpy(at + ARP_SHA, sha, UDP_MAC_BYTES);
	memcpy(at + ARP_SPA, spa->bytes, 4);
	memcpy(at + ARP_THA, tha, UDP_MAC_BYTES);
	memcpy(at + ARP_TPA, tpa->bytes, 4);
}

static void send_request(struct udp_stack *stack, unsigned interface, const struct udp_ip *spa,
                         const struct udp_ip *tpa, const uint8_t *to)
{
	static const uint8_t unknown[UDP_MAC_BYTES];
	struct udp_buffer *buffer = stack_allocate(stack, ARP_SIZE);

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return;
	}
	build(buffer->data, ARP_REQUEST, stack->interfaces[interface].mac, spa, unknown, tpa);
	stack->count.arp_requests_out++;
	ethernet_send(stack, interface, to, ETHERTYPE_ARP, buffer);
}

void arp_request(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                 const uint8_t *mac)
{
	const struct udp_ip *src = interface_source(&stack->interfaces[interface], ip);

	if (src != NULL)
		send_request(stack, interface, src, ip, mac != NULL ? mac : ethernet_broadcast);
}

void arp_announce(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	send_request(stack, interface, ip, ip, ethernet_broadcast);
}

void arp_probe(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	struct udp_ip nobody = {.family = 4};

	send_request(stack, interface, &nobody, ip, ethernet_broadcast);
}

/* Turns the request's own buffer into the reply. */
static void reply(struct udp_stack *stack, struct udp_buffer *buffer, const struct arp *arp)
{
	unsigned interface = buffer->interface;

	udp_buffer_pull(buffer, ETH_SIZE);
	(void)udp_buffer_resize(buffer, ARP_SIZE); /* shrinks: the padding goes */
	build(buffer->data, ARP_REPLY, stack->interfaces[interface].mac, &arp->tpa, arp->sha,
	      &arp->spa);
	stack->count.arp_replies_out++;
	ethernet_send(stack, interface, arp->sha, ETHERTYPE_ARP, buffer);
}

/* The address of ours that the sender has or, while we are asking for it, wants as well (RFC 5227,
 * 2.1.1); NULL: none. */
static struct address *claimed(struct interface *interface, const struct arp *arp)
{
	struct address *wanted;

	if (!udp_ip_is_unspecified(&arp->spa))
		return own_address_find(interface, &arp->spa);
	wanted = own_address_find(interface, &arp->tpa);
	return wanted != NULL && wanted->state == ADDRESS_TENTATIVE ? wanted : NULL;
}

/* Whether the sender claims an address of ours, or is ourselves, looped back. Another program of
 * this machine has our MAC address, too. */
static bool sender_is_us(struct udp_stack *stack, unsigned interface, const struct arp *arp,
                         bool local)
{
	struct address *mine = claimed(&stack->interfaces[interface], arp);
	bool our_mac = memcmp(arp->sha, stack->interfaces[interface].mac, UDP_MAC_BYTES) == 0;

	if (mine != NULL && !our_mac)
		own_address_conflict(stack, interface, mine, arp->sha);
	return mine != NULL || (our_mac && !local);
}

void arp_input(struct udp_stack *stack, struct udp_buffer *buffer)
{
	unsigned interface = buffer->interface;
	struct arp arp;
	bool to_us;

	stack->count.arp_in++;
	if (!(stack->config.roles & UDP_ROLE_RESOLVE) || !parse(buffer, &arp)) {
		stack->count.arp_bad++;
		udp_buffer_release(stack, buffer);
		return;
	}
	to_us = interface_address(&stack->interfaces[interface], &arp.tpa) != NULL;
	if (sender_is_us(stack, interface, &arp, buffer->flags & UDP_BUFFER_LOCAL)) {
		udp_buffer_release(stack, buffer);
		return;
	}
	if (!udp_ip_is_unspecified(&arp.spa))
		neighbour_learn(stack, interface, &arp.spa, arp.sha,
		                to_us && (arp.op == ARP_REQUEST ||
		                          neighbour_is_published(stack, interface)),
		                to_us && arp.op == ARP_REPLY);
	if (to_us && arp.op == ARP_REQUEST)
		reply(stack, buffer, &arp);
	else
		udp_buffer_release(stack, buffer);
}
