/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to acknowledge (RFC 9293, 3.8.6.3; RFC 5681, 4.2), as Linux does: at once at the beginning
 * of a connection and after idle time (the peer is in slow start), for each second full segment,
 * out of order, and where the window opens; else after 40 ms, adapted to the pace at which data
 * comes.
 */
#include "internal.h"

void delay_quick(struct tcp_conn *conn, uint32_t max)
{
	uint32_t n = conn->rcv_wnd / (2u * max_u32(conn->rcv_mss, 1));

	if (n == 0)
		n = 2;
	n = min_u32(n, max);
	if (n > conn->quick)
		conn->quick = (uint8_t)n;
}

void delay_enter_quick(struct tcp_conn *conn, uint32_t max)
{
	delay_quick(conn, max);
	conn->interactive = 0;
	conn->ato_us = ATO_MIN_US;
}

/* What the peer's segments are like; SACK blocks and small ends of writes must not deceive. */
static void measure_mss(struct tcp_conn *conn, const struct segment *segment)
{
	uint32_t last = conn->last_segment, size = segment->size;

	conn->last_segment = 0;
	if (size >= conn->rcv_mss) {
		conn->rcv_mss = (uint16_t)min_u32(size, receive_most(conn));
		if (segment->flags & F_PSH)
			conn->pushed = 1;
		return;
	}
	size += segment->header_size;
	if (size >= MSS_DEFAULT + H_SIZE ||
	    (size >= MSS_SMALL + H_SIZE && !(segment->flags & (F_PSH | F_URG | F_FIN)))) {
		size -= conn->header_size;
		conn->last_segment = (uint16_t)size;
		if (size == last) {
			conn->rcv_mss = (uint16_t)size;
			return;
		}
	}
	if (conn->pushed)
		conn->pushed2 = 1;
	conn->pushed = 1;
}

static void adapt(struct tcp_conn *conn, uint32_t gap_us)
{
	if (gap_us <= ATO_MIN_US / 2)
		conn->ato_us = conn->ato_us / 2 + ATO_MIN_US / 2;
	else if (gap_us < conn->ato_us)
		conn->ato_us = min_u32(conn->ato_us / 2 + gap_us, conn->rto_us);
	else if (gap_us > conn->rto_us)
		delay_quick(conn, QUICK_ACKS_MAX); /* idle: the peer starts slowly again */
}

/* RFC 3168, 6.1.3: told again and again, until the sender says that it has reacted. */
static void check_marks(struct tcp_conn *conn, const struct segment *segment)
{
	if ((segment->arrival->tos & ECN_MASK) != ECN_CE)
		return;
	conn->stack->count.ecn_marks_in++;
	conn->ecn_seen = 1;
	if (conn->echo_ce)
		return;
	conn->echo_ce = 1;
	delay_enter_quick(conn, 2);
}

void delay_received(struct tcp_conn *conn, const struct segment *segment)
{
	struct tcp_stack *stack = conn->stack;
	uint64_t gap = (uint64_t)(stack->ms - conn->last_received_ms) * 1000;

	conn->ack_pending = 1;
	measure_mss(conn, segment);
	window_measure_rtt(conn, segment);
	if (conn->ato_us == 0) {
		delay_quick(conn, QUICK_ACKS_MAX);
		conn->ato_us = ATO_MIN_US;
	} else {
		adapt(conn, (uint32_t)min_u64(gap, UINT32_MAX));
	}
	conn->last_received_ms = stack->ms;
	if (conn->ecn)
		check_marks(conn, segment);
	if (segment->size >= 128)
		window_grow(conn, segment->size);
}

void delay_early(struct tcp_conn *conn, const struct segment *segment)
{
	conn->ack_pending = conn->ack_now = 1;
	if (unlikely(conn->stack->busies != NULL))
		busy_of(conn)->early_seen++;
	measure_mss(conn, segment);
	if (conn->ecn)
		check_marks(conn, segment);
}

static void start_timer(struct tcp_conn *conn)
{
	uint32_t wait = conn->ato_us != 0 ? conn->ato_us : ATO_NONE_US, most = 500000;
	uint64_t at;

	if (wait > ATO_MIN_US) {
		if (conn->interactive || conn->pushed)
			most = ATO_MAX_US;
		if (conn->rtt_seen)
			most = min_u32(most, max_u32(conn->srtt_8 >> 3, ATO_MIN_US));
		wait = min_u32(wait, most);
	}
	at = conn->stack->now + (uint64_t)min_u32(wait, ATO_MAX_US) * NS_PER_US;
	if (conn->ack_at != 0 && conn->ack_at <= at)
		return;
	conn->ack_at = at;
	timer_update(conn);
}

/* The acknowledgement of SYN/ACK may leave with what the application is about to say. */
void delay_opening(struct tcp_conn *conn)
{
	delay_enter_quick(conn, QUICK_ACKS_MAX);
	conn->ack_at = conn->stack->now + (uint64_t)ATO_MAX_US * NS_PER_US;
	timer_update(conn);
}

/* It has come just now. */
static bool opening(const struct tcp_conn *conn)
{
	return conn->ack_at == conn->stack->now + (uint64_t)ATO_MAX_US * NS_PER_US &&
	       !conn->ack_now && !conn->passive && conn->rcv_nxt == conn->irs + 1;
}

void delay_check(struct tcp_conn *conn)
{
	bool open;

	if (!conn->ack_pending || opening(conn))
		return;
	if (conn->ack_now || conn->act->early != NULL || (conn->quick > 0 && !conn->interactive)) {
		transmit_ack(conn);
		return;
	}
	/* More than a segment came, and the window moves along (or nothing is left to be read; what
	   the application reads later opens it, and tells then). */
	open = conn->rcv_nxt - conn->rcv_read <= 1 || window_next(conn) >= conn->rcv_wnd;
	if (conn->rcv_nxt - conn->rcv_wup > conn->rcv_mss && open)
		transmit_ack(conn);
	else
		start_timer(conn);
}

void delay_sent(struct tcp_conn *conn)
{
	/* What tells of nothing new does not count. */
	if (conn->ack_pending && conn->quick > 0 && --conn->quick == 0)
		conn->ato_us = ATO_MIN_US;
	conn->ack_pending = conn->ack_now = conn->pushed = conn->pushed2 = 0;
	conn->ack_at = 0;
}

void delay_timer(struct tcp_conn *conn)
{
	conn->ack_at = 0;
	if (!conn->ack_pending || !is_synchronised(conn))
		return;
	if (conn->interactive) {
		conn->interactive = 0;
		conn->ato_us = ATO_MIN_US;
	} else {
		conn->ato_us = min_u32(conn->ato_us * 2, conn->rto_us);
	}
	transmit_ack(conn);
}

void delay_read(struct tcp_conn *conn, uint32_t bytes)
{
	uint32_t left = offered_window(conn), next;
	bool now = false;

	if (!is_synchronised(conn) || bytes == 0)
		return;
	if (conn->ack_pending)
		now = conn->rcv_nxt - conn->rcv_wup > conn->rcv_mss ||
		      ((conn->pushed2 || (conn->pushed && !conn->interactive)) &&
		       conn->unread == NULL);
	if (!now && !conn->fin_received && 2 * left <= conn->window_clamp) {
		next = window_next(conn);
		now = next != 0 && next >= 2 * left;
	}
	if (!now)
		return;
	conn->ack_pending = conn->ack_now = 1;
	conn_kick(conn);
}

void delay_choose(struct tcp_conn *conn, bool interactive)
{
	conn->interactive = interactive;
	if (interactive || !conn->ack_pending)
		return;
	conn->pushed = 1;
	delay_read(conn, 1);
}
