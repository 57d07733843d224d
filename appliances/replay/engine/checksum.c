/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the checksums lie: RFC 791, 9293, 768, 792, 4443.
 */
#include <stddef.h>

#include "checksum.h"
#include "layers.h"

enum { IPV4_CHECKSUM = 10 };

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint16_t checksum_of(const uint8_t *bytes, uint32_t size)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < size; i += 2)
		sum += layers_be16(bytes + i);
	return folded(sum);
}

/* Offset in the transport header; 0: a protocol that we do not know. */
static uint32_t offset_of(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_TCP:
		return 16;
	case PROTOCOL_UDP:
		return 6;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

struct checksums checksums_find(uint8_t *frame, const struct layers *layers)
{
	struct checksums sums = {.zero_is_none = layers->protocol == PROTOCOL_UDP,
	                         .pseudo = layers->protocol != PROTOCOL_ICMP};
	uint32_t at = offset_of(layers->protocol);

	if (layers->ethertype == ETHERTYPE_IPV4)
		sums.network = frame + layers->network + IPV4_CHECKSUM;
	if (at && layers->transport && layers->end - layers->transport >= at + 2)
		sums.transport = frame + layers->transport + at;
	if (sums.transport && sums.zero_is_none && layers_be16(sums.transport) == 0)
		sums.transport = NULL;
	return sums;
}

/* RFC 1624, equation 3. */
static void adjust(uint8_t *checksum, const uint8_t *old, const uint8_t *new, unsigned size)
{
	uint32_t sum = (uint16_t)~layers_be16(checksum);

	for (unsigned i = 0; i < size; i += 2)
		sum += (uint16_t)~layers_be16(old + i) + (uint32_t)layers_be16(new + i);
	layers_put16(checksum, folded(sum));
}

void checksum_network(const struct checksums *sums, const uint8_t *old, const uint8_t *new,
                      unsigned size)
{
	if (sums->network)
		adjust(sums->network, old, new, size);
}

void checksum_transport(const struct checksums *sums, const uint8_t *old, const uint8_t *new,
                        unsigned size)
{
	if (!sums->transport)
		return;
	adjust(sums->transport, old, new, size);
	if (sums->zero_is_none && layers_be16(sums->transport) == 0)
		layers_put16(sums->transport, 0xffff);
}
