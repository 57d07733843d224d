/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 after FIPS 180-4; names are the standard's. The round constants are the first 32 bits of
 * the fractional parts of the cube roots of the first 64 primes (section 4.2.2).
 */
#include <libexo/lib.h>
#include <libexo/sha256.h>

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

/* Message schedule (section 6.2.2, step 1). */
static void schedule(uint32_t w[64], const uint8_t *block)
{
	for (int t = 0; t < 16; t++) {
		uint32_t word;

		memcpy(&word, block + 4 * t, sizeof(word));
		w[t] = __builtin_bswap32(word);
	}
	for (int t = 16; t < 64; t++) {
		uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
		uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;

		w[t] = w[t - 16] + s0 + w[t - 7] + s1;
	}
}

/* One step of the compression. Instead of moving eight variables on by one, as the standard does,
 * the caller names them one further at each step: init hashes every image before it starts. The
 * three rotations of each sum are nested: 6, 11, 25 are 6, 6 + 5, 6 + 5 + 14. */
static inline void step(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f,
                        uint32_t g, uint32_t *h, uint32_t input)
{
	uint32_t t1 = *h + rotr(rotr(rotr(e, 14) ^ e, 5) ^ e, 6) + (g ^ (e & (f ^ g))) + input;

	*d += t1;
	*h = t1 + rotr(rotr(rotr(a, 9) ^ a, 11) ^ a, 2) + ((a & b) | (c & (a | b)));
}

static void hash_block(uint32_t hash[8], const uint8_t *block)
{
	uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3];
	uint32_t e = hash[4], f = hash[5], g = hash[6], h = hash[7];
	uint32_t w[64];

	schedule(w, block);
	for (int t = 0; t < 64; t += 8) {
		step(a, b, c, &d, e, f, g, &h, K[t] + w[t]);
		step(h, a, b, &c, d, e, f, &g, K[t + 1] + w[t + 1]);
		step(g, h, a, &b, c, d, e, &f, K[t + 2] + w[t + 2]);
		step(f, g, h, &a, b, c, d, &e, K[t + 3] + w[t + 3]);
		step(e, f, g, &h, a, b, c, &d, K[t + 4] + w[t + 4]);
		step(d, e, f, &g, h, a, b, &c, K[t + 5] + w[t + 5]);
		step(c, d, e, &f, g, h, a, &b, K[t + 6] + w[t + 6]);
		step(b, c, d, &e, f, g, h, &a, K[t + 7] + w[t + 7]);
	}
	hash[0] += a;
	hash[1] += b;
	hash[2] += c;
	hash[3] += d;
	hash[4] += e;
	hash[5] += f;
	hash[6] += g;
	hash[7] += h;
}

void exo_sha256(const void *data, size_t size, uint8_t digest[32])
{
	uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	const uint8_t *at = data;
	uint8_t last[128] = {0};
	size_t rest = size % 64, padded = rest < 56 ? 64 : 128;

	for (size_t n = size / 64; n > 0; n--, at += 64)
		hash_block(h, at);
	memcpy(last, at, rest);
	last[rest] = 0x80;
	for (int i = 0; i < 8; i++)
		last[padded - 1 - i] = (uint8_t)((uint64_t)size * 8 >> 8 * i);
	for (size_t i = 0; i < padded; i += 64)
		hash_block(h, last + i);
	for (int i = 0; i < 32; i++)
		digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}
