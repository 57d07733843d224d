/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform's copy, and memory through it.
 */
#include "internal.h"

struct flt_platform flt_platform;

int flt_init(const struct flt_platform *platform)
{
	bool some_code = platform->code_alloc || platform->code_seal || platform->code_free;
	bool all_code = platform->code_alloc && platform->code_seal && platform->code_free;
	if (!platform->alloc || !platform->free || !platform->retire || !platform->clock_ns ||
	    !platform->prandom || !platform->cpu || some_code != all_code)
		return FLT_E_INVALID;
	if (platform->cpus < 1 || platform->cpus > FLT_CPUS_MAX)
		return FLT_E_INVALID;
	flt_platform = *platform;
	return 0;
}

void *flt_alloc_array(size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	void *memory = flt_platform.alloc(bytes ? bytes : 1);
	if (memory)
		memset(memory, 0, bytes);
	return memory;
}

void flt_free(void *memory)
{
	if (memory)
		flt_platform.free(memory);
}
