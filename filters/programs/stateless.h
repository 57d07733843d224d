/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP without connections (RFC 9293; SYN cookies: RFC 4987, 3.6): what the answer to a segment is
 * follows from the segment and a secret. The initial sequence number is SipHash-1-3 (Aumasson and
 * Bernstein, 2012) of addresses, ports and the client's own, under a key that the environment puts
 * into `secret`, random and for nobody else's eyes.
 */
#ifndef STATELESS_H
#define STATELESS_H

#include "handler.h"

enum {
	TCP = 6,
	AT_TCP = 34,
	T_SEQUENCE = W_L4 + 2,
	T_ACK = W_L4 + 4,
	T_FLAGS = W_L4 + 6,
	T_WINDOW = W_L4 + 7,
	T_SUM = W_L4 + 8,
	T_URGENT = W_L4 + 9,
	T_OPTIONS = W_L4 + 10,
	FIN = 1,
	SYN = 2,
	RST = 4,
	PSH = 8,
	ACK = 16,
	HEADER_BYTES = 20,
};

struct secret {
	__u64 key[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct secret);
} secret SEC(".maps");

struct sip {
	__u64 a, b, c, d;
};

static __always_inline __u64 rotate(__u64 x, int by)
{
	return x << by | x >> (64 - by);
}

static __always_inline void sip_round(struct sip *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotate(s->b, 13) ^ s->a;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a = rotate(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotate(s->b, 17) ^ s->c;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c = rotate(s->c, 32);
}

static __always_inline __u32 sip(const __u64 key[2], __u64 one, __u64 two)
{
	struct sip s = {key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
	                key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull};
	__u64 length = 16ull << 56;
	s.d ^= one;
	sip_round(&s);
	s.a ^= one;
	s.d ^= two;
	sip_round(&s);
	s.a ^= two;
	s.d ^= length;
	sip_round(&s);
	s.a ^= length;
	s.c ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return (__u32)(s.a ^ s.b ^ s.c ^ s.d);
}

/* Our initial sequence number for who sent this segment, whose own was `theirs`. */
static __always_inline int cookie(__u16 *w, __u32 theirs, __u32 *ours)
{
	__u32 zero = 0;
	struct secret *s = bpf_map_lookup_elem(&secret, &zero);
	if (!s)
		return 0;
	*ours = sip(s->key, (__u64)*long_at(w, W_SOURCE) << 32 | *long_at(w, W_TARGET),
	            (__u64)*long_at(w, W_L4) << 32 | theirs);
	return 1;
}

static __always_inline int header_bytes(const __u16 *w)
{
	return bpf_ntohs(w[T_FLAGS]) >> 12 << 2;
}

static __always_inline int flags_of(const __u16 *w)
{
	return bpf_ntohs(w[T_FLAGS]) & 0x3f;
}

/* Bytes of payload that the headers speak of; -1: they contradict each other. */
static __always_inline int segment_bytes(const __u16 *w)
{
	int header = header_bytes(w), n = bpf_ntohs(w[W_LENGTH]) - 20 - header;
	return header < HEADER_BYTES || n < 0 ? -1 : n;
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

static __always_inline long fit(struct xdp_md *context, __u32 header, __u32 n)
{
	return bpf_xdp_adjust_tail(context, (int)(AT_TCP + header + n - frame_bytes(context)));
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

/* A whole segment, without fragments and IP options, whose header lies in the frame. */
static __always_inline int is_segment(__u16 *w, const __u16 *end)
{
	return w + T_OPTIONS <= end && is_plain(w, TCP);
}

#endif
