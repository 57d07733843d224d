/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the server.
 *
 *     frame → static_packet_parse → input.c: connection? ──no──→ cookie.c, refuse
 *                              │ (RFC 9293, 3.10.7)
 *                              ├→ ack.c      what arrived, what is lost
 *                              ├→ request.c  which answers are asked for
 *                              └→ output.c   segments of the answers in the queue
 *
 * A connection's stream is the chain of the answers in its queue. `base` is the sequence number of
 * the first one's first byte, `limit` that behind the last one's last byte (and behind FIN, when
 * the stream ends).
 */
#ifndef STATIC_INTERNAL_H
#define STATIC_INTERNAL_H

#include <string.h>

#include <static/stack.h>

#include "request.h"

enum {
	QUEUE_MAX = 8,         /* answers that one connection may wait for */
	QUEUE_BYTES = 1 << 28, /* of them, before the last one: numbers wrap behind 2^31 */
	WINDOW = 8192,         /* what we offer: requests are small, and used at once */
	MSS_DEFAULT = 536,     /* RFC 9293, 3.7.1 */
	MSS_LEAST = 88,        /* smaller ones only cost us */
	SCALE_MAX = 14,
	INITIAL_SEGMENTS = 10, /* RFC 6928 */
	RTO_FIRST_MS = 1000,
	RTO_LEAST_MS = 200,
	RTO_MOST_MS = 60000,
	RETRIES_MAX = 9,
	LONG_RETRIES = 2, /* of whole segments; then smaller ones are tried */
	WHEEL_SLOTS = 1024,
	TICK_MS = 16,     /* of the wheel */
	WRAP_MS = 300000, /* from the beginning to where milliseconds wrap: nobody waits for weeks
	                     to see that they may */
	NONE = UINT32_MAX,
};

enum flags { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

/* A segment that has arrived, in the machine's byte order. */
struct segment {
	const uint8_t *mac;
	uint32_t remote; /* address */
	uint16_t port;   /* theirs */
	uint32_t seq, ack, window;
	uint8_t flags;
	uint16_t mss;  /* on SYN; 0: did not say */
	uint8_t scale; /* on SYN; NO_SCALE: did not say */
	const uint8_t *data;
	uint32_t size;
};

enum { NO_SCALE = 15 };

enum conn_state {
	FREE = 0,
	OPEN,
	TIME_WAIT,
};

struct conn {
	uint32_t next;           /* of the hash chain, or of the free list */
	uint32_t later, earlier; /* in its slot of the wheel */
	uint32_t due;            /* ms: what it waits for; the wheel may look earlier */
	uint32_t remote;
	uint16_t port, mss;
	uint8_t mac[6];
	uint8_t state, scale;
	uint32_t rcv_nxt;
	uint32_t snd_una, snd_nxt, snd_max, snd_wnd;
	uint32_t cwnd, ssthresh, recover;
	uint32_t base, limit;
	uint32_t timed, timed_at; /* end of the segment whose round trip is measured; ms */
	uint32_t heard;           /* ms: when the peer last made progress */
	uint16_t srtt, variance;  /* ms * 8, ms * 4 */
	uint16_t rto;             /* ms */
	uint16_t slot;            /* of the wheel */
	uint8_t duplicates, retries;
	uint8_t queued;
	bool timing : 1; /* `timed` counts */
	bool recovering : 1;
	bool ending : 1;     /* FIN stands behind the last answer */
	bool peer_ended : 1; /* FIN was received */
	bool active : 1;     /* we ended first */
	bool ack_due : 1;
	bool head[QUEUE_MAX];
	uint16_t queue[QUEUE_MAX]; /* answers */
	struct static_request request;
};

struct static_front;

struct static_stack {
	struct static_config config;
	struct static_site site;
	static_output_fn *output;
	void *context;
	struct static_counters count;
	uint64_t origin, time;               /* ns of ms 0; ms since then */
	uint64_t tick;                       /* what the wheel has seen */
	uint32_t ms;                         /* now: wraps, for the first time soon */
	uint32_t local;                      /* address */
	uint32_t second, challenges, resets; /* of this second */
	uint32_t n_conns, hand;
	uint32_t free, mask; /* free list; of the hash */
	struct static_memory known;
	struct static_front *front; /* NULL: none */
	uint64_t used[WHEEL_SLOTS /
	              64]; /* slots in which somebody has stood since this was looked at */
	uint32_t wheel[WHEEL_SLOTS];
	uint32_t *hash;
	struct conn *conns;
};

/* Sequence numbers and milliseconds wrap: compared by subtraction. */
static inline bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* A connection whose handshake is done: its next numbers, and what its SYN said (a cookie's size
 * and scale). */
struct begun {
	const uint8_t *mac;
	uint32_t remote, theirs, ours;
	uint16_t port, mss;
	uint8_t scale;
};

/* stack.c */
struct conn *static_stack_begin(struct static_stack *stack, const struct begun *begun);

/* packet.c */
bool static_packet_parse(struct static_stack *stack, const uint8_t *frame, uint32_t size,
                         bool checked, struct segment *segment);
/* Payload [from, from + size) of `answer` (NULL: none). */
void static_packet_send(struct static_stack *stack, const struct conn *conn, uint32_t seq,
                        uint8_t flags, const struct static_answer *answer, uint32_t from,
                        uint32_t size);
void static_packet_syn_ack(struct static_stack *stack, const struct segment *segment, uint32_t seq);
/* RFC 9293, 3.10.7.1; the segment has ACK. */
void static_packet_reset(struct static_stack *stack, const struct segment *segment);

/* cookie.c */
uint32_t static_cookie_make(const struct static_stack *stack, const struct segment *segment);
/* Milliseconds for which one kind of cookie is made. */
enum { COOKIE_PERIOD_MS = 64000 };

static inline uint32_t cookie_period(const struct static_stack *stack)
{
	return (uint32_t)(stack->time / COOKIE_PERIOD_MS);
}

enum { COOKIE_SIZES = 8 };
extern const uint16_t static_cookie_sizes[COOKIE_SIZES];
bool static_cookie_check(const struct static_stack *stack, const struct segment *segment,
                         uint16_t *mss, uint8_t *scale);

/* table.c */
struct conn *static_table_find(struct static_stack *stack, const struct segment *segment);
/* A place for a peer, at the cost of another connection where none is free. */
struct conn *static_table_add(struct static_stack *stack, uint32_t remote, uint16_t port);
void static_table_remove(struct static_stack *stack, struct conn *conn);
void static_table_open(struct static_stack *stack);

/* timers.c */
void static_timer_add(struct static_stack *stack, struct conn *conn);
void static_timer_remove(struct static_stack *stack, struct conn *conn);
/* Waits until `ms` from now. */
void static_timer_set(struct static_stack *stack, struct conn *conn, uint32_t ms);
/* Waits for what the connection's state wants: acknowledgement, window, request. */
void static_timer_update(struct static_stack *stack, struct conn *conn);

/* Ends a connection that was silent for too long. */
void static_timer_silent(struct static_stack *stack, struct conn *conn);

/* front.c: takes over the connection of a segment, as far as the handler has served it; one that
 * the same peer had before is gone then. NULL: it has none. */
struct conn *static_front_adopt(struct static_stack *stack, const struct segment *segment);

/* ack.c: what an acceptable segment acknowledges. false: the connection is gone. */
bool static_ack_take(struct static_stack *stack, struct conn *conn, const struct segment *segment);

/* output.c */
void static_output_all(struct static_stack *stack, struct conn *conn);
/* One segment from `seq` on; → the sequence number behind it. */
uint32_t static_output_one(struct static_stack *stack, struct conn *conn, uint32_t seq);
void static_output_ack(struct static_stack *stack, const struct conn *conn);
void static_output_challenge(struct static_stack *stack, const struct conn *conn);

#endif
