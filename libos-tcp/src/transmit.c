/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments on their way out: headers are built here, and nowhere else. */
#include "internal.h"

enum { TTL_DEFAULT = 64, OPTIONS_MAX = 40 };

struct header {
	uint8_t bytes[TCP_HEADER_MAX];
	uint32_t size;
};

static void write_fixed(uint8_t *at, const struct endpoints *ends, uint32_t seq, uint32_t ack,
                        uint8_t flags, uint16_t window)
{
	wire_put16(at + H_SRC, ends->local_port);
	wire_put16(at + H_DST, ends->remote_port);
	wire_put32(at + H_SEQ, seq);
	wire_put32(at + H_ACK, ack);
	at[H_FLAGS] = flags;
	wire_put16(at + H_WINDOW, window);
	wire_put32(at + H_CHECKSUM, 0); /* and the urgent pointer */
}

static void set_size(struct header *header, uint32_t size)
{
	header->size = size;
	header->bytes[H_OFFSET] = (uint8_t)(size / 4 << 4);
}

static void emit(struct tcp_stack *stack, const struct endpoints *ends, const struct header *header,
                 struct tcp_packet *packet)
{
	packet->src = &ends->local;
	packet->dst = &ends->remote;
	packet->header = header->bytes;
	packet->header_size = (uint8_t)header->size;
	if (packet->ttl == 0)
		packet->ttl = TTL_DEFAULT;
	stack->count.segments_out++;
	stack->ops.output(stack->context, packet);
}

static void emit_conn(struct tcp_conn *conn, const struct header *header, struct tcp_packet *packet)
{
	packet->ttl = conn->options.ttl;
	packet->tos |= conn->options.tos & (uint8_t)~ECN_MASK;
	packet->dont_fragment = !conn->options.no_pmtu;
	packet->route = conn->route;
	conn->segments_out++;
	emit(conn->stack, &conn->at, header, packet);
}

static void write_urgent(const struct tcp_conn *conn, struct header *header, uint32_t seq)
{
	uint32_t ahead = conn->urgent_out_seq - seq;

	/* RFC 6093, 4: the pointer names the byte behind the urgent data. */
	if (ahead == 0 || ahead > 0xffff)
		return;
	header->bytes[H_FLAGS] |= F_URG;
	wire_put16(header->bytes + H_URGENT, (uint16_t)ahead);
}

/* A segment of an open connection, that acknowledges. */
static void begin(struct tcp_conn *conn, struct header *header, uint32_t seq, uint8_t flags,
                  uint32_t payload)
{
	uint16_t window = window_select(conn);
	uint32_t room = min_u32(OPTIONS_MAX, conn->mss + conn->header_size - H_SIZE -
	                                             min_u32(payload, conn->mss));

	if (conn->echo_ce && conn->ecn)
		flags |= F_ECE;
	write_fixed(header->bytes, &conn->at, seq, conn->rcv_nxt, flags, window);
	set_size(header, H_SIZE + options_write(conn, header->bytes + H_SIZE, room));
	if (unlikely(conn->urgent_out))
		write_urgent(conn, header, seq);
	conn->last_ack_sent = conn->rcv_nxt;
	delay_sent(conn);
}

static uint8_t record_flags(struct tcp_conn *conn, const struct record *record)
{
	uint8_t flags = F_ACK;

	if (record->flags & R_PUSH)
		flags |= F_PSH;
	if (record->flags & R_FIN)
		flags |= F_FIN;
	/* Only new data tells that the window was reduced (RFC 3168, 6.1.2). */
	if (conn->queue_cwr && !(record->flags & R_EVER)) {
		flags |= F_CWR;
		conn->queue_cwr = 0;
	}
	return flags;
}

void transmit_record(struct tcp_conn *conn, struct record *record, uint32_t most)
{
	uint32_t whole = record->end - record->seq - !!(record->flags & R_FIN);
	uint32_t size = min_u32(whole, most);
	uint8_t flags = record_flags(conn, record);
	struct tcp_piece pieces[TCP_PIECES_MAX];
	struct tcp_packet packet = {.pieces = pieces};
	struct header header;

	if (size > 0)
		packet.size = chunks_gather(conn, record->seq, size, pieces, &packet.n_pieces);
	if (size < whole)
		flags &= (uint8_t) ~(F_FIN | F_PSH);
	begin(conn, &header, record->seq, flags, size);
	if (conn->ecn && size > 0 && !(record->flags & R_EVER))
		packet.tos = ECN_ECT0;
	if (size > conn->mss)
		packet.segment_size = conn->mss;
	conn->data_out += size > 0 ? record->segments : 0;
	emit_conn(conn, &header, &packet);
}

void transmit_single(struct tcp_conn *conn, const struct record *record, struct tcp_chunk *chunk)
{
	struct tcp_piece piece = {.data = chunk->data,
	                          .size = chunk->size,
	                          .sum = chunk->sum,
	                          .summed = (chunk->flags & CHUNK_SUMMED) != 0,
	                          .content = chunk->content,
	                          .chunk = chunk->flags & CHUNK_STATIC ? NULL
	                                                               : (struct tcp_chunk *)chunk};
	struct tcp_packet packet = {.pieces = &piece, .n_pieces = 1, .size = chunk->size};
	struct header header;

	begin(conn, &header, record->seq, record_flags(conn, record), chunk->size);
	if (conn->ecn)
		packet.tos = ECN_ECT0;
	conn->data_out++;
	emit_conn(conn, &header, &packet);
}

/* Where a segment without data stands: never beyond what the peer admits (RFC 9293, 3.10.7.4). By
 * as little as rounding to the window's scale may do it has not taken anything back, though. */
static uint32_t acceptable_seq(const struct tcp_conn *conn)
{
	uint32_t over = conn->snd_nxt - window_end(conn);

	if ((int32_t)over <= 0 || !is_synchronised(conn) ||
	    (conn->scaling && over < 1u << conn->rcv_scale))
		return conn->snd_nxt;
	return window_end(conn);
}

void transmit_flags(struct tcp_conn *conn, uint32_t seq, uint8_t flags)
{
	struct tcp_packet packet = {.size = 0};
	struct header header;

	begin(conn, &header, seq, flags, 0);
	emit_conn(conn, &header, &packet);
}

void transmit_ack(struct tcp_conn *conn)
{
	transmit_flags(conn, acceptable_seq(conn), F_ACK);
}

void transmit_probe(struct tcp_conn *conn)
{
	transmit_flags(conn, conn->snd_una - 1, F_ACK);
}

void transmit_challenge(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	if (conn->oow_ms != 0 && since_ms(stack, conn->oow_ms) < OOW_INTERVAL_MS) {
		stack->count.challenges_limited++;
		return;
	}
	if (!limiter_allows(stack, &stack->challenges, stack->config.challenge_rate)) {
		stack->count.challenges_limited++;
		return;
	}
	conn->oow_ms = stack->ms | 1;
	stack->count.challenges_out++;
	transmit_ack(conn);
}

void transmit_syn(struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->stack->config;
	bool answer = conn->state == TCP_STATE_SYN_RECEIVED;
	struct syn_options options = {
	        .mss = conn->advertised_mss,
	        .timestamps = conn->timestamps,
	        .sack = conn->sack,
	        .scaling = conn->scaling,
	        .scale = conn->rcv_scale,
	        .ts_value = timestamp_now(conn->stack, conn->ts_offset),
	        .ts_echo = answer ? conn->ts_recent : 0,
	};
	uint8_t flags = answer ? F_SYN | F_ACK : F_SYN;
	struct tcp_piece pieces[TCP_PIECES_MAX];
	struct tcp_packet packet = {.pieces = pieces};
	struct fast_cookie cookie;
	struct header header;

	/* Tried again without ECN, should something on the way dislike it (RFC 3168, 6.1.1.1). */
	if (config->ecn == TCP_ECN_ON && !answer && conn->retransmits == 0)
		flags |= F_ECE | F_CWR;
	if (answer && conn->ecn)
		flags |= F_ECE;
	write_fixed(header.bytes, &conn->at, conn->iss, answer ? conn->rcv_nxt : 0, flags,
	            (uint16_t)min_u32(conn->rcv_wnd, WINDOW_MAX));
	options.fast = fastopen_ask(conn, &cookie);
	set_size(&header, H_SIZE + options_write_syn(header.bytes + H_SIZE, &options));
	/* With Fast Open SYN brings data, the first time. */
	if (!answer && conn->retransmits == 0 && conn->snd_nxt != conn->iss + 1)
		packet.size = chunks_gather(conn, conn->iss + 1, conn->snd_nxt - conn->iss - 1,
		                            pieces, &packet.n_pieces);
	conn->last_ack_sent = conn->rcv_nxt;
	emit_conn(conn, &header, &packet);
}

void transmit_syn_ack(struct tcp_stack *stack, struct request *request)
{
	struct syn_options options = {
	        .mss = request->advertised_mss,
	        .timestamps = request->timestamps,
	        .sack = request->sack,
	        .scaling = request->scaling,
	        .scale = request->rcv_scale,
	        .ts_value = timestamp_now(stack, request->ts_offset),
	        .ts_echo = request->ts_recent,
	};
	const struct tcp_options *chosen = &request->listener->options;
	struct tcp_packet packet = {.ttl = chosen->ttl,
	                            .route = request->route,
	                            .tos = chosen->tos & (uint8_t)~ECN_MASK,
	                            .dont_fragment = !chosen->no_pmtu};
	struct fast_cookie cookie;
	struct header header;

	if (request->cookie && request->timestamps) {
		/* The six lowest bits hold what a cookie has no room for; never ahead of the
		   clock. */
		uint32_t bits = (request->scaling ? request->scale : 15u) |
		                (uint32_t)request->sack << 4 | (uint32_t)request->ecn << 5;
		uint32_t value = (stack->ms & ~63u) | bits;

		options.ts_value = (value > stack->ms ? value - 64 : value) + request->ts_offset;
	}
	options.fast = fastopen_answer(request, &cookie);
	write_fixed(header.bytes, &request->at, request->iss, request->irs + 1,
	            F_SYN | F_ACK | (request->ecn ? F_ECE : 0),
	            (uint16_t)min_u32(request->rcv_wnd, WINDOW_MAX));
	set_size(&header, H_SIZE + options_write_syn(header.bytes + H_SIZE, &options));
	emit(stack, &request->at, &header, &packet);
}

void transmit_bare(struct tcp_stack *stack, const struct bare_ack *bare)
{
	struct tcp_packet packet = {.dont_fragment = true, .tos = bare->tos, .route = bare->route};
	uint32_t size = H_SIZE;
	struct header header;

	write_fixed(header.bytes, bare->at, bare->seq, bare->ack, F_ACK,
	            (uint16_t)min_u32(bare->window, WINDOW_MAX));
	if (bare->timestamps) {
		memcpy(header.bytes + H_SIZE, (const uint8_t[]){1, 1, 8, 10}, 4);
		wire_put32(header.bytes + H_SIZE + 4, bare->ts_value);
		wire_put32(header.bytes + H_SIZE + 8, bare->ts_echo);
		size += H_TIMESTAMPS;
	}
	set_size(&header, size);
	emit(stack, bare->at, &header, &packet);
}

void transmit_reset(struct tcp_conn *conn)
{
	conn->stack->count.resets_out++;
	transmit_flags(conn, acceptable_seq(conn), F_RST | F_ACK);
}

void transmit_refusal(struct tcp_stack *stack, const struct segment *segment)
{
	const struct tcp_arrival *arrival = segment->arrival;
	struct endpoints ends = {.local = arrival->dst,
	                         .remote = arrival->src,
	                         .local_port = wire_get16(arrival->segment + H_DST),
	                         .remote_port = wire_get16(arrival->segment + H_SRC)};
	bool acks = segment->flags & F_ACK;
	struct tcp_packet packet = {.dont_fragment = true, .route = arrival->route};
	struct header header;

	if ((segment->flags & F_RST) || arrival->quiet)
		return;
	if (!limiter_allows(stack, &stack->resets, stack->config.reset_rate)) {
		stack->count.resets_limited++;
		return;
	}
	write_fixed(header.bytes, &ends, acks ? segment->ack : 0, acks ? 0 : segment_end(segment),
	            acks ? F_RST : F_RST | F_ACK, 0);
	set_size(&header, H_SIZE);
	stack->count.resets_out++;
	emit(stack, &ends, &header, &packet);
}
