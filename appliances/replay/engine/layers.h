/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the headers of a frame lie: enough to rewrite addresses and to know a packet again. Frames
 * are untrusted; an offset is set only where the whole header that it names is there.
 */
#ifndef REPLAY_ENGINE_LAYERS_H
#define REPLAY_ENGINE_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LAYERS_TAGS = 4, /* VLAN tags that are looked behind */

	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_SERVICE = 0x88a8, /* IEEE 802.1ad */

	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_ICMPV6 = 58,
};

struct layers {
	uint32_t network;   /* offset of what follows the Ethernet header and its VLAN tags */
	uint32_t transport; /* offset of the transport header; 0: none, or not the first fragment */
	uint32_t end;       /* of the packet; behind it lies padding. At most the frame's length */
	uint16_t ethertype; /* behind the tags */
	uint8_t tags;
	uint8_t protocol; /* of the transport header, behind IPv6's extension headers */
	bool ip;          /* an IPv4 or IPv6 header that is whole */
	bool fragment;    /* any fragment of a longer packet */
};

/* frame has at least an Ethernet header. */
void layers_find(struct layers *layers, const uint8_t *frame, uint32_t length);

static inline uint16_t layers_be16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void layers_put16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

#endif
