/* SPDX-License-Identifier: BSD-2-Clause */
/* What a handler must not do, one function each; and a name that is the kernel's. */
#include "../../programs/handler.h"

extern __s64 exo_phys_nominate(__u64 frame);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} words SEC(".maps");

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(max_entries, 1);
} arena SEC(".maps");

static __always_inline __u64 *word(void)
{
	__u32 i = 0;
	return bpf_map_lookup_elem(&words, &i);
}

SEC("call")
__u64 loops(void)
{
	volatile __u64 *place = word();
	while (place && !*place)
		continue;
	return 0;
}

SEC("call")
__u64 leaks_by_result(void)
{
	return (__u64)word();
}

SEC("call")
__u64 leaks_by_map(void)
{
	__u64 *place = word();
	if (place)
		*place = (__u64)place;
	return 0;
}

/* The kernel would be told an address of its own as a number. */
SEC("call")
__u64 leaks_by_service(void)
{
	__u64 *place = word();
	return place ? (__u64)exo_phys_nominate((__u64)place) : 0;
}

SEC("call")
__u64 writes_outside(__u64 where)
{
	__u64 *place = word();
	if (place)
		place[where & 15] = 1;
	return 0;
}

/* → 0, or -EFAULT where the arena has not so many bytes. */
SEC("call")
__u64 writes_arena(__u64 offset)
{
	__u64 value = 0x5a5a5a5a5a5a5a5a;
	return (__u64)exo_arena_write(&arena, offset, &value, sizeof(value));
}

/* A service's name, with other types. */
SEC("call")
__u32 exo_phys_allocate(__u32 count)
{
	return count;
}

/* The same once more, with its types. */
SEC("call")
__s64 exo_phys_deallocate(__u64 first, __u64 count)
{
	return 4711;
}

char _license[] SEC("license") = "Dual BSD/GPL";
