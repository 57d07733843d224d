/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the name in a DNS query label by label into a key and looks it up. */
#include "common.h"

enum { NAME_MAX_BYTES = 64 };

struct dns_header {
	__be16 id, flags, questions, answers, authorities, additional;
};

struct name {
	char bytes[NAME_MAX_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, struct name);
	__type(value, __u32);
} blocked SEC(".maps");

static __always_inline int read_name(struct cursor *c, struct name *name)
{
	__u32 left = 0;
	for (int i = 0; i < NAME_MAX_BYTES - 1; i++) {
		__u8 *byte = cursor_take(c, 1);
		if (!byte)
			return -1;
		if (!left) {
			left = *byte;
			if (!left)
				return i;
			if (left > 63)
				return -1;
			if (i)
				name->bytes[i] = '.';
			continue;
		}
		left--;
		name->bytes[i] = *byte | 0x20;
	}
	return -1;
}

SEC("xdp/dns")
int dns(struct xdp_md *context)
{
	struct cursor c;
	struct name name = {0};
	cursor_open(&c, context);
	struct ethhdr *ethernet = cursor_take(&c, sizeof(*ethernet));
	if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	struct iphdr *ip = cursor_take(&c, sizeof(*ip));
	if (!ip || ip->protocol != IPPROTO_UDP || ip->ihl != 5)
		return XDP_PASS;
	struct udphdr *udp = cursor_take(&c, sizeof(*udp));
	if (!udp || udp->dest != bpf_htons(53))
		return XDP_PASS;
	struct dns_header *header = cursor_take(&c, sizeof(*header));
	if (!header || header->questions != bpf_htons(1))
		return XDP_DROP;
	if (read_name(&c, &name) < 0)
		return XDP_DROP;
	__u32 *hits = bpf_map_lookup_elem(&blocked, &name);
	if (!hits)
		return XDP_PASS;
	__sync_fetch_and_add(hits, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
