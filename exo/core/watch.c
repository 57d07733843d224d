/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmit rings without doorbells: a core that runs nobody looks at their heads as often as it
 * polls, and says so in the rings, so that environments on other cores send without a call.
 *
 * Who goes to sleep or lets somebody run takes the word back first and looks at the heads then; who
 * sends writes the head first and looks at the word then. Both with a full fence between: one of
 * them sees the other.
 */
#include "net_packet.h"

static void tell(struct net_ring_set *set, uint32_t watched)
{
	for (uint32_t i = 0; set && i < set->n; i++) {
		struct net_ring *ring = __atomic_load_n(&set->rings[i], __ATOMIC_ACQUIRE);

		if (ring)
			__atomic_store_n(&ring->request->watched, watched, __ATOMIC_RELAXED);
	}
}

/* Rings the bells of those that have something. → whether there was any. */
static bool look(struct net_core *core, struct net_ring_set *set)
{
	bool any = false;

	for (uint32_t i = 0; set && i < set->n; i++) {
		struct net_ring *ring = __atomic_load_n(&set->rings[i], __ATOMIC_ACQUIRE);
		uint32_t head = 0;

		if (ring)
			head = __atomic_load_n(&ring->request->head, __ATOMIC_RELAXED);
		/* Seen, not sent: what waits for the port, or for completions, has its bell. */
		if (!ring || head == ring->seen)
			continue;
		ring->seen = head;
		__atomic_store_n(&net.bells[ring->id % NET_RINGS_MAX].rung, 1, __ATOMIC_RELAXED);
		any = true;
	}
	if (any)
		__atomic_store_n(&core->rung, 1, __ATOMIC_RELAXED);
	return any;
}

void watch_rings(struct net_core *core)
{
	struct net_ring_set *set = __atomic_load_n(&core->transmit, __ATOMIC_ACQUIRE);

	if (set != core->watched) {
		tell(set, 1);
		core->watched = set;
	}
	(void)look(core, set);
}

bool net_watch(unsigned number, bool on)
{
	struct net_core *core = &net.cores[number];
	bool any;

	core->watching = on;
	if (on || !core->watched)
		return false;
	machine_vector_begin();
	retire_online(core);
	core->watched = NULL;
	tell(__atomic_load_n(&core->transmit, __ATOMIC_ACQUIRE), 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	any = look(core, __atomic_load_n(&core->transmit, __ATOMIC_ACQUIRE));
	retire_offline(core);
	machine_vector_end();
	return any;
}
