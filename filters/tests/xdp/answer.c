/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers ICMP echo requests, cuts what is too long, and has functions of several kinds. */
#include "common.h"

enum { LENGTH_MAX = 600 };

struct counters {
	__u64 packets[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counted SEC(".maps");

static __noinline void swap_bytes(void *a, void *b, void *end, int n)
{
	unsigned char *x = a, *y = b;
	if (a + 6 > end || b + 6 > end)
		return;
	for (int i = 0; i < 6; i++) {
		unsigned char kept = x[i];
		if (i >= n)
			break;
		x[i] = y[i];
		y[i] = kept;
	}
}

static __noinline void count(__u32 kind)
{
	__u32 zero = 0;
	struct counters *all = bpf_map_lookup_elem(&counted, &zero);
	if (all && kind < 4)
		all->packets[kind]++;
}

/* Global: another program may call it as well. */
__noinline int is_echo(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct icmphdr *icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) > end)
		return 0;
	return ethernet->h_proto == bpf_htons(ETH_P_IP) && ip->ihl == 5 &&
	       ip->protocol == IPPROTO_ICMP && icmp->type == ICMP_ECHO;
}

SEC("xdp")
int answer(struct xdp_md *context)
{
	int length = context->data_end - context->data;
	if (length > LENGTH_MAX) {
		if (bpf_xdp_adjust_tail(context, LENGTH_MAX - length))
			return XDP_DROP;
		count(3);
	}
	if (!is_echo(context)) {
		count(0);
		return XDP_PASS;
	}
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct icmphdr *icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) > end)
		return XDP_DROP;
	__be32 address = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = address;
	icmp->type = ICMP_ECHOREPLY;
	icmp->checksum += bpf_htons(ICMP_ECHO << 8);
	swap_bytes(ethernet->h_dest, ethernet->h_source, end, 6);
	count(1);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
