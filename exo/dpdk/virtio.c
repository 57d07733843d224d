/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The usual frame through net_virtio's queues, in a third of the driver's own instructions: one
 * that lies in one buffer, and asks for nothing but that its bytes be moved.
 *
 * Everything else is the driver's: it finds, configures, starts and stops the device, and its own
 * functions take over wherever a frame, or the state of a queue, is not usual. So what is done here
 * leaves a queue as they would have: descriptors that are free are chained by `next` from
 * vq_desc_head_idx to vq_desc_tail_idx, vq_free_cnt of them, and vq_descx says whose mbuf lies in
 * one that is not.
 *
 * Receiving: the descriptor that comes back gets a fresh mbuf and goes out again at once; none is
 * ever free, unless the pool was empty. Sending: what the device has sent is given back many at a
 * time. Split queues (virtio 1.1, 2.6) with mergeable receive buffers, which every QEMU has.
 */
#include <string.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "internal.h"
#include "virtqueue.h"

/* The driver's, which no header of its package declares. */
uint16_t virtio_recv_mergeable_pkts(void *queue, struct rte_mbuf **mbufs, uint16_t n);
uint16_t virtio_xmit_pkts(void *queue, struct rte_mbuf **mbufs, uint16_t n);

enum {
	BURST = 32,
	HEADER = sizeof(struct virtio_net_hdr_mrg_rxbuf), /* in front of each frame */
	SENT_MANY = 32,                                   /* frames sent that are given back */
};

/* Fresh mbufs of a receive queue. */
struct stock {
	uint32_t n;
	struct rte_mbuf *mbufs[2 * BURST];
};

static struct stock *stocks[RTE_MAX_ETHPORTS]; /* of each port's queues */

static uint16_t mask_of(const struct virtqueue *vq)
{
	return (uint16_t)(vq->vq_nentries - 1);
}

/* ---- Receiving ---- */

enum {
	ETHERNET_TYPE = 12,
	TYPE_IP4 = 0x0008, /* as they lie in memory */
	TYPE_IP6 = 0xdd86,
	IP4_AT_TRANSPORT = 34, /* where a transport header begins, */
	IP6_AT_TRANSPORT = 54,
	TCP = 6,
	UDP = 17,
};

static uint16_t load16(const uint8_t *at)
{
	uint16_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Where the header of TCP or UDP begins in a whole datagram of IPv4 without options or of IPv6
 * without extension headers; 0: it is none. The first 64 bytes can be read. */
static unsigned transport_at(const uint8_t *frame)
{
	const uint16_t type = load16(frame + ETHERNET_TYPE);
	uint8_t protocol = 0;

	if (type == TYPE_IP4 && frame[14] == 0x45 && !(load16(frame + 20) & 0xff3f))
		protocol = frame[23];
	else if (type == TYPE_IP6)
		protocol = frame[20];
	if (protocol != TCP && protocol != UDP)
		return 0;
	return type == TYPE_IP4 ? IP4_AT_TRANSPORT : IP6_AT_TRANSPORT;
}

/* Notes what the device says of the transport checksum, as the driver would. false: it is the
 * driver's to find out what is meant. */
static __attribute__((noinline)) bool note_sum(struct rte_mbuf *mbuf,
                                               const struct virtio_net_hdr *header)
{
	unsigned at = transport_at((const uint8_t *)header + HEADER);

	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE || at == 0)
		return false;
	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		mbuf->ol_flags = header->flags & VIRTIO_NET_HDR_F_DATA_VALID
		                         ? RTE_MBUF_F_RX_L4_CKSUM_GOOD
		                         : 0;
	else if (header->csum_start == at)
		mbuf->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	else
		return false;
	return true;
}

/* Makes the mbuf a frame of what the device wrote, `length` bytes with its header. false: it is not
 * usual; what it is, is still to be found in its buffer. */
static inline bool take_usual(struct rte_mbuf *mbuf, uint64_t rearm, uint32_t length)
{
	const uint8_t *at = (const uint8_t *)mbuf->buf_addr + RTE_PKTMBUF_HEADROOM - HEADER;
	const struct virtio_net_hdr_mrg_rxbuf *header = (const void *)at;
	const uint64_t bytes = length - HEADER, type_and_length = bytes << 32;
	const uint32_t data_length = (uint32_t)bytes; /* and no VLAN behind it */

	if (header->num_buffers > 1 ||
	    length - RTE_ETHER_HDR_LEN - HEADER > UINT16_MAX - RTE_ETHER_HDR_LEN)
		return false;
	mbuf->ol_flags = 0;
	if (unlikely(load16(at) != 0) && !note_sum(mbuf, &header->hdr))
		return false;
	memcpy(&mbuf->rearm_data, &rearm, sizeof(rearm));
	memcpy(&mbuf->packet_type, &type_and_length, sizeof(type_and_length));
	memcpy(&mbuf->data_len, &data_length, sizeof(data_length));
	return true;
}

_Static_assert(offsetof(struct virtio_net_hdr, flags) == 0 &&
                       offsetof(struct virtio_net_hdr, gso_type) == 1,
               "one comparison");
_Static_assert(offsetof(struct rte_mbuf, pkt_len) == offsetof(struct rte_mbuf, packet_type) + 4 &&
                       offsetof(struct rte_mbuf, vlan_tci) ==
                               offsetof(struct rte_mbuf, data_len) + 2,
               "written together");

/* Swaps the mbufs of the next n frames for fresh ones, as long as they are usual. All descriptors
 * are out: the one that comes back next is made available again in the same place. → how many. */
static inline __attribute__((always_inline)) unsigned long take(struct virtqueue *vq,
                                                                struct rte_mbuf **mbufs,
                                                                struct rte_mbuf *const *fresh,
                                                                unsigned long n)
{
	const uint64_t rearm = vq->rxq.mbuf_initializer;
	const unsigned long mask = mask_of(vq), first = vq->vq_used_cons_idx;
	const struct vring_used_elem *used = vq->vq_split.ring.used->ring;
	struct vring_desc *desc = vq->vq_split.ring.desc;
	uint16_t *avail = vq->vq_split.ring.avail->ring;
	struct vq_desc_extra *extra = vq->vq_descx;
	unsigned long i, bytes = 0;

	for (i = 0; i < n; i++) {
		const unsigned long at = (first + i) & mask, length = used[at].len;
		const unsigned long id = used[at].id & mask;
		struct rte_mbuf *mbuf = extra[id].cookie, *other = fresh[i];

		if (!take_usual(mbuf, rearm, (uint32_t)length))
			break;
		mbufs[i] = mbuf;
		extra[id].cookie = other;
		desc[id].addr = other->buf_iova + RTE_PKTMBUF_HEADROOM - (uint64_t)HEADER;
		avail[at] = (uint16_t)id;
		bytes += length;
	}
	vq->vq_used_cons_idx = (uint16_t)(first + i);
	vq->vq_avail_idx = (uint16_t)(vq->vq_avail_idx + i);
	vq->rxq.stats.packets += i;
	vq->rxq.stats.bytes += bytes - i * HEADER;
	return i;
}

/* Tells the device what was made available. */
static inline void tell(struct virtqueue *vq)
{
	vq_update_avail_idx(vq);
	if (virtqueue_kick_prepare(vq))
		virtqueue_notify(vq);
}

/* Has BURST fresh mbufs more; false: the pool has not so many. */
static __attribute__((noinline)) bool virtio_stock(struct stock *stock, struct rte_mempool *pool)
{
	if (rte_mempool_get_bulk(pool, (void **)&stock->mbufs[stock->n], BURST))
		return false;
	stock->n += BURST;
	return true;
}

/* Takes the next n frames, where the queue is as usual. → how many; 0: it is the driver's turn. */
static inline __attribute__((always_inline)) uint16_t take_from(struct virtnet_rx *rx,
                                                                struct rte_mbuf **mbufs,
                                                                unsigned long n)
{
	struct virtqueue *vq = virtnet_rxq_to_vq(rx);
	struct stock *stock = &stocks[rx->port_id][rx->queue_id];
	struct rte_mbuf **fresh;
	unsigned long taken;

	if (unlikely(vq->vq_free_cnt != 0 || !vq->hw->started ||
	             (stock->n < n && !virtio_stock(stock, rx->mpool))))
		return 0;
	fresh = &stock->mbufs[stock->n - n];
	taken = take(vq, mbufs, fresh, n);
	stock->n -= (uint32_t)taken;
	if (unlikely(taken < n)) /* the rest stays */
		memmove(fresh, fresh + taken, (n - taken) * sizeof(void *));
	if (likely(taken > 0))
		tell(vq);
	return (uint16_t)taken;
}

static __attribute__((noinline)) uint16_t virtio_receive_many(struct virtnet_rx *rx,
                                                              struct rte_mbuf **mbufs,
                                                              unsigned long most,
                                                              unsigned long there)
{
	unsigned long n = most < BURST ? most : BURST;
	uint16_t taken = take_from(rx, mbufs, there < n ? there : n);

	return taken > 0 ? taken : virtio_recv_mergeable_pkts(rx, mbufs, (uint16_t)most);
}

/* The only frame there is, as take_from does it, written so that little is kept meanwhile. false:
 * it is not usual, or the queue is not; nothing has happened. */
static inline bool take_lone(struct virtnet_rx *rx, struct rte_mbuf **mbufs)
{
	struct virtqueue *vq = virtnet_rxq_to_vq(rx);
	struct stock *stock = &stocks[rx->port_id][rx->queue_id];
	const unsigned long mask = mask_of(vq), at = vq->vq_used_cons_idx & mask;
	const struct vring_used_elem *used = &vq->vq_split.ring.used->ring[at];
	const unsigned long length = used->len, id = used->id & mask;
	struct rte_mbuf *mbuf = vq->vq_descx[id].cookie, *other;

	if (unlikely(vq->vq_free_cnt != 0 || !vq->hw->started || stock->n == 0 ||
	             !take_usual(mbuf, vq->rxq.mbuf_initializer, (uint32_t)length)))
		return false;
	mbufs[0] = mbuf;
	other = stock->mbufs[--stock->n];
	vq->vq_descx[id].cookie = other;
	vq->vq_split.ring.desc[id].addr = other->buf_iova + RTE_PKTMBUF_HEADROOM - (uint64_t)HEADER;
	vq->vq_split.ring.avail->ring[at] = (uint16_t)id;
	vq->vq_used_cons_idx++;
	vq->vq_avail_idx++;
	vq->rxq.stats.packets++;
	vq->rxq.stats.bytes += length - HEADER;
	tell(vq);
	return true;
}

/* A frame that comes alone has a way of its own, with no loop. */
uint16_t dpdk_virtio_receive(void *queue, struct rte_mbuf **mbufs, uint16_t most);
uint16_t dpdk_virtio_receive(void *queue, struct rte_mbuf **mbufs, uint16_t most)
{
	const struct virtqueue *vq = virtnet_rxq_to_vq((struct virtnet_rx *)queue);
	const uint16_t there = virtqueue_nused(vq);

	if (there == 0 && vq->vq_free_cnt == 0)
		return 0;
	if (there == 1 && take_lone(queue, mbufs))
		return 1;
	return virtio_receive_many(queue, mbufs, most, there);
}

/* ---- Sending ---- */

_Static_assert(offsetof(struct rte_mbuf, refcnt) == offsetof(struct rte_mbuf, rearm_data) + 2 &&
                       offsetof(struct rte_mbuf, nb_segs) ==
                               offsetof(struct rte_mbuf, rearm_data) + 4,
               "compared together");

/* What an mbuf says of itself, but for its port: data_off, refcnt, nb_segs. */
static inline uint64_t say(const struct rte_mbuf *mbuf)
{
	uint64_t words;

	memcpy(&words, &mbuf->rearm_data, sizeof(words));
	return words << 16;
}

/* In one piece, where a frame usually begins, and nobody else's. */
static const uint64_t whole = (RTE_PKTMBUF_HEADROOM | 1ull << 16 | 1ull << 32) << 16;

/* Gives back the next SENT_MANY that the device has sent; they are mostly of one pool. */
static __attribute__((noinline)) void virtio_give_back(struct virtqueue *vq)
{
	const uint32_t mask = mask_of(vq), first = vq->vq_used_cons_idx;
	const struct vring_used_elem *used = vq->vq_split.ring.used->ring;
	struct vring_desc *desc = vq->vq_split.ring.desc;
	struct rte_mempool *pool = NULL;
	void *same[SENT_MANY];
	uint32_t n = 0;

	for (uint32_t i = 0; i < SENT_MANY; i++) {
		const uint32_t id = used[(first + i) & mask].id & mask;
		struct vq_desc_extra *extra = &vq->vq_descx[id];
		struct rte_mbuf *mbuf = extra->cookie;

		extra->cookie = NULL;
		if (unlikely(extra->ndescs != 1 ||
		             vq->vq_desc_tail_idx == VQ_RING_DESC_CHAIN_END)) {
			vq_ring_free_chain(vq, (uint16_t)id);
		} else {
			desc[vq->vq_desc_tail_idx].next = (uint16_t)id;
			vq->vq_desc_tail_idx = (uint16_t)id;
			vq->vq_free_cnt++;
		}
		if (unlikely(say(mbuf) != whole || !RTE_MBUF_DIRECT(mbuf))) {
			rte_pktmbuf_free(mbuf);
			continue;
		}
		if (unlikely(mbuf->pool != pool)) {
			if (n > 0)
				rte_mempool_put_bulk(pool, same, n);
			pool = mbuf->pool;
			n = 0;
		}
		same[n++] = mbuf;
	}
	desc[vq->vq_desc_tail_idx].next = VQ_RING_DESC_CHAIN_END;
	vq->vq_used_cons_idx = (uint16_t)(first + SENT_MANY);
	if (n > 0)
		rte_mempool_put_bulk(pool, same, n);
}

/* Puts frames into the queue as long as they ask for nothing, and there is room. → how many. */
static inline __attribute__((always_inline)) unsigned long put(struct virtqueue *vq,
                                                               struct rte_mbuf *const *mbufs,
                                                               unsigned long n)
{
	const unsigned long mask = mask_of(vq), next = vq->vq_avail_idx;
	struct vring_desc *const descs = vq->vq_split.ring.desc;
	uint16_t *const avail = vq->vq_split.ring.avail->ring;
	struct vq_desc_extra *const extra = vq->vq_descx;
	const uint32_t one = 1; /* ndescs, and packed queues' `next` */
	unsigned long head = vq->vq_desc_head_idx, bytes = 0, i;

	n = n < vq->vq_free_cnt ? n : vq->vq_free_cnt;
	for (i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = mbufs[i];
		struct vring_desc *desc = &descs[head];
		unsigned long length = mbuf->data_len;

		if (unlikely(say(mbuf) != whole || mbuf->ol_flags != 0))
			break;
		memset((uint8_t *)mbuf->buf_addr + RTE_PKTMBUF_HEADROOM - HEADER, 0, HEADER);
		extra[head].cookie = mbuf;
		memcpy(&extra[head].ndescs, &one, sizeof(one));
		desc->addr = mbuf->buf_iova + RTE_PKTMBUF_HEADROOM - (uint64_t)HEADER;
		desc->len = (uint32_t)length + HEADER;
		desc->flags = 0;
		avail[(next + i) & mask] = (uint16_t)head;
		head = desc->next;
		bytes += length;
	}
	vq->vq_desc_head_idx = (uint16_t)head;
	if (head == VQ_RING_DESC_CHAIN_END)
		vq->vq_desc_tail_idx = (uint16_t)head;
	vq->vq_avail_idx = (uint16_t)(next + i);
	vq->vq_free_cnt = (uint16_t)(vq->vq_free_cnt - i);
	vq->txq.stats.packets += i;
	vq->txq.stats.bytes += bytes;
	return i;
}

/* The same for one, written so that little is kept meanwhile. */
static inline bool put_lone(struct virtqueue *vq, struct rte_mbuf *mbuf)
{
	const unsigned long head = vq->vq_desc_head_idx;
	struct vring_desc *desc = &vq->vq_split.ring.desc[head];
	const uint32_t one = 1, length = mbuf->data_len;

	if (unlikely(vq->vq_free_cnt == 0 || say(mbuf) != whole || mbuf->ol_flags != 0))
		return false;
	memset((uint8_t *)mbuf->buf_addr + RTE_PKTMBUF_HEADROOM - HEADER, 0, HEADER);
	vq->vq_descx[head].cookie = mbuf;
	memcpy(&vq->vq_descx[head].ndescs, &one, sizeof(one));
	desc->addr = mbuf->buf_iova + RTE_PKTMBUF_HEADROOM - (uint64_t)HEADER;
	desc->len = length + HEADER;
	desc->flags = 0;
	vq->vq_split.ring.avail->ring[vq->vq_avail_idx & mask_of(vq)] = (uint16_t)head;
	vq->vq_avail_idx++;
	vq->vq_desc_head_idx = desc->next;
	if (unlikely(desc->next == VQ_RING_DESC_CHAIN_END))
		vq->vq_desc_tail_idx = desc->next;
	vq->vq_free_cnt--;
	vq->txq.stats.packets++;
	vq->txq.stats.bytes += length;
	return true;
}

static __attribute__((noinline)) uint16_t virtio_send_many(struct virtnet_tx *tx,
                                                           struct rte_mbuf **mbufs, uint16_t n)
{
	struct virtqueue *vq = virtnet_txq_to_vq(tx);
	unsigned long sent = vq->hw->started ? put(vq, mbufs, n) : 0;

	if (sent > 0)
		tell(vq);
	if (likely(sent == n))
		return n;
	return (uint16_t)(sent + virtio_xmit_pkts(tx, mbufs + sent, (uint16_t)(n - sent)));
}

/* Likewise. */
uint16_t dpdk_virtio_send(void *queue, struct rte_mbuf **mbufs, uint16_t n);
uint16_t dpdk_virtio_send(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct virtqueue *vq = virtnet_txq_to_vq((struct virtnet_tx *)queue);

	for (uint16_t used = virtqueue_nused(vq); unlikely(used >= SENT_MANY); used -= SENT_MANY)
		virtio_give_back(vq);
	if (n != 1 || !vq->hw->started || !put_lone(vq, mbufs[0]))
		return virtio_send_many(queue, mbufs, n);
	tell(vq);
	return 1;
}

void dpdk_virtio_quicken(uint16_t id)
{
	struct rte_eth_fp_ops *port = &rte_eth_fp_ops[id];
	struct rte_eth_dev_info info;

	if (port->rx_pkt_burst != virtio_recv_mergeable_pkts ||
	    port->tx_pkt_burst != virtio_xmit_pkts || rte_eth_dev_info_get(id, &info) != 0)
		return;
	stocks[id] = rte_zmalloc("virtio_stock", info.nb_rx_queues * sizeof(struct stock), 0);
	if (stocks[id] == NULL)
		return;
	for (uint16_t queue = 0; queue < info.nb_rx_queues; queue++)
		virtio_rxq_vec_setup(port->rxq.data[queue]); /* what each mbuf begins as */
	port->rx_pkt_burst = dpdk_virtio_receive;
	port->tx_pkt_burst = dpdk_virtio_send;
}
