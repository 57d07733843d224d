/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports each new TCP connection through a ring buffer, with the first bytes of the packet. */
#include "common.h"

struct event {
	__u64 time;
	__be32 source, destination;
	__be16 source_port, destination_port;
	__u32 length;
	__u8 head[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} ring SEC(".maps");

static __u64 lost;
static __u32 sequence = 1;

SEC("xdp")
int events(struct xdp_md *context)
{
	struct cursor c;
	struct event event = {0};
	cursor_open(&c, context);
	struct ethhdr *ethernet = cursor_take(&c, sizeof(*ethernet));
	if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	struct iphdr *ip = cursor_take(&c, sizeof(*ip));
	if (!ip || ip->protocol != IPPROTO_TCP || ip->ihl < 5)
		return XDP_PASS;
	if (!cursor_take(&c, ip->ihl * 4 - sizeof(*ip)))
		return XDP_PASS;
	struct tcphdr *tcp = cursor_take(&c, sizeof(*tcp));
	if (!tcp || !tcp->syn || tcp->ack)
		return XDP_PASS;
	event.time = bpf_ktime_get_ns();
	event.source = ip->saddr;
	event.destination = ip->daddr;
	event.source_port = tcp->source;
	event.destination_port = tcp->dest;
	event.length = context->data_end - context->data;
	if (bpf_xdp_load_bytes(context, 0, event.head, sizeof(event.head)) < 0)
		return XDP_PASS;
	sequence++;
	if (bpf_ringbuf_output(&ring, &event, sizeof(event), 0)) {
		__sync_fetch_and_add(&lost, 1);
		bpf_printk("event %u lost, %lu in all", sequence, lost);
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
