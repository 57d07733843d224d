/* SPDX-License-Identifier: BSD-2-Clause */
/* What all congestion control modules share: slow start (RFC 5681), counting, and when the window
 * is used enough to grow it (RFC 7661's concern, in Linux's manner). */
#include "internal.h"

const struct congestion *congestion_of(const struct tcp_conn *conn)
{
	static const struct congestion *const modules[TCP_CONGESTIONS] = {
	        [TCP_CONGESTION_NEWRENO] = &congestion_newreno,
	        [TCP_CONGESTION_CUBIC] = &congestion_cubic,
	        [TCP_CONGESTION_BBR] = &congestion_bbr,
	};

	return modules[conn->options.congestion];
}

void congestion_init(struct tcp_conn *conn)
{
	memset(conn->cc, 0, sizeof conn->cc);
	conn->pacing_rate = 0;
	congestion_of(conn)->init(conn);
}

static void grow(struct tcp_conn *conn, uint32_t cwnd)
{
	conn->cwnd = min_u32(cwnd, CWND_MAX);
}

uint32_t congestion_slow_start(struct tcp_conn *conn, uint32_t acked)
{
	uint32_t cwnd = min_u32(conn->cwnd + acked, conn->ssthresh);

	acked -= cwnd - conn->cwnd;
	grow(conn, cwnd);
	return acked;
}

void congestion_additive(struct tcp_conn *conn, uint32_t per, uint32_t acked)
{
	if (conn->cwnd_counter >= per) {
		conn->cwnd_counter = 0;
		grow(conn, conn->cwnd + 1);
	}
	conn->cwnd_counter += acked;
	if (conn->cwnd_counter >= per) {
		uint32_t n = conn->cwnd_counter / per;

		conn->cwnd_counter -= n * per;
		grow(conn, conn->cwnd + n);
	}
}

bool congestion_limited(const struct tcp_conn *conn)
{
	if (conn->cwnd_limited)
		return true;
	return in_slow_start(conn) && conn->cwnd < 2 * conn->max_packets_out;
}

static uint32_t current_ssthresh(const struct tcp_conn *conn)
{
	return max_u32(conn->ssthresh, (conn->cwnd >> 1) + (conn->cwnd >> 2));
}

/* The application used less than the window for a whole timeout: it shrinks half the way. */
static void decay(struct tcp_conn *conn)
{
	uint32_t used = max_u32(conn->cwnd_used, conn->stack->config.initial_window);

	if (conn->recovery == TCP_RECOVERY_OPEN && used < conn->cwnd && !has_unsent(conn)) {
		conn->ssthresh = current_ssthresh(conn);
		conn->cwnd = (conn->cwnd + used) >> 1;
	}
	conn->cwnd_used = 0;
	conn->cwnd_ms = conn->stack->ms;
}

void congestion_validate(struct tcp_conn *conn, bool limited)
{
	if (seq_ge(conn->snd_una, conn->max_packets_seq) || limited ||
	    (!conn->cwnd_limited && conn->packets_out > conn->max_packets_out)) {
		conn->cwnd_limited = limited;
		conn->max_packets_out = conn->packets_out;
		conn->max_packets_seq = conn->snd_nxt;
	}
	if (congestion_limited(conn)) {
		conn->cwnd_used = 0;
		conn->cwnd_ms = conn->stack->ms;
		return;
	}
	conn->cwnd_used = max_u32(conn->cwnd_used, conn->packets_out);
	if (conn->stack->config.slow_start_after_idle && congestion_of(conn)->control == NULL &&
	    (uint64_t)(conn->stack->ms - conn->cwnd_ms) * 1000 >= conn->rto_us)
		decay(conn);
}

/* Where the module says nothing, as Linux has it: a margin above a window each round trip. */
uint64_t congestion_pacing(const struct tcp_conn *conn)
{
	uint64_t rate = conn->pacing_rate, most = conn->options.max_pacing;
	uint64_t window = (uint64_t)max_u32(conn->cwnd, conn->packets_out) * conn->mss * 8;

	if (rate == 0 && conn->srtt_8 != 0)
		rate = window * 1000000 / conn->srtt_8 / 100 *
		       (conn->cwnd < conn->ssthresh / 2 ? 200 : 120);
	return most != 0 && (rate == 0 || most < rate) ? most : rate;
}

void congestion_restart(struct tcp_conn *conn)
{
	uint32_t least = min_u32(conn->stack->config.initial_window, conn->cwnd);
	int64_t gone = (int64_t)(conn->stack->ms - conn->last_sent_ms) * 1000;
	const struct congestion *congestion = congestion_of(conn);

	if (congestion->restart != NULL)
		congestion->restart(conn);
	if (congestion->control != NULL)
		return;
	conn->ssthresh = current_ssthresh(conn);
	while ((gone -= conn->rto_us) > 0 && conn->cwnd > least)
		conn->cwnd >>= 1;
	conn->cwnd = max_u32(conn->cwnd, least);
	conn->cwnd_ms = conn->stack->ms;
	conn->cwnd_used = 0;
}

void congestion_control(struct tcp_conn *conn, struct ack *ack)
{
	const struct congestion *congestion = congestion_of(conn);
	uint32_t progress = conn->reordering > REORDERING_DEFAULT ? A_ACKED | A_SACKED : A_ACKED;

	if (congestion->acked != NULL)
		congestion->acked(conn, ack->sample.rtt_us);
	if (congestion->control != NULL) {
		congestion->control(conn, ack);
		return;
	}
	if (conn->recovery == TCP_RECOVERY_CWR || conn->recovery == TCP_RECOVERY_RECOVERY) {
		recovery_reduce(conn, ack->sample.acked_sacked, ack->sample.lost, ack->flags);
	} else if (ack->flags & progress) {
		congestion->avoid(conn, ack->sample.acked_sacked);
		conn->cwnd_ms = conn->stack->ms;
	}
}
