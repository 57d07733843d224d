/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors, both ways. Sent only where RFC 1122, 3.2.2 allows, as much of the packet quoted as
 * 576 bytes hold, or 1,280 for IPv6 (RFC 1812, 4.3.2.3; RFC 4443, 2.4(c); the unused bytes stay
 * zero, as RFC 4884 wants of messages without extensions), and not more often than configured (RFC
 * 1812, 4.3.2.8). Received ones reach the socket whose datagram they quote.
 */
#include "internal.h"

enum { ERROR4_BYTES = 576 }; /* of the whole packet */

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

/* Whether the packet is itself an ICMP error or a redirect, or nobody can tell. */
static bool is_error(const struct packet *packet)
{
	uint8_t type;

	if (packet->protocol != PROTOCOL_ICMP && packet->protocol != PROTOCOL_ICMP6)
		return false;
	if (packet->size < 1)
		return true;
	type = packet->payload[ICMP_TYPE];
	if (packet->protocol == PROTOCOL_ICMP6)
		return type < ICMP6_ERRORS_END || type == ICMP6_REDIRECT;
	return type != ICMP_ECHO && type != ICMP_ECHO_REPLY;
}

bool icmp_error_allowed(const struct packet *packet)
{
	return (packet->stack->config.roles & UDP_ROLE_ERRORS) && !packet->link_group &&
	       !packet->to_group && ip_may_send(packet) && !is_error(packet) &&
	       rate_allows(packet->stack);
}

/* The message with its quote, without a checksum; NULL: no buffer. */
static struct udp_buffer *build(const struct packet *packet, const uint8_t *type_code,
                                uint32_t rest)
{
	uint32_t max = (packet->src.family == 6 ? IP6_MTU_MIN : ERROR4_BYTES) -
	               ip_header_size(&packet->src) - ICMP_SIZE;
	uint32_t quote = packet->header_size + packet->size;
	struct udp_buffer *buffer;

	if (quote > max)
		quote = max;
	buffer = stack_allocate(packet->stack, ICMP_SIZE + quote);
	if (buffer == NULL) {
		packet->stack->count.drop_no_buffer++;
		return NULL;
	}
	buffer->data[ICMP_TYPE] = type_code[0];
	buffer->data[ICMP_CODE] = type_code[1];
	wire_put16(buffer->data + ICMP_CHECKSUM, 0);
	wire_put32(buffer->data + ICMP_REST, rest);
	memcpy(buffer->data + ICMP_SIZE, packet->header, quote);
	return buffer;
}

static void finish4(struct udp_buffer *buffer)
{
	uint16_t sum = udp_sum_finish(udp_sum_add(0, buffer->data, buffer->size));

	memcpy(buffer->data + ICMP_CHECKSUM, &sum, sizeof sum);
}

void icmp_error(const struct packet *packet, enum icmp_cause cause, uint32_t rest)
{
	/* Type and code of each cause, for IPv4 and for IPv6. */
	static const uint8_t codes[CAUSES][2][2] = {
	        [CAUSE_PORT] = {{ICMP_UNREACHABLE, ICMP_CODE_PORT},
	                        {ICMP6_UNREACHABLE, ICMP6_CODE_PORT}},
	        [CAUSE_PROTOCOL] = {{ICMP_UNREACHABLE, ICMP_CODE_PROTOCOL},
	                            {ICMP6_PARAMETER, ICMP6_CODE_NEXT_HEADER}},
	        [CAUSE_REASSEMBLY] = {{ICMP_EXPIRED, ICMP_CODE_REASSEMBLY},
	                              {ICMP6_EXPIRED, ICMP_CODE_REASSEMBLY}},
	        [CAUSE_OPTION] = {{ICMP_PARAMETER, 0}, {ICMP6_PARAMETER, ICMP6_CODE_OPTION}},
	        [CAUSE_HEADER] = {{ICMP_PARAMETER, 0}, {ICMP6_PARAMETER, ICMP6_CODE_FIELD}},
	        [CAUSE_NEXT] = {{ICMP_PARAMETER, 0}, {ICMP6_PARAMETER, ICMP6_CODE_NEXT_HEADER}},
	};
	bool six = packet->src.family == 6;
	struct send send = ip_answer(packet);
	struct udp_buffer *buffer;

	if (!icmp_error_allowed(packet))
		return;
	buffer = build(packet, codes[cause][six], rest);
	if (buffer == NULL)
		return;
	if (six)
		icmp6_finish(buffer, &send.src, &send.dst);
	else
		finish4(buffer);
	send.protocol = six ? PROTOCOL_ICMP6 : PROTOCOL_ICMP;
	send.tos = six ? 0 : 0xc0; /* internetwork control (RFC 1812, 4.3.2.5) */
	packet->stack->count.icmp_errors_out++;
	(void)ip_send(packet->stack, &send, buffer);
}

/* A quoted packet, as far as the quote shows it. */
struct quote {
	struct udp_ip src, dst;
	uint8_t protocol;
	const uint8_t *transport;
	uint32_t size; /* bytes at transport */
};

/* Ports are in the first fragment only, and the quote must reach them. Untrusted. */
static bool quoted4(const uint8_t *at, uint32_t size, struct quote *quote)
{
	uint32_t header = (at[IP4_VERSION_IHL] & 15u) * 4;

	if (header < IP4_SIZE || size < header ||
	    (wire_get16(at + IP4_FRAGMENT) & IP4_OFFSET_MASK) != 0)
		return false;
	*quote = (struct quote){.src = udp_ip4(wire_get32(at + IP4_SRC)),
	                        .dst = udp_ip4(wire_get32(at + IP4_DST)),
	                        .protocol = at[IP4_PROTOCOL],
	                        .transport = at + header,
	                        .size = size - header};
	return true;
}

static bool quoted6(const uint8_t *at, uint32_t size, struct quote *quote)
{
	uint32_t header = IP6_SIZE;

	if (size < IP6_SIZE)
		return false;
	quote->src = udp_ip6(at + IP6_SRC);
	quote->dst = udp_ip6(at + IP6_DST);
	quote->protocol = at[IP6_NEXT];
	/* The only extension header that this stack sends is that of a fragment. */
	if (at[IP6_NEXT] == IP6_NEXT_FRAGMENT) {
		if (size - header < IP6_FRAGMENT_SIZE ||
		    (wire_get16(at + header + IP6_FRAGMENT_WORD) & ~7) != 0)
			return false;
		quote->protocol = at[header];
		header += IP6_FRAGMENT_SIZE;
	}
	quote->transport = at + header;
	quote->size = size - header;
	return true;
}

/* An error about a datagram tells its socket, and the MTU is believed where there is one. */
static void fail_udp(struct udp_stack *stack, const struct quote *quote, enum udp_failure failure,
                     uint32_t value)
{
	struct udp_endpoint local = {.ip = quote->src,
	                             .port = wire_get16(quote->transport + UDP_SRC_PORT)};
	struct udp_endpoint remote = {.ip = quote->dst,
	                              .port = wire_get16(quote->transport + UDP_DST_PORT)};

	if (socket_fail(stack, &local, &remote, failure, value) && failure == UDP_FAILURE_TOO_BIG)
		path_learn(stack, &quote->dst, value);
}

void ip_fail(struct udp_stack *stack, const uint8_t *at, uint32_t size, enum udp_failure failure,
             uint32_t value)
{
	struct quote quote;
	bool good = false;

	if (size < IP4_SIZE)
		return;
	if (at[IP4_VERSION_IHL] >> 4 == 4)
		good = quoted4(at, size, &quote);
	else if (at[IP4_VERSION_IHL] >> 4 == 6)
		good = quoted6(at, size, &quote);
	if (!good || quote.size < UDP_SIZE || !route_is_ours(stack, &quote.src))
		return;
	if (failure == UDP_FAILURE_TOO_BIG)
		value = path_mtu_claimed(at, value, quote.dst.family == 6);
	if (quote.protocol == PROTOCOL_UDP)
		fail_udp(stack, &quote, failure, value);
	else if (quote.protocol == PROTOCOL_TCP && stack->transport != NULL)
		stack->transport->error(stack->transport_context, &quote.src, &quote.dst,
		                        quote.transport, quote.size, failure, value);
}

static enum udp_failure failure4(uint8_t type, uint8_t code)
{
	if (type == ICMP_EXPIRED)
		return UDP_FAILURE_EXPIRED;
	if (type == ICMP_UNREACHABLE && code == ICMP_CODE_TOO_BIG)
		return UDP_FAILURE_TOO_BIG;
	if (type == ICMP_UNREACHABLE && (code == ICMP_CODE_PORT || code == ICMP_CODE_PROTOCOL))
		return UDP_FAILURE_REFUSED;
	return UDP_FAILURE_UNREACHABLE;
}

static enum udp_failure failure6(uint8_t type, uint8_t code)
{
	if (type == ICMP6_EXPIRED)
		return UDP_FAILURE_EXPIRED;
	if (type == ICMP6_TOO_BIG)
		return UDP_FAILURE_TOO_BIG;
	if ((type == ICMP6_UNREACHABLE && code == ICMP6_CODE_PORT) ||
	    (type == ICMP6_PARAMETER && code == ICMP6_CODE_NEXT_HEADER))
		return UDP_FAILURE_REFUSED;
	return UDP_FAILURE_UNREACHABLE;
}

void icmp_error_input(const struct packet *packet)
{
	const uint8_t *at = packet->payload;
	bool six = packet->src.family == 6;
	enum udp_failure failure = six ? failure6(at[ICMP_TYPE], at[ICMP_CODE])
	                               : failure4(at[ICMP_TYPE], at[ICMP_CODE]);
	uint32_t mtu = six ? wire_get32(at + ICMP_REST) : wire_get16(at + ICMP_REST + 2);

	packet->stack->count.icmp_errors_in++;
	ip_fail(packet->stack, at + ICMP_SIZE, packet->size - ICMP_SIZE, failure,
	        failure == UDP_FAILURE_TOO_BIG ? mtu : 0);
}
