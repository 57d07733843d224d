/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builders of flows: header fields by name, terms by position. Layouts: Ethernet, ARP (RFC 826),
 * IPv4 (RFC 791), ports (RFC 768, RFC 9293).
 */
#include <libexo/lib.h>
#include <libexo/net.h>

enum {
	AT_ETHERTYPE = 12,
	AT_ARP_SENDER = 14 + 14,
	AT_ARP_TARGET = 14 + 24,
	AT_IPV4 = 14,
	AT_IPV4_FRAGMENT = 14 + 6,
	AT_IPV4_PROTOCOL = 14 + 9,
	AT_IPV4_SOURCE = 14 + 12,
	AT_IPV4_DESTINATION = 14 + 16,
	FULL = FLT_CONJUNCTION_TERMS_MAX + 1, /* n_terms of a conjunction that had no room */
};

void exo_flow_any(struct flt_conjunction *c)
{
	memset(c, 0, sizeof(*c));
}

bool exo_flow_full(const struct flt_conjunction *c)
{
	return c->n_terms > FLT_CONJUNCTION_TERMS_MAX;
}

static struct flt_term *next_term(struct flt_conjunction *c)
{
	if (c->n_terms >= FLT_CONJUNCTION_TERMS_MAX) {
		c->n_terms = FULL;
		return NULL;
	}
	return &c->terms[c->n_terms++];
}

void exo_flow_term(struct flt_conjunction *c, uint16_t offset, uint8_t width, uint32_t mask,
                   uint32_t value)
{
	struct flt_term *term = next_term(c);

	if (term == NULL)
		return;
	*term = (struct flt_term){.base = FLT_BASE_FRAME, .width = width, .offset = offset};
	term->mask = mask;
	term->value = value & mask;
}

/* A transport port: the header's length nibble stands in the IPv4 header's first byte. */
static void port_term(struct flt_conjunction *c, uint16_t offset, uint16_t port)
{
	struct flt_term *term = next_term(c);

	if (term == NULL)
		return;
	*term = (struct flt_term){
	        .base = FLT_BASE_MSH, .width = 2, .offset = AT_IPV4 + offset, .msh = AT_IPV4};
	term->mask = 0xffff;
	term->value = port;
}

static uint32_t big32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void exo_flow_ethertype(struct flt_conjunction *c, uint16_t type)
{
	exo_flow_term(c, AT_ETHERTYPE, 2, 0xffff, type);
}

void exo_flow_mac(struct flt_conjunction *c, uint16_t offset, const uint8_t mac[6])
{
	exo_flow_term(c, offset, 4, 0xffffffff, big32(mac));
	exo_flow_term(c, (uint16_t)(offset + 4), 2, 0xffff, (uint32_t)mac[4] << 8 | mac[5]);
}

void exo_flow_arp_sender(struct flt_conjunction *c, const uint8_t address[4])
{
	exo_flow_term(c, AT_ARP_SENDER, 4, 0xffffffff, big32(address));
}

void exo_flow_arp_target(struct flt_conjunction *c, const uint8_t address[4])
{
	exo_flow_term(c, AT_ARP_TARGET, 4, 0xffffffff, big32(address));
}

void exo_flow_ipv4(struct flt_conjunction *c)
{
	exo_flow_ethertype(c, 0x0800);
}

void exo_flow_ipv4_protocol(struct flt_conjunction *c, uint8_t protocol)
{
	exo_flow_term(c, AT_IPV4_PROTOCOL, 1, 0xff, protocol);
}

static uint32_t prefix_mask(unsigned prefix)
{
	return prefix == 0 ? 0 : prefix >= 32 ? 0xffffffff : ~(0xffffffffu >> prefix);
}

void exo_flow_ipv4_source(struct flt_conjunction *c, const uint8_t address[4], unsigned prefix)
{
	exo_flow_term(c, AT_IPV4_SOURCE, 4, prefix_mask(prefix), big32(address));
}

void exo_flow_ipv4_destination(struct flt_conjunction *c, const uint8_t address[4], unsigned prefix)
{
	exo_flow_term(c, AT_IPV4_DESTINATION, 4, prefix_mask(prefix), big32(address));
}

void exo_flow_ipv4_first(struct flt_conjunction *c)
{
	exo_flow_term(c, AT_IPV4_FRAGMENT, 2, 0x1fff, 0);
}

void exo_flow_ipv4_source_port(struct flt_conjunction *c, uint16_t port)
{
	port_term(c, 0, port);
}

void exo_flow_ipv4_destination_port(struct flt_conjunction *c, uint16_t port)
{
	port_term(c, 2, port);
}

void exo_flow_ipv4_to(struct flt_conjunction *c, uint8_t protocol, const uint8_t address[4],
                      uint16_t port)
{
	exo_flow_any(c);
	exo_flow_ipv4(c);
	exo_flow_ipv4_protocol(c, protocol);
	exo_flow_ipv4_destination(c, address, 32);
	exo_flow_ipv4_first(c);
	exo_flow_ipv4_destination_port(c, port);
}

void exo_flow_ipv4_from(struct flt_conjunction *c, uint8_t protocol, const uint8_t address[4],
                        uint16_t port)
{
	exo_flow_any(c);
	exo_flow_ipv4(c);
	exo_flow_ipv4_protocol(c, protocol);
	exo_flow_ipv4_source(c, address, 32);
	exo_flow_ipv4_first(c);
	exo_flow_ipv4_source_port(c, port);
}
