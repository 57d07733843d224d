/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows that are known: the short way for the next datagram of a conversation.
 *
 * Most frames differ from an earlier one only in what changes from datagram to datagram. Whether
 * such a frame's source is to be believed, its destination is ours, which socket hears it and where
 * an answer goes was found out for the earlier one, by the long way (ip4_input.c and on), which
 * kept it here. The frame is compared with what was kept, its lengths and checksums are looked at,
 * and the socket gets it. An answer in place turns the header round where it lies.
 *
 * What was kept is worth nothing any more when anything that it was found from has changed: whoever
 * changes such a thing calls flow_forget, which begins a new era. An era ends of itself after a
 * second, so that neighbours are learned and routes found anew.
 *
 * IPv4 without options, whole datagrams, one host to one host. Anything else, and all that is
 * wrong, goes the long way, which counts it. Of another transport's packets only addresses count:
 * whose they are is for it to find out.
 */
#include "internal.h"

enum {
	IP = ETH_SIZE,
	UDP = ETH_SIZE + IP4_SIZE,
	DATA = UDP + UDP_SIZE,
	FEW = 32, /* bytes of data; fewer are summed up on the spot */
	TTL_DEFAULT = 64,
};

#define ERA_NS NS_PER_S

static uint64_t load64(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

static uint32_t load32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

static void store16(uint8_t *at, uint16_t word)
{
	memcpy(at, &word, sizeof word);
}

/* All of a header that is the same in a flow's frames, in memory order: stations, type, version,
 * length of the header, TOS; fragment word, TTL, protocol; addresses; UDP's ports. */
static void load_key(uint64_t key[4], const uint8_t *frame)
{
	key[0] = load64(frame);
	key[1] = load64(frame + 8);
	key[2] = load64(frame + IP + IP4_SRC);
	key[3] = load32(frame + IP + IP4_FRAGMENT);
	if (frame[IP + IP4_PROTOCOL] == PROTOCOL_UDP)
		key[3] |= (uint64_t)load32(frame + UDP) << 32;
}

static bool same_key(const uint64_t a[4], const uint64_t b[4])
{
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
}

/* Not keyed: who makes flows share a place only sends them the long way. */
static struct flow *place_of(struct udp_stack *stack, const uint64_t key[4])
{
	uint64_t hash = (key[2] ^ key[3]) * 0x9e3779b97f4a7c15ull;

	return &stack->flows[hash >> 58];
}

_Static_assert(FLOWS == 1 << (64 - 58), "the hash's upper bits number the places");

static uint64_t addresses(const uint8_t *frame)
{
	return (uint64_t)load32(frame + IP + IP4_SRC) + load32(frame + IP + IP4_DST);
}

/* Addresses and protocol; a length in network order. */
static uint64_t pseudo(const uint8_t *frame, uint16_t length)
{
	return addresses(frame) + ((uint32_t)PROTOCOL_UDP << 8) + length;
}

/* Whether a sum over data with a checksum in it, which is never 0, is right: a multiple of 65,535
 * (RFC 1071, 2), which is one multiplication, and no folding. */
static inline bool is_right(uint64_t sum)
{
	return sum % 0xffff == 0;
}

static inline uint64_t add_word(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word); /* the carry */
}

/* As udp_sum_add, for fewer than FEW bytes behind a header: those of the last word come with what
 * stands before them. */
static inline uint64_t add_few(uint64_t sum, const uint8_t *at, uint32_t size)
{
	const uint8_t *end = at + size;

	if (size & 16) {
		sum = add_word(add_word(sum, load64(at)), load64(at + 8));
		at += 16;
	}
	if (size & 8)
		sum = add_word(sum, load64(at));
	if (size & 7)
		sum = add_word(sum, load64(end - 8) >> (-8 * size & 63));
	return sum;
}

/* As udp_sum_finish, for a sum of two or three words of 16 bits. */
static inline uint16_t finish_few(uint32_t sum)
{
	sum += sum << 16 | sum >> 16;
	return (uint16_t) ~(sum >> 16);
}

/* Untrusted: the fields that a known flow's frames may differ in. → bytes behind IP's header, or
 * negative. */
static inline int32_t size_of(const struct udp_buffer *buffer, const struct flow *flow)
{
	const uint8_t *ip = buffer->data + IP;
	uint32_t length = wire_get16(ip + IP4_LENGTH);

	if (length > buffer->size - ETH_SIZE || length < IP4_SIZE)
		return -1;
	if (!(buffer->flags & UDP_BUFFER_L3_OK) &&
	    !is_right(flow->addresses + load32(ip) + load32(ip + 4) + load32(ip + 8)))
		return -1;
	return (int32_t)(length - IP4_SIZE);
}

/* The same of UDP's. `size`: its length; `room`: bytes behind IP's header. */
static bool is_sound(const struct udp_buffer *buffer, uint32_t size, uint32_t room)
{
	const uint8_t *frame = buffer->data;

	if (size < UDP_SIZE || size > room)
		return false;
	if ((buffer->flags & UDP_BUFFER_L4_OK) || wire_get16(frame + UDP + UDP_CHECKSUM) == 0)
		return true;
	return is_right(
	        udp_sum_add(pseudo(frame, __builtin_bswap16((uint16_t)size)), frame + UDP, size));
}

static void to_transport(struct udp_stack *stack, const struct flow *flow,
                         struct udp_buffer *buffer, uint32_t size)
{
	const uint8_t *ip = buffer->data + IP;
	struct udp_transport_packet
	        handed; /* assigned one by one: zeroing it costs as much again */

	handed.src = &flow->datagram.from.ip;
	handed.dst = &flow->datagram.to.ip;
	handed.data = buffer->data + UDP;
	handed.size = size;
	handed.tail = buffer->tail + buffer->size - UDP - size;
	handed.tos = ip[IP4_TOS];
	handed.ttl = ip[IP4_TTL];
	handed.checksum_ok = buffer->flags & UDP_BUFFER_L4_OK;
	handed.to_group = false;
	handed.way = flow->way;
	handed.buffer = buffer;
	if (!stack->transport->input(stack->transport_context, &handed))
		udp_buffer_release(stack, buffer);
}

bool flow_input(struct udp_stack *stack, struct udp_buffer *buffer)
{
	const uint8_t *frame = buffer->data;
	struct udp_datagram *datagram;
	struct flow *flow;
	uint64_t key[4];
	uint32_t size;
	int32_t room;

	if (buffer->size < DATA)
		return false;
	load_key(key, frame);
	flow = place_of(stack, key);
	__asm__("" : "+r"(flow)); /* so that it is not reckoned anew at each use */
	if (!same_key(key, flow->key) || flow->era != stack->era ||
	    flow->interface != buffer->interface ||
	    (buffer->flags & (UDP_BUFFER_BAD | UDP_BUFFER_LOCAL | UDP_BUFFER_OWNED)))
		return false;
	room = size_of(buffer, flow);
	if (room < 0)
		return false;
	if (flow->socket == NULL) {
		to_transport(stack, flow, buffer, (uint32_t)room);
		return true;
	}
	size = wire_get16(frame + UDP + UDP_LENGTH);
	if (!is_sound(buffer, size, (uint32_t)room))
		return false;
	datagram = &flow->datagram;
	datagram->data = buffer->data + DATA;
	datagram->size = size - UDP_SIZE;
	datagram->time = buffer->time;
	datagram->buffer = buffer;
	stack->count.udp_in++;
	flow->socket->receive(flow->socket, datagram);
	if (datagram->buffer != NULL)
		udp_buffer_release(stack, datagram->buffer);
	return true;
}

/* The packet's place among the flows, with its key in it; NULL: it goes the long way always. */
static struct flow *keep(const struct packet *packet)
{
	struct udp_stack *stack = packet->stack;
	const uint8_t *frame = packet->buffer->data;
	struct flow *flow;
	uint64_t key[4];

	if (packet->src.family != 4 || packet->to_group || packet->fragmented ||
	    packet->header_size != IP4_SIZE ||
	    (packet->buffer->flags & (UDP_BUFFER_LOCAL | UDP_BUFFER_OWNED)) ||
	    interface_address(packet->interface, &packet->dst) == NULL)
		return NULL;
	load_key(key, frame);
	flow = place_of(stack, key);
	memcpy(flow->key, key, sizeof key);
	flow->addresses = addresses(frame);
	flow->era = stack->era;
	flow->interface = packet->buffer->interface;
	if (stack->era_ends == UINT64_MAX) {
		stack->era_ends = stack_now(stack) + ERA_NS;
		stack_stir(stack);
	}
	return flow;
}

void flow_keep_transport(const struct packet *packet, const struct udp_transport_packet *handed)
{
	struct flow *flow = keep(packet);

	if (flow == NULL)
		return;
	flow->socket = NULL;
	flow->way = handed->way;
	flow->datagram = (struct udp_datagram){.from.ip = packet->src, .to.ip = packet->dst};
}

/* What the application may change about a socket at any time. */
static uint32_t manner_of(const struct udp_socket *socket)
{
	uint32_t manner;

	_Static_assert(offsetof(struct udp_socket, ttl) ==
	                               offsetof(struct udp_socket, only_family) + 1 &&
	                       offsetof(struct udp_socket, dont_fragment) ==
	                               offsetof(struct udp_socket, only_family) + 3,
	               "they lie in one word");
	memcpy(&manner, (const uint8_t *)socket + offsetof(struct udp_socket, only_family),
	       sizeof manner);
	return manner;
}

/* What an answer's headers have of the socket's manner. */
static void set_manner(struct flow *flow, const struct udp_socket *socket)
{
	uint8_t *ip = flow->answer + IP;

	flow->manner = manner_of(socket);
	ip[IP4_TOS] = socket->tos;
	wire_put16(ip + IP4_FRAGMENT, socket->dont_fragment ? IP4_DF : 0);
	ip[IP4_TTL] = socket->ttl != 0 ? socket->ttl : TTL_DEFAULT;
	flow->ip_sum = (uint16_t)~udp_sum_finish(udp_sum_add(0, ip, IP4_SIZE));
}

/* The question's headers turned round, with zeros where answers differ. */
static void make_answer(struct flow *flow, const uint8_t *frame, const uint8_t *mac,
                        const struct udp_socket *socket)
{
	uint8_t *answer = flow->answer;

	memset(answer, 0, sizeof flow->answer);
	memcpy(answer + ETH_DST, frame + ETH_SRC, UDP_MAC_BYTES);
	memcpy(answer + ETH_SRC, mac, UDP_MAC_BYTES);
	wire_put16(answer + ETH_TYPE, ETHERTYPE_IP4);
	answer[IP + IP4_VERSION_IHL] = 0x45;
	answer[IP + IP4_PROTOCOL] = PROTOCOL_UDP;
	memcpy(answer + IP + IP4_SRC, frame + IP + IP4_DST, 4);
	memcpy(answer + IP + IP4_DST, frame + IP + IP4_SRC, 4);
	memcpy(answer + UDP + UDP_SRC_PORT, frame + UDP + UDP_DST_PORT, 2);
	memcpy(answer + UDP + UDP_DST_PORT, frame + UDP + UDP_SRC_PORT, 2);
	flow->udp_sum = pseudo(frame, 0) + load32(frame + UDP);
	set_manner(flow, socket);
}

void flow_keep(const struct packet *packet, struct udp_socket *socket,
               const struct udp_datagram *datagram)
{
	struct udp_stack *stack = packet->stack;
	const uint8_t *frame = packet->buffer->data;
	struct flow *flow = keep(packet);

	if (flow == NULL)
		return;
	flow->socket = socket;
	flow->answer_max =
	        path_mtu(stack, &packet->src, link_mtu(packet->interface, &packet->src)) -
	        IP4_SIZE - UDP_SIZE;
	flow->id = ip4_id(stack, &packet->src);
	flow->datagram = *datagram;
	flow->datagram.flow = flow;
	make_answer(flow, frame, packet->interface->mac, socket);
}

void flow_forget(struct udp_stack *stack)
{
	stack->era++;
	stack->era_ends = UINT64_MAX;
}

void flow_forget_path(struct udp_stack *stack, const struct udp_ip *dst)
{
	for (unsigned i = 0; i < FLOWS; i++)
		if (udp_ip_equal(&stack->flows[i].datagram.from.ip, dst))
			stack->flows[i].era = 0;
	if (udp_ip_equal(&stack->way_kept.remote, dst))
		stack->way_kept.era = 0;
}

void flow_run(struct udp_stack *stack, uint64_t now)
{
	if (now >= stack->era_ends)
		flow_forget(stack);
}

/* The header of an answer, over the question's. `size`: bytes of data; `sum`: theirs, with what
 * stands in front of them. */
static inline void turn_round(uint8_t *frame, struct flow *flow, uint32_t size, uint64_t sum)
{
	uint8_t *ip = frame + IP, *udp = frame + UDP;
	uint16_t length = __builtin_bswap16((uint16_t)(IP4_SIZE + UDP_SIZE + size));
	uint16_t udp_length = __builtin_bswap16((uint16_t)(UDP_SIZE + size));
	uint16_t id = __builtin_bswap16((*flow->id)++), check;

	memcpy(frame, flow->answer, sizeof flow->answer);
	store16(ip + IP4_LENGTH, length);
	store16(ip + IP4_ID, id);
	store16(ip + IP4_CHECKSUM, finish_few(flow->ip_sum + length + id));
	store16(udp + UDP_LENGTH, udp_length);
	check = udp_sum_finish(sum);
	store16(udp + UDP_CHECKSUM, check != 0 ? check : 0xffff); /* 0 would mean: none */
}

/* What an answer's checksum covers besides its data. */
static inline uint64_t sum_before(const struct flow *flow, uint32_t size)
{
	return flow->udp_sum + 2ull * __builtin_bswap16((uint16_t)(UDP_SIZE + size));
}

static inline void send_answer(struct udp_stack *stack, struct udp_buffer *buffer,
                               struct flow *flow, uint32_t size, uint64_t sum)
{
	buffer->tail += buffer->size - (DATA + size);
	buffer->size = DATA + size;
	buffer->flags = 0;
	turn_round(buffer->data, flow, size, sum);
	stack->count.udp_out++;
	stack->count.frames_out++;
	stack->ops.output(stack->context, buffer);
}

/* One of much data, or the first in another manner. */
static __attribute__((noinline)) void send_long(const struct udp_socket *socket,
                                                struct udp_buffer *buffer, struct flow *flow,
                                                uint32_t size)
{
	if (flow->manner != manner_of(socket))
		set_manner(flow, socket);
	send_answer(socket->stack, buffer, flow, size,
	            udp_sum_add(sum_before(flow, size), buffer->data + DATA, size));
}

bool flow_answer(struct udp_socket *socket, struct udp_datagram *datagram, uint32_t size)
{
	struct udp_stack *stack = socket->stack;
	struct udp_buffer *buffer = datagram->buffer;
	struct flow *flow = datagram->flow;

	/* The address that we are asked at is still ours, and still the socket's, in the same era;
	 * the data is still where it came. */
	if (flow == NULL || flow->era != stack->era || flow->socket != socket ||
	    datagram->data != buffer->data + DATA || size > datagram->size ||
	    size > flow->answer_max)
		return false;
	datagram->buffer = NULL;
	if (__builtin_expect(size >= FEW || flow->manner != manner_of(socket), 0))
		send_long(socket, buffer, flow, size);
	else
		send_answer(stack, buffer, flow, size,
		            add_few(sum_before(flow, size), datagram->data, size));
	return true;
}
