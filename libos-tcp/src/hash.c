/* SPDX-License-Identifier: BSD-2-Clause */
/* What must not be guessed from outside: keyed hashes of endpoints by SipHash-2-4. */
#include "internal.h"

#include <exo/siphash.h>

uint64_t hash_endpoints(const uint64_t *key, const struct endpoints *at, uint64_t number)
{
	uint64_t words[6];

	if (at->local.family == 4) {
		memcpy(words, at->local.bytes, 4);
		memcpy((uint8_t *)words + 4, at->remote.bytes, 4);
		words[1] = (uint64_t)at->local_port << 16 | at->remote_port | 4ull << 32;
		words[2] = number;
		return exo_siphash(key, words, 3 * sizeof *words);
	}
	memcpy(words, at->local.bytes, 16);
	memcpy(words + 2, at->remote.bytes, 16);
	words[4] =
	        (uint64_t)at->local_port << 16 | at->remote_port | (uint64_t)at->local.family << 32;
	words[5] = number;
	return exo_siphash(key, words, sizeof(words));
}

uint64_t hash_addresses(const uint64_t *key, const struct endpoints *at)
{
	uint64_t words[4];

	memcpy(words, at->local.bytes, 16);
	memcpy(words + 2, at->remote.bytes, 16);
	return exo_siphash(key, words, sizeof(words));
}

/* Of the endpoints alone: of IPv4's, two rounds for each of two words. */
static uint64_t hash_ends(const uint64_t *key, const struct endpoints *at)
{
	uint8_t bytes[12];

	if (at->local.family != 4)
		return hash_endpoints(key, at, 0);
	memcpy(bytes, at->local.bytes, 4);
	memcpy(bytes + 4, at->remote.bytes, 4);
	memcpy(bytes + 8, &at->local_port, 2);
	memcpy(bytes + 10, &at->remote_port, 2);
	return exo_siphash(key, bytes, sizeof bytes);
}

uint32_t isn_choose(struct tcp_stack *stack, const struct endpoints *at)
{
	/* RFC 6528, 3: M + F(endpoints, secret), M a clock; this one ticks each 64 ns. */
	return (uint32_t)hash_ends(stack->isn_secret, at) + (uint32_t)(stack->now >> 6);
}

uint32_t timestamp_offset(struct tcp_stack *stack, const struct endpoints *at)
{
	/* The same for all connections of two hosts: most often the pair asked for last. */
	if (!udp_ip_equal(&stack->stamped.remote, &at->remote) ||
	    !udp_ip_equal(&stack->stamped.local, &at->local)) {
		stack->stamped = *at;
		stack->stamped_offset = (uint32_t)hash_addresses(stack->ts_secret, at);
	}
	return stack->stamped_offset;
}
