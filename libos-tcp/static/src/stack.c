/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a server, and what it does with a segment (RFC 9293, 3.10.7). */
#include "internal.h"

enum { LINE = 64, CONNECTIONS_MAX = 1 << 20, MTU_LEAST = 576, MTU_MOST = 9216, QUIET_MS = 1000 };

/* ---- Life ---- */

struct static_config static_config_default(void)
{
	return (struct static_config){.connections = 4096,
	                              .mtu = 1500,
	                              .idle_ms = 30000,
	                              .time_wait_ms = 60000,
	                              .challenges = 1000};
}

static uint32_t buckets(const struct static_config *config)
{
	uint32_t n = 16;

	while (n < config->connections)
		n *= 2;
	return n;
}

static size_t lines(size_t size)
{
	return (size + LINE - 1) / LINE * LINE;
}

size_t static_stack_bytes(const struct static_config *config)
{
	if (config->connections == 0 || config->connections > CONNECTIONS_MAX ||
	    config->mtu < MTU_LEAST || config->mtu > MTU_MOST || config->port == 0)
		return 0;
	return lines(sizeof(struct static_stack)) + lines(buckets(config) * sizeof(uint32_t)) +
	       config->connections * sizeof(struct conn);
}

struct static_stack *static_stack_open(void *memory, size_t size,
                                       const struct static_config *config,
                                       const struct static_site *site, static_output_fn *output,
                                       void *context, uint64_t now)
{
	size_t need = static_stack_bytes(config);
	struct static_stack *stack = memory;

	if (need == 0 || size < need)
		return NULL;
	memset(stack, 0, sizeof *stack);
	stack->config = *config;
	stack->site = *site;
	stack->output = output;
	stack->context = context;
	stack->origin = now;
	static_stack_clock(stack, now);
	memcpy(&stack->local, config->address, sizeof stack->local);
	stack->mask = buckets(config) - 1;
	stack->hash = (uint32_t *)((uint8_t *)memory + lines(sizeof *stack));
	stack->conns = (struct conn *)((uint8_t *)stack->hash +
	                               lines((stack->mask + 1) * sizeof *stack->hash));
	static_table_open(stack);
	return stack;
}

void static_stack_clock(struct static_stack *stack, uint64_t now)
{
	uint64_t time = now < stack->origin ? 0 : (now - stack->origin) / 1000000;

	if (stack->time < time)
		stack->time = time;
	stack->ms = (uint32_t)stack->time - WRAP_MS;
	if (stack->second != stack->ms / 1000) {
		stack->second = stack->ms / 1000;
		stack->challenges = 0;
		stack->resets = 0;
	}
}

uint32_t static_stack_connections(const struct static_stack *stack)
{
	return stack->n_conns;
}

const struct static_counters *static_stack_counters(const struct static_stack *stack)
{
	return &stack->count;
}

/* ---- No connection yet ---- */

struct conn *static_stack_begin(struct static_stack *stack, const struct begun *begun)
{
	struct conn *conn = static_table_add(stack, begun->remote, begun->port);

	conn->state = OPEN;
	memcpy(conn->mac, begun->mac, sizeof conn->mac);
	conn->mss = (uint16_t)least(begun->mss, stack->config.mtu - 40u);
	conn->scale = begun->scale == NO_SCALE ? 0 : begun->scale;
	conn->rcv_nxt = begun->theirs;
	conn->base = conn->limit = conn->snd_una = conn->snd_nxt = begun->ours;
	conn->snd_max = conn->recover = begun->ours;
	conn->snd_wnd = conn->mss;
	conn->cwnd = INITIAL_SEGMENTS * (uint32_t)conn->mss;
	conn->ssthresh = UINT32_MAX;
	conn->rto = RTO_FIRST_MS;
	conn->heard = stack->ms;
	conn->due = stack->ms + stack->config.idle_ms;
	static_request_reset(&conn->request, &stack->site);
	static_timer_add(stack, conn);
	return conn;
}

/* The peer said our number again: it is who it says, and the connection begins. Or the handler has
 * served it so far. */
static struct conn *open_conn(struct static_stack *stack, const struct segment *segment)
{
	struct begun begun = {.mac = segment->mac,
	                      .remote = segment->remote,
	                      .port = segment->port,
	                      .theirs = segment->seq,
	                      .ours = segment->ack};
	struct conn *conn;

	if (!static_cookie_check(stack, segment, &begun.mss, &begun.scale)) {
		conn = static_front_adopt(stack, segment);
		if (conn != NULL)
			return conn;
		stack->count.cookies_bad++;
		static_packet_reset(stack, segment);
		return NULL;
	}
	conn = static_stack_begin(stack, &begun);
	conn->snd_wnd = segment->window << conn->scale;
	stack->count.opened++;
	return conn;
}

static struct conn *first_word(struct static_stack *stack, const struct segment *segment)
{
	switch (segment->flags & (RST | SYN | ACK | FIN)) {
	case SYN:
		stack->count.cookies_sent++;
		static_packet_syn_ack(stack, segment, static_cookie_make(stack, segment));
		return NULL;
	case ACK:
	case ACK | FIN:
		return open_conn(stack, segment);
	default: /* RFC 9293, 3.10.7.2: what acknowledges nothing is dropped */
		if ((segment->flags & ACK) != 0)
			static_packet_reset(stack, segment);
		return NULL;
	}
}

/* ---- A connection ---- */

static uint32_t length(const struct segment *segment)
{
	return segment->size + ((segment->flags & FIN) != 0) + ((segment->flags & SYN) != 0);
}

/* Some of it lies in what we offer (RFC 9293, 3.4). */
static bool acceptable(const struct conn *conn, const struct segment *segment)
{
	uint32_t end = segment->seq + length(segment);

	if (segment->seq - conn->rcv_nxt < WINDOW)
		return true;
	return before(segment->seq, conn->rcv_nxt) && before(conn->rcv_nxt, end) &&
	       conn->rcv_nxt - segment->seq < (1u << 30);
}

/* RFC 5961: a reset is believed at exactly the next number, a SYN never, but after the end a newer
 * SYN begins anew (RFC 6191). true: the segment is dealt with. */
static bool blind(struct static_stack *stack, struct conn *conn, const struct segment *segment)
{
	if ((segment->flags & RST) != 0) {
		if (segment->seq == conn->rcv_nxt) {
			stack->count.resets_in++;
			static_table_remove(stack, conn);
		} else if (segment->seq - conn->rcv_nxt < WINDOW) {
			static_output_challenge(stack, conn);
		}
		return true;
	}
	if ((segment->flags & SYN) == 0)
		return false;
	if (conn->state == TIME_WAIT && (segment->flags & ACK) == 0 &&
	    before(conn->rcv_nxt, segment->seq)) {
		static_table_remove(stack, conn);
		first_word(stack, segment);
	} else {
		static_output_challenge(stack, conn);
	}
	return true;
}

/* RFC 5961, 5.2: what was never sent, or long ago, is not acknowledged. */
static bool acknowledges(const struct conn *conn, const struct segment *segment)
{
	return !before(conn->snd_max, segment->ack) &&
	       (int32_t)(conn->snd_una - segment->ack) <=
	               (int32_t)most(least(conn->snd_wnd, 1u << 30), 65535);
}

static void ask(struct static_stack *stack, struct conn *conn, const struct static_asked *asked)
{
	const struct static_answer *answer = &stack->site.answers[asked->answer];

	/* RFC 5681, 4.1: after a pause nothing is known of the path. */
	if (conn->snd_una == conn->limit && stack->ms - conn->heard > conn->rto)
		conn->cwnd = least(conn->cwnd, INITIAL_SEGMENTS * (uint32_t)conn->mss);
	stack->count.requests++;
	stack->count.errors += asked->answer < STATIC_ERRORS;
	conn->queue[conn->queued] = asked->answer;
	conn->head[conn->queued++] = asked->head;
	conn->limit += asked->head ? answer->head : answer->size;
	conn->heard = stack->ms;
	if (asked->close) {
		conn->ending = true;
		conn->active = !conn->peer_ended;
		conn->limit++;
	}
	static_request_reset(&conn->request, &stack->site);
}

/* Takes requests for as long as their answers find a place; what is not taken is not acknowledged,
 * and comes again. After the last answer the rest is thrown away. */
static uint32_t take_requests(struct static_stack *stack, struct conn *conn, const uint8_t *data,
                              uint32_t size)
{
	uint32_t used = 0;

	while (used < size && conn->queued < QUEUE_MAX && !conn->ending &&
	       conn->limit - conn->base < QUEUE_BYTES) {
		struct static_asked asked;
		bool done;

		used += static_request_recall(&conn->request, &stack->known, &stack->site,
		                              data + used, size - used, &done, &asked);
		if (done)
			ask(stack, conn, &asked);
	}
	return conn->ending ? size : used;
}

static void take_end(struct conn *conn)
{
	conn->rcv_nxt++;
	conn->peer_ended = true;
	if (!conn->ending) {
		conn->ending = true;
		conn->limit++;
	}
}

/* Text and FIN. */
static void take_text(struct static_stack *stack, struct conn *conn, const struct segment *segment)
{
	uint32_t skip = conn->rcv_nxt - segment->seq, left;

	if (length(segment) == 0)
		return;
	conn->ack_due = true;
	if (before(conn->rcv_nxt, segment->seq)) {
		stack->count.out_of_order++;
		return;
	}
	if (conn->peer_ended || skip > segment->size)
		return;
	left = segment->size - skip;
	if (left > 0)
		left -= take_requests(stack, conn, segment->data + skip, left);
	conn->rcv_nxt += segment->size - skip - left;
	if (left == 0 && (segment->flags & FIN) != 0)
		take_end(conn);
}

/* Whether the peer has begun anew under the same port, as this segment tells, which does not fit
 * any more: by a SYN that is newer, after the end (RFC 6191); or the handler has answered its SYN,
 * which knows nothing of the connections here, and this brings the cookie back. Whom we have just
 * heard is there still. */
static bool is_anew(const struct static_stack *stack, const struct conn *conn,
                    const struct segment *segment)
{
	bool over = conn->state == TIME_WAIT;
	uint16_t mss;
	uint8_t scale;

	switch (segment->flags & (RST | SYN | ACK | FIN)) {
	case SYN:
		return over && before(conn->rcv_nxt, segment->seq);
	case ACK:
	case ACK | FIN:
		return stack->front != NULL && (over || stack->ms - conn->heard >= QUIET_MS) &&
		       static_cookie_check(stack, segment, &mss, &scale);
	default:
		return false;
	}
}

/* The connection whose segment this is instead; NULL: none any more. */
static struct conn *successor(struct static_stack *stack, struct conn *conn,
                              const struct segment *segment)
{
	struct conn *fresh = NULL;

	if (is_anew(stack, conn, segment)) {
		static_table_remove(stack, conn);
		return first_word(stack, segment);
	}
	if ((segment->flags & (RST | SYN | ACK)) == ACK)
		fresh = static_front_adopt(stack, segment);
	return fresh != NULL ? fresh : conn;
}

static void receive(struct static_stack *stack, struct conn *conn, const struct segment *segment)
{
	if (!acceptable(conn, segment)) {
		conn = successor(stack, conn, segment);
		if (conn == NULL)
			return;
	}
	if (!acceptable(conn, segment)) {
		if ((segment->flags & RST) == 0)
			static_output_challenge(stack, conn);
		return;
	}
	if (blind(stack, conn, segment) || (segment->flags & ACK) == 0)
		return;
	if (!acknowledges(conn, segment)) {
		static_output_challenge(stack, conn);
		return;
	}
	take_text(stack, conn, segment);
	if (!static_ack_take(stack, conn, segment))
		return;
	if (conn->state == OPEN)
		static_output_all(stack, conn);
	if (conn->ack_due) {
		conn->ack_due = false;
		static_output_ack(stack, conn);
	}
	static_timer_update(stack, conn);
}

void static_stack_input(struct static_stack *stack, const uint8_t *frame, uint32_t size,
                        bool checked)
{
	struct segment segment;
	struct conn *conn;

	if (!static_packet_parse(stack, frame, size, checked, &segment))
		return;
	conn = static_table_find(stack, &segment);
	if (conn == NULL)
		conn = first_word(stack, &segment);
	if (conn != NULL)
		receive(stack, conn, &segment);
}
