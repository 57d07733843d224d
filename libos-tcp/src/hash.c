/* SPDX-License-Identifier: BSD-2-Clause */
/* What must not be guessed from outside: keyed hashes of endpoints by SipHash-2-4. */
#include "internal.h"

static uint64_t rotate(uint64_t value, unsigned by)
{
	return value << by | value >> (64 - by);
}

static void siphash_round(uint64_t *v)
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static uint64_t siphash_words(const uint64_t *key, const uint64_t *words, unsigned n)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
	                 key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull};

	for (unsigned i = 0; i <= n; i++) {
		uint64_t word = i < n ? words[i] : (uint64_t)(n * 8) << 56;

		v[3] ^= word;
		siphash_round(v);
		siphash_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_endpoints(const uint64_t *key, const struct endpoints *at, uint64_t number)
{
	uint64_t words[6];

	memcpy(words, at->local.bytes, 16);
	memcpy(words + 2, at->remote.bytes, 16);
	words[4] =
	        (uint64_t)at->local_port << 16 | at->remote_port | (uint64_t)at->local.family << 32;
	words[5] = number;
	return siphash_words(key, words, 6);
}

uint64_t hash_addresses(const uint64_t *key, const struct endpoints *at)
{
	uint64_t words[4];

	memcpy(words, at->local.bytes, 16);
	memcpy(words + 2, at->remote.bytes, 16);
	return siphash_words(key, words, 4);
}

uint32_t isn_choose(struct tcp_stack *stack, const struct endpoints *at)
{
	/* RFC 6528, 3: M + F(endpoints, secret), M a clock; this one ticks each 64 ns. */
	return (uint32_t)hash_endpoints(stack->isn_secret, at, 0) + (uint32_t)(stack->now >> 6);
}

uint32_t timestamp_offset(struct tcp_stack *stack, const struct endpoints *at)
{
	return (uint32_t)hash_addresses(stack->ts_secret, at);
}
