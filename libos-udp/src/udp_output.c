/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP on its way down: the header in front of the application's data, and answers in place. */
#include "internal.h"

enum { TTL_DEFAULT = 64 };

static struct send describe(const struct udp_socket *socket, const struct udp_endpoint *to)
{
	return (struct send){.src = socket->local.ip,
	                     .dst = to->ip,
	                     .protocol = PROTOCOL_UDP,
	                     .ttl = socket->ttl != 0 ? socket->ttl : TTL_DEFAULT,
	                     .tos = socket->tos,
	                     .dont_fragment = socket->dont_fragment};
}

/* The header for `size` bytes at `data`, checksum included; send->src is known. */
static void build(uint8_t *at, uint16_t from, const struct send *send, uint16_t port,
                  const uint8_t *data, uint32_t size)
{
	uint64_t sum;
	uint16_t check;

	wire_put16(at + UDP_SRC_PORT, from);
	wire_put16(at + UDP_DST_PORT, port);
	wire_put16(at + UDP_LENGTH, (uint16_t)(size + UDP_SIZE));
	wire_put16(at + UDP_CHECKSUM, 0);
	sum = udp_sum_pseudo(0, &send->src, &send->dst, PROTOCOL_UDP, size + UDP_SIZE);
	sum = udp_sum_add(sum, at, UDP_SIZE);
	check = udp_sum_finish(udp_sum_add(sum, data, size));
	if (check == 0)
		check = 0xffff; /* 0 would mean: no checksum */
	memcpy(at + UDP_CHECKSUM, &check, sizeof check);
}

/* The source must be known before the checksum is made. */
static int complete(const struct udp_socket *socket, struct send *send)
{
	struct route route;

	return ip_resolve(socket->stack, send, &route);
}

int udp_send_raw(struct udp_stack *stack, const struct send *send, uint16_t from, uint16_t to,
                 struct udp_buffer *buffer)
{
	uint32_t size = buffer->size;
	uint8_t *at = udp_buffer_push(buffer, UDP_SIZE);

	if (at == NULL || size > UDP_DATAGRAM_MAX4) {
		udp_buffer_release(stack, buffer);
		return at == NULL ? -UDP_ENOBUFS : -UDP_EMSGSIZE;
	}
	build(at, from, send, to, at + UDP_SIZE, size);
	stack->count.udp_out++;
	return ip_send(stack, send, buffer);
}

static int send_in_place(struct udp_socket *socket, const struct send *send, uint16_t port,
                         struct udp_buffer *buffer)
{
	return udp_send_raw(socket->stack, send, socket->local.port, port, buffer);
}

static int send_copy(struct udp_socket *socket, const struct send *send, uint16_t port,
                     const uint8_t *data, uint32_t size)
{
	uint8_t head[UDP_SIZE];

	if (size > (send->dst.family == 6 ? (uint32_t)UDP_DATAGRAM_MAX6 : UDP_DATAGRAM_MAX4))
		return -UDP_EMSGSIZE;
	build(head, socket->local.port, send, port, data, size);
	socket->stack->count.udp_out++;
	return fragment_send(socket->stack, send, head, sizeof head, data, size);
}

static const struct udp_endpoint *destination(const struct udp_socket *socket,
                                              const struct udp_endpoint *to)
{
	if (to == NULL)
		to = &socket->remote;
	return to->ip.family != 0 && to->port != 0 ? to : NULL;
}

struct udp_buffer *udp_socket_reserve(struct udp_socket *socket, uint32_t size)
{
	if (size > UDP_DATAGRAM_MAX4)
		return NULL;
	return stack_allocate(socket->stack, size);
}

int udp_socket_send(struct udp_socket *socket, struct udp_buffer *buffer,
                    const struct udp_endpoint *to)
{
	struct send send;
	int result = -UDP_EINVAL;

	to = destination(socket, to);
	if (to != NULL) {
		send = describe(socket, to);
		result = complete(socket, &send);
	}
	if (result != 0) {
		udp_buffer_release(socket->stack, buffer);
		return result;
	}
	return send_in_place(socket, &send, to->port, buffer);
}

int udp_socket_send_copy(struct udp_socket *socket, const void *data, uint32_t size,
                         const struct udp_endpoint *to)
{
	struct send send;
	int result;

	to = destination(socket, to);
	if (to == NULL)
		return -UDP_EINVAL;
	send = describe(socket, to);
	result = complete(socket, &send);
	return result != 0 ? result : send_copy(socket, &send, to->port, data, size);
}

uint64_t udp_socket_when(struct udp_socket *socket, const struct udp_datagram *datagram)
{
	return stack_when(socket->stack, datagram->time);
}

struct udp_buffer *udp_datagram_keep(struct udp_datagram *datagram)
{
	struct udp_buffer *buffer = datagram->buffer;

	datagram->buffer = NULL;
	return buffer;
}

/* As ip_answer, for a datagram. */
static int describe_answer(const struct udp_socket *socket, const struct udp_datagram *datagram,
                           struct send *send)
{
	struct interface *interface = &socket->stack->interfaces[datagram->buffer->interface];

	*send = describe(socket, &datagram->from);
	send->src = datagram->to.ip;
	send->direct = true;
	send->interface = datagram->buffer->interface;
	memcpy(send->mac, datagram->mac, UDP_MAC_BYTES);
	if (!interface->loop && interface_address(interface, &send->src) == NULL) {
		const struct udp_ip *src = interface_source(interface, &datagram->from.ip);

		send->src = src != NULL ? *src : udp_ip_none();
	}
	return send->src.family != 0 && datagram->from.port != 0 ? 0 : -UDP_EUNREACHABLE;
}

/* The long way; not to burden the short one's registers. */
static __attribute__((noinline)) int reply(struct udp_socket *socket, struct udp_datagram *datagram,
                                           uint32_t size)
{
	struct packet packet = {.buffer = datagram->buffer};
	struct udp_stack *stack = socket->stack;
	struct udp_buffer *buffer;
	struct send send;
	int result;

	if (size > datagram->size && size - datagram->size > datagram->buffer->tail) {
		udp_buffer_release(stack, udp_datagram_keep(datagram));
		return -UDP_EMSGSIZE;
	}
	result = describe_answer(socket, datagram, &send);
	if (result == 0 && ip_fits(stack, &send, size + UDP_SIZE)) {
		buffer = ip_answer_buffer(&packet, datagram->data, size);
		if (buffer != NULL) {
			datagram->buffer = NULL;
			return send_in_place(socket, &send, datagram->from.port, buffer);
		}
	}
	if (result == 0)
		result = send_copy(socket, &send, datagram->from.port, datagram->data, size);
	udp_buffer_release(stack, udp_datagram_keep(datagram));
	return result;
}

int udp_socket_reply(struct udp_socket *socket, struct udp_datagram *datagram, uint32_t size)
{
	if (datagram->buffer == NULL || socket->stack == NULL)
		return -UDP_EINVAL;
	return flow_answer(socket, datagram, size) ? 0 : reply(socket, datagram, size);
}
