/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stack's files share: its state, and one section of prototypes for each file. A segment
 * goes
 *
 *     up:    input.c → lookup.c → (fast path) ack.c, receive.c
 *                               → state.c → ack.c (→ sack.c, rack.c, recovery.c, rate.c,
 * congestion) → receive.c (→ reassembly.c) → listen.c (→ cookies.c), timewait.c for what has no
 * connection down:  send.c → output.c (→ records.c) → transmit.c → ops.output later: wheel.c →
 * timers.c
 *
 * Whatever happens to a connection happens between conn_enter and conn_leave; the latter tells the
 * application, sends what became possible, and frees the connection if it is over.
 *
 * Units: names that end in _us are microseconds modulo 2^32, in _ms milliseconds modulo 2^32;
 * deadlines are nanoseconds of the stack's clock in 64 bits, 0 where nothing is due.
 */
#ifndef TCP_INTERNAL_H
#define TCP_INTERNAL_H

#include <tcp/conn.h>
#include <udp/checksum.h>
#include <udp/wire.h>

#define NS_PER_S    1000000000ull
#define NS_PER_MS   1000000ull
#define NS_PER_US   1000ull
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The TCP header (RFC 9293, 3.1). */
enum {
	H_SRC = 0,
	H_DST = 2,
	H_SEQ = 4,
	H_ACK = 8,
	H_OFFSET = 12,
	H_FLAGS = 13,
	H_WINDOW = 14,
	H_CHECKSUM = 16,
	H_URGENT = 18,
	H_SIZE = 20,
	H_TIMESTAMPS = 12, /* bytes of that option as data segments carry it */
};

enum {
	F_FIN = 0x01,
	F_SYN = 0x02,
	F_RST = 0x04,
	F_PSH = 0x08,
	F_ACK = 0x10,
	F_URG = 0x20,
	F_ECE = 0x40,
	F_CWR = 0x80,
};

enum { ECN_NOT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3, ECN_MASK = 3 };

enum {
	MSS_DEFAULT = 536,
	MSS_MIN = 48,   /* what we believe of a peer's option at least */
	MSS_SMALL = 88, /* the least guess of what a peer sends */
	WINDOW_MAX = 65535,
	SCALE_MAX = 14,
	SACKS_MAX = 4,
	REORDERING_DEFAULT = 3,
	REORDERING_MAX = 300,
	QUICK_ACKS_MAX = 16,
	CWND_MAX = 1 << 20,
	CC_WORDS = 9, /* 64-bit words of a congestion module's private state */
};

#define SSTHRESH_NONE   0x7fffffffu
#define ATO_MIN_US      40000u /* shortest delay of an acknowledgement */
#define ATO_MAX_US      200000u
#define OOW_INTERVAL_MS 500u /* between answers to nonsense, of one connection */
#define PAWS_IDLE_MS    (24u * 24 * 3600 * 1000) /* ts_recent is too old (RFC 7323, 5.5) */

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool seq_ge(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- State ---- */

/* An entry of the wheel. */
struct timer {
	struct timer *next, **link; /* link NULL: not in the wheel */
	uint64_t expires;
	uint16_t slot;
	uint8_t kind; /* enum timer_kind: what the timer is part of */
};

enum timer_kind { TIMER_CONN = 0, TIMER_REQUEST = 1 };

enum { WHEEL_LEVELS = 7, WHEEL_SLOTS = 64, WHEEL_TICK_BITS = 16 };

struct wheel {
	uint64_t tick; /* slots before this one have been run */
	uint64_t used[WHEEL_LEVELS];
	struct timer *slots[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* A pool: free elements are chained by their first pointer. */
struct pool {
	void *free;
	uint32_t used, max;
};

/* What an application queued. */
enum chunk_flags { CHUNK_PUSH = 1, CHUNK_BLOCK = 2, CHUNK_STATIC = 4 };

struct tcp_chunk {
	struct tcp_chunk *next; /* in the connection's queue; or the pool */
	const uint8_t *data;
	uint32_t seq, size;
	uint32_t references; /* one of the queue, one for each hold */
	uint32_t room;       /* CHUNK_BLOCK: bytes free behind data + size */
	tcp_release_fn *release;
	void *context;
	struct tcp_stack *stack;
	uint32_t flags;
};

/* Bytes that were sent together and are not acknowledged: one segment, or with segmentation offload
 * several. */
enum record_flags {
	R_SACKED = 1 << 0,
	R_LOST = 1 << 1,
	R_RETRANS = 1 << 2, /* sent again, and that copy is under way */
	R_EVER = 1 << 3,    /* was sent again at some time */
	R_FIN = 1 << 4,     /* the last sequence number is FIN's */
	R_PUSH = 1 << 5,
	R_LIMITED = 1 << 6, /* rate.c: the application had no more at that time */
	R_TIMED = 1 << 7,   /* stands in the list by time */
};

struct record {
	struct record *next, *prev;   /* by sequence number */
	struct record *newer, *older; /* by time of (last) transmission */
	uint32_t seq, end;
	uint32_t sent_us;
	uint32_t delivered, delivered_us, first_us; /* rate.c: as of transmission */
	uint16_t segments;
	uint8_t flags;
	uint8_t tries; /* retransmissions */
};

/* Received bytes that wait: to be read, or for what is missing before them. */
struct arrival {
	struct arrival *next;
	const uint8_t *data;
	void *buffer;
	uint32_t seq, size;
	uint32_t tail; /* writable bytes behind data + size, for what follows */
	bool fin;
};

struct range {
	uint32_t start, end;
};

/* The parsed options of a segment. */
enum { O_MSS = 1, O_SCALE = 2, O_SACK_OK = 4, O_TIMESTAMPS = 8, O_SACK = 16 };

struct options {
	uint8_t seen;
	uint8_t scale;
	uint8_t n_sacks;
	uint16_t mss;
	uint32_t ts_value, ts_echo;
	struct range sacks[SACKS_MAX];
};

/* A segment on its way up, checked and in host order. */
struct segment {
	const struct tcp_arrival *arrival;
	uint32_t seq, ack, window; /* window as in the header: unscaled */
	uint32_t size;             /* of the payload */
	uint8_t *data;
	uint16_t urgent;
	uint8_t flags;
	uint8_t header_size;
	bool kept; /* the buffer has found a new owner */
	struct options options;
};

/* One end of the sequence space that a segment takes: payload, SYN and FIN. */
static inline uint32_t segment_end(const struct segment *segment)
{
	return segment->seq + segment->size + !!(segment->flags & F_SYN) +
	       !!(segment->flags & F_FIN);
}

struct endpoints {
	struct udp_ip local, remote;
	uint16_t local_port, remote_port;
};

enum retransmit_timer { RTX_NONE, RTX_TIMEOUT, RTX_PROBE, RTX_REORDER, RTX_WINDOW };

/*
 * What a connection needs only while something is in flight, out of order, or to be told of
 * duplicates: allocated then, given back when all is quiet.
 */
struct active {
	struct record *records, *records_last;
	struct record *oldest, *newest; /* by time; R_TIMED */
	struct record *lost_hint, *sack_hint;
	uint32_t sacked_out, lost_out, retrans_out; /* segments */
	uint32_t lost_total;                        /* ever marked lost */
	uint32_t fack; /* behind the highest byte selectively acknowledged */

	/* Recovery. */
	uint32_t undo_una, prior_ssthresh, prior_cwnd;
	int32_t undo_retrans;
	uint32_t retrans_ts; /* our timestamp at the first retransmission */
	uint32_t prr_delivered, prr_out;
	uint32_t tlp_high; /* snd_nxt at a tail loss probe; 0: none */
	uint32_t rack_us, rack_end, rack_rtt_us, rack_dsack_round;
	uint32_t delivered_us, first_us; /* rate.c */
	struct range seen_sacks[SACKS_MAX];

	/* What came out of order, and what to tell the peer of it. */
	struct arrival *early, *early_last; /* ascending, disjoint */
	uint32_t held;                      /* bytes of them */
	uint32_t n_early;
	struct range sacks[SACKS_MAX];
	struct range dsack_range;
};

struct tcp_conn {
	/* Found by these. */
	struct tcp_conn *hash_next;
	struct endpoints at;
	uint8_t state;       /* enum tcp_state */
	uint8_t recovery;    /* enum tcp_recovery */
	uint8_t busy;        /* between conn_enter and conn_leave */
	uint8_t rtx;         /* enum retransmit_timer */
	uint8_t header_size; /* of data segments without SACK blocks */
	uint8_t snd_scale, rcv_scale;
	uint8_t quick; /* acknowledgements to be sent without delay */

	/* Sending. */
	uint32_t snd_una, snd_nxt, snd_wnd, snd_wl1;
	uint32_t snd_end; /* behind the last byte queued; FIN not counted */
	uint32_t snd_max_wnd;
	uint32_t packets_out; /* segments; what became of them is in act */
	uint32_t cwnd, ssthresh;
	uint16_t mss;
	uint16_t snd_mss_max; /* before path MTU discovery: by options of both */
	uint32_t snd_small;   /* behind the last partial segment sent (Nagle, by Minshall) */
	struct tcp_chunk *chunks, *chunks_last, *chunk_next; /* chunk_next: where snd_nxt lies */

	/* Receiving. */
	uint32_t rcv_nxt, rcv_wup, rcv_wnd, rcv_read; /* rcv_wup: rcv_nxt as last acknowledged */
	uint32_t rcv_ssthresh, window_clamp, rcv_buffer;
	uint32_t ts_recent, ts_recent_ms, ts_offset;
	uint32_t last_ack_sent; /* rcv_nxt of the last segment sent, for ts_recent */
	uint16_t advertised_mss, rcv_mss;
	struct arrival *unread, *unread_last;

	uint8_t ack_pending : 1, ack_now : 1, pushed : 1, pushed2 : 1, interactive : 1,
	        ack_timer_used : 1, echo_ce : 1, queue_cwr : 1;
	uint8_t timestamps : 1, sack : 1, scaling : 1, ecn : 1, ecn_seen : 1, owned : 1, dead : 1,
	        push : 1;
	uint8_t fin_queued : 1, fin_sent : 1, fin_acked : 1, fin_received : 1, read_shut : 1,
	        want_space : 1, limited : 1, frto : 1;
	uint8_t undo_on : 1, tlp_retrans : 1, urgent_in : 1, urgent_out : 1, urgent_told : 1,
	        passive : 1, rack_advanced : 1;
	uint8_t hashed : 1, announce : 1, waiting : 1, starved : 1;
	uint8_t events; /* enum tcp_events not told yet */
	uint8_t cause;  /* enum tcp_cause */
	uint8_t soft;   /* enum tcp_failure */
	uint8_t retransmits, backoff, probes;
	uint8_t n_sacks;
	uint8_t dsack : 1, probing : 1, space_told : 1, rack_reordered : 1, rtt_seen : 1,
	        dsack_seen : 1, cwnd_limited : 1, sent_told : 1;

	/* Timers. */
	struct timer timer; /* at or before the earliest of the following */
	uint64_t rtx_at, ack_at, keep_at, pace_at;
	uint32_t ato_us;
	uint32_t last_received_ms, last_sent_ms, last_ack_ms;

	/* Round trips (RFC 6298), in microseconds; srtt_8 is eight, deviation four times the value.
	 */
	uint32_t srtt_8, deviation_4, deviation_max, rtt_variance, rtt_seq;
	uint32_t rto_us, min_rtt_us, min_rtt_ms;

	/* Recovery: what outlives it. */
	struct active *act; /* never NULL; while nothing is going on, one of zeros for all */
	uint32_t high_seq;
	uint32_t stuck_ms;   /* when the first of the timeouts in a row happened */
	uint32_t retrans_ms; /* when the first retransmission of this episode left; 0: none */
	uint8_t rack_steps, rack_persist;
	uint16_t reordering;

	/* Rate (rate.c) and congestion control. */
	uint32_t delivered, limited_until;
	uint32_t rate_delivered, rate_interval_us;
	uint32_t cwnd_used, cwnd_counter, cwnd_ms, max_packets_out, max_packets_seq;
	uint64_t pacing_rate; /* bytes a second; 0: none */
	uint64_t cc[CC_WORDS];

	/* Window tuning. */
	uint32_t tune_read, tune_space, tune_us;
	uint32_t rcv_rtt_us, rcv_rtt_seq, rcv_rtt_at_us, rcv_rtt_echo;

	uint32_t iss, irs, urgent_in_seq, urgent_out_seq;
	uint32_t oow_ms, syn_us;
	uint16_t path_mtu, last_segment;

	/* The application's. */
	union {
		struct {
			tcp_event_fn *event;
			void *context;
		};
		struct {
			struct tcp_listener *listener; /* while `waiting` for tcp_accept */
			struct tcp_conn *ready_next;
		};
	};
	struct tcp_stack *stack;
	struct tcp_conn *starved_next; /* waits for a chunk or a block to come back */
	uint64_t route;
	struct tcp_options options;

	/* Counted for tcp_conn_info. */
	uint32_t total_retrans;
	uint16_t duplicates_seen, reorderings_seen;
	uint32_t segments_in, segments_out, data_in, data_out;
	uint64_t bytes_acked, bytes_received, bytes_retrans;
};

/* The least that must be remembered between a SYN and the ACK of our SYN/ACK. */
struct request {
	struct request *hash_next;
	struct timer timer;
	struct endpoints at;
	struct tcp_listener *listener;
	uint32_t iss, irs, ts_recent, ts_offset, window, rcv_wnd, sent_us;
	uint32_t challenge_ms;
	uint16_t mss, advertised_mss, path_mtu;
	uint64_t route;
	uint8_t scale, rcv_scale, tries, tos;
	uint8_t timestamps : 1, sack : 1, scaling : 1, ecn : 1, acked : 1, cookie : 1;
};

struct timewait {
	struct timewait *hash_next;
	struct timewait *next, *prev; /* by age */
	struct tcp_stack *stack;
	struct endpoints at;
	uint32_t rcv_nxt, snd_nxt, rcv_wnd, ts_recent, ts_recent_ms, ts_offset, oow_ms;
	uint8_t rcv_scale, timestamps;
	uint64_t expires;
};

struct tcp_listener {
	struct tcp_listener *next; /* in the bucket; or the pool */
	struct udp_endpoint local;
	struct tcp_stack *stack;
	tcp_accept_fn *accept;
	void *context;
	struct tcp_conn *ready, *ready_last;
	uint32_t n_ready, backlog;
	bool open;
	struct tcp_options options;
};

enum { LISTENER_BUCKETS = 64 };

struct limiter {
	uint32_t second_ms, count;
};

struct tcp_stack {
	uint64_t now;
	uint32_t us, ms;
	uint32_t seen_echo; /* timestamp echoed by the segment at hand; 0: none */
	struct tcp_ops ops;
	void *context;
	struct tcp_counters count;

	struct tcp_conn **conns;
	uint32_t conn_mask;
	struct request **requests;
	uint32_t request_mask;
	struct timewait **timewaits;
	uint32_t timewait_mask;
	struct tcp_listener *listeners[LISTENER_BUCKETS];

	struct pool conn_pool, request_pool, timewait_pool, listener_pool, chunk_pool, record_pool,
	        arrival_pool, block_pool, active_pool;
	struct tcp_conn *conn_memory;
	struct timewait *timewait_oldest, *timewait_newest;
	struct tcp_conn *starved, *starved_last; /* those longest first */
	bool feeding;
	struct wheel wheel;

	uint64_t lookup_secret[3];
	uint64_t isn_secret[2], ts_secret[2], cookie_secret[2], port_secret[2];
	uint32_t port_step;
	uint32_t cookie_ms; /* when the last cookie went out */
	bool cookies_used;
	struct limiter challenges, resets;
	struct tcp_config config;
};

/* How an acknowledgement changes things, gathered while it is processed. */
enum ack_flags {
	A_DATA = 1 << 0,          /* the segment carries data */
	A_WINDOW = 1 << 1,        /* it changed the send window */
	A_ACKED = 1 << 2,         /* data was acknowledged cumulatively */
	A_RETRANS_ACKED = 1 << 3, /* … some of it had been sent again */
	A_SYN_ACKED = 1 << 4,
	A_SACKED = 1 << 5, /* data was newly acknowledged selectively */
	A_ECE = 1 << 6,
	A_LOST_RETRANS = 1 << 7,
	A_ADVANCED = 1 << 8, /* snd_una did */
	A_DSACK = 1 << 9,
	A_RENEGED = 1 << 10,
	A_ORIGINAL = 1 << 11, /* data sent once, before the timeout, arrived: F-RTO's evidence */
	A_SET_TIMER = 1 << 12,
	A_LOST = 1 << 13, /* something was newly marked lost */
	A_NOT_DUP = A_DATA | A_WINDOW | A_ACKED,
};

/* A rate sample (draft-cheng-iccrg-delivery-rate-estimation-00), and what else congestion control
 * wants to know. */
struct sample {
	uint32_t prior_delivered, prior_us;
	uint32_t delivered;  /* segments over the interval; valid if interval_us > 0 */
	int64_t interval_us; /* -1: no sample */
	uint32_t send_us;
	uint32_t acked_sacked; /* segments newly delivered by this acknowledgement */
	uint32_t lost;         /* newly lost */
	uint32_t prior_in_flight;
	int32_t rtt_us; /* -1: none */
	uint32_t last_end, last_sent_us;
	bool limited, retrans, has_prior, ack_delayed;
};

struct ack {
	uint32_t flags; /* enum ack_flags */
	uint32_t prior_una, prior_fack, prior_packets, prior_delivered, prior_lost;
	uint32_t reorder_seq; /* lowest newly delivered, never retransmitted, below the fack */
	bool reordered;
	uint32_t acked; /* segments acknowledged cumulatively */
	uint32_t dup_acks;
	bool has_sack_first;
	uint32_t sack_first_us, sack_last_us;
	struct sample sample;
};

/* A congestion control module. All run with the connection's fields up to date. */
struct congestion {
	const char *name;
	void (*init)(struct tcp_conn *conn);
	uint32_t (*ssthresh)(struct tcp_conn *conn);                 /* after a loss */
	void (*avoid)(struct tcp_conn *conn, uint32_t acked);        /* grow cwnd */
	void (*acked)(struct tcp_conn *conn, const struct ack *ack); /* may be NULL */
	void (*state)(struct tcp_conn *conn, uint8_t recovery);      /* may be NULL */
	uint32_t (*undo)(struct tcp_conn *conn);                     /* cwnd before the loss */
	void (*restart)(struct tcp_conn *conn); /* sends after idle; may be NULL */
	/* Replaces all growth and reduction; may be NULL. */
	void (*control)(struct tcp_conn *conn, const struct ack *ack);
};

static inline uint32_t in_flight(const struct tcp_conn *conn)
{
	return conn->packets_out - conn->act->sacked_out - conn->act->lost_out +
	       conn->act->retrans_out;
}

static inline bool in_slow_start(const struct tcp_conn *conn)
{
	return conn->cwnd < conn->ssthresh;
}

/* Behind the last byte that the peer's window admits. */
static inline uint32_t window_end(const struct tcp_conn *conn)
{
	return conn->snd_una + conn->snd_wnd;
}

/* What is left of the window that was offered. */
static inline uint32_t offered_window(const struct tcp_conn *conn)
{
	int32_t left = (int32_t)(conn->rcv_wup + conn->rcv_wnd - conn->rcv_nxt);

	return left > 0 ? (uint32_t)left : 0;
}

static inline uint32_t unsent(const struct tcp_conn *conn)
{
	return conn->fin_sent ? 0 : conn->snd_end - conn->snd_nxt;
}

/* Whether there is something never sent: bytes, or FIN. */
static inline bool has_unsent(const struct tcp_conn *conn)
{
	return unsent(conn) > 0 || (conn->fin_queued && !conn->fin_sent);
}

static inline bool is_synchronised(const struct tcp_conn *conn)
{
	return conn->state >= TCP_STATE_ESTABLISHED;
}

/* Data may still be sent, or sent again. */
static inline bool may_transmit(const struct tcp_conn *conn)
{
	return conn->state >= TCP_STATE_ESTABLISHED && conn->state <= TCP_STATE_LAST_ACK;
}

static inline uint32_t timestamp_now(const struct tcp_stack *stack, uint32_t offset)
{
	return stack->ms + offset;
}

/* Milliseconds since a moment that may have been rounded up, so as not to be 0. */
static inline uint32_t since_ms(const struct tcp_stack *stack, uint32_t then)
{
	int32_t gone = (int32_t)(stack->ms - then);

	return gone > 0 ? (uint32_t)gone : 0;
}

static inline uint32_t rto_min_us(const struct tcp_stack *stack)
{
	return stack->config.rto_min_ms * 1000;
}

/* ---- stack.c ---- */

void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *element);
/* Whether one more event of its kind may happen in this second. */
bool limiter_allows(struct tcp_stack *stack, struct limiter *limiter, uint32_t rate);

/* ---- hash.c ---- */

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of the endpoints and a number. */
uint64_t hash_endpoints(const uint64_t *key, const struct endpoints *at, uint64_t number);
/* The same without ports. */
uint64_t hash_addresses(const uint64_t *key, const struct endpoints *at);
/* Initial sequence number (RFC 6528). */
uint32_t isn_choose(struct tcp_stack *stack, const struct endpoints *at);
/* What our timestamps begin at towards that peer (RFC 7323, 5.4). */
uint32_t timestamp_offset(struct tcp_stack *stack, const struct endpoints *at);

/* ---- lookup.c ---- */

uint32_t lookup_hash(const struct tcp_stack *stack, const struct endpoints *at);
struct tcp_conn *lookup_conn(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash);
void lookup_insert(struct tcp_conn *conn);
void lookup_remove(struct tcp_conn *conn);
struct request *lookup_request(struct tcp_stack *stack, const struct endpoints *at, uint32_t hash);
struct timewait *lookup_timewait(struct tcp_stack *stack, const struct endpoints *at,
                                 uint32_t hash);
/* The listener for what arrives at `at->local`. */
struct tcp_listener *lookup_listener(struct tcp_stack *stack, const struct endpoints *at);
/* Chooses an ephemeral port (RFC 6056, 3.3.4). 0 or -TCP_ENOSPC. */
int lookup_port(struct tcp_stack *stack, struct endpoints *at);
/* Whether these endpoints are somebody's; those in TIME-WAIT that may be recycled are not. */
bool lookup_taken(struct tcp_stack *stack, const struct endpoints *at);

/* ---- wheel.c ---- */

void wheel_init(struct wheel *wheel, uint64_t now);
void wheel_add(struct wheel *wheel, struct timer *timer, uint64_t expires);
void wheel_remove(struct wheel *wheel, struct timer *timer);
/* Takes a timer out that is due; NULL: none. */
struct timer *wheel_due(struct wheel *wheel, uint64_t now);
uint64_t wheel_deadline(const struct wheel *wheel);

/* ---- options.c ---- */

/* Reads the options between `at` and `end`. Untrusted: what makes no sense is ignored. */
void options_parse(struct options *options, const uint8_t *at, const uint8_t *end, bool syn);
/* What a SYN or SYN/ACK offers. */
struct syn_options {
	uint16_t mss;
	bool timestamps, sack, scaling;
	uint8_t scale;
	uint32_t ts_value, ts_echo;
};

/* Writes them in Linux's order and padding. → bytes. */
uint32_t options_write_syn(uint8_t *at, const struct syn_options *options);
/* Those of all other segments: timestamps, and SACK blocks as far as `room` goes. → bytes. */
uint32_t options_write(struct tcp_conn *conn, uint8_t *at, uint32_t room);

/* ---- transmit.c ---- */

/* Sends the bytes of a record, for the first time or again; at most `most` of them. */
void transmit_record(struct tcp_conn *conn, struct record *record, uint32_t most);
/* A segment without data. */
void transmit_flags(struct tcp_conn *conn, uint32_t seq, uint8_t flags);
void transmit_ack(struct tcp_conn *conn);
void transmit_syn(struct tcp_conn *conn);
void transmit_syn_ack(struct tcp_stack *stack, struct request *request);
/* One byte below the window, or none, that asks for an answer. */
void transmit_probe(struct tcp_conn *conn);
void transmit_reset(struct tcp_conn *conn);
/* The reset that answers `segment`, which belongs to nobody (RFC 9293, 3.10.7.1). */
void transmit_refusal(struct tcp_stack *stack, const struct segment *segment);
/* An acknowledgement of no connection: TIME-WAIT, SYN-RECEIVED. */
struct bare_ack {
	const struct endpoints *at;
	uint32_t seq, ack, window, ts_value, ts_echo;
	bool timestamps;
	uint8_t tos;
	uint64_t route;
};
void transmit_bare(struct tcp_stack *stack, const struct bare_ack *bare);
/* A challenge ACK (RFC 5961, 7), if not too many left lately. */
void transmit_challenge(struct tcp_conn *conn);

/* ---- output.c ---- */

/* Sends what may be sent of what was never sent; arms timers. */
void output_push(struct tcp_conn *conn);
/* The next segment of new data, whatever the congestion window says. false: the peer's window or
 * the queue has none. */
bool output_probe_new(struct tcp_conn *conn);
/* Sends what fits a window that is too small for a segment. false: nothing does. */
bool output_wake(struct tcp_conn *conn);
/* MSS by what is known of the path. */
void output_set_mtu(struct tcp_conn *conn, uint32_t mtu);

/* ---- retransmit.c ---- */

/* Sends one record again. false: it could not. */
bool retransmit_record(struct tcp_conn *conn, struct record *record);
/* Sends again what is marked lost, as far as the congestion window goes. */
void retransmit_lost(struct tcp_conn *conn);

/* ---- records.c ---- */

struct record *record_append(struct tcp_conn *conn, uint32_t end, uint8_t flags);
void record_remove(struct tcp_conn *conn, struct record *record);
/* Cuts a record so that its first part has `size` bytes. false: no record left. */
bool record_split(struct tcp_conn *conn, struct record *record, uint32_t size);
void record_time_append(struct tcp_conn *conn, struct record *record);
void record_time_remove(struct tcp_conn *conn, struct record *record);
void record_mark_lost(struct tcp_conn *conn, struct record *record);
/* Counts its segments anew after its size or the MSS changed. */
void record_recount(struct tcp_conn *conn, struct record *record);
/* Without SACK: segments counted by duplicates can't be more than those not known to be lost. */
void record_limit_duplicates(struct tcp_conn *conn);
void record_drop_all(struct tcp_conn *conn);

/* ---- send.c ---- */

/* The payload [seq, seq + size) in pieces. → how many bytes they cover. */
uint32_t chunks_gather(struct tcp_conn *conn, uint32_t seq, uint32_t size, struct tcp_piece *pieces,
                       uint8_t *n);
/* How many of the `size` bytes from `seq` on fit the pieces of one packet. */
uint32_t chunks_bound(struct tcp_conn *conn, uint32_t seq, uint32_t size);
/* The application announced that more follows: no partial segment now. */
bool chunks_held_back(const struct tcp_conn *conn);
/* Whether a segment that ends at `end` ends what the application pushed. */
bool chunks_pushed(struct tcp_conn *conn, uint32_t end);
/* A pool was empty: the connection hears of it when something comes back. */
void starve(struct tcp_conn *conn);
void starve_forget(struct tcp_conn *conn);
/* Tells those that wait. */
void starve_feed(struct tcp_stack *stack);
/* Lets go of what is acknowledged. */
void chunks_acked(struct tcp_conn *conn);
void chunks_drop_all(struct tcp_conn *conn);

/* ---- ack.c ---- */

/* An acceptable segment's acknowledgement. 0; -1: it acknowledges what was never sent, or is too
 * old. `challenge`: answer the latter. */
int ack_input(struct tcp_conn *conn, const struct segment *segment, bool challenge);

/* ---- sack.c ---- */

void sack_input(struct tcp_conn *conn, const struct segment *segment, struct ack *ack);
/* Notes that [start, end) was received out of order (RFC 2018, 4). */
void sack_note(struct tcp_conn *conn, uint32_t start, uint32_t end);
/* Forgets what rcv_nxt has passed. */
void sack_forget(struct tcp_conn *conn);
/* Notes that [start, end) was received twice (RFC 2883). */
void sack_note_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end);
/* Reordering of so many segments was seen. */
void sack_reordering(struct tcp_conn *conn, uint32_t low, struct ack *ack);

/* ---- rack.c (RFC 8985) ---- */

void rack_advance(struct tcp_conn *conn, const struct record *record, uint32_t now_us);
void rack_update_window(struct tcp_conn *conn, const struct ack *ack);
/* Marks what is lost. true: something must still be waited for, and the timer was set. */
bool rack_detect(struct tcp_conn *conn);
/* Microseconds until a record counts as lost; not above 0: it is. */
int32_t rack_remaining(const struct tcp_conn *conn, const struct record *record, uint32_t window);
uint32_t rack_reorder_window(const struct tcp_conn *conn);
void rack_timer(struct tcp_conn *conn);
bool tlp_arm(struct tcp_conn *conn);
void tlp_timer(struct tcp_conn *conn);
void tlp_ack(struct tcp_conn *conn, uint32_t seq_acked, struct ack *ack);

/* ---- recovery.c, undo.c ---- */

enum recovery_send { SEND_NONE = 0, SEND_LOST = 1, SEND_NEW = 2 };

void recovery_alert(struct tcp_conn *conn, struct ack *ack, enum recovery_send *send);
/* A retransmission timeout: everything is lost. */
void recovery_enter_loss(struct tcp_conn *conn);
void recovery_enter_cwr(struct tcp_conn *conn);
void recovery_enter(struct tcp_conn *conn, bool ece);
/* PRR (RFC 6937). */
void recovery_reduce(struct tcp_conn *conn, uint32_t delivered, uint32_t lost, uint32_t flags);
void recovery_init_reduction(struct tcp_conn *conn);
void recovery_set_state(struct tcp_conn *conn, uint8_t state);
void recovery_end_reduction(struct tcp_conn *conn);
void recovery_keep_open(struct tcp_conn *conn);
/* Loss without congestion: sends again what the path can't take any more (RFC 1191). */
void recovery_simple(struct tcp_conn *conn);
bool undo_loss(struct tcp_conn *conn, bool frto);
bool undo_recovery(struct tcp_conn *conn);
bool undo_partial(struct tcp_conn *conn, uint32_t prior_una);
bool undo_dsack(struct tcp_conn *conn);
void undo_init(struct tcp_conn *conn);
void undo_check_reneging(struct tcp_conn *conn, uint32_t flags);
bool any_retransmitted(const struct tcp_conn *conn);

/* ---- rtt.c ---- */

void rtt_sample(struct tcp_conn *conn, uint32_t rtt_us);
void rtt_set_rto(struct tcp_conn *conn);
/* Arms the retransmission timer, or the tail loss probe's. */
void rtx_arm(struct tcp_conn *conn);
void rtx_set(struct tcp_conn *conn, enum retransmit_timer kind, uint64_t at);
void rtx_stop(struct tcp_conn *conn);

/* ---- rate.c ---- */

void rate_sent(struct tcp_conn *conn, struct record *record);
void rate_delivered(struct tcp_conn *conn, const struct record *record, struct sample *sample);
void rate_finish(struct tcp_conn *conn, struct ack *ack);
void rate_check_limited(struct tcp_conn *conn);

/* ---- congestion.c, newreno.c, cubic.c, bbr.c ---- */

extern const struct congestion congestion_newreno, congestion_cubic, congestion_bbr;
const struct congestion *congestion_of(const struct tcp_conn *conn);
void congestion_init(struct tcp_conn *conn);
/* Ends an acknowledgement: cwnd grows or shrinks. */
void congestion_control(struct tcp_conn *conn, struct ack *ack);
/* Slow start; → what is left of `acked` for congestion avoidance. */
uint32_t congestion_slow_start(struct tcp_conn *conn, uint32_t acked);
/* Grows by one segment for each `per` acknowledged. */
void congestion_additive(struct tcp_conn *conn, uint32_t per, uint32_t acked);
void congestion_validate(struct tcp_conn *conn, bool limited);
bool congestion_limited(const struct tcp_conn *conn);
void congestion_restart(struct tcp_conn *conn);
uint32_t newreno_ssthresh(struct tcp_conn *conn);
uint32_t newreno_undo(struct tcp_conn *conn);

/* ---- window.c, delay.c ---- */

/* Sizes that a new connection begins with: window and scale to offer (as Linux does). */
void window_initial(const struct tcp_stack *stack, const struct tcp_options *options, uint32_t mss,
                    uint32_t *window, uint8_t *scale);
void window_begin(struct tcp_conn *conn);
/* The window to offer now, from which rcv_wnd is set; → header field. */
uint16_t window_select(struct tcp_conn *conn);
uint32_t window_next(struct tcp_conn *conn);
uint32_t window_space(const struct tcp_conn *conn);
void window_grow(struct tcp_conn *conn, uint32_t size);
/* The application has read. */
void window_tune(struct tcp_conn *conn);
void window_measure_rtt(struct tcp_conn *conn, const struct segment *segment);

/* Data came: how soon to acknowledge. */
void delay_received(struct tcp_conn *conn, const struct segment *segment);
/* Decides: now, or the timer. `ordered`: nothing is missing. */
void delay_check(struct tcp_conn *conn);
void delay_quick(struct tcp_conn *conn, uint32_t max);
void delay_enter_quick(struct tcp_conn *conn, uint32_t max);
void delay_sent(struct tcp_conn *conn);
void delay_timer(struct tcp_conn *conn);
void delay_read(struct tcp_conn *conn, uint32_t bytes);

/* ---- receive.c, reassembly.c ---- */

/* The payload and FIN of an acceptable segment. */
void receive_data(struct tcp_conn *conn, struct segment *segment);
/* Payload that is exactly next. false: no place. */
bool receive_append(struct tcp_conn *conn, struct segment *segment, uint32_t skip);
void receive_drop_all(struct tcp_conn *conn);
void receive_fin(struct tcp_conn *conn);
void receive_free(struct tcp_stack *stack, struct arrival *arrival);
void early_add(struct tcp_conn *conn, struct segment *segment, uint32_t skip);
void early_advance(struct tcp_conn *conn);

/* ---- state.c ---- */

/* Everything that header prediction does not take (RFC 9293, 3.10.7). */
void state_input(struct tcp_conn *conn, struct segment *segment);
/* Options of the peer's SYN. */
void state_adopt(struct tcp_conn *conn, const struct options *options);
void state_established(struct tcp_conn *conn);

/* ---- listen.c, cookies.c, timewait.c ---- */

void listen_syn(struct tcp_listener *listener, struct segment *segment, const struct endpoints *at,
                uint32_t hash, const uint32_t *iss);
/* A segment for a half-open connection. */
void listen_request(struct request *request, struct segment *segment, uint32_t hash);
void listen_timer(struct request *request);
void listen_forget(struct request *request);
/* Makes a full connection of a request and lets it take the segment. */
void listen_complete(struct request *request, struct segment *segment);
/* A connection of this listener is established. */
void listen_ready(struct tcp_conn *conn);
void listen_unready(struct tcp_conn *conn);
void listen_all_closed(struct tcp_stack *stack);

/* Whether cookies went out that may still come back. */
bool cookies_recent(const struct tcp_stack *stack);
uint32_t cookie_make(struct tcp_stack *stack, struct request *request);
/* false: no cookie of ours. Else *request is what the SYN said. */
bool cookie_check(struct tcp_stack *stack, const struct segment *segment,
                  const struct endpoints *at, struct request *request);

void timewait_enter(struct tcp_conn *conn);
/* true: done; false: a new connection may take over, and *iss says from where. */
bool timewait_input(struct timewait *timewait, struct segment *segment, bool listening,
                    uint32_t *iss);
void timewait_remove(struct tcp_stack *stack, struct timewait *timewait);
uint64_t timewait_run(struct tcp_stack *stack);

/* ---- conn.c ---- */

extern const struct active active_none;
/* Sees to it that the connection has its own. false: there is none left. */
bool active_get(struct tcp_conn *conn);
static inline bool has_active(const struct tcp_conn *conn)
{
	return conn->act != &active_none;
}

struct tcp_conn *conn_create(struct tcp_stack *stack, const struct endpoints *at,
                             const struct tcp_options *options);
static inline void conn_enter(struct tcp_conn *conn)
{
	conn->busy = 1;
}
void conn_leave(struct tcp_conn *conn);
/* Whatever the application did to it: send now, or at the end of what is going on. */
void conn_kick(struct tcp_conn *conn);
/* The connection is over: timers, queues; tells the application. */
void conn_end(struct tcp_conn *conn, enum tcp_cause cause);
/* Answers with a reset and ends it. */
void conn_reset(struct tcp_conn *conn, enum tcp_cause cause);

/* ---- timers.c ---- */

void timer_update(struct tcp_conn *conn);
void timer_fire(struct tcp_conn *conn);
void keepalive_arm(struct tcp_conn *conn);
/* The peer's window is shut and something waits. */
void persist_check(struct tcp_conn *conn);

/* ---- input.c ---- */

/* Whether the segment may belong to the connection; parses its options. */
bool segment_parse(struct tcp_stack *stack, const struct tcp_arrival *arrival,
                   struct segment *segment);

#endif
