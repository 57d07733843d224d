/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-2-4, after Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012,
 * section 2: two rounds per word, four at the end. Little-endian machines only.
 */
#include <exo/siphash.h>

#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline __attribute__((always_inline)) void round_once(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static inline __attribute__((always_inline)) void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	round_once(s);
	round_once(s);
	s->v0 ^= word;
}

/* The last word: what is left of the data, and the length's low byte on top. */
static uint64_t last_word(const uint8_t *rest, size_t size)
{
	uint64_t word = (uint64_t)size << 56;

	for (unsigned i = size & 3; i > 0; i--)
		word |= (uint64_t)rest[(size & 4) + i - 1] << 8 * ((size & 4) + i - 1);
	if (size & 4) {
		uint32_t half;

		memcpy(&half, rest, sizeof half);
		word |= half;
	}
	return word;
}

uint64_t exo_siphash(const uint64_t key[2], const void *data, size_t size)
{
	struct state s = {key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
	                  key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull};
	const uint8_t *at = data;

	for (size_t left = size; left >= 8; left -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		absorb(&s, word);
	}
	absorb(&s, last_word(at, size));
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_once(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
