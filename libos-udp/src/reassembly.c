/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reassembly (RFC 791, 3.2), for whichever family calls: bounded in number, memory and time.
 *
 * Each datagram has one context with room for the largest; its fragments are copied to their place,
 * so that no fragment holds a driver's buffer and the result is contiguous. A bitmap of 8-byte
 * units says what is there. Fragments that overlap end the whole datagram, those that come later
 * included (RFC 5722, section 4, for IPv4 too: nobody overlaps by honest means); exact repetitions
 * are the network's doing and are ignored.
 *
 * Where all contexts are taken the oldest gives way, first among those of the same source, so that
 * one flooding source costs others nothing while it holds half of them.
 */
#include "internal.h"

#define REASSEMBLY_TIME (30 * NS_PER_S) /* as Linux; RFC 1122, 3.3.2 asks for up to 120 s */

enum {
	DATA_MAX = 65535,
	UNITS = (DATA_MAX + 7) / 8,
	HEADER_MAX = 64, /* of the first fragment, kept for ICMP errors */
	UNKNOWN = ~0,
};

enum context_state {
	CONTEXT_FREE = 0,
	CONTEXT_OPEN,
	CONTEXT_POISONED, /* fragments overlapped: the rest is swallowed until the time is over */
	CONTEXT_HELD,     /* complete, in the application's hands */
};

struct reassembly {
	struct udp_buffer buffer; /* first: reassembly_release finds the context by it */
	struct udp_ip src, dst;
	uint32_t id;
	uint8_t protocol, ttl, tos;
	uint8_t interface;
	uint8_t state; /* enum context_state */
	bool link_group, to_group;
	uint8_t mac[UDP_MAC_BYTES]; /* of the first fragment to arrive */
	uint64_t deadline;
	uint32_t total;       /* payload bytes; UNKNOWN until the last fragment came */
	uint32_t end;         /* behind the furthest byte */
	uint32_t received;    /* bytes */
	uint32_t header_size; /* 0: the first fragment is missing */
	uint8_t head[UDP_HEADROOM - HEADER_MAX];
	uint8_t header[HEADER_MAX]; /* directly in front of data: a packet like any other */
	uint8_t data[DATA_MAX + 1];
	uint64_t units[(UNITS + 63) / 64];
};

size_t reassembly_bytes(const struct udp_config *config)
{
	return config->reassemblies * sizeof(struct reassembly);
}

void reassembly_init(struct udp_stack *stack, void *memory)
{
	stack->reassembly.contexts = memory;
	stack->reassembly.n = stack->config.reassemblies;
	stack->reassembly.deadline = UINT64_MAX;
	for (uint32_t i = 0; i < stack->reassembly.n; i++)
		stack->reassembly.contexts[i].state = CONTEXT_FREE;
}

void reassembly_release(struct udp_stack *stack, struct udp_buffer *buffer)
{
	((struct reassembly *)(void *)buffer)->state = CONTEXT_FREE;
}

static bool is_live(const struct reassembly *context)
{
	return context->state == CONTEXT_OPEN || context->state == CONTEXT_POISONED;
}

/* IPv4 tells datagrams apart by it; in IPv6 the first fragment's alone counts (RFC 8200, 4.5). */
static bool same_protocol(const struct reassembly *context, const struct packet *packet)
{
	return packet->src.family == 6 || context->protocol == packet->protocol;
}

static struct reassembly *find(const struct packet *packet, uint32_t id)
{
	struct reassembly_table *table = &packet->stack->reassembly;

	for (uint32_t i = 0; i < table->n; i++) {
		struct reassembly *context = &table->contexts[i];

		if (is_live(context) && context->id == id && same_protocol(context, packet) &&
		    udp_ip_equal(&context->src, &packet->src) &&
		    udp_ip_equal(&context->dst, &packet->dst))
			return context;
	}
	return NULL;
}

/* A free context, or the one that gives way. NULL: the application holds them all. */
static struct reassembly *take(const struct packet *packet)
{
	struct reassembly_table *table = &packet->stack->reassembly;
	struct reassembly *oldest = NULL, *same = NULL;
	uint32_t n_same = 0;

	for (uint32_t i = 0; i < table->n; i++) {
		struct reassembly *context = &table->contexts[i];

		if (context->state == CONTEXT_FREE)
			return context;
		if (context->state == CONTEXT_HELD)
			continue;
		if (oldest == NULL || context->deadline < oldest->deadline)
			oldest = context;
		if (!udp_ip_equal(&context->src, &packet->src))
			continue;
		n_same++;
		if (same == NULL || context->deadline < same->deadline)
			same = context;
	}
	if (oldest == NULL) {
		packet->stack->count.reassembly_full++;
		return NULL;
	}
	packet->stack->count.reassembly_evicted++;
	return n_same * 2 >= table->n ? same : oldest;
}

static struct reassembly *open_context(const struct packet *packet, uint32_t id)
{
	struct reassembly *context = take(packet);

	if (context == NULL)
		return NULL;
	context->src = packet->src;
	context->dst = packet->dst;
	context->id = id;
	context->protocol = packet->protocol;
	context->ttl = packet->ttl;
	context->tos = packet->tos;
	context->interface = packet->buffer->interface;
	context->link_group = packet->link_group;
	context->to_group = packet->to_group;
	memcpy(context->mac, packet->mac, UDP_MAC_BYTES);
	context->state = CONTEXT_OPEN;
	context->deadline = stack_now(packet->stack) + REASSEMBLY_TIME;
	context->total = (uint32_t)UNKNOWN;
	context->end = 0;
	context->received = 0;
	context->header_size = 0;
	context->buffer.time = packet->buffer->time;
	memset(context->units, 0, sizeof context->units);
	packet->stack->reassembly.deadline =
	        earlier(packet->stack->reassembly.deadline, context->deadline);
	return context;
}

/* Length and place that no datagram can have. Untrusted. */
static bool is_possible(const struct packet *packet, uint32_t offset, bool more)
{
	/* IPv6's length does not count the header. */
	uint32_t room = DATA_MAX - (packet->src.family == 6 ? 0 : packet->header_size);

	if (packet->size == 0 || (more && packet->size % 8 != 0))
		return false;
	return offset <= room && packet->size <= room - offset;
}

/* How many of the units [first, end) are there already. */
static uint32_t count_units(const struct reassembly *context, uint32_t first, uint32_t end)
{
	uint32_t n = 0;

	for (uint32_t i = first; i < end; i++)
		n += context->units[i / 64] >> i % 64 & 1;
	return n;
}

static void mark_units(struct reassembly *context, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++)
		context->units[i / 64] |= 1ull << i % 64;
}

/* Whether the fragment contradicts the length that the others have told. */
static bool contradicts_end(const struct reassembly *context, uint32_t end, bool more)
{
	if (context->total != (uint32_t)UNKNOWN)
		return more ? end > context->total : end != context->total;
	return !more && end < context->end;
}

enum verdict { FRAGMENT_NEW, FRAGMENT_DUPLICATE, FRAGMENT_OVERLAP };

static enum verdict judge(const struct reassembly *context, const struct packet *packet,
                          uint32_t offset, bool more)
{
	uint32_t first = offset / 8, end = (offset + packet->size + 7) / 8;
	uint32_t present = count_units(context, first, end);

	if (contradicts_end(context, offset + packet->size, more))
		return FRAGMENT_OVERLAP;
	if (present == 0)
		return FRAGMENT_NEW;
	if (present == end - first &&
	    memcmp(context->data + offset, packet->payload, packet->size) == 0)
		return FRAGMENT_DUPLICATE;
	return FRAGMENT_OVERLAP;
}

static void store(struct reassembly *context, const struct packet *packet, uint32_t offset,
                  bool more)
{
	uint32_t end = offset + packet->size;

	memcpy(context->data + offset, packet->payload, packet->size);
	mark_units(context, offset / 8, (end + 7) / 8);
	context->received += packet->size;
	if (end > context->end)
		context->end = end;
	if (!more)
		context->total = end;
	if (offset > 0)
		return;
	context->header_size = packet->header_size;
	memcpy(context->header + HEADER_MAX - packet->header_size, packet->header,
	       packet->header_size);
	memcpy(context->mac, packet->mac, UDP_MAC_BYTES);
	context->interface = packet->buffer->interface;
	context->protocol = packet->protocol;
	context->ttl = packet->ttl;
	context->tos = packet->tos;
}

/* What of the datagram is there, as a packet. */
static void describe(struct udp_stack *stack, struct reassembly *context, uint32_t size,
                     struct packet *packet)
{
	context->buffer.data = context->header + HEADER_MAX - context->header_size;
	context->buffer.size = context->header_size + size;
	context->buffer.head = UDP_HEADROOM - context->header_size;
	context->buffer.tail = DATA_MAX - size;
	context->buffer.flags = UDP_BUFFER_OWNED;
	context->buffer.interface = context->interface;
	*packet = (struct packet){.stack = stack,
	                          .fragmented = true,
	                          .buffer = &context->buffer,
	                          .interface = &stack->interfaces[context->interface],
	                          .mac = context->mac,
	                          .link_group = context->link_group,
	                          .to_group = context->to_group,
	                          .src = context->src,
	                          .dst = context->dst,
	                          .protocol = context->protocol,
	                          .ttl = context->ttl,
	                          .tos = context->tos,
	                          .header = context->buffer.data,
	                          .header_size = context->header_size,
	                          .payload = context->data,
	                          .size = size};
}

bool reassembly_add(const struct packet *packet, uint32_t id, uint32_t offset, bool more,
                    struct packet *whole)
{
	struct udp_counters *count = &packet->stack->count;
	struct reassembly *context;

	if (!is_possible(packet, offset, more)) {
		count->fragments_bad++;
		return false;
	}
	context = find(packet, id);
	if (context == NULL)
		context = open_context(packet, id);
	if (context == NULL || context->state == CONTEXT_POISONED)
		return false;
	switch (judge(context, packet, offset, more)) {
	case FRAGMENT_DUPLICATE:
		count->fragments_duplicate++;
		return false;
	case FRAGMENT_OVERLAP:
		count->fragments_overlap++;
		context->state = CONTEXT_POISONED;
		return false;
	case FRAGMENT_NEW:
		store(context, packet, offset, more);
	}
	if (context->received != context->total)
		return false;
	count->reassembled++;
	context->state = CONTEXT_HELD;
	describe(packet->stack, context, context->total, whole);
	return true;
}

/* Bytes from the start that are there without a gap, as far as an error may quote them. */
static uint32_t first_bytes(const struct reassembly *context)
{
	uint32_t unit = 0;

	while (unit < 128 && (context->units[unit / 64] >> unit % 64 & 1))
		unit++;
	return unit * 8 < context->end ? unit * 8 : context->end;
}

/* The time is over: who sent the first fragment hears of it (RFC 792, "Time Exceeded"). */
static void expire(struct udp_stack *stack, struct reassembly *context)
{
	struct packet packet;

	if (context->state == CONTEXT_OPEN) {
		stack->count.reassembly_timeouts++;
		if (context->header_size > 0) {
			describe(stack, context, first_bytes(context), &packet);
			icmp_error(&packet, CAUSE_REASSEMBLY, 0);
		}
	}
	context->state = CONTEXT_FREE;
}

void reassembly_run(struct udp_stack *stack, uint64_t now)
{
	struct reassembly_table *table = &stack->reassembly;

	if (now < table->deadline)
		return;
	table->deadline = UINT64_MAX;
	for (uint32_t i = 0; i < table->n; i++) {
		struct reassembly *context = &table->contexts[i];

		if (!is_live(context))
			continue;
		if (now >= context->deadline)
			expire(stack, context);
		else
			table->deadline = earlier(table->deadline, context->deadline);
	}
}
