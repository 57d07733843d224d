/* SPDX-License-Identifier: BSD-2-Clause */
/* How bytes of packets that ask for nothing get into a buffer: what ring_plain.c and ring_lone.c
 * share. */
#ifndef CORE_RING_PLAIN_H
#define CORE_RING_PLAIN_H

#include "net_packet.h"

enum {
	PLAIN_HEADER_MAX = COPIED_BESIDES, /* bytes that most headers, and many packets, have */
	PLAIN_STRING_MIN = 256, /* bytes from which the start-up cost of `rep` is worth it */
};

typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));

/* Headers as four blocks, which may read and write a little further where `room`, up to the end of
 * what is known, is left: over what is written comes what is next, and behind a packet the buffer
 * has room. What is long by words, the last of which may overlap the one before it. */
static inline __attribute__((always_inline)) void plain_copy(uint8_t *to, const uint8_t *from,
                                                             uint32_t length, uint64_t room)
{
	const uint8_t *end = from + length;
	uint8_t *to_end = to + length;
	size_t words = length / 8;

	if (length <= PLAIN_HEADER_MAX && room >= PLAIN_HEADER_MAX) {
		const block *f = (const block *)(const void *)from;
		block *t = (block *)(void *)to;

		t[0] = f[0], t[1] = f[1], t[2] = f[2], t[3] = f[3];
	} else if (length >= PLAIN_STRING_MIN) {
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
		*(word *)(void *)(to_end - 8) = *(const word *)(const void *)(end - 8);
	} else {
		copy_few(to, from, length);
	}
}

#endif
