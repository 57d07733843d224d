/* SPDX-License-Identifier: BSD-2-Clause */
/* What a test sees of, and does in place of, the packet path. */
#ifndef CORE_TESTS_NET_NONE_H
#define CORE_TESTS_NET_NONE_H

#include <stdint.h>

struct env;

struct net_none {
	unsigned polls, sends, ends, quiesces;
	uint64_t bell; /* the only ring there is; 0: none */
	void (*on_end)(struct env *env);
	unsigned (*on_poll)(unsigned core);
};

extern struct net_none net_none;

#endif
