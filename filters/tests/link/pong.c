/* SPDX-License-Identifier: BSD-2-Clause */
/* The other half. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern __u64 ping(__u64 n);

SEC("call")
__u64 pong(__u64 n)
{
	return n ? ping(n - 1) : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
