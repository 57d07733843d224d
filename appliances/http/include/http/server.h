/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP on libos-tcp: connections, time-outs, pipelines. Whoever uses it says what lies behind a
 * path; nothing is copied from there to the network but what the stack itself copies.
 *
 *     size_t size = http_server_bytes(&config);
 *     http_server_open(&server, &config, memory, size);
 *     http_server_listen(&server, net.stack, &(struct udp_endpoint){.port = 80});
 *     for (;;) {
 *             uint64_t due = http_server_run(&server, now_ns, wall_seconds);
 *             … poll the stack; sleep until `due` at the latest …
 *     }
 *
 * Memory is bounded by the number of connections. Where no place is left for a new one, the one
 * that has waited longest between requests, or that takes an answer slowly, gives its place up,
 * then the one that has taken longest over a request; slow ones also where the stack's pools run
 * low. So a stack should have some connections more than the server. Who sends a head slower than
 * `head_ns`, is idle for `idle_ns`, or takes nothing of an answer for so long, is closed.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <tcp/conn.h>

#include "answer.h"

struct http_server;
struct http_conn;

/* What is at the request's path; NULL: nothing. The resource must stay until it is prepared anew,
 * or, where it has a release function, until that is called. */
typedef const struct http_resource *http_find_fn(void *context, const struct http_request *request);

struct http_server_config {
	uint32_t connections;
	uint64_t head_ns;   /* for a request, from its first byte to its last */
	uint64_t idle_ns;   /* between requests, and without progress of an answer */
	uint64_t linger_ns; /* for the peer's end after an error */
	http_find_fn *find;
	void *context;
};

#define HTTP_COUNTERS(X)                                                                           \
	X(accepted)                                                                                \
	X(requests)                                                                                \
	X(answers_2xx)                                                                             \
	X(answers_3xx)                                                                             \
	X(answers_4xx)                                                                             \
	X(answers_5xx)                                                                             \
	X(bytes)          /* of resources, queued */                                               \
	X(heads_too_slow) /* closed: the request did not come to its end */                        \
	X(idle)           /* closed: nothing was asked */                                          \
	X(stalled)        /* reset: the answer was not taken */                                    \
	X(evicted)        /* closed or reset: somebody else needed the place */                    \
	X(no_memory)      /* reset: the stack could not queue the answer */

struct http_counters {
#define HTTP_COUNTER_FIELD(name) uint64_t name;
	HTTP_COUNTERS(HTTP_COUNTER_FIELD)
#undef HTTP_COUNTER_FIELD
};

enum {
	HTTP_CLOCK_LINES = 128,
	HTTP_LISTENERS_MAX = 4,
	HTTP_KNOWN = 8, /* a power of two */
	HTTP_KNOWN_BYTES = 512,
	HTTP_WHOLES = 16,
	HTTP_WHOLE_BYTES = 1448, /* one segment of Ethernet's, with timestamps */
};

/* "HTTP/1.1 200 OK" and Date of one second; it stays while answers with it are in flight. */
struct http_clock_line {
	uint32_t users, size;
	uint16_t sum; /* tcp_content_sum of the text */
	char text[56];
};

/* All of an answer to a known head, as it is in one second: status, date, fields and content. It
 * stays while answers are in flight. */
struct http_whole {
	uint32_t users, size, body; /* the latter: bytes of content */
	uint64_t second;            /* server->second when it was made */
	const struct http_resource *resource;
	bool close;
	uint16_t sum; /* tcp_content_sum of the bytes */
	uint8_t bytes[HTTP_WHOLE_BYTES];
};

/* A head without a body that has come before, and what the parser made of it: who asks for the same
 * with the same words is understood at once. */
struct http_known {
	uint32_t size; /* 0: none yet */
	uint8_t bytes[HTTP_KNOWN_BYTES];
	struct http_request request;
	/* The sums of what was answered, where that is prepared and short. */
	const struct http_resource *answered; /* NULL: nothing yet */
	bool close;
	uint16_t fixed_sum, body_sum;
	struct http_whole *whole; /* NULL: none was made, or it is another's */
};

struct http_list {
	struct http_conn *first, *last;
	uint64_t patience; /* ns that a connection stays in it */
};

struct http_server {
	struct http_server_config config;
	struct http_counters counters;
	uint64_t now;
	uint64_t look;          /* nothing is overdue before */
	uint64_t pools_at;      /* when the stacks' pools are looked at again */
	uint64_t scan_at;       /* when all may be asked again who gives up his place */
	uint64_t wall;          /* seconds since 1970; 0: the machine has no clock */
	struct http_conn *free; /* linked by `next` */
	struct http_list heads, waits, lingers;
	struct tcp_listener *listeners[HTTP_LISTENERS_MAX];
	struct tcp_stack *stacks[HTTP_LISTENERS_MAX]; /* of each */
	uint32_t n_listeners, in_use;
	struct http_clock_line lines[HTTP_CLOCK_LINES];
	uint32_t line;   /* the one of this second */
	uint64_t second; /* counts the lines that were made */
	char date[32];   /* the same as a text */
	struct http_known known[HTTP_KNOWN];
	struct http_whole wholes[HTTP_WHOLES];
	uint32_t next_whole;
};

/* 1,024 connections, 10 s, 60 s, 5 s. */
struct http_server_config http_server_config_default(void);
size_t http_server_bytes(const struct http_server_config *config);
/* `memory`: aligned to 16 bytes, the caller's. 0 or -TCP_EINVAL. */
int http_server_open(struct http_server *server, const struct http_server_config *config,
                     void *memory, size_t size);
/* Serves at an endpoint, too. 0 or what tcp_listen returns; -TCP_ENOSPC after
 * HTTP_LISTENERS_MAX. */
int http_server_listen(struct http_server *server, struct tcp_stack *stack,
                       const struct udp_endpoint *local);
/* Tells the time and closes what is overdue. `wall`: seconds since 1970, 0: unknown. → when to call
 * it again at the latest, UINT64_MAX: nothing waits. What it sends leaves with the driver's next
 * poll. */
uint64_t http_server_run(struct http_server *server, uint64_t now, uint64_t wall);
/* The same deadline as it is now: what has happened since may have brought an earlier one. */
uint64_t http_server_deadline(const struct http_server *server);

#endif
