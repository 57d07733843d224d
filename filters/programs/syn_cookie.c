/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps floods of SYNs from a TCP stack (RFC 4987, 3.6): a SYN is answered with a cookie and
 * forgotten; an ACK that brings one back is marked by the environment's sequence number in
 * `accepted` and passed on, and from then on all that this client sends. What has neither is
 * dropped and counted. The environment takes entries out of `accepted` when their connections end.
 */
#include "stateless.h"

struct client {
	__u32 address;
	__u32 ports;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct client);
	__type(value, __u32); /* our initial sequence number */
} accepted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64); /* SYNs answered, clients accepted, segments dropped */
} counts SEC(".maps");

static __always_inline void count(__u32 i)
{
	__u64 *counter = bpf_map_lookup_elem(&counts, &i);
	if (counter)
		__sync_fetch_and_add(counter, 1);
}

SEC("xdp")
int syn_cookie(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct client client;
	__u32 ours;
	if (!is_segment(w, end))
		return XDP_PASS;
	if ((flags_of(w) & (SYN | ACK | RST | FIN)) == SYN) {
		count(0);
		return answer_syn(context, w);
	}
	client.address = *long_at(w, W_SOURCE);
	client.ports = *long_at(w, W_L4);
	if (bpf_map_lookup_elem(&accepted, &client))
		return XDP_PASS;
	if (!(flags_of(w) & ACK) || flags_of(w) & (SYN | RST) || !is_answer(w, 1, 1)) {
		count(2);
		return XDP_DROP;
	}
	ours = bpf_ntohl(*long_at(w, T_ACK)) - 1;
	if (bpf_map_update_elem(&accepted, &client, &ours, BPF_ANY))
		return XDP_DROP;
	count(1);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
