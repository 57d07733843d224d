/* SPDX-License-Identifier: BSD-2-Clause */
/* What caller and callee agree on. */
#ifndef LINK_PAIR_H
#define LINK_PAIR_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct pair {
	__u32 a;
	__u32 b;
	__u64 sum;
};

#endif
