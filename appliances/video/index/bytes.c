/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that grows; see index.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"

size_t bytes_add(struct bytes *bytes, const void *data, size_t size)
{
	size_t at = bytes->size;

	if (size > bytes->room - bytes->size) {
		size_t room = 2 * (bytes->size + size);
		uint8_t *more = room > size ? realloc(bytes->data, room) : NULL;

		if (more == NULL)
			fail("there is not enough memory for it");
		bytes->data = more;
		bytes->room = room;
	}
	if (size > 0)
		memcpy(bytes->data + at, data, size);
	bytes->size += size;
	return at;
}

void bytes_print(struct bytes *bytes, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof text)
		fail("a line of its description would be longer than %zu bytes", sizeof text);
	bytes_add(bytes, text, (size_t)n);
}
