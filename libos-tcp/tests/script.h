/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet scripts: what a peer sends, what the stack must answer, and when, line by line.
 *
 *     "+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,wscale 7>"   the peer sends
 *     "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>"           the stack must send, within 2 ms
 *     "+.1 write 1000"                                           the application acts
 *
 * The time is relative to the line before. Flags are S F R P U E W and "." for ACK. Sequence
 * numbers count from each side's SYN, timestamps of ours from 100 at the first. What an expectation
 * leaves out ("win", options) is not compared. A segment that no line expects fails the script, at
 * its end too. Application: accept, connect, unlisten, write N, more N (more follows), urgent N,
 * copy N, read N, peek N (so many must be unread), end (the stream must have ended), shutdown,
 * close, abort, state NAME, cause NAME, cwnd N, nodelay, cork, uncork, keepalive IDLE INTERVAL
 * COUNT, timeout MS, icmp KIND MTU.
 */
#ifndef TCP_SCRIPT_H
#define TCP_SCRIPT_H

#include <tcp/conn.h>

struct script {
	void *memory;
	struct tcp_stack *stack;
	struct tcp_config config;
	struct tcp_options options;
	struct tcp_listener *listener;
	struct tcp_conn *conn;
	uint64_t now, nominal, random;
	uint32_t iss, ts_base;
	bool have_iss, have_ts;
	uint8_t family;
	struct sent *first, *last;
	const char *line;
	long buffers;
	unsigned events;
};

/* Opens a stack that listens at its port; config and options may be changed between the two. */
void script_begin(struct script *script);
void script_open(struct script *script);
/* Runs lines up to NULL. */
void script_run(struct script *script, const char *const *lines);
void script_close(struct script *script);

/* All three with the defaults. */
#define SCRIPT(...)                                                                                \
	do {                                                                                       \
		static const char *const lines_[] = {__VA_ARGS__, NULL};                           \
		struct script script_;                                                             \
		script_begin(&script_);                                                            \
		script_open(&script_);                                                             \
		script_run(&script_, lines_);                                                      \
		script_close(&script_);                                                            \
	} while (0)

/* The same with a statement that changes `c` (struct tcp_config) and `o` (struct tcp_options). */
#define SCRIPT_WITH(change, ...)                                                                   \
	do {                                                                                       \
		static const char *const lines_[] = {__VA_ARGS__, NULL};                           \
		struct script script_;                                                             \
		script_begin(&script_);                                                            \
		{                                                                                  \
			struct tcp_config *c = &script_.config;                                    \
			struct tcp_options *o = &script_.options;                                  \
			(void)c;                                                                   \
			(void)o;                                                                   \
			change;                                                                    \
		}                                                                                  \
		script_open(&script_);                                                             \
		script_run(&script_, lines_);                                                      \
		script_close(&script_);                                                            \
	} while (0)

/* A passive connection with the given options of the peer's SYN. */
#define PASSIVE_PLAIN                                                                              \
	"+0 < S 0:0(0) win 32792 <mss 1000>", "+0 > S. 0:0(0) ack 1 <mss 1460>",                   \
	        "+.1 < . 1:1(0) ack 1 win 32792", "+0 accept"
#define PASSIVE_SACK                                                                               \
	"+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>",                          \
	        "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 7>",                     \
	        "+.1 < . 1:1(0) ack 1 win 257", "+0 accept"
#define PASSIVE_TS                                                                                 \
	"+0 < S 0:0(0) win 32792 <mss 1012,sackOK,TS val 1000 ecr 0,nop,wscale 7>",                \
	        "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 100 ecr 1000,nop,wscale 7>",         \
	        "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 1100 ecr 100>", "+0 accept"

#endif
