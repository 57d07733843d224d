/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taps of what environments send (EXO_BIND_SENT). While a port has such taps, its driver's transmit
 * function is replaced by one that keeps a share in each frame over its sending: so every way out
 * is heard, and where nobody listens nothing is asked.
 *
 * A frame that the port took is shown to the taps behind the burst, in which anything may be locked
 * or half done: after the turn of the ring that it came from, whose environment's own taps don't
 * get it, or at the end of the poll if a handler sent it. As with any capture on the sender's
 * machine, checksums and segments that the port makes are not made yet.
 */
#include "net_packet.h"

enum { HEARD_MAX = 256 }; /* frames of a core between two looks; what is more is counted */

struct net_heard {
	struct rte_mbuf *mbuf;
	uint64_t timestamp;
	uint16_t port;
};

typedef uint16_t transmit_burst(void *queue, struct rte_mbuf **mbufs, uint16_t n);

static transmit_burst *drivers[EXO_PORTS_MAX]; /* what was replaced */
static unsigned listeners[EXO_PORTS_MAX];      /* under net.lock */

/* Queues are as different as ports: no two have the same. */
static uint16_t port_of(const void *queue)
{
	for (unsigned port = 0; port < net.n_ports; port++)
		for (unsigned i = 0; drivers[port] && i < ports[port].tx_queues; i++)
			if (rte_eth_fp_ops[port].txq.data[i] == queue)
				return (uint16_t)port;
	machine_panic("net: a frame leaves by a queue of no port");
}

static void keep(unsigned core, uint16_t port, struct rte_mbuf *mbuf, uint64_t now)
{
	struct net_core *me = &net.cores[core];

	if (me->n_heard == HEARD_MAX) {
		me->drops[port].tap_lost++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	me->heard[me->n_heard++] = (struct net_heard){mbuf, now, port};
	__atomic_store_n(&me->rung, 1, __ATOMIC_RELAXED); /* this poll has an end to come to */
}

static uint16_t hear(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct rte_mbuf *own[NET_BURST]; /* drivers may change the list */
	unsigned core = machine_core();
	uint16_t port = port_of(queue), sent = 0, part, taken;
	uint64_t now = machine_tsc();

	do {
		part = (uint16_t)RTE_MIN(n - sent, (int)NET_BURST);
		memcpy(own, mbufs + sent, part * sizeof(struct rte_mbuf *));
		for (unsigned i = 0; i < part; i++)
			rte_pktmbuf_refcnt_update(own[i], 1);
		taken = drivers[port](queue, mbufs + sent, part);
		for (unsigned i = 0; i < taken; i++)
			keep(core, port, own[i], now);
		for (unsigned i = taken; i < part; i++)
			rte_pktmbuf_refcnt_update(own[i], -1);
		sent += taken;
	} while (sent < n && taken == part);
	return sent;
}

struct showing {
	unsigned core;
	struct net_packet packet;
};

static void show(void *arg, uint32_t index, void *owner, uint32_t accept)
{
	struct showing *showing = arg;

	demux_tap(showing->core, &showing->packet, owner, accept);
}

void tap_show(unsigned core, const struct env *sender)
{
	struct net_core *me = &net.cores[core];
	struct showing showing = {.core = core};
	struct flt_tap_sink taps = {.matched = show, .arg = &showing};

	for (unsigned i = 0; i < me->n_heard; i++) {
		const struct net_heard *heard = &me->heard[i];
		struct flt_frame frame = {
		        .data = rte_pktmbuf_read(heard->mbuf, 0, heard->mbuf->pkt_len, me->scratch),
		        .len = heard->mbuf->pkt_len,
		        .wire_len = heard->mbuf->pkt_len,
		        .port = heard->port,
		        .tsc = heard->timestamp,
		};
		struct flt_verdict verdict;

		showing.packet = (struct net_packet){.mbuf = heard->mbuf,
		                                     .length = heard->mbuf->pkt_len,
		                                     .timestamp = heard->timestamp,
		                                     .port = heard->port,
		                                     .flags = EXO_DESC_SENT,
		                                     .sender = sender};
		flt_table_classify(net.ports[heard->port].sent, &frame, 1, &verdict, &taps);
		rte_pktmbuf_free(heard->mbuf);
	}
	me->n_heard = 0;
}

/* Cores get their lists and ports their tables once somebody wants to listen. */
int tap_prepare(uint16_t port)
{
	for (unsigned core = 0; core < net.n_cores; core++) {
		struct net_core *one = &net.cores[core];

		if (!one->heard)
			one->heard = machine_alloc(HEARD_MAX * sizeof(*one->heard));
		if (!one->heard)
			return -EXO_ENOMEM;
	}
	if (!net.ports[port].sent && flt_table_create(&net.ports[port].sent, NULL))
		return -EXO_ENOMEM;
	return 0;
}

static void replace(uint16_t port, transmit_burst *burst)
{
	__atomic_store_n(&rte_eth_fp_ops[port].tx_pkt_burst, burst, __ATOMIC_RELEASE);
	for (unsigned core = 0; core < net.n_cores; core++)
		for (struct net_queue *queue = net.cores[core].queues; queue->receive; queue++)
			if (queue->port == port && queue->sent != queue)
				__atomic_store_n(&queue->send, burst, __ATOMIC_RELEASE);
}

void tap_listen(uint16_t port)
{
	if (listeners[port]++ > 0)
		return;
	drivers[port] = rte_eth_fp_ops[port].tx_pkt_burst;
	replace(port, hear);
}

/* A core may be inside `hear` still: what was replaced stays known. */
void tap_leave(uint16_t port)
{
	if (--listeners[port] == 0)
		replace(port, drivers[port]);
}
