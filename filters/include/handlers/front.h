/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the handler ../../programs/front.c and its environment share: the values of the handler's
 * data sections, maps of one value each (exo/ext.h), and an arena.
 */
#ifndef HANDLERS_FRONT_H
#define HANDLERS_FRONT_H

#include "../flt/types.h"

enum {
	FRONT_PLACES = 16, /* of requests that are known; answers: a frame of the arena each */
	FRONT_REQUEST_LEAST = 32,
	FRONT_REQUEST_MAX = 512,
	FRONT_ANSWER_MAX = 1460,
	FRONT_FRAME = 4096, /* of the arena */
	FRONT_RECORDS = 4096,
	FRONT_AGED = 256, /* records that one call of front_age looks at */
	FRONT_OLD = 1 << 16,
	FRONT_AGAIN = 2,
	FRONT_AGES = 10, /* no record is older */
};

/* `.data.rules`: the environment's. */
struct front_rules {
	uint64_t key[2];   /* of the cookies */
	uint64_t spread;   /* multiplier that deals out records: odd, secret */
	uint8_t from[8];   /* our own MAC and IPv4's EtherType, as a frame has them */
	uint32_t period;   /* the current one */
	uint16_t mss;      /* what we say ours is */
	uint16_t window;   /* that we offer */
	uint16_t sizes[8]; /* by the cookie's index: the peer's MSS */
};

/* `.data.known`, FRONT_PLACES of them: the environment's. A request has no NUL in it, so that one
 * that is just being written is no request yet. */
struct front_known {
	uint32_t size;   /* of the request; 0: none */
	uint32_t answer; /* bytes in the place's frame of the arena, FRONT_ANSWER_MAX at most */
	uint32_t sum;    /* the answer's: 16 bits, as its bytes are summed in memory */
	uint16_t least;  /* index of the peer's MSS, at least: then it fits into one segment */
	uint16_t ends;   /* 1: the connection ends behind it; else 0 */
	uint8_t bytes[FRONT_REQUEST_MAX];
};

/* Where a request of `size` bytes that begins with these four words is kept. */
static inline uint32_t front_place(const uint64_t words[4], uint32_t size)
{
	uint64_t mixed = (words[0] ^ words[1] << 1 ^ words[2] << 2 ^ words[3] << 3) + size;

	return mixed * 0x9e3779b97f4a7c15ull >> 60;
}

/* `.bss.counts`: what the handler has done. */
struct front_counts {
	uint64_t asked;    /* SYN answered */
	uint64_t opened;   /* connections whose first request was answered */
	uint64_t answered; /* requests */
	uint64_t bytes;    /* of these answers */
	uint64_t again;    /* answers said again */
	uint64_t kept;     /* connections that were to go on behind an answer, and */
	uint64_t left;     /* of these: ended, or taken */
	uint64_t ended;    /* connections */
	uint64_t replied;  /* other acknowledgements */
	uint64_t taken;    /* segments that ask for nothing */
};

/*
 * How the environment takes over a connection that stays. Two functions of one number:
 *
 *     front_take   the peer, its address and port as they lie in a frame. 1: the handler has let go
 *                  of the connection, and `.bss.taken` says how it was. 0: it has none of that
 *                  peer's. FRONT_AGAIN: a segment of it is being looked at
 *     front_age    a record's number. Makes FRONT_AGED records from that one on older, and forgets
 *                  what nobody needs any more. → the number to go on with, FRONT_RECORDS at the
 *                  end; with FRONT_OLD, `.bss.old` has a peer who has asked nothing for two ages
 */
struct front_taken {
	uint32_t theirs, ours; /* the next numbers */
	uint8_t mac[6];        /* the peer's */
	uint8_t said;          /* of what its SYN said: index of MSS, and scale (none: 0) */
	uint8_t place;         /* of the last request, whose answer may not have arrived */
};

#endif
