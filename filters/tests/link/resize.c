/* SPDX-License-Identifier: BSD-2-Clause */
/* A handler that does to a datagram what its payload says: moves its two ends, and a result. */
#include "../../programs/handler.h"

enum { AT_ORDER = 42 };

SEC("xdp")
int resize(struct xdp_md *context)
{
	const signed char *frame = (const signed char *)(long)context->data;
	if (frame + AT_ORDER + 3 > (const signed char *)(long)context->data_end)
		return XDP_PASS;
	int head = frame[AT_ORDER], tail = frame[AT_ORDER + 1], result = frame[AT_ORDER + 2];
	if (head)
		bpf_xdp_adjust_head(context, head);
	if (tail)
		bpf_xdp_adjust_tail(context, tail);
	return result;
}

char _license[] SEC("license") = "Dual BSD/GPL";
