/* SPDX-License-Identifier: BSD-2-Clause */
/* Acknowledgements: what left the network, what it says about round trips, and what follows. */
#include "internal.h"

/* RFC 9293, 3.10.7.4: the window counts where the segment is newer than what set it last. */
bool ack_updates_window(const struct tcp_conn *conn, const struct segment *segment)
{
	uint32_t window = segment->window << conn->snd_scale;

	return seq_gt(segment->seq, conn->snd_wl1) ||
	       (segment->seq == conn->snd_wl1 && (window > conn->snd_wnd || window == 0));
}

static void update_window(struct tcp_conn *conn, const struct segment *segment, struct ack *ack)
{
	uint32_t window = segment->window << conn->snd_scale;

	if (!(ack->flags & A_ADVANCED) && !ack_updates_window(conn, segment))
		return;
	ack->flags |= A_WINDOW;
	conn->snd_wl1 = segment->seq;
	if (window == conn->snd_wnd)
		return;
	if (seq_lt(segment->ack + window, conn->snd_una + conn->snd_wnd))
		conn->stack->count.window_shrunk++;
	conn->snd_wnd = window;
	conn->snd_max_wnd = max_u32(conn->snd_max_wnd, window);
}

static bool spurious(const struct tcp_conn *conn, const struct record *record)
{
	/* Echoes a timestamp from before the last copy left: the original arrived (RFC 3522). */
	return (record->flags & R_EVER) && conn->stack->seen_echo != 0 && record->tries == 1 &&
	       (record->flags & R_RETRANS) &&
	       seq_lt(conn->stack->seen_echo,
	              (uint32_t)(conn->stack->ms - (conn->stack->us - record->sent_us) / 1000) +
	                      conn->ts_offset);
}

struct cleaning {
	bool has_first;
	uint32_t first_us, last_us; /* when the first and last never retransmitted ones left */
	uint32_t reorder;           /* lowest newly acknowledged one that was not sent again */
};

/* A record that is acknowledged as a whole. */
static void take_record(struct tcp_conn *conn, struct record *record, struct cleaning *cleaning,
                        struct ack *ack)
{
	uint32_t n = record->segments;

	if (record->flags & R_EVER) {
		if (record->flags & R_RETRANS)
			conn->act->retrans_out -= n;
		ack->flags |= A_RETRANS_ACKED;
	} else if (!(record->flags & R_SACKED)) {
		cleaning->last_us = record->sent_us;
		if (!cleaning->has_first)
			cleaning->first_us = record->sent_us;
		cleaning->has_first = true;
		if (seq_lt(record->seq, cleaning->reorder))
			cleaning->reorder = record->seq;
		if (seq_le(record->end, conn->high_seq))
			ack->flags |= A_ORIGINAL;
	}
	if (record->flags & R_SACKED) {
		conn->act->sacked_out -= n;
	} else if (conn->sack) {
		conn->delivered += n;
		if (!spurious(conn, record))
			rack_advance(conn, record, conn->stack->us);
	}
	if (record->flags & R_LOST)
		conn->act->lost_out -= n;
	conn->packets_out -= n;
	ack->acked += n;
	rate_delivered(conn, record, &ack->sample);
	if (record->flags & R_FIN)
		conn->fin_acked = 1;
	record_remove(conn, record);
}

/* Of a burst the first segments are acknowledged. */
static void take_part(struct tcp_conn *conn, struct record *record, struct ack *ack)
{
	uint32_t before = record->segments, n;

	record->seq = conn->snd_una;
	record_recount(conn, record);
	n = before - record->segments;
	ack->acked += n;
	if (conn->sack && !(record->flags & R_SACKED))
		conn->delivered += n;
	if (n > 0)
		rate_delivered(conn, record, &ack->sample);
}

/* The duplicates counted for segments that arrived early (RFC 6582): one acknowledgement fills the
 * hole, the rest eats as many. */
static void eat_duplicates(struct tcp_conn *conn, uint32_t acked)
{
	if (acked == 0)
		return;
	conn->delivered += acked > conn->act->sacked_out ? acked - conn->act->sacked_out : 1;
	conn->act->sacked_out =
	        acked - 1 >= conn->act->sacked_out ? 0 : conn->act->sacked_out - (acked - 1);
	recovery_limit_duplicates(conn, acked);
}

/* RTT samples, in the order of their worth: the last segment that was sent once; one selectively
 * acknowledged; the timestamp (RFC 7323, 4), but where a copy was answered: what it echoes came
 * before, and in between lie the answers that were lost, and timeouts. */
static void measure(struct tcp_conn *conn, const struct cleaning *cleaning, struct ack *ack)
{
	uint32_t us = conn->stack->us;
	int64_t rtt = -1;

	if (cleaning->has_first && !(ack->flags & A_RETRANS_ACKED)) {
		rtt = us - cleaning->first_us;
		ack->sample.rtt_us = (int32_t)min_u32(us - cleaning->last_us, INT32_MAX);
	}
	if (ack->has_sack_first) {
		if (rtt < 0)
			rtt = us - ack->sack_first_us;
		ack->sample.rtt_us = (int32_t)min_u32(us - ack->sack_last_us, INT32_MAX);
	}
	if (rtt < 0 && conn->stack->seen_echo != 0 &&
	    (ack->flags & (A_ACKED | A_DSACK)) == A_ACKED) {
		uint32_t ms = timestamp_now(conn->stack, conn->ts_offset) - conn->stack->seen_echo;

		if (ms < 1u << 20)
			rtt = (int64_t)max_u32(ms, 1) * 1000;
		ack->sample.rtt_us = (int32_t)rtt;
	}
	if (rtt >= 0)
		rtt_sample(conn, (uint32_t)rtt, (uint32_t)ack->sample.rtt_us);
}

static void clean(struct tcp_conn *conn, struct ack *ack)
{
	struct cleaning cleaning = {.reorder = conn->snd_nxt};
	struct record *record;

	while ((record = conn->act->records) != NULL && seq_le(record->end, conn->snd_una))
		take_record(conn, record, &cleaning, ack);
	if (record != NULL && seq_lt(record->seq, conn->snd_una))
		take_part(conn, record, ack);
	if (ack->acked > 0)
		ack->flags |= A_ACKED | A_SET_TIMER;
	/* What left after the first segment (or its copy) did has arrived: time begins anew. */
	else if (record != NULL && ack->has_sack_first &&
	         (int32_t)(ack->sack_first_us - record->sent_us) < 0)
		ack->flags |= A_SET_TIMER;
	/* The peer said that it had what it now asks for (RFC 2018, 8). */
	if (record != NULL && (record->flags & R_SACKED) && (ack->flags & A_ADVANCED))
		ack->flags |= A_RENEGED;
	if (seq_lt(conn->act->fack, conn->snd_una))
		conn->act->fack = conn->snd_una;
	if (!conn->sack) {
		eat_duplicates(conn, ack->acked);
		/* Without SACK nobody knows whether it was the retransmission that filled the hole,
		   behind which everything had been waiting: no sign of a spurious timeout. */
		if (ack->flags & A_RETRANS_ACKED)
			ack->flags &= ~(unsigned)A_ORIGINAL;
	} else if (seq_lt(cleaning.reorder, ack->prior_fack)) {
		sack_reordering(conn, cleaning.reorder, ack);
	}
	measure(conn, &cleaning, ack);
}

/* Nothing is in flight: the answer to a window probe, perhaps. As long as the window has no place
 * for what waits (or for half of the largest one, as Linux has it) the wait goes on, from now. */
static void answer_to_probe(struct tcp_conn *conn)
{
	uint32_t half = max_u32(conn->snd_max_wnd / 2 / conn->mss, 1) * conn->mss;
	uint32_t end = conn->snd_nxt + min_u32(unsent(conn), half);

	if (conn->rtx != RTX_WINDOW)
		return;
	if (!seq_gt(end, window_end(conn)))
		conn->backoff = 0;
	rtx_stop(conn);
	persist_check(conn);
}

static void send_again(struct tcp_conn *conn, enum recovery_send send)
{
	if (send == SEND_NONE)
		return;
	if (send == SEND_NEW) {
		output_push(conn);
		if (seq_gt(conn->snd_nxt, conn->high_seq))
			return;
		conn->frto = 0;
	}
	retransmit_lost(conn);
}

static bool dubious(const struct tcp_conn *conn, const struct ack *ack)
{
	return !(ack->flags & A_NOT_DUP) || (ack->flags & (A_SACKED | A_ECE | A_DSACK)) ||
	       conn->recovery != TCP_RECOVERY_OPEN;
}

static void conclude(struct tcp_conn *conn, struct ack *ack)
{
	enum recovery_send send = SEND_NONE;

	if (unlikely(ack->flags & A_RENEGED)) {
		rtx_renege(conn);
		ack->flags &= ~(unsigned)A_SET_TIMER;
	} else if (dubious(conn, ack)) {
		if (!(ack->flags & (A_ADVANCED | A_NOT_DUP | A_DSACK)))
			ack->dup_acks = 1;
		recovery_alert(conn, ack, &send);
	}
	if ((ack->flags & A_SET_TIMER) && !tlp_arm(conn, true))
		rtx_arm(conn);
	ack->sample.lost = conn->act->lost_total - ack->prior_lost;
	rate_finish(conn, ack);
	congestion_control(conn, ack);
	send_again(conn, send);
}

/* An acknowledgement from the past: only its SACK blocks can be news. */
static int old_ack(struct tcp_conn *conn, const struct segment *segment, struct ack *ack,
                   bool challenge)
{
	enum recovery_send send = SEND_NONE;

	/* RFC 5961, 5.2; and nobody acknowledges what was never sent (a SYN was, by who connects).
	 */
	if (conn->snd_una - segment->ack >
	    min_u64(conn->snd_max_wnd, conn->bytes_acked + !conn->passive)) {
		conn->stack->count.drop_ack++;
		if (challenge)
			transmit_challenge(conn);
		return -1;
	}
	if (conn->sack && segment->options.n_sacks > 0 && conn->packets_out > 0) {
		sack_input(conn, segment, ack);
		recovery_alert(conn, ack, &send);
		send_again(conn, send);
	}
	return 0;
}

static void advance(struct tcp_conn *conn, uint32_t to)
{
	uint32_t n = to - conn->snd_una;

	conn->snd_una = to;
	conn->bytes_acked += n;
	conn->retransmits = 0;
}

static void begin_ack(const struct tcp_conn *conn, struct ack *ack, const struct segment *segment)
{
	*ack = (struct ack){.flags = segment->size > 0 ? A_DATA : 0,
	                    .prior_una = conn->snd_una,
	                    .prior_fack =
	                            conn->act->sacked_out > 0 ? conn->act->fack : conn->snd_una,
	                    .prior_packets = conn->packets_out,
	                    .prior_delivered = conn->delivered,
	                    .prior_lost = conn->act->lost_total,
	                    .reorder_seq = conn->snd_nxt,
	                    .sample = {.prior_in_flight = in_flight(conn), .rtt_us = -1}};
}

/* ---- The usual one: all that was sent, in one segment or burst, has arrived at the first try ----
 */

static bool is_plain(const struct tcp_conn *conn, const struct segment *segment)
{
	const struct record *record = conn->act->records;

	return segment->ack == conn->snd_nxt && record != NULL && record->next == NULL &&
	       (record->flags & (R_EVER | R_SACKED | R_LOST)) == 0 && conn->sack &&
	       segment->options.n_sacks == 0 && conn->recovery == TCP_RECOVERY_OPEN &&
	       conn->act->tlp_high == 0 && !conn->dsack_seen && !conn->ecn &&
	       congestion_of(conn)->control == NULL;
}

/* What the functions below come to, where none of their questions has an unusual answer. */
static void take_plain(struct tcp_conn *conn, const struct segment *segment)
{
	const struct congestion *congestion = congestion_of(conn);
	uint32_t window = segment->window << conn->snd_scale, rtt;
	struct record *record = conn->act->records;
	uint32_t n = record->segments;

	if (seq_lt(segment->ack + window, conn->snd_una + conn->snd_wnd))
		conn->stack->count.window_shrunk++;
	conn->snd_wl1 = segment->seq;
	conn->snd_wnd = window;
	conn->snd_max_wnd = max_u32(conn->snd_max_wnd, window);
	advance(conn, segment->ack);
	conn->delivered += n;
	conn->packets_out = 0;
	rack_advance(conn, record, conn->stack->us);
	if (conn->rack_persist == 0)
		conn->rack_steps = 1;
	rtt = conn->stack->us - record->sent_us;
	rtt_sample(conn, rtt, rtt);
	rate_single(conn, record);
	if (record->flags & R_FIN)
		conn->fin_acked = 1;
	record_remove_single(conn, record);
	conn->act->fack = conn->snd_una;
	rtx_stop(conn);
	if (congestion->acked != NULL)
		congestion->acked(conn, (int32_t)min_u32(rtt, INT32_MAX));
	congestion->avoid(conn, n);
	conn->cwnd_ms = conn->stack->ms;
	chunks_acked(conn);
	busy_end(conn, BUSY_SENDING);
}

int ack_input(struct tcp_conn *conn, const struct segment *segment, bool challenge)
{
	struct ack ack;

	conn->answering = 1;
	if (likely(is_plain(conn, segment))) {
		take_plain(conn, segment);
		conn->probes = 0;
		conn->last_ack_ms = conn->stack->ms;
		conn->soft = TCP_FAILURE_NONE;
		return 0;
	}
	begin_ack(conn, &ack, segment);
	if (unlikely(seq_lt(segment->ack, conn->snd_una)))
		return old_ack(conn, segment, &ack, challenge);
	if (unlikely(seq_gt(segment->ack, conn->snd_nxt))) {
		conn->stack->count.drop_ack++;
		if (challenge) /* RFC 9293, 3.10.7.4 */
			transmit_challenge(conn);
		return -1;
	}
	if (segment->ack != conn->snd_una)
		ack.flags |= A_ADVANCED;
	update_window(conn, segment, &ack);
	if (ack.flags & A_ADVANCED)
		advance(conn, segment->ack);
	if (unlikely(conn->sack && segment->options.n_sacks > 0 && conn->packets_out > 0))
		sack_input(conn, segment, &ack);
	if (unlikely(conn->ecn && (segment->flags & (F_ECE | F_SYN)) == F_ECE)) {
		conn->stack->count.ecn_echoes_in++;
		ack.flags |= A_ECE;
	}
	conn->probes = 0;
	conn->last_ack_ms = conn->stack->ms;
	conn->soft = TCP_FAILURE_NONE;
	if (conn->packets_out == 0) {
		if (unlikely(conn->act->tlp_high != 0))
			tlp_ack(conn, segment->ack, &ack);
		else if (unlikely(conn->tlp_left) && !(ack.flags & (A_ADVANCED | A_NOT_DUP)))
			conn->tlp_left = 0; /* the original and the probe arrived */
		/* A retransmission is found out to have been needless after all has arrived. */
		if (unlikely(conn->sack && segment->options.n_sacks > 0) &&
		    sack_late_duplicate(conn, segment, &ack) && conn->recovery == TCP_RECOVERY_OPEN)
			(void)undo_dsack(conn);
		answer_to_probe(conn);
		return 0;
	}
	clean(conn, &ack);
	rack_update_window(conn, &ack);
	if (conn->act->tlp_high != 0)
		tlp_ack(conn, segment->ack, &ack);
	conclude(conn, &ack);
	if (ack.flags & A_ADVANCED)
		chunks_acked(conn);
	if (conn->packets_out == 0)
		busy_end(conn, BUSY_SENDING);
	return 0;
}
