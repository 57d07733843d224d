/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short way out, for packets that ask for nothing: no checksum, no segments, no report; one or
 * two descriptors whose bytes fit into one buffer of the kernel's. They are copied there, looked at
 * by the guard as they now stand, and handed to the port, a burst at a time. A frame's owner can't
 * change before the end of the poll: it is asked for once while packets that follow each other lie
 * in one frame, and nothing is pinned.
 *
 * What is anything else, or wrong, or unlike what the guard let pass before, is left where it is:
 * ring_transmit.c deals with it, and says what is wrong.
 */
#include "ring_plain.h"

#include <string.h>

#include "frame_table.h"
#include "ring_queue.h"

enum {
	PIECES = 2,
};

struct piece {
	uint64_t address;
	uint32_t length;
};

/* Frames that are the environment's and lie one behind the other, also in the kernel's alias. */
struct known {
	uint64_t from, bytes; /* addresses */
	const uint8_t *at;    /* the first one's alias */
};

/* Packets that are alike: of one port, all of as many pieces. */
struct burst {
	unsigned n, most;
	uint64_t bytes; /* of them all */
	uint16_t port;
	uint32_t length_max;        /* of one */
	struct known known[PIECES]; /* of first and second pieces */
	struct rte_mbuf *mbufs[NET_BURST];
};

/* Once: the environment may write there at any time. */
static inline struct piece read_piece(const volatile struct exo_desc *desc)
{
	return (struct piece){desc->address, desc->length};
}

/* Asks for the frames of a piece that lies in more than one, or behind what is known, and adds them
 * to that, or begins anew. */
static __attribute__((noinline)) bool learn_more(struct known *known, uint32_t env,
                                                 struct piece piece)
{
	uint64_t from = known->from, bytes = known->bytes;
	const uint8_t *at = known->at, *alias;

	if (piece.address - from > bytes) {
		from = piece.address & ~4095ull;
		bytes = 0;
	}
	do {
		if (!frame_owned(env, (from + bytes) / 4096))
			return false;
		alias = machine_frame((from + bytes) / 4096);
		at = bytes == 0 ? alias : at;
		if (alias != at + bytes)
			return false;
		bytes += 4096;
	} while (bytes < piece.address - from + piece.length);
	*known = (struct known){from, bytes, at};
	return true;
}

static inline bool learn(struct known *known, uint32_t env, struct piece piece)
{
	uint64_t from = piece.address & ~4095ull;

	if (piece.length > from + 4096 - piece.address || from == known->from + known->bytes)
		return learn_more(known, env, piece);
	if (!frame_owned(env, from / 4096))
		return false;
	*known = (struct known){from, 4096, machine_frame(from / 4096)};
	return true;
}

static inline __attribute__((always_inline)) bool add(uint8_t *to, struct piece piece,
                                                      struct known *known, uint32_t env)
{
	uint64_t offset = piece.address - known->from;

	if (offset >= known->bytes || known->bytes - offset < piece.length) {
		if (!learn(known, env, piece))
			return false;
		offset = piece.address - known->from;
	}
	plain_copy(to, known->at + offset, piece.length, known->bytes - offset);
	return true;
}

/* Puts packets into the burst's buffers, `pieces` descriptors each, as long as they are of its
 * sort. */
static inline __attribute__((always_inline)) void put_all(struct burst *burst,
                                                          const struct net_ring *ring,
                                                          unsigned pieces)
{
	const volatile struct exo_desc *queue = ring->request->desc;
	const uint32_t mask = ring->size - 1, env = ring->env->id;
	const uint64_t mac = ports[burst->port].mac;

	for (uint32_t at = ring->request_tail; burst->n < burst->most; at += pieces) {
		const volatile struct exo_desc *desc = &queue[at & mask];
		struct piece first = read_piece(desc), second = {0};
		struct rte_mbuf *mbuf = burst->mbufs[burst->n];
		uint8_t *data = (uint8_t *)mbuf->buf_addr + RTE_PKTMBUF_HEADROOM;
		uint32_t length;

		if (desc->flags != (pieces == PIECES ? EXO_DESC_MORE : 0) ||
		    desc->port != burst->port ||
		    (pieces == PIECES && first.length - 1 >= burst->length_max))
			return;
		if (pieces == PIECES) {
			desc = &queue[(at + 1) & mask];
			second = read_piece(desc);
			if (desc->flags != 0 || second.length - 1 >= burst->length_max)
				return;
		}
		length = first.length + second.length;
		if (length < RTE_ETHER_HDR_LEN || length > burst->length_max ||
		    !add(data, first, &burst->known[0], env) ||
		    (pieces == PIECES &&
		     !add(data + first.length, second, &burst->known[1], env)) ||
		    !guard_knows(&ring->guard, data, length) || loop_way_of(mac, data) != LOOP_NOT)
			return;
		mbuf_set_length(mbuf, length);
		burst->bytes += length;
		burst->n++;
	}
}

static __attribute__((noinline)) void put_pairs(struct burst *burst, const struct net_ring *ring)
{
	put_all(burst, ring, PIECES);
}

static __attribute__((noinline)) void put_singles(struct burst *burst, const struct net_ring *ring)
{
	put_all(burst, ring, 1);
}

/* Hands them to the port: what it has no room for stays in the ring. → whether that is enough for
 * one turn. */
static bool send_burst(struct burst *burst, struct net_ring *ring, unsigned core, unsigned pieces)
{
	unsigned sent = port_send(core, burst->port, burst->mbufs, burst->n);

	for (unsigned i = sent; i < burst->n; i++)
		burst->bytes -= burst->mbufs[i]->pkt_len;
	if (sent < burst->n)
		rte_pktmbuf_free_bulk(&burst->mbufs[sent], burst->n - sent);
	if (sent < burst->n)
		ring_count_loss(ring, RING_NIC_FULL);
	ring_count_sent(ring, sent, burst->bytes);
	ring_consume(ring, sent * pieces);
	return sent < burst->n || sent == NET_BURST;
}

static __attribute__((noinline)) bool send_many(struct net_ring *ring,
                                                const struct net_space *space, unsigned core,
                                                uint32_t available)
{
	struct burst burst;
	const volatile struct exo_desc *first;
	unsigned pieces;

	first = &ring->request->desc[ring->request_tail & (ring->size - 1)];
	pieces = first->flags & EXO_DESC_MORE ? PIECES : 1;
	burst.port = first->port;
	burst.most = RTE_MIN(pieces == PIECES ? available / 2 : available, (uint32_t)NET_BURST);
	/* Buffers as they lie in their pool: in one piece, nobody else's. */
	if (burst.port >= net.n_ports || !(space->ports >> burst.port & 1) || burst.most == 0 ||
	    rte_mempool_get_bulk(ports[burst.port].pool, (void **)burst.mbufs, burst.most))
		return false;
	burst.length_max = ports[burst.port].copied_max;
	burst.n = 0;
	burst.bytes = 0;
	burst.known[0] = burst.known[1] = (struct known){0};
	if (pieces == PIECES)
		put_pairs(&burst, ring);
	else
		put_singles(&burst, ring);
	if (burst.n < burst.most)
		rte_mempool_put_bulk(ports[burst.port].pool, (void **)&burst.mbufs[burst.n],
		                     burst.most - burst.n);
	return burst.n > 0 && send_burst(&burst, ring, core, pieces);
}

bool ring_plain(struct net_ring *ring, const struct net_space *space, unsigned core)
{
	uint32_t available = ring_requests(ring);

	return available != 0 && send_many(ring, space, core, available);
}
