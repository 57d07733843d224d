/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens when time passes. A connection has one place in the wheel for all its deadlines; it
 * only ever moves to an earlier one. A deadline that was put off meanwhile is found out when the
 * place comes up: moving it for each acknowledgement would cost more.
 *
 *     rtx_at    retransmission timeout, tail loss probe, reordering window, or window probe
 *     ack_at    delayed acknowledgement
 *     keep_at   keep-alive; after tcp_close: the end of FIN-WAIT-2
 *     pace_at   the next segment's turn
 */
#include "internal.h"

#define RENEGE_NS (10 * NS_PER_MS) /* at least, before data is taken for thrown away */

enum {
	BLACK_HOLE_TIMEOUTS = 4,
	BLACK_HOLE_MSS = 1024,
	PROBE_RETRIES = 15,
	DOUBT_AFTER = 3, /* silences, as of many a TCP (RFC 1122, 4.2.3.5: R1) */
};

static uint64_t earliest(const struct tcp_conn *conn)
{
	uint64_t at = UINT64_MAX;

	if (conn->rtx_at != 0)
		at = conn->rtx_at;
	if (conn->ack_at != 0)
		at = min_u64(at, conn->ack_at);
	if (conn->keep_at != 0)
		at = min_u64(at, conn->keep_at);
	if (conn->pace_at > conn->stack->now && (has_unsent(conn) || conn->act->lost_out > 0))
		at = min_u64(at, conn->pace_at);
	return at;
}

void timer_update(struct tcp_conn *conn)
{
	uint64_t at = earliest(conn);

	if (at == UINT64_MAX || conn->dead)
		return;
	if (conn->timer.link == NULL || at < conn->timer.expires)
		wheel_add(&conn->stack->wheel, &conn->timer, at);
}

/* How long `retries` doublings of the least timeout take: what Linux makes of a number. */
static uint64_t patience_ms(const struct tcp_config *config, uint32_t retries)
{
	uint64_t wait = config->rto_min_ms, sum = 0;

	for (uint32_t i = 0; i <= retries; i++) {
		sum += wait;
		wait = min_u64(wait * 2, config->rto_max_ms);
	}
	return sum;
}

static bool gave_up(struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->stack->config;
	uint64_t gone;

	if (conn->retransmits == 0)
		return false;
	gone = since_ms(conn->stack, conn->stuck_ms) + 1;
	if (conn->options.user_timeout_ms != 0) {
		if (gone < conn->options.user_timeout_ms)
			return false;
		conn->stack->count.user_timeouts++;
		return true;
	}
	return gone >= patience_ms(config, conn->owned ? config->retries : config->orphan_retries);
}

/* Nothing full-sized has come through for long: perhaps nothing full-sized can, and nobody tells
 * (RFC 2923, 2.1; RFC 8899, 3, in the simplest form). */
static void check_black_hole(struct tcp_conn *conn)
{
	if (!conn->stack->config.black_holes || conn->retransmits < BLACK_HOLE_TIMEOUTS ||
	    conn->mss <= MSS_DEFAULT)
		return;
	conn->mss = conn->mss > BLACK_HOLE_MSS ? BLACK_HOLE_MSS : MSS_DEFAULT;
	conn->stack->count.mtu_black_holes++;
	for (struct record *record = conn->act->records; record != NULL; record = record->next)
		record_recount(conn, record);
}

static uint64_t backed_off(struct tcp_conn *conn)
{
	uint64_t wait = (uint64_t)conn->rto_us * NS_PER_US, gone;
	uint32_t limit = conn->options.user_timeout_ms;

	if (limit == 0 || conn->retransmits == 0)
		return wait;
	gone = since_ms(conn->stack, conn->stuck_ms);
	return gone >= limit ? NS_PER_MS : min_u64(wait, (limit - gone) * NS_PER_MS);
}

void rtx_renege(struct tcp_conn *conn)
{
	uint64_t wait = max_u64((uint64_t)(conn->srtt_8 >> 4) * NS_PER_US, RENEGE_NS);

	rtx_set(conn, RTX_TIMEOUT, conn->stack->now + wait);
}

static void double_rto(struct tcp_conn *conn)
{
	conn->rto_us = min_u32(conn->rto_us * 2, conn->stack->config.rto_max_ms * 1000);
	if (conn->backoff < 255)
		conn->backoff++;
}

static void syn_timeout(struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->stack->config;
	uint32_t most = is_fast_open(conn)               ? config->synack_retries
	                : conn->options.syn_retries != 0 ? conn->options.syn_retries
	                                                 : config->syn_retries;

	if (conn->retransmits >= most || gave_up(conn)) {
		conn->stack->count.open_failed++;
		conn_end(conn, TCP_CAUSE_TIMEOUT);
		return;
	}
	/* Patience begins with the first SYN. */
	if (conn->retransmits == 0)
		conn->stuck_ms = (conn->stack->ms - (conn->stack->us - conn->syn_us) / 1000) | 1;
	conn->retransmits++;
	conn->total_retrans++;
	conn->stack->count.retransmits++;
	transmit_syn(conn);
	if (is_fast_open(conn) || conn->retransmits > config->syn_linear)
		double_rto(conn);
	rtx_set(conn, RTX_TIMEOUT, conn->stack->now + backed_off(conn));
}

/* Who has been silent for so long may be behind another neighbour by now, of which only he could
 * tell (RFC 1122, 3.3.1.4). */
static void doubt_route(struct tcp_conn *conn, unsigned silences)
{
	const struct tcp_stack *stack = conn->stack;

	if (silences >= DOUBT_AFTER && stack->ops.reroute != NULL)
		conn->route = stack->ops.reroute(stack->context, &conn->at.remote, &conn->at.local,
		                                 conn->route);
}

static void timeout(struct tcp_conn *conn)
{
	if (!is_synchronised(conn)) {
		syn_timeout(conn);
		return;
	}
	if (conn->packets_out == 0)
		return;
	if (gave_up(conn)) {
		conn_end(conn, TCP_CAUSE_TIMEOUT);
		return;
	}
	conn->stack->count.timeouts++;
	check_black_hole(conn);
	recovery_enter_loss(conn);
	if (conn->retransmits == 0)
		conn->stuck_ms = conn->stack->ms | 1;
	if (conn->retransmits < 255)
		conn->retransmits++;
	doubt_route(conn, conn->retransmits);
	(void)retransmit_record(conn, conn->act->records);
	/* Patience begins with what was first sent again. */
	if (conn->retrans_ms != 0)
		conn->stuck_ms = conn->retrans_ms;
	double_rto(conn);
	rtx_set(conn, RTX_TIMEOUT, conn->stack->now + backed_off(conn));
}

/* What is left of the user's timeout since the first probe of a shut window, in ns. */
static uint64_t window_probe_patience(const struct tcp_conn *conn)
{
	uint32_t limit = conn->options.user_timeout_ms, gone;

	if (limit == 0 || conn->backoff == 0)
		return UINT64_MAX;
	gone = since_ms(conn->stack, conn->stuck_ms);
	return gone < limit ? (limit - gone) * NS_PER_MS : 0;
}

static uint64_t window_probe_wait(const struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->stack->config;
	uint64_t base = max_u64(conn->rto_us, rto_min_us(conn->stack));
	unsigned shift = conn->backoff < 20 ? conn->backoff : 20;

	return min_u64(min_u64(base << shift, config->rto_max_ms * 1000ull) * NS_PER_US,
	               window_probe_patience(conn));
}

void persist_check(struct tcp_conn *conn)
{
	if (conn->packets_out > 0 || conn->rtx != RTX_NONE || !has_unsent(conn) ||
	    !may_transmit(conn) || conn->pace_at > conn->stack->now)
		return;
	rtx_set(conn, RTX_WINDOW, conn->stack->now + window_probe_wait(conn));
}

/* RFC 9293, 3.8.6.1. */
static void window_probe(struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->stack->config;
	uint32_t most = conn->owned ? config->retries : config->orphan_retries;

	if (conn->packets_out > 0 || !has_unsent(conn)) {
		conn->probes = 0;
		return;
	}
	if (conn->probes >= most || window_probe_patience(conn) == 0) {
		conn->stack->count.user_timeouts += conn->probes < most;
		conn_end(conn, TCP_CAUSE_TIMEOUT);
		return;
	}
	if (conn->backoff == 0)
		conn->stuck_ms = conn->stack->ms | 1;
	conn->stack->count.probes_window++;
	doubt_route(conn, conn->probes);
	if (!output_wake(conn))
		transmit_probe(conn);
	if (conn->packets_out > 0) {
		conn->probes = conn->backoff = 0;
		return;
	}
	conn->probes++;
	if (conn->backoff < PROBE_RETRIES)
		conn->backoff++;
	rtx_set(conn, RTX_WINDOW, conn->stack->now + window_probe_wait(conn));
}

static void rtx_due(struct tcp_conn *conn)
{
	enum retransmit_timer kind = conn->rtx;

	rtx_stop(conn);
	switch (kind) {
	case RTX_TIMEOUT:
		timeout(conn);
		break;
	case RTX_PROBE:
		tlp_timer(conn);
		break;
	case RTX_REORDER:
		rack_timer(conn);
		break;
	case RTX_WINDOW:
		window_probe(conn);
		break;
	default:
		break;
	}
}

void keepalive_arm(struct tcp_conn *conn, uint64_t gone_ms)
{
	uint64_t idle = conn->options.keepalive_idle * 1000ull;

	if (!conn->options.keepalive || !is_synchronised(conn)) {
		if (conn->owned)
			conn->keep_at = 0;
		return;
	}
	conn->keep_at = conn->stack->now + (idle - min_u64(gone_ms, idle)) * NS_PER_MS;
	timer_update(conn);
}

uint64_t keepalive_gone_ms(const struct tcp_conn *conn)
{
	uint32_t ms = conn->stack->ms;

	return min_u32(ms - conn->last_received_ms, ms - conn->last_ack_ms);
}

/* RFC 9293, 3.8.4. */
static void keepalive(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;
	uint64_t idle = conn->options.keepalive_idle * 1000ull;
	uint64_t gone = keepalive_gone_ms(conn);
	uint64_t wait = idle;
	bool late;

	if (conn->packets_out == 0 && !has_unsent(conn)) {
		late = conn->options.user_timeout_ms != 0
		               ? gone >= conn->options.user_timeout_ms && conn->probes > 0
		               : conn->probes >= conn->options.keepalive_count;
		if (gone < idle) {
			wait = idle - gone;
		} else if (late) {
			conn_reset(conn, TCP_CAUSE_TIMEOUT);
			return;
		} else {
			conn->probes++;
			stack->count.probes_keepalive++;
			doubt_route(conn, conn->probes);
			transmit_probe(conn);
			wait = conn->options.keepalive_interval * 1000ull;
		}
	}
	conn->keep_at = stack->now + max_u64(wait, 1) * NS_PER_MS;
}

static void keep_due(struct tcp_conn *conn)
{
	conn->keep_at = 0;
	if (conn->state == TCP_STATE_FIN_WAIT_2 && !conn->owned)
		conn_end(conn, TCP_CAUSE_TIMEOUT);
	else if (conn->options.keepalive)
		keepalive(conn);
}

void timer_fire(struct tcp_conn *conn)
{
	uint64_t now = conn->stack->now;
	bool due = conn->rtx_at != 0 && conn->rtx_at <= now;

	if (unlikely(conn->edged) && (due || edge_has_news(conn)) && !edge_settle(conn))
		return;
	conn_enter(conn);
	if (conn->ack_at != 0 && conn->ack_at <= now)
		delay_timer(conn);
	if (conn->rtx_at != 0 && conn->rtx_at <= now)
		rtx_due(conn);
	if (conn->keep_at != 0 && conn->keep_at <= now && conn->state != TCP_STATE_CLOSED)
		keep_due(conn);
	if (conn->pace_at != 0 && conn->pace_at <= now && may_transmit(conn)) {
		if (conn->act->lost_out > conn->act->retrans_out)
			retransmit_lost(conn);
		conn->push = 1;
	}
	conn_leave(conn);
}
