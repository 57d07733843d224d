/* SPDX-License-Identifier: BSD-2-Clause */
/* A load balancer: picks a real server by hash, wraps the packet in IPv4 and sends it back. */
#include "common.h"

struct virtual_service {
	__be32 address;
	__be16 port;
	__u16 protocol;
};

struct server {
	__be32 address;
	__u8 mac[6];
	__u16 flags;
};

enum { SERVERS = 64 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct virtual_service);
	__type(value, __u32);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVERS);
	__type(key, __u32);
	__type(value, struct server);
} servers SEC(".maps");

static __always_inline __u32 mix(__u32 a, __u32 b)
{
	a ^= b * 0x9e3779b1;
	a = (a << 13 | a >> 19) * 5 + 0xe6546b64;
	return a ^ a >> 16;
}

static __always_inline __u16 fold(__u64 sum)
{
#pragma unroll
	for (int i = 0; i < 4; i++)
		if (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __noinline struct server *choose(struct virtual_service *service, __u32 hash)
{
	__u32 *group = bpf_map_lookup_elem(&services, service);
	if (!group)
		return NULL;
	__u32 key = (*group + hash) % SERVERS;
	return bpf_map_lookup_elem(&servers, &key);
}

static __always_inline int wrap(struct xdp_md *context, const struct server *server, __be32 from,
                                __u16 length)
{
	if (bpf_xdp_adjust_head(context, -(int)sizeof(struct iphdr)))
		return XDP_DROP;
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *fresh = data, *old = data + sizeof(struct iphdr);
	struct iphdr *ip = (void *)(fresh + 1);
	if ((void *)(old + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(fresh->h_source, old->h_dest, ETH_ALEN);
	__builtin_memcpy(fresh->h_dest, server->mac, ETH_ALEN);
	fresh->h_proto = bpf_htons(ETH_P_IP);
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = sizeof(*ip) >> 2;
	ip->protocol = IPPROTO_IPIP;
	ip->ttl = 64;
	ip->tot_len = bpf_htons(length + sizeof(*ip));
	ip->saddr = from;
	ip->daddr = server->address;
	ip->check = fold(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
	return XDP_TX;
}

SEC("xdp")
int balance(struct xdp_md *context)
{
	struct cursor c;
	cursor_open(&c, context);
	struct ethhdr *ethernet = cursor_take(&c, sizeof(*ethernet));
	if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	struct iphdr *ip = cursor_take(&c, sizeof(*ip));
	if (!ip || ip->ihl != 5 || (ip->frag_off & bpf_htons(0x3fff)))
		return XDP_PASS;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	__be16 *ports = cursor_take(&c, 4);
	if (!ports)
		return XDP_DROP;
	struct virtual_service service = {
	        .address = ip->daddr, .port = ports[1], .protocol = ip->protocol};
	struct server *server = choose(&service, mix(ip->saddr, ports[0]));
	if (!server)
		return XDP_PASS;
	return wrap(context, server, ip->daddr, bpf_ntohs(ip->tot_len));
}

char _license[] SEC("license") = "Dual BSD/GPL";
