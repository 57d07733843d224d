/* SPDX-License-Identifier: BSD-2-Clause */
/* What schedulers are told and tell, for their environment to write and read. */
#ifndef SLOTS_H
#define SLOTS_H

#include "service.h"

enum {
	SLOT_STRAND = 0,      /* the environment that may have slots */
	SLOT_APPLICATION = 1, /* its number for the network extension */
	SLOT_SEEN = 2,        /* slots that began */
	SLOT_GIVEN = 3,       /* of these, given away */
	SLOT_WORDS = 4,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOT_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} words SEC(".maps");

static __always_inline __u64 word(__u32 i)
{
	__u64 *place = bpf_map_lookup_elem(&words, &i);
	return place ? *place : 0;
}

static __always_inline void add_word(__u32 i, __u64 by)
{
	__u64 *place = bpf_map_lookup_elem(&words, &i);
	if (place)
		*place += by;
}

/* The slot that begins goes to the strand, if it can run. */
static __always_inline void give(void)
{
	if (word(SLOT_STRAND) && exo_strand_resume(word(SLOT_STRAND)) == 0)
		add_word(SLOT_GIVEN, 1);
}

#endif
