/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way out of a packet that is alone in its ring and asks for nothing, as what answers one that
 * came alone: from the call that tells of it to the NIC in one piece, with nothing to gather and
 * nothing to look after. It does what ring_plain.c does, and ring_transmit.c around it; what is
 * anything else is left to them, before anything has happened.
 */
#include "ring_plain.h"

#include "frame_table.h"
#include "ring_queue.h"

/* Where the core sends to a port; or the end of its queues, which has no buffers. */
static inline const struct net_queue *queue_to(const struct net_core *me, uint16_t port)
{
	const struct net_queue *queue = me->queues; /* there is one */

	while (queue->port != port && (++queue)->receive)
		;
	return queue;
}

/* Whether there is one packet, and nothing of another is under way or waits for its port. */
static inline bool is_lone(const struct net_ring *ring)
{
	/* Acquire: the descriptor is read after the head that covers it. */
	uint32_t head = __atomic_load_n(&ring->request->head, __ATOMIC_ACQUIRE);

	return head - ring->request_tail == 1 && !ring->stopped && ring->rest.n == 0 &&
	       ring->flight->tail == ring->flight->head;
}

/* The packet of a ring, which has one descriptor, and lies within one page; each of its words is
 * read once. A frame's owner can't change before the end of the poll, so it needs no pin. false: it
 * is not so, or not like the one before to the guard, or the port or its pool's cache can't now;
 * nothing has happened. */
static inline __attribute__((always_inline)) bool send_lone(struct net_ring *ring,
                                                            const struct net_core *me)
{
	const struct net_space *space = __atomic_load_n(&ring->space, __ATOMIC_ACQUIRE);
	const volatile struct exo_desc *desc =
	        &ring->request->desc[ring->request_tail & (ring->size - 1)];
	const uint64_t address = desc->address, offset = address % 4096;
	const uint32_t length = desc->length;
	const uint16_t flags = desc->flags, id = desc->port;
	const struct net_queue *queue = queue_to(me, id);
	struct rte_mempool_cache *buffers = queue->buffers;
	struct rte_mbuf *mbuf;
	const uint8_t *from;
	uint8_t *to;

	if (!is_lone(ring) || !space || flags != 0 || !buffers || buffers->len == 0 ||
	    !(space->ports >> id & 1) || length < RTE_ETHER_HDR_LEN || length > queue->copied_max ||
	    length > 4096 - offset)
		return false;
	from = frame_alias(ring->env->id, address / 4096);
	if (!from)
		return false;
	mbuf = buffers->objs[buffers->len - 1];
	to = (uint8_t *)mbuf->buf_addr + RTE_PKTMBUF_HEADROOM;
	plain_copy(to, from + offset, length, 4096 - offset);
	mbuf_set_length(mbuf, length);
	if (!guard_knows(&ring->guard, to, length) || loop_way_of(queue->mac, to) != LOOP_NOT)
		return false;
	buffers->len--;
	if (__builtin_expect(queue->send(queue->sent, &mbuf, 1) == 0, 0)) {
		rte_mempool_put(mbuf->pool, mbuf);
		return false;
	}
	ring_count_sent(ring, 1, length);
	ring_consume(ring, 1);
	return true;
}

int64_t net_call_send(struct env *caller, uint64_t id, unsigned core)
{
	struct net_bell *bell = &net.bells[id % NET_RINGS_MAX];
	struct net_core *me = net.each[core];
	struct net_ring *ring;

	machine_vector_begin();
	retire_online(me);
	/* Acquire: it is complete; and it stays for as long as this core is online. The bell may
	 * have become another ring's. */
	ring = __atomic_load_n(&bell->ring, __ATOMIC_ACQUIRE);
	if (!ring || ring->id != id || ring->env != caller || ring->core != core) {
		retire_offline(me);
		machine_vector_end();
		return net_call_doorbell(caller, id);
	}
	if (__builtin_expect(send_lone(ring, me), 1)) {
		me->patience = 0;
		if (__builtin_expect(me->n_heard > 0, 0))
			tap_show(core, caller);
	} else {
		(void)net_send_from(me, ring, bell);
	}
	if (__builtin_expect(__atomic_load_n(&me->more, __ATOMIC_RELAXED) != 0, 0))
		net_send_behind(me);
	retire_offline(me);
	machine_vector_end();
	return 0;
}
