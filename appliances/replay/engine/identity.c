/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signature, little-endian: magic (4 bytes, mixed with the run), sequence (4), time (8); at the
 * last even offset from the transport header at which it fits.
 */
#include <string.h>

#include "checksum.h"
#include "identity.h"
#include "layers.h"

enum {
	MAGIC = 0x53525053,
	HEAD = 96, /* bytes of content that count */
	TAIL = 32,
	UDP_HEADER = 8,
	ICMP_HEADER = 8,
	TCP_HEADER = 20,
	PORTS = 4,
};

/* Bytes of the transport header that must stay. */
static uint32_t header_size(const uint8_t *frame, const struct layers *layers)
{
	uint32_t room = layers->end - layers->transport;

	switch (layers->protocol) {
	case PROTOCOL_UDP:
		return UDP_HEADER;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		return ICMP_HEADER;
	case PROTOCOL_TCP:
		return room < TCP_HEADER ? TCP_HEADER : (frame[layers->transport + 12] >> 4) * 4u;
	default:
		return 0;
	}
}

/* Where the signature lies; 0: nowhere. */
static uint32_t place(const uint8_t *frame, const struct layers *layers)
{
	uint32_t base = layers->ip ? layers->transport : layers->network;

	if (layers->ip && !layers->transport)
		return 0;
	uint32_t room = layers->end - base, keep = layers->ip ? header_size(frame, layers) : 0;
	if (room < keep || room - keep < SIGNATURE_SIZE + (keep & 1))
		return 0;
	return base + ((room - SIGNATURE_SIZE) & ~1u);
}

static void put32(uint8_t *bytes, uint32_t value)
{
	memcpy(bytes, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

bool signature_put(uint8_t *frame, uint32_t length, const struct signature *signature)
{
	struct layers layers;
	uint8_t old[SIGNATURE_SIZE];

	layers_find(&layers, frame, length);
	uint32_t at = layers.ethertype == ETHERTYPE_ARP ? 0 : place(frame, &layers);
	if (!at || layers.fragment)
		return false;
	memcpy(old, frame + at, sizeof(old));
	put32(frame + at, MAGIC ^ signature->run);
	put32(frame + at + 4, signature->sequence);
	memcpy(frame + at + 8, &signature->time_ns, sizeof(signature->time_ns));
	if (layers.ip) {
		struct checksums sums = checksums_find(frame, &layers);
		checksum_transport(&sums, old, frame + at, sizeof(old));
	}
	return true;
}

/* What would be a signature, if it is one; false where there is no room for one. */
static bool read_signature(const uint8_t *frame, uint32_t length, struct signature *signature)
{
	struct layers layers;

	layers_find(&layers, frame, length);
	uint32_t at = place(frame, &layers);
	if (!at)
		return false;
	signature->run = get32(frame + at) ^ MAGIC;
	signature->sequence = get32(frame + at + 4);
	memcpy(&signature->time_ns, frame + at + 8, sizeof(signature->time_ns));
	return true;
}

bool signature_get(const uint8_t *frame, uint32_t length, struct signature *signature)
{
	struct signature found;

	if (!read_signature(frame, length, &found) || found.run != signature->run)
		return false;
	*signature = found;
	return true;
}

bool signature_of_clock(const uint8_t *frame, uint32_t length, uint16_t clock,
                        struct signature *signature)
{
	return read_signature(frame, length, signature) && (uint16_t)signature->run == clock;
}

/* A multiplicative mix; nobody gains by collisions, which are counted as ambiguous. */
static uint64_t mix(uint64_t hash, const uint8_t *bytes, uint32_t size)
{
	uint64_t word;

	for (; size >= sizeof(word); bytes += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	word = size;
	for (uint32_t i = 0; i < size; i++)
		word = word << 8 | bytes[i];
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static uint64_t mix_ends(uint64_t hash, const uint8_t *bytes, uint32_t size)
{
	hash ^= (uint64_t)size << 16;
	if (size <= HEAD + TAIL)
		return mix(hash, bytes, size);
	return mix(mix(hash, bytes, HEAD), bytes + size - TAIL, TAIL);
}

/* A later fragment: what tells it from others, and its data. */
static uint64_t fragment_content(const uint8_t *frame, const struct layers *layers)
{
	const uint8_t *header = frame + layers->network;
	bool six = layers->ethertype == ETHERTYPE_IPV6;
	uint64_t hash = six ? layers->protocol : mix(layers->protocol, header + 4, 4);
	uint32_t at = layers->network + (six ? 40 : (header[0] & 15u) * 4u);

	return mix_ends(hash, frame + at, layers->end - at);
}

uint64_t identity_content(const uint8_t *frame, uint32_t length)
{
	struct layers layers;

	layers_find(&layers, frame, length);
	if (!layers.ip)
		return mix_ends(layers.ethertype, frame + layers.network,
		                layers.end - layers.network);
	if (!layers.transport)
		return fragment_content(frame, &layers);
	const uint8_t *header = frame + layers.transport;
	uint32_t room = layers.end - layers.transport;
	if (layers.protocol == PROTOCOL_UDP && room >= UDP_HEADER)
		return mix_ends(PROTOCOL_UDP, header + UDP_HEADER, room - UDP_HEADER);
	if (layers.protocol == PROTOCOL_TCP && room >= TCP_HEADER)
		return mix_ends(mix(PROTOCOL_TCP, header + PORTS, 12), header + 18, room - 18);
	if ((layers.protocol == PROTOCOL_ICMP || layers.protocol == PROTOCOL_ICMPV6) && room >= 4)
		return mix_ends(PROTOCOL_ICMP, header + 4, room - 4);
	return mix_ends(layers.protocol, header, room);
}
