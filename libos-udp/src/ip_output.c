/* SPDX-License-Identifier: BSD-2-Clause */
/* IP on its way down: route, header in front of the payload, neighbour. Headers: RFC 791, 3.1. */
#include "internal.h"

static void route_direct(struct udp_stack *stack, const struct send *send, struct route *route)
{
	route->index = send->interface;
	route->interface = &stack->interfaces[send->interface];
	route->next_hop = send->dst;
	route->broadcast = false;
}

int ip_resolve(struct udp_stack *stack, struct send *send, struct route *route)
{
	int result = 0;

	if (send->direct && send->src.family != 0)
		route_direct(stack, send, route);
	else
		result = route_find(stack, &send->src, &send->dst, route);
	if (result == 0 && send->src.family == 0)
		send->src = route->src;
	if (result != 0)
		stack->count.drop_no_route++;
	return result;
}

uint32_t ip_payload_max(const struct send *send, const struct route *route)
{
	return route->interface->mtu - (send->dst.family == 6 ? IP6_SIZE : IP4_SIZE);
}

uint16_t ip4_next_id(struct udp_stack *stack, const struct udp_ip *dst)
{
	/* A counter for each few destinations, begun at random: identifications tell strangers
	   nothing of what is sent to others (RFC 7739, 5.3). */
	return stack->ip4_ids[hash_ip(stack, dst, 0) % ID_BUCKETS]++;
}

static int push_header4(struct udp_buffer *buffer, const struct send *send, uint16_t id,
                        uint16_t fragment)
{
	uint32_t length = buffer->size + IP4_SIZE;
	uint8_t *at = udp_buffer_push(buffer, IP4_SIZE);
	uint16_t sum;

	if (at == NULL)
		return -UDP_ENOBUFS;
	at[IP4_VERSION_IHL] = 0x45;
	at[IP4_TOS] = send->tos;
	wire_put16(at + IP4_LENGTH, (uint16_t)length);
	wire_put16(at + IP4_ID, id);
	wire_put16(at + IP4_FRAGMENT, fragment);
	at[IP4_TTL] = send->ttl;
	at[IP4_PROTOCOL] = send->protocol;
	wire_put16(at + IP4_CHECKSUM, 0);
	memcpy(at + IP4_SRC, send->src.bytes, 4);
	memcpy(at + IP4_DST, send->dst.bytes, 4);
	sum = udp_sum_finish(udp_sum_add(0, at, IP4_SIZE));
	memcpy(at + IP4_CHECKSUM, &sum, sizeof sum);
	return 0;
}

/* 01:00:5e and the low 23 bits of the group (RFC 1112, 6.4). */
static void multicast_mac(const struct udp_ip *group, uint8_t *mac)
{
	uint32_t value = udp_ip4_value(group) & 0x7fffff;

	mac[0] = 0x01;
	mac[1] = 0x00;
	mac[2] = 0x5e;
	mac[3] = (uint8_t)(value >> 16);
	wire_put16(mac + 4, (uint16_t)value);
}

static void send_link(struct udp_stack *stack, const struct send *send, const struct route *route,
                      struct udp_buffer *buffer)
{
	uint8_t mac[UDP_MAC_BYTES];

	if (send->direct) {
		ethernet_send(stack, route->index, send->mac, ETHERTYPE_IP4, buffer);
	} else if (route->broadcast) {
		ethernet_send(stack, route->index, ethernet_broadcast, ETHERTYPE_IP4, buffer);
	} else if (udp_ip_is_multicast(&route->next_hop)) {
		multicast_mac(&route->next_hop, mac);
		ethernet_send(stack, route->index, mac, ETHERTYPE_IP4, buffer);
	} else {
		neighbour_send(stack, route->index, &route->next_hop, buffer);
	}
}

int ip_transmit(struct udp_stack *stack, const struct send *send, const struct route *route,
                struct udp_buffer *buffer, uint16_t id, uint16_t fragment)
{
	int result = push_header4(buffer, send, id, fragment);

	if (result != 0) {
		stack->count.drop_no_buffer++;
		udp_buffer_release(stack, buffer);
		return result;
	}
	send_link(stack, send, route, buffer);
	return 0;
}

int ip_send(struct udp_stack *stack, const struct send *request, struct udp_buffer *buffer)
{
	struct send send = *request;
	struct route route;
	int result = ip_resolve(stack, &send, &route);

	if (result == 0 && buffer->size > ip_payload_max(&send, &route))
		result = -UDP_EMSGSIZE;
	if (result != 0) {
		udp_buffer_release(stack, buffer);
		return result;
	}
	return ip_transmit(stack, &send, &route, buffer, ip4_next_id(stack, &send.dst),
	                   send.dont_fragment ? IP4_DF : 0);
}

struct send ip_answer(const struct packet *packet)
{
	struct send send = {.dst = packet->src,
	                    .direct = true,
	                    .interface = packet->buffer->interface,
	                    .protocol = packet->protocol,
	                    .ttl = 64};
	const struct udp_ip *src = &packet->dst;

	if (packet->to_group)
		src = interface_source(packet->interface, &packet->src);
	if (src != NULL)
		send.src = *src;
	memcpy(send.mac, packet->mac, UDP_MAC_BYTES);
	return send;
}

struct udp_buffer *ip_answer_buffer(struct packet *packet, uint8_t *payload, uint32_t size)
{
	struct udp_buffer *buffer = packet->buffer;
	uint32_t before = (uint32_t)(payload - buffer->data);

	if ((buffer->flags & UDP_BUFFER_OWNED) || before > buffer->size ||
	    (size > buffer->size - before && size - (buffer->size - before) > buffer->tail))
		return NULL;
	udp_buffer_pull(buffer, before);
	(void)udp_buffer_resize(buffer, size);
	packet->buffer = NULL;
	return buffer;
}
