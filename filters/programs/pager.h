/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory managers count, for their environment to read: an array of these. */
#ifndef PAGER_H
#define PAGER_H

#include "service.h"

enum { PAGE_BYTES = 4096, COUNT_FAULTS = 0, COUNT_FRAMES = 1, COUNTS = 2 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(__u32 what, __u64 by)
{
	__u64 *place = bpf_map_lookup_elem(&counts, &what);
	if (place)
		*place += by;
}

#endif
