/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYN cookies (RFC 4987, 3.6): no state before the peer has shown that it hears us. Our initial
 * sequence number is
 *
 *     bits 31…30   time, in units of 64 s, modulo 4
 *     bits 29…27   index of the peer's MSS, rounded down
 *     bits 26…23   its window scale, NO_SCALE: none
 *     bits 22…0    keyed hash (SipHash-1-3: a cookie lives for two minutes) of all this, the
 *                  endpoints and the peer's number
 */
#include <flt/sip.h>

#include "internal.h"

enum { MAC_MASK = 0x7fffff, TIME_SHIFT = 30, MSS_SHIFT = 27, SCALE_SHIFT = 23 };

const uint16_t static_cookie_sizes[COOKIE_SIZES] = {MSS_LEAST, 536,  1024, 1220,
                                                    1300,      1440, 1460, 8960};

/* `period` whole, so that a cookie does not come true again after four of them. */
static uint32_t mac(const struct static_stack *stack, const struct segment *segment, uint32_t irs,
                    uint32_t period, uint32_t said)
{
	return (uint32_t)flt_sip_pair(1, 3, stack->config.secret,
	                              (uint64_t)segment->remote << 32 | segment->port,
	                              (uint64_t)irs << 32 | (period << 7 | said)) &
	       MAC_MASK;
}

uint32_t static_cookie_make(const struct static_stack *stack, const struct segment *segment)
{
	uint32_t period = cookie_period(stack), index = COOKIE_SIZES - 1, said;

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
	uint32_t now = cookie_period(stack), age = (now - (cookie >> TIME_SHIFT)) & 3;

	if (age > 1 ||
	    (cookie & MAC_MASK) != mac(stack, segment, segment->seq - 1, now - age, said))
		return false;
	*mss = static_cookie_sizes[said >> 4];
	*scale = said & 15;
	return true;
}
