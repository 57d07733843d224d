/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls the kernel's services: every one of them, and as a pager does. */
#include "../../programs/service.h"

/* What the last handler saw, and how often it ran. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline void note(__u32 i, __u64 value)
{
	__u64 *place = bpf_map_lookup_elem(&seen, &i);
	if (place)
		*place = value;
}

static __always_inline __u64 read(__u32 i)
{
	__u64 *place = bpf_map_lookup_elem(&seen, &i);
	return place ? *place : 0;
}

SEC("call")
__s64 allocate(__u64 count)
{
	return exo_phys_allocate(count, 1);
}

SEC("call")
__s64 give_back(__u64 first, __u64 count)
{
	return exo_phys_deallocate(first, count);
}

SEC("call")
__s64 create(__u64 frames)
{
	return exo_context_create(frames);
}

SEC("call")
__s64 block(__u64 env, __u64 core)
{
	return exo_strand_block(env, core);
}

/* Backs the page with a fresh frame: the access is tried again. */
SEC("call")
__u64 page_in(__u64 env, __u64 address)
{
	__s64 frame = exo_phys_allocate(1, 1);
	note(0, address);
	if (frame < 0 ||
	    exo_mapping_add(0, address & ~4095ull, frame, 1, RIGHT_READ | RIGHT_WRITE) < 0)
		return 0;
	note(1, read(1) + 1);
	return RESULT_DONE;
}

/* Notes what it is told, and that it could not be helped. */
SEC("call")
__u64 note_bad(__u64 env, __u64 address)
{
	note(2, address);
	return 0;
}

SEC("call")
__u64 note_protection(__u64 env, __u64 address)
{
	note(3, address);
	return 0;
}

/* Says done though nothing was mended. */
SEC("call")
__u64 pretend(__u64 env, __u64 address)
{
	note(4, read(4) + 1);
	return RESULT_DONE;
}

/* Gives seen[5] rather than what was asked for. */
SEC("call")
__u64 nominate(__u64 env, __u64 frame)
{
	note(6, frame);
	if (read(5))
		exo_phys_nominate(read(5));
	return 0;
}

/* The slot goes to the environment that seen[7] names. */
SEC("call")
__u64 schedule(__u64 env)
{
	if (read(7))
		exo_strand_resume(read(7));
	return 0;
}

SEC("call")
__u64 tidy(__u64 env)
{
	__s64 frame = exo_phys_allocate(1, 1);
	if (frame >= 0)
		exo_phys_deallocate(frame, 1);
	note(0, (__u64)frame);
	note(1, read(1) + 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
