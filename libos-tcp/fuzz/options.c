/* SPDX-License-Identifier: BSD-2-Clause */
/* The option parser: whatever the bytes are, it reads no others, and what it finds makes sense. */
#include "internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct options *options)
{
	if (options->n_sacks > SACKS_MAX || ((options->seen & O_SACK) && options->n_sacks == 0))
		__builtin_trap();
	if ((options->seen & O_SCALE) && options->scale > SCALE_MAX)
		__builtin_trap();
	if ((options->seen & O_MSS) && options->mss == 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options options;
	uint8_t *copy;

	if (size == 0 || size > 41)
		return 0;
	/* A block of just that size, so that a byte too far is found. */
	copy = malloc(size);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	memset(&options, 0xff, sizeof options);
	options_parse(&options, copy + 1, copy + size, data[0] & 1);
	check(&options);
	free(copy);
	return 0;
}
