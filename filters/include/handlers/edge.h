/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the handler ../../programs/edge.c and the TCP stack behind it share: rules and counters, the
 * values of the handler's data sections (maps of one value each, exo/ext.h), and an arena of
 * EDGE_FRAMES frames, which both write:
 *
 *     held    one byte for each of EDGE_PLACES values of a hash of the endpoints: how many of them
 *             the stack has to do with. The stack's. 255: many, for ever.
 *     lines   EDGE_LINES of them, each for the endpoints of some places: one connection that begins
 *             and one that ends.
 *
 * A connection that begins is the handler's word from SYN on; the stack takes it by zeroing `peer`.
 * One that ends is the stack's word, and what the handler has heard of it stands beside, under the
 * same tag. So each word has one writer, but for two cores' handlers that write a line at a time:
 * `check` tells that, and `iss` whom `heard` is about.
 */
#ifndef HANDLERS_EDGE_H
#define HANDLERS_EDGE_H

#include "../flt/types.h"

enum {
	EDGE_PLACES = 65536,
	EDGE_PLACE_SHIFT = 48, /* of the hash: its upper bits */
	EDGE_LINES = 2048,
	EDGE_LINE_SHIFT = 53,
	EDGE_HELD_MAX = 255,
	EDGE_DOORS = 8,
};

/* What both sides can do, and a record's flags. */
enum { EDGE_TIMESTAMPS = 1, EDGE_SACK = 2, EDGE_SCALING = 4 };

/* A SYN that was answered. */
struct edge_asked {
	uint64_t peer;            /* edge_peer; 0: none */
	uint32_t irs, iss;        /* initial sequence numbers */
	uint32_t stamp, offset;   /* their SYN's timestamp; what ours begin at */
	uint32_t us;              /* when it was answered, microseconds */
	uint16_t mss, window;     /* of their SYN; mss 0: it did not say */
	uint16_t own_window;      /* that we said */
	uint8_t scale, own_scale; /* window scales: theirs, and ours in the upper half with the
	                             record's flags in the lower */
	uint32_t check;           /* edge_check */
};

/* Its acknowledgement, where the peer speaks first and need not be waited for. */
struct edge_heard {
	uint32_t iss; /* whose; another number: not heard of */
	uint32_t stamp, us;
	uint16_t window, unused;
};

/* A connection of which we have said all. */
struct edge_closing {
	uint64_t peer;          /* 0: none */
	uint32_t theirs, ours;  /* next number from them; what acknowledges all of ours */
	uint32_t stamp, offset; /* their last timestamp; what ours begin at */
	uint16_t window, flags; /* window as we offer it, in the header; EDGE_TIMESTAMPS */
	uint32_t tag;           /* this connection's alone */
};

enum edge_news { EDGE_ACKED = 1, EDGE_ENDED = 2 };

struct edge_closed {
	uint32_t tag; /* of which connection; another: nothing was heard */
	uint32_t news;
	uint32_t stamp, unused;
};

struct edge_line {
	struct edge_asked asked;
	struct edge_heard heard;
	uint64_t unused;
	struct edge_closing closing;
	struct edge_closed closed;
	uint32_t unused2;
	uint8_t young, unused3[11]; /* the handler's own: acknowledgements that it looks at yet */
};

_Static_assert(sizeof(struct edge_asked) == 40 && sizeof(struct edge_line) == 128,
               "two cache lines");

struct edge_arena {
	uint8_t held[EDGE_PLACES];
	struct edge_line lines[EDGE_LINES];
};

enum { EDGE_FRAMES = sizeof(struct edge_arena) / 4096 };

_Static_assert(sizeof(struct edge_arena) % 4096 == 0, "whole frames");

/* A port that is listened to. */
struct edge_door {
	uint16_t port;      /* as in a frame; 0: none */
	uint16_t mss;       /* to say */
	uint16_t window[2]; /* to say: without and with timestamps */
	uint8_t scale[2];
	uint8_t peer_first, unused;
};

/* `.data.rules`: the environment's. */
struct edge_rules {
	uint64_t key[2];  /* of initial sequence numbers */
	uint64_t spread;  /* multiplier of the hash: odd, secret */
	uint32_t address; /* our own, as in a frame */
	uint8_t mac[6];   /* likewise */
	uint16_t can;     /* EDGE_TIMESTAMPS … */
	struct edge_door doors[EDGE_DOORS];
	uint32_t cookies; /* 1: the stack remembers no more SYNs; cookies where lines are taken */
	uint64_t cookie_key[2];
};

/* `.bss.counts`: what the handler has done. */
struct edge_counts {
	uint64_t asked;   /* SYN answered */
	uint64_t heard;   /* bare acknowledgements taken */
	uint64_t ended;   /* FIN answered */
	uint64_t passed;  /* segments of these kinds that were the stack's */
	uint64_t cookies; /* SYN answered with them */
};

/* SYN cookies (../../../libos-tcp/src/cookies.c says what they are), which both make. */
enum { EDGE_COOKIE_PERIOD_MS = 64000 };

/* Of the greatest of eight sizes that is not beyond the peer's MSS. */
static inline uint32_t edge_cookie_index(uint32_t mss)
{
	return (mss >= 536) + (mss >= 1024) + (mss >= 1220) + (mss >= 1300) + (mss >= 1440) +
	       (mss >= 1460) + (mss >= 8960);
}

static inline uint32_t edge_cookie(uint32_t period, uint32_t index, uint32_t hash)
{
	return period << 27 | index << 24 | (hash & 0xffffff);
}

/* Endpoints of a segment that arrived: the peer's address and both ports as they lie in the frame.
 */
static inline uint64_t edge_peer(uint32_t source, uint32_t ports)
{
	return source | (uint64_t)ports << 32;
}

/* Whether a record is as one handler wrote it. */
static inline uint32_t edge_check(const struct edge_asked *asked)
{
	const uint64_t odd = 0x9e3779b97f4a7c15ull;
	uint64_t words[sizeof *asked / 8], mixed;

	__builtin_memcpy(words, asked, sizeof words);
	mixed = words[0] * odd;
	mixed = (mixed ^ words[1]) * odd;
	mixed = (mixed ^ words[2]) * odd;
	mixed = (mixed ^ words[3]) * odd;
	mixed ^= words[4] << 32; /* without the check itself */
	return mixed >> 32;
}

#endif
