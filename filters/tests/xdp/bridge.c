/* SPDX-License-Identifier: BSD-2-Clause */
/* Learns where stations are and redirects frames to their port; ages entries by time. */
#include "common.h"

struct station {
	__u8 mac[6];
	__u16 vlan;
};

struct place {
	__u32 port;
	__u32 moves;
	__u64 seen;
};

enum { AGE_NS = 300 * 1000000000ull % 0xffffffff };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct station);
	__type(value, struct place);
} stations SEC(".maps");

static __always_inline void learn(const struct station *who, __u32 port)
{
	struct place *known = bpf_map_lookup_elem(&stations, who);
	struct place fresh = {.port = port, .seen = bpf_ktime_get_ns()};
	if (known && known->port == port) {
		known->seen = fresh.seen;
		return;
	}
	if (known)
		fresh.moves = known->moves + 1;
	bpf_map_update_elem(&stations, who, &fresh, BPF_ANY);
}

SEC("xdp")
int bridge(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct vlan_header *vlan = (void *)(ethernet + 1);
	struct station from = {0}, to = {0};
	if ((void *)(ethernet + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(from.mac, ethernet->h_source, 6);
	__builtin_memcpy(to.mac, ethernet->h_dest, 6);
	if (ethernet->h_proto == bpf_htons(ETH_P_8021Q)) {
		if ((void *)(vlan + 1) > end)
			return XDP_DROP;
		from.vlan = to.vlan = bpf_ntohs(vlan->control) & 0xfff;
	}
	learn(&from, context->ingress_ifindex);
	if (to.mac[0] & 1)
		return XDP_PASS;
	struct place *place = bpf_map_lookup_elem(&stations, &to);
	if (!place || place->port == context->ingress_ifindex)
		return XDP_PASS;
	if (bpf_ktime_get_ns() - place->seen > AGE_NS) {
		bpf_map_delete_elem(&stations, &to);
		return XDP_PASS;
	}
	return bpf_redirect(place->port, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
