/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A web server that is nothing else: TCP over IPv4 for one port of one address, from frames to
 * frames, specialised for fixed content in the manner of Cheetah (Kaashoek et al., SOSP 1997).
 *
 * What it saves: no buffers and no queues (what is in flight is a number; it is sent again from the
 * content itself), no checksums over content (static/site.h), no half-open connections (SYN cookies
 * always, RFC 4987), no neighbours (answers go where the question came from), no accounts of what
 * applications may want. What it keeps: RFC 9293's rules for what arrives, window scaling,
 * NewReno (RFC 5681, 6582) with limited transmit (3042), time-outs (6298), zero-window probes,
 * smaller segments where full ones never arrive (2923), TIME-WAIT, and the defences of RFC 5961.
 * What it has not: SACK, timestamps, ECN, ICMP's word on the path's MTU, segments out of order
 * (they are asked for again), reassembly of IP fragments.
 *
 * The stack is passive: it reads no clock and allocates nothing. One thread uses it.
 *
 * Interface: static_stack_bytes, static_stack_open; then static_stack_input for each frame and
 * static_stack_run when a deadline has passed.
 */
#ifndef STATIC_STACK_H
#define STATIC_STACK_H

#include <static/site.h>

enum { STATIC_HEADERS_MAX = 66 }; /* Ethernet, IPv4, TCP with its options on SYN */

/* A frame to send: headers, then part of an answer. */
struct static_frame {
	const uint8_t *headers; /* the callee's only during the call */
	uint32_t headers_size;
	const uint8_t *payload; /* in the site: it stays */
	uint32_t payload_size;
};

typedef void static_output_fn(void *context, const struct static_frame *frame);

struct static_config {
	uint32_t connections; /* 1 … 2^20 */
	uint8_t mac[6];
	uint8_t address[4];
	uint16_t port;
	uint16_t mtu;       /* 576 … 9,216 */
	uint64_t secret[4]; /* drawn by the caller: nobody may guess them */
	uint32_t idle_ms;   /* a connection that asks nothing for so long is closed */
	uint32_t time_wait_ms;
	uint32_t challenges; /* challenge ACKs and resets a second (RFC 5961, 7), each */
};

#define STATIC_COUNTERS(X)                                                                         \
	X(frames_in)                                                                               \
	X(frames_out)                                                                              \
	X(not_ours)  /* of another protocol, address or port */                                    \
	X(malformed) /* lengths, flags, fragments */                                               \
	X(bad_checksum)                                                                            \
	X(opened)       /* connections */                                                          \
	X(cookies_sent) /* SYN answered */                                                         \
	X(cookies_bad)  /* acknowledgements of nothing that we said */                             \
	X(closed)       /* in order */                                                             \
	X(resets_in)                                                                               \
	X(resets_out)                                                                              \
	X(challenges)    /* acknowledgements instead of believing (RFC 5961) */                    \
	X(timed_out)     /* ended: the peer answered no more */                                    \
	X(evicted)       /* ended: the place was needed */                                         \
	X(out_of_order)  /* segments to be sent again by the peer */                               \
	X(retransmitted) /* segments */                                                            \
	X(requests)                                                                                \
	X(errors) /* requests with another answer than 200 */                                      \
	X(bytes)  /* of answers, acknowledged */

struct static_counters {
#define STATIC_COUNTER_FIELD(name) uint64_t name;
	STATIC_COUNTERS(STATIC_COUNTER_FIELD)
#undef STATIC_COUNTER_FIELD
};

struct static_stack;

/* 4,096 connections, MTU 1,500, 30 s idle, 60 s TIME-WAIT; address, port and secret are missing. */
struct static_config static_config_default(void);
/* 0: the configuration is not valid. */
size_t static_stack_bytes(const struct static_config *config);
/* `memory`: aligned to 64 bytes, the caller's. `now`: nanoseconds from any origin. NULL: the
 * configuration is not valid, or too little memory. */
struct static_stack *static_stack_open(void *memory, size_t size,
                                       const struct static_config *config,
                                       const struct static_site *site, static_output_fn *output,
                                       void *context, uint64_t now);
/* Sets the clock: before each burst of frames. It never goes backwards. */
void static_stack_clock(struct static_stack *stack, uint64_t now);
/* A frame from its Ethernet header on. `checked`: the TCP checksum is known to be right. Whatever
 * its bytes are, the stack stays sound. */
void static_stack_input(struct static_stack *stack, const uint8_t *frame, uint32_t size,
                        bool checked);
/* Does what is due. → when to call it again at the latest, UINT64_MAX: nothing waits. */
uint64_t static_stack_run(struct static_stack *stack, uint64_t now);
/* The connections that are there, those in TIME-WAIT included. */
uint32_t static_stack_connections(const struct static_stack *stack);
const struct static_counters *static_stack_counters(const struct static_stack *stack);

#endif
