/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The polling half of the packet path: what demux.c, ring_receive.c, ring_transmit.c, port.c and
 * net.c share besides net_state.h. Includes DPDK's headers, so whoever includes this is compiled
 * with vector registers and runs between machine_vector_begin and _end.
 */
#ifndef CORE_NET_PACKET_H
#define CORE_NET_PACKET_H

#include <string.h>

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_rcu_qsbr.h>

#include "hooks.h"
#include "net_state.h"

/* A frame that arrived. */
struct net_packet {
	struct rte_mbuf *mbuf;
	uint32_t length;    /* bytes on the wire */
	uint32_t hash;      /* RSS, or 0 */
	uint64_t timestamp; /* TSC of the burst */
	uint16_t port;
	uint16_t flags; /* enum exo_desc_flags: what hardware said of the checksums */
	/* The mbuf is the packet's alone. Who keeps it says false; else it is freed behind
	 * delivery. */
	bool own;
	const struct env *sender; /* of this machine, who gets no copy of it; NULL: nobody */
};

/* ---- demux.c ---- */

/* A receive queue as its core polls it, and where answers leave: what is looked at in each poll.
 * Never changes but for `buff`. */
struct net_queue {
	eth_rx_burst_t receive; /* the driver's, of `received`; NULL: behind a core's queues */
	eth_tx_burst_t send;    /* into `sent`: the driver's, unless other cores send there, too */
	void *received, *sent;
	const struct flt_table *tables; /* the first one, with the generation */
	struct flt_cache *cache;
	uint64_t mac;                      /* loop_way */
	struct rte_mempool *pool;          /* whose cache of this core's is known; NULL: none is */
	struct rte_mempool_cache *spare;   /* that one */
	struct rte_mempool_cache *buffers; /* this core's, to send from; NULL: there is none */
	uint32_t copied_max;               /* the port's */
	uint16_t core, port, queue;
	struct flt_xdp_buff buff; /* the frame that quick code has */
};

/* Delivers frames of a queue, NET_BURST at most; the list is its to change. */
void demux_frames(struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n);
/* Delivers frames up to one that a handler is to have; `verdict`: of the first, or NULL. →
 * how many, at least one. */
unsigned demux_some(const struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n,
                    uint64_t generation, const struct flt_verdict *verdict);
/* What there is to know of a frame in an mbuf of its own; delivers it where the binding has a ring.
 */
void demux_describe(struct net_packet *packet, struct rte_mbuf *mbuf, uint16_t port);
void demux_put(unsigned core, const struct net_packet *packet, struct net_binding *binding,
               uint32_t accept);
/* Counts frames for a binding, puts them into its ring and frees them, as far as that is easy. →
 * how many. */
unsigned demux_give(const struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n,
                    struct net_binding_core *part);
/* Gives a tap its copy, but for the sender's own. */
void demux_tap(unsigned core, struct net_packet *packet, struct net_binding *binding,
               uint32_t accept);
/* Frees a fragment that waited in vain, and counts it. */
void demux_drop_fragment(void *mbuf, enum flt_fragment_drop cause);

/* Delivers a frame that an environment sent to whom it is for on this machine; the mbuf stays the
 * caller's. */
void demux_local(unsigned core, const struct env *sender, uint16_t port, struct rte_mbuf *mbuf);

/* Copies bytes that are likely to be few. They don't overlap. */
static inline void copy_few(uint8_t *to, const uint8_t *from, uint32_t n)
{
	uint8_t *last = to + n;
	const uint8_t *end = from + n;

	if (n < 32) {
		memcpy(to, from, n);
		return;
	}
	if (__builtin_expect(n <= 64, 1)) {
		rte_mov32(to, from);
		rte_mov32(last - 32, end - 32);
		return;
	}
	if (n <= 96) {
		rte_mov64(to, from);
		rte_mov32(last - 32, end - 32);
		return;
	}
	for (; end - from > 64; to += 64, from += 64)
		rte_mov64(to, from);
	if (end - from > 32)
		rte_mov32(to, from);
	rte_mov32(last - 32, end - 32); /* some of them again */
}

/* Copies many, 8 at least, by words, the last of which may overlap the one before it. → behind what
 * was copied. */
static inline const uint8_t *copy_words(uint8_t *to, const uint8_t *from, uint32_t n)
{
	typedef uint64_t word __attribute__((aligned(1), may_alias));
	const uint8_t *end = from + n;
	uint8_t *to_end = to + n;
	size_t words = n / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	*(word *)(void *)(to_end - 8) = *(const word *)(const void *)(end - 8);
	return end;
}

static inline void copy_many(uint8_t *to, const uint8_t *from, uint32_t n)
{
	if (n < 8)
		copy_few(to, from, n);
	else
		(void)copy_words(to, from, n);
}

/* What hardware said of the checksums. A virtio peer leaves them open for frames that never were
 * on a wire (RX_L4_CKSUM_NONE): those need no check. */
static inline uint16_t checksum_flags(uint64_t ol_flags)
{
	uint64_t l3 = ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t l4 = ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint16_t flags = 0;

	if (l3 == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		flags |= EXO_DESC_L3_SUM_OK;
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		flags |= EXO_DESC_L4_SUM_OK;
	if (l3 == RTE_MBUF_F_RX_IP_CKSUM_BAD || l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		flags |= EXO_DESC_SUM_BAD;
	return flags;
}

/* What a driver may tell of a frame besides. */
#define NET_TOLD                                                                                   \
	(RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK)

/* What there is to know of a frame that a driver gave; the mbuf stays the caller's. */
static inline void net_describe(struct net_packet *packet, struct rte_mbuf *mbuf, uint16_t port,
                                uint64_t now)
{
	packet->mbuf = mbuf;
	packet->length = mbuf->pkt_len;
	packet->hash = 0;
	packet->timestamp = now;
	packet->port = port;
	packet->flags = 0;
	packet->own = false;
	packet->sender = NULL;
	if (!(mbuf->ol_flags & NET_TOLD))
		return;
	packet->hash = mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH ? mbuf->hash.rss : 0;
	packet->flags = checksum_flags(mbuf->ol_flags);
}

/* ---- outdone.c ---- */

/* From so many frames of a burst on some are likely to be outdone, so that each is worth a look. */
enum { OUTDONE_LIKELY = 8 };

/* Frees the frames at the front of the list that are outdone each by the next one (exo/ring.h).
 * They are the part's: the first as its verdict says, which lies in a cache, or, with NULL, all of
 * them. → how many; the next one is to be delivered. */
unsigned outdone_drop(struct net_binding_core *part, const struct net_outdone *outdone,
                      const struct flt_verdict *verdict, struct rte_mbuf **mbufs, unsigned n);
static inline __attribute__((always_inline)) unsigned net_drop_outdone(
        struct net_binding_core *part, const struct flt_verdict *verdict, struct rte_mbuf **mbufs,
        unsigned n)
{
	const struct net_outdone *outdone;
	uint64_t one, next;

	if (n < 2 || mbufs[0]->pkt_len != mbufs[1]->pkt_len || !part->ring)
		return 0;
	outdone = __atomic_load_n(&part->ring->outdone, __ATOMIC_ACQUIRE);
	if (__builtin_expect(!outdone, 1))
		return 0;
	memcpy(&one, rte_pktmbuf_mtod_offset(mbufs[0], void *, outdone->probe), sizeof(one));
	memcpy(&next, rte_pktmbuf_mtod_offset(mbufs[1], void *, outdone->probe), sizeof(next));
	if (__builtin_expect(((one ^ next) & outdone->common) != 0, 1))
		return 0;
	return outdone_drop(part, outdone, verdict, mbufs, n);
}

/* ---- loop.c ---- */

enum loop_way {
	LOOP_NOT,     /* it leaves */
	LOOP_BESIDES, /* it leaves, and comes in here too */
	LOOP_ONLY,    /* it stays */
};

/* Keeps a frame over its sending where it is to come in besides; loop_release then delivers it, if
 * it was sent, and gives it up. One that stays was never to be sent: only the latter. */
void loop_hold(struct rte_mbuf *mbuf, enum loop_way way);
void loop_release(unsigned core, const struct net_ring *ring, uint16_t port, struct rte_mbuf *mbuf,
                  enum loop_way way, bool sent);

/* ---- tap.c ---- */

/* Shows what this core has sent to the taps, but to those of `sender` (NULL: nobody). Inside a
 * poll, with no frame under way. */
void tap_show(unsigned core, const struct env *sender);
static inline void tap_look(unsigned core, const struct env *sender)
{
	if (__builtin_expect(net.cores[core].n_heard > 0, false))
		tap_show(core, sender);
}

/* ---- ring_receive.c ---- */

enum ring_outcome {
	RING_DELIVERED,
	RING_NO_BUFFER, /* fill queue empty, or buffers not the environment's */
	RING_FULL,      /* no room in the receive queue, or the ring is stopped */
};

/* Copies the first `accept` bytes of a frame into the ring's buffers. flags: EXO_DESC_TAP or 0. */
enum ring_outcome ring_deliver(struct net_ring *ring, const struct net_packet *packet,
                               uint32_t accept, uint16_t flags, uint64_t binding);

/* The same for plain frames of a driver's in a row, all of each, as far as it fits into one buffer
 * that is filled in already. *bytes: of them. → how many; the next one is ring_deliver's. */
unsigned ring_deliver_run(struct net_ring *ring, struct rte_mbuf *const *mbufs, unsigned n,
                          uint64_t binding, uint16_t port, uint64_t *bytes);
/* All that is to be done for such a frame that came by itself, is the core's own and in one piece,
 * where this core is the only one that polls. false: it goes the way of many, and nothing has
 * happened. */
bool ring_deliver_lone(struct net_queue *queue, struct rte_mbuf *mbuf,
                       struct net_binding_core *part);

/* The i-th buffer that was taken; takes one more. false: there is none. */
struct net_buffer *ring_buffer(struct net_ring *ring, uint32_t i);
bool ring_take_buffer(struct net_ring *ring);

/* ---- exchange.c ---- */

/* Gives the packet's own frames to the ring's environment, for buffers of it; descriptors are made
 * like *like. false: it is to be copied. */
bool exchange_deliver(struct net_ring *ring, const struct net_packet *packet,
                      const struct exo_desc *like);
/* Lets NICs have the frames that no core can be reading or writing any more. */
void exchange_settle(void);

/* ---- queue.c ---- */

/* The port's received frames land in slots; `pool` has an mbuf for each. 0 or -EXO_ENOMEM. */
int queue_start(uint16_t port, struct rte_mempool *pool);
/* Polls those that are this core's: gives what arrives to their rings. → how many frames. */
unsigned queue_poll(unsigned core);
/* There are such ports. */
extern bool queue_any;

/* ---- ring_transmit.c ---- */

/* Sends at most NET_BURST packets of a ring, and completes what has been sent. → how many
 * descriptors it took, and segments that had waited. *more: it is not empty, or something of it
 * waits for the port. */
unsigned ring_transmit(struct net_ring *ring, unsigned core, bool *more);

/* ---- ring_plain.c ---- */

/* Sends from a ring's front the packets that ask for nothing, NET_BURST at most. true: there were
 * as many, or the port is full; that is enough for one turn. */
bool ring_plain(struct net_ring *ring, const struct net_space *space, unsigned core);

/* ---- offload.c ---- */

/* Fills in the checksums that `flags` (EXO_DESC_L3_SUM, _L4_SUM) ask for, or has the port do it.
 * The header lies in the first segment. 0, or the enum exo_error of a header that can't be parsed
 * that far. */
unsigned offload_checksum(uint16_t port, struct rte_mbuf *mbuf, unsigned flags);

/* ---- attach.c ---- */

/* Makes room for n pieces. 0 or -EXO_ENOMEM. */
int attach_start(unsigned n);

/* ---- net.c ---- */

/* Frames for a binding, those of them that reached its ring, and where all of them did. */
static inline void net_count_matched(struct net_binding_core *part, unsigned n, uint64_t bytes)
{
	part->counters->matched_packets += n;
	part->counters->matched_bytes += bytes;
	if (__builtin_expect(part->summed, 0))
		net_mark_binding(part);
}

static inline void net_count_delivered(struct net_binding_core *part, unsigned n, uint64_t bytes)
{
	part->counters->delivered_packets += n;
	part->counters->delivered_bytes += bytes;
	account_add(&part->account->rx_packets, n);
	account_add(&part->account->rx_bytes, bytes);
}

static inline void net_count_given(struct net_binding_core *part, unsigned n, uint64_t bytes)
{
	struct exo_binding_counters *counters = part->counters;
	struct exo_account *account = part->account;

	counters->matched_packets += n;
	counters->matched_bytes += bytes;
	counters->delivered_packets += n;
	counters->delivered_bytes += bytes;
	account_add(&account->rx_packets, n);
	account_add(&account->rx_bytes, bytes);
}

/* The quick code that frames of a kept verdict are for, which names the core's part of a binding;
 * NULL: none. */
static inline struct net_quick *net_quick_of(const struct flt_verdict *verdict)
{
	const struct net_binding_core *part = verdict->owner;

	return __atomic_load_n(&part->quick, __ATOMIC_ACQUIRE);
}

/* Likewise of any handler. */
static inline struct net_quick *net_handled_by(const struct net_binding_core *part)
{
	return __atomic_load_n(&part->handled, __ATOMIC_ACQUIRE);
}

static inline struct net_handler *net_handler_of(const struct net_binding *binding)
{
	return __atomic_load_n(&binding->handler, __ATOMIC_ACQUIRE);
}

/* What handlers left to do behind frames. */
static inline void net_finish(unsigned core)
{
	void (*after)(unsigned core) = net.cores[core].after;

	net.cores[core].after = NULL;
	if (after)
		after(core);
}

/* ---- retire.c ---- */

extern struct rte_rcu_qsbr *retire_readers;

/* A core reads what is published, or not. As rte_rcu_qsbr_thread_online and _offline do it, but
 * that each core knows where it is counted. */
static inline void retire_online(const struct net_core *me)
{
	__atomic_store_n(me->reader, __atomic_load_n(&retire_readers->token, __ATOMIC_RELAXED),
	                 __ATOMIC_RELAXED);
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void retire_offline(const struct net_core *me)
{
	__atomic_store_n(me->reader, __RTE_QSBR_CNT_THR_OFFLINE, __ATOMIC_RELEASE);
}

/* ---- The poll ---- */

/* Sends from a ring of this core's, NET_BURST packets at most; its bell rings by itself while there
 * is more. → how much there was to do. */
unsigned net_send_from(struct net_core *me, struct net_ring *ring, struct net_bell *bell);
/* What is left to do behind that. */
void net_send_behind(struct net_core *me);
/* All but receiving. → how much there was to do, with the n frames that came. */
unsigned net_poll_rest(struct net_core *me, unsigned n);

/* Delivers frames of a queue, NET_BURST at most; the list is its to change. */
typedef void net_deliver(struct net_queue *queue, struct rte_mbuf **mbufs, unsigned n);

/* What came of a queue, `round` frames, and until less comes than there could be: the next poll
 * finds what has come meanwhile. */
void net_poll_queue(struct net_core *me, struct net_queue *queue, struct rte_mbuf **mbufs,
                    unsigned round, net_deliver *deliver);

/* net_poll with somebody's ways to deliver: exo/ext has its own. A lone frame takes another than
 * several do. */
static inline __attribute__((always_inline)) unsigned net_poll_by(unsigned core, unsigned budget,
                                                                  net_deliver *lone,
                                                                  net_deliver *deliver)
{
	struct net_core *me = net.each[core];
	struct net_queue *queue = me->queues; /* there is one */
	struct rte_mbuf *mbufs[NET_BURST];

	me->budget = budget;
	me->came = 0;
	machine_vector_begin();
	retire_online(me);
	do {
		uint16_t round = queue->receive(queue->received, mbufs, NET_BURST);

		if (__builtin_expect(round == 1, 1)) {
			me->came++;
			lone(queue, mbufs, 1);
		} else if (round) {
			net_poll_queue(me, queue, mbufs, round, deliver);
		}
	} while (__builtin_expect((++queue)->receive != NULL, 0));
	if (me->came == 0 || __atomic_load_n(&me->more, __ATOMIC_RELAXED) != 0)
		me->came = net_poll_rest(me, me->came);
	retire_offline(me);
	machine_vector_end();
	me->polls++;
	return me->came;
}

/* ---- port.c ---- */

/*
 * How a driver is made to give back what the NIC has sent. Many do so only when they are handed the
 * next frame, and an environment would wait for its buffers until then.
 */
enum give_back {
	BACK_NEVER,    /* not before its queue has gone round: payload is copied */
	BACK_AT_ONCE,  /* or is somebody else's at once: nothing to do */
	BACK_CLEANUP,  /* rte_eth_tx_done_cleanup */
	BACK_EMPTY,    /* an empty burst */
	BACK_TOO_LONG, /* a frame of more segments than its queue has room for, which it refuses */
};

enum { COPIED_BESIDES = 64 }; /* bytes that may be copied behind a packet, into its buffer */

/* What is known of a port. */
struct port {
	enum give_back back;
	uint16_t segments_max; /* of one frame */
	uint16_t rx_queues, tx_queues;
	uint32_t frame_max;
	uint32_t copied_max; /* of a packet in one buffer, with what is copied too much */
	uint64_t mac;        /* its bytes are the upper ones: loop_way */
	uint64_t offloads;   /* RTE_ETH_TX_OFFLOAD_* in use */
	uint64_t rx_offloads;
	bool virtual;                  /* a function of a NIC that has several (SR-IOV) */
	struct rte_mempool *pool;      /* buffers to send from */
	struct net_function *function; /* received frames land in an environment's; NULL: in ours */
	struct machine_lock *locks;    /* one for each transmit queue; NULL: none is shared */
	/* Segments that wait for it beside their rings, and how many may, so that a port that takes
	 * nothing leaves others buffers. */
	uint32_t waiting, waiting_max; /* atomic */
};

extern struct port ports[EXO_PORTS_MAX];

/* Learns what the ports can do, and makes transmit buffers. 0 or -EXO_ENOMEM. */
int port_start(void);
/* Flags of an mbuf whose memory is not its own. */
#define MBUF_ELSEWHERE (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)

/* Of one segment, which nobody else has a share in and whose memory is its own: it can go back to
 * its pool as it is. */
static inline bool mbuf_is_plain(const struct rte_mbuf *mbuf)
{
	const uint8_t *flags = (const uint8_t *)&mbuf->ol_flags;
	uint32_t shares; /* refcnt, nb_segs */

	memcpy(&shares, (const uint8_t *)mbuf + offsetof(struct rte_mbuf, refcnt), sizeof(shares));
	return shares == 0x00010001 && (flags[7] & MBUF_ELSEWHERE >> 56) == 0;
}

_Static_assert(MBUF_ELSEWHERE << 8 == 0, "one byte");

_Static_assert(offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, refcnt) + 2,
               "one comparison");

/* Frees mbufs of a driver's, which are likely to be of one pool and plain; those that are. */
void port_free(struct rte_mbuf **mbufs, unsigned n);
void port_free_plain(struct rte_mbuf **mbufs, unsigned n);

/* The same for one of a queue's that is plain: back into the pool's cache, as rte_mempool_put does
 * it, but that each queue knows where that is. */
void port_free_first(struct net_queue *queue, struct rte_mbuf *mbuf);
static inline void port_free_lone(struct net_queue *queue, struct rte_mbuf *mbuf)
{
	struct rte_mempool_cache *spare = queue->spare;

	if (__builtin_expect(mbuf->pool == queue->pool && spare->len < spare->flushthresh, 1))
		spare->objs[spare->len++] = mbuf;
	else
		port_free_first(queue, mbuf);
}

/* A chain of empty transmit buffers for `length` bytes, data_len set; NULL: none now. */
struct rte_mbuf *port_buffer(uint16_t port, uint32_t length);
/* An mbuf without memory, to be attached to some; NULL: none now. */
struct rte_mbuf *port_shell(void);
/* n buffers, for `length` bytes each but the last one, for `last`; what fits into one buffer is yet
 * to be given its length. false: not so many now. */
bool port_buffers(uint16_t port, struct rte_mbuf *out[], unsigned n, uint32_t length,
                  uint32_t last);
/* The length of a frame in one buffer, as it lay in its pool. */
static inline void mbuf_set_length(struct rte_mbuf *mbuf, uint32_t length)
{
	const uint64_t lengths = length | (uint64_t)length << 32;

	_Static_assert(offsetof(struct rte_mbuf, data_len) ==
	                       offsetof(struct rte_mbuf, pkt_len) + 4,
	               "they lie in one word, with the VLAN, which is none");
	mbuf->data_off = RTE_PKTMBUF_HEADROOM;
	mbuf->ol_flags = 0;
	memcpy(&mbuf->pkt_len, &lengths, sizeof(lengths));
}
/* Has this core's queues give back what has been sent. */
void port_reclaim(unsigned core);

/* The greatest frame that the port sends, in bytes. */
static inline uint32_t port_frame_max(uint16_t port)
{
	return ports[port].frame_max;
}

/* RTE_ETH_TX_OFFLOAD_* in use. */
static inline uint64_t port_offloads(uint16_t port)
{
	return ports[port].offloads;
}

/* Segments of a frame that may lie in memory which is to come back soon; 0: its driver does not
 * give it back before its queue has gone round. */
static inline unsigned port_attachable(uint16_t port)
{
	return ports[port].back == BACK_NEVER || ports[port].function ? 0
	                                                              : ports[port].segments_max;
}

/* Hands frames to the port from this core. → how many it took; the others stay the caller's. */
static inline __attribute__((always_inline)) unsigned port_send(unsigned core, uint16_t id,
                                                                struct rte_mbuf **mbufs, unsigned n)
{
	struct port *port = &ports[id];
	uint16_t queue;
	unsigned sent;

	if (!port->locks)
		return rte_eth_tx_burst(id, (uint16_t)core, mbufs, (uint16_t)n);
	queue = (uint16_t)(core % port->tx_queues);
	machine_lock(&port->locks[queue]);
	sent = rte_eth_tx_burst(id, queue, mbufs, (uint16_t)n);
	machine_unlock(&port->locks[queue]);
	return sent;
}

/* ---- loop.c ---- */

/* Where a frame goes by its first 6 bytes, from a port of that address; 8 can be read. */
static inline enum loop_way loop_way_of(uint64_t mac, const uint8_t *data)
{
	uint64_t to;

	memcpy(&to, data, sizeof(to));
	if (to & 1)
		return LOOP_BESIDES;
	return to << 16 == mac ? LOOP_ONLY : LOOP_NOT;
}

/* Whether a frame for one machine stays here. */
static inline bool loop_is_own(uint64_t mac, const uint8_t *data)
{
	uint64_t to;

	memcpy(&to, data, sizeof(to));
	return to << 16 == mac;
}

static inline enum loop_way loop_way(uint16_t port, const struct rte_mbuf *mbuf)
{
	return loop_way_of(ports[port].mac, rte_pktmbuf_mtod(mbuf, const uint8_t *));
}

#endif
