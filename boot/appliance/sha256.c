/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256, written after FIPS 180-4; names of functions and variables are the standard's.
 */
#include <string.h>

#include "sha256.h"

/* Section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64
 * primes. */
static const uint32_t K[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint32_t be32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void put_be32(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t)(value >> 24);
	bytes[1] = (uint8_t)(value >> 16);
	bytes[2] = (uint8_t)(value >> 8);
	bytes[3] = (uint8_t)value;
}

/* Section 6.2.2, step 1: the message schedule. */
static void schedule(uint32_t W[64], const uint8_t *block)
{
	for (int t = 0; t < 16; t++)
		W[t] = be32(block + 4 * t);
	for (int t = 16; t < 64; t++) {
		uint32_t s0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
		uint32_t s1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;
		W[t] = s1 + W[t - 7] + s0 + W[t - 16];
	}
}

/* Steps 2 to 4: one block of 64 bytes into the hash value. */
static void compress(uint32_t H[8], const uint8_t *block)
{
	uint32_t W[64], v[8];
	schedule(W, block);
	memcpy(v, H, sizeof(v));
	for (int t = 0; t < 64; t++) {
		uint32_t S1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
		uint32_t ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t T1 = v[7] + S1 + ch + K[t] + W[t];
		uint32_t S0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
		uint32_t maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += T1;
		v[0] = T1 + S0 + maj;
	}
	for (int i = 0; i < 8; i++)
		H[i] += v[i];
}

/* Section 5.1.1: what is left, a 1 bit, zeros, and the length in bits. */
static void finish(uint32_t H[8], const uint8_t *rest, size_t n, uint64_t size)
{
	uint8_t last[128] = {0};
	size_t length = n < 56 ? 64 : 128;
	if (n)
		memcpy(last, rest, n);
	last[n] = 0x80;
	put_be32(last + length - 8, (uint32_t)(size >> 29));
	put_be32(last + length - 4, (uint32_t)(size << 3));
	for (size_t i = 0; i < length; i += 64)
		compress(H, last + i);
}

void boot_sha256(const void *data, size_t size, uint8_t digest[32])
{
	/* Section 5.3.3: the first 32 bits of the fractional parts of the roots of the first 8
	 * primes. */
	uint32_t H[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	const uint8_t *bytes = data;
	size_t whole = size / 64 * 64;
	for (size_t i = 0; i < whole; i += 64)
		compress(H, bytes + i);
	finish(H, bytes + whole, size - whole, size);
	for (int i = 0; i < 8; i++)
		put_be32(digest + 4 * i, H[i]);
}
