/* SPDX-License-Identifier: BSD-2-Clause */
/* What applications may ask about a connection. */
#include "internal.h"

void tcp_conn_set_event(struct tcp_conn *conn, tcp_event_fn *event, void *context)
{
	conn->event = event;
	conn->context = context;
}

void *tcp_conn_context(const struct tcp_conn *conn)
{
	return conn->context;
}

struct tcp_stack *tcp_conn_stack(const struct tcp_conn *conn)
{
	return conn->stack;
}

enum tcp_state tcp_conn_state(const struct tcp_conn *conn)
{
	return conn->state;
}

enum tcp_cause tcp_conn_cause(const struct tcp_conn *conn)
{
	return conn->cause;
}

enum tcp_failure tcp_conn_soft_error(struct tcp_conn *conn)
{
	enum tcp_failure failure = conn->soft;

	conn->soft = TCP_FAILURE_NONE;
	return failure;
}

struct udp_endpoint tcp_conn_local(const struct tcp_conn *conn)
{
	return (struct udp_endpoint){.ip = conn->at.local, .port = conn->at.local_port};
}

struct udp_endpoint tcp_conn_remote(const struct tcp_conn *conn)
{
	return (struct udp_endpoint){.ip = conn->at.remote, .port = conn->at.remote_port};
}

/* An unanswered SYN, as Linux counts it. */
static void fill_syn(const struct tcp_conn *conn, struct tcp_conn_info *info)
{
	info->timestamps = info->sack = info->window_scaling = false;
	info->unacked = 1;
	if (conn->retransmits == 0)
		return;
	info->recovery = TCP_RECOVERY_LOSS;
	info->lost = info->retrans = info->cwnd = 1;
}

static uint64_t rate_of(const struct tcp_conn *conn)
{
	if (conn->rate_interval_us == 0)
		return 0;
	return (uint64_t)conn->rate_delivered * conn->mss * 1000000 / conn->rate_interval_us;
}

static void fill_counts(const struct tcp_conn *conn, struct tcp_conn_info *info)
{
	uint32_t sent = conn->snd_nxt - conn->snd_una - (conn->fin_sent && !conn->fin_acked);
	bool opened;

	info->total_retrans = conn->total_retrans;
	info->duplicates_seen = conn->duplicates_seen;
	info->reorderings_seen = conn->reorderings_seen;
	if (conn->stack->busies != NULL) {
		info->early_seen = busy_of(conn)->early_seen;
		info->delivered_marked = busy_of(conn)->delivered_marked;
	}
	/* The SYN counts as Linux counts it; its acknowledgement counts as a byte. */
	opened = conn->state != TCP_STATE_SYN_SENT && conn->state != TCP_STATE_SYN_RECEIVED;
	info->delivered = conn->delivered + opened;
	info->segments_in = conn->segments_in;
	info->segments_out = conn->segments_out;
	info->data_segments_in = conn->data_in;
	info->data_segments_out = conn->data_out;
	info->bytes_acked = conn->bytes_acked + (opened && !conn->passive);
	info->bytes_received = conn->bytes_received + conn->fin_received;
	info->bytes_sent = conn->bytes_acked - conn->fin_acked + sent + conn->bytes_retrans;
	info->bytes_retrans = conn->bytes_retrans;
}

bool tcp_answers_at_leisure(const struct tcp_conn *conn)
{
	return conn->interactive;
}

uint32_t tcp_conn_timestamp(const struct tcp_conn *conn)
{
	return timestamp_now(conn->stack, conn->ts_offset);
}

static void fill_receive(const struct tcp_conn *conn, struct tcp_conn_info *info)
{
	info->receive_mss = conn->rcv_mss;
	/* As Linux tells it: timestamps take their share of each segment. */
	info->advertised_mss =
	        conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED
	                ? conn->advertised_mss
	                : receive_most(conn);
	info->ato_us = conn->ato_us;
	info->receive_rtt_us = conn->rcv_rtt_us;
	info->receive_window = offered_window(conn);
	info->receive_ssthresh = conn->rcv_ssthresh;
	info->receive_space = conn->tune_space;
	info->receive_clamp = conn->window_clamp;
	info->receive_scale = conn->rcv_scale;
	info->unread = tcp_unread(conn);
	info->last_data_received_ms = conn->stack->ms - conn->last_received_ms;
	info->last_ack_received_ms = conn->stack->ms - conn->last_ack_ms;
}

static void fill_send(const struct tcp_conn *conn, struct tcp_conn_info *info)
{
	info->recovery = conn->recovery;
	info->congestion = conn->options.congestion;
	info->retransmits = conn->retransmits;
	info->probes = conn->probes;
	info->backoff = conn->backoff;
	info->rto_us = conn->rto_us;
	info->rtt_us = conn->srtt_8 >> 3;
	info->rtt_variance_us = (conn->rtt_seen ? conn->deviation_4 : conn->rto_us) >> 2;
	info->rtt_min_us = conn->rtt_seen ? conn->min_rtt_us : UINT32_MAX;
	info->send_mss = output_limit(conn);
	info->path_mtu = conn->path_mtu;
	info->send_scale = conn->snd_scale;
	info->send_window = conn->snd_wnd;
	info->cwnd = conn->cwnd;
	info->ssthresh = conn->ssthresh == SSTHRESH_NONE ? UINT32_MAX : conn->ssthresh;
	info->unacked = conn->packets_out;
	info->sacked = conn->act->sacked_out;
	info->lost = conn->act->lost_out;
	info->retrans = conn->act->retrans_out;
	info->reordering = conn->reordering;
	info->unsent =
	        tcp_unsent(conn) + (conn->fin_queued && !conn->fin_sent); /* as Linux counts */
	info->unacknowledged = tcp_unacknowledged(conn);
	info->window_us = busy_us(conn, BUSY_WINDOW);
	info->buffer_us = busy_us(conn, BUSY_BUFFER);
	info->busy_us = busy_us(conn, BUSY_SENDING) + info->window_us + info->buffer_us;
	info->pacing_rate = congestion_pacing(conn);
	info->delivery_rate = rate_of(conn);
	info->last_data_sent_ms = conn->stack->ms - conn->last_sent_ms;
}

void tcp_conn_info(const struct tcp_conn *conn, struct tcp_conn_info *info)
{
	*info = (struct tcp_conn_info){.state = conn->state,
	                               .timestamps = conn->timestamps,
	                               .sack = conn->sack,
	                               .window_scaling = conn->scaling,
	                               .ecn = conn->ecn,
	                               .syn_data = conn->fast &&
	                                           conn->state != TCP_STATE_SYN_SENT &&
	                                           (!conn->passive || conn->bytes_received > 0),
	                               .ecn_seen = conn->ecn_seen};
	fill_counts(conn, info);
	fill_receive(conn, info);
	fill_send(conn, info);
	if (conn->state == TCP_STATE_SYN_SENT)
		fill_syn(conn, info);
}
