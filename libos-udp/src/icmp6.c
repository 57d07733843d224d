/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMPv6 on its way up (RFC 4443): echo in place, errors to their socket, neighbour discovery to
 * nd.c. */
#include "internal.h"

void icmp6_finish(struct udp_buffer *buffer, const struct udp_ip *src, const struct udp_ip *dst)
{
	uint64_t sum = udp_sum_pseudo(0, src, dst, PROTOCOL_ICMP6, buffer->size);
	uint16_t check;

	wire_put16(buffer->data + ICMP_CHECKSUM, 0);
	check = udp_sum_finish(udp_sum_add(sum, buffer->data, buffer->size));
	memcpy(buffer->data + ICMP_CHECKSUM, &check, sizeof check);
}

/* The type grows by one and the addresses change places, which leaves the pseudo header's sum as it
 * was: the checksum shrinks by 0x0100 (RFC 1624, equation 3). */
static void turn_into_reply(uint8_t *at)
{
	uint32_t sum = (uint32_t)wire_get16(at + ICMP_CHECKSUM) + 0xfeff;

	at[ICMP_TYPE] = ICMP6_ECHO_REPLY;
	wire_put16(at + ICMP_CHECKSUM, (uint16_t)(sum + (sum >> 16)));
}

static void echo(struct packet *packet)
{
	struct udp_stack *stack = packet->stack;
	struct send send = ip_answer(packet);
	struct udp_buffer *buffer;

	/* To a group the answer would come from another address than was asked. */
	if (!(stack->config.roles & UDP_ROLE_ECHO) || packet->to_group ||
	    packet->payload[ICMP_CODE] != 0 || !udp_ip_is_source(&packet->src)) {
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

static bool checksum_ok(const struct packet *packet)
{
	uint64_t sum = udp_sum_pseudo(0, &packet->src, &packet->dst, PROTOCOL_ICMP6, packet->size);

	return udp_sum_finish(udp_sum_add(sum, packet->payload, packet->size)) == 0;
}

void icmp6_input(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;
	uint8_t type;

	count->icmp_in++;
	if (packet->size < ICMP_SIZE || !checksum_ok(packet)) {
		count->icmp_bad++;
		return;
	}
	type = packet->payload[ICMP_TYPE];
	if (type < ICMP6_ERRORS_END)
		icmp_error_input(packet);
	else if (type == ICMP6_ECHO)
		echo(packet);
	else if (type == ICMP6_NEIGHBOUR_SOLICIT || type == ICMP6_NEIGHBOUR_ADVERT)
		nd_input(packet);
	else if (type >= ICMP6_MLD_QUERY && type <= ICMP6_MLD_DONE)
		mld_input(packet);
	else if (type == ICMP6_ROUTER_ADVERT)
		router_advert_input(packet);
	else
		count->icmp_ignored++;
}
