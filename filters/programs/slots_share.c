/* SPDX-License-Identifier: BSD-2-Clause */
/* A scheduler: of four slots the strand gets one. */
#include "slots.h"

enum { PART = 4 };

SEC("call")
__u64 schedule(__u64 env)
{
	add_word(SLOT_SEEN, 1);
	if (word(SLOT_SEEN) % PART == 0)
		give();
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
