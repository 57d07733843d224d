/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much may be sent now: the peer's window (with the sender's half of silly window avoidance,
 * RFC 9293, 3.8.6.2.1), the congestion window, pacing, and Nagle's algorithm in Minshall's variant
 * (only a small segment in flight holds back the next small one).
 */
#include "internal.h"

enum { MSS_FLOOR = 68 };

/* Of the time that passed without a segment so much may be made up for: whoever drives the stack
 * looks at its clock now and then, not all the time. */
#define PACE_CREDIT_NS (2 * NS_PER_MS)

/* So many segments leave at once first, where only an option asks for pacing (as by Linux). */
enum { UNPACED = 10 };

uint32_t output_limit(const struct tcp_conn *conn)
{
	uint32_t cutoff = conn->snd_max_wnd;

	if (cutoff > MSS_DEFAULT)
		cutoff >>= 1;
	if (cutoff != 0 && conn->mss > cutoff)
		return max_u32(cutoff, MSS_FLOOR - conn->header_size);
	return conn->mss;
}

/* Whether the last, partial segment may leave. */
static bool nagle_allows(const struct tcp_conn *conn)
{
	if (conn->fin_queued)
		return true;
	if (chunks_held_back(conn))
		return false;
	return conn->options.no_delay || conn->urgent_out || conn->packets_out == 0 ||
	       !(seq_gt(conn->snd_small, conn->snd_una) && seq_le(conn->snd_small, conn->snd_nxt));
}

/* What selective acknowledgements take of each segment while there are any to tell. */
static uint32_t sack_share(const struct tcp_conn *conn)
{
	enum { OPTIONS_MOST = 40, HEAD = 4, BLOCK = 8 };
	uint32_t n = conn->sack ? conn->n_sacks + (uint32_t)conn->dsack : 0;

	if (likely(n == 0))
		return 0;
	return HEAD +
	       BLOCK * min_u32(n, (OPTIONS_MOST + H_SIZE - conn->header_size - HEAD) / BLOCK);
}

uint32_t output_whole(const struct tcp_conn *conn)
{
	uint32_t limit = output_limit(conn), share = sack_share(conn);

	return limit > share + MSS_FLOOR ? limit - share : min_u32(limit, MSS_FLOOR);
}

/* Payload bytes of the next segment or burst; -1: nothing may leave. 0: FIN alone. */
static int64_t next_size(struct tcp_conn *conn, uint32_t quota)
{
	int32_t window = (int32_t)(window_end(conn) - conn->snd_nxt);
	uint32_t left = unsent(conn), mss = output_whole(conn), most, size;

	if (window <= 0)
		return -1;
	if (left == 0)
		return 0;
	if ((uint32_t)window < min_u32(left, mss))
		return -1;
	most = max_u32(conn->stack->config.segment_max / mss, 1);
	if (mss != conn->mss) /* a burst would be cut elsewhere */
		most = 1;
	size = min_u32(min_u32(left, (uint32_t)window), min_u32(most, quota) * mss);
	size = chunks_bound(conn, conn->snd_nxt, size);
	if (size % mss == 0)
		return size;
	/* A part: the end of what there is, or of what the window or a packet's pieces take. */
	if (size > mss && (size < left || !nagle_allows(conn)))
		return size - size % mss;
	if (size == left && size < mss && !nagle_allows(conn))
		return -1;
	return size;
}

static void data_sent(struct tcp_conn *conn)
{
	struct tcp_stack *stack = conn->stack;

	/* Answers to what came a moment ago: a conversation, whose acknowledgements can wait. */
	if ((stack->ms - conn->last_received_ms) * 1000 < conn->ato_us)
		conn->interactive = 1;
	conn->last_sent_ms = stack->ms;
}

static void pace(struct tcp_conn *conn, uint32_t size)
{
	uint64_t now = conn->stack->now, rate, gap;

	if (likely(!is_paced(conn)) || (conn->pacing_rate == 0 && conn->data_out <= UNPACED))
		return;
	rate = congestion_pacing(conn);
	gap = (uint64_t)(size + conn->header_size) * NS_PER_S / rate;
	conn->pace_at = max_u64(conn->pace_at, now - min_u64(now, PACE_CREDIT_NS)) + gap;
}

/* *arm becomes true where the retransmission timer has to begin anew. */
static bool put_piece(struct tcp_conn *conn, uint32_t size, uint8_t flags, bool *arm)
{
	bool fin = conn->fin_queued && conn->snd_nxt + size == conn->snd_end &&
	           seq_lt(conn->snd_nxt + size, window_end(conn));
	uint32_t end = conn->snd_nxt + size + fin;
	uint32_t prior = conn->packets_out, whole = output_whole(conn);
	struct record *record;

	if (size == 0 && !fin)
		return false;
	if (fin)
		flags |= R_FIN;
	if (size > 0 && chunks_pushed(conn, conn->snd_nxt + size))
		flags |= R_PUSH;
	record = record_append(conn, end, flags);
	if (record == NULL)
		return false;
	record->sent_us = conn->stack->us;
	rate_sent(conn, record);
	record_time_append(conn, record);
	transmit_record(conn, record, size);
	conn->snd_nxt = end;
	if (size % whole != 0)
		conn->snd_small = end;
	conn->fin_sent |= fin;
	conn->stack->count.bytes_out += size;
	if (size > 0)
		data_sent(conn);
	pace(conn, size);
	if (conn->recovery == TCP_RECOVERY_CWR || conn->recovery == TCP_RECOVERY_RECOVERY)
		conn->act->prr_out += record->segments;
	*arm |= prior == 0 || conn->rtx == RTX_PROBE;
	return true;
}

static bool send_piece(struct tcp_conn *conn, uint32_t size, uint8_t flags)
{
	bool arm = false, sent = put_piece(conn, size, flags, &arm);

	if (arm)
		rtx_arm(conn);
	return sent;
}

/* Whether the next segment's turn is still to come. */
static bool paced(const struct tcp_conn *conn)
{
	return is_paced(conn) && conn->pace_at > conn->stack->now;
}

/* Where the window is shut, that is no idleness: nothing is asked until it opens. */
static void check_idle(struct tcp_conn *conn)
{
	if (conn->packets_out > 0 || !conn->stack->config.slow_start_after_idle ||
	    (int32_t)(window_end(conn) - conn->snd_nxt) <= 0)
		return;
	if ((uint64_t)(conn->stack->ms - conn->last_sent_ms) * 1000 > conn->rto_us)
		congestion_restart(conn);
}

/* Whether all that is unsent is one chunk that may leave now in one segment, `whole` bytes at most,
 * alone in flight: an answer of few bytes, for which the functions above come to what follows. */
static bool is_single(const struct tcp_conn *conn, const struct tcp_chunk *chunk, uint32_t whole)
{
	const uint32_t left = conn->snd_end - conn->snd_nxt;

	return chunk != NULL && conn->packets_out == 0 && chunk->seq == conn->snd_nxt &&
	       chunk->size == left && left != 0 && left <= whole &&
	       (int32_t)(window_end(conn) - conn->snd_end) > 0 && !is_paced(conn) &&
	       conn->recovery == TCP_RECOVERY_OPEN && !conn->urgent_out && !conn->fin_sent &&
	       (conn->fin_queued || !chunks_held_back(conn));
}

static bool push_single(struct tcp_conn *conn, struct tcp_chunk *chunk, uint32_t whole)
{
	const bool fin = conn->fin_queued, pushed = fin || (chunk->flags & CHUNK_PUSH) != 0;
	struct record *record = record_append_single(conn, conn->snd_end + fin,
	                                             (fin ? R_FIN : 0) | (pushed ? R_PUSH : 0));

	if (record == NULL)
		return false;
	rate_sent_single(conn, record);
	transmit_single(conn, record, chunk);
	conn->snd_nxt = record->end;
	if (chunk->size != whole)
		conn->snd_small = record->end;
	conn->fin_sent |= fin;
	conn->stack->count.bytes_out += chunk->size;
	data_sent(conn);
	if (!tlp_arm(conn, false))
		rtx_arm(conn);
	congestion_validate(conn, conn->cwnd <= 1);
	return true;
}

/* What keeps the rest from leaving, after so many segments did. */
static void note_busy(struct tcp_conn *conn, uint32_t sent, bool limited)
{
	int32_t window = (int32_t)(window_end(conn) - conn->snd_nxt);
	uint32_t next = min_u32(unsent(conn), output_whole(conn));

	if (next > 0 && !limited && (window <= 0 || (uint32_t)window < next))
		busy_begin(conn, BUSY_WINDOW);
	else
		busy_end(conn, BUSY_WINDOW);
	if (sent > 0 && !limited && !has_unsent(conn) && conn->want_space &&
	    (conn->state == TCP_STATE_ESTABLISHED || conn->state == TCP_STATE_CLOSE_WAIT))
		busy_begin(conn, BUSY_BUFFER);
}

void output_push(struct tcp_conn *conn)
{
	uint32_t sent = 0, whole;
	bool limited = false, arm = false;

	if (!has_unsent(conn) || !may_transmit(conn))
		return;
	check_idle(conn);
	whole = output_whole(conn);
	if (likely(is_single(conn, conn->chunk_next, whole)) &&
	    push_single(conn, conn->chunk_next, whole)) {
		if (unlikely(conn->stack->busies != NULL))
			note_busy(conn, 1, conn->cwnd <= 1);
		return;
	}
	while (has_unsent(conn) && !paced(conn)) {
		uint32_t flying = in_flight(conn);
		int64_t size;

		if (flying >= conn->cwnd) {
			limited = true;
			break;
		}
		size = next_size(conn, conn->cwnd - flying);
		if (size < 0 || !put_piece(conn, (uint32_t)size, 0, &arm))
			break;
		sent++;
	}
	if (sent > 0) {
		limited |= in_flight(conn) >= conn->cwnd;
		if (!tlp_arm(conn, false) && arm)
			rtx_arm(conn);
		congestion_validate(conn, limited);
	} else if (limited) {
		congestion_validate(conn, true);
	}
	if (unlikely(conn->stack->busies != NULL))
		note_busy(conn, sent, limited);
	if (paced(conn) && has_unsent(conn))
		timer_update(conn);
	persist_check(conn);
}

bool output_probe_new(struct tcp_conn *conn)
{
	int32_t window = (int32_t)(window_end(conn) - conn->snd_nxt);
	uint32_t size = min_u32(unsent(conn), output_whole(conn));

	if (!has_unsent(conn) || window <= 0 || (uint32_t)window < size)
		return false;
	return send_piece(conn, chunks_bound(conn, conn->snd_nxt, size), 0);
}

bool output_wake(struct tcp_conn *conn)
{
	int32_t window = (int32_t)(window_end(conn) - conn->snd_nxt);
	uint32_t size = min_u32(unsent(conn), conn->mss);

	if (window <= 0 || !has_unsent(conn))
		return false;
	size = chunks_bound(conn, conn->snd_nxt, min_u32(size, (uint32_t)window));
	return send_piece(conn, size, R_PUSH);
}

void output_set_mtu(struct tcp_conn *conn, uint32_t mtu)
{
	uint32_t headers = (conn->at.remote.family == 6 ? IP6_SIZE : IP4_SIZE) + H_SIZE;
	uint32_t mss = mtu > headers + MSS_MIN ? mtu - headers : MSS_MIN, options;

	conn->path_mtu = (uint16_t)min_u32(mtu, 65535);
	if (conn->state == TCP_STATE_SYN_SENT) /* the next SYN says so */
		conn->advertised_mss = (uint16_t)min_u32(conn->advertised_mss, mss);
	mss = min_u32(mss, conn->snd_mss_max);
	options = conn->header_size - (uint32_t)H_SIZE;
	mss = mss > options + MSS_MIN ? mss - options : MSS_MIN;
	conn->mss = (uint16_t)mss;
}
