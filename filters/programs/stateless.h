/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP without connections (RFC 9293; SYN cookies: RFC 4987, 3.6): what the answer to a segment is
 * follows from the segment and a secret. The initial sequence number is SipHash-1-3 (Aumasson and
 * Bernstein, 2012) of addresses, ports and the client's own, under a key that the environment puts
 * into `secret`, random and for nobody else's eyes.
 */
#ifndef STATELESS_H
#define STATELESS_H

#include "tcp.h"

struct secret {
	__u64 key[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct secret);
} secret SEC(".maps");

/* Our initial sequence number for who sent this segment, whose own was `theirs`. */
static __always_inline int cookie(__u16 *w, __u32 theirs, __u32 *ours)
{
	__u32 zero = 0;
	struct secret *s = bpf_map_lookup_elem(&secret, &zero);
	if (!s)
		return 0;
	*ours = (__u32)sip(1, 3, s->key, (__u64)*long_at(w, W_SOURCE) << 32 | *long_at(w, W_TARGET),
	                   (__u64)*long_at(w, W_L4) << 32 | theirs);
	return 1;
}

/*
 * Turns the segment around: `header` bytes of TCP header (its options stand there already) and n of
 * payload; sequence and acknowledgement as given. The frame has been cut or stretched to that
 * before. → an action.
 */
static __always_inline int reply(struct xdp_md *context, __u32 header, __u32 n, __u32 flags,
                                 __u32 sequence, __u32 acknowledged)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u16 was, now = bpf_htons((__u16)(20 + header + n)), port;
	long sum;
	if (w + T_OPTIONS > end)
		return XDP_DROP;
	swap_ethernet(w);
	swap_ip(w);
	was = w[W_LENGTH];
	w[W_IP_SUM] = change_sum(w[W_IP_SUM], was, now);
	w[W_LENGTH] = now;
	port = w[W_L4];
	w[W_L4] = w[W_L4 + 1];
	w[W_L4 + 1] = port;
	*long_at(w, T_SEQUENCE) = bpf_htonl(sequence);
	*long_at(w, T_ACK) = bpf_htonl(acknowledged);
	w[T_FLAGS] = bpf_htons((__u16)(header >> 2 << 12 | flags));
	w[T_WINDOW] = bpf_htons(0xffff);
	w[T_SUM] = 0;
	w[T_URGENT] = 0;
	sum = exo_sum(context, AT_TCP, header + n);
	if (sum < 0)
		return XDP_DROP;
	sum += (__u64)w[W_SOURCE] + w[W_SOURCE + 1] + w[W_TARGET] + w[W_TARGET + 1] +
	       bpf_htons(TCP) + bpf_htons((__u16)(header + n));
	w[T_SUM] = (__u16)~fold((__u32)sum);
	return XDP_TX;
}

/* SYN → SYN, ACK with the cookie, and the one option that we have: a maximum segment size. */
static __always_inline int answer_syn(struct xdp_md *context, __u16 *w)
{
	__u32 theirs = bpf_ntohl(*long_at(w, T_SEQUENCE)), ours;
	if (!cookie(w, theirs, &ours) || fit(context, HEADER_BYTES + 4, 0))
		return XDP_DROP;
	w = (void *)(long)context->data;
	if (w + T_OPTIONS + 2 > (__u16 *)(long)context->data_end)
		return XDP_DROP;
	w[T_OPTIONS] = bpf_htons(0x0204);
	w[T_OPTIONS + 1] = bpf_htons(1460);
	return reply(context, HEADER_BYTES + 4, 0, SYN | ACK, ours, theirs + 1);
}

/* Whether the segment acknowledges what the cookie for its first one was: `behind` bytes after the
 * client's SYN, and `ours` bytes after ours. */
static __always_inline int is_answer(__u16 *w, __u32 behind, __u32 after)
{
	__u32 theirs = bpf_ntohl(*long_at(w, T_SEQUENCE)) - behind, ours;
	return cookie(w, theirs, &ours) && bpf_ntohl(*long_at(w, T_ACK)) == ours + after;
}

#endif
