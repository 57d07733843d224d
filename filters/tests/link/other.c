/* SPDX-License-Identifier: BSD-2-Clause */
/* The same names as in callee.c, of other types. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct pair {
	__u32 a;
	__u32 b;
	__u32 sum;
	__u32 more;
};

SEC("call")
__u32 twice(__u64 n)
{
	return (__u32)n * 2;
}

SEC("call")
int add(struct pair *pair)
{
	pair->sum = pair->a + pair->b;
	return 0;
}

SEC("call")
__u32 larger(struct pair *pair, __u32 least)
{
	pair->a = 0;
	return least;
}

char _license[] SEC("license") = "Dual BSD/GPL";
