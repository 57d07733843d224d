/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending what does not fit one frame (RFC 791, 3.2; RFC 8200, 4.5): the pieces are cut straight
 * from the application's memory, each into a buffer of its own; no buffer ever holds the whole.
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
                      const struct source *from, const struct fragment *fragment, uint32_t size)
{
	bool whole = size == from->head_size + from->size;
	struct udp_buffer *buffer = stack_allocate(stack, size);

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return -UDP_ENOBUFS;
	}
	copy(from, fragment->offset, buffer->data, size);
	if (!whole)
		stack->count.fragments_out++;
	return ip_transmit(stack, send, route, buffer, whole ? NULL : fragment);
}

/* What the payload of one fragment may be at most: a multiple of 8, since offsets count so. */
static uint32_t piece_max(const struct send *send, uint32_t room)
{
	return (send->dst.family == 6 ? room - IP6_FRAGMENT_SIZE : room) & ~7u;
}

/* What a packet carries at most: IPv6's length does not count the header. */
static uint32_t ip_total_max(const struct send *send)
{
	return send->dst.family == 6 ? 65535 : 65535 - IP4_SIZE;
}

static uint32_t identify(struct udp_stack *stack, const struct send *send)
{
	return send->dst.family == 6 ? (uint32_t)stack->ops.random(stack->context)
	                             : ip4_next_id(stack, &send->dst);
}

int fragment_send(struct udp_stack *stack, const struct send *request, const uint8_t *head,
                  uint32_t head_size, const uint8_t *data, uint32_t size)
{
	struct source from = {head, head_size, data, size};
	struct fragment fragment = {0};
	struct send send = *request;
	struct route route;
	int result = ip_resolve(stack, &send, &route);
	uint32_t total = head_size + size, room, piece;

	if (result != 0)
		return result;
	room = ip_payload_max(stack, &send, &route);
	if (total > ip_total_max(&send) || (total > room && send.dont_fragment))
		return -UDP_EMSGSIZE;
	if (total > room) {
		fragment.id = identify(stack, &send);
		room = piece_max(&send, room);
	}
	for (; result == 0 && fragment.offset < total; fragment.offset += piece) {
		piece = total - fragment.offset < room ? total - fragment.offset : room;
		fragment.more = fragment.offset + piece < total;
		result = send_piece(stack, &send, &route, &from, &fragment, piece);
	}
	return result;
}
