/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the handler ../../programs/front.c and its environment share: the values of the handler's
 * data sections, maps of one value each (exo/ext.h), and an arena.
 */
#ifndef HANDLERS_FRONT_H
#define HANDLERS_FRONT_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif

enum {
	FRONT_PLACES = 16, /* of requests that are known; answers: a frame of the arena each */
	FRONT_REQUEST_LEAST = 32,
	FRONT_REQUEST_MAX = 512,
	FRONT_ANSWER_MAX = 1460,
	FRONT_FRAME = 4096, /* of the arena */
	FRONT_RECORDS = 4096,
	FRONT_LIFE = 2, /* periods for which a record counts */
};

/* `.data.rules`: the environment's. */
struct front_rules {
	uint64_t key[2];   /* of the cookies */
	uint64_t spread;   /* multiplier that deals out records: odd, secret */
	uint32_t period;   /* the current one */
	uint16_t mss;      /* what we say ours is */
	uint16_t window;   /* that we offer */
	uint16_t sizes[8]; /* by the cookie's index: the peer's MSS */
	uint8_t mac[6];    /* our own */
	uint16_t unused;
};

/* `.data.known`, FRONT_PLACES of them: the environment's. A request has no NUL in it, so that one
 * that is just being written is no request yet. */
struct front_known {
	uint32_t size;   /* of the request; 0: none */
	uint32_t answer; /* bytes in the place's frame of the arena, FRONT_ANSWER_MAX at most */
	uint32_t sum;    /* the answer's: 16 bits, as its bytes are summed in memory */
	uint32_t unused;
	uint8_t bytes[FRONT_REQUEST_MAX];
};

/* Where a request that begins with these four words is kept. */
static inline uint32_t front_place(const uint64_t words[4])
{
	uint64_t mixed = words[0] ^ words[1] << 1 ^ words[2] << 2 ^ words[3] << 3;

	return mixed * 0x9e3779b97f4a7c15ull >> 60;
}

/* `.bss.counts`: what the handler has done. */
struct front_counts {
	uint64_t asked;    /* SYN answered */
	uint64_t answered; /* requests, each with the last word of its connection */
	uint64_t bytes;    /* of these answers */
	uint64_t again;    /* answers said again */
	uint64_t ended;    /* connections */
	uint64_t replied;  /* other acknowledgements */
	uint64_t taken;    /* segments that ask for nothing */
};

#endif
