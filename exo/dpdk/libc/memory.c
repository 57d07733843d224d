/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memcpy, memmove, memset, memcmp for ring 0: no vector registers, so that any kernel code may
 * call them. Short pieces go word by word; long ones use the string instructions, which processors
 * with ERMS run at full width (Intel optimisation manual, 3.7.6).
 */
#include <stdint.h>
#include <string.h>

enum { STRING_OP_MIN = 256 }; /* bytes from which the start-up cost of `rep` is worth it */

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (size >= STRING_OP_MIN) {
		size_t words = size / 8;

		__asm__ volatile("rep movsq" : "+D"(t), "+S"(f), "+c"(words) : : "memory");
		size %= 8;
	}
	for (; size >= 8; size -= 8, t += 8, f += 8)
		*(word *)t = *(const word *)f;
	for (; size > 0; size--)
		*t++ = *f++;
	return to;
}

static void copy_backwards(unsigned char *to, const unsigned char *from, size_t size)
{
	for (; size >= 8; size -= 8)
		*(word *)(to + size - 8) = *(const word *)(from + size - 8);
	while (size > 0) {
		size--;
		to[size] = from[size];
	}
}

void *memmove(void *to, const void *from, size_t size)
{
	/* Forwards is safe unless the target begins inside the source; then the distance, as an
	 * unsigned number, is smaller than the size. */
	if ((uintptr_t)to - (uintptr_t)from >= size)
		return memcpy(to, from, size);
	copy_backwards(to, from, size);
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	unsigned char *t = to;
	uint64_t pattern = (unsigned char)byte * 0x0101010101010101ull;

	if (size >= STRING_OP_MIN) {
		size_t words = size / 8;

		__asm__ volatile("rep stosq" : "+D"(t), "+c"(words) : "a"(pattern) : "memory");
		size %= 8;
	}
	for (; size >= 8; size -= 8, t += 8)
		*(word *)t = pattern;
	for (; size > 0; size--)
		*t++ = (unsigned char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;

	for (; size >= 8 && *(const word *)x == *(const word *)y; size -= 8, x += 8, y += 8)
		;
	for (; size > 0; size--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
