/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps house for an environment: handles its completed disk requests first, and counts. */
#include "../../programs/service.h"

/* Requests that were done, their sectors, failures, and turns of housekeeping. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} kept SEC(".maps");

static __always_inline void add(__u32 i, __u64 n)
{
	__u64 *place = bpf_map_lookup_elem(&kept, &i);
	if (place)
		__sync_fetch_and_add(place, n);
}

/* What was written needs nobody; what was read is waited for. */
SEC("call")
__u64 done(__u64 env, __u64 frame, __u64 result, __u64 what)
{
	add(0, 1);
	add(1, (__u32)what);
	add(2, result != 0);
	return what >> 32 ? RESULT_DONE : 0;
}

SEC("call")
__u64 keep(__u64 env, __u64 core, __u64 now)
{
	add(3, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
