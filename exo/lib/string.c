/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of <string.h> that freestanding images bring themselves. Block moves are string
 * instructions: short code, whole words at a time.
 */
#include <libexo/lib.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	void *t = to;
	size_t words = size / 8, bytes = size % 8;

	__asm__ volatile("rep movsq" : "+D"(t), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(t), "+S"(from), "+c"(bytes) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	char *t = to;
	const char *f = from;

	if ((uintptr_t)to - (uintptr_t)from >= size)
		return memcpy(to, from, size);
	while (size-- > 0)
		t[size] = f[size];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	void *t = to;
	uint64_t word = 0x0101010101010101ull * (uint8_t)byte;
	size_t words = size / 8, bytes = size % 8;

	__asm__ volatile("rep stosq" : "+D"(t), "+c"(words) : "a"(word) : "memory");
	__asm__ volatile("rep stosb" : "+D"(t), "+c"(bytes) : "a"(word) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *text)
{
	size_t n = 0;

	while (text[n] != '\0')
		n++;
	return n;
}

size_t strnlen(const char *text, size_t max)
{
	size_t n = 0;

	while (n < max && text[n] != '\0')
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (size_t i = 0; i < max; i++)
		if (a[i] != b[i] || a[i] == '\0')
			return (uint8_t)a[i] - (uint8_t)b[i];
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}
