/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BBR, version 1 (draft-cardwell-iccrg-bbr-congestion-control-00): models the path by its
 * bottleneck bandwidth (the most delivered in ten round trips) and its shortest round trip (in ten
 * seconds), paces at the former and keeps about two products of both in flight. Section numbers are
 * the draft's. Rates in units of 64 bytes a second, gains in 1/256.
 */
#include "internal.h"

enum mode { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

enum {
	UNIT = 256,
	HIGH_GAIN = UNIT * 2885 / 1000 + 1, /* 2/ln 2 */
	DRAIN_GAIN = UNIT * 1000 / 2885,
	CWND_GAIN = UNIT * 2,
	FULL_GAIN = UNIT * 5 / 4, /* growth that shows room for more */
	FULL_ROUNDS = 3,
	BW_ROUNDS = 10,
	CYCLE = 8,
	CWND_LEAST = 4,
	RTT_WINDOW_MS = 10000,
	PROBE_RTT_MS = 200,
	RATE_SHIFT = 6,
	MARGIN_PERCENT = 1,
};

struct best {
	uint32_t round, rate;
};

struct bbr {
	struct best best[3];       /* windowed maximum: the best, and the best since each */
	uint32_t rtt_us, rtt_ms;   /* shortest, and when it was seen */
	uint32_t probe_until_ms;   /* end of PROBE_RTT; 0: in flight must shrink first */
	uint32_t round, round_end; /* round_end: delivered at which it ends */
	uint32_t full_rate, prior_cwnd, cycle_us;
	uint16_t pacing_gain, cwnd_gain;
	uint8_t mode, cycle, full_rounds, last_recovery;
	uint8_t round_start : 1, full : 1, conserve : 1, probe_round_done : 1, idle : 1,
	        has_rtt : 1, recovering : 1;
};

_Static_assert(sizeof(struct bbr) <= sizeof(uint64_t[CC_WORDS]), "fits the private state");

static struct bbr *state_of(struct tcp_conn *conn)
{
	return (struct bbr *)(void *)conn->cc;
}

static uint32_t rate(const struct bbr *bbr)
{
	return bbr->best[0].rate;
}

/* ---- 4.1.1.3: the maximum over a window of rounds, by three samples ---- */

static void best_reset(struct bbr *bbr, struct best now)
{
	bbr->best[0] = bbr->best[1] = bbr->best[2] = now;
}

static void best_update(struct bbr *bbr, uint32_t value)
{
	struct best now = {bbr->round, value};
	uint32_t age = now.round - bbr->best[0].round;

	if (value >= bbr->best[0].rate || now.round - bbr->best[2].round > BW_ROUNDS) {
		best_reset(bbr, now);
		return;
	}
	if (value >= bbr->best[1].rate)
		bbr->best[1] = bbr->best[2] = now;
	else if (value >= bbr->best[2].rate)
		bbr->best[2] = now;
	if (age > BW_ROUNDS) {
		bbr->best[0] = bbr->best[1];
		bbr->best[1] = bbr->best[2];
		bbr->best[2] = now;
	} else if (bbr->best[1].round == bbr->best[0].round && age > BW_ROUNDS / 4) {
		bbr->best[1] = bbr->best[2] = now;
	} else if (bbr->best[2].round == bbr->best[1].round && age > BW_ROUNDS / 2) {
		bbr->best[2] = now;
	}
}

/* ---- Model ---- */

/* Segments that a gain of the bandwidth-delay product takes. */
static uint32_t product(struct tcp_conn *conn, const struct bbr *bbr, uint32_t gain)
{
	uint64_t bytes;

	if (!bbr->has_rtt)
		return conn->stack->config.initial_window;
	bytes = ((uint64_t)rate(bbr) << RATE_SHIFT) * bbr->rtt_us / 1000000;
	return (uint32_t)min_u64((bytes * gain / UNIT + conn->mss - 1) / conn->mss, CWND_MAX);
}

static uint32_t inflight_target(struct tcp_conn *conn, const struct bbr *bbr, uint32_t gain)
{
	/* Room for bursts and delayed acknowledgements (4.2.3.2). */
	uint32_t bursts = 3 * max_u32(conn->stack->config.segment_max / conn->mss, 1);

	return max_u32(product(conn, bbr, gain) + min_u32(bursts, 24), CWND_LEAST);
}

static void set_pacing(struct tcp_conn *conn, const struct bbr *bbr, uint32_t gain)
{
	uint64_t bytes = (uint64_t)rate(bbr) << RATE_SHIFT;

	bytes = bytes * gain / UNIT * (100 - MARGIN_PERCENT) / 100;
	if (bytes > 0 && (bbr->full || bytes > conn->pacing_rate))
		conn->pacing_rate = bytes;
}

static void init_pacing(struct tcp_conn *conn)
{
	uint32_t rtt = conn->rtt_seen ? max_u32(conn->srtt_8 >> 3, 1) : 1000;
	uint64_t bytes = (uint64_t)conn->cwnd * conn->mss * 1000000 / rtt;

	conn->pacing_rate = bytes * HIGH_GAIN / UNIT;
}

static void enter_startup(struct bbr *bbr)
{
	bbr->mode = STARTUP;
	bbr->pacing_gain = bbr->cwnd_gain = HIGH_GAIN;
}

static void init(struct tcp_conn *conn)
{
	struct bbr *bbr = state_of(conn);

	bbr->round_end = conn->delivered;
	bbr->rtt_ms = conn->stack->ms;
	bbr->cycle_us = conn->stack->us;
	if (conn->rtt_seen) {
		bbr->rtt_us = max_u32(conn->min_rtt_us, 1);
		bbr->has_rtt = 1;
	}
	conn->ssthresh = SSTHRESH_NONE;
	enter_startup(bbr);
	init_pacing(conn);
}

static void update_round(struct tcp_conn *conn, struct bbr *bbr, const struct sample *sample)
{
	bbr->round_start = 0;
	if (!sample->has_prior || seq_lt(sample->prior_delivered, bbr->round_end))
		return;
	bbr->round_end = conn->delivered;
	bbr->round++;
	bbr->round_start = 1;
	bbr->conserve = 0;
}

static void update_rate(struct tcp_conn *conn, struct bbr *bbr, const struct sample *sample)
{
	uint64_t bytes;
	uint32_t value;

	update_round(conn, bbr, sample);
	if (sample->interval_us <= 0 || sample->delivered == 0)
		return;
	bytes = (uint64_t)sample->delivered * conn->mss * 1000000 / (uint64_t)sample->interval_us;
	value = (uint32_t)min_u64(max_u64(bytes >> RATE_SHIFT, 1), UINT32_MAX);
	if (!sample->limited || value >= rate(bbr))
		best_update(bbr, value);
}

/* ---- 4.3.2, 4.3.3: startup, drain ---- */

static void check_full(struct bbr *bbr, const struct sample *sample)
{
	if (bbr->full || !bbr->round_start || sample->limited)
		return;
	if ((uint64_t)rate(bbr) * UNIT >= (uint64_t)bbr->full_rate * FULL_GAIN) {
		bbr->full_rate = rate(bbr);
		bbr->full_rounds = 0;
		return;
	}
	bbr->full = ++bbr->full_rounds >= FULL_ROUNDS;
}

static void set_cycle(struct tcp_conn *conn, struct bbr *bbr, uint8_t cycle)
{
	static const uint16_t gains[CYCLE] = {UNIT * 5 / 4, UNIT * 3 / 4, UNIT, UNIT,
	                                      UNIT,         UNIT,         UNIT, UNIT};

	bbr->cycle = cycle % CYCLE;
	bbr->cycle_us = conn->stack->us;
	bbr->pacing_gain = gains[bbr->cycle];
}

static void enter_probe_bw(struct tcp_conn *conn, struct bbr *bbr)
{
	uint64_t draw = conn->stack->ops.random(conn->stack->context);

	bbr->mode = PROBE_BW;
	bbr->cwnd_gain = CWND_GAIN;
	/* Any phase but the one that drains. */
	set_cycle(conn, bbr, (uint8_t)(2 + draw % (CYCLE - 1)));
}

static void check_drain(struct tcp_conn *conn, struct bbr *bbr)
{
	if (bbr->mode == STARTUP && bbr->full) {
		bbr->mode = DRAIN;
		bbr->pacing_gain = DRAIN_GAIN;
		bbr->cwnd_gain = HIGH_GAIN;
	}
	if (bbr->mode == DRAIN && in_flight(conn) <= inflight_target(conn, bbr, UNIT))
		enter_probe_bw(conn, bbr);
}

/* ---- 4.3.4: probing for bandwidth ---- */

static void check_cycle(struct tcp_conn *conn, struct bbr *bbr, const struct sample *sample)
{
	bool elapsed = conn->stack->us - bbr->cycle_us > bbr->rtt_us;
	uint32_t flying = sample->prior_in_flight;
	bool next = elapsed;

	if (bbr->mode != PROBE_BW)
		return;
	if (bbr->pacing_gain > UNIT)
		next = elapsed &&
		       (sample->lost > 0 || flying >= inflight_target(conn, bbr, bbr->pacing_gain));
	else if (bbr->pacing_gain < UNIT)
		next = elapsed || flying <= inflight_target(conn, bbr, UNIT);
	if (next)
		set_cycle(conn, bbr, bbr->cycle + 1);
}

/* ---- 4.3.5: probing for the round trip ---- */

static void leave_probe_rtt(struct tcp_conn *conn, struct bbr *bbr)
{
	bbr->rtt_ms = conn->stack->ms;
	conn->cwnd = max_u32(conn->cwnd, bbr->prior_cwnd);
	if (bbr->full)
		enter_probe_bw(conn, bbr);
	else
		enter_startup(bbr);
}

static void in_probe_rtt(struct tcp_conn *conn, struct bbr *bbr)
{
	conn->limited_until = max_u32(conn->delivered + in_flight(conn), 1);
	if (bbr->probe_until_ms == 0 && in_flight(conn) <= CWND_LEAST) {
		bbr->probe_until_ms = (conn->stack->ms + PROBE_RTT_MS) | 1;
		bbr->probe_round_done = 0;
		bbr->round_end = conn->delivered;
	} else if (bbr->probe_until_ms != 0) {
		bbr->probe_round_done |= bbr->round_start;
		if (bbr->probe_round_done && (int32_t)(conn->stack->ms - bbr->probe_until_ms) >= 0)
			leave_probe_rtt(conn, bbr);
	}
}

static void update_rtt(struct tcp_conn *conn, struct bbr *bbr, const struct sample *sample)
{
	bool old = bbr->has_rtt && conn->stack->ms - bbr->rtt_ms > RTT_WINDOW_MS;

	if (sample->rtt_us > 0 &&
	    (!bbr->has_rtt || (uint32_t)sample->rtt_us <= bbr->rtt_us || old)) {
		bbr->rtt_us = (uint32_t)sample->rtt_us;
		bbr->rtt_ms = conn->stack->ms;
		bbr->has_rtt = 1;
	}
	if (old && !bbr->idle && bbr->mode != PROBE_RTT) {
		bbr->mode = PROBE_RTT;
		bbr->pacing_gain = bbr->cwnd_gain = UNIT;
		if (conn->recovery < TCP_RECOVERY_RECOVERY)
			bbr->prior_cwnd = conn->cwnd;
		else
			bbr->prior_cwnd = max_u32(bbr->prior_cwnd, conn->cwnd);
		bbr->probe_until_ms = 0;
	}
	if (bbr->mode == PROBE_RTT)
		in_probe_rtt(conn, bbr);
	if (sample->delivered > 0)
		bbr->idle = 0;
}

/* ---- 4.2.3: the window ---- */

/* true: while a recovery's first round lasts, no more leaves than arrives. */
static bool adapt_to_recovery(struct tcp_conn *conn, struct bbr *bbr, const struct sample *sample)
{
	uint8_t last = bbr->last_recovery, now = conn->recovery;

	if (sample->lost > 0)
		conn->cwnd = conn->cwnd > sample->lost ? conn->cwnd - sample->lost : 1;
	bbr->last_recovery = now;
	if (now == TCP_RECOVERY_RECOVERY && last != TCP_RECOVERY_RECOVERY) {
		bbr->conserve = 1;
		bbr->round_end = conn->delivered;
		conn->cwnd = in_flight(conn) + sample->acked_sacked;
	} else if (last >= TCP_RECOVERY_RECOVERY && now < TCP_RECOVERY_RECOVERY) {
		conn->cwnd = max_u32(conn->cwnd, bbr->prior_cwnd);
		bbr->conserve = 0;
	}
	if (!bbr->conserve)
		return false;
	conn->cwnd = max_u32(conn->cwnd, in_flight(conn) + sample->acked_sacked);
	return true;
}

static void set_cwnd(struct tcp_conn *conn, struct bbr *bbr, const struct sample *sample)
{
	uint32_t aim;

	if (sample->acked_sacked > 0 && !adapt_to_recovery(conn, bbr, sample)) {
		aim = inflight_target(conn, bbr, bbr->cwnd_gain);
		if (bbr->full)
			conn->cwnd = min_u32(conn->cwnd + sample->acked_sacked, aim);
		else if (conn->cwnd < aim || conn->delivered < conn->stack->config.initial_window)
			conn->cwnd += sample->acked_sacked;
		conn->cwnd = max_u32(conn->cwnd, CWND_LEAST);
	}
	if (bbr->mode == PROBE_RTT)
		conn->cwnd = min_u32(conn->cwnd, CWND_LEAST);
	conn->cwnd = min_u32(max_u32(conn->cwnd, 1), CWND_MAX);
}

static void control(struct tcp_conn *conn, const struct ack *ack)
{
	const struct sample *sample = &ack->sample;
	struct bbr *bbr = state_of(conn);

	update_rate(conn, bbr, sample);
	check_cycle(conn, bbr, sample);
	check_full(bbr, sample);
	check_drain(conn, bbr);
	update_rtt(conn, bbr, sample);
	set_pacing(conn, bbr, bbr->pacing_gain);
	set_cwnd(conn, bbr, sample);
}

static void save_cwnd(struct tcp_conn *conn, struct bbr *bbr)
{
	if (conn->recovery < TCP_RECOVERY_RECOVERY && bbr->mode != PROBE_RTT)
		bbr->prior_cwnd = conn->cwnd;
	else
		bbr->prior_cwnd = max_u32(bbr->prior_cwnd, conn->cwnd);
}

static uint32_t ssthresh(struct tcp_conn *conn)
{
	save_cwnd(conn, state_of(conn));
	return conn->ssthresh;
}

static uint32_t undo(struct tcp_conn *conn)
{
	struct bbr *bbr = state_of(conn);

	bbr->full_rate = 0;
	bbr->full_rounds = 0;
	return max_u32(conn->cwnd, bbr->prior_cwnd);
}

static void set_state(struct tcp_conn *conn, uint8_t state)
{
	struct bbr *bbr = state_of(conn);

	if (state != TCP_RECOVERY_LOSS)
		return;
	bbr->full_rate = 0;
	bbr->round_start = 1;
	bbr->last_recovery = TCP_RECOVERY_LOSS;
}

static void restart(struct tcp_conn *conn)
{
	struct bbr *bbr = state_of(conn);

	if (conn->limited_until == 0)
		return;
	bbr->idle = 1;
	if (bbr->mode == PROBE_BW)
		set_pacing(conn, bbr, UNIT);
}

static void avoid(struct tcp_conn *conn, uint32_t acked)
{
}

const struct congestion congestion_bbr = {
        .name = "bbr",
        .init = init,
        .ssthresh = ssthresh,
        .avoid = avoid,
        .state = set_state,
        .undo = undo,
        .restart = restart,
        .control = control,
};
