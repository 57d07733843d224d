/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server, with libos-tcp's client at the other end of a wire that loses, repeats, reorders and
 * damages as a seed says, in virtual time; and segments that no client would send. The handler
 * stands in front of the server, or not.
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <static/stack.h>
#include <tcp/conn.h>

#include "front.h"
#include "internal.h"

enum {
	PORT = 80,
	HEADERS = 34, /* Ethernet and IPv4 */
	CABLE = 4096,
	FRAME = 1600,
	BODY = 300000,
	CONNS = 40,
};

struct packet {
	uint64_t at;
	uint32_t size;
	bool to_server;
	uint8_t bytes[FRAME];
};

struct client {
	struct tcp_conn *conn;
	const char *request;
	const uint8_t *expected;
	uint32_t expected_size, seen;
	/* Asks so many bytes at a time, each time when it has got `reply` more; 0: all at once. */
	uint32_t piece, reply, asked;
	bool opened, ended, wrong;
};

struct world {
	uint64_t now, seed;
	uint32_t loss, repeat, damage, jitter_us; /* of 10,000 */
	uint32_t path; /* longer frames never arrive at the client; 0: all may */
	struct packet cable[CABLE];
	unsigned n;
	struct static_site site;
	struct static_stack *server;
	struct tcp_stack *stack;
	struct client clients[CONNS];
	void *memory[3];
	uint8_t last[FRAME]; /* the server's last frame */
	uint32_t last_size, sent;
	struct front *front; /* NULL: none */
};

extern struct world world;

/* What stands in front in the worlds that are made from now on. */
enum front_mode { ALONE, INTERPRETED, COMPILED };
extern enum front_mode front_mode;

/* Runs all tests before the handler, interpreted and then compiled. → how many failed. */
#define RUN_WITH_FRONT(tests)                                                                      \
	({                                                                                         \
		int failed_;                                                                       \
                                                                                                   \
		front_mode = INTERPRETED;                                                          \
		failed_ = cmocka_run_group_tests_name("interpreted", tests, NULL, NULL);           \
		front_mode = COMPILED;                                                             \
		failed_ + cmocka_run_group_tests_name("compiled", tests, NULL, NULL);              \
	})

int setup(void **state);
int teardown(void **state);
uint64_t draw(void);
/* Lets so much time pass. */
void pass(uint64_t ms);
/* Client i asks, and expects this. */
void ask(unsigned i, const char *request, const uint8_t *expected, uint32_t size);
const struct static_answer *answer(unsigned i);
bool whole(unsigned i);
/* The price of cookies (RFC 4987, 3.6): where the acknowledgement of SYN and the request are both
 * lost, any later segment is of no connection, and reset. Before the first byte, never after. */
bool forgotten(unsigned i);

struct made {
	uint16_t port;
	uint32_t seq, ack;
	uint8_t flags;
	const char *text;
	const uint8_t *options; /* n_options bytes, a multiple of 4 */
	uint32_t n_options;
	uint16_t window;    /* 0: 0xff00 */
	bool damaged, shut; /* the window is 0 */
};

/* Such a segment arrives; the same, of a plain one. */
void inject(const struct made *made);
void say(uint16_t port, uint32_t seq, uint32_t ack, uint8_t flags, const char *text);
/* Of the server's last frame. */
uint32_t last_number(unsigned offset);
uint8_t last_flags(void);
/* SYN and what follows; → the server's next number. */
uint32_t open_by_hand(uint16_t port);

#endif
