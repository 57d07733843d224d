/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demultiplexer: takes a burst from a NIC queue, asks the port's table who each frame belongs
 * to, and delivers. Taps get their copies while the table is asked; what nobody bound goes to the
 * host bindings; what they don't want either is counted as unmatched.
 *
 * Filters judge contiguous bytes. A frame that lies in several segments is judged from a copy in
 * one piece, so that the verdict is the one that the expression means.
 */
#include "net_packet.h"

#include <rte_ethdev.h>

/* Frames on their way through the tables. */
struct burst {
	unsigned core;
	struct net_port *port;
	unsigned n;
	struct net_packet packets[NET_BURST];
	struct flt_frame frames[NET_BURST];
	struct flt_verdict verdicts[NET_BURST];
};

_Static_assert((int)NET_BURST <= (int)FLT_TABLE_BURST_MAX, "a burst is one look-up");

static void count_outcome(struct exo_binding_counters *counters, enum ring_outcome outcome,
                          uint32_t bytes)
{
	switch (outcome) {
	case RING_DELIVERED:
		counters->delivered_packets++;
		counters->delivered_bytes += bytes;
		break;
	case RING_NO_BUFFER:
		counters->dropped_no_buffer++;
		break;
	case RING_FULL:
		counters->dropped_ring_full++;
		break;
	}
}

/* Gives a frame to a binding: counts it, and delivers where the binding has a ring. */
static void give(struct burst *burst, unsigned i, struct net_binding *binding, uint32_t accept,
                 uint16_t flags)
{
	const struct net_packet *packet = &burst->packets[i];
	struct net_binding_core *part = &binding->cores[burst->core];
	enum ring_outcome outcome;

	part->counters.matched_packets++;
	part->counters.matched_bytes += packet->length;
	net_mark_binding(burst->core, part);
	if (!part->ring)
		return;
	outcome = ring_deliver(part->ring, packet, accept, flags, binding->id);
	count_outcome(&part->counters, outcome, accept < packet->length ? accept : packet->length);
	if ((flags & EXO_DESC_TAP) && outcome != RING_DELIVERED)
		net.cores[burst->core].drops[packet->port].tap_lost++;
	net_mark_ring(burst->core, part->ring, outcome == RING_DELIVERED);
}

static void give_tap(void *arg, uint32_t index, void *owner, uint32_t accept)
{
	give(arg, index, owner, accept, EXO_DESC_TAP);
}

static void give_host(struct burst *burst, unsigned i)
{
	struct flt_verdict verdict;

	flt_table_classify(burst->port->host, &burst->frames[i], 1, &verdict, NULL);
	if (verdict.owner)
		give(burst, i, verdict.owner, verdict.accept, 0);
	else
		net.cores[burst->core].drops[burst->packets[i].port].unmatched++;
}

/* Delivers what has been gathered, and begins anew. */
static void flush(struct burst *burst)
{
	struct flt_tap_sink taps = {.matched = give_tap, .arg = burst};

	if (burst->n == 0)
		return;
	flt_table_classify(burst->port->bound, burst->frames, burst->n, burst->verdicts, &taps);
	for (unsigned i = 0; i < burst->n; i++) {
		struct flt_verdict *verdict = &burst->verdicts[i];

		if (verdict->owner)
			give(burst, i, verdict->owner, verdict->accept, 0);
		else
			give_host(burst, i);
	}
	burst->n = 0;
}

/* What hardware said of the checksums. A virtio peer leaves them open for frames that never were
 * on a wire (RX_L4_CKSUM_NONE): those need no check. */
static uint16_t checksum_flags(uint64_t ol_flags)
{
	uint64_t l3 = ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t l4 = ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint16_t flags = 0;

	if (l3 == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		flags |= EXO_DESC_L3_SUM_OK;
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		flags |= EXO_DESC_L4_SUM_OK;
	if (l3 == RTE_MBUF_F_RX_IP_CKSUM_BAD || l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		flags |= EXO_DESC_SUM_BAD;
	return flags;
}

static void gather(struct burst *burst, struct rte_mbuf *mbuf, uint16_t port, uint16_t queue,
                   uint64_t now)
{
	bool segmented = mbuf->nb_segs > 1;
	struct net_packet *packet;
	struct flt_frame *frame;

	if (segmented)
		flush(burst); /* in order, and alone: there is one scratch area */
	packet = &burst->packets[burst->n];
	frame = &burst->frames[burst->n++];
	packet->mbuf = mbuf;
	packet->length = mbuf->pkt_len;
	packet->hash = mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH ? mbuf->hash.rss : 0;
	packet->timestamp = now;
	packet->port = port;
	packet->flags = checksum_flags(mbuf->ol_flags);
	frame->data =
	        segmented ? rte_pktmbuf_read(mbuf, 0, mbuf->pkt_len, net.cores[burst->core].scratch)
	                  : rte_pktmbuf_mtod(mbuf, const uint8_t *);
	frame->len = frame->wire_len = mbuf->pkt_len;
	frame->port = port;
	frame->queue = queue;
	frame->tsc = now;
	if (segmented)
		flush(burst);
}

static bool malformed(const struct rte_mbuf *mbuf)
{
	return mbuf->pkt_len < RTE_ETHER_HDR_LEN || mbuf->pkt_len > EXO_FRAME_BYTES_MAX;
}

static void sort_out(struct burst *burst, struct rte_mbuf **mbufs, unsigned n, uint16_t port,
                     uint16_t queue)
{
	uint64_t now = machine_tsc();

	for (unsigned i = 0; i < n; i++) {
		if (malformed(mbufs[i]))
			net.cores[burst->core].drops[port].malformed++;
		else
			gather(burst, mbufs[i], port, queue, now);
	}
	flush(burst);
}

unsigned demux_burst(unsigned core, uint16_t port, uint16_t queue)
{
	struct rte_mbuf *mbufs[NET_BURST];
	struct burst burst;
	unsigned n = port_receive(port, queue, mbufs, NET_BURST);

	if (n == 0)
		return 0;
	burst.core = core;
	burst.port = &net.ports[port];
	burst.n = 0;
	sort_out(&burst, mbufs, n, port, queue);
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(mbufs[i]);
	return n;
}
