/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A remote procedure call over UDP, answered where it arrives. Words in network order: a call is
 * id, procedure, two arguments; a reply the id, a status (0, or 1: no such procedure, 2: no such
 * key, 3: no room), the result. Procedures:
 *
 *     0  nothing      1  add a and b      2  the value of key a      3  key a gets value b
 *
 * A repeated call is answered alike: what changes something may come twice.
 */
#include "message.h"

enum { NOTHING, SUM, GET, PUT, CALL_WORDS = 4, REPLY_WORDS = 3 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} table SEC(".maps");

struct reply {
	__u32 id, status, result;
};

static __always_inline __u32 get(__u32 key, __u32 *result)
{
	__u32 *found = bpf_map_lookup_elem(&table, &key);
	if (!found)
		return 2;
	*result = *found;
	return 0;
}

static __always_inline __u32 run(__u32 procedure, __u32 a, __u32 b, __u32 *result)
{
	switch (procedure) {
	case NOTHING:
		return 0;
	case SUM:
		*result = a + b;
		return 0;
	case GET:
		return get(a, result);
	case PUT:
		return bpf_map_update_elem(&table, &a, &b, BPF_ANY) ? 3 : 0;
	default:
		return 1;
	}
}

SEC("xdp")
int rpc(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 *words = (void *)(w + W_L4 + 4), result = 0;
	struct reply reply = {0};
	if ((void *)(words + CALL_WORDS) > (void *)end || !is_plain(w, UDP) ||
	    payload_bytes(w, end) != 4 * CALL_WORDS)
		return XDP_PASS;
	reply.id = words[0];
	reply.status = bpf_htonl(
	        run(bpf_ntohl(words[1]), bpf_ntohl(words[2]), bpf_ntohl(words[3]), &result));
	reply.result = bpf_htonl(result);
	if (resize(context, sizeof(reply)) ||
	    bpf_xdp_store_bytes(context, AT_PAYLOAD, &reply, sizeof(reply)))
		return XDP_DROP;
	return answer(context, sizeof(reply));
}

char _license[] SEC("license") = "Dual BSD/GPL";
