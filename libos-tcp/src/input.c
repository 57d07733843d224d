/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A segment's way in: header and checksum, whose it is, and the fast path. Header prediction (V.
 * Jacobson, 1990): in an established connection, what comes next, with nothing but the usual flags
 * and options, needs none of state.c's questions.
 */
#include "internal.h"

/* Length, offset, checksum. Untrusted. NULL, or the counter. */
static uint64_t *check_header(struct tcp_stack *stack, const struct tcp_arrival *arrival,
                              struct segment *segment)
{
	const uint8_t *at = arrival->segment;
	uint32_t header;
	uint64_t sum;

	if (arrival->size < H_SIZE)
		return &stack->count.drop_short;
	header = (at[H_OFFSET] >> 4) * 4u;
	if (header < H_SIZE || header > arrival->size)
		return &stack->count.drop_short;
	if (!arrival->checksum_ok) {
		sum = udp_sum_pseudo(0, &arrival->src, &arrival->dst, PROTOCOL_TCP, arrival->size);
		if (udp_sum_finish(udp_sum_add(sum, at, arrival->size)) != 0)
			return &stack->count.drop_checksum;
	}
	segment->arrival = arrival;
	segment->header_size = (uint8_t)header;
	segment->data = arrival->segment + header;
	segment->size = arrival->size - header;
	return NULL;
}

/* No honest stack calls with FIN or RST, or sends nothing at all (an answer may be all that there
 * is to say, with FIN). A port scanner does: where there is somebody he hears nothing, where there
 * is nobody he is refused like anyone (RFC 9293, 3.10.7.1). */
static bool flags_valid(uint8_t flags)
{
	if ((flags & F_SYN) && (flags & (flags & F_ACK ? F_RST : F_FIN | F_RST)))
		return false;
	return (flags & (F_SYN | F_ACK | F_RST)) != 0;
}

/* Loopback addresses speak to one another; that they stay on the machine the IP layer sees to. */
static bool may_send(const struct udp_ip *src, const struct udp_ip *dst)
{
	return udp_ip_is_source(src) || (udp_ip_is_loopback(src) && udp_ip_is_loopback(dst));
}

bool segment_parse(struct tcp_stack *stack, const struct tcp_arrival *arrival,
                   struct segment *segment)
{
	uint64_t *reason = check_header(stack, arrival, segment);
	const uint8_t *at = arrival->segment;

	if (unlikely(reason != NULL)) {
		(*reason)++;
		return false;
	}
	segment->flags = at[H_FLAGS];
	segment->seq = wire_get32(at + H_SEQ);
	segment->ack = wire_get32(at + H_ACK);
	segment->window = wire_get16(at + H_WINDOW);
	segment->urgent = wire_get16(at + H_URGENT);
	segment->kept = false;
	return true;
}

/* The options of a segment that header prediction may take: none, or timestamps alone. */
static bool predict_options(const struct tcp_conn *conn, struct segment *segment)
{
	const uint8_t *at = segment->arrival->segment + H_SIZE;

	segment->options.n_sacks = 0;
	segment->options.seen = 0;
	if (segment->header_size != conn->header_size)
		return false;
	if (!conn->timestamps)
		return true;
	if (wire_get32(at) != TIMESTAMP_WORD)
		return false;
	segment->options.seen = O_TIMESTAMPS;
	segment->options.ts_value = wire_get32(at + 4);
	segment->options.ts_echo = wire_get32(at + 8);
	return seq_ge(segment->options.ts_value, conn->ts_recent);
}

/* An acknowledgement alone means the same whether or not more can come, or is wanted; so does the
 * peer's end. */
static bool predict_state(const struct tcp_conn *conn, const struct segment *segment)
{
	if (segment->size == 0)
		return may_transmit(conn) && is_synchronised(conn) &&
		       !((segment->flags & F_FIN) && conn->fin_received);
	if (segment->flags & F_FIN)
		return false;
	return conn->state == TCP_STATE_ESTABLISHED && !conn->read_shut &&
	       segment->size <= offered_window(conn);
}

static bool predict(const struct tcp_conn *conn, struct segment *segment)
{
	return (segment->flags & ~(F_PSH | F_FIN)) == F_ACK && segment->seq == conn->rcv_nxt &&
	       predict_state(conn, segment) && conn->act->early == NULL &&
	       segment->ack - conn->snd_una <= conn->snd_nxt - conn->snd_una && !conn->ecn &&
	       predict_options(conn, segment);
}

static void fast_path(struct tcp_conn *conn, struct segment *segment)
{
	conn->stack->count.fast_path++;
	conn->stack->seen_echo = 0;
	if (conn->timestamps) {
		conn->stack->seen_echo = segment->options.ts_echo;
		if (seq_le(segment->seq, conn->last_ack_sent)) {
			conn->ts_recent = segment->options.ts_value;
			conn->ts_recent_ms = conn->stack->ms;
		}
	}
	/* Data alone, in a stream that goes one way, acknowledges nothing, nor does an end alone.
	 */
	if ((segment->size == 0 && !(segment->flags & F_FIN)) || segment->ack != conn->snd_una ||
	    segment->window << conn->snd_scale != conn->snd_wnd) {
		(void)ack_input(conn, segment, true);
		if (conn->fin_acked && !state_acked_fin(conn, segment))
			return;
	} else {
		conn->last_ack_ms = conn->stack->ms;
	}
	if (segment->flags & F_FIN) {
		receive_fin(conn);
		conn->answering = 1;
	}
	if (segment->size == 0)
		return;
	if (!receive_append(conn, segment, 0)) {
		conn->ack_pending = conn->ack_now = 1;
		return;
	}
	delay_received(conn, segment);
}

/* Behind the fast path: what an acknowledgement lets go may wait for the others of its burst. */
static void leave(struct tcp_conn *conn, const struct segment *segment)
{
	if (segment->size == 0 && conn->stack->config.gather && has_unsent(conn))
		conn_gather(conn);
	else
		conn_leave(conn);
}

/* ---- Late acknowledgements: of a burst of them, the last one says it all ---- */

/* Whether it may wait for the next one: where several segments are in flight, none of them lost. */
static bool may_be_late(const struct tcp_conn *conn, const struct segment *segment)
{
	return segment->size == 0 && conn->packets_out > 2 && conn->stack->config.gather &&
	       !(segment->flags & F_FIN) && seq_gt(segment->ack, conn->snd_una) &&
	       conn->recovery == TCP_RECOVERY_OPEN;
}

static void keep_late(struct tcp_conn *conn, const struct segment *segment)
{
	conn->stack->late_conn = conn;
	conn->stack->late = *segment;
}

/* Whether this segment makes the late one of its connection superfluous. */
static bool supersedes(const struct tcp_conn *conn, struct segment *segment)
{
	return segment->size == 0 && !(segment->flags & F_FIN) &&
	       seq_gt(segment->ack, conn->stack->late.ack) && predict(conn, segment);
}

void input_late(struct tcp_stack *stack)
{
	struct tcp_conn *conn = stack->late_conn;

	stack->late_conn = NULL;
	if (conn == NULL)
		return;
	conn_enter(conn);
	fast_path(conn, &stack->late);
	leave(conn, &stack->late);
}

static __attribute__((noinline)) void conn_input_else(struct tcp_conn *conn,
                                                      struct segment *segment)
{
	if (!flags_valid(segment->flags)) {
		conn->stack->count.drop_flags++;
		return;
	}
	conn->segments_in++;
	conn->data_in += segment->size > 0;
	conn_enter(conn);
	options_parse(&segment->options, segment->arrival->segment + H_SIZE, segment->data,
	              segment->flags & F_SYN);
	if (unlikely(segment->options.seen & O_SIGNED))
		conn->stack->count.drop_signed++;
	else
		state_input(conn, segment);
	conn_leave(conn);
}

static void conn_input(struct tcp_conn *conn, struct segment *segment)
{
	const struct tcp_arrival *arrival = segment->arrival;

	if (likely(predict(conn, segment))) {
		conn->segments_in++;
		conn->data_in += segment->size > 0;
		conn->route = arrival->route;
		if (may_be_late(conn, segment)) {
			keep_late(conn, segment);
			return;
		}
		conn_enter(conn);
		fast_path(conn, segment);
		leave(conn, segment);
		return;
	}
	conn_input_else(conn, segment);
}

/* No connection has such ends. */
static bool ends_valid(const struct endpoints *at)
{
	return at->local_port != 0 && at->remote_port != 0 &&
	       at->remote.family == at->local.family && may_send(&at->remote, &at->local);
}

/* Flags that make no sense together, from anyone to nobody's connection, open or half-open. */
static void odd_input(struct tcp_stack *stack, const struct segment *segment,
                      const struct endpoints *at, uint32_t hash)
{
	bool somebody =
	        lookup_timewait(stack, at, hash) != NULL || lookup_listener(stack, at) != NULL;

	stack->count.drop_flags++;
	if (!somebody)
		transmit_refusal(stack, segment);
}

static void find_ends(const struct tcp_arrival *arrival, struct endpoints *at)
{
	at->local = arrival->dst;
	at->remote = arrival->src;
	at->local_port = wire_get16(arrival->segment + H_DST);
	at->remote_port = wire_get16(arrival->segment + H_SRC);
}

/* Nobody's connection: half-open, in TIME-WAIT, a listener's, or nobody's at all. Out of line, so
 * that the usual way needs few registers. */
static __attribute__((noinline)) void other_input(struct tcp_stack *stack, struct segment *segment,
                                                  uint32_t hash)
{
	struct endpoints ends;
	const struct endpoints *at = &ends;
	struct tcp_listener *listener;
	struct timewait *timewait;
	struct request *request;
	uint32_t iss = 0, *chosen = NULL;

	if (unlikely(stack->conn_pool.free == NULL) && stack->edge.arena != NULL)
		edge_reap_all(stack);
	find_ends(segment->arrival, &ends);
	request = lookup_request(stack, at, hash);
	if (request == NULL && !ends_valid(at)) {
		stack->count.drop_address++;
		return;
	}
	if (!flags_valid(segment->flags)) {
		if (request == NULL)
			odd_input(stack, segment, at, hash);
		else
			stack->count.drop_flags++;
		return;
	}
	options_parse(&segment->options, segment->arrival->segment + H_SIZE, segment->data,
	              segment->flags & F_SYN);
	timewait = request == NULL ? lookup_timewait(stack, at, hash) : NULL;
	if (unlikely(segment->options.seen & O_SIGNED) && timewait == NULL) {
		stack->count.drop_signed++;
		return;
	}
	if (request != NULL) {
		listen_request(request, segment, hash);
		return;
	}
	if (stack->edge.arena != NULL && edge_input(stack, segment, at, hash))
		return;
	listener = lookup_listener(stack, at);
	if (timewait != NULL) {
		if (timewait_input(timewait, segment, listener != NULL, &iss))
			return;
		chosen = &iss;
	}
	if (listener != NULL) {
		listen_syn(listener, segment, at, hash, chosen);
		return;
	}
	stack->count.no_connection++;
	transmit_refusal(stack, segment);
}

/* The connection of a segment, if there is one; over IPv4 nothing is copied for the question. */
static inline struct tcp_conn *find_conn(struct tcp_stack *stack, const struct tcp_arrival *arrival,
                                         uint32_t *hash)
{
	uint32_t remote, local, ports;
	struct tcp_conn *conn;
	struct endpoints at;

	if (unlikely(arrival->src.family != 4 || arrival->dst.family != 4)) {
		find_ends(arrival, &at);
		*hash = lookup_hash(stack, &at);
		return lookup_conn(stack, &at, *hash);
	}
	remote = lookup_word(arrival->src.bytes);
	local = lookup_word(arrival->dst.bytes);
	ports = wire_get32(arrival->segment + H_SRC);
	*hash = lookup_hash4(stack, remote, local, ports);
	conn = stack->conns[*hash & stack->conn_mask];
	while (conn != NULL &&
	       ((lookup_word(conn->at.remote.bytes) ^ remote) |
	        (lookup_word(conn->at.local.bytes) ^ local) |
	        (lookup_word(&conn->at.local_port) ^ ports) | (conn->at.remote.family ^ 4u)) != 0)
		conn = conn->hash_next;
	return conn;
}

_Static_assert(offsetof(struct endpoints, remote_port) ==
                       offsetof(struct endpoints, local_port) + sizeof(uint16_t),
               "as a little-endian word: the remote port above the local one");

bool tcp_stack_input(struct tcp_stack *stack, const struct tcp_arrival *arrival)
{
	struct segment segment;
	struct tcp_conn *conn;
	uint32_t hash;

	stack->count.segments_in++;
	if (unlikely(!segment_parse(stack, arrival, &segment)))
		return false;
	conn = find_conn(stack, arrival, &hash);
	if (unlikely(stack->late_conn != NULL) &&
	    !(stack->late_conn == conn && supersedes(conn, &segment))) {
		input_late(stack); /* whereupon the application may end any connection */
		conn = find_conn(stack, arrival, &hash);
	}
	if (conn != NULL && unlikely(conn->edged) && !edge_settle(conn))
		conn = NULL;
	if (likely(conn != NULL))
		conn_input(conn, &segment);
	else
		other_input(stack, &segment, hash);
	if (unlikely(stack->edge.offered))
		edge_reap(stack);
	return segment.kept;
}
