/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks up to four VLAN tags and six IPv6 extension headers to the transport header. */
#include "common.h"

struct extension_header {
	__u8 nexthdr;
	__u8 hdrlen;
};

enum { VLANS_MAX = 4, EXTENSIONS_MAX = 6 };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} protocols SEC(".maps");

static __always_inline __be16 skip_vlans(struct cursor *c, __be16 type)
{
#pragma unroll
	for (int i = 0; i < VLANS_MAX; i++) {
		struct vlan_header *vlan;
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		vlan = cursor_take(c, sizeof(*vlan));
		if (!vlan)
			return 0;
		type = vlan->type;
	}
	return type;
}

/* Not unrolled: a loop for the verifier. */
static __always_inline int skip_extensions(struct cursor *c, __u8 next)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		struct extension_header *extension;
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			extension = cursor_take(c, sizeof(*extension));
			if (!extension || !cursor_take(c, extension->hdrlen * 8 + 6))
				return -1;
			next = extension->nexthdr;
			break;
		case IPPROTO_FRAGMENT:
			extension = cursor_take(c, 8);
			if (!extension)
				return -1;
			next = extension->nexthdr;
			break;
		default:
			return next;
		}
	}
	return -1;
}

SEC("xdp")
int parse(struct xdp_md *context)
{
	struct cursor c;
	int protocol = -1;
	cursor_open(&c, context);
	struct ethhdr *ethernet = cursor_take(&c, sizeof(*ethernet));
	if (!ethernet)
		return XDP_ABORTED;
	__be16 type = skip_vlans(&c, ethernet->h_proto);
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = cursor_take(&c, sizeof(*ip));
		if (ip && ip->ihl >= 5 && cursor_take(&c, ip->ihl * 4 - 20))
			protocol = ip->protocol;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = cursor_take(&c, sizeof(*ip6));
		if (ip6)
			protocol = skip_extensions(&c, ip6->nexthdr);
	}
	if (protocol < 0)
		return XDP_DROP;
	__u32 key = protocol;
	__u64 *count = bpf_map_lookup_elem(&protocols, &key);
	if (count)
		(*count)++;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
