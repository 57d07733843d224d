/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Active messages (von Eicken et al., ISCA 1992): a datagram names the handler that takes it out of
 * the network. Words in network order:
 *
 *     operation, slot, value      0: add value to counter `slot`, answer what it was
 *                                 1: answer counter `slot`
 *                                 2: the bytes behind go to part `slot` of the arena, the
 *                                    environment is woken, nothing is answered
 *
 * Answers have operation and slot, and the counter as value. A part is PART bytes: its first word
 * is the number of bytes that follow.
 */
#include "message.h"

enum { ADD, READ, STORE, SLOTS = 64, PART = 1024, WORDS = 3 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(max_entries, SLOTS *PART / 4096);
} parts SEC(".maps");

static __always_inline int store(struct xdp_md *context, __u32 slot, __u32 n)
{
	if (slot >= SLOTS || n > PART - 4)
		return XDP_DROP;
	if (exo_arena_store(&parts, slot * PART + 4, context, AT_PAYLOAD + 4 * WORDS, n) < 0)
		return XDP_DROP;
	/* The length last: who polls the part finds the bytes behind it. */
	return exo_arena_write(&parts, slot * PART, &n, sizeof(n)) ? XDP_DROP : XDP_DROP | WAKE;
}

SEC("xdp")
int active(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 *words = (void *)(w + W_L4 + 4), slot, operation;
	__u64 *counter, was;
	int n;
	if ((void *)(words + WORDS) > (void *)end || !is_plain(w, UDP))
		return XDP_PASS;
	n = payload_bytes(w, end);
	if (n < 4 * WORDS)
		return XDP_PASS;
	operation = bpf_ntohl(words[0]);
	slot = bpf_ntohl(words[1]);
	if (operation == STORE)
		return store(context, slot, (__u32)n - 4 * WORDS);
	counter = bpf_map_lookup_elem(&counters, &slot);
	if (!counter || operation > STORE)
		return XDP_DROP;
	was = operation == ADD ? __sync_fetch_and_add(counter, (__u64)bpf_ntohl(words[2]))
	                       : *counter;
	words[2] = bpf_htonl((__u32)was);
	return resize(context, 4 * WORDS) ? XDP_DROP : answer(context, 4 * WORDS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
