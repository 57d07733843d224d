/* SPDX-License-Identifier: BSD-2-Clause */
/* Sources by longest prefix, ports by hash map; what is refused is counted by reason. */
#include "common.h"

struct prefix4 {
	__u32 bits;
	__u8 address[4];
};

struct prefix6 {
	__u32 bits;
	__u8 address[16];
};

struct rule {
	__u32 action;
	__u32 flags;
};

struct service {
	__be16 port;
	__u8 protocol;
	__u8 padding;
};

enum reason { REASON_MALFORMED, REASON_SOURCE, REASON_SERVICE, REASONS };

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4);
	__type(value, struct rule);
} sources4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6);
	__type(value, struct rule);
} sources6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct service);
	__type(value, __u8);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASONS);
	__type(key, __u32);
	__type(value, __u64);
} refused SEC(".maps");

static int refuse(enum reason reason)
{
	__u32 key = reason;
	__u64 *count = bpf_map_lookup_elem(&refused, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_DROP;
}

static __always_inline int check_service(struct cursor *c, __u8 protocol)
{
	struct service service = {.protocol = protocol};
	__be16 *ports = cursor_take(c, 8);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return XDP_PASS;
	if (!ports)
		return refuse(REASON_MALFORMED);
	service.port = ports[1];
	return bpf_map_lookup_elem(&services, &service) ? XDP_PASS : refuse(REASON_SERVICE);
}

static __always_inline int check4(struct cursor *c)
{
	struct prefix4 key = {.bits = 32};
	struct iphdr *ip = cursor_take(c, sizeof(*ip));
	if (!ip || ip->ihl != 5)
		return refuse(REASON_MALFORMED);
	__builtin_memcpy(key.address, &ip->saddr, 4);
	struct rule *rule = bpf_map_lookup_elem(&sources4, &key);
	if (rule && rule->action == XDP_DROP)
		return refuse(REASON_SOURCE);
	return check_service(c, ip->protocol);
}

static __always_inline int check6(struct cursor *c)
{
	struct prefix6 key = {.bits = 128};
	struct ipv6hdr *ip = cursor_take(c, sizeof(*ip));
	if (!ip)
		return refuse(REASON_MALFORMED);
	__builtin_memcpy(key.address, &ip->saddr, 16);
	struct rule *rule = bpf_map_lookup_elem(&sources6, &key);
	if (rule && rule->action == XDP_DROP)
		return refuse(REASON_SOURCE);
	return check_service(c, ip->nexthdr);
}

SEC("xdp")
int firewall(struct xdp_md *context)
{
	struct cursor c;
	cursor_open(&c, context);
	struct ethhdr *ethernet = cursor_take(&c, sizeof(*ethernet));
	if (!ethernet)
		return refuse(REASON_MALFORMED);
	switch (bpf_ntohs(ethernet->h_proto)) {
	case ETH_P_IP:
		return check4(&c);
	case ETH_P_IPV6:
		return check6(&c);
	default:
		return XDP_PASS;
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
