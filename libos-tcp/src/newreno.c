/* SPDX-License-Identifier: BSD-2-Clause */
/* Reno's window (RFC 5681); recovery without SACK is RFC 6582's, in recovery.c. */
#include "internal.h"

static void init(struct tcp_conn *conn)
{
}

uint32_t newreno_ssthresh(struct tcp_conn *conn)
{
	return max_u32(conn->cwnd >> 1, 2);
}

uint32_t newreno_undo(struct tcp_conn *conn)
{
	return max_u32(conn->cwnd, conn->act->prior_cwnd);
}

static void avoid(struct tcp_conn *conn, uint32_t acked)
{
	if (!congestion_limited(conn))
		return;
	if (in_slow_start(conn)) {
		acked = congestion_slow_start(conn, acked);
		if (acked == 0)
			return;
	}
	congestion_additive(conn, conn->cwnd, acked);
}

const struct congestion congestion_newreno = {
        .name = "newreno",
        .init = init,
        .ssthresh = newreno_ssthresh,
        .avoid = avoid,
        .undo = newreno_undo,
};
