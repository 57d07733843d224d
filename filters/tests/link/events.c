/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers and guards of events. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { WAKE = 0x100, STOP = 0x200 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline void set(__u32 i, __u64 value, int add)
{
	__u64 *place = bpf_map_lookup_elem(&seen, &i);
	if (place)
		*place = add ? *place + value : value;
}

/* seen: calls, environment, three arguments. */
SEC("call")
__u64 note(__u64 env, __u64 a, __u64 b, __u64 c)
{
	set(0, 1, 1);
	set(1, env, 0);
	set(2, a, 0);
	set(3, b, 0);
	set(4, c, 0);
	return 0;
}

/* seen[5]: the order in which these two ran. */
SEC("call")
__u64 first(__u64 env)
{
	__u32 i = 5;
	__u64 *place = bpf_map_lookup_elem(&seen, &i);
	if (place)
		*place = *place * 10 + 1;
	return WAKE;
}

SEC("call")
__u64 second(__u64 env)
{
	__u32 i = 5;
	__u64 *place = bpf_map_lookup_elem(&seen, &i);
	if (place)
		*place = *place * 10 + 2;
	return STOP;
}

SEC("call")
__u64 is_even(__u64 env, __u64 a)
{
	return !(a & 1);
}

SEC("call")
__u64 square(__u64 n)
{
	return n * n;
}

char _license[] SEC("license") = "Dual BSD/GPL";
