/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071): a running sum over pieces, folded at the end. Sums are kept in
 * the machine's own byte order, where addition needs no swaps (RFC 1071, 2(B)); the result is
 * stored as it is.
 */
#ifndef UDP_CHECKSUM_H
#define UDP_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"

enum { UDP_SUM_GRAIN = 64 }; /* bytes between two running sums of content */

/* Adds `size` bytes. All pieces but the last must have an even size. */
uint64_t udp_sum_add(uint64_t sum, const void *data, size_t size);
/* Adds the pseudo header of RFC 768 (IPv4) or RFC 8200, 8.1 (IPv6). */
uint64_t udp_sum_pseudo(uint64_t sum, const struct udp_ip *src, const struct udp_ip *dst,
                        uint8_t protocol, uint32_t size);
/* Folded and complemented: to be stored by memcpy. A sum over data with a right checksum in it
 * gives 0. */
static inline uint16_t udp_sum_finish(uint64_t sum)
{
	uint32_t half;

	/* Both halves and the carry of their sum, in the upper one. */
	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t) ~(half >> 16);
}

/*
 * Sums of parts of content that stays as it is, from sums that were made once: sums[i] is that of
 * the first i * UDP_SUM_GRAIN bytes. The sum of a part is what is summed up to its end, less what
 * is summed up to its beginning.
 */
static inline uint32_t udp_sums_count(uint32_t size)
{
	return size / UDP_SUM_GRAIN + 1;
}

/* Fills sums[udp_sums_count(size)]. */
void udp_sums_make(uint16_t *sums, const void *data, uint32_t size);
/* Folded, not complemented: of the first `to` bytes. */
static inline uint16_t udp_sums_to(const uint16_t *sums, const void *data, uint32_t to)
{
	const uint8_t *end = (const uint8_t *)data + to;
	const uint8_t *at = end - to % UDP_SUM_GRAIN;
	uint64_t sum = sums[to / UDP_SUM_GRAIN], word;

	for (; end - at >= 8; at += 8) {
		memcpy(&word, at, sizeof word);
		sum += word;
		sum += sum < word; /* the carry */
	}
	if (at == end)
		return (uint16_t)~udp_sum_finish(sum);
	/* The last bytes, with what stands before them, or else one by one. */
	word = 0;
	if (to >= 8) {
		memcpy(&word, end - 8, sizeof word);
		word >>= 8 * (8 - (unsigned)(end - at));
	} else {
		while (end > at)
			word = word << 8 | *--end;
	}
	sum += word;
	return (uint16_t)~udp_sum_finish(sum + (sum < word));
}
/* Of the bytes from `from` on to where the sum is `upto`, as of a piece that begins at an even
 * place: `before` is udp_sums_to(from). To be added by udp_sum_add's rules. */
static inline uint16_t udp_sums_between(uint16_t before, uint16_t upto, uint32_t from)
{
	uint32_t sum = (uint32_t)upto + (uint16_t)~before;

	sum = (sum & 0xffff) + (sum >> 16);
	/* Every byte of an odd beginning is on the other side of its word (RFC 1071, 2(B)). */
	return from % 2 == 0 ? (uint16_t)sum : __builtin_bswap16((uint16_t)sum);
}

#endif
