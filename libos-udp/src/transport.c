/* SPDX-License-Identifier: BSD-2-Clause */
/* Another transport's packets, on their way through IP. */
#include "internal.h"

#include <udp/transport.h>

/* A way holds the link address in its lower six bytes, then the interface, and a bit that makes it
 * differ from none. */
#define WAY_KNOWN (1ull << 56)

static udp_way way_of(const struct packet *packet)
{
	udp_way way = 0;

	if (packet->mac == NULL)
		return 0;
	memcpy(&way, packet->mac, UDP_MAC_BYTES);
	return way | (udp_way)packet->buffer->interface << 48 | WAY_KNOWN;
}

int udp_transport_set(struct udp_stack *stack, uint8_t protocol,
                      const struct udp_transport *transport, void *context)
{
	if (protocol != PROTOCOL_TCP)
		return -UDP_EINVAL;
	stack->transport = transport;
	stack->transport_context = context;
	flow_forget(stack);
	return 0;
}

static void hand_over(struct packet *packet)
{
	struct udp_stack *stack = packet->stack;
	struct udp_buffer *buffer = packet->buffer;
	struct udp_transport_packet handed = {
	        .src = &packet->src,
	        .dst = &packet->dst,
	        .data = packet->payload,
	        .size = packet->size,
	        .tos = packet->tos,
	        .ttl = packet->ttl,
	        .checksum_ok = buffer->flags & UDP_BUFFER_L4_OK,
	        .to_group = packet->to_group,
	        .buffer = buffer,
	        .way = way_of(packet),
	};

	handed.tail = buffer->tail + (uint32_t)(buffer->data + buffer->size - packet->payload) -
	              packet->size;
	flow_keep_transport(packet, &handed);
	if (stack->transport->input(stack->transport_context, &handed))
		packet->buffer = NULL;
}

/* What came in fragments, in a buffer like any other: a transport keeps data until it is read, or
 * what lies before it has come, and the places where fragments are put together are few. What does
 * not fit is longer than who heeds the MSS may send. */
static void hand_over_copy(const struct packet *packet)
{
	struct udp_stack *stack = packet->stack;
	struct udp_buffer *buffer = stack_allocate(stack, packet->size);
	struct packet copy = *packet;

	if (buffer == NULL) {
		stack->count.drop_no_buffer++;
		return;
	}
	memcpy(buffer->data, packet->payload, packet->size);
	buffer->interface = packet->buffer->interface;
	buffer->time = packet->buffer->time;
	copy.buffer = buffer;
	copy.payload = buffer->data;
	hand_over(&copy);
	if (copy.buffer != NULL)
		udp_buffer_release(stack, copy.buffer);
}

void transport_input(struct packet *packet)
{
	if (packet->buffer->flags & UDP_BUFFER_OWNED)
		hand_over_copy(packet);
	else
		hand_over(packet);
}

uint64_t transport_run(struct udp_stack *stack, uint64_t now)
{
	return stack->transport != NULL ? stack->transport->run(stack->transport_context, now)
	                                : UINT64_MAX;
}

bool transport_rests(const struct udp_stack *stack)
{
	const struct udp_transport *transport = stack->transport;

	return transport == NULL ||
	       (transport->rests != NULL && transport->rests(stack->transport_context));
}

bool udp_transport_is_broadcast(const struct udp_stack *stack, const struct udp_ip *remote)
{
	for (uint32_t i = 0; i < stack->n_interfaces; i++)
		if (route_is_broadcast(&stack->interfaces[i], remote))
			return true;
	return false;
}

/* false: there is none. Out of line: most often it is the last one. */
static __attribute__((noinline)) bool find_way(struct udp_stack *stack, const struct udp_ip *remote,
                                               const struct udp_ip *local)
{
	struct route route;
	uint32_t link, mtu;

	if (route_find(stack, local, remote, &route) != 0 || route.broadcast)
		return false;
	link = link_mtu(route.interface, remote);
	mtu = path_mtu(stack, remote, link);
	stack->way_kept =
	        (struct way_kept){mtu < link ? 0 : stack->era, *local, *remote, route.src, mtu};
	return true;
}

uint32_t udp_transport_path(struct udp_stack *stack, const struct udp_ip *remote,
                            struct udp_ip *local)
{
	const struct way_kept *kept = &stack->way_kept;

	if ((kept->era != stack->era || !udp_ip_equal(&kept->remote, remote) ||
	     !udp_ip_equal(&kept->asked, local)) &&
	    !find_way(stack, remote, local))
		return 0;
	*local = kept->src;
	return kept->mtu;
}

void udp_transport_believe(struct udp_stack *stack, const struct udp_ip *remote, uint32_t mtu)
{
	path_learn(stack, remote, mtu);
}

udp_way udp_transport_reroute(struct udp_stack *stack, const struct udp_ip *remote,
                              const struct udp_ip *local, udp_way way)
{
	struct route route;
	bool other = route_find(stack, local, remote, &route) == 0 && !route.broadcast &&
	             !route.interface->loop &&
	             neighbour_may_reach(stack, route.index, &route.next_hop);

	return other ? 0 : way;
}

struct udp_buffer *udp_transport_reserve(struct udp_stack *stack, uint32_t size)
{
	return stack_allocate(stack, size);
}

struct udp_offload udp_transport_offload(struct udp_stack *stack, const struct udp_ip *local)
{
	for (unsigned i = 0; i < stack->n_interfaces; i++)
		if (interface_address(&stack->interfaces[i], local) != NULL)
			return stack->interfaces[i].offload;
	return (struct udp_offload){0};
}

bool udp_transport_reaches(const struct udp_stack *stack, const void *data, uint32_t size)
{
	return stack->ops.reaches != NULL && stack->ops.reaches(stack->context, data, size);
}

static void give_up(const struct udp_transport_send *request)
{
	for (unsigned i = 0; i < request->n_pieces; i++)
		if (request->pieces[i].owner != NULL)
			request->done(request->pieces[i].owner);
}

/* Puts the list of pieces behind the buffer's bytes. */
static int add_payload(struct udp_buffer *buffer, const struct udp_transport_send *request)
{
	const size_t align = _Alignof(struct udp_payload);
	uint8_t *end = buffer->data + buffer->size;
	size_t gap = -(uintptr_t)end & (align - 1);
	struct udp_payload *payload = (struct udp_payload *)(void *)(end + gap);

	if (request->n_pieces > UDP_PIECES_MAX || request->n_sums > UDP_SEGMENTS_MAX ||
	    buffer->tail < gap + sizeof *payload)
		return -UDP_EMSGSIZE;
	/* One by one: most of it is not used. */
	payload->size = 0;
	payload->segment_size = request->segment_size;
	payload->n = request->n_pieces;
	payload->n_sums = request->n_sums;
	payload->done = request->done;
	if (request->n_sums > 0)
		memcpy(payload->sums, request->sums, request->n_sums * sizeof *payload->sums);
	for (unsigned i = 0; i < request->n_pieces; i++) {
		payload->pieces[i] = request->pieces[i];
		payload->size += request->pieces[i].size;
	}
	buffer->payload = payload;
	return 0;
}

/* Headers of Ethernet and IPv4; length, identification and sum are left 0. */
static void write_headers(uint8_t *frame, const struct udp_transport_send *request,
                          const struct interface *interface)
{
	uint8_t *at = frame + ETH_SIZE;

	memcpy(frame + ETH_DST, &request->way, UDP_MAC_BYTES);
	memcpy(frame + ETH_SRC, interface->mac, UDP_MAC_BYTES);
	wire_put16(frame + ETH_TYPE, ETHERTYPE_IP4);
	at[IP4_VERSION_IHL] = 0x45;
	at[IP4_TOS] = request->tos;
	wire_put16(at + IP4_LENGTH, 0);
	wire_put16(at + IP4_ID, 0);
	wire_put16(at + IP4_FRAGMENT, request->dont_fragment ? IP4_DF : 0);
	at[IP4_TTL] = request->ttl;
	at[IP4_PROTOCOL] = request->protocol;
	wire_put16(at + IP4_CHECKSUM, 0);
	memcpy(at + IP4_SRC, request->src.bytes, 4);
	memcpy(at + IP4_DST, request->dst.bytes, 4);
}

/* Headers in one go where the neighbour is known: IPv4 without options. false: the long way,
 * nothing has happened. */
static bool send_short(struct udp_stack *stack, const struct udp_transport_send *request,
                       const struct interface *interface, struct udp_buffer *buffer)
{
	const struct udp_payload *payload = buffer->payload;
	uint32_t whole = udp_buffer_whole(buffer), most = interface->mtu - IP4_SIZE;
	bool cut = payload != NULL && payload->segment_size != 0;
	uint32_t words[IP4_SIZE / 4];
	uint8_t *frame, *at;
	uint16_t sum;

	if (request->src.family != 4 || interface->loop ||
	    (cut ? buffer->size + payload->segment_size > most ||
	                     whole > interface->offload.size_max - IP4_SIZE
	         : whole > most))
		return false;
	frame = udp_buffer_push(buffer, ETH_SIZE + IP4_SIZE);
	if (frame == NULL)
		return false;
	write_headers(frame, request, interface);
	at = frame + ETH_SIZE;
	wire_put16(at + IP4_LENGTH, (uint16_t)(whole + IP4_SIZE));
	wire_put16(at + IP4_ID, (*ip4_id(stack, &request->dst))++);
	memcpy(words, at, sizeof words);
	sum = udp_sum_finish((uint64_t)words[0] + words[1] + words[2] + words[3] + words[4]);
	memcpy(at + IP4_CHECKSUM, &sum, sizeof sum);
	buffer->interface = (uint8_t)(request->way >> 48);
	buffer->flags &= UDP_BUFFER_SUM;
	stack->count.frames_out++;
	stack->ops.output(stack->context, buffer);
	return true;
}

int udp_transport_send(struct udp_stack *stack, const struct udp_transport_send *request,
                       struct udp_buffer *buffer)
{
	unsigned interface = (uint8_t)(request->way >> 48);
	bool direct = (request->way & WAY_KNOWN) != 0 && interface < stack->n_interfaces;
	struct send send;

	if (request->sum)
		buffer->flags |= UDP_BUFFER_SUM;
	if (request->n_pieces > 0 && add_payload(buffer, request) != 0) {
		give_up(request);
		udp_buffer_release(stack, buffer);
		return -UDP_EMSGSIZE;
	}
	if (direct && send_short(stack, request, &stack->interfaces[interface], buffer))
		return 0;
	send = (struct send){.src = request->src,
	                     .dst = request->dst,
	                     .protocol = request->protocol,
	                     .ttl = request->ttl,
	                     .tos = request->tos,
	                     .dont_fragment = request->dont_fragment,
	                     .knows_path = true};
	if (direct) {
		send.direct = true;
		send.interface = (uint8_t)interface;
		memcpy(send.mac, &request->way, UDP_MAC_BYTES);
	}
	return ip_send(stack, &send, buffer);
}

/* ---- Brief ones ---- */

static uint32_t word_at(const void *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

_Static_assert(offsetof(struct udp_transport_brief, dont_fragment) ==
                       offsetof(struct udp_transport_brief, protocol) + 3,
               "protocol, TTL, TOS and DF lie in one word");

static bool is_kept(const struct udp_stack *stack, const struct udp_transport_brief *brief,
                    const struct udp_buffer *buffer)
{
	const struct brief_kept *kept = &stack->brief_kept;

	return kept->era == stack->era && kept->way == brief->way &&
	       ((kept->src ^ word_at(brief->src->bytes)) |
	        (kept->dst ^ word_at(brief->dst->bytes)) |
	        (kept->manner ^ word_at(&brief->protocol)) | (brief->src->family ^ 4u)) == 0 &&
	       buffer->size <= kept->most && buffer->head >= sizeof kept->header;
}

static void send_kept(struct udp_stack *stack, struct udp_buffer *buffer)
{
	const struct brief_kept *kept = &stack->brief_kept;
	uint8_t *frame = buffer->data - sizeof kept->header, *ip = frame + ETH_SIZE;
	uint16_t length = __builtin_bswap16((uint16_t)(buffer->size + IP4_SIZE));
	uint16_t id = __builtin_bswap16((*kept->id)++);
	uint16_t sum = udp_sum_finish(kept->sum + length + id);

	memcpy(frame, kept->header, sizeof kept->header);
	memcpy(ip + IP4_LENGTH, &length, sizeof length);
	memcpy(ip + IP4_ID, &id, sizeof id);
	memcpy(ip + IP4_CHECKSUM, &sum, sizeof sum);
	buffer->data = frame;
	buffer->size += sizeof kept->header;
	buffer->head -= sizeof kept->header;
	buffer->interface = kept->interface;
	buffer->flags = 0;
	stack->count.frames_out++;
	stack->ops.output(stack->context, buffer);
}

/* For the next packet like this one. */
static void keep(struct udp_stack *stack, const struct udp_transport_brief *brief,
                 const struct udp_transport_send *send)
{
	unsigned number = (uint8_t)(brief->way >> 48);
	const struct interface *interface = &stack->interfaces[number];
	struct brief_kept *kept = &stack->brief_kept;

	if ((brief->way & WAY_KNOWN) == 0 || number >= stack->n_interfaces || interface->loop ||
	    brief->src->family != 4)
		return;
	*kept = (struct brief_kept){.era = stack->era,
	                            .way = brief->way,
	                            .src = word_at(brief->src->bytes),
	                            .dst = word_at(brief->dst->bytes),
	                            .manner = word_at(&brief->protocol),
	                            .most = interface->mtu - IP4_SIZE,
	                            .id = ip4_id(stack, brief->dst),
	                            .interface = (uint8_t)number};
	write_headers(kept->header, send, interface);
	kept->sum = udp_sum_add(0, kept->header + ETH_SIZE, IP4_SIZE);
}

int udp_transport_send_brief(struct udp_stack *stack, const struct udp_transport_brief *brief,
                             struct udp_buffer *buffer)
{
	struct udp_transport_send send;

	if (is_kept(stack, brief, buffer)) {
		send_kept(stack, buffer);
		return 0;
	}
	send = (struct udp_transport_send){.src = *brief->src,
	                                   .dst = *brief->dst,
	                                   .protocol = brief->protocol,
	                                   .ttl = brief->ttl,
	                                   .tos = brief->tos,
	                                   .dont_fragment = brief->dont_fragment,
	                                   .way = brief->way};
	keep(stack, brief, &send);
	return udp_transport_send(stack, &send, buffer);
}

uint64_t udp_transport_now(struct udp_stack *stack)
{
	return stack_now(stack);
}

uint64_t udp_transport_when(struct udp_stack *stack, const struct udp_buffer *buffer)
{
	return stack_when(stack, buffer->time);
}

uint64_t udp_transport_random(struct udp_stack *stack)
{
	return stack->ops.random(stack->context);
}
