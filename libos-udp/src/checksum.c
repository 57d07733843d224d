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

#if !defined(SLUICE_ENV)
/* Four of them where the processor has AVX2. Not in environments: what handles their upcalls saves
 * no more than SSE. */
typedef uint64_t four __attribute__((vector_size(32), aligned(1), may_alias));

/* 64 bytes at a time. `size` is a multiple of 64. */
__attribute__((target("avx2"))) static uint64_t add_wide(const uint8_t *at, size_t size)
{
	const four low = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
	four a = {0}, b = {0};

	for (const uint8_t *end = at + size; at != end; at += 64) {
		four first = *(const four *)(const void *)at;
		four second = *(const four *)(const void *)(at + 32);

		a += (first & low) + (first >> 32);
		b += (second & low) + (second >> 32);
	}
	a += b;
	return a[0] + a[1] + a[2] + a[3];
}

static bool has_wide(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
static uint64_t add_wide(const uint8_t *at, size_t size)
{
	return 0;
}

static bool has_wide(void)
{
	return false;
}
#endif

/* The same 32 bytes at a time. `size` is a multiple of 32. */
static uint64_t add_long(const uint8_t *at, size_t size)
{
	const pair low = {0xffffffff, 0xffffffff};
	pair a = {0}, b = {0};
	uint64_t wide = 0;

	if (size >= 128 && has_wide()) {
		wide = add_wide(at, size & ~(size_t)63);
		at += size & ~(size_t)63;
		size %= 64;
	}
	for (const uint8_t *end = at + size; at != end; at += 32) {
		pair first = *(const pair *)(const void *)at;
		pair second = *(const pair *)(const void *)(at + 16);

		a += (first & low) + (first >> 32);
		b += (second & low) + (second >> 32);
	}
	a += b;
	return wide + a[0] + a[1];
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
	/* The last four bytes of IPv4's: zero, protocol, length; of IPv6's (RFC 8200, 8.1) the
	 * same, in wider fields. */
	sum += (uint64_t)__builtin_bswap32(size) + ((uint32_t)protocol << 24);
	if (src->family != 6)
		return sum + load32(src->bytes) + load32(dst->bytes);
	for (unsigned i = 0; i < 16; i += 4)
		sum += (uint64_t)load32(src->bytes + i) + load32(dst->bytes + i);
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	return (uint16_t)~udp_sum_finish(sum);
}

void udp_sums_make(uint16_t *sums, const void *data, uint32_t size)
{
	const uint8_t *at = data;

	sums[0] = 0;
	for (uint32_t i = 1; i < udp_sums_count(size); i++, at += UDP_SUM_GRAIN)
		sums[i] = fold(udp_sum_add(sums[i - 1], at, UDP_SUM_GRAIN));
}
