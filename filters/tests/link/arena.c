/* SPDX-License-Identifier: BSD-2-Clause */
/* Variables in an arena: what may be done with them, and what must not. */
#include "../../programs/handler.h"

enum { WORDS = 1024 }; /* two frames */

struct {
	__u64 words[WORDS];
} arena SEC(".bss.arena");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} other SEC(".maps");

__u8 small[16] SEC(".bss.small");

/* ---- What is fine ---- */

SEC("call")
__u64 reads(__u64 i)
{
	return i < WORDS ? arena.words[i] : 4711;
}

SEC("call")
__u64 writes(__u64 i, __u64 value)
{
	arena.words[i % WORDS] = value;
	return 0;
}

/* → what it was. */
SEC("call")
__u64 adds(__u64 i, __u64 value)
{
	return __sync_fetch_and_add(&arena.words[i & (WORDS - 1)], value);
}

/* A byte at any place. */
SEC("call")
__u64 writes_byte(__u64 at, __u64 value)
{
	__u8 *bytes = (__u8 *)arena.words;
	if (at < sizeof(arena))
		bytes[at] = (__u8)value;
	return 0;
}

/* A number that was read once is known. */
SEC("call")
__u64 looks_up(__u64 i)
{
	__u64 at = *(volatile __u64 *)&arena.words[i & (WORDS - 1)];
	return at < sizeof(small) ? small[at] : 4711;
}

/* Memory for helpers. */
SEC("call")
__u64 keeps(__u64 i)
{
	__u32 key = 1;
	__u64 *kept;
	if (bpf_map_update_elem(&other, &key, &arena.words[i & (WORDS - 1)], 0))
		return 4711;
	kept = bpf_map_lookup_elem(&other, &key);
	return kept ? *kept : 4711;
}

/* ---- What is not ---- */

SEC("call")
__u64 reads_beyond(__u64 i)
{
	return i <= WORDS ? arena.words[i] : 0;
}

SEC("call")
__u64 reads_before(__u64 i)
{
	__u64 *word = arena.words + 1;
	return i < 3 ? *(word - i) : 0;
}

SEC("call")
__u64 reads_anywhere(__u64 i)
{
	return arena.words[i];
}

SEC("call")
__u64 writes_half_beyond(__u64 value)
{
	*(volatile __u64 *)((__u8 *)arena.words + sizeof(arena) - 4) = value;
	return 0;
}

/* The second number is another one. */
SEC("call")
__u64 looks_twice(__u64 i)
{
	volatile __u64 *at = &arena.words[i & (WORDS - 1)];
	return *at < sizeof(small) ? small[*at] : 4711;
}

SEC("call")
__u64 adds_askew(__u64 value)
{
	return __sync_fetch_and_add((__u64 *)((__u8 *)arena.words + 4), value);
}

SEC("call")
__u64 tells_where(__u64 i)
{
	return (__u64)&arena.words[i & 1];
}

SEC("call")
__u64 keeps_a_pointer(__u64 i)
{
	arena.words[i & 1] = (__u64)arena.words;
	return 0;
}

/* What an environment wrote is no pointer, wherever it points. */
SEC("call")
__u64 follows(__u64 i)
{
	__u64 *volatile *at = (__u64 *volatile *)&arena.words[i & 1];
	return **at;
}

char _license[] SEC("license") = "Dual BSD/GPL";
