/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CUBIC (RFC 9438): after a loss the window grows as a cubic function of time around the window at
 * that loss, never slower than Reno would; as long as nothing was lost, by at least 5% a round
 * trip. Slow start ends early (HyStart: Ha and Rhee, 2011) when round trips grow, or when the
 * answers to one round come without a gap for half of a round trip. Windows in segments, times in
 * milliseconds.
 */
#include "internal.h"

enum {
	BETA = 717, /* of 1024: 0.7 */
	SCALE = 1024,
	ALPHA = 542, /* of 1024: 3 (1 - beta) / (1 + beta) (RFC 9438, 4.3) */
	AGE_MAX_MS = 1000000,
	PER_MOST_UNKNOWN = 20, /* acknowledged for one more, while no limit is known */
	UPDATE_MS = 31,        /* as long as the window stays, the function is asked so often */
	HYSTART_WINDOW = 16,   /* segments below which slow start goes on in any case */
	HYSTART_SAMPLES = 8,
	HYSTART_LEAST_US = 4000,
	HYSTART_MOST_US = 16000,
	TRAIN_GAP_US = 2000,   /* longer: not one train of acknowledgements */
	TRAIN_BURST_US = 1000, /* what bursts at the sender may add to it */
	SETTLE_MS = 1000,      /* round trips right after a recovery tell nothing */
};

struct cubic {
	uint32_t w_max;    /* window before the last reduction; 0: none since a timeout */
	uint32_t epoch_ms; /* when this period of congestion avoidance began; 0: not yet */
	uint32_t k_ms;     /* how long until w_max is reached again */
	uint32_t origin;   /* the plateau */
	uint32_t w_est;    /* what Reno would have, times 1024 */
	uint32_t prior;    /* cwnd before the last reduction, for Reno's share; 0: none */
	uint32_t rtt_min_us;
	uint32_t round_end, round_rtt_us, round_us, train_us;
	uint32_t asked_ms, asked_cwnd; /* the function */
	uint32_t per;                  /* so many are acknowledged for one more in the window */
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
	cubic->round_us = cubic->train_us = conn->stack->us;
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

/* How long this period lasts; its beginning may lie a millisecond ahead. */
static uint32_t age_ms(const struct tcp_conn *conn, const struct cubic *cubic)
{
	int32_t age = (int32_t)(conn->stack->ms - cubic->epoch_ms);

	return age > 0 ? (uint32_t)age : 0;
}

/* What the cubic function of the time asks for. */
static uint32_t per_cubic(const struct tcp_conn *conn, const struct cubic *cubic)
{
	uint32_t aim, per, rtt_us = cubic->rtt_min_us == UINT32_MAX ? 0 : cubic->rtt_min_us;

	aim = target(cubic, age_ms(conn, cubic) + rtt_us / 1000);
	per = aim > conn->cwnd ? conn->cwnd / (aim - conn->cwnd) : 100 * conn->cwnd;
	return cubic->w_max == 0 ? min_u32(per, PER_MOST_UNKNOWN) : per;
}

static void update(struct tcp_conn *conn, struct cubic *cubic, uint32_t acked)
{
	uint32_t ms = conn->stack->ms | 1, cwnd = conn->cwnd, alpha, w_est;

	alpha = cubic->prior != 0 && cwnd >= cubic->prior ? SCALE : ALPHA;
	cubic->w_est += (uint32_t)((uint64_t)alpha * acked / cwnd);
	if (cubic->asked_cwnd == cwnd && ms - cubic->asked_ms <= UPDATE_MS)
		return;
	if (cubic->epoch_ms == 0 || ms != cubic->asked_ms) {
		cubic->asked_cwnd = cwnd;
		cubic->asked_ms = ms;
		if (cubic->epoch_ms == 0)
			begin_epoch(conn, cubic);
		cubic->per = per_cubic(conn, cubic);
	}
	w_est = cubic->w_est / SCALE;
	if (w_est > cwnd)
		cubic->per = min_u32(cubic->per, cwnd / (w_est - cwnd));
	cubic->per = max_u32(cubic->per, 2);
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
	update(conn, cubic, acked);
	congestion_additive(conn, cubic->per, acked);
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

/* The answers to one round have come without a gap for as long as half of the path is. */
static bool is_train(struct tcp_conn *conn, struct cubic *cubic)
{
	uint32_t us = conn->stack->us;

	if (us - cubic->train_us > TRAIN_GAP_US)
		return false;
	cubic->train_us = us;
	return us - cubic->round_us > (cubic->rtt_min_us + TRAIN_BURST_US) / 2;
}

static bool is_slower(struct cubic *cubic, uint32_t rtt)
{
	uint32_t margin;

	cubic->round_rtt_us = min_u32(cubic->round_rtt_us, rtt);
	if (cubic->samples < HYSTART_SAMPLES) {
		cubic->samples++;
		return false;
	}
	margin = cubic->rtt_min_us >> 3;
	margin = min_u32(max_u32(margin, HYSTART_LEAST_US), HYSTART_MOST_US);
	return cubic->round_rtt_us > cubic->rtt_min_us + margin;
}

static void hystart(struct tcp_conn *conn, struct cubic *cubic, uint32_t rtt)
{
	bool train, slower;

	if (seq_gt(conn->snd_una, cubic->round_end))
		begin_round(conn, cubic);
	train = is_train(conn, cubic);
	slower = is_slower(cubic, rtt);
	if (train || slower) {
		cubic->found = 1;
		conn->ssthresh = conn->cwnd;
	}
}

static void acked(struct tcp_conn *conn, int32_t rtt_us)
{
	struct cubic *cubic = state_of(conn);
	uint32_t rtt;

	if (rtt_us < 0 || (cubic->epoch_ms != 0 && age_ms(conn, cubic) < SETTLE_MS))
		return;
	rtt = max_u32((uint32_t)rtt_us, 1);
	cubic->rtt_min_us = min_u32(cubic->rtt_min_us, rtt);
	if (!cubic->found && in_slow_start(conn) && conn->cwnd >= HYSTART_WINDOW)
		hystart(conn, cubic, rtt);
}

/* After a timeout nothing is known any more (RFC 9438, 4.8). */
static void set_state(struct tcp_conn *conn, uint8_t state)
{
	struct cubic *cubic = state_of(conn);

	if (state != TCP_RECOVERY_LOSS)
		return;
	*cubic = (struct cubic){0};
	init(conn);
}

/* Idle time is no time of growth. */
static void restart(struct tcp_conn *conn)
{
	struct cubic *cubic = state_of(conn);

	if (cubic->epoch_ms != 0)
		cubic->epoch_ms = (cubic->epoch_ms + conn->stack->ms - conn->last_sent_ms) | 1;
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
