/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few functions of <string.h> that freestanding code needs. The freestanding flavour of libexo
 * brings them; the flavour for C programs uses the C library's.
 */
#ifndef LIBEXO_LIB_H
#define LIBEXO_LIB_H

#include <stdbool.h>
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);

/* Copies text, cut to size - 1 bytes, always NUL-terminated. */
void exo_text_copy(char *to, size_t size, const char *from);

/* The environment's own C function where no C library stands above: returns the exit status. */
int exo_main(void);

#endif
