/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls in a row, for measuring: through a link, and the loop alone. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern __u64 twice(__u64 n);

enum { CALLS_MAX = 1000 };

SEC("call")
__u64 call_linked(__u64 calls)
{
	__u64 n = 1;
	for (__u64 i = 0; i < CALLS_MAX && i < calls; i++)
		n = twice(n);
	return n;
}

/* What raising an event costs apart from who handles it. */
SEC("call")
__u64 nothing(void)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
