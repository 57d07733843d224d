/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's ends of a ring's two queues. The queues lie in memory that the environment writes at
 * any time: sizes and our own indices are kept in struct net_ring; the other side's index is read
 * once and must lie within size of ours; a descriptor is copied once.
 */
#include "net_state.h"

/* What lies between head and tail, or 0 and the ring is stopped where that is impossible. */
static uint32_t between(struct net_ring *ring, uint32_t head, uint32_t tail)
{
	uint32_t n = head - tail;

	if (n <= ring->size)
		return n;
	ring->stopped = true;
	ring->counters.bad_index++;
	return ring->size + 1;
}

uint32_t ring_requests(struct net_ring *ring)
{
	uint32_t head, n;

	if (ring->stopped)
		return 0;
	/* Acquire: descriptors are read after the head that covers them. */
	head = __atomic_load_n(&ring->request->head, __ATOMIC_ACQUIRE);
	n = between(ring, head, ring->request_tail);
	return n > ring->size ? 0 : n;
}

uint32_t ring_room(struct net_ring *ring)
{
	uint32_t tail, used;

	if (ring->stopped)
		return 0;
	/* Acquire: the environment has read a slot before its tail says so. */
	tail = __atomic_load_n(&ring->response->tail, __ATOMIC_ACQUIRE);
	used = between(ring, ring->response_head, tail);
	return used > ring->size ? 0 : ring->size - used;
}

struct exo_desc ring_request(const struct net_ring *ring, uint32_t i)
{
	struct exo_desc desc = ring->request->desc[(ring->request_tail + i) & (ring->size - 1)];

	__asm__ volatile("" : "+m"(desc)); /* this copy is what everybody uses from here on */
	return desc;
}

void ring_consume(struct net_ring *ring, uint32_t n)
{
	ring->request_tail += n;
	/* Release: the copies were made before the environment may write there again. */
	__atomic_store_n(&ring->request->tail, ring->request_tail, __ATOMIC_RELEASE);
}

void ring_respond(struct net_ring *ring, uint32_t i, const struct exo_desc *desc)
{
	ring->response->desc[(ring->response_head + i) & (ring->size - 1)] = *desc;
}

void ring_publish(struct net_ring *ring, uint32_t n)
{
	ring->response_head += n;
	/* Release: descriptors and what they name are in memory before the head that covers them.
	 */
	__atomic_store_n(&ring->response->head, ring->response_head, __ATOMIC_RELEASE);
}
