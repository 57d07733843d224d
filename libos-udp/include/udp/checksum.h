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

#endif
