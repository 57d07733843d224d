/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP messages: the payload's place, and answers whose payload has changed. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "handler.h"

enum {
	UDP = 17,
	AT_UDP = 34,
	AT_PAYLOAD = 42,
};

/* Gives the frame room for a payload of n bytes; 0, or an error. Every pointer is stale then. */
static __always_inline long resize(struct xdp_md *context, __u32 n)
{
	return bpf_xdp_adjust_tail(context, (int)(AT_PAYLOAD + n - frame_bytes(context)));
}

/* Turns the question around, with the n bytes of payload that stand in it: an action. */
static __always_inline int answer(struct xdp_md *context, __u32 n)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u16 was, now = bpf_htons(28 + n), port;
	long sum;
	if (w + W_L4 + 4 > end)
		return XDP_DROP;
	swap_ethernet(w);
	swap_ip(w);
	was = w[W_LENGTH];
	w[W_IP_SUM] = change_sum(w[W_IP_SUM], was, now);
	w[W_LENGTH] = now;
	port = w[W_L4];
	w[W_L4] = w[W_L4 + 1];
	w[W_L4 + 1] = port;
	w[W_L4 + 2] = bpf_htons(8 + n);
	w[W_L4 + 3] = 0;
	sum = exo_sum(context, AT_UDP, 8 + n);
	if (sum < 0)
		return XDP_DROP;
	sum += (__u64)w[W_SOURCE] + w[W_SOURCE + 1] + w[W_TARGET] + w[W_TARGET + 1] +
	       bpf_htons(UDP) + bpf_htons(8 + n);
	now = (__u16)~fold((__u32)sum);
	w[W_L4 + 3] = now ? now : 0xffff;
	return XDP_TX;
}

/* Bytes of payload that the headers speak of; what Ethernet padded is not counted. -1: too few. */
static __always_inline int payload_bytes(const __u16 *w, const void *end)
{
	int n = bpf_ntohs(w[W_L4 + 2]) - 8;
	return n < 0 || n > 1472 || (const char *)(w + W_L4 + 4) + n > (const char *)end ? -1 : n;
}

#endif
