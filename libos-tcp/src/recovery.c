/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sender's state machine, in Linux's terms:
 *
 *     Open       nothing is strange
 *     Disorder   duplicates or SACK blocks came, nothing is known to be lost
 *     CWR        the window shrinks without loss: ECN, a tail loss probe that repaired something
 *     Recovery   fast recovery: RACK (or three duplicates, RFC 6675; RFC 6582 without SACK) found
 *                loss; the window shrinks by PRR (RFC 6937)
 *     Loss       a retransmission timeout; F-RTO (RFC 5682) asks whether it was a mistake
 */
#include "internal.h"

bool any_retransmitted(const struct tcp_conn *conn)
{
	return conn->act->retrans_out > 0 ||
	       (conn->act->records != NULL && (conn->act->records->flags & R_EVER));
}

void recovery_set_state(struct tcp_conn *conn, uint8_t state)
{
	const struct congestion *congestion = congestion_of(conn);

	if (conn->recovery == TCP_RECOVERY_RECOVERY && state < TCP_RECOVERY_RECOVERY &&
	    conn->rack_persist > 0)
		conn->rack_persist--;
	if (congestion->state != NULL)
		congestion->state(conn, state);
	conn->recovery = state;
}

void recovery_init_reduction(struct tcp_conn *conn)
{
	conn->high_seq = conn->snd_nxt;
	conn->act->tlp_high = 0;
	conn->cwnd_counter = 0;
	conn->act->prior_cwnd = conn->cwnd;
	conn->act->prr_delivered = conn->act->prr_out = 0;
	conn->ssthresh = congestion_of(conn)->ssthresh(conn);
	conn->queue_cwr = conn->ecn;
}

void recovery_reduce(struct tcp_conn *conn, uint32_t delivered, uint32_t lost, uint32_t flags)
{
	uint32_t flying = in_flight(conn);
	int32_t delta = (int32_t)(conn->ssthresh - flying), more;

	if (delivered == 0 || conn->act->prior_cwnd == 0)
		return;
	conn->act->prr_delivered += delivered;
	if (delta < 0) {
		uint64_t dividend = (uint64_t)conn->ssthresh * conn->act->prr_delivered +
		                    conn->act->prior_cwnd - 1;

		more = (int32_t)(dividend / conn->act->prior_cwnd) - (int32_t)conn->act->prr_out;
	} else {
		more = (int32_t)(conn->act->prr_delivered - conn->act->prr_out);
		if (more < (int32_t)delivered)
			more = (int32_t)delivered;
		if ((flags & A_ADVANCED) && lost == 0)
			more++;
		more = more < delta ? more : delta;
	}
	/* At least the first retransmission leaves. */
	if (more < (conn->act->prr_out == 0 ? 1 : 0))
		more = conn->act->prr_out == 0 ? 1 : 0;
	conn->cwnd = max_u32(flying + (uint32_t)more, 1);
}

void recovery_end_reduction(struct tcp_conn *conn)
{
	if (congestion_of(conn)->control != NULL)
		return;
	if (conn->ssthresh < SSTHRESH_NONE &&
	    (conn->recovery == TCP_RECOVERY_CWR || conn->undo_on)) {
		conn->cwnd = max_u32(conn->ssthresh, 1);
		conn->cwnd_ms = conn->stack->ms;
	}
}

void recovery_keep_open(struct tcp_conn *conn)
{
	uint8_t state = TCP_RECOVERY_OPEN;

	if (conn->act->sacked_out + conn->act->lost_out > 0 || any_retransmitted(conn))
		state = TCP_RECOVERY_DISORDER;
	if (conn->recovery != state) {
		recovery_set_state(conn, state);
		conn->high_seq = conn->snd_nxt;
	}
}

void recovery_enter_cwr(struct tcp_conn *conn)
{
	conn->act->prior_ssthresh = 0;
	if (conn->recovery >= TCP_RECOVERY_CWR)
		return;
	conn->undo_on = 0;
	recovery_init_reduction(conn);
	recovery_set_state(conn, TCP_RECOVERY_CWR);
}

static uint32_t current_ssthresh(const struct tcp_conn *conn)
{
	if (conn->recovery == TCP_RECOVERY_CWR || conn->recovery == TCP_RECOVERY_RECOVERY)
		return conn->ssthresh;
	return max_u32(conn->ssthresh, (conn->cwnd >> 1) + (conn->cwnd >> 2));
}

void recovery_enter(struct tcp_conn *conn, bool ece)
{
	conn->stack->count.recoveries++;
	undo_init(conn);
	if (conn->recovery != TCP_RECOVERY_CWR && conn->recovery != TCP_RECOVERY_RECOVERY) {
		if (!ece)
			conn->act->prior_ssthresh = current_ssthresh(conn);
		recovery_init_reduction(conn);
	}
	recovery_set_state(conn, TCP_RECOVERY_RECOVERY);
}

/* ---- Without SACK: duplicates stand for segments that arrived (RFC 6582) ---- */

void recovery_limit_duplicates(struct tcp_conn *conn, uint32_t acked)
{
	uint32_t holes = min_u32(max_u32(conn->act->lost_out, 1), conn->packets_out);

	if (conn->act->sacked_out + holes <= conn->packets_out)
		return;
	conn->act->sacked_out = conn->packets_out - holes;
	conn->reordering = (uint16_t)min_u32(conn->packets_out + acked, REORDERING_MAX);
	conn->rack_reordered = 1;
	conn->reorderings_seen++;
}

static void add_duplicates(struct tcp_conn *conn, uint32_t n)
{
	uint32_t prior = conn->act->sacked_out;

	if (n == 0)
		return;
	conn->act->sacked_out += n;
	recovery_limit_duplicates(conn, 0);
	if (conn->act->sacked_out > prior)
		conn->delivered += conn->act->sacked_out - prior;
}

static void mark_head(struct tcp_conn *conn)
{
	struct record *head = conn->act->records;

	if (head == NULL || (head->flags & R_LOST))
		return;
	if (head->segments > 1 && !record_split(conn, head, conn->mss))
		return;
	record_mark_lost(conn, head);
}

static void newreno_mark(struct tcp_conn *conn, bool advanced)
{
	if ((conn->recovery < TCP_RECOVERY_RECOVERY && conn->act->sacked_out >= conn->reordering) ||
	    (conn->recovery == TCP_RECOVERY_RECOVERY && advanced))
		mark_head(conn);
}

static void find_losses(struct tcp_conn *conn, struct ack *ack)
{
	uint32_t prior = conn->act->retrans_out;

	if (!conn->sack) {
		newreno_mark(conn, ack->flags & A_ADVANCED);
		return;
	}
	if (rack_detect(conn))
		ack->flags &= ~(uint32_t)A_SET_TIMER;
	if (conn->act->retrans_out < prior)
		ack->flags |= A_LOST_RETRANS;
}

/* ---- States ---- */

static void try_open(struct tcp_conn *conn, const struct ack *ack)
{
	if (!any_retransmitted(conn))
		conn->retrans_ms = 0;
	if (ack->flags & A_ECE)
		recovery_enter_cwr(conn);
	if (conn->recovery != TCP_RECOVERY_CWR)
		recovery_keep_open(conn);
}

/* RFC 5682, 3.1, and what follows when it finds nothing. */
static void process_loss(struct tcp_conn *conn, struct ack *ack, enum recovery_send *send)
{
	bool recovered = seq_ge(conn->snd_una, conn->high_seq);

	if ((ack->flags & A_ADVANCED) && undo_loss(conn, false))
		return;
	if (conn->frto) {
		if ((ack->flags & A_ORIGINAL) && undo_loss(conn, true))
			return;
		if (seq_gt(conn->snd_nxt, conn->high_seq)) {
			if ((ack->flags & A_SACKED) || ack->dup_acks > 0)
				conn->frto = 0;
		} else if ((ack->flags & A_ADVANCED) && !recovered) {
			conn->high_seq = conn->snd_nxt;
			if (has_unsent(conn) && seq_gt(window_end(conn), conn->snd_nxt)) {
				*send = SEND_NEW;
				return;
			}
			conn->frto = 0;
		}
	}
	if (recovered) {
		(void)undo_recovery(conn);
		return;
	}
	if (!conn->sack) {
		if (seq_gt(conn->snd_nxt, conn->high_seq) && ack->dup_acks > 0)
			add_duplicates(conn, ack->dup_acks);
		else if (ack->flags & A_ADVANCED)
			conn->act->sacked_out = 0;
	}
	*send = SEND_LOST;
}

/* true: nothing more is to be done. */
static bool check_exit(struct tcp_conn *conn)
{
	if (conn->recovery == TCP_RECOVERY_OPEN) {
		conn->retrans_ms = 0;
		return false;
	}
	if (seq_lt(conn->snd_una, conn->high_seq))
		return false;
	if (conn->recovery == TCP_RECOVERY_CWR && conn->snd_una != conn->high_seq) {
		recovery_end_reduction(conn);
		recovery_set_state(conn, TCP_RECOVERY_OPEN);
	} else if (conn->recovery == TCP_RECOVERY_RECOVERY) {
		if (!conn->sack)
			conn->act->sacked_out = 0;
		if (undo_recovery(conn))
			return true;
		recovery_end_reduction(conn);
	}
	return false;
}

/* true: done. */
static bool in_recovery(struct tcp_conn *conn, struct ack *ack)
{
	if (!(ack->flags & A_ADVANCED)) {
		if (!conn->sack)
			add_duplicates(conn, ack->dup_acks);
	} else if (undo_partial(conn, ack)) {
		return true;
	}
	if (undo_dsack(conn))
		try_open(conn, ack);
	find_losses(conn, ack);
	if (conn->recovery == TCP_RECOVERY_RECOVERY)
		return false;
	if (conn->act->lost_out == 0)
		return true;
	recovery_enter(conn, ack->flags & A_ECE);
	return false;
}

static void in_order(struct tcp_conn *conn, struct ack *ack, enum recovery_send *send)
{
	if (!conn->sack) {
		if (ack->flags & A_ADVANCED)
			conn->act->sacked_out = 0;
		add_duplicates(conn, ack->dup_acks);
	}
	if (conn->recovery <= TCP_RECOVERY_DISORDER)
		(void)undo_dsack(conn);
	find_losses(conn, ack);
	if (conn->act->lost_out == 0) {
		try_open(conn, ack);
		return;
	}
	recovery_enter(conn, ack->flags & A_ECE);
	*send = SEND_LOST;
}

void recovery_alert(struct tcp_conn *conn, struct ack *ack, enum recovery_send *send)
{
	if (conn->packets_out == 0)
		conn->act->sacked_out = 0;
	if (ack->flags & A_ECE)
		conn->act->prior_ssthresh = 0;
	undo_check_reneging(conn, ack->flags);
	if (check_exit(conn))
		return;
	if (conn->recovery == TCP_RECOVERY_RECOVERY) {
		if (!in_recovery(conn, ack))
			*send = SEND_LOST;
		return;
	}
	if (conn->recovery == TCP_RECOVERY_LOSS) {
		process_loss(conn, ack, send);
		find_losses(conn, ack);
		if (conn->recovery != TCP_RECOVERY_OPEN && !(ack->flags & A_LOST_RETRANS))
			return;
	}
	in_order(conn, ack, send);
}

static void mark_all(struct tcp_conn *conn)
{
	struct record *head = conn->act->records;
	bool reneged = head != NULL && (head->flags & R_SACKED);
	uint32_t window = rack_reorder_window(conn);

	if (reneged) {
		conn->stack->count.sack_reneged++;
		conn->act->sacked_out = 0;
	} else if (!conn->sack) {
		conn->act->sacked_out = 0;
	}
	for (struct record *record = head; record != NULL; record = record->next) {
		if (reneged)
			record->flags &= (uint8_t)~R_SACKED;
		else if (record != head && conn->sack && conn->rtt_seen &&
		         rack_remaining(conn, record, window) > 0)
			continue; /* left a moment ago: not yet */
		record_mark_lost(conn, record);
		record_time_remove(conn, record);
	}
}

void recovery_enter_loss(struct tcp_conn *conn)
{
	bool fresh = conn->recovery < TCP_RECOVERY_RECOVERY;
	bool disordered = conn->recovery <= TCP_RECOVERY_DISORDER &&
	                  conn->act->sacked_out >= reordering_usual(conn->stack);

	mark_all(conn);
	if (conn->recovery <= TCP_RECOVERY_DISORDER || !seq_gt(conn->high_seq, conn->snd_una) ||
	    (conn->recovery == TCP_RECOVERY_LOSS && conn->retransmits == 0)) {
		conn->act->prior_ssthresh = current_ssthresh(conn);
		conn->act->prior_cwnd = conn->cwnd;
		conn->ssthresh = congestion_of(conn)->ssthresh(conn);
		undo_init(conn);
	}
	conn->cwnd = in_flight(conn) + 1;
	conn->cwnd_counter = 0;
	conn->cwnd_ms = conn->stack->ms;
	if (disordered)
		conn->reordering =
		        (uint16_t)min_u32(conn->reordering, reordering_usual(conn->stack));
	recovery_set_state(conn, TCP_RECOVERY_LOSS);
	conn->high_seq = conn->snd_nxt;
	conn->act->tlp_high = 0;
	conn->queue_cwr = conn->ecn;
	conn->frto = (fresh || conn->retransmits > 0) && !conn->stack->config.no_frto;
}

/* Not congestion: the window stays, only order is lost (RFC 1191, 6.5). */
static void resend_uncongested(struct tcp_conn *conn)
{
	if (conn->recovery != TCP_RECOVERY_LOSS) {
		conn->high_seq = conn->snd_nxt;
		conn->ssthresh = current_ssthresh(conn);
		conn->act->prior_ssthresh = 0;
		conn->undo_on = 0;
		recovery_set_state(conn, TCP_RECOVERY_LOSS);
	}
	retransmit_lost(conn);
}

void recovery_untaken(struct tcp_conn *conn)
{
	for (struct record *record = conn->act->records; record != NULL; record = record->next)
		record_mark_lost(conn, record);
	resend_uncongested(conn);
}

void recovery_simple(struct tcp_conn *conn)
{
	uint32_t prior = conn->act->lost_out;

	for (struct record *record = conn->act->records; record != NULL; record = record->next) {
		bool big = record->segments == 1 &&
		           record->end - record->seq > (uint32_t)conn->mss + 1u;

		record_recount(conn, record);
		if (big || record->segments > 1)
			record_mark_lost(conn, record);
	}
	if (conn->act->lost_out != prior)
		resend_uncongested(conn);
}
