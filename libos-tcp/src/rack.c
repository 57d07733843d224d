/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RACK and tail loss probes (RFC 8985): a segment is lost when one that left sufficiently later has
 * arrived. "Sufficiently" is a reordering window: none until reordering was seen (then loss is
 * evident from three segments on, as ever), a quarter of the shortest round trip after, more where
 * duplicates tell that it was too short.
 */
#include "internal.h"

enum { PERSIST = 16, TIMER_SLACK_US = 2000 };

static bool sent_after(uint32_t a_us, uint32_t a_end, uint32_t b_us, uint32_t b_end)
{
	return (int32_t)(a_us - b_us) > 0 || (a_us == b_us && seq_gt(a_end, b_end));
}

void rack_advance(struct tcp_conn *conn, const struct record *record, uint32_t now_us)
{
	uint32_t rtt = now_us - record->sent_us;

	/* A copy that seems to have arrived faster than anything can: it was the original. */
	if ((record->flags & R_EVER) && conn->rtt_seen && rtt < conn->min_rtt_us)
		return;
	conn->act->rack_rtt_us = rtt;
	if (sent_after(record->sent_us, record->end, conn->act->rack_us, conn->act->rack_end)) {
		conn->act->rack_us = record->sent_us;
		conn->act->rack_end = record->end;
	}
	conn->rack_advanced = 1;
}

uint32_t rack_reorder_window(const struct tcp_conn *conn)
{
	uint32_t window;

	if (!conn->rack_reordered) {
		if (conn->recovery >= TCP_RECOVERY_RECOVERY)
			return 0;
		if (conn->act->sacked_out >= conn->reordering)
			return 0;
	}
	window = (conn->rtt_seen ? conn->min_rtt_us >> 2 : 0) * max_u32(conn->rack_steps, 1);
	return min_u32(window, conn->srtt_8 >> 3);
}

int32_t rack_remaining(const struct tcp_conn *conn, const struct record *record, uint32_t window)
{
	return (int32_t)(conn->act->rack_rtt_us + window - (conn->stack->us - record->sent_us));
}

/* RFC 8985, 6.2, steps 4 and 5. → microseconds until the next may count as lost; 0: none. */
static uint32_t mark(struct tcp_conn *conn)
{
	uint32_t window = rack_reorder_window(conn), wait = 0;
	struct record *record, *next;

	for (record = conn->act->oldest; record != NULL; record = next) {
		int32_t remaining;

		next = record->newer;
		if ((record->flags & R_LOST) && !(record->flags & R_RETRANS))
			continue;
		if (!sent_after(conn->act->rack_us, conn->act->rack_end, record->sent_us,
		                record->end))
			break;
		remaining = rack_remaining(conn, record, window);
		if (remaining <= 0) {
			record_mark_lost(conn, record);
			record_time_remove(conn, record);
		} else {
			wait = max_u32(wait, (uint32_t)remaining);
		}
	}
	return wait;
}

bool rack_detect(struct tcp_conn *conn)
{
	uint32_t wait;

	if (!conn->rack_advanced)
		return false;
	conn->rack_advanced = 0;
	wait = mark(conn);
	if (wait == 0)
		return false;
	rtx_set(conn, RTX_REORDER,
	        conn->stack->now + (uint64_t)(wait + TIMER_SLACK_US) * NS_PER_US);
	return true;
}

void rack_timer(struct tcp_conn *conn)
{
	uint32_t before = in_flight(conn), wait = mark(conn);

	/* The timeout still counts from the first segment. */
	conn->rtx = RTX_REORDER;
	if (in_flight(conn) != before) {
		if (conn->recovery != TCP_RECOVERY_RECOVERY &&
		    conn->recovery != TCP_RECOVERY_LOSS) {
			recovery_enter(conn, false);
			if (congestion_of(conn)->control == NULL)
				recovery_reduce(conn, 1, 0, 0);
		}
		retransmit_lost(conn);
	}
	if (wait != 0) {
		rtx_set(conn, RTX_REORDER,
		        conn->stack->now + (uint64_t)(wait + TIMER_SLACK_US) * NS_PER_US);
		return;
	}
	if (conn->rtx != RTX_TIMEOUT)
		rtx_arm(conn);
}

/* RFC 8985, 6.2, step 4: the window grows with each round trip that shows a duplicate, and falls
 * back after 16 recoveries without one. */
void rack_update_window(struct tcp_conn *conn, const struct ack *ack)
{
	if (!ack->sample.has_prior)
		return;
	if (seq_lt(ack->sample.prior_delivered, conn->act->rack_dsack_round))
		conn->dsack_seen = 0;
	if (conn->dsack_seen) {
		if (conn->rack_steps < 255)
			conn->rack_steps = (uint8_t)(max_u32(conn->rack_steps, 1) + 1);
		conn->dsack_seen = 0;
		conn->act->rack_dsack_round = conn->delivered;
		conn->rack_persist = PERSIST;
	} else if (conn->rack_persist == 0) {
		conn->rack_steps = 1;
	}
}

/* ---- Tail loss probes (RFC 8985, 7) ---- */

bool tlp_arm(struct tcp_conn *conn, bool advancing)
{
	uint64_t wait, timeout_at;

	if (!conn->sack || conn->stack->config.no_tail_probes || conn->packets_out == 0 ||
	    (conn->recovery != TCP_RECOVERY_OPEN && conn->recovery != TCP_RECOVERY_CWR) ||
	    conn->act->sacked_out > 0 || !is_synchronised(conn))
		return false;
	if (conn->rtt_seen) {
		wait = conn->srtt_8 >> 2;
		wait += conn->packets_out == 1 ? rto_min_us(conn->stack) : TIMER_SLACK_US;
	} else {
		wait = conn->stack->config.rto_initial_ms * 1000ull;
	}
	wait *= NS_PER_US;
	/* Never later than the timeout itself would come, which counts from now or from the first
	 * segment. */
	timeout_at = (uint64_t)conn->rto_us * NS_PER_US;
	if (!advancing)
		timeout_at -= min_u64(timeout_at,
		                      (uint64_t)(conn->stack->us - conn->act->records->sent_us) *
		                              NS_PER_US);
	if (timeout_at == 0)
		timeout_at = wait;
	rtx_set(conn, RTX_PROBE, conn->stack->now + min_u64(wait, timeout_at));
	return true;
}

/* The last segment again. */
static bool probe_last(struct tcp_conn *conn)
{
	struct record *last = conn->act->records_last;
	uint32_t size = last->end - last->seq - !!(last->flags & R_FIN), rest;

	if (last->flags & R_RETRANS)
		return false;
	if (size > conn->mss) {
		rest = size % conn->mss != 0 ? size % conn->mss : conn->mss;
		if (!record_split(conn, last, size - rest))
			return false;
		last = conn->act->records_last;
	}
	return retransmit_probe(conn, last);
}

void tlp_timer(struct tcp_conn *conn)
{
	bool sent = false;

	/* One probe at a time; the timeout still counts from the first segment. */
	if (conn->packets_out == 0 || conn->act->tlp_high != 0) {
		conn->rtx = RTX_PROBE;
		rtx_arm(conn);
		return;
	}
	conn->tlp_retrans = 0;
	if (has_unsent(conn))
		sent = output_probe_new(conn);
	if (!sent) {
		sent = probe_last(conn);
		conn->tlp_retrans = 1;
	}
	if (sent) {
		conn->act->tlp_high = conn->snd_nxt != 0 ? conn->snd_nxt : 1;
		conn->stack->count.probes_tail++;
	}
	/* The timeout counts from the probe on; where none could leave, from the first segment. */
	conn->rtx = sent ? RTX_NONE : RTX_PROBE;
	rtx_arm(conn);
}

void tlp_ack(struct tcp_conn *conn, uint32_t acked, struct ack *ack)
{
	if (seq_lt(acked, conn->act->tlp_high))
		return;
	/* New data was the probe; or the original and the probe arrived, as a duplicate tells. */
	if (!conn->tlp_retrans || (ack->flags & A_DSACK) ||
	    (acked == conn->act->tlp_high && !(ack->flags & (A_ADVANCED | A_NOT_DUP | A_SACKED)))) {
		conn->act->tlp_high = 0;
	} else if (seq_gt(acked, conn->act->tlp_high)) {
		/* The probe repaired a loss, which asks for less than was sent (RFC 8985, 7.4.2).
		 */
		conn->act->tlp_high = 0;
		recovery_init_reduction(conn);
		recovery_set_state(conn, TCP_RECOVERY_CWR);
		recovery_end_reduction(conn);
		recovery_keep_open(conn);
	}
}
