/* SPDX-License-Identifier: BSD-2-Clause */
/* A token bucket for each source, configured by read-only data. */
#include "common.h"

struct bucket {
	__u64 tokens;
	__u64 last_ns;
};

struct statistics {
	__u64 passed;
	__u64 dropped;
};

const volatile __u64 rate_per_second = 1000;
const volatile __u64 burst = 200;
const volatile __u32 dry_run = 0;
__u64 new_sources = 0;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct statistics);
} totals SEC(".maps");

/* True where the packet may pass. */
static __noinline int take_token(__u32 source)
{
	__u64 now = bpf_ktime_get_ns();
	struct bucket *bucket = bpf_map_lookup_elem(&buckets, &source);
	if (!bucket) {
		struct bucket fresh = {.tokens = burst - 1, .last_ns = now};
		bpf_map_update_elem(&buckets, &source, &fresh, BPF_ANY);
		__sync_fetch_and_add(&new_sources, 1);
		return 1;
	}
	__u64 gained = (now - bucket->last_ns) * rate_per_second / 1000000000;
	__u64 tokens = bucket->tokens + gained;
	if (tokens > burst)
		tokens = burst;
	if (gained)
		bucket->last_ns = now;
	if (!tokens) {
		bucket->tokens = 0;
		return 0;
	}
	bucket->tokens = tokens - 1;
	return 1;
}

SEC("xdp")
int limit(struct xdp_md *context)
{
	struct cursor c;
	__u32 zero = 0;
	cursor_open(&c, context);
	struct ethhdr *ethernet = cursor_take(&c, sizeof(*ethernet));
	struct iphdr *ip;
	if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	ip = cursor_take(&c, sizeof(*ip));
	if (!ip)
		return XDP_DROP;
	int pass = take_token(ip->saddr);
	struct statistics *total = bpf_map_lookup_elem(&totals, &zero);
	if (total) {
		if (pass)
			total->passed++;
		else
			total->dropped++;
	}
	return pass || dry_run ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
