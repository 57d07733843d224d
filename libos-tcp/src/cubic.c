/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CUBIC (RFC 9438): after a loss the window grows as a cubic function of time around the window at
 * that loss, never slower than Reno would. Slow start ends early when round trips grow (HyStart: Ha
 * and Rhee, 2011, its delay increase detection). Windows in segments, times in milliseconds.
 */
#include "internal.h"

enum {
	BETA = 717, /* of 1024: 0.7 */
	SCALE = 1024,
	ALPHA = 542, /* of 1024: 3 (1 - beta) / (1 + beta) (RFC 9438, 4.3) */
	AGE_MAX_MS = 1000000,
	HYSTART_WINDOW = 16, /* segments below which slow start goes on in any case */
	HYSTART_SAMPLES = 8,
	HYSTART_LEAST_US = 4000,
	HYSTART_MOST_US = 16000,
};

struct cubic {
	uint32_t w_max;    /* window before the last reduction */
	uint32_t epoch_ms; /* when this period of congestion avoidance began; 0: not yet */
	uint32_t k_ms;     /* how long until w_max is reached again */
	uint32_t origin;   /* the plateau */
	uint32_t w_est;    /* what Reno would have, times 1024 */
	uint32_t prior;    /* cwnd before the last reduction, for Reno's share */
	uint32_t rtt_min_us;
	uint32_t round_end, round_rtt_us;
	uint8_t samples, found;
};

_Static_assert(sizeof(struct cubic) <= sizeof(uint64_t[CC_WORDS]), "fits the private state");

static struct cubic *state_of(struct tcp_conn *conn)
{
	return (struct cubic *)(void *)conn->cc;
}

static void begin_round(struct tcp_conn *conn, struct cubic *cubic)
{
	cubic->round_end = conn->snd_nxt;
	cubic->round_rtt_us = UINT32_MAX;
	cubic->samples = 0;
}

static void init(struct tcp_conn *conn)
{
	struct cubic *cubic = state_of(conn);

	cubic->rtt_min_us = UINT32_MAX;
	begin_round(conn, cubic);
}

/* Integer cube root, bit by bit. */
static uint32_t cube_root(uint64_t value)
{
	uint64_t root = 0;

	for (int bit = 20; bit >= 0; bit--) {
		uint64_t more = root | 1ull << bit;

		if (more * more * more <= value)
			root = more;
	}
	return (uint32_t)root;
}

static void begin_epoch(struct tcp_conn *conn, struct cubic *cubic)
{
	cubic->epoch_ms = conn->stack->ms | 1;
	cubic->w_est = conn->cwnd * SCALE;
	if (conn->cwnd < cubic->w_max) {
		/* K = cbrt((w_max - cwnd) / C), C = 0.4, in milliseconds (RFC 9438, 4.2). */
		cubic->k_ms = cube_root(2500000000ull * (cubic->w_max - conn->cwnd));
		cubic->origin = cubic->w_max;
	} else {
		cubic->k_ms = 0;
		cubic->origin = conn->cwnd;
	}
}

/* W(t) of RFC 9438, figure 1. */
static uint32_t target(const struct cubic *cubic, uint32_t t_ms)
{
	uint64_t distance = t_ms < cubic->k_ms ? cubic->k_ms - t_ms : t_ms - cubic->k_ms;
	uint64_t delta;

	if (distance > AGE_MAX_MS)
		distance = AGE_MAX_MS;
	delta = distance * distance * distance / 2500000000ull;
	if (t_ms < cubic->k_ms)
		return delta < cubic->origin ? cubic->origin - (uint32_t)delta : 1;
	return (uint32_t)min_u64(cubic->origin + delta, CWND_MAX);
}

static void congestion_avoidance(struct tcp_conn *conn, struct cubic *cubic, uint32_t acked)
{
	uint32_t alpha, aim, w_est, t;

	if (cubic->epoch_ms == 0)
		begin_epoch(conn, cubic);
	t = conn->stack->ms - cubic->epoch_ms + 1;
	alpha = conn->cwnd >= cubic->prior ? SCALE : ALPHA;
	cubic->w_est += (uint32_t)((uint64_t)alpha * acked / conn->cwnd);
	w_est = cubic->w_est / SCALE;
	aim = target(cubic, t + (conn->rtt_seen ? (conn->srtt_8 >> 3) / 1000 : 0));
	aim = min_u32(aim, conn->cwnd + conn->cwnd / 2);
	aim = max_u32(aim, w_est);
	if (aim > conn->cwnd)
		congestion_additive(conn, max_u32(conn->cwnd / (aim - conn->cwnd), 2), acked);
	else
		congestion_additive(conn, 100 * conn->cwnd, acked);
}

static void avoid(struct tcp_conn *conn, uint32_t acked)
{
	struct cubic *cubic = state_of(conn);

	if (!congestion_limited(conn))
		return;
	if (in_slow_start(conn)) {
		acked = congestion_slow_start(conn, acked);
		if (acked == 0)
			return;
	}
	congestion_avoidance(conn, cubic, acked);
}

static uint32_t ssthresh(struct tcp_conn *conn)
{
	struct cubic *cubic = state_of(conn);

	cubic->epoch_ms = 0;
	cubic->prior = conn->cwnd;
	/* Fast convergence (RFC 9438, 4.7). */
	if (conn->cwnd < cubic->w_max)
		cubic->w_max = conn->cwnd * (SCALE + BETA) / (2 * SCALE);
	else
		cubic->w_max = conn->cwnd;
	return max_u32(conn->cwnd * BETA / SCALE, 2);
}

static void hystart(struct tcp_conn *conn, struct cubic *cubic, uint32_t rtt)
{
	uint32_t margin;

	if (seq_gt(conn->snd_una, cubic->round_end))
		begin_round(conn, cubic);
	if (cubic->samples < HYSTART_SAMPLES) {
		cubic->round_rtt_us = min_u32(cubic->round_rtt_us, rtt);
		cubic->samples++;
		return;
	}
	margin = cubic->rtt_min_us >> 3;
	margin = min_u32(max_u32(margin, HYSTART_LEAST_US), HYSTART_MOST_US);
	if (!cubic->found && cubic->round_rtt_us > cubic->rtt_min_us + margin) {
		cubic->found = 1;
		conn->ssthresh = conn->cwnd;
	}
}

static void acked(struct tcp_conn *conn, int32_t rtt_us)
{
	struct cubic *cubic = state_of(conn);
	uint32_t rtt;

	if (rtt_us < 0)
		return;
	rtt = max_u32((uint32_t)rtt_us, 1);
	cubic->rtt_min_us = min_u32(cubic->rtt_min_us, rtt);
	if (!cubic->found && in_slow_start(conn) && conn->cwnd >= HYSTART_WINDOW)
		hystart(conn, cubic, rtt);
}

static void set_state(struct tcp_conn *conn, uint8_t state)
{
	struct cubic *cubic = state_of(conn);

	if (state != TCP_RECOVERY_LOSS)
		return;
	cubic->found = 0;
	cubic->epoch_ms = 0;
	begin_round(conn, cubic);
}

/* Idle time is no time of growth. */
static void restart(struct tcp_conn *conn)
{
	struct cubic *cubic = state_of(conn);

	if (cubic->epoch_ms != 0)
		cubic->epoch_ms = 0;
	cubic->found = 0;
	begin_round(conn, cubic);
}

const struct congestion congestion_cubic = {
        .name = "cubic",
        .init = init,
        .ssthresh = ssthresh,
        .avoid = avoid,
        .acked = acked,
        .state = set_state,
        .undo = newreno_undo,
        .restart = restart,
};
