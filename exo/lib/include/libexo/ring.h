/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet rings, the environment's side (exo/ring.h says what they are).
 *
 * A struct exo_ring keeps the indices that this side owns as plain numbers and publishes them;
 * what the kernel writes is read once per burst. Order: descriptors are written before the head
 * that covers them (release), and read after it (acquire); a tail is written after the descriptors
 * were copied out. No locks: one thread uses one ring.
 *
 * A ring does not know what its buffers are: descriptors name physical addresses, `cookie` brings
 * the caller's own number back. libexo/packet.h adds buffers.
 */
#ifndef LIBEXO_RING_H
#define LIBEXO_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/ring.h>

#include "call.h"
#include "memory.h"

struct exo_ring {
	struct exo_pages memory;
	struct exo_cap cap; /* of the ring; .first is its id */
	struct exo_queue *request, *response;
	const struct exo_ring_counters *counters;
	uint32_t size;
	uint32_t request_head;  /* ours: what was published */
	uint32_t response_tail; /* ours: what was consumed */
	uint32_t bad_index; /* times that the other side's index was impossible: nothing was done */
};

/*
 * Makes a ring: takes the frames, lays the queues out, asks the kernel. `size`: descriptors per
 * queue, a power of two. `core`: who polls it. `space`: transmit: the flow space to send in;
 * receive: NULL. 0 or a negative enum exo_error; then *ring is empty.
 */
int exo_ring_open(struct exo_ring *ring, enum exo_ring_kind kind, enum exo_ring_mode mode,
                  uint32_t size, uint32_t core, const struct exo_cap *space);

/* Likewise, a receive ring that exchanges packets of `least` bytes or more. */
int exo_ring_open_exchange(struct exo_ring *ring, uint32_t size, uint32_t least, uint32_t core);

/* Likewise, the queue of a NIC function, whose buffers are all those pages (EXO_RING_QUEUE). */
int exo_ring_open_queue(struct exo_ring *ring, uint32_t size, const struct exo_pages *buffers,
                        uint32_t core, const struct exo_cap *space);

/* Destroys it. -EXO_EBUSY where its memory is still pinned: call again later. */
int exo_ring_close(struct exo_ring *ring);

/* Where the queues lie in ring memory of `size` descriptors; exo_ring_open and tests use it. */
void exo_ring_layout(struct exo_ring *ring, void *memory, uint32_t size);

/* Room in the request queue, in descriptors. */
static inline uint32_t exo_ring_room(struct exo_ring *ring)
{
	/* Acquire: the kernel has read what lay in the room before it says so. */
	uint32_t used =
	        ring->request_head - __atomic_load_n(&ring->request->tail, __ATOMIC_ACQUIRE);

	if (__builtin_expect(used <= ring->size, 1))
		return ring->size - used;
	ring->bad_index++;
	return 0;
}

/*
 * Puts `n` descriptors into the request queue and publishes them together: fill (receive ring), or
 * segments to send (transmit ring; whole packets only, EXO_DESC_MORE on all but a packet's last).
 * → n, or 0 where there is no room for all of them.
 */
uint32_t exo_ring_put(struct exo_ring *ring, const struct exo_desc *desc, uint32_t n);

/*
 * Copies up to `n` descriptors out of the response queue: frames that arrived, or completions.
 * → how many. A packet of several segments may be cut by `n`: its rest comes next.
 */
uint32_t exo_ring_get(struct exo_ring *ring, struct exo_desc *desc, uint32_t n);

/* Something is in the response queue. */
static inline bool exo_ring_ready(const struct exo_ring *ring)
{
	return __atomic_load_n(&ring->response->head, __ATOMIC_ACQUIRE) != ring->response_tail;
}

/*
 * The same in place, for who copies nothing. Responses: of the exo_ring_there that are there, the
 * i-th is read by exo_ring_response, and exo_ring_taken gives the first n back. Requests: the i-th
 * of the exo_ring_room free descriptors is written by exo_ring_slot; it still holds what was
 * written there last (at first: zeros), for the kernel only reads it. exo_ring_publish tells of the
 * first n.
 */
static inline uint32_t exo_ring_there(struct exo_ring *ring)
{
	/* Acquire: descriptors are read after the head that covers them. */
	uint32_t n = __atomic_load_n(&ring->response->head, __ATOMIC_ACQUIRE) - ring->response_tail;

	if (__builtin_expect(n <= ring->size, 1))
		return n;
	ring->bad_index++;
	return 0;
}

static inline const struct exo_desc *exo_ring_response(const struct exo_ring *ring, uint32_t i)
{
	return &ring->response->desc[(ring->response_tail + i) & (ring->size - 1)];
}

static inline void exo_ring_taken(struct exo_ring *ring, uint32_t n)
{
	ring->response_tail += n;
	/* Release: all was read before the kernel may write there again. */
	__atomic_store_n(&ring->response->tail, ring->response_tail, __ATOMIC_RELEASE);
}

static inline struct exo_desc *exo_ring_slot(const struct exo_ring *ring, uint32_t i)
{
	return &ring->request->desc[(ring->request_head + i) & (ring->size - 1)];
}

static inline void exo_ring_publish(struct exo_ring *ring, uint32_t n)
{
	ring->request_head += n;
	/* Release: the descriptors are in memory before the head that covers them. */
	__atomic_store_n(&ring->request->head, ring->request_head, __ATOMIC_RELEASE);
}

/* Whether the core that polls the ring looks at it by itself. */
static inline bool exo_ring_watched(const struct exo_ring *ring)
{
	/* The head is in memory before the kernel's word is read, or both would wait: watch.c. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __builtin_expect(__atomic_load_n(&ring->request->watched, __ATOMIC_RELAXED) != 0, 0);
}

/* From now on fewer than n received frames, or completions, wake nobody; 0: each does. A wait must
 * have a deadline then; behind one that says less comes a look at what is there. */
static inline void exo_ring_want(const struct exo_ring *ring, uint32_t n)
{
	__atomic_store_n(&ring->response->wanted, n, __ATOMIC_SEQ_CST);
}

/* Tells the polling core that the request queue has something, if it does not look by itself. */
int exo_ring_doorbell(const struct exo_ring *ring);

/* The same, and sleeps like exo_wait (libexo/call.h), for one crossing of the border. */
static inline int64_t exo_ring_wait(const struct exo_ring *ring, uint64_t deadline)
{
	return exo_ring_watched(ring) ? exo_wait(deadline)
	                              : exo_call2(EXO_CALL_RING_WAIT, deadline, ring->cap.first);
}

#endif
