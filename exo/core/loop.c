/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that environments of this machine send to each other. They pass the sender's guard like
 * all others, and then
 *
 *     to the port's own MAC address    stay here: no wire would bring them back
 *     to a group                       leave by the port and come in besides, for all but their
 *                                      sender
 *
 * demultiplexed as if they had arrived on that port. What leaves to another address costs one
 * comparison. A group's frame comes in when the port has taken it, so that one that has to wait
 * does not come in twice.
 */
#include "net_packet.h"

#include <rte_ether.h>

void loop_hold(struct rte_mbuf *mbuf, enum loop_way way)
{
	if (way == LOOP_BESIDES)
		rte_pktmbuf_refcnt_update(mbuf, 1);
}

void loop_release(unsigned core, const struct net_ring *ring, uint16_t port, struct rte_mbuf *mbuf,
                  enum loop_way way, bool sent)
{
	if (way == LOOP_NOT)
		return;
	if (sent)
		demux_local(core, way == LOOP_BESIDES ? ring->env : NULL, port, mbuf);
	/* What handlers left to do is done before this core reads nothing any more: they may be
	 * gone then. */
	if (net.cores[core].after)
		net.cores[core].marked = true;
	rte_pktmbuf_free(mbuf);
}
