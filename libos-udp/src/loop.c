/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way back to ourselves: an interface without a wire, with the addresses 127.0.0.1 and ::1.
 * What leaves by it waits in a queue, from which udp_stack_run takes it in again: a stack is not
 * entered from within itself. Its packets neither leave nor arrive by any other interface (RFC
 * 1122, 3.2.1.3; RFC 4291, 2.5.3).
 */
#include "internal.h"

enum { LOOP_MTU = 1500 };

static void add_address(struct interface *interface, const struct udp_ip *ip, uint8_t prefix)
{
	interface->addresses[interface->n_addresses++] = own_address_sure(ip, prefix);
}

int udp_loopback_add(struct udp_stack *stack)
{
	static const uint8_t mac[UDP_MAC_BYTES];
	struct udp_ip four = udp_ip4(0x7f000001), six = {.family = 6, .bytes = {[15] = 1}};
	struct interface *interface;
	int index;

	for (uint32_t i = 0; i < stack->n_interfaces; i++)
		if (stack->interfaces[i].loop)
			return -UDP_EINUSE;
	index = udp_interface_add(stack, mac, LOOP_MTU);
	if (index < 0)
		return index;
	interface = &stack->interfaces[index];
	interface->loop = true;
	add_address(interface, &four, 8);
	add_address(interface, &six, 128);
	flow_forget(stack);
	return index;
}

void loop_send(struct udp_stack *stack, struct udp_buffer *buffer)
{
	struct loop *loop = &stack->loop;

	if (loop->n == LOOP_QUEUE) {
		stack->count.drop_no_buffer++;
		udp_buffer_release(stack, buffer);
		return;
	}
	loop->queue[(loop->first + loop->n++) % LOOP_QUEUE] = buffer;
}

void loop_run(struct udp_stack *stack)
{
	struct loop *loop = &stack->loop;

	for (unsigned i = 0; i < LOOP_QUEUE && loop->n > 0; i++) {
		struct udp_buffer *buffer = loop->queue[loop->first];

		loop->first = (loop->first + 1) % LOOP_QUEUE;
		loop->n--;
		buffer->flags = UDP_BUFFER_LOCAL | UDP_BUFFER_L3_OK | UDP_BUFFER_L4_OK;
		buffer->time = 0;
		stack->count.frames_in++;
		ethernet_input(stack, buffer);
	}
}

void loop_fini(struct udp_stack *stack)
{
	struct loop *loop = &stack->loop;

	for (; loop->n > 0; loop->n--, loop->first = (loop->first + 1) % LOOP_QUEUE)
		udp_buffer_release(stack, loop->queue[loop->first]);
}
