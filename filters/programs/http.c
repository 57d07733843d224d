/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One fixed object by HTTP/1.1 (RFC 9112), without a connection: SYN → SYN, ACK with a cookie; a
 * GET that brings the cookie back → the whole response and FIN in one segment; FIN → ACK; a bare
 * ACK needs none; anything else → RST. A lost response comes again when the GET does. The
 * environment puts the response, header and body, of at most RESPONSE_MAX bytes, into the arena,
 * and its length into `length`.
 */
#include "stateless.h"

enum { RESPONSE_MAX = 1400, REQUEST_MAX = 1460 };

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(max_entries, 1);
} response SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} length SEC(".maps");

static __always_inline int respond(struct xdp_md *context, __u32 sequence, __u32 acknowledged)
{
	__u32 zero = 0, *n = bpf_map_lookup_elem(&length, &zero), size = n ? *n : 0;
	if (!size || size > RESPONSE_MAX ||
	    exo_arena_tail(&response, 0, context, AT_TCP + HEADER_BYTES, size))
		return XDP_DROP;
	return reply(context, HEADER_BYTES, size, ACK | PSH | FIN, sequence, acknowledged);
}

/* The four bytes behind the TCP header, wherever it ends. */
static __always_inline int begins_with_get(struct xdp_md *context, int header)
{
	char text[4];
	return !bpf_xdp_load_bytes(context, AT_TCP + header, text, sizeof(text)) &&
	       text[0] == 'G' && text[1] == 'E' && text[2] == 'T' && text[3] == ' ';
}

SEC("xdp")
int http(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 sequence, acknowledged;
	int flags, n, get;
	if (!is_segment(w, end))
		return XDP_PASS;
	flags = flags_of(w);
	n = segment_bytes(w);
	if (n < 0 || n > REQUEST_MAX || flags & RST)
		return XDP_DROP;
	if ((flags & (SYN | ACK)) == SYN)
		return answer_syn(context, w);
	if (!(flags & ACK))
		return XDP_DROP;
	sequence = bpf_ntohl(*long_at(w, T_ACK));
	acknowledged = bpf_ntohl(*long_at(w, T_SEQUENCE)) + n + !!(flags & FIN);
	if (!n && !(flags & FIN))
		return XDP_DROP;
	get = n && is_answer(w, 1, 1) && begins_with_get(context, header_bytes(w));
	if (get)
		return respond(context, sequence, acknowledged);
	if (fit(context, HEADER_BYTES, 0))
		return XDP_DROP;
	return reply(context, HEADER_BYTES, 0, n ? RST | ACK : ACK, sequence, acknowledged);
}

char _license[] SEC("license") = "Dual BSD/GPL";
