/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP on its way up (RFC 768): length, checksum, socket. */
#include "internal.h"

static bool checksum_ok(const struct packet *packet, uint32_t length)
{
	uint64_t sum;

	/* The sender made none; only IPv4 allows that (RFC 8200, 8.1). */
	if (wire_get16(packet->payload + UDP_CHECKSUM) == 0)
		return packet->src.family == 4;
	if (packet->buffer->flags & UDP_BUFFER_L4_OK)
		return true;
	sum = udp_sum_pseudo(0, &packet->src, &packet->dst, PROTOCOL_UDP, length);
	return udp_sum_finish(udp_sum_add(sum, packet->payload, length)) == 0;
}

static void deliver(struct packet *packet, struct udp_socket *socket,
                    const struct udp_endpoint *from, const struct udp_endpoint *to, uint32_t length)
{
	struct udp_datagram datagram = {.data = packet->payload + UDP_SIZE,
	                                .size = length - UDP_SIZE,
	                                .from = *from,
	                                .to = *to,
	                                .ttl = packet->ttl,
	                                .tos = packet->tos,
	                                .time = packet->buffer->time,
	                                .buffer = packet->buffer};

	memcpy(datagram.mac, packet->mac, UDP_MAC_BYTES);
	packet->stack->count.udp_in++;
	flow_keep(packet, socket, &datagram);
	socket->receive(socket, &datagram);
	packet->buffer = datagram.buffer;
}

/* The rest of those who hear a group get copies; the last one gets the buffer itself. A receiver
 * may close its own socket, but must leave the others'. */
static void deliver_copies(struct packet *packet, struct udp_socket *last,
                           const struct udp_endpoint *from, const struct udp_endpoint *to,
                           uint32_t length)
{
	struct udp_stack *stack = packet->stack;
	struct udp_socket *at = socket_next(stack, NULL, to, from), *next;

	for (; at != NULL; at = next) {
		struct packet copy = *packet;

		next = socket_next(stack, at, to, from);
		if (at == last)
			continue;
		copy.buffer = stack_allocate(stack, length);
		if (copy.buffer == NULL) {
			stack->count.drop_no_buffer++;
			continue;
		}
		copy.buffer->interface = packet->buffer->interface;
		copy.buffer->time = packet->buffer->time;
		memcpy(copy.buffer->data, packet->payload, length);
		copy.payload = copy.buffer->data;
		deliver(&copy, at, from, to, length);
		if (copy.buffer != NULL)
			udp_buffer_release(stack, copy.buffer);
	}
}

void udp_input(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;
	struct udp_endpoint from = {.ip = packet->src}, to = {.ip = packet->dst};
	struct udp_socket *socket;
	uint32_t length;

	if (packet->size < UDP_SIZE) {
		count->udp_bad++;
		return;
	}
	length = wire_get16(packet->payload + UDP_LENGTH);
	from.port = wire_get16(packet->payload + UDP_SRC_PORT);
	to.port = wire_get16(packet->payload + UDP_DST_PORT);
	if (length < UDP_SIZE || length > packet->size || to.port == 0) {
		count->udp_bad++;
		return;
	}
	if (!checksum_ok(packet, length)) {
		count->udp_checksum++;
		return;
	}
	socket = socket_find(packet->stack, &to, &from);
	if (socket != NULL) {
		if (packet->to_group)
			deliver_copies(packet, socket, &from, &to, length);
		deliver(packet, socket, &from, &to, length);
		return;
	}
	count->udp_no_port++;
	icmp_error(packet, CAUSE_PORT, 0);
}
