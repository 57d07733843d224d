/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What socket options are now; TCP_INFO.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/time.h>

#include "internal.h"

static int state_of(const struct sock *sock)
{
	static const uint8_t states[] = {
	        [TCP_STATE_CLOSED] = 7,       [TCP_STATE_SYN_SENT] = 2,
	        [TCP_STATE_SYN_RECEIVED] = 3, [TCP_STATE_ESTABLISHED] = 1,
	        [TCP_STATE_FIN_WAIT_1] = 4,   [TCP_STATE_FIN_WAIT_2] = 5,
	        [TCP_STATE_CLOSE_WAIT] = 8,   [TCP_STATE_CLOSING] = 11,
	        [TCP_STATE_LAST_ACK] = 9,     [TCP_STATE_TIME_WAIT] = 6,
	};
	enum { LISTEN = 10, CLOSE = 7 };

	if (sock->listener != NULL)
		return LISTEN;
	if (sock->deferred)
		return states[TCP_STATE_SYN_SENT];
	return sock->conn != NULL ? states[tcp_conn_state(sock->conn)] : CLOSE;
}

static uint8_t info_options(const struct tcp_conn_info *of)
{
	return (uint8_t)((of->timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
	                 (of->sack ? TCPI_OPT_SACK : 0) |
	                 (of->window_scaling ? TCPI_OPT_WSCALE : 0) | (of->ecn ? TCPI_OPT_ECN : 0) |
	                 (of->ecn_seen ? TCPI_OPT_ECN_SEEN : 0) |
	                 (of->syn_data ? TCPI_OPT_SYN_DATA : 0));
}

/* What Linux says of what is no connection: of a listener little, else what one would begin with.
 */
static struct tcp_conn_info info_of_none(const struct sock *sock)
{
	enum { WINDOW = 10, REORDERING = 3, SEGMENT = 536, RTO_US = 1000000 };
	struct tcp_conn_info info = {.cwnd = WINDOW, .reordering = REORDERING};

	if (sock->listener != NULL) {
		info.unacked = tcp_listener_ready(sock->listener);
		info.sacked = sock->backlog;
		return info;
	}
	info.rto_us = RTO_US;
	info.rtt_variance_us = RTO_US / 4;
	info.send_mss = SEGMENT;
	info.ssthresh = UINT32_MAX;
	return info;
}

static void fill_info(const struct sock *sock, struct tcp_info *info)
{
	struct tcp_conn_info of;

	if (sock->conn != NULL)
		tcp_conn_info(sock->conn, &of);
	else
		of = info_of_none(sock);
	*info = (struct tcp_info){
	        .tcpi_state = (uint8_t)state_of(sock),
	        .tcpi_ca_state = of.recovery,
	        .tcpi_retransmits = of.retransmits,
	        .tcpi_probes = of.probes,
	        .tcpi_backoff = of.backoff,
	        .tcpi_options = info_options(&of),
	        .tcpi_snd_wscale = of.send_scale & 15u,
	        .tcpi_rcv_wscale = of.receive_scale & 15u,
	        .tcpi_rto = of.rto_us,
	        .tcpi_ato = of.ato_us,
	        .tcpi_snd_mss = of.send_mss,
	        .tcpi_rcv_mss = of.receive_mss,
	        .tcpi_unacked = of.unacked,
	        .tcpi_sacked = of.sacked,
	        .tcpi_lost = of.lost,
	        .tcpi_retrans = of.retrans,
	        .tcpi_last_data_sent = of.last_data_sent_ms,
	        .tcpi_last_data_recv = of.last_data_received_ms,
	        .tcpi_last_ack_recv = of.last_ack_received_ms,
	        .tcpi_pmtu = of.path_mtu,
	        .tcpi_rcv_ssthresh = of.receive_ssthresh,
	        .tcpi_rtt = of.rtt_us,
	        .tcpi_rttvar = of.rtt_variance_us,
	        .tcpi_snd_ssthresh = of.ssthresh == UINT32_MAX ? INT32_MAX : of.ssthresh,
	        .tcpi_snd_cwnd = of.cwnd,
	        .tcpi_advmss = of.advertised_mss,
	        .tcpi_reordering = of.reordering,
	        .tcpi_rcv_rtt = of.receive_rtt_us,
	        .tcpi_rcv_space = of.receive_space,
	        .tcpi_total_retrans = of.total_retrans,
	        .tcpi_pacing_rate = of.pacing_rate ? of.pacing_rate : UINT64_MAX,
	        .tcpi_max_pacing_rate =
	                sock->options.max_pacing ? sock->options.max_pacing : UINT64_MAX,
	        .tcpi_bytes_acked = of.bytes_acked,
	        .tcpi_bytes_received = of.bytes_received,
	        .tcpi_segs_out = of.segments_out,
	        .tcpi_segs_in = of.segments_in,
	        .tcpi_notsent_bytes = of.unsent,
	        .tcpi_min_rtt = of.rtt_min_us,
	        .tcpi_data_segs_in = of.data_segments_in,
	        .tcpi_data_segs_out = of.data_segments_out,
	        .tcpi_delivery_rate = of.delivery_rate,
	        .tcpi_busy_time = of.busy_us,
	        .tcpi_rwnd_limited = of.window_us,
	        .tcpi_sndbuf_limited = of.buffer_us,
	        .tcpi_delivered = of.delivered,
	        .tcpi_delivered_ce = of.delivered_marked,
	        .tcpi_bytes_sent = of.bytes_sent,
	        .tcpi_bytes_retrans = of.bytes_retrans,
	        .tcpi_dsack_dups = of.duplicates_seen,
	        .tcpi_reord_seen = of.reorderings_seen,
	        .tcpi_rcv_ooopack = of.early_seen,
	        .tcpi_snd_wnd = of.send_window,
	};
}

/* A buffer that grows by itself is said to be as large as Linux's is at that time:
 * net.ipv4.tcp_rmem, tcp_wmem, and what connecting makes of the latter for ten segments, twice. */
enum { LINUX_RECEIVE = 131072, LINUX_SEND = 16384, LINUX_HEADERS = 640, LINUX_BUFFER = 256 };

static uint32_t receive_buffer(const struct tcp_options *options)
{
	return options->receive_buffer != 0 ? options->receive_buffer : LINUX_RECEIVE;
}

static uint32_t send_buffer(const struct sock *sock, const struct tcp_options *options)
{
	struct tcp_conn_info info;
	uint32_t room = 1;

	if (options->send_buffer != 0)
		return options->send_buffer;
	if (sock->conn == NULL || sock->connecting)
		return LINUX_SEND;
	tcp_conn_info(sock->conn, &info);
	while (room < info.send_mss + LINUX_HEADERS)
		room *= 2;
	return 20 * (room + LINUX_BUFFER);
}

static int get_socket(struct sock *sock, const struct tcp_options *options, int name, int *value)
{
	switch (name) {
	case SO_ERROR:
		*value = sock_take_error(sock);
		if (*value == 0 && sock->conn != NULL)
			*value = stream_soft_error(sock);
		return 0;
	case SO_TYPE:
		*value = sock->kind == SOCK_KIND_LOCAL      ? sock->type
		         : sock->kind == SOCK_KIND_DATAGRAM ? SOCK_DGRAM
		                                            : SOCK_STREAM;
		return 0;
	case SO_DOMAIN:
		*value = sock->domain;
		return 0;
	case SO_PROTOCOL:
		*value = sock->kind == SOCK_KIND_DATAGRAM ? IPPROTO_UDP
		         : sock->kind == SOCK_KIND_STREAM ? IPPROTO_TCP
		                                          : 0;
		return 0;
	case SO_ACCEPTCONN:
		*value = sock->listener != NULL || sock->listening;
		return 0;
	case SO_RCVBUF:
		*value = (int)(sock->kind == SOCK_KIND_STREAM ? receive_buffer(options)
		                                              : sock->queue_most);
		return 0;
	case SO_BROADCAST:
		*value = sock->broadcast;
		return 0;
	case SO_SNDBUF:
		*value = sock->kind == SOCK_KIND_STREAM ? (int)send_buffer(sock, options)
		                                        : QUEUE_DEFAULT;
		return 0;
	case SO_REUSEADDR:
		*value = sock->reuse;
		return 0;
	case SO_REUSEPORT:
		*value = options->reuse;
		return 0;
	case SO_KEEPALIVE:
		*value = options->keepalive;
		return 0;
	case SO_OOBINLINE:
		*value = sock->urgent_inline;
		return 0;
	case SO_RCVLOWAT:
		*value = sock->receive_low > 0 ? (int)sock->receive_low : 1;
		return 0;
	case SO_TIMESTAMP:
	case SO_TIMESTAMPNS:
		*value = sock->stamp_kind == name;
		return 0;
	case SO_TIMESTAMPING:
		*value = (int)sock->stamp_flags;
		return 0;
	case SO_INCOMING_CPU:
		*value = 0;
		return 0;
	case SO_SNDLOWAT:
		*value = 1;
		return 0;
	default:
		return ENOPROTOOPT;
	}
}

static int get_segment(const struct sock *sock, const struct tcp_options *options)
{
	struct tcp_conn_info info;

	if (sock->conn == NULL)
		return options->max_segment ? options->max_segment : 536;
	tcp_conn_info(sock->conn, &info);
	return (int)info.send_mss;
}

static int get_tcp(const struct sock *sock, const struct tcp_options *options, int name, int *value)
{
	const struct {
		int name, value;
	} values[] = {
	        {TCP_NODELAY, options->no_delay},
	        {TCP_CORK, options->cork},
	        {TCP_QUICKACK, options->quick_ack != TCP_ACK_WITH_ANSWERS},
	        {TCP_DEFER_ACCEPT, sock->defer_s},
	        {TCP_SYNCNT, options->syn_retries != 0 ? options->syn_retries : 6},
	        {TCP_LINGER2, options->fin_wait_s == TCP_FIN_WAIT_NOT ? -1
	                      : options->fin_wait_s != 0              ? options->fin_wait_s
	                                                              : 60},
	        {TCP_KEEPIDLE, options->keepalive_idle},
	        {TCP_KEEPINTVL, options->keepalive_interval},
	        {TCP_KEEPCNT, options->keepalive_count},
	        {TCP_USER_TIMEOUT, (int)options->user_timeout_ms},
	        {TCP_NOTSENT_LOWAT, (int)options->not_sent_low},
	        {TCP_WINDOW_CLAMP, (int)options->window_clamp},
	        {TCP_FASTOPEN, (int)sock->fast_queue},
	        {TCP_FASTOPEN_CONNECT, sock->fast_connect},
	        {TCP_FASTOPEN_NO_COOKIE, options->fast_open & TCP_FAST_COOKIELESS ? 1 : 0},
	};

	if (name == TCP_MAXSEG) {
		*value = get_segment(sock, options);
		return 0;
	}
	if (name == TCP_WINDOW_CLAMP && sock->conn != NULL && !sock->connecting) {
		struct tcp_conn_info info;

		tcp_conn_info(sock->conn, &info);
		*value = (int)info.receive_clamp;
		return 0;
	}
	if (name == TCP_TIMESTAMP && sock->conn != NULL) {
		*value = (int)tcp_conn_timestamp(sock->conn);
		return 0;
	}
	if (name == TCP_QUICKACK && sock->conn != NULL) {
		*value = !tcp_answers_at_leisure(sock->conn);
		return 0;
	}
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (values[i].name == name) {
			*value = values[i].value;
			return 0;
		}
	}
	return ENOPROTOOPT;
}

static int get_ip(const struct sock *sock, const struct tcp_options *options, int level, int name,
                  int *value)
{
	bool six = level == IPPROTO_IPV6;
	struct tcp_conn_info info = {0};

	if (sock->conn != NULL)
		tcp_conn_info(sock->conn, &info);
	if (name == (six ? IPV6_TCLASS : IP_TOS))
		*value = options->tos;
	else if (name == (six ? IPV6_UNICAST_HOPS : IP_TTL))
		*value = options->ttl ? options->ttl : 64;
	else if (name == (six ? IPV6_MTU : IP_MTU) && sock->conn != NULL)
		*value = (int)info.path_mtu;
	else if (name == (six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER))
		*value =
		        options->no_pmtu || sock->discover != 0 ? sock->discover : IP_PMTUDISC_WANT;
	else if (six && name == IPV6_V6ONLY)
		*value = options->only_family;
	else
		return ENOPROTOOPT;
	return 0;
}

static int give(void *value, socklen_t *size, const void *from, socklen_t full)
{
	if (*size < full)
		full = *size;
	memcpy(value, from, full);
	*size = full;
	return 0;
}

/* Options whose value is one number. */
static int get_number(struct sock *sock, int level, int name, int *number)
{
	const bool *wanted = control_wanted(sock, level, name);
	struct tcp_options options = options_of(sock);
	int kept = option_kept(level, name);

	if (kept >= 0 || wanted != NULL) {
		*number = kept >= 0 ? sock->kept[kept] : *wanted;
		return 0;
	}
	if (level == SOL_SOCKET)
		return get_socket(sock, &options, name, number);
	if (level == IPPROTO_TCP && sock->kind == SOCK_KIND_STREAM)
		return get_tcp(sock, &options, name, number);
	if ((level == IPPROTO_IP || level == IPPROTO_IPV6) && sock->domain != AF_UNIX)
		return get_ip(sock, &options, level, name, number);
	return ENOPROTOOPT;
}

static int get_patience(const struct sock *sock, int name, void *value, socklen_t *size)
{
	uint64_t ns = name == SO_RCVTIMEO ? sock->receive_ns : sock->send_ns;
	struct timeval time = {.tv_sec = (time_t)(ns / 1000000000u),
	                       .tv_usec = (suseconds_t)(ns % 1000000000u / 1000u)};

	return give(value, size, &time, sizeof(time));
}

static int get_pacing(const struct sock *sock, void *value, socklen_t *size)
{
	uint32_t most = options_of(sock).max_pacing, narrow = most ? most : UINT32_MAX;
	uint64_t rate = most ? most : UINT64_MAX;

	return *size < sizeof(rate) ? give(value, size, &narrow, sizeof(narrow))
	                            : give(value, size, &rate, sizeof(rate));
}

static int get_fast_keys(const struct sock *sock, void *value, socklen_t *size)
{
	uint8_t key[sizeof(sock->fast_keys[0])];

	if (sock->fast_keys_n > 0)
		return give(value, size, sock->fast_keys,
		            (socklen_t)(sock->fast_keys_n * sizeof(key)));
	tcp_stack_fast_key(sock->set->tcp, key);
	return give(value, size, key, sizeof(key));
}

int sock_get_option(struct sock *sock, int level, int name, void *value, socklen_t *size)
{
	int number = 0, error;

	if (!option_knows_level(sock, level))
		return sock->domain == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP;
	if (level == SOL_SOCKET && name == SO_LINGER) {
		struct linger linger = {sock->linger, sock->linger_s};
		return give(value, size, &linger, sizeof(linger));
	}
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
		return get_patience(sock, name, value, size);
	if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE)
		return get_pacing(sock, value, size);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		return give(value, size, option_congestions[options_of(sock).congestion],
		            OPTION_NAME_BYTES);
	}
	if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY && sock->kind == SOCK_KIND_STREAM)
		return get_fast_keys(sock, value, size);
	if (level == IPPROTO_TCP && name == TCP_INFO && sock->kind == SOCK_KIND_STREAM) {
		struct tcp_info info;
		fill_info(sock, &info);
		return give(value, size, &info, sizeof(info));
	}
	error = get_number(sock, level, name, &number);
	return error != 0 ? -error : give(value, size, &number, sizeof(number));
}
