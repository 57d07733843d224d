/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Payload that is sent from the environment's own frames.
 *
 * A frame's first NET_HEADER_BYTES are copied, since they are what the guard judges; the rest can
 * be attached to the mbufs as external memory, one *hold* for each contiguous piece. A hold pins
 * the piece's frames until the driver gives the mbuf back, whatever becomes of the ring or the
 * environment meanwhile: the frames then drain.
 *
 * Tickets keep completions in order: a packet gets one when it is taken from the ring, and its
 * completion is written when no piece of it, nor of any before it, is with a NIC. Tickets lie in a
 * *flight*, which lives as long as the ring or a hold.
 */
#include "net_send.h"

#include <rte_mempool.h>

#include "core.h"
#include "ledger.h"

/* One piece; the mbuf's shared information, so never moved nor given back before its last mbuf. */
struct hold {
	struct rte_mbuf_ext_shared_info shared;
	struct net_flight *flight;
	struct net_ticket *ticket;
	uint64_t frame, n_frames;
};

static struct rte_mempool *holds;

int attach_start(unsigned n)
{
	holds = rte_mempool_create("net_holds", n, sizeof(struct hold), NET_BURST, 0, NULL, NULL,
	                           NULL, NULL, SOCKET_ID_ANY, 0);
	return holds ? 0 : -EXO_ENOMEM;
}

/* The driver has given the last mbuf back: on any core that sends by its queue. */
static void let_go(void *address, void *opaque)
{
	struct hold *hold = opaque;
	struct net_flight *flight = hold->flight;
	struct net_core *core = &net.cores[flight->core];

	ledger_frames_unpin(hold->frame, hold->n_frames);
	__atomic_fetch_sub(&core->held, 1, __ATOMIC_RELAXED);
	/* Release: the frames are unpinned before the poller may say so. */
	if (__atomic_sub_fetch(&hold->ticket->left, 1, __ATOMIC_RELEASE) == 0) {
		__atomic_store_n(&flight->bell->rung, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&core->rung, 1, __ATOMIC_RELEASE);
		if (flight->core != machine_core())
			core_look_soon(flight->core);
	}
	rte_mempool_put(holds, hold);
	flight_put(flight);
}

/* Bytes from `address` on, `length` at most, that lie one behind the other in the kernel's alias
 * and in one mbuf's reach; their frames pinned. 0: the first is not the environment's. */
static uint32_t pin_run(uint32_t env, uint64_t address, uint32_t length, uint64_t *n_frames)
{
	uint64_t frame = address / 4096;
	uint32_t run = 4096 - address % 4096;
	const uint8_t *end;

	if (ledger_frame_pin(env, frame))
		return 0;
	end = (const uint8_t *)machine_frame(frame) + 4096;
	*n_frames = 1;
	while (run < length && run <= UINT16_MAX - 4096 &&
	       ledger_frame_pin(env, frame + *n_frames) == 0) {
		if (machine_frame(frame + *n_frames) != end) {
			ledger_frame_unpin(frame + *n_frames);
			break;
		}
		end += 4096;
		run += 4096;
		++*n_frames;
	}
	return run < length ? run : length;
}

/* An mbuf of what lies at `address`, with a hold on it. EXO_EAGAIN: there are no mbufs. */
static unsigned hold_piece(const struct net_ring *ring, struct net_ticket *ticket, uint64_t address,
                           uint32_t length, struct rte_mbuf **out)
{
	struct rte_mbuf *mbuf = port_shell();
	struct hold *hold;
	uint32_t run;

	if (!mbuf || rte_mempool_get(holds, (void **)&hold)) {
		rte_pktmbuf_free(mbuf);
		return EXO_EAGAIN;
	}
	run = pin_run(ring->env->id, address, length, &hold->n_frames);
	if (run == 0) {
		rte_mempool_put(holds, hold);
		rte_pktmbuf_free(mbuf);
		return EXO_EFAULT;
	}
	hold->frame = address / 4096;
	hold->flight = ring->flight;
	hold->ticket = ticket;
	hold->shared.free_cb = let_go;
	hold->shared.fcb_opaque = hold;
	rte_mbuf_ext_refcnt_set(&hold->shared, 1);
	__atomic_fetch_add(&ring->flight->refs, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&ticket->left, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&net.cores[ring->core].held, 1, __ATOMIC_RELAXED);
	rte_pktmbuf_attach_extbuf(mbuf, (uint8_t *)machine_frame(hold->frame) + address % 4096,
	                          address, (uint16_t)run, &hold->shared);
	mbuf->data_len = (uint16_t)run;
	*out = mbuf;
	return 0;
}

unsigned attach_payload(const struct net_ring *ring, struct net_ticket *ticket,
                        struct rte_mbuf *head, unsigned segments_max, uint64_t address,
                        uint32_t length)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(head);

	while (length > 0) {
		unsigned status = EXO_E2BIG;

		if (head->nb_segs < segments_max)
			status = hold_piece(ring, ticket, address, length, &last->next);
		if (status)
			return status;
		last = last->next;
		head->nb_segs++;
		head->pkt_len += last->data_len;
		address += last->data_len;
		length -= last->data_len;
	}
	return 0;
}
