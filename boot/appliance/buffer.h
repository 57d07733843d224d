/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growing byte buffers, and allocation that ends the program where there is no memory: right for a
 * builder that runs once and has nothing to save.
 */
#ifndef BOOT_BUFFER_H
#define BOOT_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data; /* malloc'ed; NULL while empty */
	size_t size, room;
};

/* Appends size bytes, and returns where they now lie (until the next append). data NULL: zeros. */
void *buffer_append(struct buffer *buffer, const void *data, size_t size);

/* Appends zeros up to a multiple of alignment. */
void buffer_align(struct buffer *buffer, size_t alignment);

void buffer_free(struct buffer *buffer);

/* malloc'ed and zeroed; never NULL. */
void *must_alloc(size_t size);

/* A malloc'ed copy; never NULL. */
char *must_copy(const char *text);

/* As asprintf, never NULL. */
char *must_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
