/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking back what was done for a loss that was none: timestamps tell that the original arrived
 * (RFC 3522), duplicates reported by the peer that every retransmission was needless (RFC 3708), or
 * F-RTO (RFC 5682). And the opposite: a peer that takes back what it selectively acknowledged.
 */
#include "internal.h"

enum { PERSIST_MAX = 16 };

void undo_init(struct tcp_conn *conn)
{
	conn->undo_on = 1;
	conn->act->undo_una = conn->snd_una;
	/* -1: nothing was sent again yet, which is not the same as nothing left that was needed. */
	conn->act->undo_retrans = conn->act->retrans_out > 0 ? (int32_t)conn->act->retrans_out : -1;
}

/* The acknowledgement answers what left before the first retransmission. */
static bool original_arrived(const struct tcp_conn *conn)
{
	return conn->retrans_ms != 0 && conn->stack->seen_echo != 0 &&
	       seq_lt(conn->stack->seen_echo, conn->act->retrans_ts);
}

static bool may_undo(const struct tcp_conn *conn)
{
	return conn->undo_on && (conn->act->undo_retrans == 0 || original_arrived(conn));
}

static void restore(struct tcp_conn *conn, bool forget_losses)
{
	if (forget_losses) {
		for (struct record *record = conn->act->records; record != NULL;
		     record = record->next) {
			if ((record->flags & R_LOST) && !(record->flags & R_TIMED))
				record_time_insert(conn, record);
			record->flags &= (uint8_t)~R_LOST;
		}
		conn->act->lost_out = 0;
		conn->act->lost_hint = NULL;
	}
	if (conn->act->prior_ssthresh != 0) {
		conn->cwnd = max_u32(congestion_of(conn)->undo(conn), 1);
		if (conn->act->prior_ssthresh > conn->ssthresh) {
			conn->ssthresh = conn->act->prior_ssthresh;
			conn->queue_cwr = 0;
		}
	}
	conn->cwnd_ms = conn->stack->ms;
	conn->undo_on = 0;
	conn->rack_advanced = 1;
}

bool undo_recovery(struct tcp_conn *conn)
{
	if (may_undo(conn)) {
		if (conn->recovery == TCP_RECOVERY_LOSS)
			conn->stack->count.timeouts_spurious++;
		else
			conn->stack->count.recoveries_undone++;
		restore(conn, false);
	}
	/* Without SACK the state is held until something above is acknowledged, lest duplicates of
	   this recovery begin another (RFC 6582, 4). */
	if (conn->snd_una == conn->high_seq && !conn->sack) {
		if (!any_retransmitted(conn))
			conn->retrans_ms = 0;
		return true;
	}
	if (conn->recovery == TCP_RECOVERY_RECOVERY)
		recovery_end_reduction(conn);
	recovery_set_state(conn, TCP_RECOVERY_OPEN);
	return false;
}

bool undo_dsack(struct tcp_conn *conn)
{
	if (!conn->undo_on || conn->act->undo_retrans != 0)
		return false;
	conn->rack_persist = PERSIST_MAX;
	conn->stack->count.recoveries_undone++;
	restore(conn, false);
	return true;
}

bool undo_loss(struct tcp_conn *conn, bool frto)
{
	if (!frto && !may_undo(conn))
		return false;
	restore(conn, true);
	conn->stack->count.timeouts_spurious++;
	conn->retransmits = 0;
	if (conn->snd_una == conn->high_seq && !conn->sack)
		return true;
	if (frto || conn->sack)
		recovery_set_state(conn, TCP_RECOVERY_OPEN);
	return true;
}

bool undo_partial(struct tcp_conn *conn, struct ack *ack)
{
	if (!conn->undo_on || !original_arrived(conn))
		return false;
	sack_reordering(conn, ack->prior_una, ack);
	if (conn->act->retrans_out > 0)
		return true;
	if (!any_retransmitted(conn))
		conn->retrans_ms = 0;
	conn->stack->count.recoveries_undone++;
	restore(conn, true);
	recovery_keep_open(conn);
	return false;
}

void undo_check_reneging(struct tcp_conn *conn, uint32_t flags)
{
	uint64_t wait;

	/* The first byte in flight was selectively acknowledged, and yet is not acknowledged. */
	if (!(flags & A_ADVANCED) || conn->act->records == NULL ||
	    !(conn->act->records->flags & R_SACKED))
		return;
	wait = max_u32(conn->srtt_8 >> 4, 10000);
	rtx_set(conn, RTX_TIMEOUT, conn->stack->now + wait * NS_PER_US);
}
