/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket options (socket(7), tcp(7), ip(7), ipv6(7), udp(7)).
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/time.h>

#include "internal.h"

enum {
	RECEIVE_MIN = 2304, /* of Linux: SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF */
	SEND_MIN = 4608,
	BUFFER_MAX = 4194304, /* net.core.rmem_max, wmem_max */
	CLAMP_MIN = RECEIVE_MIN / 2,
	FIN_WAIT_MOST_S = 120,
};

enum { NAME_BYTES = 16 }; /* Linux: TCP_CA_NAME_MAX */

static const char congestions[TCP_CONGESTIONS][NAME_BYTES] = {
        [TCP_CONGESTION_NEWRENO] = "reno",
        [TCP_CONGESTION_CUBIC] = "cubic",
        [TCP_CONGESTION_BBR] = "bbr",
};

/* Options that are taken and told again, and without effect here: each has its place in `kept`. */
static const struct kept {
	int level, name;
	int low, high; /* what they may be; low > high: any value, told as 0 or 1 */
} kept_options[SOCK_KEPT] = {
        {SOL_SOCKET, SO_PRIORITY, INT32_MIN, INT32_MAX},
        {SOL_SOCKET, SO_MARK, INT32_MIN, INT32_MAX},
        {SOL_SOCKET, SO_DONTROUTE, 1, 0},
        {SOL_SOCKET, SO_TIMESTAMP, 1, 0},
        {SOL_SOCKET, SO_ZEROCOPY, 0, 1},
        {SOL_SOCKET, SO_BUSY_POLL, 0, INT32_MAX},
        {IPPROTO_TCP, TCP_FASTOPEN, 0, INT32_MAX},
        {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1},
        {IPPROTO_IP, IP_RECVERR, 1, 0},
        {IPPROTO_IPV6, IPV6_RECVERR, 1, 0},
};

/* Where an option is kept; NULL: it is none of those. */
static const struct kept *find_kept(int level, int name)
{
	for (unsigned i = 0; i < SOCK_KEPT; i++)
		if (kept_options[i].level == level && kept_options[i].name == name)
			return &kept_options[i];
	return NULL;
}

static int set_kept(struct sock *sock, const struct kept *option, int value)
{
	bool flag = option->low > option->high;

	if (!flag && (value < option->low || value > option->high))
		return EINVAL;
	sock->kept[option - kept_options] = flag ? value != 0 : value;
	return 0;
}

/* What a socket's options are now. */
static struct tcp_options options_of(const struct sock *sock)
{
	struct tcp_options options = sock->options;

	if (sock->conn != NULL)
		tcp_conn_get_options(sock->conn, &options);
	else if (sock->listener != NULL)
		tcp_listener_get_options(sock->listener, &options);
	return options;
}

/* An errno. */
static int set_options(struct sock *sock, const struct tcp_options *options)
{
	int status = 0;

	if (sock->conn != NULL)
		status = tcp_conn_set_options(sock->conn, options);
	else if (sock->listener != NULL)
		status = tcp_listener_set_options(sock->listener, options);
	if (status)
		return EINVAL;
	sock->options = *options;
	return 0;
}

/* Linux doubles what it is told, for its own overhead, and reports that. */
static uint32_t doubled(int value, uint32_t least)
{
	uint32_t bytes = value < 0 || value > BUFFER_MAX ? BUFFER_MAX : (uint32_t)value;

	return bytes * 2 < least ? least : bytes * 2;
}

static int set_socket(struct sock *sock, struct tcp_options *options, int name, int value)
{
	switch (name) {
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		options->receive_buffer = doubled(value, RECEIVE_MIN);
		sock->queue_most = options->receive_buffer;
		return 0;
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		options->send_buffer = doubled(value, SEND_MIN);
		return 0;
	case SO_REUSEADDR:
		sock->reuse = value;
		return 0;
	case SO_REUSEPORT:
		options->reuse = value;
		return 0;
	case SO_KEEPALIVE:
		options->keepalive = value;
		return 0;
	case SO_BROADCAST:
		sock->broadcast = value;
		return 0;
	case SO_RCVLOWAT:
		sock->receive_low = value > 0 ? (uint32_t)value : value < 0 ? INT32_MAX : 1;
		return 0;
	case SO_OOBINLINE:
		sock->urgent_inline = value;
		return 0;
	default:
		return ENOPROTOOPT;
	}
}

static bool within(int value, int low, int high)
{
	return value >= low && value <= high;
}

static int set_keepalive(struct tcp_options *options, int name, int value)
{
	if (!within(value, 1, name == TCP_KEEPCNT ? 127 : 32767))
		return EINVAL;
	if (name == TCP_KEEPIDLE)
		options->keepalive_idle = (uint16_t)value;
	else if (name == TCP_KEEPINTVL)
		options->keepalive_interval = (uint16_t)value;
	else
		options->keepalive_count = (uint8_t)value;
	return 0;
}

static int set_limits(struct tcp_options *options, int name, int value)
{
	if (value < 0)
		return EINVAL;
	if (name == TCP_USER_TIMEOUT)
		options->user_timeout_ms = (uint32_t)value;
	else if (name == TCP_NOTSENT_LOWAT)
		options->not_sent_low = (uint32_t)value;
	else
		options->window_clamp =
		        value > 0 && value < CLAMP_MIN ? CLAMP_MIN : (uint32_t)value;
	return 0;
}

static int set_tcp(struct tcp_options *options, int name, int value)
{
	switch (name) {
	case TCP_NODELAY:
		options->no_delay = value;
		return 0;
	case TCP_CORK:
		options->cork = value;
		return 0;
	case TCP_QUICKACK:
		options->quick_ack = value;
		return 0;
	case TCP_DEFER_ACCEPT:
		options->defer_accept = value;
		return 0;
	case TCP_MAXSEG:
		options->max_segment = (uint16_t)value;
		return value == 0 || within(value, 88, 32767) ? 0 : EINVAL;
	case TCP_SYNCNT:
		options->syn_retries = (uint8_t)value;
		return within(value, 1, 127) ? 0 : EINVAL;
	case TCP_LINGER2:
		options->fin_wait_s = (uint16_t)(value < 0                 ? 0
		                                 : value > FIN_WAIT_MOST_S ? FIN_WAIT_MOST_S
		                                                           : value);
		return 0;
	case TCP_KEEPIDLE:
	case TCP_KEEPINTVL:
	case TCP_KEEPCNT:
		return set_keepalive(options, name, value);
	case TCP_USER_TIMEOUT:
	case TCP_NOTSENT_LOWAT:
	case TCP_WINDOW_CLAMP:
		return set_limits(options, name, value);
	default:
		return ENOPROTOOPT;
	}
}

static int set_ip(struct tcp_options *options, int level, int name, int value)
{
	bool six = level == IPPROTO_IPV6;

	if (name == (six ? IPV6_TCLASS : IP_TOS)) {
		options->tos = (uint8_t)value;
		return within(value, six ? -1 : 0, 255) ? 0 : EINVAL;
	}
	if (name == (six ? IPV6_UNICAST_HOPS : IP_TTL)) {
		options->ttl = (uint8_t)(value > 0 ? value : 0);
		return within(value, -1, 255) && value ? 0 : EINVAL;
	}
	if (name == (six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER)) {
		options->no_pmtu = value == IP_PMTUDISC_DONT;
		return within(value, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT) ? 0 : EINVAL;
	}
	if (six && name == IPV6_V6ONLY) {
		options->only_family = value;
		return 0;
	}
	/* Taken, and without effect here. */
	if (six)
		return name == IPV6_MULTICAST_HOPS || name == IPV6_MULTICAST_LOOP ||
		                       name == IPV6_MULTICAST_IF
		               ? 0
		               : ENOPROTOOPT;
	return name == IP_MULTICAST_TTL || name == IP_MULTICAST_LOOP || name == IP_MULTICAST_IF ||
	                       name == IP_BIND_ADDRESS_NO_PORT
	               ? 0
	               : ENOPROTOOPT;
}

static int set_congestion(struct tcp_options *options, const char *name, socklen_t size)
{
	for (unsigned i = 0; i < TCP_CONGESTIONS; i++) {
		size_t length = strlen(congestions[i]);
		if (size >= length && !memcmp(name, congestions[i], length) &&
		    (size == length || !name[length])) {
			options->congestion = (uint8_t)i;
			return 0;
		}
	}
	return ENOENT;
}

static int set_linger(struct sock *sock, const void *value, socklen_t size)
{
	struct linger linger;

	if (size < sizeof(linger))
		return EINVAL;
	memcpy(&linger, value, sizeof(linger));
	sock->linger = linger.l_onoff;
	sock->linger_s = linger.l_linger;
	return 0;
}

/* SO_RCVTIMEO, SO_SNDTIMEO. */
static int set_patience(struct sock *sock, int name, const void *value, socklen_t size)
{
	uint64_t *ns = name == SO_RCVTIMEO ? &sock->receive_ns : &sock->send_ns;
	struct timeval time;

	if (size < sizeof(time))
		return EINVAL;
	memcpy(&time, value, sizeof(time));
	if (time.tv_usec < 0 || time.tv_usec >= 1000000)
		return EDOM;
	*ns = time.tv_sec < 0 || (uint64_t)time.tv_sec > INT32_MAX
	              ? 0
	              : (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
	return 0;
}

/* IP_ADD_MEMBERSHIP and IPV6_JOIN_GROUP, and their opposites; on the first interface. */
static int set_group(struct sock *sock, int level, bool join, const void *value, socklen_t size)
{
	struct udp_ip group = {.family = 4};

	if (level == IPPROTO_IPV6 && size >= sizeof(struct ipv6_mreq))
		group = udp_ip6(value);
	else if (level == IPPROTO_IP && size >= sizeof(struct ip_mreq))
		memcpy(group.bytes, value, 4);
	else
		return EINVAL;
	return -datagram_group(sock, &group, join);
}

static bool is_group(int level, int name, bool *join)
{
	*join = name == (level == IPPROTO_IP ? IP_ADD_MEMBERSHIP : IPV6_JOIN_GROUP);
	return *join || (level == IPPROTO_IP && name == IP_DROP_MEMBERSHIP) ||
	       (level == IPPROTO_IPV6 && name == IPV6_LEAVE_GROUP);
}

static int set_wanted(bool *wanted, int level, int number)
{
	if (level == IPPROTO_TCP && !within(number, 0, 1))
		return EINVAL;
	*wanted = number != 0;
	return 0;
}

/* Options whose value is one number. */
static int set_number(struct sock *sock, int level, int name, int number)
{
	bool *wanted = control_wanted(sock, level, name);
	const struct kept *kept = find_kept(level, name);
	struct tcp_options options = options_of(sock);
	int error = ENOPROTOOPT;

	if (kept != NULL)
		return set_kept(sock, kept, number);
	if (wanted != NULL)
		return set_wanted(wanted, level, number);
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		sock->only_six = number != 0;
	if (level == IPPROTO_TCP && name == TCP_WINDOW_CLAMP && number == 0 && sock->bound)
		return EINVAL;
	/* A stream's lower two bits are ECN's. */
	if (level == IPPROTO_IP && name == IP_TOS && sock->kind == SOCK_KIND_STREAM)
		number &= ~3;
	if (name == (level == IPPROTO_IPV6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER) &&
	    (level == IPPROTO_IP || level == IPPROTO_IPV6))
		sock->discover = number;
	if (level == SOL_SOCKET)
		error = set_socket(sock, &options, name, number);
	else if (level == IPPROTO_TCP && sock->kind == SOCK_KIND_STREAM)
		error = set_tcp(&options, name, number);
	else if ((level == IPPROTO_IP || level == IPPROTO_IPV6) && sock->domain != AF_UNIX)
		error = set_ip(&options, level, name, number);
	return error != 0 ? error : set_options(sock, &options);
}

/* Levels that a socket does not know at all. */
static bool knows_level(const struct sock *sock, int level)
{
	return level == SOL_SOCKET ||
	       (sock->kind != SOCK_KIND_LOCAL && (level == IPPROTO_IP || level == IPPROTO_IPV6 ||
	                                          level == IPPROTO_TCP || level == IPPROTO_UDP));
}

int sock_set_option(struct sock *sock, int level, int name, const void *value, socklen_t size)
{
	struct tcp_options options = options_of(sock);
	int number = 0, error;
	uint8_t byte = 0;
	bool join;

	if (!knows_level(sock, level))
		return sock->kind == SOCK_KIND_LOCAL ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (level == SOL_SOCKET && name == SO_LINGER)
		return -set_linger(sock, value, size);
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
		return -set_patience(sock, name, value, size);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		error = set_congestion(&options, value, size);
		return -(error != 0 ? error : set_options(sock, &options));
	}
	if ((level == IPPROTO_IP || level == IPPROTO_IPV6) && is_group(level, name, &join))
		return -set_group(sock, level, join, value, size);
	if (size >= sizeof(number)) {
		memcpy(&number, value, sizeof(number));
	} else if (level == IPPROTO_IP && size == sizeof(byte)) { /* as ip(7) allows */
		memcpy(&byte, value, sizeof(byte));
		number = byte;
	} else {
		return -EINVAL;
	}
	return -set_number(sock, level, name, number);
}

/* ---- Asking ---- */

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
	return sock->conn != NULL ? states[tcp_conn_state(sock->conn)] : CLOSE;
}

static uint8_t info_options(const struct tcp_conn_info *of)
{
	return (uint8_t)((of->timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
	                 (of->sack ? TCPI_OPT_SACK : 0) |
	                 (of->window_scaling ? TCPI_OPT_WSCALE : 0) | (of->ecn ? TCPI_OPT_ECN : 0) |
	                 (of->ecn_seen ? TCPI_OPT_ECN_SEEN : 0));
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
	        .tcpi_max_pacing_rate = UINT64_MAX,
	        .tcpi_bytes_acked = of.bytes_acked,
	        .tcpi_bytes_received = of.bytes_received,
	        .tcpi_segs_out = of.segments_out,
	        .tcpi_segs_in = of.segments_in,
	        .tcpi_notsent_bytes = of.unsent,
	        .tcpi_min_rtt = of.rtt_min_us,
	        .tcpi_data_segs_in = of.data_segments_in,
	        .tcpi_data_segs_out = of.data_segments_out,
	        .tcpi_delivery_rate = of.delivery_rate,
	        .tcpi_delivered = of.delivered,
	        .tcpi_bytes_sent = of.bytes_sent,
	        .tcpi_bytes_retrans = of.bytes_retrans,
	        .tcpi_dsack_dups = of.duplicates_seen,
	        .tcpi_reord_seen = of.reorderings_seen,
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
	        {TCP_QUICKACK, options->quick_ack},
	        {TCP_DEFER_ACCEPT, options->defer_accept},
	        {TCP_SYNCNT, options->syn_retries != 0 ? options->syn_retries : 6},
	        {TCP_LINGER2, options->fin_wait_s != 0 ? options->fin_wait_s : 60},
	        {TCP_KEEPIDLE, options->keepalive_idle},
	        {TCP_KEEPINTVL, options->keepalive_interval},
	        {TCP_KEEPCNT, options->keepalive_count},
	        {TCP_USER_TIMEOUT, (int)options->user_timeout_ms},
	        {TCP_NOTSENT_LOWAT, (int)options->not_sent_low},
	        {TCP_WINDOW_CLAMP, (int)options->window_clamp},
	};

	if (name == TCP_MAXSEG) {
		*value = get_segment(sock, options);
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
	const struct kept *kept = find_kept(level, name);
	const bool *wanted = control_wanted(sock, level, name);
	struct tcp_options options = options_of(sock);

	if (kept != NULL || wanted != NULL) {
		*number = kept != NULL ? sock->kept[kept - kept_options] : *wanted;
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

int sock_get_option(struct sock *sock, int level, int name, void *value, socklen_t *size)
{
	int number = 0, error;

	if (!knows_level(sock, level))
		return sock->domain == AF_INET6 ? -ENOPROTOOPT : -EOPNOTSUPP;
	if (level == SOL_SOCKET && name == SO_LINGER) {
		struct linger linger = {sock->linger, sock->linger_s};
		return give(value, size, &linger, sizeof(linger));
	}
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
		return get_patience(sock, name, value, size);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		return give(value, size, congestions[options_of(sock).congestion], NAME_BYTES);
	}
	if (level == IPPROTO_TCP && name == TCP_INFO && sock->kind == SOCK_KIND_STREAM) {
		struct tcp_info info;
		fill_info(sock, &info);
		return give(value, size, &info, sizeof(info));
	}
	error = get_number(sock, level, name, &number);
	return error != 0 ? -error : give(value, size, &number, sizeof(number));
}
