/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP echo (RFC 862) in the buffer in which the datagram came: its checksum does not change. What
 * comes from a port of the old small services is not answered: two would never end (CERT
 * CA-1996-01). Fragments and IP options are the environment's own business.
 */
#include "handler.h"

enum { UDP = 17 };

SEC("xdp")
int udp_echo(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end, port;
	if (w + W_L4 + 4 > end || !is_plain(w, UDP))
		return XDP_PASS;
	port = w[W_L4];
	if (may_loop(port))
		return XDP_DROP;
	swap_ethernet(w);
	swap_ip(w);
	w[W_L4] = w[W_L4 + 1];
	w[W_L4 + 1] = port;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
