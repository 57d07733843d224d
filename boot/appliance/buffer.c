/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growing byte buffers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

static void *checked(void *memory)
{
	if (!memory) {
		fputs("mkappliance: out of memory\n", stderr);
		exit(1);
	}
	return memory;
}

void *must_alloc(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

char *must_copy(const char *text)
{
	return checked(strdup(text));
}

char *must_print(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	return checked(length < 0 ? NULL : text);
}

void *buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	if (buffer->room - buffer->size < size) {
		buffer->room = 2 * buffer->room + size;
		buffer->data = checked(realloc(buffer->data, buffer->room));
	}
	uint8_t *place = buffer->data + buffer->size;
	if (data && size)
		memcpy(place, data, size);
	else if (size)
		memset(place, 0, size);
	buffer->size += size;
	return place;
}

void buffer_align(struct buffer *buffer, size_t alignment)
{
	size_t over = buffer->size % alignment;
	if (over)
		buffer_append(buffer, NULL, alignment - over);
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}
