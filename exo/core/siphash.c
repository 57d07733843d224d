/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-2-4, after Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012,
 * section 2: two rounds per word, four at the end. Little-endian machines only.
 */
#include <exo/siphash.h>
#include <flt/sip.h>

#include <string.h>

enum { EACH = 2, LAST = 4 }; /* rounds */

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
	struct flt_sip s = flt_sip_begin(key);
	const uint8_t *at = data;

	for (size_t left = size; left >= 8; left -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		flt_sip_take(&s, EACH, word);
	}
	flt_sip_take(&s, EACH, last_word(at, size));
	return flt_sip_end(&s, LAST);
}
