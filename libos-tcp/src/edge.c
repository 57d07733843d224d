/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack behind a handler (tcp/edge.h). What the handler has begun is, to the stack, a request
 * that lies in shared memory: it becomes a connection with the peer's first data, or one of the
 * stack's own requests as soon as anything else comes, or a second has passed. So all that may
 * happen to a half-open connection happens in listen.c, and nowhere else.
 *
 * The handler may write to a record at any time; what counts is the copy that was read. Whatever is
 * written there, by whom it may be, harms no more than the connections of which it speaks.
 */
#include <tcp/edge.h>

#include "internal.h"

enum {
	LOOK_NS = 1000000000,
	LOOK_US = 1000000,
	LINGER_US = 4 * LOOK_US, /* of who finds no place among requests */
	REAPED = 2,              /* at most, for each one that comes */
};

_Static_assert(sizeof(((struct edge_arena *)0)->held) == EDGE_PLACES, "a count for each");

/* ---- Places ---- */

static uint64_t peer_of(const struct endpoints *at)
{
	return edge_peer(lookup_word(at->remote.bytes),
	                 swap16(at->remote_port) | (uint32_t)swap16(at->local_port) << 16);
}

static struct edge_line *line_of(const struct tcp_stack *stack, uint64_t peer)
{
	return &stack->edge.arena->lines[peer * stack->edge.spread >> EDGE_LINE_SHIFT];
}

void edge_count(struct tcp_stack *stack, const struct endpoints *at, int by)
{
	uint8_t *held;

	if (at->remote.family != 4)
		return;
	held = &stack->edge.arena->held[peer_of(at) * stack->edge.spread >> EDGE_PLACE_SHIFT];
	if (*held != EDGE_HELD_MAX)
		*held = (uint8_t)(*held + by);
}

/* All that there is already. */
static void hold_all(struct tcp_stack *stack)
{
	for (uint32_t i = 0; i <= stack->conn_mask; i++)
		for (struct tcp_conn *c = stack->conns[i]; c != NULL; c = c->hash_next)
			edge_count(stack, &c->at, 1);
	for (uint32_t i = 0; i <= stack->request_mask; i++)
		for (struct request *r = stack->requests[i]; r != NULL; r = r->hash_next)
			edge_count(stack, &r->at, 1);
	for (uint32_t i = 0; i <= stack->timewait_mask; i++)
		for (struct timewait *t = stack->timewaits[i]; t != NULL; t = t->hash_next)
			edge_count(stack, &t->at, 1);
}

/* ---- Records ---- */

/* What there is of one connection that begins. */
struct begun {
	struct edge_asked asked;
	struct edge_heard heard;
};

/* Takes a copy. false: there is no record. */
static bool read_line(const struct edge_line *line, struct begun *begun)
{
	memcpy(&begun->heard, &line->heard, sizeof begun->heard);
	memcpy(&begun->asked, &line->asked, sizeof begun->asked);
	__asm__ volatile("" ::: "memory"); /* and not the original again */
	return begun->asked.peer != 0;
}

static void clear(struct edge_line *line)
{
	__atomic_store_n(&line->asked.peer, 0, __ATOMIC_RELEASE);
}

static bool is_heard(const struct begun *begun)
{
	return begun->heard.iss == begun->asked.iss;
}

/* The request that it is. false: there is no way back to the peer. */
static bool restore(struct tcp_listener *listener, const struct begun *begun,
                    const struct endpoints *at, uint64_t route, struct request *request)
{
	const struct edge_asked *asked = &begun->asked;
	const struct tcp_config *config = &listener->stack->config;

	if (!listen_begin(listener, request, at))
		return false;
	request->route = route;
	request->irs = asked->irs;
	request->iss = asked->iss;
	request->window = asked->window;
	request->mss = listen_mss(asked->mss);
	request->scale = (uint8_t)min_u32(asked->scale, SCALE_MAX);
	request->timestamps = config->timestamps && (asked->own_scale & EDGE_TIMESTAMPS);
	request->sack = config->sack && (asked->own_scale & EDGE_SACK);
	request->scaling = config->window_scaling && (asked->own_scale & EDGE_SCALING);
	request->ts_recent = asked->stamp;
	request->ts_offset = asked->offset;
	request->rcv_wnd = asked->own_window;
	request->rcv_scale = (uint8_t)min_u32(asked->own_scale >> 4, SCALE_MAX);
	request->sent_us = asked->us;
	if (!is_heard(begun))
		return true;
	request->acked = request->awaits = 1;
	request->rtt_us = begun->heard.us - asked->us;
	request->ack_window = begun->heard.window;
	if (request->timestamps)
		request->ts_recent = begun->heard.stamp;
	return true;
}

/* Makes it one of the stack's own, whose answer was not repeated yet. NULL: there is no place, or
 * no way; it is forgotten then. */
static struct request *adopt(struct tcp_stack *stack, struct edge_line *line,
                             const struct begun *begun, const struct endpoints *at, uint32_t hash,
                             uint64_t route)
{
	struct tcp_listener *listener = lookup_listener(stack, at);
	struct request *request = listener == NULL ? NULL : pool_get(&stack->request_pool);

	clear(line);
	if (request == NULL) {
		stack->count.requests_full += listener != NULL;
		return NULL;
	}
	if (!restore(listener, begun, at, route, request)) {
		pool_put(&stack->request_pool, request);
		return NULL;
	}
	listen_insert(request, hash);
	return request;
}

/* ---- Segments ---- */

/* Data that comes first, or an end: none of the questions that listen_request asks has another
 * answer than the usual. */
static bool is_first(const struct begun *begun, const struct segment *segment)
{
	const struct edge_asked *asked = &begun->asked;
	uint32_t stamp = is_heard(begun) ? begun->heard.stamp : asked->stamp;
	bool stamped = asked->own_scale & EDGE_TIMESTAMPS;

	return (segment->flags & (F_SYN | F_RST | F_ACK)) == F_ACK &&
	       segment->seq == asked->irs + 1 && segment->ack == asked->iss + 1 &&
	       (segment->size > 0 || (segment->flags & F_FIN)) &&
	       (!stamped || ((segment->options.seen & O_TIMESTAMPS) &&
	                     seq_ge(segment->options.ts_value, stamp)));
}

static bool is_crowded(const struct tcp_stack *stack)
{
	return unlikely(stack->request_pool.free == NULL);
}

/* The request that it is, for as long as something is done about it. false: nobody listens, or
 * there is no way. */
static bool restore_loose(struct tcp_stack *stack, const struct begun *begun,
                          const struct endpoints *at, uint32_t hash, uint64_t route,
                          struct request *request)
{
	struct tcp_listener *listener = lookup_listener(stack, at);

	if (listener == NULL || !restore(listener, begun, at, route, request))
		return false;
	request->hash = hash;
	request->loose = 1;
	return true;
}

/* Makes the connection with nothing in between. false: that takes more. */
static bool complete(struct tcp_stack *stack, struct edge_line *line, const struct begun *begun,
                     struct segment *segment, const struct endpoints *at, uint32_t hash)
{
	struct request request;

	if (!restore_loose(stack, begun, at, hash, segment->arrival->route, &request) ||
	    !listen_has_place(request.listener))
		return false;
	clear(line);
	listen_complete(&request, segment);
	return true;
}

/* Requests have run out, so the record stays for as long as it is one, and what can be done without
 * a request is. Its answer was no cookie: nothing else knows of the peer. */
static bool do_without(struct tcp_stack *stack, struct edge_line *line, const struct begun *begun,
                       struct segment *segment, const struct endpoints *at, uint32_t hash)
{
	struct request request;

	if (!restore_loose(stack, begun, at, hash, segment->arrival->route, &request)) {
		clear(line);
		return false;
	}
	listen_request(&request, segment, hash);
	if (request.gone)
		clear(line);
	return true;
}

bool edge_input(struct tcp_stack *stack, struct segment *segment, const struct endpoints *at,
                uint32_t hash)
{
	struct edge_line *line;
	struct request *request;
	struct begun begun;
	uint64_t peer;

	if (!udp_ip_equal(&at->local, &stack->edge.front.address))
		return false;
	peer = edge_peer(lookup_word(segment->arrival->src.bytes),
	                 lookup_word(segment->arrival->segment + H_SRC));
	line = line_of(stack, peer);
	if (!read_line(line, &begun) || begun.asked.peer != peer)
		return false;
	if (segment->flags & F_SYN)
		edge_syn(stack);
	if (begun.asked.check != edge_check(&begun.asked)) {
		clear(line);
		return false;
	}
	if (is_first(&begun, segment) && complete(stack, line, &begun, segment, at, hash))
		return true;
	if (is_crowded(stack))
		return do_without(stack, line, &begun, segment, at, hash);
	request = adopt(stack, line, &begun, at, hash, segment->arrival->route);
	if (request == NULL)
		return false;
	listen_schedule(request);
	listen_request(request, segment, hash);
	return true;
}

/* ---- Time ---- */

void edge_syn(struct tcp_stack *stack)
{
	struct edge *edge = &stack->edge;

	if (edge->arena == NULL)
		return;
	edge->syn_at = stack->now;
	if (edge->look_at == 0)
		edge->look_at = stack->now + LOOK_NS;
}

static struct endpoints ends_of(const struct tcp_stack *stack, uint64_t peer)
{
	struct endpoints at = {.local = stack->edge.front.address};
	uint32_t source = (uint32_t)peer;

	at.remote.family = 4;
	memcpy(at.remote.bytes, &source, sizeof source);
	at.remote_port = swap16((uint16_t)(peer >> 32));
	at.local_port = swap16((uint16_t)(peer >> 48));
	return at;
}

static bool is_known(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash)
{
	return lookup_conn(stack, at, hash) != NULL || lookup_request(stack, at, hash) != NULL ||
	       lookup_timewait(stack, at, hash) != NULL;
}

/* Who has acknowledged all and says nothing is there all the same. */
static bool complete_silent(struct tcp_stack *stack, struct edge_line *line,
                            const struct begun *begun, const struct endpoints *at, uint32_t hash)
{
	struct request request;

	if (!is_heard(begun) || !restore_loose(stack, begun, at, hash, 0, &request) ||
	    !listen_has_place(request.listener))
		return false;
	clear(line);
	return listen_silent(&request);
}

/* Takes over what is old, and forgets what has another beside it. `all`: however young. → whether
 * the record stays. */
static bool look_after(struct tcp_stack *stack, struct edge_line *line, bool all)
{
	struct request *request;
	struct endpoints at;
	struct begun begun;
	uint32_t hash, age;

	if (!read_line(line, &begun))
		return false;
	age = stack->us - begun.asked.us;
	if (!all && age < LOOK_US)
		return true;
	at = ends_of(stack, begun.asked.peer);
	hash = lookup_hash(stack, &at);
	if (begun.asked.check != edge_check(&begun.asked) || is_known(stack, &at, hash)) {
		clear(line);
		return false;
	}
	if (!all && complete_silent(stack, line, &begun, &at, hash))
		return false;
	if (!all && is_crowded(stack) && age < LINGER_US)
		return true;
	request = adopt(stack, line, &begun, &at, hash, 0);
	if (request == NULL)
		return false;
	if (all)
		listen_schedule(request);
	else
		listen_timer(request);
	return false;
}

static bool look_after_all(struct tcp_stack *stack, bool all)
{
	bool stays = false;

	for (uint32_t i = 0; i < EDGE_LINES; i++) {
		struct edge_line *line = &stack->edge.arena->lines[i];

		if (__atomic_load_n(&line->asked.peer, __ATOMIC_RELAXED) != 0)
			stays |= look_after(stack, line, all);
	}
	return stays;
}

void edge_run(struct tcp_stack *stack)
{
	struct edge *edge = &stack->edge;
	bool stays;

	if (edge->look_at == 0 || stack->now < edge->look_at)
		return;
	stays = look_after_all(stack, false);
	doors_look(stack);
	/* The handler goes on for a second behind the SYN that it passed on, and what it does then
	   has to grow a second old. */
	edge->look_at = stays || edge->crowded || stack->now - edge->syn_at < 2ull * LOOK_NS
	                        ? stack->now + LOOK_NS
	                        : 0;
}

void edge_forget(struct tcp_stack *stack, uint16_t port)
{
	for (uint32_t i = 0; i < EDGE_LINES; i++) {
		struct edge_line *line = &stack->edge.arena->lines[i];

		if (__atomic_load_n(&line->asked.peer, __ATOMIC_RELAXED) >> 48 == swap16(port))
			clear(line);
	}
}

/* ---- Ends ---- */

/* Whether nothing is left but to hear that all has arrived, and their end. */
static bool has_said_all(const struct tcp_conn *conn)
{
	return conn->fin_sent && !conn->fin_received && conn->packets_out > 0 &&
	       conn->retransmits == 0 && conn->recovery == TCP_RECOVERY_OPEN && !conn->ecn &&
	       !conn->urgent_out && conn->act->early == NULL && !conn->ack_pending;
}

/* Whoever is the oldest of too many has to wait for its timer. → its tag. */
static uint32_t note(struct edge *edge, struct tcp_conn *conn)
{
	edge->offers[++edge->tag % EDGE_LINES] = conn;
	if (edge->tag - edge->oldest == EDGE_LINES)
		edge->oldest++;
	conn->edged = 1;
	conn->edge_tag = (uint16_t)edge->tag;
	return edge->tag;
}

void edge_offer(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;
	struct edge_line *line;
	uint64_t peer;

	if (conn->edged || !has_said_all(conn) ||
	    !udp_ip_equal(&conn->at.local, &stack->edge.front.address))
		return;
	peer = peer_of(&conn->at);
	line = line_of(stack, peer);
	if (line->closing.peer != 0)
		return;
	line->closing.theirs = conn->rcv_nxt;
	line->closing.ours = conn->snd_nxt;
	line->closing.stamp = conn->ts_recent;
	line->closing.offset = conn->ts_offset;
	line->closing.window = (uint16_t)min_u32(conn->rcv_wnd >> conn->rcv_scale, WINDOW_MAX);
	line->closing.flags = conn->timestamps ? EDGE_TIMESTAMPS : 0;
	line->closing.tag = note(&stack->edge, conn);
	__atomic_store_n(&line->closing.peer, peer, __ATOMIC_RELEASE);
	stack->edge.offered = true;
}

static struct edge_closed news_of(const struct edge_line *line)
{
	struct edge_closed closed;

	memcpy(&closed, &line->closed, sizeof closed);
	__asm__ volatile("" ::: "memory");
	if (closed.tag != line->closing.tag)
		closed.news = 0;
	return closed;
}

bool edge_has_news(const struct tcp_conn *conn)
{
	return news_of(line_of(conn->stack, peer_of(&conn->at))).news != 0;
}

static void withdraw(struct tcp_conn *conn, struct edge_line *line)
{
	__atomic_store_n(&line->closing.peer, 0, __ATOMIC_RELEASE);
	conn->edged = 0;
}

void edge_withdraw(struct tcp_conn *conn)
{
	withdraw(conn, line_of(conn->stack, peer_of(&conn->at)));
}

/* All of ours has arrived, and their end has; it was acknowledged. */
static void end(struct tcp_conn *conn, const struct edge_closed *closed)
{
	conn->snd_una = conn->snd_nxt;
	conn->fin_acked = conn->fin_received = 1;
	conn->rcv_nxt++;
	conn->last_received_ms = conn->last_ack_ms = conn->stack->ms;
	if (conn->timestamps) {
		conn->ts_recent = closed->stamp;
		conn->ts_recent_ms = conn->stack->ms;
	}
	timewait_enter(conn);
}

/* What the peer said when it acknowledged all of ours. */
static void acknowledge(struct tcp_conn *conn, const struct edge_closed *closed)
{
	struct tcp_arrival arrival = {.route = conn->route};
	struct segment segment = {
	        .arrival = &arrival,
	        .seq = conn->rcv_nxt,
	        .ack = conn->snd_nxt,
	        .window = conn->snd_wnd >> conn->snd_scale,
	        .flags = F_ACK,
	        .options = {.seen = conn->timestamps ? O_TIMESTAMPS : 0, .ts_value = closed->stamp},
	};

	state_input(conn, &segment);
}

static bool settle(struct tcp_conn *conn, struct edge_line *line)
{
	struct edge_closed closed = news_of(line);
	bool goes_on;

	withdraw(conn, line);
	if (closed.news == 0)
		return true;
	conn_enter(conn);
	if (closed.news & EDGE_ENDED)
		end(conn, &closed);
	else
		acknowledge(conn, &closed);
	goes_on = conn->state != TCP_STATE_CLOSED;
	conn_leave(conn);
	return goes_on;
}

bool edge_settle(struct tcp_conn *conn)
{
	return settle(conn, line_of(conn->stack, peer_of(&conn->at)));
}

/* Whose tag it is; NULL: it is not offered any more. */
static struct tcp_conn *offered(const struct edge *edge, uint32_t tag)
{
	struct tcp_conn *conn = edge->offers[tag % EDGE_LINES];

	return conn->edged && conn->edge_tag == (uint16_t)tag ? conn : NULL;
}

/* The one that was offered first; NULL: there is none. */
static struct tcp_conn *oldest(struct edge *edge)
{
	struct tcp_conn *conn = NULL;

	while (edge->oldest != edge->tag + 1 && (conn = offered(edge, edge->oldest)) == NULL)
		edge->oldest++;
	return conn;
}

/* false: it has not ended. */
static bool settle_ended(struct tcp_conn *conn)
{
	struct edge_line *line = line_of(conn->stack, peer_of(&conn->at));

	if (!(news_of(line).news & EDGE_ENDED))
		return false;
	(void)settle(conn, line);
	return true;
}

/* Who takes longer keeps the others waiting until its timer takes it back. The last one has only
 * just come. */
void edge_reap(struct tcp_stack *stack)
{
	struct edge *edge = &stack->edge;

	edge->offered = false;
	for (unsigned n = 0; n < REAPED; n++) {
		struct tcp_conn *conn = oldest(edge);

		if (edge->oldest == edge->tag || conn == NULL || !settle_ended(conn))
			return;
	}
}

void edge_reap_all(struct tcp_stack *stack)
{
	uint32_t end = stack->edge.tag + 1;

	for (uint32_t tag = stack->edge.oldest; tag != end; tag++) {
		struct tcp_conn *conn = offered(&stack->edge, tag);

		if (conn != NULL)
			(void)settle_ended(conn);
	}
}

/* Whoever is offered. → whether there were any. */
static bool settle_all(struct tcp_stack *stack)
{
	bool any = false;

	for (uint32_t i = 0; i <= stack->conn_mask; i++) {
		struct tcp_conn *conn = stack->conns[i];

		while (conn != NULL) {
			if (!conn->edged) {
				conn = conn->hash_next;
				continue;
			}
			(void)edge_settle(conn);
			any = true;
			conn = stack->conns[i]; /* it may have ended, and others with it */
		}
	}
	return any;
}

/* ---- Opening ---- */

int tcp_edge_open(struct tcp_stack *stack, struct edge_arena *arena, const struct tcp_edge *front)
{
	struct edge *edge = &stack->edge;

	if (edge->arena != NULL || front->address.family != 4 ||
	    stack->config.cookies == TCP_COOKIES_ALWAYS)
		return -TCP_EINVAL;
	edge->arena = arena;
	edge->front = *front;
	edge->crowded = false;
	edge->spread = stack->ops.random(stack->context) | 1;
	edge->oldest = edge->tag + 1;
	hold_all(stack);
	if (doors_open(stack))
		return 0;
	edge->arena = NULL;
	return -TCP_EINVAL;
}

void tcp_edge_close(struct tcp_stack *stack)
{
	if (stack->edge.arena == NULL)
		return;
	(void)look_after_all(stack, true);
	while (settle_all(stack))
		;
	stack->edge.arena = NULL;
	stack->edge.look_at = 0;
	stack->edge.oldest = stack->edge.tag + 1;
}
