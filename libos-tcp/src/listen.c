/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listeners and half-open connections. A SYN makes a request, the least that must be remembered;
 * only the acknowledgement of our SYN/ACK makes a connection, and only while the application takes
 * them. Where requests run out, cookies (cookies.c) remember nothing at all.
 */
#include "internal.h"

static struct tcp_listener **bucket(struct tcp_stack *stack, uint16_t port)
{
	return &stack->listeners[port % LISTENER_BUCKETS];
}

static bool conflicts(const struct tcp_listener *a, const struct udp_endpoint *local, bool reuse)
{
	return a->local.port == local->port && udp_ip_equal(&a->local.ip, &local->ip) &&
	       !(reuse && a->options.reuse);
}

static int check_listen(struct tcp_stack *stack, const struct udp_endpoint *local, bool reuse)
{
	const struct tcp_listener *other;

	if (local->port == 0 ||
	    (local->ip.family != 0 && local->ip.family != 4 && local->ip.family != 6))
		return -TCP_EINVAL;
	for (other = *bucket(stack, local->port); other != NULL; other = other->next)
		if (conflicts(other, local, reuse))
			return -TCP_EINUSE;
	return 0;
}

int tcp_choose_port(struct tcp_stack *stack, struct udp_endpoint *local, uint16_t first,
                    uint16_t last, tcp_taken_fn *taken, const void *with)
{
	uint32_t n = last >= first ? (uint32_t)last - first + 1 : 0;
	uint32_t start = (uint32_t)stack->ops.random(stack->context);

	for (uint32_t i = 0; i < n; i++) {
		local->port = (uint16_t)(first + (start + i) % n);
		if (check_listen(stack, local, false) == 0 &&
		    (taken == NULL || !taken(with, local)))
			return 0;
	}
	return -TCP_ENOSPC;
}

static int choose_port(struct tcp_stack *stack, struct udp_endpoint *local)
{
	return tcp_choose_port(stack, local, stack->config.port_first, stack->config.port_last,
	                       NULL, NULL);
}

int tcp_listen(struct tcp_stack *stack, const struct udp_endpoint *at, uint32_t backlog,
               const struct tcp_options *options, tcp_accept_fn *accept, void *context,
               struct tcp_listener **out)
{
	struct tcp_options chosen = options != NULL ? *options : tcp_options_default(stack);
	struct udp_endpoint local = *at;
	struct tcp_listener *listener;
	int result;

	if (chosen.congestion >= TCP_CONGESTIONS)
		return -TCP_EINVAL;
	result = local.port == 0 ? choose_port(stack, &local)
	                         : check_listen(stack, &local, chosen.reuse);
	if (result != 0)
		return result;
	listener = pool_get(&stack->listener_pool);
	if (listener == NULL)
		return -TCP_ENOSPC;
	*listener = (struct tcp_listener){.next = *bucket(stack, local.port),
	                                  .local = local,
	                                  .stack = stack,
	                                  .accept = accept,
	                                  .context = context,
	                                  .backlog = backlog > 0 ? backlog : 1,
	                                  .open = true,
	                                  .options = chosen};
	*bucket(stack, local.port) = listener;
	doors_changed(stack);
	*out = listener;
	return 0;
}

static void forget_requests(struct tcp_listener *listener)
{
	struct tcp_stack *stack = listener->stack;

	for (uint32_t i = 0; i <= stack->request_mask; i++) {
		struct request *request = stack->requests[i], *next;

		for (; request != NULL; request = next) {
			next = request->hash_next;
			if (request->listener == listener)
				listen_forget(request);
		}
	}
}

void tcp_listener_close(struct tcp_listener *listener)
{
	struct tcp_stack *stack = listener->stack;
	struct tcp_listener **at = bucket(stack, listener->local.port);

	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	listener->open = false;
	doors_closed(stack, listener->local.port);
	forget_requests(listener);
	while (listener->ready != NULL)
		tcp_abort(tcp_accept(listener, NULL, NULL));
	pool_put(&stack->listener_pool, listener);
}

void *tcp_listener_context(const struct tcp_listener *listener)
{
	return listener->context;
}

const struct udp_endpoint *tcp_listener_local(const struct tcp_listener *listener)
{
	return &listener->local;
}

int tcp_listener_set_options(struct tcp_listener *listener, const struct tcp_options *options)
{
	if (options->congestion >= TCP_CONGESTIONS)
		return -TCP_EINVAL;
	listener->options = *options;
	listener->offered_mss = 0;
	doors_changed(listener->stack);
	return 0;
}

void tcp_listener_set_backlog(struct tcp_listener *listener, uint32_t backlog)
{
	listener->backlog = backlog > 0 ? backlog : 1;
}

void tcp_listener_get_options(const struct tcp_listener *listener, struct tcp_options *options)
{
	*options = listener->options;
}

uint32_t tcp_listener_ready(const struct tcp_listener *listener)
{
	return listener->n_ready;
}

struct tcp_conn *tcp_accept(struct tcp_listener *listener, tcp_event_fn *event, void *context)
{
	struct tcp_conn *conn = listener->ready;

	if (conn == NULL)
		return NULL;
	listener->ready = conn->ready_next;
	if (listener->ready == NULL)
		listener->ready_last = NULL;
	listener->n_ready--;
	conn->waiting = 0;
	conn->owned = 1;
	conn->event = event;
	conn->context = context;
	/* Told later, old news would come in the middle of the first word that is said. */
	if (!conn->busy)
		conn->events &= TCP_EVENT_CLOSED;
	return conn;
}

void listen_ready(struct tcp_conn *conn)
{
	struct tcp_listener *listener = conn->listener;

	conn->ready_next = NULL;
	if (listener->ready_last != NULL)
		listener->ready_last->ready_next = conn;
	else
		listener->ready = conn;
	listener->ready_last = conn;
	listener->n_ready++;
	if (listener->accept != NULL)
		listener->accept(listener);
}

/* ---- Half-open connections ---- */

static void age_append(struct tcp_stack *stack, struct request *request)
{
	const struct tcp_config *config = &stack->config;

	request->expires =
	        stack->now + min_u32(config->rto_initial_ms, config->rto_max_ms) * NS_PER_MS;
	request->younger = NULL;
	request->elder = stack->request_newest;
	if (request->elder != NULL)
		request->elder->younger = request;
	else
		stack->request_oldest = request;
	stack->request_newest = request;
}

static void age_remove(struct tcp_stack *stack, struct request *request)
{
	request->expires = 0;
	if (request->elder != NULL)
		request->elder->younger = request->younger;
	else
		stack->request_oldest = request->younger;
	if (request->younger != NULL)
		request->younger->elder = request->elder;
	else
		stack->request_newest = request->elder;
}

static void unschedule(struct tcp_stack *stack, struct request *request)
{
	if (request->loose)
		return;
	if (request->expires != 0)
		age_remove(stack, request);
	else
		wheel_remove(&stack->wheel, &request->timer);
}

void listen_forget(struct request *request)
{
	struct tcp_stack *stack = request->listener->stack;
	struct request **at = &stack->requests[request->hash & stack->request_mask];

	if (request->loose) {
		request->gone = 1;
		return;
	}
	while (*at != request)
		at = &(*at)->hash_next;
	*at = request->hash_next;
	edge_release(stack, &request->at);
	unschedule(stack, request);
	pool_put(&stack->request_pool, request);
}

void listen_insert(struct request *request, uint32_t hash)
{
	struct tcp_stack *stack = request->listener->stack;
	struct request **chain = &stack->requests[hash & stack->request_mask];

	request->hash = hash;
	request->hash_next = *chain;
	*chain = request;
	edge_hold(stack, &request->at);
}

void listen_schedule(struct request *request)
{
	struct tcp_stack *stack = request->listener->stack;
	const struct tcp_config *config = &stack->config;
	uint64_t wait = (uint64_t)config->rto_initial_ms << min_u32(request->tries, 16);

	if (request->loose)
		return;
	/* Few are answered twice; for those who are not, a queue is timer enough. */
	if (request->tries == 0) {
		age_append(stack, request);
		return;
	}
	wheel_add(&stack->wheel, &request->timer,
	          stack->now + min_u64(wait, config->rto_max_ms) * NS_PER_MS);
}

bool listen_has_place(const struct tcp_listener *listener)
{
	return listener->n_ready < listener->backlog && conn_has_place(listener->stack);
}

/* The peer says nothing: its connection is made of what it said before. */
static void complete_silent(struct request *request)
{
	struct tcp_arrival arrival = {.route = request->route};
	struct segment segment = {
	        .arrival = &arrival,
	        .seq = request->irs + 1,
	        .ack = request->iss + 1,
	        .window = request->ack_window,
	        .flags = F_ACK,
	        .options = {.seen = request->timestamps ? O_TIMESTAMPS : 0,
	                    .ts_value = request->ts_recent},
	};

	listen_complete(request, &segment);
}

bool listen_silent(struct request *request)
{
	if (!request->awaits || !listen_has_place(request->listener))
		return false;
	complete_silent(request);
	return true;
}

void listen_timer(struct request *request)
{
	struct tcp_stack *stack = request->listener->stack;
	const struct tcp_options *options = &request->listener->options;
	uint32_t most =
	        options->syn_retries != 0 ? options->syn_retries : stack->config.synack_retries;
	bool deferred = request->acked && options->defer_accept != 0;

	if (listen_silent(request))
		return;
	request->awaits = 0;
	if (request->tries >= most && !(deferred && request->tries < options->defer_accept)) {
		stack->count.requests_expired++;
		listen_forget(request);
		return;
	}
	request->tries++;
	stack->count.retransmits++;
	/* Who has acknowledged and is made to wait for data is asked again where that ends. */
	if (!deferred || request->tries >= options->defer_accept)
		transmit_syn_ack(stack, request);
	listen_schedule(request);
}

void listen_run(struct tcp_stack *stack)
{
	struct request *request;

	while ((request = stack->request_oldest) != NULL && request->expires <= stack->now) {
		age_remove(stack, request);
		listen_timer(request);
	}
}

/* The window that we offer: most often the one that was offered last. */
static void offer(struct tcp_listener *listener, struct request *request)
{
	uint32_t mss = request->advertised_mss - (request->timestamps ? H_TIMESTAMPS : 0u);

	if (mss != listener->offered_mss) {
		window_initial(listener->stack, &listener->options, mss, &listener->offered_window,
		               &listener->offered_scale);
		listener->offered_mss = mss;
	}
	request->rcv_wnd = listener->offered_window;
	request->rcv_scale = request->scaling ? listener->offered_scale : 0;
}

bool listen_begin(struct tcp_listener *listener, struct request *request,
                  const struct endpoints *at)
{
	struct tcp_stack *stack = listener->stack;
	uint32_t most = listener->options.max_segment, mtu, mss, headers;
	struct udp_ip local = at->local;

	mtu = min_u32(stack->ops.path(stack->context, &at->remote, &local), 65535);
	headers = (at->remote.family == 6 ? IP6_SIZE : IP4_SIZE) + H_SIZE;
	if (mtu < headers + MSS_MIN)
		return false;
	mss = mtu - headers;
	memset(request, 0, sizeof *request);
	request->at = *at;
	request->listener = listener;
	request->timer.kind = TIMER_REQUEST;
	request->path_mtu = (uint16_t)mtu;
	request->advertised_mss = (uint16_t)(most != 0 ? min_u32(mss, most) : mss);
	return true;
}

uint16_t listen_mss(uint16_t said)
{
	return said != 0 ? (uint16_t)max_u32(said, MSS_MIN) : MSS_DEFAULT;
}

/* What a SYN says, and what we answer; iss NULL: one is chosen. false: there is no way back to the
 * peer. */
static bool fill(struct tcp_listener *listener, struct request *request,
                 const struct segment *segment, const struct endpoints *at, const uint32_t *iss)
{
	const struct options *options = &segment->options;
	struct tcp_stack *stack = listener->stack;
	const struct tcp_config *config = &stack->config;

	if (!listen_begin(listener, request, at))
		return false;
	request->irs = segment->seq;
	request->window = segment->window;
	request->sent_us = stack->us;
	request->route = segment->arrival->route;
	request->mss = listen_mss(options->seen & O_MSS ? options->mss : 0);
	request->scale = options->scale;
	request->timestamps = config->timestamps && (options->seen & O_TIMESTAMPS);
	request->sack = config->sack && (options->seen & O_SACK_OK);
	request->scaling = config->window_scaling && (options->seen & O_SCALE);
	request->ecn =
	        config->ecn != TCP_ECN_OFF && (segment->flags & (F_ECE | F_CWR)) == (F_ECE | F_CWR);
	request->ts_recent = options->ts_value;
	request->iss = iss != NULL ? *iss : isn_choose(stack, at);
	request->ts_offset = timestamp_offset(stack, at);
	offer(listener, request);
	return true;
}

/* Nothing is remembered: the SYN/ACK says it all. */
static void send_cookie(struct tcp_stack *stack, struct request *request)
{
	request->cookie = 1;
	/* Without timestamps to carry them, nothing but the MSS can be agreed on. */
	if (!request->timestamps)
		request->sack = request->scaling = request->ecn = request->rcv_scale = 0;
	request->iss = cookie_make(stack, request);
	stack->count.cookies_out++;
	doors_crowded(stack);
	transmit_syn_ack(stack, request);
}

static void new_request(struct tcp_listener *listener, struct segment *segment,
                        const struct endpoints *at, uint32_t hash, const uint32_t *iss)
{
	struct tcp_stack *stack = listener->stack;
	bool fast = (segment->options.seen & O_FAST) || segment->size > 0;
	struct request *request, scratch;

	/* Who can't take more connections is better silent: the peer asks again. */
	if (listener->n_ready >= listener->backlog) {
		stack->count.backlog_full++;
		return;
	}
	if (unlikely(fast) &&
	    (!fill(listener, &scratch, segment, at, iss) || fastopen_try(&scratch, segment)))
		return;
	request =
	        stack->config.cookies == TCP_COOKIES_ALWAYS ? NULL : pool_get(&stack->request_pool);
	if (request == NULL) {
		if (stack->config.cookies == TCP_COOKIES_OFF)
			stack->count.requests_full++;
		else if (fill(listener, &scratch, segment, at, iss))
			send_cookie(stack, &scratch);
		return;
	}
	if (!fill(listener, request, segment, at, iss)) {
		pool_put(&stack->request_pool, request);
		return;
	}
	if (unlikely(fast)) {
		request->fast = scratch.fast;
		request->fast_experimental = scratch.fast_experimental;
	}
	listen_insert(request, hash);
	transmit_syn_ack(stack, request);
	listen_schedule(request);
}

/* A segment for a listener that belongs to nothing else (RFC 9293, 3.10.7.2). */
void listen_syn(struct tcp_listener *listener, struct segment *segment, const struct endpoints *at,
                uint32_t hash, const uint32_t *iss)
{
	struct tcp_stack *stack = listener->stack;
	struct request request;

	if (segment->flags & F_RST)
		return;
	if ((segment->flags & (F_SYN | F_ACK)) == F_SYN) {
		edge_syn(stack);
		if (!segment->arrival->quiet)
			new_request(listener, segment, at, hash, iss);
		return;
	}
	if ((segment->flags & (F_SYN | F_ACK)) == F_ACK &&
	    cookie_check(stack, segment, at, &request)) {
		request.listener = listener;
		request.hash = hash;
		stack->count.cookies_good++;
		listen_complete(&request, segment);
		return;
	}
	/* While cookies are out nobody knows which connections there are: the peer's first segment,
	   which brings the cookie, may be on the way still, and a reset hit a good one. */
	if ((segment->flags & F_ACK) && cookies_recent(stack))
		return;
	stack->count.no_connection++;
	transmit_refusal(stack, segment);
}

/* What brings no data could go round for ever: it is answered seldom. */
static bool may_answer(const struct tcp_stack *stack, struct request *request)
{
	if (request->challenge_ms != 0 && since_ms(stack, request->challenge_ms) < OOW_INTERVAL_MS)
		return false;
	request->challenge_ms = stack->ms | 1;
	return true;
}

static void bare_answer(struct tcp_stack *stack, struct request *request, bool data)
{
	struct bare_ack bare = {
	        .at = &request->at,
	        .seq = request->iss + 1,
	        .ack = request->irs + 1,
	        .window = request->rcv_wnd >> request->rcv_scale,
	        .timestamps = request->timestamps,
	        .ts_value = timestamp_now(stack, request->ts_offset),
	        .ts_echo = request->ts_recent,
	        .route = request->route,
	};

	if (data || may_answer(stack, request))
		transmit_bare(stack, &bare);
}

static bool request_in_window(const struct request *request, const struct segment *segment)
{
	uint32_t next = request->irs + 1, end = segment_end(segment);

	return segment->seq == next ||
	       (seq_gt(end, next) && seq_le(segment->seq, next + request->rcv_wnd));
}

static void request_reset(struct request *request, const struct segment *segment)
{
	struct tcp_stack *stack = request->listener->stack;

	if (segment->seq == request->irs + 1) {
		stack->count.resets_in++;
		listen_forget(request);
	} else {
		bare_answer(stack, request, false);
	}
}

/* Another call, or an answer to one: back to LISTEN (RFC 9293, 3.10.7.4). Who has acknowledged and
 * speaks first is challenged: its connection stands, and a guess must not end it (RFC 5961, 4.2).
 */
static void request_syn(struct request *request, const struct segment *segment)
{
	if (request->acked && request->listener->options.defer_accept == 0) {
		bare_answer(request->listener->stack, request, false);
		return;
	}
	transmit_refusal(request->listener->stack, segment);
	listen_forget(request);
}

bool listen_may_wait(const struct request *request)
{
	const struct tcp_options *options = &request->listener->options;

	if (request->loose)
		return false;
	if (options->defer_accept != 0)
		return request->tries < options->defer_accept;
	return options->peer_first && request->tries == 0 && (!request->acked || request->awaits);
}

static void await_data(struct request *request, const struct segment *segment)
{
	if (!request->awaits)
		request->rtt_us = request->listener->stack->us - request->sent_us;
	request->awaits = 1;
	request->ack_window = segment->window;
	if (request->timestamps && (segment->options.seen & O_TIMESTAMPS))
		request->ts_recent = segment->options.ts_value;
}

/* SYN-RECEIVED (RFC 9293, 3.10.7.4). */
void listen_request(struct request *request, struct segment *segment, uint32_t hash)
{
	struct tcp_stack *stack = request->listener->stack;
	bool old = request->timestamps && (segment->options.seen & O_TIMESTAMPS) &&
	           seq_lt(segment->options.ts_value, request->ts_recent);

	/* The SYN again: our answer was lost. */
	if ((segment->flags & (F_SYN | F_ACK)) == F_SYN && segment->seq == request->irs && !old) {
		if (!may_answer(stack, request))
			return;
		request->again = 1;
		transmit_syn_ack(stack, request);
		unschedule(stack, request);
		listen_schedule(request);
		return;
	}
	if (old || !request_in_window(request, segment)) {
		stack->count.drop_sequence++;
		if (!(segment->flags & F_RST))
			bare_answer(stack, request,
			            segment_end(segment) != segment->seq &&
			                    !(segment->flags & F_SYN));
		return;
	}
	if (segment->flags & F_RST) {
		request_reset(request, segment);
		return;
	}
	if ((segment->flags & F_ACK) && segment->ack != request->iss + 1) {
		stack->count.drop_ack++;
		transmit_refusal(stack, segment);
		return;
	}
	if (segment->flags & F_SYN) {
		request_syn(request, segment);
		return;
	}
	if (!(segment->flags & F_ACK)) {
		stack->count.drop_no_ack++;
		return;
	}
	if (segment->size > 0 || (segment->flags & F_FIN) || !listen_may_wait(request)) {
		listen_complete(request, segment);
		return;
	}
	request->acked = 1;
	if (request->listener->options.defer_accept == 0)
		await_data(request, segment);
}

void listen_adopt(struct tcp_conn *conn, const struct request *request)
{
	conn->passive = 1;
	conn->route = request->route;
	conn->iss = request->iss;
	conn->irs = request->irs;
	conn->snd_una = conn->iss;
	conn->snd_nxt = conn->snd_end = conn->snd_small = conn->iss + 1;
	conn->high_seq = conn->iss;
	conn->rcv_nxt = conn->rcv_read = conn->rcv_wup = conn->last_ack_sent = conn->irs + 1;
	conn->rcv_wnd = request->rcv_wnd;
	conn->rcv_scale = request->rcv_scale;
	conn->snd_wl1 = conn->irs;
	conn->snd_wnd = conn->snd_max_wnd = request->window;
	conn->ts_offset = request->ts_offset;
	conn->advertised_mss = request->advertised_mss;
	conn->path_mtu = request->path_mtu;
	conn->syn_us =
	        request->awaits ? request->listener->stack->us - request->rtt_us : request->sent_us;
	conn->retransmits = request->tries | request->again; /* which was answered? */
	conn->total_retrans = request->tries + request->again;
	conn->timestamps = request->timestamps;
	conn->sack = request->sack;
	conn->scaling = request->scaling;
	conn->ecn = request->ecn;
	state_adopt(conn, request->mss, request->scale, request->ts_recent);
	conn->state = TCP_STATE_SYN_RECEIVED;
}

void listen_complete(struct request *request, struct segment *segment)
{
	struct tcp_listener *listener = request->listener;
	struct tcp_stack *stack = listener->stack;
	uint32_t awaited = request->awaits, hash = request->hash;
	struct tcp_conn *conn;

	if (listener->n_ready >= listener->backlog) {
		stack->count.backlog_full++;
		request->acked = 1;
		return;
	}
	conn = conn_create(stack, &request->at, &listener->options);
	if (conn == NULL) {
		stack->count.connections_full++;
		return;
	}
	listen_adopt(conn, request);
	if (request->cookie) /* how long the peer took nobody knows any more */
		conn->retransmits = 1;
	listen_forget(request);
	stack->count.opened_passive++;
	conn->listener = listener;
	conn->waiting = 1;
	conn_enter(conn);
	conn->segments_in = 2 + awaited; /* the SYN, its acknowledgement, and this one */
	lookup_insert(conn, hash);
	conn->announce = 1;
	state_first(conn, segment);
	if (conn->state == TCP_STATE_CLOSED && conn->announce) {
		/* It never came to be. */
		conn->waiting = 0;
		conn->owned = 0;
	}
	conn_leave(conn);
}
