/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses, of both families, as plain values. Bytes are in network order; an IPv4 address stands
 * in the first four and the rest is zero, so that two addresses are equal when their bytes are.
 */
#ifndef UDP_ADDRESS_H
#define UDP_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	UDP_MAC_BYTES = 6,
	UDP_IP_TEXT_MAX = 46, /* bytes of an address as text, with its NUL */
};

struct udp_ip {
	uint8_t family; /* 4 or 6; 0: none ("any" where a function says so) */
	uint8_t reserved[3];
	uint8_t bytes[16];
};

/* One end of a conversation. */
struct udp_endpoint {
	struct udp_ip ip;
	uint16_t port; /* host order; 0: none */
};

static inline struct udp_ip udp_ip_none(void)
{
	return (struct udp_ip){.family = 0};
}

/* From a number in host order: 0x0a000001 is 10.0.0.1. */
static inline struct udp_ip udp_ip4(uint32_t address)
{
	return (struct udp_ip){.family = 4,
	                       .bytes = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
	                                 (uint8_t)(address >> 8), (uint8_t)address}};
}

static inline struct udp_ip udp_ip6(const void *bytes)
{
	struct udp_ip ip = {.family = 6};

	memcpy(ip.bytes, bytes, 16);
	return ip;
}

/* The number in host order of an IPv4 address. */
static inline uint32_t udp_ip4_value(const struct udp_ip *ip)
{
	return (uint32_t)ip->bytes[0] << 24 | (uint32_t)ip->bytes[1] << 16 |
	       (uint32_t)ip->bytes[2] << 8 | ip->bytes[3];
}

static inline bool udp_ip_equal(const struct udp_ip *a, const struct udp_ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, 16) == 0;
}

/* Whether the first `prefix` bits agree (and the family does). */
bool udp_ip_same_net(const struct udp_ip *a, const struct udp_ip *b, unsigned prefix);
bool udp_ip_is_multicast(const struct udp_ip *ip);
bool udp_ip_is_unspecified(const struct udp_ip *ip);
bool udp_ip_is_loopback(const struct udp_ip *ip);
/* An address that a packet may come from: not unspecified, loopback, multicast, broadcast or
 * IPv4's class E. */
bool udp_ip_is_source(const struct udp_ip *ip);

/* Text of an address ("10.0.0.1", RFC 5952 for IPv6); `text` has UDP_IP_TEXT_MAX bytes. → text. */
char *udp_ip_format(const struct udp_ip *ip, char *text);
/* The reverse, IPv4 in four decimal parts or IPv6. false: no address; *ip is untouched then. */
bool udp_ip_parse(const char *text, struct udp_ip *ip);

#endif
