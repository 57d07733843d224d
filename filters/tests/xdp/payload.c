/* SPDX-License-Identifier: BSD-2-Clause */
/* Loops over the payload: looks for a pattern, counts bytes of a class. Bounds that data decides.
 */
#include "common.h"

enum { PAYLOAD_MAX = 200, PATTERN = 4 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} longest SEC(".maps");

const volatile unsigned char pattern[PATTERN] = {'S', 'S', 'H', '-'};

static __always_inline int matches(const unsigned char *at, const void *end)
{
	if ((const void *)(at + PATTERN) > end)
		return 0;
	for (int i = 0; i < PATTERN; i++)
		if (at[i] != pattern[i])
			return 0;
	return 1;
}

SEC("xdp")
int payload(struct xdp_md *context)
{
	void *end = (void *)(long)context->data_end;
	unsigned char *at = (void *)(long)context->data;
	__u32 printable = 0, zero = 0, *most;
	at += sizeof(struct ethhdr);
	for (int i = 0; i < PAYLOAD_MAX; i++) {
		if ((void *)(at + i + 1) > end)
			break;
		if (at[i] >= ' ' && at[i] < 0x7f)
			printable++;
		if (matches(at + i, end))
			return XDP_DROP;
	}
	most = bpf_map_lookup_elem(&longest, &zero);
	if (most && *most < printable)
		*most = printable;
	return XDP_PASS;
}

/* A checksum over a length that the packet says. */
SEC("xdp")
int checksum(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 sum = 0;
	if ((void *)(ip + 1) > end || ip->ihl < 5)
		return XDP_DROP;
	__u16 *word = (void *)ip;
	for (int i = 0; i < 30 && i < ip->ihl * 2; i++) {
		if ((void *)(word + i + 1) > end)
			return XDP_DROP;
		sum += word[i];
	}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
