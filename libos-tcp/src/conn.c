/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection's life, and the application's hand in it. */
#include "internal.h"

#define GATHER_NS (250 * NS_PER_US) /* that what acknowledgements let go waits for more of them */

enum {
	RECLAIM_TRIES = 32,
	RECLAIM_MS = 1000, /* without a word from the peer */
};

struct tcp_options tcp_options_default(const struct tcp_stack *stack)
{
	return (struct tcp_options){.congestion = stack->config.congestion,
	                            .not_sent_low = stack->config.not_sent_low,
	                            .keepalive_idle = stack->config.keepalive_idle,
	                            .keepalive_interval = stack->config.keepalive_interval,
	                            .keepalive_count = stack->config.keepalive_count};
}

/* Read by all connections that are quiet; a write to it would be a mistake, and a fault. */
const struct active active_none;

bool active_get(struct tcp_conn *conn)
{
	struct active *act;

	if (likely(has_active(conn)))
		return true;
	act = pool_get(&conn->stack->active_pool);
	if (act == NULL)
		return false;
	memset(act, 0, sizeof *act);
	act->fack = conn->snd_una;
	if (conn->tlp_left)
		act->tlp_high = conn->snd_una != 0 ? conn->snd_una : 1;
	conn->tlp_left = 0;
	act->rack_rtt_us = conn->srtt_8 >> 3;
	act->rack_dsack_round = conn->delivered;
	conn->act = act;
	return true;
}

/* Whether the news that a recovery was needless may still come: behind what was sent again and has
 * been acknowledged. It is waited for while half of the pool is free for those who need one. */
static bool may_be_undone(const struct tcp_conn *conn)
{
	const struct pool *pool = &conn->stack->active_pool;

	return conn->undo_on && conn->act->undo_retrans > 0 && pool->used <= pool->max / 2 &&
	       conn->state == TCP_STATE_ESTABLISHED;
}

/* Gives it back where nothing is going on. */
static void active_put(struct tcp_conn *conn)
{
	const struct active *act = conn->act;

	if (!has_active(conn) || act->records != NULL || act->early != NULL || conn->dsack ||
	    (conn->recovery != TCP_RECOVERY_OPEN && conn->state != TCP_STATE_CLOSED) ||
	    may_be_undone(conn))
		return;
	conn->undo_on = 0;
	/* Whether a probe had to repair a loss shows only in what is acknowledged next. */
	conn->tlp_left = act->tlp_high != 0;
	pool_put(&conn->stack->active_pool, conn->act);
	conn->act = (struct active *)&active_none;
}

static bool options_valid(const struct tcp_options *options)
{
	return options->congestion < TCP_CONGESTIONS && options->receive_buffer <= 1u << 30 &&
	       options->send_buffer <= 1u << 30 &&
	       (options->max_segment == 0 || options->max_segment >= MSS_MIN) &&
	       (!options->keepalive ||
	        (options->keepalive_idle > 0 && options->keepalive_interval > 0));
}

/* What it had to do with the network went with its end (conn_end). */
static void conn_free(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	receive_drop_all(conn);
	if (has_active(conn))
		pool_put(&stack->active_pool, conn->act);
	conn->stack = NULL;
	pool_put(&stack->conn_pool, conn);
}

/* Whether somebody holds the handle: the application, or a listener for it. */
static bool held(const struct tcp_conn *conn)
{
	return conn->owned || conn->waiting;
}

static void tell(struct tcp_conn *conn)
{
	unsigned events = conn->events;

	if (conn->announce && conn->waiting &&
	    (conn->state != TCP_STATE_SYN_RECEIVED || conn->fast)) {
		conn->announce = 0;
		listen_ready(conn);
		events = conn->events;
	}
	if (events == 0 || !conn->owned || conn->event == NULL)
		return;
	conn->events = 0;
	conn->event(conn, events);
}

void conn_leave(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	tell(conn);
	if (conn->state != TCP_STATE_CLOSED) {
		output_push(conn);
		conn->answering = 0;
		if (conn->state == TCP_STATE_FIN_WAIT_1 && stack->edge.arena != NULL)
			edge_offer(conn);
		if (conn->state != TCP_STATE_CLOSED)
			delay_check(conn);
		/* What sending brought about, if anything. */
		if (conn->events & TCP_EVENT_CLOSED)
			tell(conn);
	}
	conn->busy = 0;
	if (conn->state == TCP_STATE_CLOSED && !held(conn) && !conn->gathered) {
		conn_free(conn);
	} else {
		active_put(conn);
		/* Else it has its place; whoever sets an earlier deadline moves it. */
		if (conn->timer.link == NULL || conn->pace_at != 0)
			timer_update(conn);
	}
	if (unlikely(stack->starved != NULL))
		starve_feed(stack);
}

void conn_gather(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	if (stack->n_gathered == GATHERED_MAX) {
		conn_leave(conn);
		return;
	}
	conn->busy = 0;
	if (stack->n_gathered == 0)
		stack->gather_until =
		        stack->now + min_u64((uint64_t)(conn->srtt_8 >> 5) * NS_PER_US, GATHER_NS);
	if (!conn->gathered)
		stack->gathered[stack->n_gathered++] = conn;
	conn->gathered = 1;
}

/*
 * How many acknowledgements to wait for before something is sent; 0: it is time. A burst is sent
 * when half of the window is free, and in steps of at least that there are few turns and long
 * packets, while the other half keeps the path busy; a quarter of a round trip is the most that it
 * waits (as Linux defers what would be a short burst, tcp_tso_should_defer). Only where nothing but
 * the window limits us. Peers acknowledge each second segment.
 */
static uint32_t awaited(const struct tcp_conn *conn)
{
	uint32_t flying = in_flight(conn), half = conn->cwnd / 2;

	if (flying <= half || conn->recovery != TCP_RECOVERY_OPEN || conn->events != 0 ||
	    is_paced(conn) || unsent(conn) / conn->mss <= conn->cwnd - flying)
		return 0;
	return (flying - half + 1) / 2;
}

void conn_scatter(struct tcp_stack *stack)
{
	bool over = stack->now >= stack->gather_until;
	uint32_t n = stack->n_gathered;

	stack->n_gathered = stack->awaits = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_conn *conn = stack->gathered[i];
		uint32_t more = over ? 0 : awaited(conn);

		if (more > 0) {
			stack->gathered[stack->n_gathered++] = conn;
			stack->awaits += more;
			continue;
		}
		conn->gathered = 0;
		conn_enter(conn);
		conn_leave(conn);
	}
}

void conn_kick(struct tcp_conn *conn)
{
	if (conn->busy)
		return;
	conn_enter(conn);
	conn_leave(conn);
}

void conn_end(struct tcp_conn *conn, enum tcp_cause cause)
{
	if (conn->state == TCP_STATE_CLOSED)
		return;
	if (conn->stack->late_conn == conn)
		conn->stack->late_conn = NULL;
	if (unlikely(conn->fast))
		fastopen_ended(conn);
	if (unlikely(conn->edged))
		edge_withdraw(conn);
	conn->state = TCP_STATE_CLOSED;
	conn->cause = (uint8_t)cause;
	conn->events |= TCP_EVENT_CLOSED;
	lookup_remove(conn);
	rtx_stop(conn);
	conn->ack_at = conn->keep_at = conn->pace_at = 0;
	conn->ack_pending = 0;
	wheel_remove(&conn->stack->wheel, &conn->timer);
	starve_forget(conn);
	record_drop_all(conn);
	chunks_drop_all(conn);
}

void conn_reset(struct tcp_conn *conn, enum tcp_cause cause)
{
	if (is_synchronised(conn) || conn->state == TCP_STATE_SYN_RECEIVED)
		transmit_reset(conn);
	conn_end(conn, cause);
}

/* ---- Places ---- */

/* Whether nobody waits for it any more but a peer who seems to have gone, or who takes nothing. */
static bool is_forlorn(const struct tcp_conn *conn)
{
	return !held(conn) && !conn->busy && !conn->gathered && conn->state != TCP_STATE_CLOSED &&
	       (conn->state == TCP_STATE_FIN_WAIT_2 || conn->backoff > 0 ||
	        since_ms(conn->stack, conn->last_ack_ms) >= RECLAIM_MS);
}

/* One of those that were closed makes room, as where Linux has too many orphans. */
static bool reclaim(struct tcp_stack *stack)
{
	for (unsigned i = 0; i < RECLAIM_TRIES; i++) {
		struct tcp_conn *conn =
		        &stack->conn_memory[stack->reclaimed++ % stack->conn_pool.max];

		if (!is_forlorn(conn))
			continue;
		stack->count.orphans_dropped++;
		conn_reset(conn, TCP_CAUSE_ABORTED);
		conn_free(conn);
		return true;
	}
	return false;
}

bool conn_has_place(struct tcp_stack *stack)
{
	return likely(stack->conn_pool.free != NULL) || reclaim(stack);
}

struct tcp_conn *conn_create(struct tcp_stack *stack, const struct endpoints *at,
                             const struct tcp_options *options)
{
	struct tcp_conn *conn = conn_has_place(stack) ? pool_get(&stack->conn_pool) : NULL;

	if (conn == NULL)
		return NULL;
	memset(&conn->state, 0, offsetof(struct tcp_conn, cc) - offsetof(struct tcp_conn, state));
	conn->stack = stack;
	if (stack->busies != NULL)
		stack->busies[conn - stack->conn_memory] = (struct busy){.with = BUSY_NOT};
	conn->act = (struct active *)&active_none;
	conn->at = *at;
	conn->options = *options;
	conn->timer.kind = TIMER_CONN;
	conn->rto_us = stack->config.rto_initial_ms * 1000;
	conn->reordering = reordering_usual(conn->stack);
	conn->rack_steps = 1;
	conn->cwnd = stack->config.initial_window;
	conn->ssthresh = SSTHRESH_NONE;
	conn->mss = MSS_DEFAULT;
	conn->rcv_mss = MSS_DEFAULT;
	conn->header_size = H_SIZE;
	conn->sent_told = 1;
	conn->last_received_ms = conn->last_sent_ms = conn->last_ack_ms = stack->ms;
	return conn;
}

/* ---- Opening ---- */

static int prepare(struct tcp_stack *stack, struct endpoints *at, uint32_t *mtu)
{
	if (at->remote_port == 0 ||
	    !(udp_ip_is_source(&at->remote) || udp_ip_is_loopback(&at->remote)) ||
	    (at->local.family != 0 && at->local.family != at->remote.family))
		return -TCP_EINVAL;
	*mtu = stack->ops.path(stack->context, &at->remote, &at->local);
	if (*mtu < IP6_SIZE + H_SIZE + MSS_MIN || at->local.family != at->remote.family)
		return -TCP_EUNREACHABLE;
	if (at->local_port == 0)
		return lookup_port(stack, at);
	return lookup_taken(stack, at) ? -TCP_EINUSE : 0;
}

/* A connection that went before may still be in TIME-WAIT: ours begins behind it (RFC 6191). */
static uint32_t choose_iss(struct tcp_stack *stack, const struct endpoints *at)
{
	struct timewait *old = lookup_timewait(stack, at, lookup_hash(stack, at));
	uint32_t iss;

	if (old == NULL)
		return isn_choose(stack, at);
	iss = old->snd_nxt + 65535 + 2;
	stack->count.time_wait_recycled++;
	timewait_remove(stack, old);
	return iss;
}

static void begin_active(struct tcp_conn *conn, uint32_t mtu)
{
	struct tcp_stack *stack = conn->stack;
	uint32_t headers = (conn->at.remote.family == 6 ? IP6_SIZE : IP4_SIZE) + H_SIZE;
	uint32_t mss = min_u32(mtu, 65535) - headers;

	if (conn->options.max_segment != 0)
		mss = min_u32(mss, conn->options.max_segment);
	conn->path_mtu = (uint16_t)min_u32(mtu, 65535);
	conn->advertised_mss = (uint16_t)mss;
	conn->snd_mss_max = (uint16_t)mss;
	conn->iss = choose_iss(stack, &conn->at);
	conn->snd_una = conn->iss;
	conn->snd_nxt = conn->snd_end = conn->snd_small = conn->iss + 1;
	conn->high_seq = conn->iss;
	conn->ts_offset = timestamp_offset(stack, &conn->at);
	conn->timestamps = stack->config.timestamps;
	conn->sack = stack->config.sack;
	conn->scaling = stack->config.window_scaling;
	window_initial(stack, &conn->options, mss, &conn->rcv_wnd, &conn->rcv_scale);
	conn->syn_us = stack->us;
	conn->interactive = conn->options.quick_ack == TCP_ACK_WITH_ANSWERS;
	conn->options.quick_ack = TCP_ACK_AS_IT_IS;
	conn->state = TCP_STATE_SYN_SENT;
}

int tcp_connect(struct tcp_stack *stack, const struct udp_endpoint *local,
                const struct udp_endpoint *remote, const struct tcp_options *options,
                tcp_event_fn *event, void *context, struct tcp_conn **out)
{
	uint32_t none;

	return tcp_connect_data(stack, local, remote, options, event, context, NULL, 0, &none, out);
}

int tcp_connect_data(struct tcp_stack *stack, const struct udp_endpoint *local,
                     const struct udp_endpoint *remote, const struct tcp_options *options,
                     tcp_event_fn *event, void *context, const void *data, uint32_t size,
                     uint32_t *taken, struct tcp_conn **out)
{
	struct tcp_options chosen = options != NULL ? *options : tcp_options_default(stack);
	struct endpoints at = {.remote = remote->ip, .remote_port = remote->port};
	struct tcp_conn *conn;
	uint32_t mtu;
	int result;

	*taken = 0;
	if (!options_valid(&chosen))
		return -TCP_EINVAL;
	if (local != NULL) {
		at.local = local->ip;
		at.local_port = local->port;
	}
	if (at.local.family != 0 && udp_ip_is_unspecified(&at.local))
		at.local = udp_ip_none();
	result = prepare(stack, &at, &mtu);
	if (result != 0)
		return result;
	conn = conn_create(stack, &at, &chosen);
	if (conn == NULL)
		return -TCP_ENOSPC;
	conn->owned = 1;
	conn->event = event;
	conn->context = context;
	begin_active(conn, mtu);
	lookup_insert(conn, lookup_hash(stack, &conn->at));
	if (unlikely(chosen.fast_open != 0))
		fastopen_begin(conn, data, size, taken);
	transmit_syn(conn);
	rtx_set(conn, RTX_TIMEOUT, stack->now + (uint64_t)conn->rto_us * NS_PER_US);
	*out = conn;
	return 0;
}

/* ---- Closing ---- */

int tcp_shutdown(struct tcp_conn *conn)
{
	if (conn->state == TCP_STATE_CLOSED)
		return -TCP_ENOTCONN;
	if (conn->fin_queued)
		return 0;
	conn->fin_queued = 1;
	conn->want_space = 0;
	if (conn->state == TCP_STATE_ESTABLISHED)
		conn->state = TCP_STATE_FIN_WAIT_1;
	else if (conn->state == TCP_STATE_CLOSE_WAIT)
		conn->state = TCP_STATE_LAST_ACK;
	conn_kick(conn);
	return 0;
}

void tcp_refuse(struct tcp_conn *conn)
{
	conn->refuses = 1;
}

void tcp_shutdown_read(struct tcp_conn *conn)
{
	conn->read_shut = 1;
	while (conn->unread != NULL) {
		struct arrival *first = conn->unread;

		conn->unread = first->next;
		receive_free(conn->stack, first);
	}
	conn->unread_last = NULL;
	conn->rcv_read = conn->rcv_nxt - conn->fin_received;
}

static void let_go(struct tcp_conn *conn)
{
	conn->owned = 0;
	conn->event = NULL;
	conn->context = NULL;
	conn->want_space = 0;
}

bool conn_orphan(struct tcp_conn *conn)
{
	uint32_t wait = conn->options.fin_wait_s;

	if (wait == TCP_FIN_WAIT_NOT) {
		conn_reset(conn, TCP_CAUSE_ABORTED);
		return false;
	}
	conn->keep_at = conn->stack->now +
	                (wait != 0 ? wait * NS_PER_S : conn->stack->config.fin_wait_ms * NS_PER_MS);
	timer_update(conn);
	return true;
}

void tcp_close(struct tcp_conn *conn)
{
	bool busy = conn->busy, lost = tcp_unread(conn) > 0;

	conn->busy = 1;
	let_go(conn);
	if (conn->state == TCP_STATE_SYN_SENT) {
		conn_end(conn, TCP_CAUSE_ABORTED);
	} else if (lost && conn->state != TCP_STATE_CLOSED) {
		conn->stack->count.aborted_data++;
		conn_reset(conn, TCP_CAUSE_ABORTED);
	} else {
		(void)tcp_shutdown(conn);
		conn->keep_at = 0;
		if (conn->state == TCP_STATE_FIN_WAIT_2)
			(void)conn_orphan(conn);
	}
	if (!busy)
		conn_leave(conn);
}

void tcp_abort(struct tcp_conn *conn)
{
	bool busy = conn->busy;

	conn->busy = 1;
	let_go(conn);
	conn_reset(conn, TCP_CAUSE_ABORTED);
	if (!busy)
		conn_leave(conn);
}

/* ---- Options ---- */

void tcp_conn_get_options(const struct tcp_conn *conn, struct tcp_options *options)
{
	*options = conn->options;
}

static void resize_receive(struct tcp_conn *conn, uint32_t size)
{
	uint32_t used = 2 * (tcp_unread(conn) + conn->act->held + offered_window(conn));

	conn->rcv_buffer = max_u32(size, used);
	conn->window_clamp = conn->rcv_buffer / 2;
	if (conn->options.window_clamp != 0)
		conn->window_clamp = min_u32(conn->window_clamp, conn->options.window_clamp);
	conn->rcv_ssthresh = min_u32(conn->rcv_ssthresh, conn->window_clamp);
}

int tcp_conn_set_options(struct tcp_conn *conn, const struct tcp_options *options)
{
	struct tcp_options old = conn->options;

	if (!options_valid(options))
		return -TCP_EINVAL;
	conn->options = *options;
	conn->options.max_segment = old.max_segment;
	if (options->congestion != old.congestion)
		congestion_init(conn);
	if (is_synchronised(conn) && (options->receive_buffer != old.receive_buffer ||
	                              options->window_clamp != old.window_clamp))
		resize_receive(conn, options->receive_buffer != 0 ? options->receive_buffer
		                                                  : conn->rcv_buffer);
	if (options->keepalive != old.keepalive)
		keepalive_arm(conn, 0);
	else if (options->keepalive_idle != old.keepalive_idle)
		keepalive_arm(conn, keepalive_gone_ms(conn));
	if (options->quick_ack != TCP_ACK_AS_IT_IS)
		delay_choose(conn, options->quick_ack == TCP_ACK_WITH_ANSWERS);
	conn->options.quick_ack = TCP_ACK_AS_IT_IS;
	/* What was held back may leave now. */
	if (options->release || (options->no_delay && !old.no_delay) ||
	    (old.cork && !options->cork) || conn->ack_now)
		conn_kick(conn);
	return 0;
}
