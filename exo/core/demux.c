/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demultiplexer: takes a burst from a NIC queue, asks the port's table who each frame belongs
 * to, and delivers. Taps get their copies while the table is asked; what nobody bound goes to the
 * host bindings; what they don't want either is counted as unmatched.
 *
 * Filters judge contiguous bytes. A frame that lies in several segments is judged from a copy in
 * one piece, so that the verdict is the one that the expression means. A later fragment of a
 * datagram goes where its first fragment went (flt/fragment.h), whatever it looks like; taps judge
 * it as it is.
 *
 * Nearly every frame is like one before: its verdict is found under its digest (flt/digest.h), and
 * it is delivered at once. The others are gathered, so that the table is asked once for all of
 * them; what comes behind them waits with them, so that nobody's frames change their order.
 */
#include "net_packet.h"

#include <rte_ethdev.h>

/* Frames on their way through the tables. */
struct burst {
	unsigned core;
	struct net_port *port;
	struct flt_cache *cache;
	uint64_t generation; /* of the tables, before they were asked */
	unsigned n;
	struct net_packet packets[NET_BURST];
	struct flt_frame frames[NET_BURST];
	struct flt_verdict verdicts[NET_BURST];
};

/* Whose frames that nobody wants are, where a verdict is kept. */
static struct net_binding_core nobody;

_Static_assert((int)NET_BURST <= (int)FLT_TABLE_BURST_MAX, "a burst is one look-up");

static __attribute__((noinline)) void count_lost(struct net_binding_core *part, bool full)
{
	if (full)
		part->counters->dropped_ring_full++;
	else
		part->counters->dropped_no_buffer++;
	account_add(full ? &part->account->rx_ring_full : &part->account->rx_no_buffer, 1);
	account_add(&part->account->rx_dropped, 1);
}

static inline uint32_t accepted(const struct net_packet *packet, uint32_t accept)
{
	return accept < packet->length ? accept : packet->length;
}

static inline void put(unsigned core, const struct net_packet *packet, struct net_binding *binding,
                       uint32_t accept, uint16_t flags)
{
	struct net_binding_core *part = &binding->cores[core];
	enum ring_outcome outcome;

	if (!part->ring)
		return;
	outcome = ring_deliver(part->ring, packet, accept, flags, binding->id);
	if (outcome == RING_DELIVERED) {
		net_count_delivered(part, 1, accepted(packet, accept));
		net_wake(core, part->ring);
		return;
	}
	count_lost(part, outcome == RING_FULL);
	if (flags & EXO_DESC_TAP)
		net.cores[core].drops[packet->port].tap_lost++;
	if (outcome == RING_FULL)
		core_raise(binding->env, EXO_EXT_RING_FULL, binding->id, part->ring->id, 0);
}

void demux_put(unsigned core, const struct net_packet *packet, struct net_binding *binding,
               uint32_t accept)
{
	put(core, packet, binding, accept, 0);
}

/* Gives a frame to a binding: counts it, and lets the handler have it first. */
static inline void give(unsigned core, struct net_packet *packet, struct net_binding *binding,
                        uint32_t accept, uint16_t flags)
{
	struct net_handler *handler = net_handler_of(binding);

	if (packet->sender == binding->env)
		return; /* a group hears its sender, the sender not itself */
	net_count_matched(&binding->cores[core], 1, packet->length);
	if (!handler || handler->run(handler, core, packet))
		put(core, packet, binding, accept, flags);
}

void demux_tap(unsigned core, struct net_packet *packet, struct net_binding *binding,
               uint32_t accept)
{
	give(core, packet, binding, accept, EXO_DESC_TAP);
}

static void give_tap(void *arg, uint32_t index, void *owner, uint32_t accept)
{
	struct burst *burst = arg;

	demux_tap(burst->core, &burst->packets[index], owner, accept);
}

static inline void deliver(unsigned core, struct net_packet *packet, struct flt_verdict verdict)
{
	if (verdict.owner)
		give(core, packet, verdict.owner, verdict.accept, 0);
	else
		net.cores[core].drops[packet->port].unmatched++;
}

unsigned demux_give(const struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n,
                    struct net_binding_core *part)
{
	uint64_t bytes;

	if (!part->ring)
		return 0;
	n = ring_deliver_run(part->ring, mbufs, n, part->id, queue->port, &bytes);
	if (n == 0)
		return 0;
	net_count_given(part, n, bytes);
	if (part->summed)
		net_mark_binding(part);
	net_wake(queue->core, part->ring);
	port_free_plain(mbufs, n);
	return n;
}

/* Those that the next one outdoes are freed, wherever they stand among frames that are all the
 * part's. → how many are left. */
static __attribute__((noinline)) unsigned leave_out(struct net_binding_core *part,
                                                    struct rte_mbuf **mbufs, unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; mbufs[left++] = mbufs[i++])
		i += net_drop_outdone(part, NULL, &mbufs[i], n - i);
	return left;
}

/* Delivers frames, which are nobody else's, by a verdict of the cache, and frees them. */
static void deliver_run(const struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n,
                        struct flt_verdict verdict, uint64_t now)
{
	struct net_binding_core *part = verdict.owner;
	unsigned given = 0;

	if (n > 1 && part->ring && __builtin_expect(part->ring->outdone != NULL, 0))
		n = leave_out(part, mbufs, n);
	if (part->ring && !net_handled_by(part))
		given = demux_give(queue, mbufs, n, part);
	verdict.owner = part->binding;
	for (; given < n; given++) {
		struct net_packet packet;

		net_describe(&packet, mbufs[given], queue->port, now);
		packet.own = true;
		deliver(queue->core, &packet, verdict);
		if (packet.own)
			port_free(&mbufs[given], 1);
	}
}

/* The verdict, or the host bindings' where nobody else wants the frame; a sender wants none back.
 */
static struct flt_verdict or_host(const struct burst *burst, unsigned i,
                                  const struct flt_frame *frame, struct flt_verdict verdict)
{
	const struct net_binding *owner = verdict.owner;
	uint32_t fixed = verdict.fixed;

	if (!owner || owner->env == burst->packets[i].sender) {
		flt_table_classify(burst->port->host, frame, 1, &verdict, NULL);
		verdict.fixed &= fixed;
	}
	return verdict;
}

void demux_describe(struct net_packet *packet, struct rte_mbuf *mbuf, uint16_t port)
{
	net_describe(packet, mbuf, port, machine_tsc());
	packet->own = true;
}

/* ---- Fragments ---- */

void demux_drop_fragment(void *mbuf, enum flt_fragment_drop cause)
{
	struct exo_drops *drops = &net.cores[machine_core()].drops[((struct rte_mbuf *)mbuf)->port];

	if (cause == FLT_FRAGMENT_EXPIRED)
		drops->fragments_expired++;
	else
		drops->fragments_crowded++;
	rte_pktmbuf_free(mbuf);
}

/* The first of a datagram decides for those that follow, and for those that wait already. */
static void deliver_first(struct burst *burst, unsigned i, const struct flt_fragment *fragment)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	struct net_packet *packet = &burst->packets[i];
	struct flt_frame whole =
	        flt_fragment_whole(&burst->frames[i], fragment, net.cores[burst->core].scratch);
	struct flt_verdict verdict = burst->verdicts[i];
	struct net_binding *binding;
	uint32_t n;

	if (fragment->header)
		flt_table_classify(burst->port->bound, &whole, 1, &verdict, NULL);
	if (!verdict.owner)
		verdict = burst->verdicts[i]; /* a filter for such fragments */
	verdict = or_host(burst, i, &whole, verdict);
	binding = verdict.owner;
	n = flt_fragments_first(net.fragments, &fragment->id, packet->timestamp, verdict,
	                        binding ? &binding->followed : NULL, held);
	deliver(burst->core, packet, verdict);
	for (uint32_t k = 0; k < n; k++) {
		struct net_packet early;

		net_describe(&early, held[k].packet, packet->port, held[k].arrived);
		deliver(burst->core, &early, verdict);
		rte_pktmbuf_free(held[k].packet);
	}
}

static void deliver_later(struct burst *burst, unsigned i, const struct flt_fragment *fragment)
{
	struct net_packet *packet = &burst->packets[i];
	struct rte_mbuf *mbuf = packet->mbuf; /* a handler may put a copy in its place */
	struct flt_verdict verdict;

	rte_pktmbuf_refcnt_update(mbuf, 1); /* the table's */
	switch (flt_fragments_later(net.fragments, &fragment->id, packet->timestamp, mbuf,
	                            &verdict)) {
	case FLT_FRAGMENT_FOLLOWS:
		deliver(burst->core, packet, verdict);
		rte_pktmbuf_free(mbuf);
		break;
	case FLT_FRAGMENT_REFUSED:
		demux_drop_fragment(mbuf, FLT_FRAGMENT_CROWDED);
		break;
	case FLT_FRAGMENT_HELD:
		break;
	}
}

static void deliver_whole(struct burst *burst, unsigned i)
{
	const struct flt_frame *frame = &burst->frames[i];
	struct flt_verdict verdict = or_host(burst, i, frame, burst->verdicts[i]);

	/* The last one stands for the burst: under a flood of others this costs little. What is
	 * kept names the core's own part of the binding, which gets all of each frame. */
	if (burst->cache && i + 1 == burst->n && verdict.accept == UINT32_MAX) {
		struct net_binding *binding = verdict.owner;
		struct flt_verdict kept = verdict;

		kept.owner = binding ? &binding->cores[burst->core] : &nobody;
		flt_cache_keep(burst->cache, burst->port->tables, burst->generation, frame, &kept);
	}
	deliver(burst->core, &burst->packets[i], verdict);
}

/* Delivers what has been gathered, and begins anew. */
static void flush(struct burst *burst)
{
	struct flt_tap_sink taps = {.matched = give_tap, .arg = burst};
	struct flt_fragment fragment;

	if (burst->n == 0)
		return;
	flt_table_classify(burst->port->bound, burst->frames, burst->n, burst->verdicts, &taps);
	for (unsigned i = 0; i < burst->n; i++) {
		switch (flt_fragment_parse(&burst->frames[i], &fragment)) {
		case FLT_FRAGMENT_NONE:
			deliver_whole(burst, i);
			break;
		case FLT_FRAGMENT_FIRST:
			deliver_first(burst, i, &fragment);
			break;
		case FLT_FRAGMENT_LATER:
			deliver_later(burst, i, &fragment);
			break;
		}
	}
	burst->n = 0;
}

static void gather(struct burst *burst, struct rte_mbuf *mbuf, uint16_t port, uint16_t queue,
                   uint64_t now)
{
	bool segmented = mbuf->nb_segs > 1;
	struct flt_frame *frame;

	if (segmented)
		flush(burst); /* in order, and alone: there is one scratch area */
	mbuf->port = port;
	net_describe(&burst->packets[burst->n], mbuf, port, now);
	frame = &burst->frames[burst->n++];
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

static void gather_or_drop(struct burst *burst, struct rte_mbuf *mbuf, uint16_t port,
                           uint16_t queue, uint64_t now)
{
	if (malformed(mbuf))
		net.cores[burst->core].drops[port].malformed++;
	else
		gather(burst, mbuf, port, queue, now);
}

/* ---- Bursts ---- */

/* The verdict for a frame in one piece like others, or NULL; its owner is the core's part of a
 * binding. Drivers' buffers are longer than FLT_DIGEST_BYTES. */
static inline const struct flt_verdict *known_verdict(const struct net_queue *queue,
                                                      uint64_t generation,
                                                      const struct rte_mbuf *mbuf)
{
	return flt_cache_find(queue->cache, generation, rte_pktmbuf_mtod(mbuf, const uint8_t *),
	                      mbuf->data_len);
}

/* Frames of handlers are better off where they were taken from. */
static inline bool is_handled(const struct flt_verdict *verdict)
{
	return net_handled_by(verdict->owner) != NULL;
}

/* Has tables asked for frames that are like none before, all at once, and frees them. */
static __attribute__((noinline)) void demux_unknown(const struct net_queue *queue,
                                                    struct rte_mbuf **mbufs, unsigned n,
                                                    uint64_t generation, uint64_t now)
{
	struct burst burst;

	burst.core = queue->core;
	burst.port = &net.ports[queue->port];
	burst.cache = queue->cache;
	burst.generation = generation;
	burst.n = 0;
	for (unsigned i = 0; i < n; i++)
		gather_or_drop(&burst, mbufs[i], queue->port, queue->queue, now);
	flush(&burst);
	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_free(mbufs[i]);
}

/* The verdict for a frame that may be like one before, or NULL. */
static inline const struct flt_verdict *find_verdict(const struct net_queue *queue,
                                                     uint64_t generation,
                                                     const struct rte_mbuf *mbuf)
{
	return mbuf->nb_segs == 1 ? known_verdict(queue, generation, mbuf) : NULL;
}

/* Behind frame i, found by `verdict`: the first that is not like it. */
static inline unsigned behind_alike(struct rte_mbuf *const *mbufs, unsigned i, unsigned n,
                                    const struct flt_verdict *verdict)
{
	do
		i++;
	while (i < n && mbufs[i]->nb_segs == 1 &&
	       flt_cache_alike(verdict, rte_pktmbuf_mtod(mbufs[i], const uint8_t *),
	                       mbufs[i]->data_len));
	return i;
}

unsigned demux_some(const struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n,
                    uint64_t generation, const struct flt_verdict *verdict)
{
	const uint64_t now = machine_tsc();
	unsigned i = 0;

	if (!verdict)
		verdict = find_verdict(queue, generation, mbufs[0]);
	while (verdict) {
		const struct flt_verdict run = *verdict;
		unsigned first = i;

		do {
			i = is_handled(verdict) ? i + 1 : behind_alike(mbufs, i, n, verdict);
			verdict = i < n ? find_verdict(queue, generation, mbufs[i]) : NULL;
		} while (verdict && verdict->owner == run.owner && !is_handled(verdict));
		deliver_run(queue, &mbufs[first], i - first, run, now);
		if (verdict && is_handled(verdict)) {
			n = i;
			break;
		}
	}
	if (i < n) {
		demux_unknown(queue, &mbufs[i], n - i, generation, now);
		i = n;
	}
	net_finish(queue->core); /* before what may be answered next */
	return i;
}

void demux_frames(struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n)
{
	uint64_t generation = flt_table_generation(queue->tables);

	for (unsigned done = 0; done < n;)
		done += demux_some(queue, mbufs + done, n - done, generation, NULL);
}

void demux_local(unsigned core, const struct env *sender, uint16_t port, struct rte_mbuf *mbuf)
{
	struct burst burst;

	burst.core = core;
	burst.port = &net.ports[port];
	burst.cache = NULL; /* its verdicts depend on the sender, too */
	burst.n = 1;
	mbuf->port = port;
	net_describe(&burst.packets[0], mbuf, port, machine_tsc());
	burst.packets[0].sender = sender;
	/* Nothing could damage it on the way, and the port may have been left to sum it up. */
	burst.packets[0].flags = EXO_DESC_L3_SUM_OK | EXO_DESC_L4_SUM_OK | EXO_DESC_LOCAL;
	burst.frames[0] = (struct flt_frame){
	        .data = rte_pktmbuf_read(mbuf, 0, mbuf->pkt_len, net.cores[core].scratch),
	        .len = mbuf->pkt_len,
	        .wire_len = mbuf->pkt_len,
	        .port = port,
	        .tsc = burst.packets[0].timestamp,
	};
	flush(&burst);
}
