/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Delivery rate (draft-cheng-iccrg-delivery-rate-estimation-00): each record remembers how much had
 * been delivered when it left; what was delivered since, over the longer of the time that sending
 * and that acknowledging took, is a sample of the rate.
 */
#include "internal.h"

void rate_sent(struct tcp_conn *conn, struct record *record)
{
	/* After idle time, time begins anew. */
	if (conn->packets_out == record->segments && !(record->flags & R_EVER)) {
		conn->act->first_us = record->sent_us;
		conn->act->delivered_us = record->sent_us;
		conn->act->rack_us = record->sent_us;
		conn->act->rack_end = record->seq;
	}
	record->first_us = conn->act->first_us;
	record->delivered_us = conn->act->delivered_us;
	record->delivered = conn->delivered;
	if (conn->limited_until != 0)
		record->flags |= R_LIMITED;
	else
		record->flags &= (uint8_t)~R_LIMITED;
}

void rate_sent_single(struct tcp_conn *conn, struct record *record)
{
	struct active *act = conn->act;
	const uint32_t us = record->sent_us;

	act->first_us = act->delivered_us = act->rack_us = us;
	act->rack_end = record->seq;
	record->first_us = record->delivered_us = us;
	record->delivered = conn->delivered;
	if (conn->limited_until != 0)
		record->flags |= R_LIMITED;
}

void rate_delivered(struct tcp_conn *conn, const struct record *record, struct sample *sample)
{
	/* The record sent last tells most. */
	if (sample->has_prior && (int32_t)(record->sent_us - sample->last_sent_us) < 0)
		return;
	if (sample->has_prior && record->sent_us == sample->last_sent_us &&
	    !seq_gt(record->end, sample->last_end))
		return;
	sample->has_prior = true;
	sample->prior_delivered = record->delivered;
	sample->prior_us = record->delivered_us;
	sample->limited = record->flags & R_LIMITED;
	sample->retrans = record->flags & R_RETRANS;
	sample->last_sent_us = record->sent_us;
	sample->last_end = record->end;
	sample->send_us = record->sent_us - record->first_us;
	conn->act->first_us = record->sent_us;
}

static void check_until(struct tcp_conn *conn)
{
	if (conn->limited_until != 0 && (int32_t)(conn->delivered - conn->limited_until) > 0)
		conn->limited_until = 0;
}

/* A sample: so many segments in so many microseconds. */
static void take_rate(struct tcp_conn *conn, uint32_t delivered, uint32_t interval, bool limited)
{
	if (limited && (uint64_t)delivered * conn->rate_interval_us <
	                       (uint64_t)conn->rate_delivered * interval)
		return;
	conn->rate_delivered = delivered;
	conn->rate_interval_us = interval;
	conn->limited = limited;
}

void rate_finish(struct tcp_conn *conn, struct ack *ack)
{
	struct sample *sample = &ack->sample;
	uint32_t ack_us;

	check_until(conn);
	sample->acked_sacked = conn->delivered - ack->prior_delivered;
	if (sample->acked_sacked > 0)
		conn->act->delivered_us = conn->stack->us;
	if (unlikely(ack->flags & A_ECE) && conn->stack->busies != NULL)
		busy_of(conn)->delivered_marked += sample->acked_sacked;
	sample->interval_us = -1;
	if (!sample->has_prior || (ack->flags & A_RENEGED))
		return;
	sample->delivered = conn->delivered - sample->prior_delivered;
	ack_us = conn->stack->us - sample->prior_us;
	sample->interval_us = max_u32(sample->send_us, ack_us);
	/* Less than the shortest round trip: the estimate would be far too high. */
	if (sample->interval_us < conn->min_rtt_us || sample->interval_us == 0) {
		sample->interval_us = -1;
		return;
	}
	take_rate(conn, sample->delivered, (uint32_t)sample->interval_us, sample->limited);
}

void rate_single(struct tcp_conn *conn, const struct record *record)
{
	uint32_t us = conn->stack->us, interval;

	interval = max_u32(record->sent_us - record->first_us, us - record->delivered_us);
	conn->act->first_us = record->sent_us;
	conn->act->delivered_us = us;
	check_until(conn);
	if (interval >= conn->min_rtt_us && interval != 0)
		take_rate(conn, conn->delivered - record->delivered, interval,
		          record->flags & R_LIMITED);
}

void rate_check_limited(struct tcp_conn *conn)
{
	uint32_t flying = conn->act != NULL ? in_flight(conn) : 0;

	/* Nothing unsent, the window not full, and nothing lost that waits: the application is what
	   limits us. */
	if (unsent(conn) >= conn->mss || flying >= conn->cwnd || conn->pace_at > conn->stack->now ||
	    (conn->act != NULL && conn->act->lost_out > conn->act->retrans_out))
		return;
	conn->limited_until = max_u32(conn->delivered + flying, 1);
}
