/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum (RFC 1071). */
#include <udp/checksum.h>

/* A 64-bit accumulator takes 2^32 additions of 32 bits before it can overflow: no packet is that
 * long, so that carries are folded only once, at the end. */
static uint32_t load32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

static uint16_t load16(const uint8_t *at)
{
	uint16_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

#ifdef __SSE2__
/* Two words of 64 bits, at any address; each is taken as two of 32, so that nothing is carried. */
typedef uint64_t pair __attribute__((vector_size(16), aligned(1), may_alias));

/* The same 32 bytes at a time. `size` is a multiple of 32. */
static uint64_t add_long(const uint8_t *at, size_t size)
{
	const pair low = {0xffffffff, 0xffffffff};
	pair a = {0}, b = {0};

	for (const uint8_t *end = at + size; at != end; at += 32) {
		pair first = *(const pair *)(const void *)at;
		pair second = *(const pair *)(const void *)(at + 16);

		a += (first & low) + (first >> 32);
		b += (second & low) + (second >> 32);
	}
	a += b;
	return a[0] + a[1];
}
#else
/* The same by the carry chain: 2^16 - 1 divides 2^64 - 1, so that what a carry is worth may be
 * added anywhere (RFC 1071, 2(C)). `size` is a multiple of 32, and not 0. Neither LEA nor DEC
 * touches the carry. */
static uint64_t add_long(const uint8_t *at, size_t size)
{
	uint64_t sum = 0;

	size /= 32;
	__asm__("clc\n1:\tadcq (%1),%0\n\tadcq 8(%1),%0\n\tadcq 16(%1),%0\n\t"
	        "adcq 24(%1),%0\n\tlea 32(%1),%1\n\tdec %2\n\tjnz 1b\n\tadcq $0,%0"
	        : "+r"(sum), "+r"(at), "+r"(size)
	        :
	        : "memory", "cc");
	return (sum & 0xffffffff) + (sum >> 32);
}
#endif

uint64_t udp_sum_add(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *at = data;
	size_t most = size & ~(size_t)31;
	if (most > 0) {
		sum += add_long(at, most);
		at += most;
		size -= most;
	}
	for (; size >= 8; at += 8, size -= 8)
		sum += (uint64_t)load32(at) + load32(at + 4);
	if (size & 4) {
		sum += load32(at);
		at += 4;
	}
	if (size & 2) {
		sum += load16(at);
		at += 2;
	}
	return size & 1 ? sum + *at : sum;
}

uint64_t udp_sum_pseudo(uint64_t sum, const struct udp_ip *src, const struct udp_ip *dst,
                        uint8_t protocol, uint32_t size)
{
	uint8_t tail[8] = {(uint8_t)(size >> 24),
	                   (uint8_t)(size >> 16),
	                   (uint8_t)(size >> 8),
	                   (uint8_t)size,
	                   0,
	                   0,
	                   0,
	                   protocol};
	size_t bytes = src->family == 6 ? 16 : 4;

	sum = udp_sum_add(sum, src->bytes, bytes);
	sum = udp_sum_add(sum, dst->bytes, bytes);
	return udp_sum_add(sum, tail, sizeof tail);
}
