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
	RECEIVE_MOST = 6291456 / 2, /* net.ipv4.tcp_rmem */
	FIN_WAIT_MOST_S = 120,
};

const char option_congestions[TCP_CONGESTIONS][OPTION_NAME_BYTES] = {
        [TCP_CONGESTION_NEWRENO] = "reno",
        [TCP_CONGESTION_CUBIC] = "cubic",
        [TCP_CONGESTION_BBR] = "bbr",
};

/* Options that are taken and told again, and nearly all without effect here: each has its place in
 * `kept`. */
static const struct kept {
	int level, name;
	int low, high; /* what they may be; low > high: any value, told as 0 or 1 */
} kept_options[SOCK_KEPT] = {
        {SOL_SOCKET, SO_PRIORITY, INT32_MIN, INT32_MAX},
        {SOL_SOCKET, SO_MARK, INT32_MIN, INT32_MAX},
        {SOL_SOCKET, SO_DONTROUTE, 1, 0},
        {SOL_SOCKET, SO_RXQ_OVFL, 1, 0},
        {SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1, 0},
        {SOL_SOCKET, SO_ZEROCOPY, 0, 1},
        {SOL_SOCKET, SO_BUSY_POLL, 0, INT32_MAX},
        {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1},
        {IPPROTO_IP, IP_RECVERR, 1, 0},
        {IPPROTO_IPV6, IPV6_RECVERR, 1, 0},
        {IPPROTO_IP, IP_FREEBIND, 1, 0},
        {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, 0},
        {IPPROTO_IP, LOCAL_PORT_RANGE, INT32_MIN, INT32_MAX},
        {IPPROTO_IPV6, IPV6_FREEBIND, 1, 0},
};

int option_kept(int level, int name)
{
	for (int i = 0; i < SOCK_KEPT; i++)
		if (kept_options[i].level == level && kept_options[i].name == name)
			return i;
	return -1;
}

static int set_kept(struct sock *sock, int which, int value)
{
	const struct kept *option = &kept_options[which];
	bool flag = option->low > option->high;

	if (!flag && (value < option->low || value > option->high))
		return EINVAL;
	if (option->name == LOCAL_PORT_RANGE && option->level == IPPROTO_IP &&
	    (uint32_t)value >> 16 != 0 && ((uint32_t)value & 0xffff) > (uint32_t)value >> 16)
		return EINVAL;
	sock->kept[which] = flag ? value != 0 : value;
	return 0;
}

struct tcp_options options_of(const struct sock *sock)
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

/* SO_RCVLOWAT: half of the buffer at most, or nobody would ever be woken. */
static uint32_t least_to_read(const struct tcp_options *options, int value)
{
	uint32_t most = options->receive_buffer != 0 ? options->receive_buffer / 2 : RECEIVE_MOST;
	uint32_t low = value > 0 ? (uint32_t)value : value < 0 ? INT32_MAX : 1;

	return low < most ? low : most;
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
		sock->receive_low = least_to_read(options, value);
		return 0;
	case SO_TIMESTAMP:
	case SO_TIMESTAMPNS:
		sock->set->timed = true;
		if (value || sock->stamp_kind == name)
			sock->stamp_kind = value ? name : 0;
		return 0;
	case SO_TIMESTAMPING:
		return stamps_set(sock, (uint32_t)value);
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
	if (name == TCP_NOTSENT_LOWAT)
		options->not_sent_low = (uint32_t)value;
	else if (name == TCP_WINDOW_CLAMP)
		options->window_clamp = value && value < CLAMP_MIN ? CLAMP_MIN : (uint32_t)value;
	else if (value >= 0)
		options->user_timeout_ms = (uint32_t)value;
	else
		return EINVAL;
	return 0;
}

/* Fast Open: whoever listens, or has not begun. */
static int set_fast(struct sock *sock, struct tcp_options *options, int name, int value)
{
	if (name == TCP_FASTOPEN_CONNECT && !stream_may_fast(sock))
		return EOPNOTSUPP;
	if (sock->conn != NULL || sock->deferred || value < 0 ||
	    (name != TCP_FASTOPEN && value > 1) ||
	    (name == TCP_FASTOPEN_CONNECT && sock->listener != NULL))
		return EINVAL;
	if (name == TCP_FASTOPEN) {
		sock->fast_queue = value < LISTEN_MOST ? (uint32_t)value : LISTEN_MOST;
		if (sock->listener != NULL)
			tcp_listener_set_fast_queue(sock->listener, sock->fast_queue);
	} else if (name == TCP_FASTOPEN_CONNECT) {
		sock->fast_connect = value != 0;
	} else {
		options->fast_open = value ? TCP_FAST_COOKIELESS : 0;
	}
	return 0;
}

static int set_fast_keys(struct sock *sock, const void *value, socklen_t size)
{
	enum { KEY = sizeof(sock->fast_keys[0]) };

	if (sock->kind != SOCK_KIND_STREAM || sock->conn != NULL ||
	    (size != KEY && size != TCP_FAST_KEYS_MAX * KEY))
		return EINVAL;
	memcpy(sock->fast_keys, value, size);
	sock->fast_keys_n = (uint8_t)(size / KEY);
	if (sock->listener != NULL)
		(void)tcp_listener_set_fast_keys(sock->listener, sock->fast_keys,
		                                 sock->fast_keys_n);
	return 0;
}

/* TCP_DEFER_ACCEPT: Linux defers by repetitions of SYN/ACK, and tells the seconds up to the end of
 * the last one. */
static void set_defer(struct sock *sock, struct tcp_options *options, int seconds)
{
	enum { ROUNDS_MOST = 255 };
	int sum = 1, wait = 1, rounds = 1;

	for (; sum < seconds && rounds < ROUNDS_MOST; rounds++) {
		wait = wait < 60 ? wait * 2 : 120;
		sum += wait;
	}
	options->defer_accept = (uint8_t)(seconds > 0 ? rounds : 0);
	sock->defer_s = seconds > 0 ? sum : 0;
}

static int set_tcp(struct sock *sock, struct tcp_options *options, int name, int value)
{
	switch (name) {
	case TCP_FASTOPEN:
	case TCP_FASTOPEN_CONNECT:
	case TCP_FASTOPEN_NO_COOKIE:
		return set_fast(sock, options, name, value);
	case TCP_NODELAY:
		options->no_delay = value;
		options->release = value; /* Linux: each time that it is asked for */
		return 0;
	case TCP_CORK:
		options->cork = value;
		return 0;
	case TCP_QUICKACK:
		options->quick_ack = value != 0 ? TCP_ACK_SOON : TCP_ACK_WITH_ANSWERS;
		return 0;
	case TCP_DEFER_ACCEPT:
		set_defer(sock, options, value);
		return 0;
	case TCP_MAXSEG:
		options->max_segment = (uint16_t)value;
		return value == 0 || within(value, 88, 32767) ? 0 : EINVAL;
	case TCP_SYNCNT:
		options->syn_retries = (uint8_t)value;
		return within(value, 1, 127) ? 0 : EINVAL;
	case TCP_LINGER2:
		options->fin_wait_s = (uint16_t)(value < 0                 ? TCP_FIN_WAIT_NOT
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
		return !six || within(value, -1, 255) ? 0 : EINVAL;
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
	return name == IP_MULTICAST_TTL || name == IP_MULTICAST_LOOP || name == IP_MULTICAST_IF
	               ? 0
	               : ENOPROTOOPT;
}

static int set_congestion(struct tcp_options *options, const char *name, socklen_t size)
{
	for (unsigned i = 0; i < TCP_CONGESTIONS; i++) {
		size_t length = strlen(option_congestions[i]);
		if (size >= length && !memcmp(name, option_congestions[i], length) &&
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
	if (time.tv_sec < 0)
		*ns = 1; /* as Linux has it: at once */
	else if (time.tv_sec > INT32_MAX)
		*ns = 0;
	else
		*ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
	return 0;
}

/* SO_MAX_PACING_RATE, in either width; from 4 GB a second on it is no bound. */
static int set_pacing(struct sock *sock, const void *value, socklen_t size)
{
	struct tcp_options options = options_of(sock);
	uint32_t narrow;
	uint64_t rate;

	if (size < sizeof(narrow))
		return EINVAL;
	memcpy(&narrow, value, sizeof(narrow));
	rate = narrow;
	if (size >= sizeof(rate))
		memcpy(&rate, value, sizeof(rate));
	/* Linux stands still at 0; one byte a second is as good, and divides. */
	options.max_pacing = rate >= UINT32_MAX ? 0 : rate == 0 ? 1 : (uint32_t)rate;
	return set_options(sock, &options);
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
	struct tcp_options options = options_of(sock);
	int kept = option_kept(level, name), error = ENOPROTOOPT;

	if (kept >= 0)
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
		error = set_tcp(sock, &options, name, number);
	else if ((level == IPPROTO_IP || level == IPPROTO_IPV6) && sock->domain != AF_UNIX)
		error = set_ip(&options, level, name, number);
	return error != 0 ? error : set_options(sock, &options);
}

bool option_knows_level(const struct sock *sock, int level)
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

	if (!option_knows_level(sock, level))
		return sock->kind == SOCK_KIND_LOCAL ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (level == SOL_SOCKET && name == SO_LINGER)
		return -set_linger(sock, value, size);
	if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
		return -set_patience(sock, name, value, size);
	if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE)
		return -set_pacing(sock, value, size);
	if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY)
		return -set_fast_keys(sock, value, size);
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
