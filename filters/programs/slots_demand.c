/* SPDX-License-Identifier: BSD-2-Clause */
/* A scheduler: the strand gets a slot for each datagram that came for the application, as the
 * network extension tells. */
#include "slots.h"

extern __u64 tally_take(__u64 application);

SEC("call")
__u64 schedule(__u64 env)
{
	add_word(SLOT_SEEN, 1);
	if (tally_take(word(SLOT_APPLICATION)))
		give();
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
