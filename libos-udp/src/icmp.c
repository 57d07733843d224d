/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP on its way up (RFC 792; what a host does with it: RFC 1122, 3.2.2): echo is answered in the
 * request's own buffer, errors go on to the socket that they are about. */
#include "internal.h"

/* An echo request becomes its reply by its type alone; the checksum follows the one word that
 * changed (RFC 1624, equation 3). */
static void turn_into_reply(uint8_t *at)
{
	uint32_t sum = (uint32_t)wire_get16(at + ICMP_CHECKSUM) + (ICMP_ECHO << 8);

	at[ICMP_TYPE] = ICMP_ECHO_REPLY;
	wire_put16(at + ICMP_CHECKSUM, (uint16_t)(sum + (sum >> 16)));
}

static void echo(struct packet *packet)
{
	struct udp_stack *stack = packet->stack;
	struct send send = ip_answer(packet);
	struct udp_buffer *buffer;

	/* Answering groups makes amplifiers (RFC 1122, 3.2.2.6 lets a host keep silent). */
	if (!(stack->config.roles & UDP_ROLE_ECHO) || packet->to_group ||
	    packet->payload[ICMP_CODE] != 0) {
		stack->count.icmp_ignored++;
		return;
	}
	turn_into_reply(packet->payload);
	send.tos = packet->tos;
	stack->count.icmp_echo_replies++;
	buffer = ip_fits(stack, &send, packet->size)
	                 ? ip_answer_buffer(packet, packet->payload, packet->size)
	                 : NULL;
	if (buffer != NULL)
		(void)ip_send(stack, &send, buffer);
	else
		(void)fragment_send(stack, &send, NULL, 0, packet->payload, packet->size);
}

void icmp_input(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;

	count->icmp_in++;
	if (packet->size < ICMP_SIZE ||
	    udp_sum_finish(udp_sum_add(0, packet->payload, packet->size)) != 0) {
		count->icmp_bad++;
		return;
	}
	switch (packet->payload[ICMP_TYPE]) {
	case ICMP_ECHO:
		echo(packet);
		break;
	case ICMP_UNREACHABLE:
	case ICMP_EXPIRED:
	case ICMP_PARAMETER:
		icmp_error_input(packet);
		break;
	default:
		count->icmp_ignored++;
	}
}
