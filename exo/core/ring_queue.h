/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's ends of a ring's two queues; the polling core's. The queues lie in memory that the
 * environment writes at any time: sizes and our own indices are kept in struct net_ring; the other
 * side's index is read once and must lie within size of ours; a descriptor is copied once. Inline:
 * every frame passes through most of them.
 */
#ifndef CORE_RING_QUEUE_H
#define CORE_RING_QUEUE_H

#include "net_state.h"

/* What went wrong in a ring: counted in its record, and charged to its environment. */
enum ring_loss {
	RING_REFUSED,
	RING_BAD_DESCRIPTOR,
	RING_BAD_INDEX,
	RING_NIC_FULL,
	RING_COMPLETIONS_LOST,
};

void ring_count_loss(struct net_ring *ring, enum ring_loss loss);

/* Packets that went well; those that are sent are the account's as well. */
static inline void ring_count(struct net_ring *ring, uint64_t packets, uint64_t bytes)
{
	ring->counters->packets += packets;
	ring->counters->bytes += bytes;
}

static inline void ring_count_sent(struct net_ring *ring, uint64_t packets, uint64_t bytes)
{
	ring_count(ring, packets, bytes);
	account_add(&ring->account->tx_packets, packets);
	account_add(&ring->account->tx_bytes, bytes);
}

/* What lies between head and tail, or 0 and the ring is stopped where that is impossible. */
static inline uint32_t ring_between(struct net_ring *ring, uint32_t head, uint32_t tail)
{
	uint32_t n = head - tail;

	if (n <= ring->size)
		return n;
	ring->stopped = 1;
	ring_count_loss(ring, RING_BAD_INDEX);
	return ring->size + 1;
}

/* Descriptors in the request queue, or free in the response queue. An index that can't be stops the
 * ring: 0 from then on. */
static inline uint32_t ring_requests(struct net_ring *ring)
{
	uint32_t head, n;

	if (ring->stopped)
		return 0;
	/* Acquire: descriptors are read after the head that covers them. */
	head = __atomic_load_n(&ring->request->head, __ATOMIC_ACQUIRE);
	n = ring_between(ring, head, ring->request_tail);
	return n > ring->size ? 0 : n;
}

static inline uint32_t ring_room(struct net_ring *ring)
{
	uint32_t tail, used;

	if (ring->stopped)
		return 0;
	/* Acquire: the environment has read a slot before its tail says so. */
	tail = __atomic_load_n(&ring->response->tail, __ATOMIC_ACQUIRE);
	used = ring_between(ring, ring->response_head, tail);
	return used > ring->size ? 0 : ring->size - used;
}

/* A copy of the i-th descriptor of the request queue. */
static inline struct exo_desc ring_request(const struct net_ring *ring, uint32_t i)
{
	struct exo_desc desc = ring->request->desc[(ring->request_tail + i) & (ring->size - 1)];

	__asm__ volatile("" : "+m"(desc)); /* this copy is what everybody uses from here on */
	return desc;
}

/* The end of the first n. */
static inline void ring_consume(struct net_ring *ring, uint32_t n)
{
	ring->request_tail += n;
	/* Release: the copies were made before the environment may write there again. */
	__atomic_store_n(&ring->request->tail, ring->request_tail, __ATOMIC_RELEASE);
}

/* Writes the i-th descriptor behind the response queue's head, where there is room. */
static inline void ring_respond(struct net_ring *ring, uint32_t i, const struct exo_desc *desc)
{
	ring->response->desc[(ring->response_head + i) & (ring->size - 1)] = *desc;
}

static inline void ring_publish(struct net_ring *ring, uint32_t n)
{
	ring->response_head += n;
	/* Release: descriptors and what they name are in memory before the head that covers them.
	 */
	__atomic_store_n(&ring->response->head, ring->response_head, __ATOMIC_RELEASE);
}

#endif
