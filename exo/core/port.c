/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports: what the packet path asks of DPDK. They are configured and started by whoever brought the
 * machine up; what they can do is read back from their configuration.
 *
 * Transmit queues are used by core number; where a port has fewer queues than there are cores,
 * those that share one take its lock.
 */
#define ALLOW_EXPERIMENTAL_API /* rte_eth_dev_conf_get: the offloads in use */
#include "net_packet.h"

#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

enum {
	DESCRIPTORS_DEFAULT = 256, /* of a queue whose driver does not say: what was asked for */
	BUFFERS_CACHE = 64,        /* transmit buffers that a core keeps */
	WAITING_PART = 2,          /* of them may wait for full ports */
	SEGMENTS_DEFAULT = 40,     /* of a frame, likewise */
	VLAN_TAGS_MAX = 2,
};

struct port ports[EXO_PORTS_MAX];
static struct rte_mempool *port_pool;
static struct rte_mempool *shells; /* mbufs without memory of their own */
static struct rte_mbuf too_long = {.nb_segs = UINT16_MAX, .refcnt = 1};

/* Drivers without rte_eth_tx_done_cleanup whose ways are known. */
static enum give_back back_of(uint16_t id, const char *driver)
{
	static const struct {
		const char *driver;
		enum give_back back;
	} known[] = {
	        {"net_virtio", BACK_TOO_LONG},   {"net_vmxnet3", BACK_EMPTY},
	        {"net_ring", BACK_AT_ONCE},      {"net_null", BACK_AT_ONCE},
	        {"net_af_packet", BACK_AT_ONCE}, {"net_tap", BACK_AT_ONCE},
	        {"net_pcap", BACK_AT_ONCE},
	};

	for (size_t i = 0; i < RTE_DIM(known); i++)
		if (strcmp(driver, known[i].driver) == 0)
			return known[i].back;
	return rte_eth_tx_done_cleanup(id, 0, 0) < 0 ? BACK_NEVER : BACK_CLEANUP;
}

static unsigned queue_descriptors(uint16_t id, uint16_t queue)
{
	struct rte_eth_txq_info info;

	return rte_eth_tx_queue_info_get(id, queue, &info) ? DESCRIPTORS_DEFAULT : info.nb_desc;
}

/* Learns what a port can do; *buffers grows by what its transmit queues can hold. */
static int learn(uint16_t id, unsigned *buffers)
{
	struct port *port = &ports[id];
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac = {0};
	struct rte_eth_conf conf;
	uint16_t mtu = RTE_ETHER_MTU;

	if (rte_eth_dev_info_get(id, &info) || rte_eth_dev_conf_get(id, &conf))
		return -EXO_ENOENT;
	(void)rte_eth_dev_get_mtu(id, &mtu);
	(void)rte_eth_macaddr_get(id, &mac);
	memcpy((uint8_t *)&port->mac + 2, &mac, sizeof(mac));
	port->rx_queues = info.nb_rx_queues;
	port->tx_queues = info.nb_tx_queues;
	port->frame_max = mtu + RTE_ETHER_HDR_LEN + VLAN_TAGS_MAX * RTE_VLAN_HLEN;
	port->offloads = conf.txmode.offloads;
	if (!(port->offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
		port->frame_max = RTE_MIN(port->frame_max, (uint32_t)RTE_MBUF_DEFAULT_DATAROOM);
	port->copied_max =
	        RTE_MIN(port->frame_max, (uint32_t)RTE_MBUF_DEFAULT_DATAROOM - COPIED_BESIDES);
	port->rx_offloads = conf.rxmode.offloads;
	port->segments_max = RTE_MIN(info.tx_desc_lim.nb_seg_max ? info.tx_desc_lim.nb_seg_max
	                                                         : SEGMENTS_DEFAULT,
	                             queue_descriptors(id, 0) / 2);
	if (port->offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		port->back = back_of(id, info.driver_name);
	for (uint16_t queue = 0; queue < port->tx_queues; queue++)
		*buffers += queue_descriptors(id, queue);
	if (port->tx_queues >= net.n_cores)
		return 0;
	port->locks = machine_alloc(port->tx_queues * sizeof(*port->locks));
	return port->locks ? 0 : -EXO_ENOMEM;
}

/* Of a core that has no queue. */
static uint16_t receive_none(void *queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return 0;
}

/* Where a transmit queue is others', too. */
static uint16_t send_shared(void *from, struct rte_mbuf **mbufs, uint16_t n)
{
	const struct net_queue *queue = from;

	return (uint16_t)port_send(queue->core, queue->port, mbufs, n);
}

/* What the driver has of the queue now; with on = false nothing is received any more. */
static void join_driver(struct net_queue *at, bool on)
{
	const struct rte_eth_fp_ops *driver = &rte_eth_fp_ops[at->port];
	bool shared = ports[at->port].locks != NULL;

	at->received = driver->rxq.data[at->queue];
	at->send = shared ? send_shared : driver->tx_pkt_burst;
	at->sent = shared ? at : driver->txq.data[at->core % ports[at->port].tx_queues];
	/* Release: what it is called with comes before it. */
	__atomic_store_n(&at->receive, on ? driver->rx_pkt_burst : receive_none, __ATOMIC_RELEASE);
}

static void make_queue(struct net_queue *at, unsigned core, unsigned id, unsigned queue)
{
	*at = (struct net_queue){
	        .tables = net.ports[id].bound,
	        .cache = &net.cores[core].verdicts[id],
	        .mac = ports[id].mac,
	        .buffers = rte_mempool_default_cache(ports[id].pool, core),
	        .copied_max = ports[id].copied_max,
	        .core = (uint16_t)core,
	        .port = (uint16_t)id,
	        .queue = (uint16_t)queue,
	        .buff.ingress_ifindex = id,
	};
	join_driver(at, true);
}

/* What a core polls: queues in turn, since ports may have fewer or more of them than there are
 * cores. */
static int make_queues(unsigned core)
{
	struct net_core *me = &net.cores[core];
	struct net_queue *at;
	unsigned n = 0;

	for (unsigned id = 0; id < net.n_ports; id++)
		n += ports[id].rx_queues;
	me->queues = at = machine_alloc((n + 2) * sizeof(*at)); /* zeroed: the end */
	if (!at)
		return -EXO_ENOMEM;
	at->receive = receive_none;
	for (unsigned id = 0; id < net.n_ports; id++)
		for (unsigned queue = core; queue < ports[id].rx_queues; queue += net.n_cores)
			make_queue(at++, core, id, queue);
	return 0;
}

/* A NIC's function has pools of its own, by these names (exo/dpdk/functions.c). */
static int equip(uint16_t id)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;

	snprintf(name, sizeof(name), "function-%u-sent", id);
	pool = rte_mempool_lookup(name);
	ports[id].pool = pool ? pool : port_pool;
	snprintf(name, sizeof(name), "function-%u", id);
	pool = rte_mempool_lookup(name);
	ports[id].virtual = pool != NULL;
	if (!pool) {
		snprintf(name, sizeof(name), "spare-%u", id);
		pool = rte_mempool_lookup(name);
	}
	return pool && machine_dma_slots(id) ? queue_start(id, pool) : 0;
}

int port_start(void)
{
	/* What queues can hold, a batch on every core, and what that keeps for itself: then a batch
	 * always finds buffers. */
	unsigned buffers = 2 * (NET_BURST + BUFFERS_CACHE) * net.n_cores;

	for (unsigned id = 0; id < net.n_ports; id++) {
		int error = learn((uint16_t)id, &buffers);

		if (error)
			return error;
	}
	/* Not those with queues alone: what a core sends may be for this machine. */
	net.n_pollers = net.n_cores;
	port_pool = rte_pktmbuf_pool_create("net_transmit", buffers, BUFFERS_CACHE, 0,
	                                    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	/* Pieces of payload on their way at once: no more fit into the queues, and as many are left
	 * for packets that wait to. */
	shells = rte_pktmbuf_pool_create("net_shells", 2 * buffers, 0, 0, 0, SOCKET_ID_ANY);
	for (unsigned id = 0; port_pool && id < net.n_ports; id++) {
		ports[id].waiting_max =
		        RTE_MAX(buffers / WAITING_PART / net.n_ports, (uint32_t)EXO_PIECES_MAX);
		if (equip((uint16_t)id))
			return -EXO_ENOMEM;
	}
	for (unsigned core = 0; core < net.n_cores; core++)
		if (make_queues(core))
			return -EXO_ENOMEM;
	return port_pool && shells ? attach_start(2 * buffers) : -EXO_ENOMEM;
}

static void join_all(uint16_t id, bool on)
{
	for (unsigned core = 0; core < net.n_cores; core++)
		for (struct net_queue *at = net.cores[core].queues; at->receive; at++)
			if (at->port == id && at->tables)
				join_driver(at, on);
}

/* Who has no ring sends nothing: only receiving has to stop meanwhile. */
int64_t net_call_port_merge(uint64_t id)
{
	struct rte_eth_conf conf;
	int error = -EXO_EBUSY;

	if (id >= net.n_ports)
		return -EXO_ENOENT;
	machine_lock(&net.lock);
	if (!net.rings) {
		join_all((uint16_t)id, false);
		net_quiesce();
		machine_vector_begin();
		error = machine_port_merge((unsigned)id);
		if (!error && rte_eth_dev_conf_get((uint16_t)id, &conf) == 0)
			ports[id].rx_offloads = conf.rxmode.offloads;
		join_all((uint16_t)id, true);
		machine_vector_end();
	}
	machine_unlock(&net.lock);
	return error;
}

void port_free(struct rte_mbuf **mbufs, unsigned n)
{
	struct rte_mempool *pool = mbufs[0]->pool;
	unsigned i = 0;

	while (i < n && mbuf_is_plain(mbufs[i]) && mbufs[i]->pool == pool)
		i++;
	if (i > 0)
		rte_mempool_put_bulk(pool, (void **)mbufs, i);
	for (; i < n; i++)
		rte_pktmbuf_free(mbufs[i]);
}

void port_free_plain(struct rte_mbuf **mbufs, unsigned n)
{
	struct rte_mempool *pool = mbufs[0]->pool;
	unsigned i = 1;

	while (i < n && mbufs[i]->pool == pool)
		i++;
	rte_mempool_put_bulk(pool, (void **)mbufs, i);
	if (i < n)
		port_free(mbufs + i, n - i);
}

void port_free_first(struct net_queue *queue, struct rte_mbuf *mbuf)
{
	struct rte_mempool *pool = mbuf->pool;

	rte_mempool_put(pool, mbuf);
	queue->spare = rte_mempool_default_cache(pool, rte_lcore_id());
	queue->pool = queue->spare ? pool : NULL;
}

/* ---- Transmit ---- */

/* Appends a buffer to the chain; false: there is none. */
static bool grow(struct rte_mbuf *head, struct rte_mbuf **last, uint32_t *left)
{
	struct rte_mbuf *next = rte_pktmbuf_alloc(head->pool);

	if (!next)
		return false;
	next->data_len = (uint16_t)RTE_MIN(*left, rte_pktmbuf_tailroom(next));
	(*last)->next = next;
	*last = next;
	head->nb_segs++;
	*left -= next->data_len;
	return true;
}

struct rte_mbuf *port_buffer(uint16_t id, uint32_t length)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(ports[id].pool), *last = head;
	uint32_t left = length;

	if (!head)
		return NULL;
	head->pkt_len = length;
	head->data_len = (uint16_t)RTE_MIN(left, rte_pktmbuf_tailroom(head));
	left -= head->data_len;
	while (left > 0) {
		if (!grow(head, &last, &left)) {
			rte_pktmbuf_free(head);
			return NULL;
		}
	}
	return head;
}

struct rte_mbuf *port_shell(void)
{
	return rte_pktmbuf_alloc(shells);
}

bool port_buffers(uint16_t id, struct rte_mbuf *out[], unsigned n, uint32_t length, uint32_t last)
{
	/* As they lie in their pool: in one piece, nobody else's. */
	if (length <= RTE_MBUF_DEFAULT_DATAROOM)
		return rte_mempool_get_bulk(ports[id].pool, (void **)out, n) == 0;
	for (unsigned i = 0; i < n; i++) {
		out[i] = port_buffer(id, i + 1 < n ? length : last);
		if (!out[i]) {
			rte_pktmbuf_free_bulk(out, i);
			return false;
		}
	}
	return true;
}

void port_reclaim(unsigned core)
{
	for (unsigned id = 0; id < net.n_ports; id++) {
		struct port *port = &ports[id];
		uint16_t queue = (uint16_t)(core % port->tx_queues);
		struct rte_mbuf *mbuf = &too_long;

		if (port->back == BACK_EMPTY || port->back == BACK_TOO_LONG)
			(void)port_send(core, (uint16_t)id, &mbuf, port->back == BACK_TOO_LONG);
		if (port->back != BACK_CLEANUP)
			continue;
		if (port->locks)
			machine_lock(&port->locks[queue]);
		(void)rte_eth_tx_done_cleanup((uint16_t)id, queue, 0);
		if (port->locks)
			machine_unlock(&port->locks[queue]);
	}
}

/* ---- Information ---- */

static void copy_name(char to[EXO_NAME_MAX], const char *from)
{
	snprintf(to, EXO_NAME_MAX, "%s", from ? from : "");
}

void port_info(uint16_t id, struct exo_port_info *info)
{
	char name[RTE_ETH_NAME_MAX_LEN] = "";
	struct rte_eth_dev_info device;
	struct rte_eth_stats stats;
	struct rte_eth_link link = {0};

	if (rte_eth_dev_info_get(id, &device) == 0)
		copy_name(info->driver, device.driver_name);
	(void)rte_eth_dev_get_name_by_port(id, name);
	copy_name(info->bus, name);
	(void)rte_eth_macaddr_get(id, (struct rte_ether_addr *)info->mac);
	(void)rte_eth_dev_get_mtu(id, &info->mtu);
	if (rte_eth_link_get_nowait(id, &link) == 0)
		info->link_mbps = !link.link_status                              ? 0
		                  : link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 1
		                                                                 : link.link_speed;
	info->rx_offloads = ports[id].rx_offloads;
	info->tx_offloads = ports[id].offloads;
	info->rx_queues = ports[id].rx_queues;
	info->tx_queues = ports[id].tx_queues;
	info->flags = ports[id].virtual ? EXO_PORT_FUNCTION : 0;
	info->slots = machine_dma_slots(id);
	if (info->slots && ports[id].virtual)
		info->rx_queues = 1;
	if (rte_eth_stats_get(id, &stats))
		return;
	info->rx_packets = stats.ipackets;
	info->rx_bytes = stats.ibytes;
	for (unsigned i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++)
		info->rx_busiest = RTE_MAX(info->rx_busiest, stats.q_ipackets[i]);
	info->tx_packets = stats.opackets;
	info->tx_bytes = stats.obytes;
	info->drops.nic = stats.imissed;
	info->drops.pool = stats.rx_nombuf;
	info->drops.nic_errors = stats.ierrors;
}
