/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receive rings of EXO_RING_QUEUE: a NIC function's queue, or one that a NIC's port has to spare,
 * whose buffers are an environment's frames. The NIC has demultiplexed already, so nobody looks at
 * a frame and nothing is copied: the poller turns what the driver says into descriptors, and fill
 * descriptors into empty mbufs.
 *
 * Every mbuf of such a port has a slot: addresses that the NIC knows and that never change
 * (machine_dma_map). While there is a ring they lead to its environment's frames, one each, which
 * are pinned; without one, all lead to the same frame of the kernel's, which nobody reads. So
 * frames are given and taken at once, whatever the driver and the NIC still hold: what is taken
 * away (a frame by force, or all at the ring's end) the NIC can't reach any more when it goes to
 * somebody else.
 *
 * A port's spare queue is led to by a rule of the NIC's, made from the space's only conjunction.
 * What the rule takes nobody else gets: so no other environment may have a binding there, nor make
 * one while the ring lives. Where the rule takes tagged frames as well, neither for any of these.
 *
 * The core lock guards which frames the slots lead to. `ring` alone is the poller's to read; it is
 * gone, and pollers are out (net_quiesce), before slots change at a ring's end.
 */
#include "net_packet.h"

#include <stdio.h>

#include "core.h"
#include "ledger.h"
#include "ring_queue.h"

struct net_function {
	uint16_t port, queue;
	bool spare;       /* the port is others', too */
	uint32_t n;       /* slots */
	uint64_t address; /* of slot 0, as the NIC knows it */
	struct rte_mempool *pool;
	struct rte_mbuf **mbufs; /* by slot */

	uint64_t first;        /* frame of slot 0; 0: there is no ring. Core lock */
	bool *gone;            /* by slot: its frame was taken by force. Atomic */
	struct net_ring *ring; /* atomic */

	/* What the rule may take. Under net.lock. */
	struct flt_conjunction taken[3];
	uint32_t n_taken;

	/* Around bursts: a ring's beginning throws away what came before. */
	struct machine_lock lock;
	/* The poller's, and the core lock's holder's while there is no ring. */
	bool *out; /* by slot: its mbuf waits for the environment to fill it in again */
};

bool queue_any;
static uint64_t sink; /* where slots lead that are nobody's */

/* ---- Slots ---- */

static void point(struct net_function *queue, uint32_t slot, uint64_t frame)
{
	bool mapped = machine_dma_map(queue->port, slot, frame);

	MACHINE_ASSERT(mapped); /* it has led somewhere since the start */
	queue->mbufs[slot]->buf_addr = machine_frame(frame == MACHINE_SPACE_NONE ? sink : frame);
}

static void keep_mbuf(struct rte_mempool *pool, void *argument, void *object, unsigned i)
{
	struct net_function *queue = argument;
	struct rte_mbuf *mbuf = object;

	if (i == 0)
		queue->address = mbuf->buf_iova;
	if (i < queue->n)
		queue->mbufs[i] = mbuf;
}

static bool make_slots(struct net_function *queue)
{
	if (rte_mempool_obj_iter(queue->pool, keep_mbuf, queue) != queue->n)
		return false;
	for (uint32_t i = 0; i < queue->n; i++) {
		if (!machine_dma_map(queue->port, i, sink))
			return false;
		queue->mbufs[i]->buf_addr = machine_frame(sink);
	}
	machine_dma_flush(queue->port);
	return true;
}

int queue_start(uint16_t port, struct rte_mempool *pool)
{
	struct net_function *queue = machine_alloc(sizeof(*queue));

	if (!queue || (!sink && ledger_kernel_frames(1, &sink)))
		return -EXO_ENOMEM;
	queue->port = port;
	queue->n = machine_dma_slots(port);
	queue->pool = pool;
	queue->mbufs = machine_alloc(queue->n * sizeof(struct rte_mbuf *));
	queue->gone = machine_alloc(queue->n * sizeof(bool));
	queue->out = machine_alloc(queue->n * sizeof(bool));
	if (!queue->mbufs || !queue->gone || !queue->out || !make_slots(queue))
		return -EXO_ENOMEM;
	ports[port].function = queue;
	queue->spare = machine_dma_spare(port);
	queue->queue = queue->spare ? --ports[port].rx_queues : 0;
	if (!queue->spare)
		ports[port].rx_queues = 0; /* no others' than queue_poll's */
	queue_any = true;
	return 0;
}

/* ---- Rings: their beginning and end ---- */

static bool takes(const struct net_function *queue, uint32_t n, const struct net_binding *binding)
{
	const struct flt_flow taken = {queue->taken, n};

	return (binding->space->ports >> queue->port & 1) && !(binding->flags & EXO_BIND_HOST) &&
	       !flt_flow_disjoint(taken, binding->flow);
}

static bool others_bind(const struct net_function *queue, uint32_t n, const struct env *env)
{
	for (const struct net_binding *other = net.bindings; other; other = other->next)
		if (other->env != env && takes(queue, n, other))
			return true;
	return false;
}

int queue_refuses(const struct net_binding *binding, const char **reason)
{
	for (unsigned port = 0; port < net.n_ports; port++) {
		const struct net_function *queue = ports[port].function;

		if (!queue || !(binding->space->ports >> port & 1))
			continue;
		*reason = queue->spare ? "the NIC leads that to another environment's queue"
		                       : "its port is a NIC function: what comes there goes to a "
		                         "ring in queue mode";
		if (!queue->spare)
			return -EXO_EINVAL;
		if (queue->ring && queue->ring->env != binding->env &&
		    takes(queue, queue->n_taken, binding))
			return -EXO_EBUSY;
	}
	return 0;
}

/* The rule that leads the space's flow to a spare queue. */
static int steer(struct net_function *queue, const struct net_ring *ring)
{
	static const uint32_t tags[] = {0x8100, 0x88a8}; /* IEEE 802.1Q, 9.5.1 */
	int result;

	if (ring->space->receive.n != 1)
		return -EXO_ENOSYS;
	queue->taken[0] = ring->space->receive.conjunctions[0];
	for (unsigned i = 0; i < 2; i++)
		queue->taken[1 + i] = (struct flt_conjunction){
		        .n_terms = 1,
		        .terms = {{.width = 2, .offset = 12, .mask = 0xffff, .value = tags[i]}}};
	if (others_bind(queue, 1, ring->env))
		return -EXO_EBUSY;
	machine_vector_begin(); /* drivers run so */
	result =
	        machine_dma_steer(queue->port, &queue->taken[0], !others_bind(queue, 3, ring->env));
	machine_vector_end();
	queue->n_taken = result > 0 ? 3 : 1;
	return result < 0 ? result : 0;
}

/* The one port of a space that is all of a function's, or of a port with a queue to spare. NULL: it
 * is another sort of space. */
static struct net_function *find(const struct net_space *space)
{
	static const struct flt_conjunction everything;
	const struct flt_flow all = {&everything, 1};
	unsigned port = space->ports ? (unsigned)__builtin_ctzll(space->ports) : 0;
	struct net_function *queue;

	if (space->ports != 1ull << port || port >= net.n_ports)
		return NULL;
	queue = ports[port].function;
	return queue && (queue->spare || flt_flow_subset(all, space->receive)) ? queue : NULL;
}

/* What came until now lies in nobody's frame, and goes. */
static void begin(struct net_function *queue, struct net_ring *ring)
{
	struct rte_mbuf *mbufs[NET_BURST];
	unsigned n, all = 0;

	machine_vector_begin();
	machine_lock(&queue->lock);
	do {
		n = rte_eth_rx_burst(queue->port, queue->queue, mbufs, NET_BURST);
		rte_pktmbuf_free_bulk(mbufs, n);
		all += n;
	} while (n > 0 && all < queue->n);
	__atomic_store_n(&queue->ring, ring, __ATOMIC_RELEASE);
	machine_unlock(&queue->lock);
	machine_vector_end();
}

int queue_attach(struct net_ring *ring, uint64_t first, uint32_t n)
{
	struct net_function *queue = find(ring->space);
	int error;

	if (!queue)
		return -EXO_EPERM;
	if (n != queue->n || first == 0)
		return -EXO_EINVAL;
	core_lock();
	error = queue->first ? -EXO_EBUSY : ledger_frames_pin(ring->env->id, first, n);
	if (!error && queue->spare) {
		error = steer(queue, ring);
		if (error)
			ledger_frames_unpin(first, n);
	}
	for (uint32_t i = 0; !error && i < n; i++) {
		queue->gone[i] = false;
		point(queue, i, first + i);
	}
	if (!error) {
		machine_dma_flush(queue->port);
		queue->first = first;
		ring->function = queue;
		begin(queue, ring);
	}
	core_unlock();
	return error;
}

void queue_hide(struct net_ring *ring)
{
	__atomic_store_n(&ring->function->ring, NULL, __ATOMIC_RELEASE);
}

void queue_detach(struct net_ring *ring)
{
	struct net_function *queue = ring->function;

	machine_vector_begin();
	core_lock();
	if (queue->spare)
		machine_dma_steer_end(queue->port);
	for (uint32_t i = 0; i < queue->n; i++)
		point(queue, i, sink);
	machine_dma_flush(queue->port);
	for (uint32_t i = 0; i < queue->n; i++) {
		if (!queue->gone[i])
			ledger_frame_unpin(queue->first + i);
		if (queue->out[i])
			rte_mempool_put(queue->pool, queue->mbufs[i]);
		queue->out[i] = false;
	}
	queue->first = 0;
	core_unlock();
	machine_vector_end();
}

void net_frame_leaves(uint64_t frame)
{
	for (unsigned port = 0; port < net.n_ports; port++) {
		struct net_function *queue = ports[port].function;
		uint64_t slot = queue ? frame - queue->first : 0;

		if (!queue || !queue->first || slot >= queue->n || queue->gone[slot])
			continue;
		__atomic_store_n(&queue->gone[slot], true, __ATOMIC_RELEASE);
		point(queue, (uint32_t)slot, MACHINE_SPACE_NONE);
		machine_dma_flush(queue->port);
		ledger_frame_unpin(frame);
	}
}

/* ---- The poller ---- */

static bool is_gone(const struct net_function *queue, uint64_t slot)
{
	return __atomic_load_n(&queue->gone[slot], __ATOMIC_ACQUIRE);
}

static void reject(struct net_ring *ring, const struct exo_desc *fill)
{
	struct exo_desc desc = {
	        .address = fill->address, .cookie = fill->cookie, .status = EXO_EFAULT};

	ring_count_loss(ring, RING_BAD_DESCRIPTOR);
	if (ring_room(ring) == 0)
		return;
	ring_respond(ring, 0, &desc);
	ring_publish(ring, 1);
}

/* Buffers that the environment has read, a burst of them at most. */
static void take_back(unsigned core, struct net_function *queue, struct net_ring *ring)
{
	uint32_t n = RTE_MIN(ring_requests(ring), (uint32_t)NET_BURST);
	void *back[NET_BURST];
	unsigned n_back = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct exo_desc desc = ring_request(ring, i);
		uint64_t slot = desc.address / 4096 - queue->first;

		if (slot >= queue->n || !queue->out[slot] || is_gone(queue, slot)) {
			reject(ring, &desc);
			net_wake(core, ring);
			continue;
		}
		queue->out[slot] = false;
		back[n_back++] = queue->mbufs[slot];
	}
	if (n == 0)
		return;
	ring_consume(ring, n);
	rte_mempool_put_bulk(queue->pool, back, n_back);
}

static uint64_t slot_of(const struct net_function *queue, const struct rte_mbuf *mbuf)
{
	return (mbuf->buf_iova - queue->address) / 4096;
}

/* Whether all parts of a frame lie where the environment can read them; else what is its own of the
 * frame goes back to the NIC, and the rest waits for the ring's end. */
static bool arrived(struct net_function *queue, struct rte_mbuf *mbuf)
{
	bool whole = true;

	for (const struct rte_mbuf *part = mbuf; part; part = part->next)
		whole = whole && !is_gone(queue, slot_of(queue, part));
	for (struct rte_mbuf *part = mbuf, *next; !whole && part; part = next) {
		uint64_t slot = slot_of(queue, part);

		next = part->next;
		part->next = NULL;
		part->nb_segs = 1;
		queue->out[slot] = is_gone(queue, slot);
		if (!queue->out[slot])
			rte_mempool_put(queue->pool, part);
	}
	return whole;
}

static void give(struct net_function *queue, struct net_ring *ring, struct rte_mbuf *mbuf,
                 uint64_t now)
{
	const uint16_t flags = checksum_flags(mbuf->ol_flags);
	struct exo_desc desc = {
	        .timestamp = now, .wire_length = mbuf->pkt_len, .port = queue->port};
	struct rte_mbuf *next;
	uint32_t n = 0;

	for (; mbuf; mbuf = next) {
		uint64_t slot = slot_of(queue, mbuf);

		next = mbuf->next;
		desc.address = (queue->first + slot) * 4096 + mbuf->data_off;
		desc.length = mbuf->data_len;
		desc.flags = flags | (next ? EXO_DESC_MORE : 0);
		desc.cookie = slot;
		ring_respond(ring, n++, &desc);
		desc.wire_length = 0;
		mbuf->next = NULL;
		mbuf->nb_segs = 1;
		queue->out[slot] = true;
	}
	ring_publish(ring, n);
}

static void give_all(struct net_function *queue, struct net_ring *ring, struct rte_mbuf **mbufs,
                     unsigned n)
{
	struct exo_account *account = ring->account;
	const uint64_t now = machine_tsc();
	uint64_t full = 0, gone = 0, bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		if (ring_room(ring) < mbufs[i]->nb_segs) {
			rte_pktmbuf_free(mbufs[i]);
			full++;
		} else if (!arrived(queue, mbufs[i])) {
			gone++;
		} else {
			bytes += mbufs[i]->pkt_len;
			give(queue, ring, mbufs[i], now);
		}
	}
	ring_count(ring, n - full - gone, bytes);
	account_add(&account->rx_packets, n - full - gone);
	account_add(&account->rx_bytes, bytes);
	account_add(&account->rx_dropped, full + gone);
	account_add(&account->rx_ring_full, full);
	account_add(&account->rx_no_buffer, gone);
}

static unsigned burst(unsigned core, struct net_function *queue)
{
	struct rte_mbuf *mbufs[NET_BURST];
	struct net_ring *ring;
	unsigned n;

	if (!machine_trylock(&queue->lock))
		return 1; /* a ring begins: look again */
	ring = __atomic_load_n(&queue->ring, __ATOMIC_ACQUIRE);
	if (ring)
		take_back(core, queue, ring);
	n = rte_eth_rx_burst(queue->port, queue->queue, mbufs, NET_BURST);
	machine_unlock(&queue->lock);
	if (ring && n > 0) {
		give_all(queue, ring, mbufs, n);
		net_wake(core, ring);
	} else if (n > 0) {
		net.cores[core].drops[queue->port].unmatched += n;
		rte_pktmbuf_free_bulk(mbufs, n);
	}
	return n;
}

unsigned queue_poll(unsigned core)
{
	unsigned n = 0;

	for (unsigned port = 0; core == 0 && port < net.n_ports; port++)
		if (ports[port].function)
			n += burst(core, ports[port].function);
	return n;
}
