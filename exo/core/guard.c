/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transmit guard: a frame may leave when its header, as it will be sent, lies in the transmit
 * set of the flow space. The set's conjunctions are positional, so nothing is parsed that a
 * receiver could parse differently; what they test must lie in the first NET_HEADER_BYTES, because
 * a term behind them is false. A set that holds ports also tests that the fragment offset is zero
 * (flt's extraction does), so later fragments pass only where a conjunction grants the address
 * without ports.
 *
 * Of a packet that becomes segments the header is judged once, so it is what must let it pass
 * (ring_transmit.c).
 *
 * A space never changes. So the conjunction that let a frame pass lets all pass that are like it
 * under the conjunction's digest, and most are like the one before.
 */
#include "net_state.h"

static void remember(struct net_guard *guard, const struct flt_conjunction *conjunction,
                     const struct flt_frame *frame)
{
	struct flt_digest digest;

	flt_digest_begin(&digest);
	guard->least = guard->brief.least = 0;
	if (!flt_digest_conjunction(&digest, conjunction, frame))
		return;
	guard->mask = digest.mask;
	flt_digest_key(&digest, frame, &guard->key);
	guard->least = digest.least;
	flt_brief_make(&guard->brief, &digest, &guard->key, 0);
}

bool guard_search(const struct net_space *space, const struct flt_frame *frame,
                  struct net_guard *guard)
{
	struct flt_flow set = space->transmit;

	for (uint32_t i = 0; i < set.n; i++) {
		uint32_t at = (guard->hint + i) % set.n;

		if (flt_conjunction_match(&set.conjunctions[at], frame)) {
			guard->hint = at;
			remember(guard, &set.conjunctions[at], frame);
			return true;
		}
	}
	return false;
}
