/* SPDX-License-Identifier: BSD-2-Clause */
/* Ethernet II: whom a frame is for, and which protocol reads on. */
#include "internal.h"

const uint8_t ethernet_broadcast[UDP_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void drop(struct udp_stack *stack, struct udp_buffer *buffer, uint64_t *counter)
{
	(*counter)++;
	udp_buffer_release(stack, buffer);
}

void ethernet_input(struct udp_stack *stack, struct udp_buffer *buffer)
{
	const struct interface *interface = &stack->interfaces[buffer->interface];
	const uint8_t *frame = buffer->data;

	if (buffer->size < ETH_SIZE) {
		drop(stack, buffer, &stack->count.drop_short);
		return;
	}
	if (!(frame[ETH_DST] & 1) && memcmp(frame + ETH_DST, interface->mac, UDP_MAC_BYTES) != 0) {
		drop(stack, buffer, &stack->count.drop_not_ours);
		return;
	}
	/* A group address sends nothing (IEEE 802.3, 3.2.3). */
	if (frame[ETH_SRC] & 1) {
		drop(stack, buffer, &stack->count.drop_source);
		return;
	}
	switch (wire_get16(frame + ETH_TYPE)) {
	case ETHERTYPE_ARP:
		arp_input(stack, buffer);
		break;
	case ETHERTYPE_IP4:
		ip4_input(stack, buffer, frame + ETH_SRC, frame[ETH_DST] & 1);
		break;
	case ETHERTYPE_IP6:
		ip6_input(stack, buffer, frame + ETH_SRC, frame[ETH_DST] & 1);
		break;
	default:
		drop(stack, buffer, &stack->count.drop_ethertype);
	}
}

void ethernet_send(struct udp_stack *stack, unsigned interface, const uint8_t *dst, uint16_t type,
                   struct udp_buffer *buffer)
{
	uint8_t *frame = udp_buffer_push(buffer, ETH_SIZE);

	if (frame == NULL) {
		drop(stack, buffer, &stack->count.drop_no_buffer);
		return;
	}
	/* dst may point into the very header that is being written (an answer in place). */
	memmove(frame + ETH_DST, dst, UDP_MAC_BYTES);
	memcpy(frame + ETH_SRC, stack->interfaces[interface].mac, UDP_MAC_BYTES);
	wire_put16(frame + ETH_TYPE, type);
	buffer->interface = (uint8_t)interface;
	buffer->flags &= UDP_BUFFER_SUM;
	stack->count.frames_out++;
	if (stack->interfaces[interface].loop)
		loop_send(stack, buffer);
	else
		stack->ops.output(stack->context, buffer);
}
