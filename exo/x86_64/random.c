/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator after ChaCha20 (RFC 8439, 2.3): each request takes keystream under the current key,
 * and the first 32 bytes of it become the next key, so that what was drawn before cannot be
 * computed from what the memory holds later.
 */
#include "start.h"

#include "cpu.h"
#include <string.h>

enum {
	WORDS = 16,
	KEY_WORDS = 8,
	BLOCK = 64,
	JITTER_READS = 64,
	CLOCK_PORT = 0x70, /* the real-time clock's data: slow to read everywhere */
	HARDWARE_TRIES = 10,
};

static struct machine_lock lock;
static uint32_t key[KEY_WORDS]; /* guarded by the lock */

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static void quarter(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 7);
}

static void make_block(uint32_t counter, uint32_t out[WORDS])
{
	uint32_t start[WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	memcpy(&start[4], key, sizeof(key));
	start[12] = counter;
	memcpy(out, start, sizeof(start));
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			quarter(out, i, 4 + i, 8 + i, 12 + i);
		for (unsigned i = 0; i < 4; i++)
			quarter(out, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
	}
	for (unsigned i = 0; i < WORDS; i++)
		out[i] += start[i];
}

static void renew_key(void)
{
	uint32_t block[WORDS];

	make_block(0, block);
	memcpy(key, block, sizeof(key));
}

static void stir(uint64_t value)
{
	key[0] ^= (uint32_t)value;
	key[1] ^= (uint32_t)(value >> 32);
	renew_key();
}

static bool read_hardware(uint64_t *value)
{
	bool good = false;

	for (unsigned i = 0; i < HARDWARE_TRIES && !good; i++) {
		if (cpu_features.rdseed)
			__asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(good));
		if (!good)
			__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
	}
	return good;
}

void random_init(void)
{
	unsigned hardware = 0;
	uint64_t value, sum = 0;

	for (unsigned i = 0; i < KEY_WORDS / 2 && cpu_has(EXO_FEATURE_RDRAND); i++) {
		if (read_hardware(&value)) {
			stir(value);
			hardware++;
		}
	}
	for (unsigned i = 0; i < JITTER_READS; i++) {
		x86_in8(CLOCK_PORT + 1);
		sum = sum * 0x100000001b3 ^ x86_tsc();
		if (i % 16 == 15)
			stir(sum);
	}
	if (hardware < KEY_WORDS / 2)
		x86_print("random: no RDRAND: secrets rest on the jitter of %d device reads\n",
		          JITTER_READS);
}

void machine_random(void *to, size_t size)
{
	uint8_t *at = to;
	uint32_t counter = 1;

	machine_lock(&lock);
	while (size > 0) {
		uint32_t block[WORDS];
		size_t n = size < BLOCK ? size : BLOCK;

		make_block(counter++, block);
		memcpy(at, block, n);
		at += n;
		size -= n;
	}
	renew_key();
	machine_unlock(&lock);
}
