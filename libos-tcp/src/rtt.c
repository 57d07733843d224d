/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round trips and the retransmission timeout (RFC 6298), with Linux's two refinements: a deviation
 * that rises at once falls only once a round trip, and the bound of 200 ms is one of the
 * deviation's part, not of the whole. Samples never come from segments sent twice (Karn),
 * timestamps aside.
 */
#include "internal.h"

#define MIN_RTT_WINDOW_MS 300000u

static void smooth(struct tcp_conn *conn, int32_t rtt)
{
	uint32_t least = rto_min_us(conn->stack);
	int32_t error = rtt - (int32_t)(conn->srtt_8 >> 3);

	conn->srtt_8 = (uint32_t)max_u32((uint32_t)((int32_t)conn->srtt_8 + error), 1);
	if (error < 0) {
		error = -error - (int32_t)(conn->deviation_4 >> 2);
		/* A round trip that shrinks is no reason to wait longer. */
		if (error > 0)
			error >>= 3;
	} else {
		error -= (int32_t)(conn->deviation_4 >> 2);
	}
	conn->deviation_4 = (uint32_t)((int32_t)conn->deviation_4 + error);
	if (conn->deviation_4 > conn->deviation_max) {
		conn->deviation_max = conn->deviation_4;
		conn->rtt_variance = max_u32(conn->rtt_variance, conn->deviation_max);
	}
	if (!seq_gt(conn->snd_una, conn->rtt_seq))
		return;
	if (conn->deviation_max < conn->rtt_variance)
		conn->rtt_variance -= (conn->rtt_variance - conn->deviation_max) >> 2;
	conn->rtt_seq = conn->snd_nxt;
	conn->deviation_max = least;
}

void rtt_sample(struct tcp_conn *conn, uint32_t rtt_us, uint32_t least_us)
{
	/* Above any timeout, and far enough below 2^31 for eight times it and a deviation. */
	uint32_t rtt = min_u32(max_u32(rtt_us, 1), 1u << 27);
	uint32_t least = min_u32(max_u32(least_us, 1), 1u << 27);

	if (!conn->rtt_seen || least <= conn->min_rtt_us ||
	    conn->stack->ms - conn->min_rtt_ms > MIN_RTT_WINDOW_MS) {
		conn->min_rtt_us = least;
		conn->min_rtt_ms = conn->stack->ms;
	}
	if (conn->rtt_seen) {
		smooth(conn, (int32_t)rtt);
	} else {
		conn->rtt_seen = 1;
		conn->srtt_8 = rtt << 3;
		conn->deviation_4 = rtt << 1;
		conn->rtt_variance = max_u32(conn->deviation_4, rto_min_us(conn->stack));
		conn->deviation_max = conn->rtt_variance;
		conn->rtt_seq = conn->snd_nxt;
	}
	rtt_set_rto(conn);
	conn->backoff = 0;
}

void rtt_set_rto(struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->stack->config;

	if (!conn->rtt_seen)
		conn->rto_us = config->rto_initial_ms * 1000;
	else
		conn->rto_us = min_u32((conn->srtt_8 >> 3) + conn->rtt_variance,
		                       config->rto_max_ms * 1000);
}

void rtx_set(struct tcp_conn *conn, enum retransmit_timer kind, uint64_t at)
{
	conn->rtx = (uint8_t)kind;
	conn->rtx_at = at;
	timer_update(conn);
}

void rtx_stop(struct tcp_conn *conn)
{
	conn->rtx = RTX_NONE;
	conn->rtx_at = 0;
}

void rtx_arm(struct tcp_conn *conn)
{
	uint64_t wait;

	/* While SYN is unanswered the timer is its own. */
	if (conn->state == TCP_STATE_SYN_RECEIVED)
		return;
	if (conn->packets_out == 0) {
		rtx_stop(conn);
		return;
	}
	wait = (uint64_t)conn->rto_us * NS_PER_US;
	/* Time that a probe or the reordering window has used counts: from the first segment on. */
	if (conn->rtx == RTX_REORDER || conn->rtx == RTX_PROBE) {
		const struct record *head = conn->act->records;
		uint64_t gone = (uint64_t)(conn->stack->us - head->sent_us) * NS_PER_US;

		wait = gone < wait ? wait - gone : NS_PER_US;
	}
	rtx_set(conn, RTX_TIMEOUT, conn->stack->now + wait);
}
