/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An environment's own module: only names and types count. What is in sections "call…" it exports
 * (calls come to it as letters), what it calls it imports.
 */
#include "pair.h"

extern __u64 twice(__u64 n);

SEC("call")
__u64 tell(__u64 what, __u64 more)
{
	return twice(what);
}

SEC("call")
__u64 alarm(void)
{
	return 0;
}

SEC("call")
__u64 show(struct pair *pair)
{
	return pair->a;
}

char _license[] SEC("license") = "Dual BSD/GPL";
