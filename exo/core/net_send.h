/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way out beyond what is plain: what ring_transmit.c, completion.c, attach.c, offload.c and
 * cut.c share besides net_packet.h.
 */
#ifndef CORE_NET_SEND_H
#define CORE_NET_SEND_H

#include "net_packet.h"

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* What a frame's headers say. */
struct net_headers {
	uint32_t l3, l4;    /* offsets from the frame's start */
	uint32_t data;      /* where TCP's or UDP's payload begins */
	uint32_t l4_length; /* bytes from l4 to the end of the IP packet */
	uint32_t length;    /* of the whole frame */
	bool v4, tcp;
};

/* A packet as its descriptors describe it. */
struct outgoing {
	uint32_t n;      /* descriptors */
	uint32_t parts;  /* those of its bytes: all, but for that of EXO_DESC_SUMS */
	uint32_t length; /* bytes of all segments */
	uint32_t status; /* 0, or the enum exo_error of why it can't be sent */
	struct exo_desc first;
	uint64_t sums; /* EXO_DESC_SUMS: the last descriptor's */
	uint32_t sums_length;
	const volatile uint16_t
	        *known; /* those of the pieces, in the environment's memory; or NULL */
	struct rte_mbuf *mbuf;
	unsigned pieces;                     /* segments that it is to be cut into, of which */
	struct net_headers headers;          /* these are the model */
	enum loop_way way;                   /* of mbuf */
	uint8_t ethernet[RTE_ETHER_HDR_LEN]; /* refused: its header, for the console */
};

/* Packets of one port, ready to be sent. */
struct batch {
	unsigned core;
	const struct net_space *space; /* NULL: it was revoked */
	unsigned n, reported;          /* packets, and those of them that want a completion */
	unsigned plain;                /* those that take_plain took */
	uint16_t port;
	struct rte_mbuf *mbufs[NET_BURST];
	struct outgoing packets[NET_BURST];
};

/* ---- attach.c ---- */

/* Appends `length` bytes of the environment's memory to a chain, without copying them. 0;
 * EXO_EAGAIN (no mbufs now), EXO_EFAULT (not the environment's), EXO_E2BIG (more than
 * segments_max); what was attached goes with the chain. */
unsigned attach_payload(const struct net_ring *ring, struct net_ticket *ticket,
                        struct rte_mbuf *head, unsigned segments_max, uint64_t address,
                        uint32_t length);

/* ---- completion.c ---- */

/* What becomes of a packet when all before it are done with: it was sent, or failed for
 * packet->status. */
void completion_sent(struct net_ring *ring, const struct outgoing *packet);
void completion_failed(struct net_ring *ring, const struct outgoing *packet);
/* The first n packets of a batch were sent, all of them plain, and nothing is under way. */
void completion_plain(struct net_ring *ring, const struct batch *batch, unsigned n);
/* Completes what no NIC holds any more, in order. */
void completion_settle_all(struct net_ring *ring);
static inline void completion_settle(struct net_ring *ring)
{
	if (ring->flight->tail != ring->flight->head)
		completion_settle_all(ring);
}

/* ---- offload.c ---- */

/* Looks at the header of a TCP or UDP packet of `length` bytes, which is all that lies in `head`,
 * and finds out who cuts it into segments of `size` payload bytes: *pieces > 1: cut.c, into so
 * many; 1: the port, if it `may`, or nobody: offload_whole prepares it when it is complete. 0;
 * EXO_EINVAL: not a whole TCP or UDP packet; EXO_E2BIG: more than EXO_PIECES_MAX segments, or
 * longer ones than the port sends. */
unsigned offload_plan(uint16_t port, struct rte_mbuf *head, uint32_t length, uint16_t size,
                      bool may, struct net_headers *headers, unsigned *pieces);
unsigned offload_whole(uint16_t port, struct rte_mbuf *mbuf, uint16_t size,
                       const struct net_headers *headers);
/* Whether the port computes the checksum of TCP or UDP of such a frame. */
bool offload_by_port(uint16_t port, const struct net_headers *headers);
/* Has it do so. 0 or EXO_EINVAL. */
unsigned offload_sum_by_port(uint16_t port, struct rte_mbuf *mbuf,
                             const struct net_headers *headers);

/* ---- cut.c ---- */

/* Cuts a packet of the ring, whose header is in packet->mbuf and spent by this, into ring->rest.
 * `sums`: of each segment's payload, read once; NULL: they are to be made. 0; EXO_EAGAIN: no mbufs
 * now; EXO_EFAULT: the payload is not the environment's. */
unsigned cut_packet(struct net_ring *ring, const struct exo_desc desc[], struct outgoing *packet,
                    const volatile uint16_t *sums);

/* ---- Headers ---- */

static inline struct rte_ipv4_hdr *send_ip4(const struct rte_mbuf *mbuf,
                                            const struct net_headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, headers->l3);
}

static inline struct rte_ipv6_hdr *send_ip6(const struct rte_mbuf *mbuf,
                                            const struct net_headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv6_hdr *, headers->l3);
}

static inline struct rte_tcp_hdr *send_tcp(const struct rte_mbuf *mbuf,
                                           const struct net_headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_tcp_hdr *, headers->l4);
}

static inline struct rte_udp_hdr *send_udp(const struct rte_mbuf *mbuf,
                                           const struct net_headers *headers)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_udp_hdr *, headers->l4);
}

/* ---- Sums (RFC 1071); offload.c ---- */

/* Over what lies at `at`, added to `sum`. */
uint64_t sum_add(uint64_t sum, const uint8_t *at, size_t length);
/* Over `length` bytes of a frame from `offset` on. */
uint64_t sum_bytes(const struct rte_mbuf *mbuf, uint32_t offset, uint32_t length);
/* Over a frame's addresses, as TCP's and UDP's pseudo header has them, and the protocol; folded. */
uint16_t sum_pseudo(const struct rte_mbuf *mbuf, const struct net_headers *headers);

static inline uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

#endif
