/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls what another program has. */
#include "pair.h"

extern __u64 twice(__u64 n);
extern int add(struct pair *pair);
extern __u32 larger(const struct pair *pair, __u32 least);

SEC("call")
__u64 compute(__u64 a, __u64 b)
{
	struct pair pair = {.a = (__u32)a, .b = (__u32)b};
	__u64 more = add(&pair);
	return twice(pair.sum) * 1000 + larger(&pair, 7) * 10 + more;
}

SEC("call")
__u64 deeper(__u64 n)
{
	return twice(twice(n));
}

SEC("call")
int leaks(__u64 n)
{
	struct pair pair; /* sum was never written */
	pair.a = 1;
	pair.b = (__u32)n;
	return add(&pair);
}

char _license[] SEC("license") = "Dual BSD/GPL";
