/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream stack: TCP segments in, TCP segments out, streams to applications.
 *
 * The stack is a passive object. It reads no clock, sleeps never and allocates nothing: whoever
 * drives it gives it memory once, says what time it is (tcp_stack_clock, once for a burst of
 * packets), hands in what arrived (tcp_stack_input, tcp_stack_error), calls tcp_stack_run when a
 * deadline passed, and answers four function calls (struct tcp_ops). It knows addresses but no link
 * and no routes: udp.h puts it on the IP layer of libos-udp, and a test, a simulation or a
 * packet-script driver may carry bare packets instead. One stack is one thread's; nothing in it
 * locks.
 *
 * All memory is what tcp_stack_bytes says. Full connections, half-open ones, those in TIME-WAIT,
 * buffers queued by applications, segments in flight and segments held for reading come from
 * separate pools of the configured sizes; when one is empty, what would have needed it is refused
 * or dropped, and counted.
 *
 * Errors: functions that can fail return 0 or a negative enum tcp_error. What arrives is never
 * trusted and never an error: it is counted (struct tcp_counters) and dropped.
 *
 * Interface: tcp_config_default, tcp_stack_bytes, tcp_stack_create; then clock, input and run for
 * ever. Connections are in conn.h, outgoing packets in packet.h.
 */
#ifndef TCP_STACK_H
#define TCP_STACK_H

#include <udp/address.h>

#include "counters.h"
#include "packet.h"

enum tcp_error {
	TCP_EINVAL = 1,       /* an argument makes no sense */
	TCP_ENOBUFS = 2,      /* a pool is empty: try again after TCP_EVENT_WRITABLE */
	TCP_ENOSPC = 3,       /* no connection, listener or port left */
	TCP_EINUSE = 4,       /* the port or the pair of endpoints is taken */
	TCP_EUNREACHABLE = 5, /* no route, or no address to send from */
	TCP_EPIPE = 6,        /* sending was shut down, or the connection has ended */
	TCP_ENOTCONN = 7,     /* the connection is not open (yet) */
};

/* Congestion control, for each connection. */
enum tcp_congestion {
	TCP_CONGESTION_NEWRENO = 0, /* RFC 5681, RFC 6582 */
	TCP_CONGESTION_CUBIC = 1,   /* RFC 9438, with HyStart */
	TCP_CONGESTION_BBR = 2,     /* draft-cardwell-iccrg-bbr-congestion-control-00 (version 1) */
	TCP_CONGESTIONS
};

enum tcp_ecn {
	TCP_ECN_OFF = 0,
	TCP_ECN_ON = 1,     /* asked for, and granted (RFC 3168) */
	TCP_ECN_PASSIVE = 2 /* granted to peers that ask */
};

/* TCP Fast Open (RFC 7413), for those who ask for it (struct tcp_options); numbers as Linux's
 * net.ipv4.tcp_fastopen. */
enum tcp_fast_open {
	TCP_FAST_CLIENT = 1 << 0,
	TCP_FAST_SERVER = 1 << 1,
	TCP_FAST_CLIENT_COOKIELESS = 1 << 2, /* data goes with SYN without a cookie */
	TCP_FAST_SERVER_COOKIELESS = 1 << 9, /* and is taken without one */
	TCP_FAST_SERVER_ALL = 1 << 10,       /* every listener, as far as its backlog goes */
};

enum { TCP_FAST_KEYS_MAX = 2 }; /* of a listener's cookies: those that are given out, older ones */

enum tcp_cookies {
	TCP_COOKIES_OFF = 0,
	TCP_COOKIES_NEEDED = 1, /* RFC 4987: when no half-open connection fits any more */
	TCP_COOKIES_ALWAYS = 2,
};

struct tcp_config {
	/* Sizes of the pools; each at least 1. */
	uint32_t connections; /* full connections, at most 2^22 */
	uint32_t requests;    /* half-open ones: SYN received, not yet acknowledged */
	uint32_t time_waits;  /* in TIME-WAIT, at 96 bytes; the oldest goes when it is full */
	uint32_t listeners;
	uint32_t chunks;   /* buffers queued by tcp_send, all connections together */
	uint32_t records;  /* segments (with segmentation offload: bursts) sent, not acknowledged */
	uint32_t arrivals; /* received segments held for reading or reassembly; windows promise
	                      half of what is left, whatever receive buffers say */
	uint32_t actives;  /* connections that have something in flight or out of order */
	uint32_t blocks;   /* for tcp_send_copy; may be 0 */
	uint32_t block_bytes; /* of each: from 64 to 65,536, a multiple of 8 */

	uint16_t port_first, port_last; /* ephemeral ports: [first, last] */
	uint32_t segment_max; /* payload bytes that output takes at once (segmentation offload); 0:
	                         one segment */

	/* What connections begin with; see struct tcp_options for the meaning of buffers. */
	uint32_t receive_buffer, receive_buffer_max; /* grows up to the second by itself */
	uint32_t send_buffer, send_buffer_max;
	uint8_t congestion;   /* enum tcp_congestion */
	uint8_t ecn;          /* enum tcp_ecn */
	uint8_t cookies;      /* enum tcp_cookies */
	uint16_t fast_open;   /* of enum tcp_fast_open */
	uint8_t fast_key[16]; /* of the cookies that listeners give out; zero: one is drawn */
	bool timestamps, window_scaling, sack; /* RFC 7323, RFC 2018 */
	bool slow_start_after_idle;            /* RFC 5681, 4.1 */
	bool busy_times; /* from the beginning: tells how long connections were busy, and why, at
	                    some instructions for each segment */
	bool no_tail_probes, no_dsack, no_frto; /* RFC 8985, 7; RFC 2883; RFC 5682 */
	uint8_t reordering;                     /* duplicates that mean loss, at first; 0: 3 */
	bool black_holes; /* smaller segments where full ones never arrive (RFC 2923, 2.1) */
	bool gather; /* what acknowledgements let go leaves with tcp_stack_run, in fewer and longer
	                packets, at the latest when it says: for drivers that call it behind each
	                burst */
	uint8_t syn_retries, synack_retries; /* after the first SYN, after the first SYN/ACK */
	uint8_t syn_linear;                  /* so many SYNs wait as long as the first */
	uint8_t retries;                     /* of data, before the connection times out */
	uint8_t orphan_retries;              /* the same after tcp_close */
	uint32_t initial_window;             /* segments (RFC 6928) */
	uint32_t rto_min_ms, rto_initial_ms, rto_max_ms;
	uint32_t time_wait_ms, fin_wait_ms;          /* FIN-WAIT-2 after tcp_close */
	uint16_t keepalive_idle, keepalive_interval; /* seconds, where nobody says */
	uint8_t keepalive_count;
	uint32_t not_sent_low;   /* likewise: see struct tcp_options */
	uint32_t challenge_rate; /* challenge ACKs of all connections a second (RFC 5961) */
	uint32_t reset_rate;     /* resets for segments of no connection, a second */
};

enum { TCP_BLOCK_BYTES = 4096 }; /* of a block by default */

/* What the driver does for the stack. All have the context as first argument; they must not call
 * back into the stack, except for tcp_packet_hold. */
struct tcp_ops {
	/* Sends a packet (packet.h), which is the callee's only during the call. It may drop. */
	void (*output)(void *context, const struct tcp_packet *packet);
	/* Gives back what came as `buffer` in a struct tcp_arrival and was kept. */
	void (*release)(void *context, void *buffer);
	/* Numbers that nobody can guess. */
	uint64_t (*random)(void *context);
	/* The MTU towards `remote`, and the address to speak from, in *local where its family was
	   0; 0: there is no way, or *local is not ours. */
	uint32_t (*path)(void *context, const struct udp_ip *remote, struct udp_ip *local);
	/* Nothing has been heard of `remote` for some timeouts: → what to send by instead of
	   `route`, which was its last segment's. NULL: that stays. */
	uint64_t (*reroute)(void *context, const struct udp_ip *remote, const struct udp_ip *local,
	                    uint64_t route);
};

struct tcp_stack;

/* Good values for a server of some thousand connections; the figures of time and retransmission
 * are those of Linux. */
struct tcp_config tcp_config_default(void);

/* Bytes of memory that a stack of this configuration needs; 0: the configuration is not valid. */
size_t tcp_stack_bytes(const struct tcp_config *config);
/*
 * Makes a stack in `memory` (aligned to 64 bytes, tcp_stack_bytes long, the caller's to free after
 * tcp_stack_destroy). *ops and *config are copied. `now`: nanoseconds from any origin. NULL: the
 * configuration is not valid or the memory too small.
 */
struct tcp_stack *tcp_stack_create(void *memory, size_t size, const struct tcp_config *config,
                                   const struct tcp_ops *ops, void *context, uint64_t now);
/* Gives back every buffer of others that the stack holds, without a word to any peer and without
 * events. Handles must not be used afterwards. */
void tcp_stack_destroy(struct tcp_stack *stack);

/* Sets the clock. It never goes backwards; an earlier time is ignored. Everything that the stack
 * does until the next call happens at this time. */
void tcp_stack_clock(struct tcp_stack *stack, uint64_t now);

/* A TCP segment that arrived. */
struct tcp_arrival {
	struct udp_ip src, dst;
	uint8_t *segment; /* the TCP header */
	uint32_t size;    /* of header and payload */
	uint8_t tos;      /* traffic class: its lowest bits are ECN's */
	uint8_t ttl;
	bool checksum_ok; /* hardware, or nobody on the way, found the TCP checksum right */
	bool quiet;       /* never answered with a reset: not addressed to us alone */
	uint64_t route;   /* the way back, if the driver knows one: see struct tcp_packet */
	void *buffer;     /* whose memory `segment` lies in; NULL: it is gone after the call */
	uint32_t tail;    /* writable bytes behind the segment, in the same buffer */
};

/* Takes a segment. Whatever its bytes are, the stack stays sound. true: the stack keeps `buffer`
 * and gives it back later by ops->release. false: the buffer stays the caller's. */
bool tcp_stack_input(struct tcp_stack *stack, const struct tcp_arrival *arrival);

/* Why a segment of ours did not arrive. */
enum tcp_failure {
	TCP_FAILURE_NONE = 0,
	TCP_FAILURE_UNREACHABLE = 1, /* the host, for whatever reason */
	TCP_FAILURE_REFUSED = 2,     /* the port */
	TCP_FAILURE_TOO_BIG = 3,     /* `value` is the next hop's MTU, 0: unknown */
	TCP_FAILURE_NO_ROUTE = 4,    /* a router has no way to the host, */
	TCP_FAILURE_NO_NETWORK = 5,  /* or to its network: what waits need not wait longer */
	TCP_FAILURE_NETWORK = 6,     /* the network, for other reasons */
	TCP_FAILURE_PROTOCOL = 7,
	TCP_FAILURE_SOURCE_ROUTE = 8,
	TCP_FAILURE_UNKNOWN = 9,   /* nobody knows of such a host */
	TCP_FAILURE_ISOLATED = 10, /* we have no network */
	TCP_FAILURE_FORBIDDEN = 11,
	TCP_FAILURE_HEADER = 12,  /* somebody did not understand it */
	TCP_FAILURE_EXPIRED = 13, /* hop limit */
};

enum { TCP_FAILURES = 14 };

/* An ICMP error that quotes a segment of ours: its addresses, and at least the first eight bytes of
 * its TCP header. It is believed as far as RFC 5927 advises: only where the quoted sequence number
 * is in flight, or next. */
void tcp_stack_error(struct tcp_stack *stack, const struct udp_ip *local,
                     const struct udp_ip *remote, const uint8_t *quote, uint32_t size,
                     enum tcp_failure failure, uint32_t value);

/* Does what is due. → when to call it again at the latest, in nanoseconds of the stack's clock;
 * UINT64_MAX: nothing waits. Any other call may bring the deadline forward: ask again after it. */
uint64_t tcp_stack_run(struct tcp_stack *stack);
/* The same deadline, without doing anything. */
uint64_t tcp_stack_deadline(const struct tcp_stack *stack);
/* Whether tcp_stack_run has nothing to do before `told`, a deadline that it returned. */
bool tcp_stack_rests(const struct tcp_stack *stack, uint64_t told);
/* With `gather`: so many acknowledgements are awaited before what they let go is worth sending, and
 * fewer make no difference before the stack's deadline; 0: each one does. What it points to is kept
 * up to date by tcp_stack_run. */
const uint32_t *tcp_stack_awaits(const struct tcp_stack *stack);

const struct tcp_config *tcp_stack_config(const struct tcp_stack *stack);
/* Changes what the configuration says of behaviour, for connections to come; the pools stay as
 * they are. 0 or -TCP_EINVAL. */
int tcp_stack_configure(struct tcp_stack *stack, const struct tcp_config *config);

const struct tcp_counters *tcp_stack_counters(const struct tcp_stack *stack);

/* How much is in use of what is bounded. */
struct tcp_usage {
	uint32_t connections, requests, time_waits, chunks, records, arrivals, blocks, actives;
};

struct tcp_usage tcp_stack_usage(const struct tcp_stack *stack);

typedef void tcp_each_fn(void *with, const struct udp_endpoint *local,
                         const struct udp_endpoint *remote);
/* Calls `each`, which must not call back into the stack, for every connection, half-open ones
 * included; those in TIME-WAIT are none any more. */
void tcp_stack_each(const struct tcp_stack *stack, tcp_each_fn *each, void *with);

#endif
