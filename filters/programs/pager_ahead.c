/* SPDX-License-Identifier: BSD-2-Clause */
/* A memory manager: with each page that is missed come the three behind it, if none of them is
 * there, as who reads on and on wants it. Nothing goes. */
#include "pager.h"

enum { AHEAD = 4 };

/* How many pages from `at` on are not there. */
static __always_inline __u64 missing(__u64 at)
{
	__u64 n = 1;
	for (int i = 1; i < AHEAD; i++)
		if (n == (__u64)i && exo_mapping_examine(0, at + (__u64)i * PAGE_BYTES) < 0)
			n++;
	return n;
}

SEC("call")
__u64 page_in(__u64 env, __u64 address)
{
	__u64 at = address & ~(PAGE_BYTES - 1ull), n = missing(at);
	__s64 frame = exo_phys_allocate(n, 1);
	count(COUNT_FAULTS, 1);
	if (frame < 0)
		return 0;
	count(COUNT_FRAMES, n);
	return exo_mapping_add(0, at, (__u64)frame, n, RIGHT_READ | RIGHT_WRITE) < 0 ? 0
	                                                                             : RESULT_DONE;
}

char _license[] SEC("license") = "Dual BSD/GPL";
