/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers: the functions that programs may call by number.
 */
#include "helper.h"

static uint64_t help_prandom(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return flt_platform.prandom();
}

static uint64_t help_cpu(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return flt_platform.cpu();
}

static uint64_t help_clock(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
	return flt_platform.clock_ns();
}

static const struct flt_helper helpers[] = {
        {.number = 5, .name = "ktime_get_ns", .call = help_clock},
        {.number = 7, .name = "get_prandom_u32", .call = help_prandom},
        {.number = 8, .name = "get_smp_processor_id", .call = help_cpu},
};

const struct flt_helper *flt_helper_find(uint32_t number)
{
	for (size_t i = 0; i < FLT_ARRAY_SIZE(helpers); i++)
		if (helpers[i].number == number)
			return &helpers[i];
	return NULL;
}
