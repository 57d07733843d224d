/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYN cookies (RFC 4987, 3.6): no state before the peer has shown that it hears us. Our initial
 * sequence number is
 *
 *     bits 31…30   time, in units of 64 s, modulo 4
 *     bits 29…27   index of the peer's MSS, rounded down
 *     bits 26…23   its window scale, NO_SCALE: none
 *     bits 22…0    keyed hash (SipHash-1-3) of all this, the endpoints and the peer's number
 */
#include "internal.h"

enum { MAC_MASK = 0x7fffff, TIME_SHIFT = 30, MSS_SHIFT = 27, SCALE_SHIFT = 23 };

const uint16_t static_cookie_sizes[COOKIE_SIZES] = {MSS_LEAST, 536,  1024, 1220,
                                                    1300,      1440, 1460, 8960};

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
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

static void sip_take(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* SipHash (Aumasson and Bernstein, 2012) of two words, with one round for each and three at the
 * end: a cookie lives for two minutes. */
static uint64_t sip(const uint64_t key[2], uint64_t one, uint64_t two)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
	                 key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};

	sip_take(v, one);
	sip_take(v, two);
	sip_take(v, 16ull << 56); /* their length */
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* `period` whole, so that a cookie does not come true again after four of them. */
static uint32_t mac(const struct static_stack *stack, const struct segment *segment, uint32_t irs,
                    uint32_t period, uint32_t said)
{
	return (uint32_t)sip(stack->config.secret, (uint64_t)segment->remote << 32 | segment->port,
	                     (uint64_t)irs << 32 | (period << 7 | said)) &
	       MAC_MASK;
}

uint32_t static_cookie_make(const struct static_stack *stack, const struct segment *segment)
{
	uint32_t period = stack->ms / COOKIE_PERIOD_MS, index = COOKIE_SIZES - 1, said;

	uint16_t mss = segment->mss == 0 ? MSS_DEFAULT : segment->mss;

	while (index > 0 && static_cookie_sizes[index] > mss)
		index--;
	said = index << 4 | segment->scale;
	return period << TIME_SHIFT | said << SCALE_SHIFT |
	       mac(stack, segment, segment->seq, period, said);
}

bool static_cookie_check(const struct static_stack *stack, const struct segment *segment,
                         uint16_t *mss, uint8_t *scale)
{
	uint32_t cookie = segment->ack - 1, said = cookie >> SCALE_SHIFT & 0x7f;
	uint32_t now = stack->ms / COOKIE_PERIOD_MS, age = (now - (cookie >> TIME_SHIFT)) & 3;

	if (age > 1 ||
	    (cookie & MAC_MASK) != mac(stack, segment, segment->seq - 1, now - age, said))
		return false;
	*mss = static_cookie_sizes[said >> 4];
	*scale = said & 15;
	return true;
}
