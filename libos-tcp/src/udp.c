/* SPDX-License-Identifier: BSD-2-Clause */
/* The stream stack on libos-udp's IP layer. */
#include <tcp/udp.h>
#include <udp/transport.h>
#include <udp/wire.h>

static bool on_input(void *context, const struct udp_transport_packet *packet)
{
	struct tcp_udp *glue = context;
	struct tcp_arrival arrival;

	/* One by one: to zero it before costs as much again, for each packet. */
	arrival.src = *packet->src;
	arrival.dst = *packet->dst;
	arrival.segment = packet->data;
	arrival.size = packet->size;
	arrival.tail = packet->tail;
	arrival.tos = packet->tos;
	arrival.ttl = packet->ttl;
	arrival.checksum_ok = packet->checksum_ok;
	arrival.quiet = packet->to_group;
	arrival.route = packet->way;
	arrival.buffer = packet->buffer;
	/* When it arrived is what the clock says while it is worked on. */
	tcp_stack_clock(glue->tcp, udp_transport_when(glue->udp, packet->buffer));
	glue->clocked = true;
	return tcp_stack_input(glue->tcp, &arrival);
}

static enum tcp_failure failure_of(enum udp_failure failure)
{
	if (failure == UDP_FAILURE_TOO_BIG)
		return TCP_FAILURE_TOO_BIG;
	if (failure == UDP_FAILURE_EXPIRED)
		return TCP_FAILURE_EXPIRED;
	return failure == UDP_FAILURE_REFUSED ? TCP_FAILURE_REFUSED : TCP_FAILURE_UNREACHABLE;
}

static void on_error(void *context, const struct udp_ip *local, const struct udp_ip *remote,
                     const uint8_t *quote, uint32_t size, enum udp_failure failure, uint32_t value)
{
	struct tcp_udp *glue = context;

	tcp_udp_clock(glue);
	tcp_stack_error(glue->tcp, local, remote, quote, size, failure_of(failure), value);
}

static uint64_t on_run(void *context, uint64_t now)
{
	struct tcp_udp *glue = context;

	tcp_stack_clock(glue->tcp, now);
	glue->told = tcp_stack_run(glue->tcp);
	return glue->told;
}

/* What the application does next is done by the clock that a segment has set, or on_run sets. */
static bool on_rests(void *context)
{
	struct tcp_udp *glue = context;
	bool clocked = glue->clocked;

	glue->clocked = false;
	return clocked && tcp_stack_rests(glue->tcp, glue->told);
}

_Static_assert((int)TCP_PIECES_MAX <= (int)UDP_PIECES_MAX, "a packet's pieces fit");

static const struct udp_transport transport = {
        .input = on_input, .error = on_error, .run = on_run, .rests = on_rests};

enum { PIECES_MIN = 2048 }; /* bytes of payload below which a copy is cheaper than pins and frees */

static struct udp_transport_send describe(const struct tcp_packet *packet)
{
	return (struct udp_transport_send){.src = *packet->src,
	                                   .dst = *packet->dst,
	                                   .protocol = PROTOCOL_TCP,
	                                   .ttl = packet->ttl,
	                                   .tos = packet->tos,
	                                   .dont_fragment = packet->dont_fragment,
	                                   .way = packet->route};
}

static void send_copy(struct tcp_udp *glue, const struct tcp_packet *packet)
{
	struct udp_transport_brief brief = {.src = packet->src,
	                                    .dst = packet->dst,
	                                    .protocol = PROTOCOL_TCP,
	                                    .ttl = packet->ttl,
	                                    .tos = packet->tos,
	                                    .dont_fragment = packet->dont_fragment,
	                                    .way = packet->route};
	struct udp_buffer *buffer =
	        udp_transport_reserve(glue->udp, packet->header_size + packet->size);

	if (buffer == NULL) {
		glue->drops++;
		return;
	}
	tcp_packet_copy(packet, buffer->data);
	if (udp_transport_send_brief(glue->udp, &brief, buffer) != 0)
		glue->drops++;
}

/* Whether the driver takes the payload from where it lies, makes the checksum, and cuts. *flags:
 * what it offers. */
static bool can_send_pieces(const struct tcp_udp *glue, const struct tcp_packet *packet,
                            uint32_t *flags)
{
	uint32_t wanted = UDP_OFFLOAD_SUM | UDP_OFFLOAD_PIECES |
	                  (packet->segment_size != 0 ? UDP_OFFLOAD_SEGMENT : 0);
	struct udp_offload offload;

	if (packet->size < PIECES_MIN)
		return false;
	for (unsigned i = 0; i < packet->n_pieces; i++)
		if (!udp_transport_reaches(glue->udp, packet->pieces[i].data,
		                           packet->pieces[i].size))
			return false;
	offload = udp_transport_offload(glue->udp, packet->src);
	*flags = offload.flags;
	return (offload.flags & wanted) == wanted;
}

static void let_go(void *chunk)
{
	tcp_chunk_release(chunk);
}

static void send_pieces(struct tcp_udp *glue, const struct tcp_packet *packet, uint32_t flags)
{
	struct udp_transport_send send = describe(packet);
	struct udp_buffer *buffer = udp_transport_reserve(glue->udp, packet->header_size);
	struct udp_piece pieces[TCP_PIECES_MAX];
	uint16_t sums[UDP_SEGMENTS_MAX];

	if (buffer == NULL) {
		glue->drops++;
		return;
	}
	if (flags & UDP_OFFLOAD_SUMS) {
		send.sums = sums;
		send.n_sums = (uint16_t)tcp_packet_sums(packet, sums, UDP_SEGMENTS_MAX);
	}
	memcpy(buffer->data, packet->header, packet->header_size);
	for (unsigned i = 0; i < packet->n_pieces; i++) {
		tcp_chunk_hold(packet->pieces[i].chunk);
		pieces[i] = (struct udp_piece){.data = packet->pieces[i].data,
		                               .size = packet->pieces[i].size,
		                               .owner = packet->pieces[i].chunk};
	}
	send.sum = true;
	send.segment_size = packet->segment_size;
	send.n_pieces = packet->n_pieces;
	send.pieces = pieces;
	send.done = let_go;
	if (udp_transport_send(glue->udp, &send, buffer) != 0)
		glue->drops++;
}

/* What may leave in pieces, or has to be cut. */
static __attribute__((noinline)) void output_large(void *context, const struct tcp_packet *packet)
{
	struct tcp_piece pieces[TCP_PIECES_MAX];
	uint8_t header[TCP_HEADER_MAX];
	struct tcp_packet segment;
	uint32_t flags;

	if (can_send_pieces(context, packet, &flags)) {
		send_pieces(context, packet, flags);
		return;
	}
	if (packet->segment_size == 0) {
		send_copy(context, packet);
		return;
	}
	for (uint32_t i = 0; tcp_packet_cut(packet, i, &segment, header, pieces); i++)
		send_copy(context, &segment);
}

static void op_output(void *context, const struct tcp_packet *packet)
{
	if (packet->size < PIECES_MIN && packet->segment_size == 0)
		send_copy(context, packet);
	else
		output_large(context, packet);
}

static void op_release(void *context, void *buffer)
{
	udp_buffer_release(((struct tcp_udp *)context)->udp, buffer);
}

static uint64_t op_random(void *context)
{
	return udp_transport_random(((struct tcp_udp *)context)->udp);
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	return udp_transport_path(((struct tcp_udp *)context)->udp, remote, local);
}

static uint64_t op_reroute(void *context, const struct udp_ip *remote, const struct udp_ip *local,
                           uint64_t route)
{
	return udp_transport_reroute(((struct tcp_udp *)context)->udp, remote, local, route);
}

int tcp_udp_open(struct tcp_udp *glue, struct udp_stack *udp, const struct tcp_config *config,
                 void *memory, size_t size)
{
	static const struct tcp_ops ops = {.output = op_output,
	                                   .release = op_release,
	                                   .random = op_random,
	                                   .path = op_path,
	                                   .reroute = op_reroute};

	*glue = (struct tcp_udp){.udp = udp};
	glue->tcp = tcp_stack_create(memory, size, config, &ops, glue, udp_transport_now(udp));
	if (glue->tcp == NULL || udp_transport_set(udp, PROTOCOL_TCP, &transport, glue) != 0)
		return -TCP_EINVAL;
	return 0;
}

void tcp_udp_close(struct tcp_udp *glue)
{
	(void)udp_transport_set(glue->udp, PROTOCOL_TCP, NULL, NULL);
	tcp_stack_destroy(glue->tcp);
}

void tcp_udp_clock(struct tcp_udp *glue)
{
	tcp_stack_clock(glue->tcp, udp_transport_now(glue->udp));
}
