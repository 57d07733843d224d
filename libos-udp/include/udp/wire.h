/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header layouts as numbers: offsets, sizes and codes, and how to read and write big-endian fields
 * at any alignment. Layouts are offsets, not structures, so that nothing is read before somebody
 * has compared a length.
 */
#ifndef UDP_WIRE_H
#define UDP_WIRE_H

#include <stdint.h>

/* Ethernet II. */
enum {
	ETH_DST = 0,
	ETH_SRC = 6,
	ETH_TYPE = 12,
	ETH_SIZE = 14,
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_IP6 = 0x86dd,
};

/* ARP for IPv4 over Ethernet (RFC 826). */
enum {
	ARP_HTYPE = 0,
	ARP_PTYPE = 2,
	ARP_HLEN = 4,
	ARP_PLEN = 5,
	ARP_OP = 6,
	ARP_SHA = 8,
	ARP_SPA = 14,
	ARP_THA = 18,
	ARP_TPA = 24,
	ARP_SIZE = 28,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
};

/* IPv4 (RFC 791, 3.1). */
enum {
	IP4_VERSION_IHL = 0,
	IP4_TOS = 1,
	IP4_LENGTH = 2,
	IP4_ID = 4,
	IP4_FRAGMENT = 6,
	IP4_TTL = 8,
	IP4_PROTOCOL = 9,
	IP4_CHECKSUM = 10,
	IP4_SRC = 12,
	IP4_DST = 16,
	IP4_SIZE = 20,
	IP4_SIZE_MAX = 60,
	IP4_DF = 0x4000,
	IP4_MF = 0x2000,
	IP4_OFFSET_MASK = 0x1fff, /* in units of 8 bytes */
	IP4_OPTION_END = 0,
	IP4_OPTION_NOP = 1,
	IP4_OPTION_LSRR = 131,
	IP4_OPTION_SSRR = 137,
};

/* IPv6 (RFC 8200, 3) and its extension headers. */
enum {
	IP6_VERSION = 0,
	IP6_LENGTH = 4,
	IP6_NEXT = 6,
	IP6_HOPS = 7,
	IP6_SRC = 8,
	IP6_DST = 24,
	IP6_SIZE = 40,
	IP6_MTU_MIN = 1280,
	IP6_FRAGMENT_WORD = 2, /* offset in bytes, and the bit for "more" */
	IP6_FRAGMENT_ID = 4,
	IP6_FRAGMENT_SIZE = 8,
	IP6_NEXT_HOP_BY_HOP = 0,
	IP6_NEXT_ROUTING = 43,
	IP6_NEXT_FRAGMENT = 44,
	IP6_NEXT_NONE = 59,
	IP6_NEXT_DESTINATION = 60,
};

enum {
	PROTOCOL_ICMP = 1,
	PROTOCOL_IGMP = 2,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_ICMP6 = 58,
};

/* ICMP (RFC 792) and ICMPv6 (RFC 4443) share the first eight bytes. */
enum {
	ICMP_TYPE = 0,
	ICMP_CODE = 1,
	ICMP_CHECKSUM = 2,
	ICMP_REST = 4,
	ICMP_SIZE = 8,
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_EXPIRED = 11,
	ICMP_PARAMETER = 12,
	ICMP_CODE_PROTOCOL = 2, /* of ICMP_UNREACHABLE */
	ICMP_CODE_PORT = 3,
	ICMP_CODE_TOO_BIG = 4,
	ICMP_CODE_REASSEMBLY = 1, /* of ICMP_EXPIRED */
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_EXPIRED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ERRORS_END = 128, /* types below are errors */
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD_REPORT = 131,
	ICMP6_MLD_DONE = 132,
	ICMP6_ROUTER_SOLICIT = 133,
	ICMP6_ROUTER_ADVERT = 134,
	ICMP6_NEIGHBOUR_SOLICIT = 135,
	ICMP6_NEIGHBOUR_ADVERT = 136,
	ICMP6_REDIRECT = 137,
	ICMP6_MLD_REPORT_2 = 143,
	ICMP6_CODE_PORT = 4,  /* of ICMP6_UNREACHABLE */
	ICMP6_CODE_FIELD = 0, /* of ICMP6_PARAMETER */
	ICMP6_CODE_OPTION = 2,
	ICMP6_CODE_NEXT_HEADER = 1, /* of ICMP6_PARAMETER */
};

/* Neighbour discovery (RFC 4861, 4.3, 4.4, 4.6). */
enum {
	ND_FLAGS = 4, /* of an advertisement */
	ND_TARGET = 8,
	ND_SIZE = 24,
	ND_SOLICITED = 0x40,
	ND_OVERRIDE = 0x20,
	ND_HOPS = 255,
	ND_OPTION_SOURCE = 1, /* link address of the sender */
	ND_OPTION_TARGET = 2,
	ND_OPTION_SIZE = 8, /* of one that holds an Ethernet address */
};

/* UDP (RFC 768). */
enum {
	UDP_SRC_PORT = 0,
	UDP_DST_PORT = 2,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
	UDP_SIZE = 8,
};

static inline uint16_t wire_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t wire_get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void wire_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void wire_put32(uint8_t *at, uint32_t value)
{
	wire_put16(at, (uint16_t)(value >> 16));
	wire_put16(at + 2, (uint16_t)value);
}

#endif
