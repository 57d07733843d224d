/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A memory manager: pages come in one by one, into FRAMES frames at most; then the page that came
 * first gives its frame to the next. What was in it is not kept: for what can be made again.
 */
#include "pager.h"

enum { FRAMES = 8, NEXT = 0 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRAMES);
	__type(key, __u32);
	__type(value, __u64);
} pages SEC(".maps"); /* addresses, in the order in which they came; 0: none */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} turn SEC(".maps");

/* The frame of the page that goes; or a fresh one. */
static __always_inline __s64 frame_for(__u64 old)
{
	__s64 place;
	if (!old) {
		count(COUNT_FRAMES, 1);
		return exo_phys_allocate(1, 1);
	}
	place = exo_mapping_examine(0, old);
	if (place < 0)
		return place;
	exo_mapping_remove(0, old, 1);
	return place >> 12;
}

SEC("call")
__u64 page_in(__u64 env, __u64 address)
{
	__u32 zero = NEXT, i;
	__u64 *next = bpf_map_lookup_elem(&turn, &zero), *page, at = address & ~(PAGE_BYTES - 1ull);
	if (!next)
		return 0;
	i = *next % FRAMES;
	page = bpf_map_lookup_elem(&pages, &i);
	if (!page)
		return 0;
	count(COUNT_FAULTS, 1);
	__s64 frame = frame_for(*page);
	if (frame < 0 || exo_mapping_add(0, at, (__u64)frame, 1, RIGHT_READ | RIGHT_WRITE) < 0)
		return 0;
	*page = at;
	*next += 1;
	return RESULT_DONE;
}

char _license[] SEC("license") = "Dual BSD/GPL";
