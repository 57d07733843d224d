/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions for other programs. */
#include "pair.h"

SEC("call")
__u64 twice(__u64 n)
{
	return n * 2;
}

SEC("call")
int add(struct pair *pair)
{
	pair->sum = (__u64)pair->a + pair->b;
	return pair->sum > 100;
}

SEC("call")
__u32 larger(const struct pair *pair, __u32 least)
{
	__u32 most = pair->a > pair->b ? pair->a : pair->b;
	return most > least ? most : least;
}

char _license[] SEC("license") = "Dual BSD/GPL";
