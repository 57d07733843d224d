/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small helpers for text that both flavours of libexo bring.
 */
#include <libexo/lib.h>

void exo_text_copy(char *to, size_t size, const char *from)
{
	size_t n;

	if (size == 0)
		return;
	n = strnlen(from, size - 1);
	memcpy(to, from, n);
	to[n] = '\0';
}
