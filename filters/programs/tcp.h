/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP segments as handlers see them (RFC 9293), and a hash for what only we may know. */
#ifndef TCP_H
#define TCP_H

#include "handler.h"

#include "../include/flt/sip.h"

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
	ECE = 64,
	CWR = 128,
	HEADER_BYTES = 20,
};

/* SipHash of two words. */
static __always_inline __u64 sip(int each, int last, const __u64 key[2], __u64 one, __u64 two)
{
	return flt_sip_pair(each, last, key, one, two);
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

static __always_inline long fit(struct xdp_md *context, __u32 header, __u32 n)
{
	return bpf_xdp_adjust_tail(context, (int)(AT_TCP + header + n - frame_bytes(context)));
}

/* A whole segment, without fragments and IP options, whose header lies in the frame. */
static __always_inline int is_segment(__u16 *w, const __u16 *end)
{
	return w + T_OPTIONS <= end && is_plain(w, TCP);
}

#endif
