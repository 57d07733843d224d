/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receive rings in exchange mode: the frame that a packet lies in becomes the environment's, where
 * it saw the buffer that it filled in, and that buffer's frame receives another packet.
 *
 * Both sides must be whole frames. The NIC's are, on the bare machine (exo/dpdk/ports.c): an mbuf's
 * head lies in the kernel's heap, what it points to in a frame of its own. What can't be exchanged
 * is copied: short packets, which cost less so, copies for taps, parts of packets, what came from
 * this machine, buffers that are no whole frame or that the environment has pinned or shared.
 *
 * The packet's frame held others' packets before, so everything around this one is cleared. The
 * environment's frame may hold anything of its own: nobody is shown more of it than what the NIC
 * writes there.
 *
 * Another core may be at work in the environment's frame at this moment, for another ring of it: it
 * found it to be the environment's, and pinned nothing, since owners don't change before the end of
 * a poll (ring_plain.c, ring_receive.c). So the mbuf that the frame has come to is kept until every
 * core has left the poll that it was in; only then can the NIC write there what is somebody else's.
 */
#include "net_packet.h"

#include <string.h>

#include <exo/layout.h>

#include "ledger.h"
#include "ring_queue.h"

enum { HELD_MAX = NET_BURST }; /* a power of two; what is more is copied */

/* Packets whose frames wait for other cores, the longest first. */
static struct {
	struct machine_lock lock;
	uint32_t head, tail;
	struct {
		struct rte_mbuf *mbuf;
		uint64_t token;
	} held[HELD_MAX];
} waiting;

static void free_due(void)
{
	for (; waiting.tail != waiting.head; waiting.tail++) {
		uint32_t at = waiting.tail & (HELD_MAX - 1);

		if (rte_rcu_qsbr_check(retire_readers, waiting.held[at].token, false) != 1)
			return;
		rte_pktmbuf_free(waiting.held[at].mbuf);
	}
}

void exchange_settle(void)
{
	if (__atomic_load_n(&waiting.head, __ATOMIC_RELAXED) ==
	            __atomic_load_n(&waiting.tail, __ATOMIC_RELAXED) ||
	    !machine_trylock(&waiting.lock))
		return;
	free_due();
	machine_unlock(&waiting.lock);
}

/* Whether one more can wait; it then does, or hold_end is called without it. */
static bool hold_begin(void)
{
	if (net.n_cores == 1)
		return true;
	if (!machine_trylock(&waiting.lock))
		return false;
	free_due();
	if (waiting.head - waiting.tail < HELD_MAX)
		return true;
	machine_unlock(&waiting.lock);
	return false;
}

/* NULL: nothing has changed hands. */
static void hold_end(struct rte_mbuf *mbuf)
{
	if (net.n_cores == 1)
		return;
	if (mbuf) {
		uint32_t at = waiting.head & (HELD_MAX - 1);

		rte_pktmbuf_refcnt_update(mbuf, 1);
		waiting.held[at].mbuf = mbuf;
		waiting.held[at].token = rte_rcu_qsbr_start(retire_readers);
		waiting.head++;
	}
	machine_unlock(&waiting.lock);
}

/* Whether it points to a frame that only this packet lies in. */
static bool is_frame(const struct rte_mbuf *mbuf)
{
	return RTE_MBUF_DIRECT(mbuf) && rte_mbuf_refcnt_read(mbuf) == 1 &&
	       mbuf->buf_len == EXO_PAGE_SIZE && mbuf->buf_iova % EXO_PAGE_SIZE == 0 &&
	       mbuf->buf_addr != rte_mbuf_to_baddr((struct rte_mbuf *)(uintptr_t)mbuf);
}

/* The frames of a packet's parts, and the filled ones that are to take their places. → how many; 0:
 * they don't fit each other. */
static unsigned pair(struct net_ring *ring, const struct rte_mbuf *mbuf, struct frame_swap *swaps)
{
	unsigned n = 0;

	for (; mbuf; mbuf = mbuf->next) {
		const struct net_buffer *buffer;

		if (n == EXO_SEGMENTS_MAX || !is_frame(mbuf) ||
		    (n == ring->n_buffers && !ring_take_buffer(ring)))
			return 0;
		buffer = ring_buffer(ring, n);
		if (buffer->address % EXO_PAGE_SIZE || buffer->length != EXO_PAGE_SIZE)
			return 0;
		swaps[n].in = mbuf->buf_iova / EXO_PAGE_SIZE;
		swaps[n++].out = buffer->address / EXO_PAGE_SIZE;
	}
	return n <= ring_room(ring) ? n : 0;
}

static void clear_around(struct rte_mbuf *mbuf)
{
	uint8_t *frame = mbuf->buf_addr;
	uint32_t end = mbuf->data_off + mbuf->data_len;

	memset(frame, 0, mbuf->data_off);
	memset(frame + end, 0, EXO_PAGE_SIZE - end);
}

/* The i-th part is the environment's; its mbuf gets what the environment had filled in. */
static void hand_over(struct net_ring *ring, unsigned i, struct rte_mbuf *mbuf,
                      const struct frame_swap *swap, struct exo_desc *desc)
{
	desc->address = mbuf->buf_iova + mbuf->data_off;
	desc->length = mbuf->data_len;
	desc->cookie = ring_buffer(ring, i)->cookie;
	ring_respond(ring, i, desc);
	mbuf->buf_addr = machine_frame(swap->out);
	mbuf->buf_iova = swap->out * EXO_PAGE_SIZE;
}

bool exchange_deliver(struct net_ring *ring, const struct net_packet *packet,
                      const struct exo_desc *like)
{
	struct frame_swap swaps[EXO_SEGMENTS_MAX];
	struct exo_desc desc = *like;
	struct rte_mbuf *mbuf;
	unsigned n, i = 0;

	if (packet->length < ring->exchange_least ||
	    (desc.flags & (EXO_DESC_TAP | EXO_DESC_LOCAL | EXO_DESC_CUT)))
		return false;
	n = pair(ring, packet->mbuf, swaps);
	if (n == 0 || !hold_begin())
		return false;
	for (mbuf = packet->mbuf; mbuf; mbuf = mbuf->next)
		clear_around(mbuf);
	if (!ledger_frames_swap(ring->env, swaps, n)) {
		hold_end(NULL);
		return false;
	}
	for (mbuf = packet->mbuf; mbuf; mbuf = mbuf->next, i++) {
		desc.flags = like->flags | (mbuf->next ? EXO_DESC_MORE : 0);
		hand_over(ring, i, mbuf, &swaps[i], &desc);
		desc.wire_length = 0;
	}
	hold_end(packet->mbuf);
	ring_publish(ring, n);
	ring->buffer_first += n;
	ring->n_buffers -= n;
	ring_count(ring, 1, packet->length);
	return true;
}
