/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending what does not fit one frame (RFC 791, 3.2): the pieces are cut straight from the
 * application's memory, each into a buffer of its own; no buffer ever holds the whole.
 */
#include "internal.h"

struct source {
	const uint8_t *head; /* transport header, in front of data */
	uint32_t head_size;
	const uint8_t *data;
	uint32_t size;
};

/* Bytes [offset, offset + size) of head and data together. */
static void copy(const struct source *from, uint32_t offset, uint8_t *to, uint32_t size)
{
	uint32_t n = 0;

	if (offset < from->head_size) {
		n = from->head_size - offset < size ? from->head_size - offset : size;
		memcpy(to, from->head + offset, n);
		offset += n;
	}
	if (size > n)
		memcpy(to + n, from->data + (offset - from->head_size), size - n);
}

static int send_piece(struct udp_stack *stack, const struct send *send, const struct route *route,
                      const struct source *from, uint32_t offset, uint32_t size, uint16_t id)
{
	uint32_t total = from->head_size + from->size;
	uint16_t word = (uint16_t)(offset / 8);
	struct udp_buffer *buffer = stack_allocate(stack, size);

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return -UDP_ENOBUFS;
	}
	copy(from, offset, buffer->data, size);
	if (size < total - offset)
		word |= IP4_MF;
	else if (offset == 0 && send->dont_fragment)
		word |= IP4_DF;
	if (size < total)
		stack->count.fragments_out++;
	return ip_transmit(stack, send, route, buffer, id, word);
}

int fragment_send(struct udp_stack *stack, const struct send *request, const uint8_t *head,
                  uint32_t head_size, const uint8_t *data, uint32_t size)
{
	struct source from = {head, head_size, data, size};
	struct send send = *request;
	struct route route;
	int result = ip_resolve(stack, &send, &route);
	uint32_t total = head_size + size, room, piece;
	uint16_t id;

	if (result != 0)
		return result;
	room = ip_payload_max(&send, &route);
	if (total > 65535 - IP4_SIZE || (total > room && send.dont_fragment))
		return -UDP_EMSGSIZE;
	id = ip4_next_id(stack, &send.dst);
	for (uint32_t offset = 0; result == 0 && offset < total; offset += piece) {
		piece = total - offset <= room ? total - offset : room & ~7u;
		result = send_piece(stack, &send, &route, &from, offset, piece, id);
	}
	return result;
}
