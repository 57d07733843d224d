/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network extension that others share: it echoes datagrams to UDP ports 9100 … 9107 and counts
 * them, by port; extensions that are linked to it ask how many came for theirs, and take them.
 */
#include "handler.h"

enum { TALLIES = 8, PORT = 9100 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TALLIES);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps"), taken SEC(".maps");

static __always_inline __u64 *value_of(void *map, __u32 i)
{
	return i < TALLIES ? bpf_map_lookup_elem(map, &i) : 0;
}

SEC("xdp")
int tally(struct xdp_md *context)
{
	__u16 *w = (__u16 *)(long)context->data;
	if (w + W_L4 + 4 > (__u16 *)(long)context->data_end)
		return XDP_PASS;
	if (!is_plain(w, 17))
		return XDP_PASS;
	/* Another one of these answers, too. */
	if (may_loop(w[W_L4]) || (__u32)bpf_ntohs(w[W_L4]) - PORT < TALLIES)
		return XDP_DROP;
	__u64 *count = value_of(&arrived, (__u32)bpf_ntohs(w[W_L4 + 1]) - PORT);
	if (!count)
		return XDP_PASS;
	__sync_fetch_and_add(count, 1);
	swap_ethernet(w);
	swap_ip(w);
	__u16 port = w[W_L4];
	w[W_L4] = w[W_L4 + 1];
	w[W_L4 + 1] = port;
	return XDP_TX;
}

/* Datagrams for an application that it has not taken. */
SEC("call")
__u64 tally_pending(__u64 application)
{
	__u64 *in = value_of(&arrived, (__u32)application),
	      *out = value_of(&taken, (__u32)application);
	return in && out ? *in - *out : 0;
}

SEC("call")
__u64 tally_take(__u64 application)
{
	__u64 *in = value_of(&arrived, (__u32)application),
	      *out = value_of(&taken, (__u32)application);
	if (!in || !out || *in == *out)
		return 0;
	*out += 1;
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
