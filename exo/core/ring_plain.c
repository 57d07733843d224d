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
#include "net_packet.h"

#include <string.h>

#include <rte_ether.h>

#include "ledger.h"
#include "ring_queue.h"

enum {
	PIECES = 2,
	HEADER_MAX = 64,  /* bytes that most headers, and many packets, have */
	STRING_MIN = 256, /* bytes from which the start-up cost of `rep` is worth it */
};

#define NOTHING UINT64_MAX

struct piece {
	uint64_t address;
	uint32_t length;
	uint16_t flags, port;
};

/* A frame that is the environment's, and where it lies; NOTHING: none. */
struct held {
	uint64_t frame;
	const uint8_t *at;
};

struct burst {
	const struct net_ring *ring;
	uint16_t port;
	uint32_t most; /* bytes of a packet */
	unsigned n;
	uint32_t bytes, descriptors; /* of them all */
	struct held held[PIECES];    /* of first and second pieces */
	struct rte_mbuf *mbufs[NET_BURST];
	uint16_t lengths[NET_BURST];
	uint8_t pieces[NET_BURST];
};

/* Once: the environment may write there at any time. */
static inline struct piece read_piece(const struct net_ring *ring, uint32_t at)
{
	const volatile struct exo_desc *desc =
	        &ring->request->desc[(ring->request_tail + at) & (ring->size - 1)];

	return (struct piece){desc->address, desc->length, desc->flags, desc->port};
}

typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));

/* Headers as four blocks, which may read and write a little further where `room`, up to the page's
 * end, is left: over what is written comes what is next, and behind a packet the buffer has room.
 * What is long by words, the last of which may overlap the one before it. */
static inline void copy(uint8_t *to, const uint8_t *from, uint32_t length, uint32_t room)
{
	const uint8_t *end = from + length;
	uint8_t *to_end = to + length;
	size_t words = length / 8;

	if (length <= HEADER_MAX && room >= HEADER_MAX) {
		const block *f = (const block *)(const void *)from;
		block *t = (block *)(void *)to;

		t[0] = f[0], t[1] = f[1], t[2] = f[2], t[3] = f[3];
	} else if (length >= STRING_MIN) {
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
		*(word *)(void *)(to_end - 8) = *(const word *)(const void *)(end - 8);
	} else {
		memcpy(to, from, length);
	}
}

static __attribute__((noinline)) bool hold_another(const struct net_ring *ring, struct held *held,
                                                   uint64_t frame)
{
	if (!ledger_frame_owned(ring->env->id, frame))
		return false;
	held->frame = frame;
	held->at = machine_frame(frame);
	return true;
}

static inline bool add(const struct burst *burst, uint8_t *to, const struct piece *piece,
                       struct held *held)
{
	uint64_t address = piece->address;
	uint32_t length = piece->length;

	while (length > 0) {
		uint32_t offset = address % 4096, part = RTE_MIN(4096 - offset, length);

		if (held->frame != address / 4096 &&
		    !hold_another(burst->ring, held, address / 4096))
			return false;
		copy(to, held->at + offset, part, 4096 - offset);
		to += part;
		address += part;
		length -= part;
	}
	return true;
}

/* Descriptors of the packet at `at`; 0: it is not of the sort. */
static inline unsigned read_plain(const struct burst *burst, uint32_t at, uint32_t available,
                                  struct piece piece[PIECES])
{
	piece[0] = read_piece(burst->ring, at);
	piece[1] = (struct piece){0};
	if ((piece[0].flags & ~EXO_DESC_MORE) || piece[0].port != burst->port ||
	    piece[0].length - 1 >= burst->most)
		return 0;
	if (!(piece[0].flags & EXO_DESC_MORE))
		return piece[0].length < RTE_ETHER_HDR_LEN ? 0 : 1;
	if (available - at < PIECES)
		return 0;
	piece[1] = read_piece(burst->ring, at + 1);
	if (piece[1].flags || piece[1].length - 1 >= burst->most ||
	    piece[0].length + piece[1].length > burst->most ||
	    piece[0].length + piece[1].length < RTE_ETHER_HDR_LEN)
		return 0;
	return 2;
}

/* Puts the packet into the burst's next buffer; false: it is not one of ours. */
static inline bool put(struct burst *burst, const struct piece piece[PIECES], unsigned n)
{
	uint32_t length = piece[0].length + piece[1].length;
	struct rte_mbuf *mbuf = burst->mbufs[burst->n];
	uint8_t *data = rte_pktmbuf_mtod(mbuf, uint8_t *);

	mbuf->data_len = (uint16_t)length;
	mbuf->pkt_len = length;
	if (!add(burst, data, &piece[0], &burst->held[0]) ||
	    !add(burst, data + piece[0].length, &piece[1], &burst->held[1]) ||
	    !guard_knows(&burst->ring->guard, data, RTE_MIN(length, (uint32_t)NET_HEADER_BYTES)) ||
	    loop_way(burst->port, mbuf) != LOOP_NOT)
		return false;
	burst->bytes += length;
	burst->descriptors += n;
	burst->lengths[burst->n] = (uint16_t)length;
	burst->pieces[burst->n++] = (uint8_t)n;
	return true;
}

/* Hands them to the port: what it has no room for stays in the ring. → whether that is enough for
 * one turn. */
static bool send_burst(struct burst *burst, struct net_ring *ring, unsigned core)
{
	unsigned sent = port_send(core, burst->port, burst->mbufs, burst->n);

	for (unsigned i = sent; i < burst->n; i++) {
		burst->bytes -= burst->lengths[i];
		burst->descriptors -= burst->pieces[i];
		rte_pktmbuf_free(burst->mbufs[i]);
	}
	ring->counters.nic_full += sent < burst->n;
	ring->counters.packets += sent;
	ring->counters.bytes += burst->bytes;
	ring_consume(ring, burst->descriptors);
	return sent < burst->n || sent == NET_BURST;
}

/* How many packets there may be: what the first is like, all are. */
static unsigned guess(const struct piece *first, uint32_t available)
{
	return RTE_MIN(available / (first->flags & EXO_DESC_MORE ? PIECES : 1),
	               (uint32_t)NET_BURST);
}

bool ring_plain(struct net_ring *ring, const struct net_space *space, unsigned core)
{
	struct burst burst;
	uint32_t available = ring_requests(ring), at = 0;
	struct piece piece[PIECES];
	unsigned n, most;

	if (available == 0)
		return false;
	piece[0] = read_piece(ring, 0);
	burst.port = piece[0].port;
	most = guess(&piece[0], available);
	if (burst.port >= net.n_ports || !(space->ports >> burst.port & 1) ||
	    (piece[0].flags & ~EXO_DESC_MORE) || most == 0 ||
	    rte_pktmbuf_alloc_bulk(port_pool, burst.mbufs, most))
		return false;
	burst.ring = ring;
	burst.most = RTE_MIN(port_frame_max(burst.port),
	                     (uint32_t)RTE_MBUF_DEFAULT_DATAROOM - HEADER_MAX);
	burst.n = burst.bytes = burst.descriptors = 0;
	burst.held[0].frame = burst.held[1].frame = NOTHING;
	while (burst.n < most && at < available) {
		n = read_plain(&burst, at, available, piece);
		if (n == 0 || !put(&burst, piece, n))
			break;
		at += n;
	}
	if (burst.n < most)
		rte_pktmbuf_free_bulk(&burst.mbufs[burst.n], most - burst.n);
	return burst.n > 0 && send_burst(&burst, ring, core);
}
