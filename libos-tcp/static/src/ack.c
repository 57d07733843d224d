/* SPDX-License-Identifier: BSD-2-Clause */
/* Acknowledgements: round trips (RFC 6298), losses and congestion (RFC 5681, 6582, 3042). */
#include "internal.h"

static void measure(struct static_stack *stack, struct conn *conn)
{
	uint32_t rtt = most(stack->ms - conn->timed_at, 1), rto;

	conn->timing = false;
	rtt = least(rtt, RTO_MOST_MS / 16);
	if (conn->srtt == 0) {
		conn->srtt = (uint16_t)(rtt * 8);
		conn->variance = (uint16_t)(rtt * 2);
	} else {
		int32_t error = (int32_t)rtt - conn->srtt / 8;

		conn->srtt = (uint16_t)(conn->srtt + error);
		conn->variance = (uint16_t)(conn->variance + (error < 0 ? -error : error) -
		                            conn->variance / 4);
	}
	rto = conn->srtt / 8u + most(conn->variance, TICK_MS);
	conn->rto = (uint16_t)least(most(rto, RTO_LEAST_MS), RTO_MOST_MS);
}

/* Answers that were received whole leave the queue. */
static void retire(struct static_stack *stack, struct conn *conn)
{
	unsigned gone = 0;

	for (; gone < conn->queued; gone++) {
		const struct static_answer *answer = &stack->site.answers[conn->queue[gone]];
		uint32_t end = conn->base + (conn->head[gone] ? answer->head : answer->size);

		if (before(conn->snd_una, end))
			break;
		conn->base = end;
	}
	if (gone == 0)
		return;
	conn->queued = (uint8_t)(conn->queued - gone);
	if (conn->queued == 0)
		return;
	memmove(conn->queue, conn->queue + gone, conn->queued * sizeof conn->queue[0]);
	memmove(conn->head, conn->head + gone, conn->queued * sizeof conn->head[0]);
}

static void grow(struct conn *conn, uint32_t acked)
{
	if (conn->cwnd < conn->ssthresh)
		conn->cwnd += least(acked, 2u * conn->mss); /* RFC 3465 */
	else
		conn->cwnd += most(1, (uint32_t)((uint64_t)conn->mss * conn->mss / conn->cwnd));
	conn->cwnd = least(conn->cwnd, 1u << 30);
}

/* RFC 6582, 3.2, step 3. */
static void advance_recovery(struct static_stack *stack, struct conn *conn, uint32_t acked)
{
	uint32_t flight = conn->snd_max - conn->snd_una;

	if (!before(conn->snd_una, conn->recover)) {
		conn->cwnd = least(conn->ssthresh, most(flight, conn->mss) + conn->mss);
		conn->recovering = false;
		return;
	}
	stack->count.retransmitted++;
	static_output_one(stack, conn, conn->snd_una);
	conn->cwnd = most(conn->cwnd - least(acked, conn->cwnd), conn->mss);
	if (acked >= conn->mss)
		conn->cwnd += conn->mss;
}

static void take_new(struct static_stack *stack, struct conn *conn, uint32_t ack)
{
	uint32_t acked = ack - conn->snd_una;

	stack->count.bytes += acked - (conn->ending && ack == conn->limit); /* FIN */
	conn->snd_una = ack;
	if (before(conn->snd_nxt, ack))
		conn->snd_nxt = ack;
	if (before(conn->recover, ack)) /* it must not lie so far back that it is ahead */
		conn->recover = ack;
	if (conn->timing && !before(ack, conn->timed))
		measure(stack, conn);
	conn->retries = 0;
	conn->duplicates = 0;
	conn->heard = stack->ms;
	retire(stack, conn);
	if (conn->recovering)
		advance_recovery(stack, conn, acked);
	else
		grow(conn, acked);
}

static void take_duplicate(struct static_stack *stack, struct conn *conn)
{
	if (conn->duplicates < UINT8_MAX)
		conn->duplicates++;
	if (conn->recovering) {
		conn->cwnd += conn->mss;
	} else if (conn->duplicates == 3 && !before(conn->snd_una, conn->recover)) {
		conn->ssthresh = most((conn->snd_max - conn->snd_una) / 2, 2u * conn->mss);
		conn->recover = conn->snd_max;
		conn->recovering = true;
		conn->timing = false;
		conn->cwnd = conn->ssthresh + 3u * conn->mss;
		stack->count.retransmitted++;
		static_output_one(stack, conn, conn->snd_una);
	}
}

/* Both ends have ended, and each knows it of the other. */
static bool ended(struct static_stack *stack, struct conn *conn)
{
	if (!conn->ending || conn->snd_una != conn->limit || !conn->peer_ended)
		return false;
	if (conn->state == OPEN) {
		stack->count.closed++;
		if (!conn->active) {
			static_table_remove(stack, conn);
			return true;
		}
		conn->state = TIME_WAIT;
		static_timer_update(stack, conn);
	}
	return false;
}

/* A window that was shut, and asked for: it is there, or the peer is, who stays then for as long as
 * he answers (RFC 9293, 3.8.6.1) and nobody else needs his place. */
static void answered(struct conn *conn, uint32_t window)
{
	conn->retries = window != 0 ? 0 : (uint8_t)least(conn->retries, RETRIES_MAX - 1);
}

bool static_ack_take(struct static_stack *stack, struct conn *conn, const struct segment *segment)
{
	uint32_t window = segment->window << conn->scale;

	if (before(conn->snd_una, segment->ack)) {
		take_new(stack, conn, segment->ack);
		conn->snd_wnd = window;
	} else if (segment->ack == conn->snd_una) {
		bool same = window == conn->snd_wnd;

		if (conn->snd_wnd == 0)
			answered(conn, window);
		conn->snd_wnd = window;
		if (same && segment->size == 0 && (segment->flags & FIN) == 0 &&
		    conn->snd_max != conn->snd_una)
			take_duplicate(stack, conn);
	}
	return !ended(stack, conn);
}
