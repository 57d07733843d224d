/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers ICMP echo requests (RFC 792) in the buffer in which they came. The checksum covers type
 * and content, of which only the type changes; a wrong one stays as wrong. */
#include "handler.h"

enum { ICMP = 1, ECHO = 8 };

SEC("xdp")
int icmp_echo(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 sum;
	if (w + W_L4 + 4 > end || !is_plain(w, ICMP) || w[W_L4] != bpf_htons(ECHO << 8))
		return XDP_PASS;
	swap_ethernet(w);
	swap_ip(w);
	w[W_L4] = 0;
	sum = w[W_L4 + 1] + bpf_htons(ECHO << 8);
	w[W_L4 + 1] = (__u16)(sum + (sum >> 16)); /* less in the sum, more in its complement */
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
