/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headers found. IPv4: RFC 791; IPv6 and its extension headers: RFC 8200, section 4.
 */
#include "layers.h"
#include "port.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	EXTENSIONS = 8, /* extension headers that are looked behind */

	HOP_BY_HOP = 0,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTHENTICATION = 51,
	DESTINATION = 60,
};

static void find_tags(struct layers *layers, const uint8_t *frame, uint32_t length)
{
	uint32_t at = PORT_ETHERNET - 2;

	layers->ethertype = layers_be16(frame + at);
	while ((layers->ethertype == ETHERTYPE_VLAN || layers->ethertype == ETHERTYPE_SERVICE) &&
	       layers->tags < LAYERS_TAGS && length - at >= 6) {
		at += 4;
		layers->tags++;
		layers->ethertype = layers_be16(frame + at);
	}
	layers->network = at + 2;
}

/* The packet's end as its own length field says, where that is true. */
static void bound(struct layers *layers, uint32_t size)
{
	if (size < layers->end - layers->network)
		layers->end = layers->network + size;
}

static void find_ipv4(struct layers *layers, const uint8_t *frame)
{
	const uint8_t *header = frame + layers->network;
	uint32_t room = layers->end - layers->network;

	if (room < IPV4_HEADER || header[0] >> 4 != 4)
		return;
	uint32_t size = (header[0] & 15u) * 4u, total = layers_be16(header + 2);
	uint16_t fragment = layers_be16(header + 6);
	if (size < IPV4_HEADER || size > room || total < size)
		return;
	bound(layers, total);
	layers->ip = true;
	layers->fragment = (fragment & 0x3fff) != 0;
	layers->protocol = header[9];
	if ((fragment & 0x1fff) == 0)
		layers->transport = layers->network + size;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT ||
	       protocol == AUTHENTICATION || protocol == DESTINATION;
}

/* Steps over one extension header; false where it is cut, or what follows is not the first
 * fragment's. */
static bool step_over(struct layers *layers, const uint8_t *frame, uint32_t *at)
{
	uint32_t room = layers->end - *at, size;

	if (room < 8)
		return false;
	const uint8_t *header = frame + *at;
	uint8_t kind = layers->protocol;
	if (kind == FRAGMENT) {
		size = 8;
		layers->fragment |= (layers_be16(header + 2) & 0xfff9) != 0;
	} else if (kind == AUTHENTICATION) {
		size = (header[1] + 2u) * 4u;
	} else {
		size = (header[1] + 1u) * 8u;
	}
	layers->protocol = header[0];
	*at += size <= room ? size : room;
	return size <= room && !(kind == FRAGMENT && layers_be16(header + 2) >> 3);
}

static void find_ipv6(struct layers *layers, const uint8_t *frame)
{
	const uint8_t *header = frame + layers->network;

	if (layers->end - layers->network < IPV6_HEADER || header[0] >> 4 != 6)
		return;
	uint32_t at = layers->network + IPV6_HEADER;
	bound(layers, IPV6_HEADER + layers_be16(header + 4));
	layers->ip = true;
	layers->protocol = header[6];
	for (int i = 0; i < EXTENSIONS && is_extension(layers->protocol); i++)
		if (!step_over(layers, frame, &at))
			return;
	if (!is_extension(layers->protocol))
		layers->transport = at;
}

void layers_find(struct layers *layers, const uint8_t *frame, uint32_t length)
{
	*layers = (struct layers){.end = length};
	find_tags(layers, frame, length);
	if (layers->ethertype == ETHERTYPE_IPV4)
		find_ipv4(layers, frame);
	else if (layers->ethertype == ETHERTYPE_IPV6)
		find_ipv6(layers, frame);
	if (layers->transport >= layers->end)
		layers->transport = 0;
}
