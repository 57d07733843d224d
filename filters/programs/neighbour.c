/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers who asks for an address: ARP (RFC 826) and neighbour solicitations (RFC 4861). The
 * environment puts each address with its link address into `addresses`: 16 bytes, an IPv4 one in
 * the first four, the others 0. A probe from nobody's address (RFC 5227, duplicate detection of RFC
 * 4862) is passed to the environment, which defends itself.
 */
#include "handler.h"

struct address {
	__u8 bytes[16];
};

struct link {
	__u16 words[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct address);
	__type(value, struct link);
} addresses SEC(".maps");

enum {
	/* ARP, in words of the frame. */
	A_OPERATION = 10,
	A_SENDER = 11,
	A_SENDER_IP = 14,
	A_TARGET = 16,
	A_TARGET_IP = 19,
	A_END = 21,
	/* A solicitation with one option of eight bytes. */
	N_LENGTH = 9,
	N_NEXT_HOPS = 10,
	N_SOURCE = 11,
	N_DESTINATION = 19,
	N_TYPE = 27,
	N_SUM = 28,
	N_FLAGS = 29,
	N_TARGET = 31,
	N_OPTION = 39,
	N_LINK = 40,
	N_END = 43,
	SOLICITATION = 135,
	ADVERTISEMENT = 136,
};

static __always_inline void put_link(__u16 *to, const __u16 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
}

static __always_inline int answer_arp(__u16 *w, __u16 *end)
{
	struct address asked = {0};
	struct link *link;
	if (w + A_END > end || w[7] != bpf_htons(1) || w[8] != bpf_htons(0x0800) ||
	    w[9] != bpf_htons(0x0604) || w[A_OPERATION] != bpf_htons(1))
		return XDP_PASS;
	if (!*long_at(w, A_SENDER_IP))
		return XDP_PASS;
	*(__u32 *)asked.bytes = *long_at(w, A_TARGET_IP);
	link = bpf_map_lookup_elem(&addresses, &asked);
	if (!link)
		return XDP_PASS;
	w[A_OPERATION] = bpf_htons(2);
	put_link(w, w + A_SENDER);
	put_link(w + 3, link->words);
	put_link(w + A_TARGET, w + A_SENDER);
	put_link(w + A_SENDER, link->words);
	*long_at(w, A_TARGET_IP) = *long_at(w, A_SENDER_IP);
	*long_at(w, A_SENDER_IP) = *(__u32 *)asked.bytes;
	return XDP_TX;
}

/* Pseudo header and message (RFC 8200, 8.1), the checksum's own word left out. */
static __always_inline __u16 message_sum(const __u16 *w)
{
	__u32 sum = (__u32)(w[N_LENGTH]) + bpf_htons(58);
#pragma unroll
	for (int i = N_SOURCE; i < N_END; i++)
		sum += i == N_SUM ? 0 : w[i];
	return (__u16)~fold(sum);
}

static __always_inline void advertise(__u16 *w, const struct address *asked, struct link *link)
{
	put_link(w, w + 3);
	put_link(w + 3, link->words);
#pragma unroll
	for (int i = 0; i < 8; i++) {
		w[N_DESTINATION + i] = w[N_SOURCE + i];
		w[N_SOURCE + i] = ((const __u16 *)asked->bytes)[i];
	}
	w[N_TYPE] = bpf_htons(ADVERTISEMENT << 8);
	w[N_FLAGS] = bpf_htons(0x6000); /* solicited, override */
	w[N_FLAGS + 1] = 0;
	w[N_OPTION] = bpf_htons(0x0201);
	put_link(w + N_LINK, link->words);
	w[N_SUM] = message_sum(w);
}

static __always_inline int answer_solicitation(__u16 *w, __u16 *end)
{
	struct address asked;
	struct link *link;
	__u16 any = 0;
	if (w + N_END > end || w[N_LENGTH] != bpf_htons(32) ||
	    w[N_NEXT_HOPS] != bpf_htons(58 << 8 | 255) ||
	    w[N_TYPE] != bpf_htons(SOLICITATION << 8) || w[N_OPTION] != bpf_htons(0x0101))
		return XDP_PASS;
#pragma unroll
	for (int i = 0; i < 8; i++) {
		any |= w[N_SOURCE + i];
		((__u16 *)asked.bytes)[i] = w[N_TARGET + i];
	}
	if (!any || w[N_SUM] != message_sum(w))
		return XDP_PASS;
	link = bpf_map_lookup_elem(&addresses, &asked);
	if (!link)
		return XDP_PASS;
	advertise(w, &asked, link);
	return XDP_TX;
}

SEC("xdp")
int neighbour(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	if (w + W_IP > end)
		return XDP_PASS;
	if (w[W_TYPE] == bpf_htons(0x0806))
		return answer_arp(w, end);
	if (w[W_TYPE] == bpf_htons(0x86dd))
		return answer_solicitation(w, end);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
