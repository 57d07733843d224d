/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A listener behind the handler, in virtual time, and a peer by hand: segments with timestamps from
 * PEER, whose numbers begin at FIRST, or any others. The application answers what comes, and ends.
 */
#ifndef TCP_EDGE_WORLD_H
#define TCP_EDGE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "front.h"
#include "internal.h"

enum { PORT = 80, PEER = 5000, FIRST = 1000, ROOM = 2048 };

#define MS 1000000ull

struct world {
	uint64_t now, seed;
	bool compiled;
	void *memory;
	struct tcp_stack *stack;
	struct tcp_listener *listener;
	struct front *front; /* NULL: none */
	uint8_t last[ROOM];  /* what left last */
	uint32_t size, sent, buffers;
	struct tcp_conn *conn;
	uint32_t accepted, closed, read;
	bool answers; /* with "answer" and the end */
};

extern struct world world;
extern struct udp_ip server_ip, client_ip;
/* All that a SYN may have, with timestamp 1000; what follows has 1001. */
extern const uint8_t all_options[20], stamps[12];

uint64_t draw(void);
/* Lets so much time pass. */
void pass(uint64_t ms);

struct made {
	uint16_t port; /* 0: PEER */
	uint32_t seq, ack;
	uint8_t flags;
	const uint8_t *options;
	uint32_t n_options;
	const char *text;
	uint16_t window; /* 0: 60000 */
	bool damaged;
};

uint32_t make(uint8_t *at, const struct made *made);
/* It comes to the handler, and what that passes on to the stack. */
void arrive(uint8_t *segment, uint32_t size);
void inject(const struct made *made);
void say(uint32_t seq, uint32_t ack, uint8_t flags, const char *text);
void syn(uint16_t port, uint32_t seq);
/* Of what left last. */
uint8_t last_flags(void);
uint32_t last_seq(void);
uint32_t last_ack(void);
struct edge_counts counts(void);

/* What the listener does with a connection: the application's. */
void take(struct tcp_listener *listener);
int setup(void **state);
int teardown(void **state);
/* From now on there is no handler. */
void remove_front(void);
/* SYN and what follows; → our next number. */
uint32_t open_by_hand(void);
/* … and a request that is answered with all; → the number that acknowledges that. */
uint32_t ask_by_hand(void);

enum { AFTER = FIRST + 9 }; /* their number behind the question */

#define EDGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
