/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load balancer: sends each datagram on to one of the backends, chosen by client address and
 * port, by its link address ("direct server return": the backends own the address, too, and answer
 * by themselves). The environment puts the backends into `backends` and their number, and the link
 * address of this machine, into `state`; each backend counts what it got.
 */
#include "handler.h"

enum { UDP = 17, BACKENDS_MAX = 64 };

struct backend {
	__u16 link[3];
	__u16 reserved;
	__u64 frames;
};

struct state {
	__u32 n;
	__u16 link[3]; /* ours */
	__u16 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BACKENDS_MAX);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} state SEC(".maps");

static __always_inline __u32 mix(__u32 client, __u32 port)
{
	__u64 h = ((__u64)client << 16 | port) * 0x9e3779b97f4a7c15ull;
	return (__u32)(h >> 32);
}

SEC("xdp")
int balance(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 zero = 0, chosen;
	struct state *s = bpf_map_lookup_elem(&state, &zero);
	struct backend *backend;
	if (!s || !s->n || w + W_L4 + 4 > end || !is_plain(w, UDP))
		return XDP_PASS;
	/* n shares of equal size of what the hash can be. */
	chosen = (__u32)(((__u64)mix(*long_at(w, W_SOURCE), w[W_L4]) * s->n) >> 32);
	backend = bpf_map_lookup_elem(&backends, &chosen);
	if (!backend)
		return XDP_PASS;
	w[0] = backend->link[0];
	w[1] = backend->link[1];
	w[2] = backend->link[2];
	w[3] = s->link[0];
	w[4] = s->link[1];
	w[5] = s->link[2];
	__sync_fetch_and_add(&backend->frames, 1);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
