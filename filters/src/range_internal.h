/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges between their two files: range.c (arithmetic) and range_branch.c (conditions).
 */
#ifndef FLT_RANGE_INTERNAL_H
#define FLT_RANGE_INTERNAL_H

#include "range.h"

static inline struct flt_tnum flt_tnum_make(uint64_t value, uint64_t mask)
{
	return (struct flt_tnum){value, mask};
}

/* Numbers in both; meaningless (but harmless) where there are none. */
static inline struct flt_tnum flt_tnum_meet(struct flt_tnum a, struct flt_tnum b)
{
	uint64_t mask = a.mask & b.mask;
	return flt_tnum_make((a.value | b.value) & ~mask, mask);
}

static inline uint64_t flt_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t flt_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline int64_t flt_max_s64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline int64_t flt_min_s64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Lets every part of a range learn from the others. */
void flt_range_settle(struct flt_range *r);

#endif
