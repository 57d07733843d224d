/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets for TCP segments where no stream stack is: what a host says of a port that nobody has (RFC
 * 9293, 3.10.7.1). The host environment of an address that several share says it for all of them.
 * As rare as ICMP errors may be.
 */
#include "internal.h"

enum {
	TCP_SIZE = 20,
	TCP_SEQ = 4,
	TCP_ACK = 8,
	TCP_OFFSET = 12, /* of the payload, in words, in the upper half */
	TCP_FLAGS = 13,
	TCP_SUM = 16,
	FLAG_FIN = 1,
	FLAG_SYN = 2,
	FLAG_RST = 4,
	FLAG_ACK = 16,
};

static bool is_segment(const struct packet *packet)
{
	uint64_t sum;

	if (packet->size < TCP_SIZE ||
	    (uint32_t)(packet->payload[TCP_OFFSET] >> 4) * 4 - TCP_SIZE > packet->size - TCP_SIZE)
		return false;
	if (packet->buffer->flags & UDP_BUFFER_L4_OK)
		return true;
	sum = udp_sum_pseudo(0, &packet->src, &packet->dst, PROTOCOL_TCP, packet->size);
	return udp_sum_finish(udp_sum_add(sum, packet->payload, packet->size)) == 0;
}

/* Header of the reset, without a checksum. */
static void build(uint8_t *header, const struct packet *packet)
{
	const uint8_t *segment = packet->payload;
	uint8_t flags = segment[TCP_FLAGS];
	uint32_t length = packet->size - (uint32_t)(segment[TCP_OFFSET] >> 4) * 4 +
	                  ((flags & FLAG_SYN) != 0) + ((flags & FLAG_FIN) != 0);

	memset(header, 0, TCP_SIZE);
	memcpy(header, segment + 2, 2); /* the ports change places */
	memcpy(header + 2, segment, 2);
	header[TCP_OFFSET] = TCP_SIZE / 4 << 4;
	if (flags & FLAG_ACK) {
		memcpy(header + TCP_SEQ, segment + TCP_ACK, 4);
		header[TCP_FLAGS] = FLAG_RST;
	} else {
		wire_put32(header + TCP_ACK, wire_get32(segment + TCP_SEQ) + length);
		header[TCP_FLAGS] = FLAG_RST | FLAG_ACK;
	}
}

void tcp_reset(const struct packet *packet)
{
	struct send send = ip_answer(packet);
	struct udp_buffer *buffer;
	uint16_t sum;

	if (!is_segment(packet) || (packet->payload[TCP_FLAGS] & FLAG_RST) ||
	    !icmp_error_allowed(packet))
		return;
	buffer = stack_allocate(packet->stack, TCP_SIZE);
	if (buffer == NULL) {
		packet->stack->count.drop_no_buffer++;
		return;
	}
	build(buffer->data, packet);
	sum = udp_sum_finish(
	        udp_sum_add(udp_sum_pseudo(0, &send.src, &send.dst, PROTOCOL_TCP, TCP_SIZE),
	                    buffer->data, TCP_SIZE));
	memcpy(buffer->data + TCP_SUM, &sum, sizeof sum);
	send.protocol = PROTOCOL_TCP;
	packet->stack->count.tcp_resets_out++;
	(void)ip_send(packet->stack, &send, buffer);
}
