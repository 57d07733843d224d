/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET by memcached's UDP protocol (protocol.txt, "UDP protocol" and "Retrieval command"): `get KEY`
 * alone in one datagram. The environment renders each answer ("VALUE KEY FLAGS BYTES", the data,
 * "END") into the arena and enters key, place and size into `values`; a key that is not there is
 * answered by END. Every other command goes to the environment.
 */
#include "message.h"

enum { KEY_MAX = 31, HEADER = 8, RESPONSE_MAX = 1400 };

struct key {
	__u8 length;
	char bytes[KEY_MAX];
};

struct place {
	__u32 offset; /* in the arena */
	__u32 size;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, struct place);
} values SEC(".maps");

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(max_entries, 16);
} responses SEC(".maps");

static const char nothing[] = "END\r\n";

/* The key behind "get "; its length, or 0: it is not so plain. */
static __always_inline int read_key(const char *at, const char *end, struct key *key)
{
	int n = 0;
	for (; n <= KEY_MAX; n++, at++) {
		if (at + 1 > end)
			return 0;
		if (*at == '\r')
			break;
		if (n == KEY_MAX || *at <= ' ')
			return 0;
		key->bytes[n] = *at;
	}
	key->length = (__u8)n;
	return n;
}

static __always_inline int respond(struct xdp_md *context, const struct place *place)
{
	__u32 offset = place->offset, size = place->size;
	if (size > RESPONSE_MAX || resize(context, HEADER + size) ||
	    exo_arena_load(&responses, offset, context, AT_PAYLOAD + HEADER, size) < 0)
		return XDP_DROP;
	return answer(context, HEADER + size);
}

SEC("xdp")
int memcached(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	char *text = (char *)(w + W_L4 + 4) + HEADER;
	struct key key = {0};
	struct place *place;
	if (text + 4 > (char *)end || !is_plain(w, UDP))
		return XDP_PASS;
	/* One datagram: sequence 0 of 1. */
	if (w[W_L4 + 5] || w[W_L4 + 6] != bpf_htons(1) || text[0] != 'g' || text[1] != 'e' ||
	    text[2] != 't' || text[3] != ' ' || !read_key(text + 4, (char *)end, &key))
		return XDP_PASS;
	place = bpf_map_lookup_elem(&values, &key);
	if (place)
		return respond(context, place);
	if (resize(context, HEADER + sizeof(nothing) - 1) ||
	    bpf_xdp_store_bytes(context, AT_PAYLOAD + HEADER, (void *)nothing, sizeof(nothing) - 1))
		return XDP_DROP;
	return answer(context, HEADER + sizeof(nothing) - 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
