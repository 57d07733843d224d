/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine's own files share: memory, text, and small helpers. Nothing here is public.
 */
#ifndef FLT_INTERNAL_H
#define FLT_INTERNAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flt/error.h>
#include <flt/platform.h>

/* The freestanding subset of string.h; the kernel and every libc have them. */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

extern struct flt_platform flt_platform;

#define FLT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define flt_likely(x)     __builtin_expect(!!(x), 1)

/* Cleared memory for n elements; NULL where there is none or n * size overflows. */
void *flt_alloc_array(size_t n, size_t size);
void flt_free(void *memory); /* NULL is allowed */

/* A growing text in a fixed buffer; len counts what was asked for, also beyond size. */
struct flt_text {
	char *out;
	size_t size;
	size_t len;
};

/* Appends; knows %s %c %d %u %x %0Nx %ld %lu %lx %%. */
void flt_text_put(struct flt_text *text, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void flt_text_put_list(struct flt_text *text, const char *format, va_list list);
/* Copies at most size - 1 characters and terminates. */
void flt_copy_name(char *to, size_t size, const char *from);

/* Fills error (which may be NULL) and returns code. instruction -1: none. */
int flt_fail(struct flt_error *error, int code, int32_t instruction, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static inline uint16_t flt_be16(const void *p)
{
	uint16_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t flt_be32(const void *p)
{
	uint32_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint32_t flt_min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t flt_max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* All ones in the low `bytes` bytes, 1 to 4. */
static inline uint32_t flt_width_mask(uint32_t bytes)
{
	return bytes >= 4 ? UINT32_MAX : (1u << (8 * bytes)) - 1;
}

/* Smallest e with 2^e >= n, n at least 1. */
static inline uint32_t flt_log2_ceil(uint64_t n)
{
	return n <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(n - 1);
}

#endif
