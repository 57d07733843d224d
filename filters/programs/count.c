/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts IPv4 packets by source address and passes them on; shows maps and packet bounds in an
 * ordinary XDP program.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("xdp")
int count(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);
	__u64 one = 1, *known;
	__u32 source;
	if ((void *)(ip + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_DROP;
	source = ip->saddr;
	known = bpf_map_lookup_elem(&packets, &source);
	if (known)
		__sync_fetch_and_add(known, 1);
	else
		bpf_map_update_elem(&packets, &source, &one, BPF_ANY);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
