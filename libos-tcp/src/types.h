/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stack and its connections remember: constants and structures. The functions over them are
 * in internal.h.
 */
#ifndef TCP_TYPES_H
#define TCP_TYPES_H

#include <tcp/conn.h>
#include <tcp/edge.h>
#include <udp/checksum.h>
#include <udp/wire.h>

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull
/* NOP NOP timestamps, as a word. */
#define TIMESTAMP_WORD 0x0101080au
#define likely(x)      __builtin_expect(!!(x), 1)
#define unlikely(x)    __builtin_expect(!!(x), 0)

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
#define ATO_NONE_US     4000u /* before any data came: a tick of Linux */
#define OOW_INTERVAL_MS 500u  /* between answers to nonsense, of one connection */
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
	uint64_t next; /* nothing is due before */
	bool sure;     /* it is a timer's, or a slot's; else what it was of is gone */
	uint64_t used[WHEEL_LEVELS];
	struct timer *slots[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* A pool: free elements are chained by their first pointer. */
struct pool {
	void *free;
	uint32_t used, max;
};

/* What an application queued. */
enum chunk_flags {
	CHUNK_PUSH = 1,
	CHUNK_BLOCK = 2,
	CHUNK_STATIC = 4,
	CHUNK_SUMMED = 8,
	CHUNK_RECORD = 16
};

struct tcp_chunk {
	struct tcp_chunk *next; /* in the connection's queue; or the pool */
	const uint8_t *data;
	uint32_t seq, size;
	uint32_t references; /* one of the queue, one for each hold */
	uint32_t room;       /* CHUNK_BLOCK: bytes free behind data + size */
	tcp_release_fn *release;
	void *context;
	struct tcp_stack *stack;
	const struct tcp_content *content; /* that it is a part of; NULL */
	uint32_t flags;
	uint16_t sum; /* CHUNK_SUMMED: of all of it */
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
enum {
	O_MSS = 1,
	O_SCALE = 2,
	O_SACK_OK = 4,
	O_TIMESTAMPS = 8,
	O_SACK = 16,
	O_FAST = 32,
	O_SIGNED = 64
};

enum { FAST_COOKIE_MIN = 4, FAST_COOKIE_MAX = 16, FAST_COOKIE = 8 /* of ours */ };

/* A Fast Open option (RFC 7413, 4.1.1); size 0: a cookie is asked for. */
struct fast_cookie {
	uint8_t size;
	bool experimental; /* as the drafts had it: kind 254 and a magic number */
	uint8_t bytes[FAST_COOKIE_MAX];
};

struct options {
	uint8_t seen;
	uint8_t scale;
	uint8_t n_sacks;
	uint16_t mss;
	uint32_t ts_value, ts_echo;
	struct range sacks[SACKS_MAX];
	struct fast_cookie fast;
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

/* What a connection with something to send is kept busy with. */
enum busy_with { BUSY_NOT, BUSY_SENDING, BUSY_WINDOW, BUSY_BUFFER, BUSY_KINDS = 3 };

/* For so long, in milliseconds; beside the connections, where the configuration asks for it. */
struct busy {
	uint32_t since, ms[BUSY_KINDS];
	uint8_t with; /* enum busy_with */
	/* Counted for tcp_conn_info. */
	uint32_t early_seen, delivered_marked;
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
	        passive : 1, rack_advanced : 1, tlp_left : 1;
	uint8_t hashed : 1, announce : 1, waiting : 1, starved : 1, gathered : 1, refuses : 1,
	        answering : 1, fast : 1; /* fast: fastopen.c says what it means */
	uint8_t events;                  /* enum tcp_events not told yet */
	uint8_t cause;                   /* enum tcp_cause */
	uint8_t soft;                    /* enum tcp_failure */
	uint8_t retransmits, backoff, probes;
	uint8_t n_sacks;
	uint8_t dsack : 1, probing : 1, space_told : 1, rack_reordered : 1, rtt_seen : 1,
	        dsack_seen : 1, cwnd_limited : 1, sent_told : 1;
	uint8_t edged;     /* the handler in front hears its end, */
	uint16_t edge_tag; /* under this tag (of which that is the lower half) */

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
	uint32_t hash;        /* lookup_hash of its ends, once it is in the table */
	uint64_t pacing_rate; /* bytes a second; 0: none */

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

	/* Counted for tcp_conn_info. */
	uint32_t total_retrans;
	uint16_t duplicates_seen, reorderings_seen;
	uint32_t segments_in, segments_out, data_in, data_out;
	uint64_t bytes_acked, bytes_received, bytes_retrans;

	/* Written whole before they are read; all between `state` and here begins as zeros. */
	uint64_t cc[CC_WORDS]; /* the congestion module's */
	struct tcp_options options;
};

/* The least that must be remembered between a SYN and the ACK of our SYN/ACK. */
struct request {
	struct request *hash_next;
	struct request *younger, *elder; /* while its first answer waits: by age */
	struct timer timer;              /* afterwards */
	uint64_t expires;                /* 0: it does not stand among the former */
	struct endpoints at;
	struct tcp_listener *listener;
	uint32_t iss, irs, ts_recent, ts_offset, window, rcv_wnd, sent_us;
	uint32_t challenge_ms;
	uint32_t hash;               /* lookup_hash of its ends */
	uint32_t rtt_us, ack_window; /* peer_first: what its acknowledgement told */
	uint16_t mss, advertised_mss, path_mtu;
	uint64_t route;
	uint8_t scale, rcv_scale, tries, tos;
	uint8_t timestamps : 1, sack : 1, scaling : 1, ecn : 1, acked : 1, cookie : 1,
	        awaits : 1; /* acknowledged, and not made yet: the peer will speak (peer_first) */
	/* In no table and without a timer, gone at the end of what is being done; whether it would
	 * be forgotten. */
	uint8_t loose : 1, gone : 1;
	uint8_t fast : 1, fast_experimental : 1; /* the answer brings a Fast Open cookie */
	uint8_t again : 1;                       /* the peer asked twice */
};

struct timewait {
	struct timewait *hash_next;
	struct timewait *next, *prev; /* by age */
	struct tcp_stack *stack;
	struct endpoints at;
	uint32_t rcv_nxt, snd_nxt, rcv_wnd, ts_recent, ts_recent_ms, ts_offset, oow_ms;
	uint32_t hash; /* lookup_hash of its ends */
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
	uint32_t offered_mss, offered_window; /* window_initial's last answer; mss 0: none */
	uint8_t offered_scale;
	bool open, full; /* full: when that was last looked at (doors.c) */
	struct tcp_options options;
	uint32_t fast_queue;
	uint8_t fast_keys_n;
	uint64_t fast_keys[TCP_FAST_KEYS_MAX][2];
};

/* What is remembered of a peer for the next connection to it (RFC 7413, 4.1.3). */
struct fast_peer {
	struct udp_ip remote; /* family 0: none */
	uint16_t mss;
	uint8_t form; /* enum fast_form */
	struct fast_cookie cookie;
};

/* In which form to ask for a cookie, by what the last attempt came to. */
enum fast_form { FORM_STANDARD = 0, FORM_EXPERIMENTAL = 1, FORM_NEITHER = 2 };

enum { FAST_PEERS = 64 };

enum { LISTENER_BUCKETS = 64 };

struct limiter {
	uint32_t second_ms, count;
};

enum { GATHERED_MAX = 32 };

/* What is shared with the handler in front (edge.c). */
struct edge {
	struct edge_arena *arena; /* NULL: there is none */
	struct tcp_edge front;
	struct edge_rules rules; /* as it was told */
	uint64_t spread;
	uint64_t look_at; /* when to look after its records; 0: there can be none */
	uint64_t syn_at;  /* when a SYN last came to the stack */
	/* Connections whose end the handler hears, by their tags; some of them not any more. */
	struct tcp_conn *offers[EDGE_LINES];
	uint32_t oldest, tag; /* the tag of the first one and of the last one */
	bool offered;         /* one more, in this turn */
	bool crowded;         /* the handler gives cookies */
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
	uint32_t n_early; /* arrivals that came out of order, of all connections */
	struct tcp_conn *conn_memory;
	uint32_t reclaimed;  /* where the next orphan is looked for */
	struct busy *busies; /* of each; NULL: nobody asks */
	struct timewait *timewait_oldest, *timewait_newest;
	struct request *request_oldest, *request_newest; /* answered once: all wait as long */
	struct tcp_conn *starved, *starved_last;         /* those longest first */
	bool feeding;
	struct wheel wheel;
	struct tcp_conn *gathered[GATHERED_MAX]; /* with something to send at the burst's end */
	uint32_t n_gathered;
	uint32_t awaits;            /* acknowledgements before it is worth while */
	uint64_t gather_until;      /* not 0: when it has to be sent at the latest */
	struct tcp_conn *late_conn; /* whose acknowledgement `late` waits; NULL: none does */
	struct segment late;        /* its arrival is gone */

	uint64_t lookup_secret[3];
	struct endpoints
	        stamped; /* whose timestamps' offset was asked for last; ports don't count */
	uint32_t stamped_offset;
	uint64_t isn_secret[2], ts_secret[2], cookie_secret[2], port_secret[2];
	uint32_t port_step;
	uint32_t cookie_ms; /* when the last cookie went out */
	bool cookies_used;
	struct limiter challenges, resets;
	uint64_t fast_key[2];
	uint32_t fast_pending; /* open by a cookie alone */
	uint32_t fast_next;    /* whose place the next peer takes */
	struct fast_peer fast_peers[FAST_PEERS];
	struct edge edge;
	struct tcp_config config;
};

/* How an acknowledgement changes things, gathered while it is processed. */
enum ack_flags {
	A_DATA = 1 << 0,          /* the segment carries data */
	A_WINDOW = 1 << 1,        /* it changed the send window */
	A_ACKED = 1 << 2,         /* data was acknowledged cumulatively */
	A_RETRANS_ACKED = 1 << 3, /* … some of it had been sent again */
	A_SACKED = 1 << 5,        /* data was newly acknowledged selectively */
	A_ECE = 1 << 6,
	A_LOST_RETRANS = 1 << 7,
	A_ADVANCED = 1 << 8, /* snd_una did */
	A_DSACK = 1 << 9,
	A_RENEGED = 1 << 10,
	A_ORIGINAL = 1 << 11, /* data sent once, before the timeout, arrived: F-RTO's evidence */
	A_SET_TIMER = 1 << 12,
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
	uint32_t (*ssthresh)(struct tcp_conn *conn);          /* after a loss */
	void (*avoid)(struct tcp_conn *conn, uint32_t acked); /* grow cwnd */
	/* Data was acknowledged, after so many microseconds, -1: nobody knows; may be NULL. */
	void (*acked)(struct tcp_conn *conn, int32_t rtt_us);
	void (*state)(struct tcp_conn *conn, uint8_t recovery); /* may be NULL */
	uint32_t (*undo)(struct tcp_conn *conn);                /* cwnd before the loss */
	void (*restart)(struct tcp_conn *conn);                 /* sends after idle; may be NULL */
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

/* What a segment to us may carry. */
static inline uint32_t receive_most(const struct tcp_conn *conn)
{
	return conn->advertised_mss - (conn->timestamps ? H_TIMESTAMPS : 0u);
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

/* Open by a cookie alone: the peer has not acknowledged our SYN yet. */
static inline bool is_paced(const struct tcp_conn *conn)
{
	return conn->pacing_rate != 0 || conn->options.max_pacing != 0;
}

static inline bool is_fast_open(const struct tcp_conn *conn)
{
	return conn->state == TCP_STATE_SYN_RECEIVED && conn->fast;
}

/* Data may still be sent, or sent again. */
static inline bool may_transmit(const struct tcp_conn *conn)
{
	return (conn->state >= TCP_STATE_ESTABLISHED && conn->state <= TCP_STATE_LAST_ACK) ||
	       is_fast_open(conn);
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

static inline uint16_t reordering_usual(const struct tcp_stack *stack)
{
	return stack->config.reordering != 0 ? stack->config.reordering : REORDERING_DEFAULT;
}

static inline uint32_t rto_min_us(const struct tcp_stack *stack)
{
	return stack->config.rto_min_ms * 1000;
}

#endif
