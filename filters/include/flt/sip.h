/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash's state and rounds (Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT
 * 2012, section 2), for kernel, stacks and handlers alike. exo/siphash.h hashes any bytes; here is
 * what that and shorter ways consist of. Little-endian machines only.
 */
#ifndef FLT_SIP_H
#define FLT_SIP_H

#include "types.h"

struct flt_sip {
	uint64_t a, b, c, d; /* v0 … v3 */
};

#define FLT_SIP_INLINE static inline __attribute__((always_inline))

FLT_SIP_INLINE uint64_t flt_sip_rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

FLT_SIP_INLINE void flt_sip_round(struct flt_sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = flt_sip_rotate(s->b, 13) ^ s->a;
	s->d = flt_sip_rotate(s->d, 16) ^ s->c;
	s->a = flt_sip_rotate(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = flt_sip_rotate(s->b, 17) ^ s->c;
	s->d = flt_sip_rotate(s->d, 21) ^ s->a;
	s->c = flt_sip_rotate(s->c, 32);
}

FLT_SIP_INLINE struct flt_sip flt_sip_begin(const uint64_t key[2])
{
	return (struct flt_sip){key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
	                        key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull};
}

/* The next eight bytes, with so many rounds. */
FLT_SIP_INLINE void flt_sip_take(struct flt_sip *s, int rounds, uint64_t word)
{
	s->d ^= word;
	for (int i = 0; i < rounds; i++)
		flt_sip_round(s);
	s->a ^= word;
}

/* → the hash. The last word that was taken has the length's low byte on top. */
FLT_SIP_INLINE uint64_t flt_sip_end(struct flt_sip *s, int rounds)
{
	s->c ^= 0xff;
	for (int i = 0; i < rounds; i++)
		flt_sip_round(s);
	return s->a ^ s->b ^ s->c ^ s->d;
}

/* Of two words, with so many rounds for each and at the end. */
FLT_SIP_INLINE uint64_t flt_sip_pair(int each, int last, const uint64_t key[2], uint64_t one,
                                     uint64_t two)
{
	struct flt_sip s = flt_sip_begin(key);

	flt_sip_take(&s, each, one);
	flt_sip_take(&s, each, two);
	flt_sip_take(&s, each, 16ull << 56);
	return flt_sip_end(&s, last);
}

#endif
