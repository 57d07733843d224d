/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The long way of handlers' answers. What the guard lets pass waits in a batch of its core and goes
 * to the port behind the poll, or when the batch is full. Answers for this machine are
 * demultiplexed then, in rounds, and may be answered in their turn; what is left after
 * EXO_HANDLER_HOPS rounds is dropped.
 */
#include "../core/net_packet.h"

#include "../core/log.h"
#include "handler.h"

/* A core's answers. */
struct answers {
	unsigned n, n_local, n_spent;
	uint16_t port; /* of all in mbufs */
	struct rte_mbuf *mbufs[NET_BURST];
	struct ext_count *of[NET_BURST];
	struct local {
		struct rte_mbuf *mbuf;
		const struct env *sender; /* who gets no copy */
		uint16_t port;
	} local[NET_BURST];
	struct rte_mbuf *spent[NET_BURST]; /* copies that handlers had, until they are delivered */
};

static struct answers *answers; /* of net.n_pollers cores */

int ext_packet_start(void)
{
	struct answers *fresh, *none = NULL;

	if (__atomic_load_n(&answers, __ATOMIC_ACQUIRE))
		return 0;
	fresh = machine_alloc(net.n_pollers * sizeof(*fresh));
	if (!fresh)
		return -EXO_ENOMEM;
	if (!__atomic_compare_exchange_n(&answers, &none, fresh, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_ACQUIRE))
		machine_free(fresh);
	return 0;
}

/* ---- Answers on their way ---- */

static inline void send_batch(unsigned core, struct answers *a)
{
	unsigned n = a->n ? port_send(core, a->port, a->mbufs, a->n) : 0;

	for (unsigned i = 0; i < n; i++)
		a->of[i]->answered++;
	for (; __builtin_expect(n < a->n, 0); n++) {
		a->of[n]->lost++;
		rte_pktmbuf_free(a->mbufs[n]);
	}
	a->n = 0;
}

static void give_local(unsigned core, struct answers *a)
{
	struct local local[NET_BURST];
	unsigned n = a->n_local;

	memcpy(local, a->local, n * sizeof(local[0]));
	a->n_local = 0;
	for (unsigned i = 0; i < n; i++) {
		demux_local(core, local[i].sender, local[i].port, local[i].mbuf);
		rte_pktmbuf_free(local[i].mbuf);
	}
}

/* What stays here, in rounds; and copies that nobody reads any more. */
static __attribute__((noinline)) void finish_local(unsigned core, struct answers *a)
{
	for (unsigned hop = 0; a->n_local && hop < EXO_HANDLER_HOPS; hop++) {
		give_local(core, a);
		send_batch(core, a);
	}
	while (a->n_local)
		rte_pktmbuf_free(a->local[--a->n_local].mbuf);
	while (a->n_spent)
		rte_pktmbuf_free(a->spent[--a->n_spent]);
	net.cores[core].after = NULL;
}

static void finish(unsigned core)
{
	struct answers *a = &answers[core];

	if (a->n)
		send_batch(core, a);
	if (a->n_local | a->n_spent)
		finish_local(core, a);
}

/* What is for this machine waits its turn; false: too much waits already. */
static bool keep_local(struct answers *a, struct rte_mbuf *mbuf, uint16_t port,
                       const struct env *sender)
{
	if (a->n_local == NET_BURST)
		return false;
	a->local[a->n_local++] = (struct local){mbuf, sender, port};
	return true;
}

/* Takes over one reference to the frame. */
static inline void enqueue(unsigned core, const struct ext_handler *h, struct ext_count *count,
                           struct rte_mbuf *mbuf, uint16_t port)
{
	struct answers *a = &answers[core];
	enum loop_way way = loop_way(port, mbuf);

	net.cores[core].after = finish;
	if (way != LOOP_NOT) {
		if (way == LOOP_BESIDES)
			rte_mbuf_refcnt_update(mbuf, 1);
		if (!keep_local(a, mbuf, port, way == LOOP_BESIDES ? h->env : NULL)) {
			count->lost++;
			rte_pktmbuf_free(mbuf);
		} else if (way == LOOP_ONLY) {
			count->answered++;
		}
		if (way == LOOP_ONLY)
			return;
	}
	if (a->n && (a->port != port || a->n == NET_BURST))
		send_batch(core, a);
	a->port = port;
	a->of[a->n] = count;
	a->mbufs[a->n++] = mbuf;
}

/* ---- Answering ---- */

static void report(const struct ext_handler *h, struct ext_count *count, uint16_t port,
                   const struct rte_mbuf *mbuf)
{
	const uint8_t *at = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint64_t now = machine_tsc();

	count->refused++;
	__atomic_fetch_add(&h->env->account->tx_refused, 1, __ATOMIC_RELAXED);
	if (now < count->report_after)
		return;
	count->report_after = now + machine_info()->tsc_hz;
	log_env(h->env,
	        "handler %s may not send on port %u: %u bytes from %02x:%02x:%02x:%02x:%02x:%02x, "
	        "type %02x%02x (%llu refused of this handler)",
	        flt_program_name(h->program), port, mbuf->pkt_len, at[6], at[7], at[8], at[9],
	        at[10], at[11], at[12], at[13], (unsigned long long)count->refused);
}

/* Has answers that the guard knows leave without being asked after, where they are to frames of
 * that port, and, as the first bit says, for one machine. */
static __attribute__((noinline)) void remember(struct ext_count *count, unsigned core,
                                               uint16_t port)
{
	struct flt_digest digest = {.mask = count->guard.mask, .least = count->guard.least};
	const struct net_queue *queue = net.cores[core].queues;

	count->quick.from = NULL;
	while (queue->receive && queue->port != port)
		queue++;
	if (!queue->receive || !digest.least || (count->guard.key.words[0] & 1))
		return;
	digest.mask.words[0] |= 1;
	flt_brief_make(&count->quick.guard, &digest, &count->guard.key, 0);
	if (port_frame_max(port) < count->quick.guard.least)
		return;
	count->quick.more = port_frame_max(port) - count->quick.guard.least;
	count->quick.from = queue;
}

static inline bool may_send(const struct ext_handler *h, struct ext_count *count, unsigned core,
                            uint32_t port, const struct rte_mbuf *mbuf)
{
	const uint8_t *data = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint32_t length = RTE_MIN(mbuf->pkt_len, (uint32_t)NET_HEADER_BYTES);
	struct flt_frame frame;

	if (!h->space || port >= net.n_ports || !(h->space->ports >> port & 1) ||
	    mbuf->pkt_len > port_frame_max((uint16_t)port))
		return false;
	frame = (struct flt_frame){
	        .data = data, .len = length, .wire_len = mbuf->pkt_len, .port = port};
	if (guard_knows(&count->guard, data, length)) {
		const struct net_queue *from = count->quick.from;

		/* Now and then: another port may be the busy one. */
		if (count->quick.turns < EXO_EXT_SAMPLE - 1 || (from && from->port == port))
			return true;
	} else if (!guard_search(h->space, &frame, &count->guard)) {
		return false;
	}
	remember(count, core, (uint16_t)port);
	return true;
}

/* What the NIC said of a frame is not said of the answer. A transport checksum that was left open
 * is filled in: no header can change by that, sums are no part of flows. */
static __attribute__((noinline)) bool clear_flags(struct rte_mbuf *mbuf, uint16_t port)
{
	bool open = (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;

	mbuf->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK |
	                    RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_TX_OFFLOAD_MASK);
	return !open || offload_checksum(port, mbuf, EXO_DESC_L4_SUM) == 0;
}

/* Whether the mbuf may leave; it then asks for what is left to do. `action`: the handler's. */
static inline bool may_leave(unsigned core, const struct ext_handler *h, struct ext_count *count,
                             struct rte_mbuf *mbuf, uint32_t port, uint32_t action)
{
	if (!may_send(h, count, core, port, mbuf)) {
		report(h, count, (uint16_t)port, mbuf);
		return false;
	}
	if (action & EXO_HANDLER_SUMMED)
		mbuf->ol_flags = 0;
	if (mbuf->ol_flags != 0 && !clear_flags(mbuf, (uint16_t)port)) {
		count->lost++;
		return false;
	}
	return true;
}

void ext_answer(unsigned core, const struct ext_handler *h, struct ext_count *count,
                struct net_packet *packet, struct rte_mbuf *mbuf, uint32_t port, uint32_t action)
{
	if (!may_leave(core, h, count, mbuf, port, action))
		return;
	if (packet->own && mbuf == packet->mbuf)
		packet->own = false;
	else
		rte_mbuf_refcnt_update(mbuf, 1);
	enqueue(core, h, count, mbuf, (uint16_t)port);
}

bool ext_answer_room(unsigned core)
{
	return answers[core].n_spent < NET_BURST;
}

void ext_answer_spent(unsigned core, struct rte_mbuf *copy)
{
	struct answers *a = &answers[core];

	a->spent[a->n_spent++] = copy;
	net.cores[core].after = finish;
}
