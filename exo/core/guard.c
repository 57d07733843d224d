/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transmit guard: a frame may leave when its header, as it will be sent, lies in the transmit
 * set of the flow space. The set's conjunctions are positional, so nothing is parsed that a
 * receiver could parse differently; what they test must lie in the first NET_HEADER_BYTES, because
 * a term behind them is false. A set that holds ports also tests that the fragment offset is zero
 * (flt's extraction does), so later fragments pass only where a conjunction grants the address
 * without ports.
 */
#include "net_state.h"

bool guard_allows(const struct net_space *space, const struct flt_frame *frame, uint32_t *hint)
{
	struct flt_flow set = space->transmit;

	if (*hint < set.n && flt_conjunction_match(&set.conjunctions[*hint], frame))
		return true;
	for (uint32_t i = 0; i < set.n; i++) {
		if (flt_conjunction_match(&set.conjunctions[i], frame)) {
			*hint = i;
			return true;
		}
	}
	return false;
}
