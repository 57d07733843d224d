/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors, both ways. Sent only where RFC 1122, 3.2.2 allows, as much of the packet quoted as
 * 576 bytes hold (RFC 1812, 4.3.2.3; the unused bytes stay zero, as RFC 4884 wants of messages
 * without extensions), and not more often than configured (RFC 1812, 4.3.2.8). Received ones reach
 * the socket whose datagram they quote.
 */
#include "internal.h"

enum { ERROR_SIZE_MAX = 576 - IP4_SIZE };

/* A token bucket kept as the time at which it will be full again. */
static bool rate_allows(struct udp_stack *stack)
{
	uint64_t cost = NS_PER_S / stack->config.error_rate;
	uint64_t now = stack_now(stack);

	if (stack->errors.full_at < now)
		stack->errors.full_at = now;
	if (stack->errors.full_at - now > cost * (stack->config.error_burst - 1)) {
		stack->count.icmp_errors_limited++;
		return false;
	}
	stack->errors.full_at += cost;
	return true;
}

/* Whether the packet is itself an ICMP error, or nobody can tell. */
static bool is_error(const struct packet *packet)
{
	uint8_t type;

	if (packet->protocol != PROTOCOL_ICMP)
		return false;
	if (packet->size < 1)
		return true;
	type = packet->payload[ICMP_TYPE];
	return type != ICMP_ECHO && type != ICMP_ECHO_REPLY;
}

void icmp_error(const struct packet *packet, uint8_t type, uint8_t code, uint32_t rest)
{
	struct udp_stack *stack = packet->stack;
	uint32_t quote = packet->header_size + packet->size;
	struct send send = ip_answer(packet);
	struct udp_buffer *buffer;
	uint16_t sum;

	if (!(stack->config.roles & UDP_ROLE_ERRORS) || packet->link_group || packet->to_group ||
	    is_error(packet) || !rate_allows(stack))
		return;
	if (quote > ERROR_SIZE_MAX - ICMP_SIZE)
		quote = ERROR_SIZE_MAX - ICMP_SIZE;
	buffer = stack_allocate(stack, ICMP_SIZE + quote);
	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return;
	}
	buffer->data[ICMP_TYPE] = type;
	buffer->data[ICMP_CODE] = code;
	wire_put16(buffer->data + ICMP_CHECKSUM, 0);
	wire_put32(buffer->data + ICMP_REST, rest);
	memcpy(buffer->data + ICMP_SIZE, packet->header, quote);
	sum = udp_sum_finish(udp_sum_add(0, buffer->data, ICMP_SIZE + quote));
	memcpy(buffer->data + ICMP_CHECKSUM, &sum, sizeof sum);
	send.protocol = PROTOCOL_ICMP;
	send.tos = 0xc0; /* internetwork control (RFC 1812, 4.3.2.5) */
	stack->count.icmp_errors_out++;
	(void)ip_send(stack, &send, buffer);
}

void ip_fail(struct udp_stack *stack, const uint8_t *at, uint32_t size, enum udp_failure failure,
             uint32_t value)
{
	struct udp_endpoint local = {0}, remote = {0};
	uint32_t header;

	if (size < IP4_SIZE || at[IP4_VERSION_IHL] >> 4 != 4)
		return;
	header = (at[IP4_VERSION_IHL] & 15u) * 4;
	/* Ports are in the first fragment only, and the quote must reach them. */
	if (header < IP4_SIZE || size < header || size - header < UDP_SIZE ||
	    at[IP4_PROTOCOL] != PROTOCOL_UDP ||
	    (wire_get16(at + IP4_FRAGMENT) & IP4_OFFSET_MASK) != 0)
		return;
	local.ip = udp_ip4(wire_get32(at + IP4_SRC));
	remote.ip = udp_ip4(wire_get32(at + IP4_DST));
	local.port = wire_get16(at + header + UDP_SRC_PORT);
	remote.port = wire_get16(at + header + UDP_DST_PORT);
	if (route_is_ours(stack, &local.ip))
		socket_fail(stack, &local, &remote, failure, value);
}

static enum udp_failure failure_of(uint8_t type, uint8_t code)
{
	if (type == ICMP_EXPIRED)
		return UDP_FAILURE_EXPIRED;
	if (type == ICMP_UNREACHABLE && code == ICMP_CODE_TOO_BIG)
		return UDP_FAILURE_TOO_BIG;
	if (type == ICMP_UNREACHABLE && (code == ICMP_CODE_PORT || code == ICMP_CODE_PROTOCOL))
		return UDP_FAILURE_REFUSED;
	return UDP_FAILURE_UNREACHABLE;
}

void icmp_error_input(const struct packet *packet)
{
	const uint8_t *at = packet->payload;
	enum udp_failure failure = failure_of(at[ICMP_TYPE], at[ICMP_CODE]);
	uint32_t mtu = failure == UDP_FAILURE_TOO_BIG ? wire_get16(at + ICMP_REST + 2) : 0;

	packet->stack->count.icmp_errors_in++;
	ip_fail(packet->stack, at + ICMP_SIZE, packet->size - ICMP_SIZE, failure, mtu);
}
