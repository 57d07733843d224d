/* SPDX-License-Identifier: BSD-2-Clause */
/* IP on its way down: route, header in front of the payload, neighbour. Headers: RFC 791, 3.1, and
 * RFC 8200, 3. */
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

uint32_t ip_payload_max(struct udp_stack *stack, const struct send *send, const struct route *route)
{
	return path_mtu(stack, &send->dst, link_mtu(route->interface, &send->dst)) -
	       ip_header_size(&send->dst);
}

bool ip_fits(struct udp_stack *stack, const struct send *send, uint32_t size)
{
	const struct interface *interface = &stack->interfaces[send->interface];
	uint32_t mtu = path_mtu(stack, &send->dst, link_mtu(interface, &send->dst));

	return size <= mtu - ip_header_size(&send->dst);
}

/* A counter for each few destinations, begun at random: identifications tell strangers nothing of
 * what is sent to others (RFC 7739, 5.3). */
uint16_t *ip4_id(struct udp_stack *stack, const struct udp_ip *dst)
{
	if (memcmp(dst->bytes, stack->id_dst, sizeof stack->id_dst) != 0 || stack->id_at == NULL) {
		memcpy(stack->id_dst, dst->bytes, sizeof stack->id_dst);
		stack->id_at = &stack->ip4_ids[hash_ip(stack, dst, 0) % ID_BUCKETS];
	}
	return stack->id_at;
}

uint16_t ip4_next_id(struct udp_stack *stack, const struct udp_ip *dst)
{
	return (*ip4_id(stack, dst))++;
}

static int push_header4(struct udp_stack *stack, const struct send *send, struct udp_buffer *buffer,
                        const struct fragment *fragment)
{
	static const uint8_t alert[] = {148, 4, 0, 0};
	uint32_t header = IP4_SIZE + (send->router_alert ? sizeof alert : 0);
	uint32_t length = udp_buffer_whole(buffer) + header;
	uint8_t *at = udp_buffer_push(buffer, header);
	uint16_t word = send->dont_fragment ? IP4_DF : 0, sum;

	if (at == NULL)
		return -UDP_ENOBUFS;
	if (fragment != NULL)
		word = (uint16_t)(fragment->offset / 8 | (fragment->more ? IP4_MF : 0));
	at[IP4_VERSION_IHL] = (uint8_t)(0x40 | header / 4);
	at[IP4_TOS] = send->tos;
	wire_put16(at + IP4_LENGTH, (uint16_t)length);
	wire_put16(at + IP4_ID,
	           fragment != NULL ? (uint16_t)fragment->id : ip4_next_id(stack, &send->dst));
	wire_put16(at + IP4_FRAGMENT, word);
	at[IP4_TTL] = send->ttl;
	at[IP4_PROTOCOL] = send->protocol;
	wire_put16(at + IP4_CHECKSUM, 0);
	memcpy(at + IP4_SRC, send->src.bytes, 4);
	memcpy(at + IP4_DST, send->dst.bytes, 4);
	if (send->router_alert)
		memcpy(at + IP4_SIZE, alert, sizeof alert);
	sum = udp_sum_finish(udp_sum_add(0, at, header));
	memcpy(at + IP4_CHECKSUM, &sum, sizeof sum);
	return 0;
}

/* RFC 8200, 4.5. */
static int push_fragment6(const struct send *send, struct udp_buffer *buffer,
                          const struct fragment *fragment)
{
	uint8_t *at = udp_buffer_push(buffer, IP6_FRAGMENT_SIZE);

	if (at == NULL)
		return -UDP_ENOBUFS;
	at[0] = send->protocol;
	at[1] = 0;
	wire_put16(at + IP6_FRAGMENT_WORD, (uint16_t)(fragment->offset | fragment->more));
	wire_put32(at + IP6_FRAGMENT_ID, fragment->id);
	return 0;
}

static int push_header6(const struct send *send, struct udp_buffer *buffer,
                        const struct fragment *fragment)
{
	uint32_t length;
	uint8_t *at;

	if (fragment != NULL && push_fragment6(send, buffer, fragment) != 0)
		return -UDP_ENOBUFS;
	length = udp_buffer_whole(buffer);
	at = udp_buffer_push(buffer, IP6_SIZE);
	if (at == NULL)
		return -UDP_ENOBUFS;
	wire_put32(at + IP6_VERSION, 6u << 28 | (uint32_t)send->tos << 20);
	wire_put16(at + IP6_LENGTH, (uint16_t)length);
	at[IP6_NEXT] = fragment != NULL ? IP6_NEXT_FRAGMENT : send->protocol;
	at[IP6_HOPS] = send->ttl;
	memcpy(at + IP6_SRC, send->src.bytes, 16);
	memcpy(at + IP6_DST, send->dst.bytes, 16);
	return 0;
}

/* IPv4: 01:00:5e and the low 23 bits of the group (RFC 1112, 6.4); IPv6: 33:33 and its last four
 * bytes (RFC 2464, 7). */
void ip_multicast_mac(const struct udp_ip *group, uint8_t *mac)
{
	if (group->family == 6) {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, group->bytes + 12, 4);
		return;
	}
	mac[0] = 0x01;
	mac[1] = 0x00;
	mac[2] = 0x5e;
	memcpy(mac + 3, group->bytes + 1, 3);
	mac[3] &= 0x7f;
}

static void send_link(struct udp_stack *stack, const struct send *send, const struct route *route,
                      struct udp_buffer *buffer)
{
	uint16_t type = send->dst.family == 6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4;
	uint8_t mac[UDP_MAC_BYTES];

	if (send->direct) {
		ethernet_send(stack, route->index, send->mac, type, buffer);
	} else if (route->broadcast) {
		ethernet_send(stack, route->index, ethernet_broadcast, type, buffer);
	} else if (route->interface->loop ||
	           interface_address(route->interface, &route->next_hop) != NULL) {
		/* To who shares the address on this machine: the driver brings it there. */
		ethernet_send(stack, route->index, route->interface->mac, type, buffer);
	} else if (udp_ip_is_multicast(&route->next_hop)) {
		ip_multicast_mac(&route->next_hop, mac);
		ethernet_send(stack, route->index, mac, type, buffer);
	} else {
		neighbour_send(stack, route->index, &route->next_hop, buffer);
	}
}

int ip_transmit(struct udp_stack *stack, const struct send *send, const struct route *route,
                struct udp_buffer *buffer, const struct fragment *fragment)
{
	int result = send->dst.family == 6 ? push_header6(send, buffer, fragment)
	                                   : push_header4(stack, send, buffer, fragment);

	if (result != 0) {
		stack->count.drop_no_buffer++;
		udp_buffer_release(stack, buffer);
		return result;
	}
	send_link(stack, send, route, buffer);
	return 0;
}

/* Whether the packet, or each segment that the driver makes of it, fits the path. */
static bool fits_path(struct udp_stack *stack, const struct send *send, const struct route *route,
                      const struct udp_buffer *buffer)
{
	const struct udp_payload *payload = buffer->payload;
	uint32_t size = udp_buffer_whole(buffer);
	uint32_t most = send->knows_path ? link_mtu(route->interface, &send->dst) -
	                                           ip_header_size(&send->dst)
	                                 : ip_payload_max(stack, send, route);

	if (payload == NULL || payload->segment_size == 0)
		return size <= most;
	return buffer->size + payload->segment_size <= most &&
	       size <= route->interface->offload.size_max - ip_header_size(&send->dst);
}

int ip_send(struct udp_stack *stack, const struct send *request, struct udp_buffer *buffer)
{
	struct send send = *request;
	struct route route;
	int result = ip_resolve(stack, &send, &route);

	if (result == 0 && !fits_path(stack, &send, &route, buffer))
		result = -UDP_EMSGSIZE;
	if (result != 0) {
		udp_buffer_release(stack, buffer);
		return result;
	}
	return ip_transmit(stack, &send, &route, buffer, NULL);
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
