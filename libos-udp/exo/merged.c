/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments of TCP that the NIC has merged (LRO), taken apart again where their buffers end: what
 * lies in each becomes a segment, with the headers of the first one in the room before it and
 * nothing copied but them. FIN and PSH go with the last part, CWR with the first (as in RFC 9293,
 * 3.7, and RFC 3168, 6.1.2, a sender of such segments would have them).
 *
 * Only what hardware has found to be right is taken apart: there is no checksum of the parts. What
 * lies behind the packet that IP's length tells of is none of it. A packet that was cut loses its
 * end, which its sender sends again.
 */
#include <udp/checksum.h>
#include <udp/wire.h>

#include "driver.h"

enum {
	TCP_SIZE = 20,
	TCP_SEQUENCE = 4,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_FIN = 1,
	TCP_PSH = 8,
	TCP_CWR = 128,
};

/* Where TCP's header begins in a frame without a tag; 0: it is no such packet. */
static uint32_t find_tcp(const uint8_t *frame, uint32_t size, bool checked)
{
	const uint8_t *ip = frame + ETH_SIZE;
	uint32_t length;

	if (size < ETH_SIZE + IP6_SIZE)
		return 0;
	if (wire_get16(frame + ETH_TYPE) == ETHERTYPE_IP6)
		return ip[IP6_NEXT] == PROTOCOL_TCP ? ETH_SIZE + IP6_SIZE : 0;
	length = (ip[IP4_VERSION_IHL] & 15) * 4u;
	if (wire_get16(frame + ETH_TYPE) != ETHERTYPE_IP4 || length < IP4_SIZE ||
	    size < ETH_SIZE + length || ip[IP4_PROTOCOL] != PROTOCOL_TCP ||
	    (wire_get16(ip + IP4_FRAGMENT) & (IP4_MF | IP4_OFFSET_MASK)) != 0 ||
	    (!checked && udp_sum_finish(udp_sum_add(0, ip, length)) != 0))
		return 0;
	return ETH_SIZE + length;
}

/* The lengths and flags of this part, `size` bytes of payload. */
static void tell_part(const struct udp_exo_merged *merged, uint8_t *frame, uint32_t size, bool more)
{
	uint8_t *ip = frame + ETH_SIZE, *tcp = frame + merged->l4;

	if (wire_get16(frame + ETH_TYPE) == ETHERTYPE_IP6)
		wire_put16(ip + IP6_LENGTH,
		           (uint16_t)(merged->header - ETH_SIZE - IP6_SIZE + size));
	else
		wire_put16(ip + IP4_LENGTH, (uint16_t)(merged->header - ETH_SIZE + size));
	wire_put32(tcp + TCP_SEQUENCE, wire_get32(tcp + TCP_SEQUENCE) + merged->done);
	if (more)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (merged->done > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

/* false: there is nothing of the packet in it. */
static bool give_part(struct udp_exo_merged *merged, struct udp_buffer *buffer)
{
	uint32_t size = buffer->size - merged->header;

	if (size > merged->left)
		size = merged->left;
	if (size == 0)
		return false;
	buffer->size = merged->header + size;
	merged->left -= size;
	/* Of one that was cut nobody has seen the end. */
	tell_part(merged, buffer->data, size, merged->left > 0);
	merged->done += size;
	buffer->flags = (buffer->flags & UDP_BUFFER_LOCAL) | UDP_BUFFER_L3_OK | UDP_BUFFER_L4_OK;
	return true;
}

/* Where the packet ends by its IP header. */
static uint32_t end_of(const uint8_t *frame)
{
	const uint8_t *ip = frame + ETH_SIZE;

	return wire_get16(frame + ETH_TYPE) == ETHERTYPE_IP6
	               ? ETH_SIZE + IP6_SIZE + wire_get16(ip + IP6_LENGTH)
	               : ETH_SIZE + wire_get16(ip + IP4_LENGTH);
}

bool merged_begin(struct udp_exo_merged *merged, struct udp_buffer *buffer, uint16_t flags)
{
	bool right = (flags & (EXO_DESC_L4_SUM_OK | EXO_DESC_SUM_BAD)) == EXO_DESC_L4_SUM_OK;
	uint32_t l4 = right ? find_tcp(buffer->data, buffer->size, flags & EXO_DESC_L3_SUM_OK) : 0;
	uint32_t header = 0;

	if (l4 != 0 && buffer->size >= l4 + TCP_SIZE)
		header = l4 + (buffer->data[l4 + TCP_OFFSET] >> 4) * 4u;
	if (header < l4 + TCP_SIZE || header > sizeof merged->bytes || header > buffer->size ||
	    header >= end_of(buffer->data)) {
		merged->lost++;
		return false;
	}
	merged->header = (uint8_t)header;
	merged->l4 = (uint8_t)l4;
	merged->done = 0;
	merged->left = end_of(buffer->data) - header;
	memcpy(merged->bytes, buffer->data, header);
	return give_part(merged, buffer);
}

bool merged_go_on(struct udp_exo_merged *merged, struct udp_buffer *buffer)
{
	if (merged->header == 0)
		return false;
	if (udp_buffer_push(buffer, merged->header) == NULL) {
		merged->header = 0; /* what comes behind it has no place */
		merged->lost++;
		return false;
	}
	memcpy(buffer->data, merged->bytes, merged->header);
	return give_part(merged, buffer);
}
