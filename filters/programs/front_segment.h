/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments as front.c sees them: with the record of who sends them. */
#ifndef FRONT_SEGMENT_H
#define FRONT_SEGMENT_H

#include "../include/handlers/front.h"
#include "tcp.h"

enum {
	NO_SCALE = 15,
	MSS_DEFAULT = 536,
};

struct front_rules rules SEC(".data.rules") = {.period = 0};

struct record;

struct question {
	struct segment s;
	struct record *r;
	__u64 kept;  /* the record's `who` when the segment came */
	__u64 tag;   /* where the peer's stands in one */
	__u64 next;  /* the record's numbers, as `kept` */
	__u32 place; /* the record's number */
	__u32 state;
};

/* An address that is some host's, and a frame that is for this one. */
static __always_inline int is_for_us(const struct question *q)
{
	return is_between_hosts(&q->s, *(const __u64 *)rules.from);
}

static __always_inline void turn_around(const struct question *q, __u32 flags, __u64 numbers,
                                        __u32 header, __u32 n, __u64 sum)
{
	turn(&q->s, *(const __u64 *)rules.from,
	     bpf_htons((__u16)flags) | (__u32)bpf_htons(rules.window) << 16, numbers, header, n,
	     sum);
}

#endif
