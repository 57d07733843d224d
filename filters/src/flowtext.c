/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows as text for people: the usual fields of Ethernet, IPv4, IPv6, TCP and UDP by their names,
 * everything else by its position.
 */
#include <flt/flowset.h>

#include "internal.h"

/* What the terms seen so far say about where names apply. */
struct names {
	bool ip4;
	bool ip6;
	bool ports; /* ports are tested, which needs an unfragmented packet: no need to say so */
};

enum {
	ETHERTYPE_AT = 12,
	IP4_FRAGMENT_AT = 20,
	IP4_PROTOCOL_AT = 23,
	IP4_SOURCE_AT = 26,
	IP4_DESTINATION_AT = 30,
	IP6_NEXT_AT = 20,
	IP6_PORTS_AT = 54,
	IP4_HEADER_AT = 14,
};

static bool is_exact(const struct flt_term *t, uint32_t base, uint32_t offset, uint32_t width)
{
	return t->base == base && t->offset == offset && t->width == width &&
	       t->test == FLT_TEST_MASKED && t->mask == flt_width_mask(width);
}

static const char *ethertype_name(uint32_t value)
{
	switch (value) {
	case 0x0800:
		return "ip";
	case 0x0806:
		return "arp";
	case 0x8035:
		return "rarp";
	case 0x8100:
		return "vlan";
	case 0x86dd:
		return "ip6";
	default:
		return NULL;
	}
}

static const char *protocol_name(uint32_t value)
{
	switch (value) {
	case 1:
		return "icmp";
	case 2:
		return "igmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 58:
		return "icmp6";
	case 132:
		return "sctp";
	default:
		return NULL;
	}
}

/* A name for a one-value test of ethertype or protocol, or NULL. */
static const char *value_name(const struct flt_term *t, const struct names *names)
{
	if (is_exact(t, FLT_BASE_FRAME, ETHERTYPE_AT, 2))
		return ethertype_name(t->value);
	if (names->ip4 && is_exact(t, FLT_BASE_FRAME, IP4_PROTOCOL_AT, 1))
		return protocol_name(t->value);
	if (names->ip6 && is_exact(t, FLT_BASE_FRAME, IP6_NEXT_AT, 1))
		return protocol_name(t->value);
	return NULL;
}

static const char *port_name(const struct flt_term *t, const struct names *names)
{
	uint32_t at;
	if (t->width != 2)
		return NULL;
	if (names->ip4 && t->base == FLT_BASE_MSH && t->msh == IP4_HEADER_AT)
		at = t->offset - (uint32_t)IP4_HEADER_AT;
	else if (names->ip6 && t->base == FLT_BASE_FRAME)
		at = t->offset - (uint32_t)IP6_PORTS_AT;
	else
		return NULL;
	return at == 0 ? "src port" : at == 2 ? "dst port" : NULL;
}

static const char *address_name(const struct flt_term *t, const struct names *names)
{
	if (!names->ip4 || t->base != FLT_BASE_FRAME || t->width != 4 ||
	    t->test != FLT_TEST_MASKED || (t->mask & (~t->mask >> 1)))
		return NULL;
	return t->offset == IP4_SOURCE_AT ? "src" : t->offset == IP4_DESTINATION_AT ? "dst" : NULL;
}

static void put_position(struct flt_text *text, const struct flt_term *t)
{
	if (t->base == FLT_BASE_LENGTH)
		flt_text_put(text, "len");
	else if (t->base == FLT_BASE_MSH)
		flt_text_put(text, "frame[%u + 4 * (frame[%u] & 0xf) : %u]", t->offset, t->msh,
		             t->width);
	else
		flt_text_put(text, "frame[%u:%u]", t->offset, t->width);
}

static void put_raw(struct flt_text *text, const struct flt_term *t)
{
	put_position(text, t);
	if (t->test == FLT_TEST_RANGE)
		flt_text_put(text, " in %u-%u", t->low, t->high);
	else if (t->mask == 0)
		flt_text_put(text, " exists");
	else if (t->mask == flt_width_mask(t->width))
		flt_text_put(text, " == 0x%x", t->value);
	else
		flt_text_put(text, " & 0x%x == 0x%x", t->mask, t->value);
}

static void put_address(struct flt_text *text, const struct flt_term *t, const char *name)
{
	uint32_t v = t->value;
	uint32_t prefix = (uint32_t)__builtin_popcount(t->mask);
	flt_text_put(text, "%s %s %u.%u.%u.%u", name, prefix == 32 ? "host" : "net", v >> 24,
	             v >> 16 & 0xff, v >> 8 & 0xff, v & 0xff);
	if (prefix != 32)
		flt_text_put(text, "/%u", prefix);
}

static void put_port(struct flt_text *text, const struct flt_term *t, const char *name)
{
	if (t->test == FLT_TEST_RANGE)
		flt_text_put(text, "%srange %u-%u", name, t->low, t->high);
	else if (t->mask == 0xffff)
		flt_text_put(text, "%s %u", name, t->value);
	else
		put_raw(text, t);
}

static bool is_implied_unfragmented(const struct flt_term *t, const struct names *names)
{
	return names->ip4 && names->ports && t->base == FLT_BASE_FRAME && !t->negate &&
	       t->offset == IP4_FRAGMENT_AT && t->width == 2 && t->test == FLT_TEST_MASKED &&
	       t->mask == 0x1fff && t->value == 0;
}

static void put_term(struct flt_text *text, const struct flt_term *t, const struct names *names)
{
	const char *name;
	flt_text_put(text, t->negate ? "not " : "");
	if ((name = value_name(t, names)))
		flt_text_put(text, "%s", name);
	else if ((name = port_name(t, names)))
		put_port(text, t, name);
	else if ((name = address_name(t, names)))
		put_address(text, t, name);
	else
		put_raw(text, t);
}

static void find_names(const struct flt_conjunction *c, struct names *names)
{
	for (uint32_t i = 0; i < c->n_terms; i++) {
		const struct flt_term *t = &c->terms[i];
		if (!t->negate && is_exact(t, FLT_BASE_FRAME, ETHERTYPE_AT, 2)) {
			names->ip4 |= t->value == 0x0800;
			names->ip6 |= t->value == 0x86dd;
		}
		names->ports |= t->base == FLT_BASE_MSH && t->msh == IP4_HEADER_AT;
	}
}

static void put_conjunction(struct flt_text *text, const struct flt_conjunction *c)
{
	struct names names = {0};
	const char *separator = "";
	if (!c->n_terms)
		flt_text_put(text, "any");
	find_names(c, &names);
	for (uint32_t i = 0; i < c->n_terms; i++) {
		if (is_implied_unfragmented(&c->terms[i], &names))
			continue;
		flt_text_put(text, "%s", separator);
		put_term(text, &c->terms[i], &names);
		separator = " and ";
	}
}

size_t flt_conjunction_text(const struct flt_conjunction *conjunction, char *out, size_t size)
{
	struct flt_text text = {out, size, 0};
	if (size)
		out[0] = '\0';
	put_conjunction(&text, conjunction);
	return text.len;
}

size_t flt_flow_text(struct flt_flow flow, char *out, size_t size)
{
	struct flt_text text = {out, size, 0};
	if (size)
		out[0] = '\0';
	if (!flow.n)
		flt_text_put(&text, "none");
	for (uint32_t i = 0; i < flow.n; i++) {
		flt_text_put(&text, i ? " or " : "");
		put_conjunction(&text, &flow.conjunctions[i]);
	}
	return text.len;
}
