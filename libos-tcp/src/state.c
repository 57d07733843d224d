/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A segment for a connection, when header prediction does not take it: the questions of RFC 9293,
 * 3.10.7, in its order, with RFC 7323 (timestamps) and RFC 5961 (blind attacks) where they belong.
 */
#include "internal.h"

#define SYN_AGAIN_NS (4 * NS_PER_MS) /* a tick or two of Linux */

/* ---- SYN-SENT (3.10.7.3) ---- */

void state_adopt(struct tcp_conn *conn, uint32_t mss, uint8_t scale, uint32_t stamp)
{
	const struct tcp_options *own = &conn->options;

	mss = max_u32(mss, MSS_MIN);
	if (own->max_segment != 0)
		mss = min_u32(mss, own->max_segment);
	conn->snd_mss_max = (uint16_t)mss;
	if (conn->scaling) {
		conn->snd_scale = scale;
	} else {
		conn->rcv_scale = 0;
		conn->rcv_wnd = min_u32(conn->rcv_wnd, WINDOW_MAX);
	}
	if (conn->timestamps) {
		conn->ts_recent = stamp;
		conn->ts_recent_ms = conn->stack->ms;
	}
	conn->header_size = (uint8_t)(H_SIZE + (conn->timestamps ? H_TIMESTAMPS : 0));
	output_set_mtu(conn, conn->path_mtu);
	conn->rcv_mss = (uint16_t)max_u32(min_u32(min_u32(conn->advertised_mss, conn->mss),
	                                          min_u32(conn->rcv_wnd / 2, MSS_DEFAULT)),
	                                  MSS_SMALL);
}

/* Whether what echoes our first SYN brought this about: those that followed were needless. */
static bool first_answered(const struct tcp_conn *conn)
{
	const struct tcp_stack *stack = conn->stack;
	uint32_t ms = stack->ms - (stack->us - conn->syn_us) / 1000;

	return stack->seen_echo != 0 && stack->seen_echo == ms + conn->ts_offset;
}

void state_established(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	conn->state = TCP_STATE_ESTABLISHED;
	conn->retrans_ms = 0;
	conn->retransmits = 0;
	conn->last_ack_ms = conn->last_received_ms = conn->last_sent_ms = stack->ms;
	conn->cwnd_ms = stack->ms;
	rtx_stop(conn);
	/* A SYN that had to be repeated speaks of congestion (RFC 6298, 5.7; RFC 5681, 3.1), unless
	 * it was the first that was answered. */
	conn->cwnd =
	        conn->total_retrans > 1 && !first_answered(conn) ? 1 : stack->config.initial_window;
	conn->ssthresh = SSTHRESH_NONE;
	window_begin(conn);
	congestion_init(conn);
	keepalive_arm(conn, 0);
	if (conn->fin_queued)
		conn->state = TCP_STATE_FIN_WAIT_1;
}

/* The round trip of a SYN. */
static void sample_syn(struct tcp_conn *conn, uint32_t us)
{
	rtt_sample(conn, us, us);
}

/* A round trip, or where SYN left more than once and nothing tells which was answered, the timeout
 * that then counts (RFC 6298, 5.7). */
static void syn_rtt(struct tcp_conn *conn, const struct segment *segment)
{
	uint32_t echo = conn->timestamps ? segment->options.ts_echo : 0, ms;

	ms = timestamp_now(conn->stack, conn->ts_offset) - echo;
	if (conn->retransmits == 0)
		sample_syn(conn, conn->stack->us - conn->syn_us);
	else if (echo != 0 && ms < 1u << 20)
		sample_syn(conn, ms * 1000);
	else
		conn->rto_us = max_u32(3 * rto_min_us(conn->stack) * 5, 1000);
}

static void take_syn(struct tcp_conn *conn, const struct segment *segment)
{
	const struct options *options = &segment->options;

	conn->irs = segment->seq;
	conn->rcv_nxt = conn->rcv_read = conn->rcv_wup = segment->seq + 1;
	conn->snd_wl1 = segment->seq;
	conn->timestamps = conn->timestamps && (options->seen & O_TIMESTAMPS);
	conn->sack = conn->sack && (options->seen & O_SACK_OK);
	conn->scaling = conn->scaling && (options->seen & O_SCALE);
	state_adopt(conn, options->seen & O_MSS ? options->mss : MSS_DEFAULT, options->scale,
	            options->ts_value);
	conn->snd_wnd = conn->snd_max_wnd = segment->window;
}

static void opened(struct tcp_conn *conn, struct segment *segment)
{
	struct tcp_stack *stack = conn->stack;

	take_syn(conn, segment);
	conn->route = segment->arrival->route;
	conn->ecn = stack->config.ecn == TCP_ECN_ON && (segment->flags & (F_ECE | F_CWR)) == F_ECE;
	conn->snd_una = segment->ack;
	stack->seen_echo = conn->timestamps ? segment->options.ts_echo : 0;
	/* As after any timeout, nothing is known of the path before something new is acknowledged
	 * (RFC 6582, 4). */
	if (conn->retransmits > 0 && !conn->sack) {
		conn->recovery = TCP_RECOVERY_LOSS;
		conn->high_seq = conn->snd_nxt;
	}
	syn_rtt(conn, segment);
	state_established(conn);
	if (unlikely(conn->fast))
		fastopen_opened(conn, segment);
	stack->count.opened_active++;
	conn->events |= TCP_EVENT_OPENED;
	/* Data on a SYN/ACK is rare, but nothing forbids it. */
	if (segment->size > 0 || (segment->flags & F_FIN)) {
		segment->seq++;
		segment->flags &= (uint8_t)~F_SYN;
		receive_data(conn, segment);
	}
	if (conn->packets_out > 0) /* what was sent again has said it */
		return;
	conn->ack_pending = 1;
	if (has_unsent(conn))
		return;
	if ((conn->options.fast_open & TCP_FAST_WRITER) || conn->interactive ||
	    conn->options.defer_accept != 0)
		delay_opening(conn);
	else
		conn->ack_now = 1;
}

/* Both ends called each other (RFC 9293, figure 7). */
static void simultaneous(struct tcp_conn *conn, const struct segment *segment)
{
	const struct tcp_config *config = &conn->stack->config;

	take_syn(conn, segment);
	conn->fast = 0;
	conn->ecn =
	        config->ecn != TCP_ECN_OFF && (segment->flags & (F_ECE | F_CWR)) == (F_ECE | F_CWR);
	conn->state = TCP_STATE_SYN_RECEIVED;
	transmit_syn(conn);
}

static void syn_sent_input(struct tcp_conn *conn, struct segment *segment)
{
	bool acks = segment->flags & F_ACK;

	if (acks && (seq_le(segment->ack, conn->iss) || seq_gt(segment->ack, conn->snd_nxt))) {
		conn->stack->count.drop_ack++;
		transmit_refusal(conn->stack, segment);
		/* The peer has an old connection, which our reset ends: SYN is worth another try.
		 * Who goes on saying so, and may be anybody, does not put that off. */
		if (conn->retransmits == 0 && conn->rtx_at > conn->stack->now + SYN_AGAIN_NS)
			rtx_set(conn, RTX_TIMEOUT, conn->stack->now + SYN_AGAIN_NS);
		return;
	}
	/* A timestamp that no SYN of ours had: somebody guesses. */
	if (acks && conn->timestamps && (segment->options.seen & O_TIMESTAMPS) &&
	    segment->options.ts_echo != 0 &&
	    timestamp_now(conn->stack, conn->ts_offset) - segment->options.ts_echo >
	            (conn->stack->us - conn->syn_us) / 1000 + 1) {
		conn->stack->count.drop_paws++;
		transmit_refusal(conn->stack, segment);
		return;
	}
	if (segment->flags & F_RST) {
		if (acks) {
			conn->stack->count.resets_in++;
			conn->stack->count.open_failed++;
			conn_end(conn, TCP_CAUSE_REFUSED);
		}
		return;
	}
	if (!(segment->flags & F_SYN)) {
		conn->stack->count.drop_flags++;
		return;
	}
	if (acks)
		opened(conn, segment);
	else
		simultaneous(conn, segment);
}

/* ---- Checks of all other states ---- */

/* An answer to what makes no sense: at most two in a second, lest two ends echo for ever. */
static void answer_nonsense(struct tcp_conn *conn, const struct segment *segment)
{
	struct tcp_stack *stack = conn->stack;
	bool takes = segment->size > 0 || (segment->flags & F_FIN); /* sequence numbers */
	bool late = seq_lt(segment->seq, conn->rcv_nxt);
	bool data = takes && !(segment->flags & F_SYN);

	if (!data && conn->oow_ms != 0 && since_ms(stack, conn->oow_ms) < OOW_INTERVAL_MS)
		return;
	if (!data)
		conn->oow_ms = stack->ms | 1;
	/* What was new but for the room counts as if it had been taken. */
	conn->ack_pending |=
	        takes && !late && !seq_gt(segment->seq, conn->rcv_nxt + offered_window(conn));
	if (takes && late) {
		delay_enter_quick(conn, QUICK_ACKS_MAX);
		sack_note_duplicate(conn, segment->seq,
		                    seq_gt(segment_end(segment), conn->rcv_nxt)
		                            ? conn->rcv_nxt
		                            : segment_end(segment));
	}
	transmit_ack(conn);
}

/* RFC 7323, 5.3. */
static bool paws_fails(struct tcp_conn *conn, const struct segment *segment)
{
	if (!conn->timestamps || !(segment->options.seen & O_TIMESTAMPS))
		return false;
	if (seq_ge(segment->options.ts_value, conn->ts_recent) ||
	    conn->stack->ms - conn->ts_recent_ms > PAWS_IDLE_MS)
		return false;
	/* A pure acknowledgement may have overtaken another, by less than a timeout. */
	return !(segment->size == 0 && (segment->flags & (F_SYN | F_FIN | F_RST)) == 0 &&
	         segment->seq == conn->rcv_nxt && segment->ack == conn->snd_una &&
	         !ack_updates_window(conn, segment) &&
	         conn->ts_recent - segment->options.ts_value <= conn->rto_us / 1000);
}

/* RFC 9293, 3.4; what was acknowledged already but not before the last acknowledgement counts. What
 * goes beyond the window counts only while nothing waits to be read, as by Linux. */
static bool in_window(const struct tcp_conn *conn, const struct segment *segment)
{
	uint32_t edge = conn->rcv_nxt + offered_window(conn);

	return seq_ge(segment_end(segment), conn->rcv_wup) && seq_le(segment->seq, edge) &&
	       (conn->unread == NULL || seq_le(segment->seq + segment->size, edge));
}

/* At the number of the peer's FIN itself: some reset what they have closed there, as if it had not
 * counted. */
static bool at_fin(const struct tcp_conn *conn, const struct segment *segment)
{
	return segment->seq + 1 == conn->rcv_nxt &&
	       (conn->state == TCP_STATE_CLOSE_WAIT || conn->state == TCP_STATE_LAST_ACK ||
	        conn->state == TCP_STATE_CLOSING);
}

/* RFC 5961, 3: only the very next number resets; or one that a SACK block of ours ends with. */
static void reset_input(struct tcp_conn *conn, const struct segment *segment)
{
	bool exact = segment->seq == conn->rcv_nxt || at_fin(conn, segment);
	uint32_t highest = conn->rcv_nxt;

	for (unsigned i = 0; i < conn->n_sacks; i++)
		if (seq_gt(conn->act->sacks[i].end, highest))
			highest = conn->act->sacks[i].end;
	if (highest != conn->rcv_nxt && segment->seq == highest)
		exact = true;
	if (!exact) {
		transmit_challenge(conn);
		return;
	}
	conn->stack->count.resets_in++;
	conn_end(conn, conn->state == TCP_STATE_SYN_RECEIVED && !conn->passive ? TCP_CAUSE_REFUSED
	                                                                       : TCP_CAUSE_RESET);
}

/* true: the segment may go on. */
static bool validate(struct tcp_conn *conn, const struct segment *segment)
{
	struct tcp_counters *count = &conn->stack->count;

	if (paws_fails(conn, segment) && !(segment->flags & F_RST)) {
		count->drop_paws++;
		answer_nonsense(conn, segment);
		return false;
	}
	if (!in_window(conn, segment) && !((segment->flags & F_RST) && at_fin(conn, segment))) {
		count->drop_sequence++;
		if (segment->flags & F_SYN)
			transmit_challenge(conn);
		else if (!(segment->flags & F_RST))
			answer_nonsense(conn, segment);
		return false;
	}
	if (segment->flags & F_RST) {
		reset_input(conn, segment);
		return false;
	}
	if (segment->flags & F_SYN) {
		/* The answer of simultaneous opening repeats its SYN. */
		if (conn->state == TCP_STATE_SYN_RECEIVED && (segment->flags & F_ACK) &&
		    segment->seq + 1 == conn->rcv_nxt && seq_gt(segment->ack, conn->snd_una) &&
		    seq_le(segment->ack, conn->snd_nxt) && segment->size == 0 &&
		    !(segment->flags & F_FIN))
			return true;
		transmit_challenge(conn); /* RFC 5961, 4 */
		return false;
	}
	if (!(segment->flags & F_ACK)) {
		count->drop_no_ack++;
		return false;
	}
	return true;
}

static void note_timestamp(struct tcp_conn *conn, const struct segment *segment)
{
	conn->stack->seen_echo = 0;
	if (!conn->timestamps || !(segment->options.seen & O_TIMESTAMPS))
		return;
	conn->stack->seen_echo = segment->options.ts_echo;
	/* What acknowledges nothing of ours may be anybody's, and a high value would shut out the
	 * peer's own. */
	if (seq_lt(segment->ack, conn->snd_una) || seq_gt(segment->ack, conn->snd_nxt) ||
	    seq_gt(segment->seq, conn->last_ack_sent) ||
	    (seq_lt(segment->options.ts_value, conn->ts_recent) &&
	     conn->stack->ms - conn->ts_recent_ms <= PAWS_IDLE_MS))
		return;
	conn->ts_recent = segment->options.ts_value;
	conn->ts_recent_ms = conn->stack->ms;
}

/* ---- What an acknowledgement brings about ---- */

static bool acked_syn(struct tcp_conn *conn, const struct segment *segment)
{
	if (seq_le(segment->ack, conn->snd_una) || seq_gt(segment->ack, conn->snd_nxt)) {
		conn->stack->count.drop_ack++;
		transmit_refusal(conn->stack, segment);
		return false;
	}
	conn->snd_una = conn->iss + 1;
	conn->snd_wnd = segment->window << conn->snd_scale;
	/* What SYN said counts only where something may have been sent by it. */
	conn->snd_max_wnd = conn->passive && !conn->fast
	                            ? conn->snd_wnd
	                            : max_u32(conn->snd_max_wnd, conn->snd_wnd);
	conn->snd_wl1 = segment->seq;
	if (!conn->rtt_seen)
		syn_rtt(conn, segment);
	if (conn->fast)
		fastopen_acked(conn);
	else
		state_established(conn);
	if (!conn->passive) {
		if (conn->snd_nxt != conn->snd_una) /* what went with SYN when both called */
			fastopen_taken(conn, segment->ack);
		conn->stack->count.opened_active++;
		conn->events |= TCP_EVENT_OPENED;
	}
	return true;
}

bool state_acked_fin(struct tcp_conn *conn, const struct segment *segment)
{
	if (!conn->fin_acked)
		return true;
	switch (conn->state) {
	case TCP_STATE_FIN_WAIT_1:
		conn->state = TCP_STATE_FIN_WAIT_2;
		if (conn->owned)
			return true;
		/* Nobody waits for the peer's end: it is answered as if there were none. */
		if (conn->options.fin_wait_s == TCP_FIN_WAIT_NOT) {
			transmit_refusal(conn->stack, segment);
			conn_end(conn, TCP_CAUSE_ABORTED);
			return false;
		}
		return conn_orphan(conn);
	case TCP_STATE_CLOSING:
		timewait_enter(conn);
		return false;
	case TCP_STATE_LAST_ACK:
		conn_end(conn, TCP_CAUSE_FINISHED);
		return false;
	default:
		return true;
	}
}

/* ---- Urgent data (RFC 9293, 3.8.5; RFC 6093) ---- */

static void urgent_input(struct tcp_conn *conn, const struct segment *segment)
{
	uint32_t mark = segment->seq + segment->urgent;

	if (segment->urgent == 0 || seq_lt(mark, conn->rcv_nxt) ||
	    seq_gt(mark, conn->rcv_nxt + WINDOW_MAX))
		return;
	if (conn->urgent_in && seq_le(mark, conn->urgent_in_seq))
		return;
	conn->urgent_in = 1;
	conn->urgent_in_seq = mark;
	conn->events |= TCP_EVENT_URGENT;
}

/* ---- ECN (RFC 3168) ---- */

static void ecn_input(struct tcp_conn *conn, const struct segment *segment)
{
	if (!(segment->flags & F_CWR))
		return;
	conn->echo_ce = 0;
	/* Its window may be down to one segment: do not let it wait. */
	conn->ack_now |= segment->size > 0;
}

/* Data, or an end behind data that is missing, for somebody who will not read it (RFC 9293, 3.6.1:
 * CLOSE with data to come; RFC 1122, 4.2.2.13), or a segment that goes on behind the peer's own
 * FIN. The segment itself is answered, as if there were no connection any more. */
static bool data_for_nobody(struct tcp_conn *conn, const struct segment *segment)
{
	bool gone = !conn->owned && !conn->waiting, ended = conn->fin_received;

	if (segment_end(segment) == segment->seq ||
	    seq_le(segment->seq + segment->size, conn->rcv_nxt) ||
	    (ended ? seq_ge(segment->seq, conn->rcv_nxt)
	           : !(gone || (conn->refuses && conn->fin_queued))))
		return false;
	conn->stack->count.aborted_data++;
	transmit_refusal(conn->stack, segment);
	conn_end(conn, gone && !ended ? TCP_CAUSE_ABORTED : TCP_CAUSE_RESET);
	return true;
}

void state_input(struct tcp_conn *conn, struct segment *segment)
{
	if (conn->state == TCP_STATE_SYN_SENT) {
		syn_sent_input(conn, segment);
		return;
	}
	if (unlikely(is_fast_open(conn)) && fastopen_syn_again(conn, segment))
		return;
	if (!validate(conn, segment))
		return;
	note_timestamp(conn, segment);
	if (conn->state == TCP_STATE_SYN_RECEIVED && !acked_syn(conn, segment))
		return;
	if (segment->flags & F_SYN) {
		segment->seq++;
		segment->flags &= (uint8_t)~F_SYN;
		conn->ack_pending = conn->ack_now = 1;
		sack_note_duplicate(conn, segment->seq - 1, segment->seq);
	}
	if (ack_input(conn, segment, true) != 0)
		return;
	/* A place in the window is easily guessed. */
	if (segment->ack == conn->snd_una)
		conn->route = segment->arrival->route;
	if (!state_acked_fin(conn, segment))
		return;
	if (segment->flags & F_URG)
		urgent_input(conn, segment);
	if (conn->ecn)
		ecn_input(conn, segment);
	if (!data_for_nobody(conn, segment))
		receive_data(conn, segment);
}

/* Nearly always an acknowledgement of our SYN, with or without data that is next: none of the other
 * questions has another answer than the usual. */
static bool is_usual_first(const struct tcp_conn *conn, const struct segment *segment)
{
	return (segment->flags & ~F_PSH) == F_ACK && segment->seq == conn->rcv_nxt &&
	       segment->ack == conn->snd_nxt && segment->size <= offered_window(conn) && !conn->ecn;
}

void state_first(struct tcp_conn *conn, struct segment *segment)
{
	if (!is_usual_first(conn, segment)) {
		state_input(conn, segment);
		return;
	}
	note_timestamp(conn, segment);
	conn->route = segment->arrival->route;
	(void)acked_syn(conn, segment);
	if (segment->size == 0)
		return;
	if (receive_append(conn, segment, 0))
		delay_received(conn, segment);
	else
		conn->ack_pending = conn->ack_now = 1;
}
