/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyed hashes of addresses, so that nobody outside can choose what falls into one bucket. A
 * multiply-xorshift mixer (the finaliser of MurmurHash3 by A. Appleby, public domain) over words
 * that a secret blurs: the tables are small and bounded, a collision costs a few steps.
 */
#include "internal.h"

static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53ull;
	return value ^ value >> 33;
}

uint32_t hash_ip(const struct udp_stack *stack, const struct udp_ip *ip, uint32_t salt)
{
	uint64_t words[2];
	uint64_t hash;

	memcpy(words, ip->bytes, sizeof words);
	hash = mix(words[0] ^ stack->secret[0]);
	hash = mix(hash + (words[1] ^ stack->secret[1]));
	return (uint32_t)mix(hash + ((uint64_t)salt << 8 | ip->family));
}
