/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls what an environment's module exports. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern __u64 tell(__u64 what, __u64 more);
extern __u64 alarm(void);

SEC("call")
__u64 say(__u64 n)
{
	return tell(n, n + 1);
}

SEC("call")
__u64 shout(void)
{
	return alarm();
}

char _license[] SEC("license") = "Dual BSD/GPL";
