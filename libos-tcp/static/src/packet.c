/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames: what arrives is checked, header by header; what leaves is written. */
#include <udp/checksum.h>

#include "internal.h"

enum {
	ETHERNET = 14,
	IPV4 = 20,
	TCP = 20,
	ETHERTYPE_IPV4 = 0x0800,
	PROTOCOL_TCP = 6,
	TTL = 64,
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_SCALE = 3,
};

static uint16_t load16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t load32(const uint8_t *at)
{
	return (uint32_t)load16(at) << 16 | load16(at + 2);
}

static void store16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void store32(uint8_t *at, uint32_t value)
{
	store16(at, value >> 16);
	store16(at + 2, value);
}

/* ---- In ---- */

static void take_option(struct segment *segment, uint8_t kind, const uint8_t *value, uint8_t size)
{
	if (kind == OPTION_MSS && size == 2)
		segment->mss = load16(value);
	else if (kind == OPTION_SCALE && size == 1)
		segment->scale = value[0] < SCALE_MAX ? value[0] : SCALE_MAX; /* RFC 7323, 2.3 */
}

static void take_options(struct segment *segment, const uint8_t *at, uint32_t size)
{
	while (size > 0 && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			size--;
			continue;
		}
		if (size < 2 || at[1] < 2 || at[1] > size)
			return;
		take_option(segment, at[0], at + 2, (uint8_t)(at[1] - 2));
		size -= at[1];
		at += at[1];
	}
}

/* Sums of five words, the length of both headers, and of two. */
static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t sum_five(const uint8_t *at)
{
	return (uint64_t)word(at) + word(at + 4) + word(at + 8) + word(at + 12) + word(at + 16);
}

static uint64_t pseudo(const uint8_t *addresses, uint32_t size)
{
	return (uint64_t)word(addresses) + word(addresses + 4) + (PROTOCOL_TCP << 8) +
	       ((uint64_t)__builtin_bswap16((uint16_t)size) << 16);
}

static bool bad(uint64_t *counter)
{
	(*counter)++;
	return false;
}

/* An address that can't be answered: this network, loopback, multicast, broadcast (RFC 1122,
 * 3.2.1.3). */
static bool no_host(uint32_t address)
{
	return address >> 24 == 0 || address >> 24 == 127 || address >> 29 == 7;
}

static bool parse_tcp(struct static_stack *stack, const uint8_t *ip, const uint8_t *tcp,
                      uint32_t size, bool checked, struct segment *segment)
{
	uint32_t header;

	if (size < TCP || (header = (uint32_t)(tcp[12] >> 4) * 4) < TCP || header > size)
		return bad(&stack->count.malformed);
	if (load16(tcp + 2) != stack->config.port)
		return bad(&stack->count.not_ours);
	if (!checked && udp_sum_finish(udp_sum_add(pseudo(ip + 12, size), tcp, size)) != 0)
		return bad(&stack->count.bad_checksum);
	segment->port = load16(tcp);
	segment->seq = load32(tcp + 4);
	segment->ack = load32(tcp + 8);
	segment->flags = tcp[13];
	segment->window = load16(tcp + 14);
	segment->data = tcp + header;
	segment->size = size - header;
	if ((segment->flags & SYN) != 0)
		take_options(segment, tcp + TCP, header - TCP);
	return true;
}

bool static_packet_parse(struct static_stack *stack, const uint8_t *frame, uint32_t size,
                         bool checked, struct segment *segment)
{
	const uint8_t *ip = frame + ETHERNET;
	uint32_t header, total;

	stack->count.frames_in++;
	if (size < ETHERNET + IPV4 || load16(frame + 12) != ETHERTYPE_IPV4 || ip[0] >> 4 != 4 ||
	    ip[9] != PROTOCOL_TCP || memcmp(frame, stack->config.mac, 6) != 0 ||
	    memcmp(ip + 16, stack->config.address, 4) != 0)
		return bad(&stack->count.not_ours);
	header = (uint32_t)(ip[0] & 15) * 4;
	total = load16(ip + 2);
	if (header < IPV4 || total < header || total > size - ETHERNET ||
	    (load16(ip + 6) & 0x3fff) != 0)
		return bad(&stack->count.malformed);
	if (udp_sum_finish(udp_sum_add(sum_five(ip), ip + IPV4, header - IPV4)) != 0)
		return bad(&stack->count.bad_checksum);
	*segment = (struct segment){.mac = frame + 6, .remote = load32(ip + 12), .scale = NO_SCALE};
	if (no_host(segment->remote))
		return bad(&stack->count.malformed);
	return parse_tcp(stack, ip, ip + header, total - header, checked, segment);
}

/* ---- Out ---- */

struct head {
	const uint8_t *mac;
	uint32_t remote, seq, ack;
	uint16_t port, window;
	uint8_t flags, options; /* bytes of these, which stand behind the header already */
};

static void write_ip(struct static_stack *stack, uint8_t *ip, uint32_t remote, uint32_t size)
{
	uint16_t sum;

	ip[0] = 4 << 4 | IPV4 / 4;
	ip[1] = 0;
	store16(ip + 2, IPV4 + size);
	store16(ip + 4, 0);
	store16(ip + 6, 0x4000); /* don't fragment (RFC 1191): the number is free (RFC 6864) */
	ip[8] = TTL;
	ip[9] = PROTOCOL_TCP;
	store16(ip + 10, 0);
	memcpy(ip + 12, stack->config.address, 4);
	store32(ip + 16, remote);
	sum = udp_sum_finish(sum_five(ip));
	memcpy(ip + 10, &sum, sizeof sum);
}

/* Sends what `head` says; `sum` and `payload` are the content's. */
static void send(struct static_stack *stack, uint8_t *frame, const struct head *head,
                 const uint8_t *payload, uint32_t size, uint64_t sum)
{
	uint8_t *ip = frame + ETHERNET, *tcp = ip + IPV4;
	uint32_t header = TCP + head->options;
	uint16_t checksum;

	memcpy(frame, head->mac, 6);
	memcpy(frame + 6, stack->config.mac, 6);
	store16(frame + 12, ETHERTYPE_IPV4);
	write_ip(stack, ip, head->remote, header + size);
	store16(tcp, stack->config.port);
	store16(tcp + 2, head->port);
	store32(tcp + 4, head->seq);
	store32(tcp + 8, head->ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = head->flags;
	store16(tcp + 14, head->window);
	store32(tcp + 16, 0);
	sum += pseudo(ip + 12, header + size) + sum_five(tcp);
	if (head->options > 0)
		sum = udp_sum_add(sum, tcp + TCP, head->options);
	checksum = udp_sum_finish(sum);
	memcpy(tcp + 16, &checksum, sizeof checksum);
	stack->count.frames_out++;
	stack->output(stack->context,
	              &(struct static_frame){frame, ETHERNET + IPV4 + header, payload, size});
}

void static_packet_send(struct static_stack *stack, const struct conn *conn, uint32_t seq,
                        uint8_t flags, const struct static_answer *answer, uint32_t from,
                        uint32_t size)
{
	uint8_t frame[STATIC_HEADERS_MAX];
	struct head head = {.mac = conn->mac,
	                    .remote = conn->remote,
	                    .port = conn->port,
	                    .seq = seq,
	                    .ack = conn->rcv_nxt,
	                    .window = WINDOW,
	                    .flags = flags};

	if (answer == NULL)
		send(stack, frame, &head, NULL, 0, 0);
	else
		send(stack, frame, &head, answer->bytes + from, size,
		     static_answer_sum(answer, from, size));
}

void static_packet_syn_ack(struct static_stack *stack, const struct segment *segment, uint32_t seq)
{
	uint8_t frame[STATIC_HEADERS_MAX], *options = frame + ETHERNET + IPV4 + TCP;
	struct head head = {.mac = segment->mac,
	                    .remote = segment->remote,
	                    .port = segment->port,
	                    .seq = seq,
	                    .ack = segment->seq + 1,
	                    .window = WINDOW,
	                    .flags = SYN | ACK,
	                    .options = 4};

	options[0] = OPTION_MSS;
	options[1] = 4;
	store16(options + 2, stack->config.mtu - IPV4 - TCP);
	if (segment->scale != NO_SCALE) {
		memcpy(options + 4, (uint8_t[]){OPTION_NOP, OPTION_SCALE, 3, 0}, 4);
		head.options = 8;
	}
	send(stack, frame, &head, NULL, 0, 0);
}

void static_packet_reset(struct static_stack *stack, const struct segment *segment)
{
	uint8_t frame[STATIC_HEADERS_MAX];
	struct head head = {.mac = segment->mac,
	                    .remote = segment->remote,
	                    .port = segment->port,
	                    .seq = segment->ack,
	                    .flags = RST};

	if ((segment->flags & RST) != 0 || stack->resets >= stack->config.challenges)
		return;
	stack->resets++;
	stack->count.resets_out++;
	send(stack, frame, &head, NULL, 0, 0);
}
