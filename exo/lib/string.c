/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of <string.h> that freestanding images bring themselves. Long moves are string
 * instructions: short code, whole words at a time. What is short, as headers and keys are, is moved
 * and compared by words, the last of which overlaps the one before.
 */
#include <libexo/lib.h>
#include <stdint.h>

enum { SHORT = 64 };

/* A word at any address. */
struct word {
	uint64_t value;
} __attribute__((packed, may_alias));
struct half {
	uint32_t value;
} __attribute__((packed, may_alias));

static uint64_t word_at(const void *at, size_t offset)
{
	return ((const struct word *)((const char *)at + offset))->value;
}

static void copy_word(void *to, const void *from, size_t offset)
{
	((struct word *)((char *)to + offset))->value = word_at(from, offset);
}

static void copy_half(void *to, const void *from, size_t offset)
{
	((struct half *)((char *)to + offset))->value =
	        ((const struct half *)((const char *)from + offset))->value;
}

/* Fewer than eight bytes. */
static void copy_few(char *to, const char *from, size_t size)
{
	if (size >= 4) {
		copy_half(to, from, 0);
		copy_half(to, from, size - 4);
		return;
	}
	for (size_t i = 0; i < size; i++)
		to[i] = from[i];
}

/* From the first byte to the last: right, too, where `from` lies behind `to` and overlaps it. */
static void *copy_forward(void *to, const void *from, size_t size)
{
	void *t = to;
	size_t words = size / 8, bytes = size % 8;

	__asm__ volatile("rep movsq" : "+D"(t), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(t), "+S"(from), "+c"(bytes) : : "memory");
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	if (size < 8) {
		copy_few(to, from, size);
		return to;
	}
	if (size <= SHORT) {
		for (size_t i = 0; i < size - 8; i += 8)
			copy_word(to, from, i);
		copy_word(to, from, size - 8);
		return to;
	}
	return copy_forward(to, from, size);
}

void *memmove(void *to, const void *from, size_t size)
{
	char *t = to;
	const char *f = from;

	if ((uintptr_t)to - (uintptr_t)from >= size)
		return copy_forward(to, from, size);
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

/* As their bytes come in memory. */
static int compare_words(uint64_t a, uint64_t b)
{
	a = __builtin_bswap64(a);
	b = __builtin_bswap64(b);
	return (a > b) - (a < b);
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;
	const size_t words = size & ~(size_t)7;
	size_t i = 0;

	for (; i < words; i += 8)
		if (word_at(x, i) != word_at(y, i))
			return compare_words(word_at(x, i), word_at(y, i));
	if (words > 0)
		return compare_words(word_at(x, size - 8), word_at(y, size - 8));
	for (; i < size; i++)
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
