/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending again what is marked lost (RFC 6675, 5; RFC 9293, 3.8.1). */
#include "internal.h"

/* Small segments that follow leave with it, as far as they fit one segment. */
static void join(struct tcp_conn *conn, struct record *record, uint32_t most)
{
	const struct record *next;

	while ((next = record->next) != NULL && next->segments == 1 && !(next->flags & R_SACKED) &&
	       !seq_gt(next->end, window_end(conn))) {
		uint32_t size = next->end - record->seq - !!(next->flags & R_FIN);

		if (size > most || chunks_bound(conn, record->seq, size) < size)
			return;
		record_join(conn, record);
	}
}

/* Payload bytes of a record that fit a segment, or burst, and the peer's window; what does not is
 * cut off as a record of its own, or, where there is none left, stays for later. false: it can't be
 * sent. */
static bool fit(struct tcp_conn *conn, struct record *record, uint32_t *most)
{
	uint32_t size = record->end - record->seq - !!(record->flags & R_FIN);
	int32_t window = (int32_t)(window_end(conn) - record->seq);
	uint32_t whole = output_whole(conn);

	*most = whole != conn->mss ? whole
	                           : max_u32(conn->stack->config.segment_max / whole, 1) * whole;
	if (window <= 0) {
		/* A shut window: only the first bytes go out, as a probe. */
		if (record->seq != conn->snd_una)
			return false;
		window = (int32_t)conn->mss;
	}
	if ((uint32_t)window < *most)
		*most = max_u32((uint32_t)window / conn->mss * conn->mss,
		                min_u32((uint32_t)window, conn->mss));
	if (size > *most)
		(void)record_split(conn, record, *most);
	else if (size < whole)
		join(conn, record, min_u32(whole, (uint32_t)window));
	return true;
}

bool retransmit_probe(struct tcp_conn *conn, struct record *record)
{
	struct tcp_stack *stack = conn->stack;
	uint32_t size, most;

	if (!fit(conn, record, &most))
		return false;
	size = min_u32(record->end - record->seq - !!(record->flags & R_FIN), most);
	record->flags |= R_EVER;
	if (record->tries < 255)
		record->tries++;
	record->sent_us = stack->us;
	rate_sent(conn, record);
	record_time_remove(conn, record);
	record_time_append(conn, record);
	transmit_record(conn, record, most);
	conn->total_retrans += record->segments;
	conn->bytes_retrans += size;
	conn->last_sent_ms = stack->ms;
	stack->count.retransmits += record->segments;
	return true;
}

bool retransmit_record(struct tcp_conn *conn, struct record *record)
{
	if (!retransmit_probe(conn, record))
		return false;
	if (conn->retrans_ms == 0) {
		conn->retrans_ms = conn->stack->ms | 1;
		conn->act->retrans_ts = timestamp_now(conn->stack, conn->ts_offset);
	}
	if (!(record->flags & R_RETRANS))
		conn->act->retrans_out += record->segments;
	record->flags |= R_RETRANS;
	if (conn->act->undo_retrans < 0)
		conn->act->undo_retrans = 0;
	conn->act->undo_retrans += record->segments;
	return true;
}

void retransmit_lost(struct tcp_conn *conn)
{
	struct record *record = conn->act->lost_hint, *next;
	bool arm = false;

	for (; record != NULL && conn->act->retrans_out < conn->act->lost_out; record = next) {
		uint32_t flying = in_flight(conn);

		next = record->next;
		if (flying >= conn->cwnd || (is_paced(conn) && conn->pace_at > conn->stack->now))
			break;
		conn->act->lost_hint = record;
		if (!(record->flags & R_LOST) || (record->flags & (R_SACKED | R_RETRANS)))
			continue;
		if (record->segments > conn->cwnd - flying &&
		    !record_split(conn, record, (conn->cwnd - flying) * conn->mss))
			break;
		if (!retransmit_record(conn, record))
			break;
		next = record->next;
		if (conn->recovery == TCP_RECOVERY_CWR || conn->recovery == TCP_RECOVERY_RECOVERY)
			conn->act->prr_out += record->segments;
		if (record == conn->act->records && conn->rtx != RTX_REORDER)
			arm = true;
	}
	if (record == NULL && conn->act->retrans_out >= conn->act->lost_out)
		conn->act->lost_hint = NULL;
	if (arm)
		rtx_arm(conn);
}
