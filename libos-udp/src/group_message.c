/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IGMP and MLD messages: queries in, reports out (RFC 3376, 4; RFC 2236, 2; RFC 3810, 5; RFC 2710,
 * 3). A report of ours holds one record: memberships are few, and it always fits.
 */
#include "internal.h"

enum {
	IGMP_QUERY = 0x11,
	IGMP_REPORT_1 = 0x12,
	IGMP_REPORT_2 = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP_REPORT_3 = 0x22,
	IGMP_MAX_CODE = 1,
	IGMP_GROUP = 4,
	IGMP_SIZE = 8,
	IGMP_S_QRV = 8, /* of a query of version 3 */
	IGMP_N_SOURCES = 10,
	IGMP_SOURCES = 12,
	MLD_MAX_CODE = 4,
	MLD_GROUP = 8,
	MLD_SIZE = 24,
	MLD_S_QRV = 24,
	MLD_N_SOURCES = 26,
	MLD_SOURCES = 28,
	REPORT_N_RECORDS = 6, /* both protocols */
	REPORT_RECORDS = 8,
	RECORD_N_SOURCES = 2,
	RECORD_GROUP = 4,
	IGMP1_DELAY_TENTHS = 100, /* RFC 3376, 7.2.1 */
	ROUTER_ALERT_SIZE = 8,
};

/* ---- In ---- */

/* A code of eight or sixteen bits above half its range is a small floating-point number (RFC 3376,
 * 4.1.1; RFC 3810, 5.1.3). */
static uint32_t code_value(uint32_t code, unsigned bits)
{
	unsigned mantissa = bits - 4;

	if (code < 1u << (bits - 1))
		return code;
	return ((code & ((1u << mantissa) - 1)) | 1u << mantissa) << ((code >> mantissa & 7) + 3);
}

/* The part that both protocols' newest queries have behind their older form. */
static bool read_newest(const uint8_t *at, uint32_t size, uint32_t flags, uint32_t source_size,
                        struct query *query)
{
	query->robustness = at[flags] & 7;
	query->n_sources = wire_get16(at + flags + 2);
	query->sources = at + flags + 4;
	return query->n_sources <= (size - flags - 4) / source_size;
}

static bool read_igmp(const uint8_t *at, uint32_t size, struct query *query)
{
	uint32_t group = wire_get32(at + IGMP_GROUP), tenths = at[IGMP_MAX_CODE];

	query->version = size >= IGMP_SOURCES ? 3 : tenths == 0 ? 1 : 2;
	if (query->version == 3)
		tenths = code_value(tenths, 8);
	else if (query->version == 1)
		tenths = IGMP1_DELAY_TENTHS;
	query->delay = tenths * (NS_PER_S / 10);
	if (group != 0)
		query->group = udp_ip4(group);
	/* Between the two sizes lies nothing that was ever defined (RFC 3376, 7.1). */
	return (size == IGMP_SIZE || size >= IGMP_SOURCES) &&
	       (group == 0 || udp_ip_is_multicast(&query->group)) &&
	       (query->version != 3 || read_newest(at, size, IGMP_S_QRV, 4, query));
}

/* Routers let nobody else's questions to all through (RFC 3376, 9.1); those for one group may be
 * meant for us alone. */
static bool is_of_link(const struct packet *packet, const struct query *query)
{
	return query->group.family != 0 || udp_ip4_value(&packet->dst) == ALL_HOSTS;
}

void igmp_input(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;
	const uint8_t *at = packet->payload;
	struct query query = {0};
	struct udp_ip group;

	count->group_in++;
	if (packet->size < IGMP_SIZE || udp_sum_finish(udp_sum_add(0, at, packet->size)) != 0) {
		count->group_bad++;
		return;
	}
	group = udp_ip4(wire_get32(at + IGMP_GROUP));
	if ((at[0] == IGMP_REPORT_1 || at[0] == IGMP_REPORT_2) && packet->to_group)
		group_heard_report(packet->stack, packet->buffer->interface, &group);
	else if (at[0] == IGMP_QUERY && read_igmp(at, packet->size, &query) &&
	         is_of_link(packet, &query))
		group_query(packet->stack, packet->buffer->interface, 4, &query);
	else if (at[0] == IGMP_QUERY)
		count->group_bad++;
}

static bool read_mld(const uint8_t *at, uint32_t size, struct query *query)
{
	struct udp_ip group = udp_ip6(at + MLD_GROUP);
	uint32_t ms = wire_get16(at + MLD_MAX_CODE);

	query->version = size >= MLD_SOURCES ? 2 : 1;
	query->delay = (query->version == 2 ? code_value(ms, 16) : ms) * NS_PER_MS;
	if (!udp_ip_is_unspecified(&group))
		query->group = group;
	return (size == MLD_SIZE || size >= MLD_SOURCES) &&
	       (query->group.family == 0 || udp_ip_is_multicast(&group)) &&
	       (query->version != 2 || read_newest(at, size, MLD_S_QRV, 16, query));
}

/* From the link's own address, and not routed (RFC 3810, 5.1.14 and 6.2). */
void mld_input(struct packet *packet)
{
	struct udp_counters *count = &packet->stack->count;
	const uint8_t *at = packet->payload;
	struct query query = {0};
	struct udp_ip group;

	count->group_in++;
	if (packet->size < MLD_SIZE || packet->ttl != 1 || packet->fragmented ||
	    packet->src.bytes[0] != 0xfe || (packet->src.bytes[1] & 0xc0) != 0x80) {
		count->group_bad++;
		return;
	}
	group = udp_ip6(at + MLD_GROUP);
	if (at[ICMP_TYPE] == ICMP6_MLD_REPORT)
		group_heard_report(packet->stack, packet->buffer->interface, &group);
	else if (at[ICMP_TYPE] == ICMP6_MLD_QUERY && read_mld(at, packet->size, &query))
		group_query(packet->stack, packet->buffer->interface, 6, &query);
	else if (at[ICMP_TYPE] == ICMP6_MLD_QUERY)
		count->group_bad++;
}

/* ---- Out ---- */

static struct udp_ip address4(const struct interface *interface, const struct udp_ip *near)
{
	const struct udp_ip *own = interface_source(interface, near);

	return own != NULL ? *own : (struct udp_ip){.family = near->family};
}

static void transmit4(struct udp_stack *stack, unsigned index, struct udp_buffer *buffer,
                      const struct udp_ip *to)
{
	struct send send = {.dst = *to,
	                    .direct = true,
	                    .interface = (uint8_t)index,
	                    .protocol = PROTOCOL_IGMP,
	                    .router_alert = true,
	                    .tos = 0xc0,
	                    .ttl = 1};
	uint16_t sum;

	send.src = address4(&stack->interfaces[index], to);
	ip_multicast_mac(to, send.mac);
	wire_put16(buffer->data + ICMP_CHECKSUM, 0);
	sum = udp_sum_finish(udp_sum_add(0, buffer->data, buffer->size));
	memcpy(buffer->data + ICMP_CHECKSUM, &sum, sizeof sum);
	(void)ip_send(stack, &send, buffer);
}

/* The link-local address, or none (RFC 3810, 5.2.13): never one that routers know. */
static struct udp_ip address6(const struct interface *interface)
{
	const struct udp_ip link = {.family = 6, .bytes = {0xfe, 0x80}};
	struct udp_ip own = address4(interface, &link);

	return own.bytes[0] == 0xfe && (own.bytes[1] & 0xc0) == 0x80 ? own
	                                                             : (struct udp_ip){.family = 6};
}

static void transmit6(struct udp_stack *stack, unsigned index, struct udp_buffer *buffer,
                      const struct udp_ip *to)
{
	/* A hop-by-hop header: next header, length, router alert (RFC 2711), padding. */
	static const uint8_t alert[ROUTER_ALERT_SIZE] = {PROTOCOL_ICMP6, 0, 5, 2, 0, 0, 1, 0};
	struct send send = {.dst = *to,
	                    .direct = true,
	                    .interface = (uint8_t)index,
	                    .protocol = IP6_NEXT_HOP_BY_HOP,
	                    .ttl = 1};

	send.src = address6(&stack->interfaces[index]);
	ip_multicast_mac(to, send.mac);
	icmp6_finish(buffer, &send.src, to);
	if (udp_buffer_push(buffer, ROUTER_ALERT_SIZE) == NULL) {
		udp_buffer_release(stack, buffer);
		return;
	}
	memcpy(buffer->data, alert, sizeof alert);
	(void)ip_send(stack, &send, buffer);
}

static struct udp_buffer *begin(struct udp_stack *stack, uint32_t size, uint8_t type)
{
	struct udp_buffer *buffer = stack_allocate(stack, size);

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return NULL;
	}
	stack->count.group_out++;
	memset(buffer->data, 0, size);
	buffer->data[0] = type;
	return buffer;
}

void group_send_record(struct udp_stack *stack, unsigned index, const struct group *group,
                       enum group_record kind)
{
	static const struct udp_ip all4 = {.family = 4, .bytes = {224, 0, 0, 22}};
	static const struct udp_ip all6 = {.family = 6, .bytes = {0xff, 2, [15] = 0x16}};
	bool six = group->ip.family == 6;
	uint32_t width = six ? 16 : 4;
	uint32_t size = REPORT_RECORDS + RECORD_GROUP + width * (1u + group->n_sources);
	struct udp_buffer *buffer = begin(stack, size, six ? ICMP6_MLD_REPORT_2 : IGMP_REPORT_3);
	uint8_t *at;

	if (buffer == NULL)
		return;
	wire_put16(buffer->data + REPORT_N_RECORDS, 1);
	at = buffer->data + REPORT_RECORDS;
	at[0] = (uint8_t)kind;
	wire_put16(at + RECORD_N_SOURCES, group->n_sources);
	memcpy(at + RECORD_GROUP, group->ip.bytes, width);
	for (unsigned i = 0; i < group->n_sources; i++)
		memcpy(at + RECORD_GROUP + (size_t)width * (i + 1), group->sources[i].bytes, width);
	if (six)
		transmit6(stack, index, buffer, &all6);
	else
		transmit4(stack, index, buffer, &all4);
}

static void send_old4(struct udp_stack *stack, unsigned index, const struct group *group,
                      unsigned version, bool leave)
{
	static const struct udp_ip routers = {.family = 4, .bytes = {224, 0, 0, 2}};
	struct udp_buffer *buffer;

	if (leave && version == 1)
		return; /* version 1 leaves silently */
	buffer = begin(stack, IGMP_SIZE,
	               leave          ? IGMP_LEAVE
	               : version == 1 ? IGMP_REPORT_1
	                              : IGMP_REPORT_2);
	if (buffer == NULL)
		return;
	memcpy(buffer->data + IGMP_GROUP, group->ip.bytes, 4);
	transmit4(stack, index, buffer, leave ? &routers : &group->ip);
}

void group_send_old(struct udp_stack *stack, unsigned index, const struct group *group,
                    unsigned version, bool leave)
{
	static const struct udp_ip routers = {.family = 6, .bytes = {0xff, 2, [15] = 2}};
	struct udp_buffer *buffer;

	if (group->ip.family == 4) {
		send_old4(stack, index, group, version, leave);
		return;
	}
	buffer = begin(stack, MLD_SIZE, leave ? ICMP6_MLD_DONE : ICMP6_MLD_REPORT);
	if (buffer == NULL)
		return;
	memcpy(buffer->data + MLD_GROUP, group->ip.bytes, 16);
	transmit6(stack, index, buffer, leave ? &routers : &group->ip);
}
