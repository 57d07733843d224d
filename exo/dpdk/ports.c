/* SPDX-License-Identifier: BSD-2-Clause */
/* Ethernet ports: see ports.h. */
#include "ports.h"

#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include "steer.h"

enum {
	POOL_CACHE = 64, /* mbufs that a core may keep for itself */
	POOL_STOCK = 64, /* and what receives from a queue (virtio.c) */
	POOL_SPARE =
	        256, /* mbufs on their way through the kernel, besides what receive queues hold */
	FRAME_BYTES = 4096,
	HEADERS_MAX =
	        18, /* Ethernet and one VLAN tag: what lies before the payload that MTU counts */
};

static struct dpdk_port ports[RTE_MAX_ETHPORTS];
static struct dpdk_ports_wish wished; /* of all that were started together */
static struct rte_mempool *pool;
static uint16_t ports_end;

static int complain(uint16_t id, const char *what, int error)
{
	char name[RTE_ETH_NAME_MAX_LEN] = "?";

	rte_eth_dev_get_name_by_port(id, name);
	fprintf(stderr, "dpdk: port %u (%s): can't %s: %s\n", id, name, what, rte_strerror(-error));
	return error;
}

/* ---- The pool ---- */

static uint16_t queues_of(const struct rte_eth_dev_info *info, const struct dpdk_ports_wish *wish)
{
	uint16_t max = RTE_MIN(info->max_rx_queues, info->max_tx_queues);

	return wish->single != NULL && wish->single(info->device) ? 1 : RTE_MIN(max, wish->queues);
}

/* mbufs that a driver keeps ready for each receive descriptor: some fill more than one ring. */
static unsigned mbufs_per_descriptor(const struct rte_eth_dev_info *info)
{
	if (strcmp(info->driver_name, "net_vmxnet3") == 0)
		return 2; /* a ring of heads and one of bodies */
	if (strcmp(info->driver_name, "net_bnxt") == 0)
		return 5; /* its aggregation ring is four times as long */
	return 1;
}

/* Every descriptor of every receive queue holds an mbuf, those of transmit queues one that arrived
 * and was answered by a handler, and every core may keep a cache of them, every receive queue some.
 * Frames to be sent have a pool of the sender's. */
static unsigned count_mbufs(const struct dpdk_ports_wish *wish)
{
	unsigned n = POOL_SPARE + rte_lcore_count() * POOL_CACHE * 3 / 2;
	struct rte_eth_dev_info info;
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
	{
		if (rte_eth_dev_info_get(id, &info) == 0)
			n += (wish->rx_descriptors * mbufs_per_descriptor(&info) +
			      wish->tx_descriptors + POOL_STOCK) *
			     queues_of(&info, wish);
	}
	return n;
}

struct pages {
	char *at;
	uint64_t iova;
};

static void point_to_page(struct rte_mempool *mempool, void *argument, void *object, unsigned i)
{
	const struct pages *pages = argument;
	struct rte_mbuf *mbuf = object;

	mbuf->buf_addr = pages->at == NULL ? NULL : pages->at + (size_t)i * FRAME_BYTES;
	mbuf->buf_iova = pages->iova + (size_t)i * FRAME_BYTES;
}

/* mbufs without memory of their own, which point to a frame each instead: whoever takes the frame
 * puts another one there. To DPDK they are ordinary ones. */
struct rte_mempool *dpdk_ports_pool_of(const char *name, unsigned n, void *at, uint64_t iova)
{
	struct pages pages = {at, iova};
	struct rte_pktmbuf_pool_private about = {.mbuf_data_room_size = FRAME_BYTES};
	struct rte_mempool *made;

	made = rte_mempool_create_empty(name, n, sizeof(struct rte_mbuf),
	                                at == NULL ? 0 : POOL_CACHE, sizeof(about), SOCKET_ID_ANY,
	                                0);
	if (made == NULL)
		return NULL;
	(void)rte_mempool_set_ops_byname(made, rte_mbuf_best_mempool_ops(), NULL);
	rte_pktmbuf_pool_init(made, &about);
	if (rte_mempool_populate_default(made) < 0) {
		rte_mempool_free(made);
		return NULL;
	}
	rte_mempool_obj_iter(made, rte_pktmbuf_init, NULL);
	rte_mempool_obj_iter(made, point_to_page, &pages);
	return made;
}

static struct rte_mempool *make_pool(const struct dpdk_ports_wish *wish)
{
	const unsigned n = count_mbufs(wish);
	void *frames;

	if (wish->frames != NULL) {
		frames = wish->frames(n);
		return frames == NULL
		               ? NULL
		               : dpdk_ports_pool_of("ports", n, frames, rte_mem_virt2iova(frames));
	}
	return rte_pktmbuf_pool_create("ports", n, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
	                               SOCKET_ID_ANY);
}

/* ---- Configuration ---- */

struct plan {
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	struct rte_mempool *pool;
	struct rte_mempool *spare; /* of a receive queue behind the others; NULL: there is none */
	uint16_t queues, rx_descriptors, tx_descriptors;
};

/*
 * Whether long frames arrive whole in several mbufs. net_vmxnet3 says that it can, but leaves the
 * number of pieces that it takes (maxNumRxSG) at zero, which QEMU's device takes for one.
 */
static bool can_scatter(const struct rte_eth_dev_info *info)
{
	return (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0 &&
	       strcmp(info->driver_name, "net_vmxnet3") != 0;
}

/* Frames as long as wished, if the device can scatter them over mbufs; else as one mbuf holds. */
static void plan_frames(struct plan *plan, const struct dpdk_ports_wish *wish)
{
	uint32_t room = rte_pktmbuf_data_room_size(plan->pool) - RTE_PKTMBUF_HEADROOM;
	uint32_t mtu = wish->max_frame > HEADERS_MAX ? wish->max_frame - HEADERS_MAX : 0;

	mtu = RTE_MIN(mtu, (uint32_t)plan->info.max_mtu);
	if (plan->info.max_rx_pktlen > HEADERS_MAX + RTE_ETHER_CRC_LEN)
		mtu = RTE_MIN(mtu, plan->info.max_rx_pktlen - HEADERS_MAX - RTE_ETHER_CRC_LEN);
	if (can_scatter(&plan->info))
		plan->conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	else
		mtu = RTE_MIN(mtu, room - HEADERS_MAX - RTE_ETHER_CRC_LEN);
	mtu = RTE_MAX(mtu, (uint32_t)plan->info.min_mtu);
	plan->conf.rxmode.mtu = RTE_MAX(mtu, (uint32_t)RTE_ETHER_MIN_MTU);
}

/* Segments that the device merges are longer than one mbuf. */
static bool can_merge(const struct rte_eth_dev_info *info)
{
	return (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0 && can_scatter(info);
}

static void plan_merging(uint16_t id, struct plan *plan, const struct dpdk_ports_wish *wish)
{
	if (id >= 64 || (wish->merge >> id & 1) == 0)
		return;
	if (!can_merge(&plan->info)) {
		complain(id, "merge segments of TCP", -ENOTSUP);
		return;
	}
	plan->conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
	plan->conf.rxmode.max_lro_pkt_size = plan->info.max_lro_pkt_size;
}

static void plan_offloads(struct plan *plan, const struct dpdk_ports_wish *wish)
{
	plan->conf.rxmode.offloads |= wish->rx_offloads & plan->info.rx_offload_capa;
	plan->conf.txmode.offloads |=
	        (wish->tx_offloads | RTE_ETH_TX_OFFLOAD_MULTI_SEGS) & plan->info.tx_offload_capa;
}

static void plan_spreading(struct plan *plan)
{
	const uint64_t kinds = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;

	if (plan->queues > 1) {
		plan->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		plan->conf.rx_adv_conf.rss_conf.rss_hf = kinds & plan->info.flow_type_rss_offloads;
	}
}

/* net_e1000_em never routes its receive queue to the vector that it sets up for it. */
static bool can_interrupt(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_e1000_em") != 0;
}

static int make_plan(uint16_t id, const struct dpdk_ports_wish *wish, struct plan *plan)
{
	int error;

	memset(plan, 0, sizeof(*plan));
	error = rte_eth_dev_info_get(id, &plan->info);
	if (error != 0)
		return complain(id, "get its limits", error);
	plan->pool = wish->own != NULL ? wish->own : pool;
	plan->queues = queues_of(&plan->info, wish);
	if (wish->spare != NULL && wish->own == NULL && plan->info.max_rx_queues > plan->queues &&
	    (wish->single == NULL || !wish->single(plan->info.device)))
		plan->spare = wish->spare(id, plan->info.device);
	plan->rx_descriptors = wish->rx_descriptors;
	plan->tx_descriptors = wish->tx_descriptors;
	plan_frames(plan, wish);
	plan_offloads(plan, wish);
	plan_merging(id, plan, wish);
	plan_spreading(plan);
	plan->conf.intr_conf.rxq = wish->rx_interrupts && can_interrupt(&plan->info);
	return 0;
}

static int set_up_receiver(uint16_t id, uint16_t queue, const struct plan *plan)
{
	struct rte_eth_rxconf rx = plan->info.default_rxconf;
	int node = rte_eth_dev_socket_id(id), error;

	rx.offloads = plan->conf.rxmode.offloads;
	error = rte_eth_rx_queue_setup(id, queue, plan->rx_descriptors,
	                               node < 0 ? SOCKET_ID_ANY : (unsigned)node, &rx,
	                               queue < plan->queues ? plan->pool : plan->spare);
	return error == 0 ? 0 : complain(id, "set up a receive queue", error);
}

static int set_up_queue(uint16_t id, uint16_t queue, const struct plan *plan)
{
	struct rte_eth_txconf tx = plan->info.default_txconf;
	int node = rte_eth_dev_socket_id(id), error = set_up_receiver(id, queue, plan);

	tx.offloads = plan->conf.txmode.offloads;
	if (error != 0)
		return error;
	error = rte_eth_tx_queue_setup(id, queue, plan->tx_descriptors,
	                               node < 0 ? SOCKET_ID_ANY : (unsigned)node, &tx);
	return error == 0 ? 0 : complain(id, "set up a transmit queue", error);
}

static int configure(uint16_t id, struct plan *plan)
{
	uint16_t receivers = (uint16_t)(plan->queues + (plan->spare != NULL));
	int error = rte_eth_dev_configure(id, receivers, plan->queues, &plan->conf);

	if (error != 0)
		return complain(id, "be configured", error);
	error = rte_eth_dev_adjust_nb_rx_tx_desc(id, &plan->rx_descriptors, &plan->tx_descriptors);
	if (error != 0)
		return complain(id, "size its queues", error);
	for (uint16_t queue = 0; queue < plan->queues && error == 0; queue++)
		error = set_up_queue(id, queue, plan);
	if (error == 0 && plan->spare != NULL)
		error = set_up_receiver(id, plan->queues, plan);
	return error;
}

/* RSS spreads over the queues that cores poll, and not over the one behind them. */
static bool keep_from_spare(uint16_t id, const struct plan *plan)
{
	struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	if (plan->queues == 1)
		return true;
	for (unsigned i = 0; i < RTE_DIM(table) * RTE_ETH_RETA_GROUP_SIZE; i++) {
		table[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
		table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
		        (uint16_t)(i % plan->queues);
	}
	return plan->info.reta_size != 0 && plan->info.reta_size <= RTE_ETH_RSS_RETA_SIZE_512 &&
	       rte_eth_dev_rss_reta_update(id, table, plan->info.reta_size) == 0;
}

static void listen_to_all(uint16_t id, bool addresses)
{
	int error = addresses ? rte_eth_promiscuous_enable(id) : 0;

	if (error != 0)
		complain(id, "listen to every address", error);
	error = rte_eth_allmulticast_enable(id);
	if (error != 0 && error != -ENOTSUP)
		complain(id, "listen to every group", error);
}

static void describe(uint16_t id, const struct plan *plan)
{
	struct dpdk_port *port = &ports[id];

	port->queues = plan->queues;
	port->spare = plan->spare != NULL;
	port->common = plan->pool == pool;
	port->max_frame = plan->conf.rxmode.mtu + HEADERS_MAX;
	port->rx_offloads = plan->conf.rxmode.offloads;
	port->tx_offloads = plan->conf.txmode.offloads;
	port->driver = plan->info.driver_name;
	port->device = rte_dev_name(plan->info.device);
	rte_eth_macaddr_get(id, &port->mac);
}

/* Whether every queue can be told to interrupt; leaves them told not to. */
static bool interrupts_work(uint16_t id, const struct plan *plan)
{
	uint16_t receivers = (uint16_t)(plan->queues + (plan->spare != NULL));
	bool good = plan->conf.intr_conf.rxq != 0;

	for (uint16_t queue = 0; queue < receivers && good; queue++)
		good = rte_eth_dev_rx_intr_disable(id, queue) == 0;
	return good;
}

static int try_to_start(uint16_t id, struct plan *plan)
{
	int error = configure(id, plan);

	if (error != 0)
		return error;
	error = rte_eth_dev_start(id);
	return error == 0 ? 0 : complain(id, "be started", error);
}

static int start(uint16_t id, const struct dpdk_ports_wish *wish)
{
	struct plan plan;
	int error = make_plan(id, wish, &plan);

	if (error != 0)
		return error;
	error = try_to_start(id, &plan);
	if (error != 0 && plan.conf.intr_conf.rxq != 0) {
		plan.conf.intr_conf.rxq = 0;
		error = try_to_start(id, &plan);
	}
	if (error == 0 && plan.spare != NULL &&
	    (!keep_from_spare(id, &plan) || !dpdk_steer_possible(id, plan.queues))) {
		(void)rte_eth_dev_stop(id);
		plan.spare = NULL;
		error = try_to_start(id, &plan);
	}
	if (error != 0)
		return error;
	listen_to_all(id, wish->own == NULL);
	describe(id, &plan);
	ports[id].rx_interrupts = interrupts_work(id, &plan);
	__atomic_store_n(&ports[id].started, true, __ATOMIC_RELEASE);
	return 0;
}

unsigned dpdk_ports_start(const struct dpdk_ports_wish *wish)
{
	uint16_t id;

	if (rte_eth_dev_count_avail() == 0)
		return 0;
	wished = *wish;
	pool = make_pool(wish);
	if (pool == NULL) {
		fprintf(stderr, "dpdk: no memory for %u mbufs\n", count_mbufs(wish));
		return 0;
	}
	RTE_ETH_FOREACH_DEV(id)
	dpdk_port_start(id, wish);
	return ports_end;
}

void dpdk_port_start(uint16_t id, const struct dpdk_ports_wish *wish)
{
	if (start(id, wish) == 0)
		ports_end = (uint16_t)RTE_MAX(ports_end, id + 1);
	else
		rte_eth_dev_close(id);
}

int dpdk_port_merge(uint16_t id)
{
	struct rte_eth_dev_info info;
	bool known = dpdk_port(id) != NULL && ports[id].common && id < 64;

	if (!known || ports[id].spare || rte_eth_dev_info_get(id, &info) != 0 || !can_merge(&info))
		return -ENOTSUP;
	ports[id].started = false; /* to who looks meanwhile */
	(void)rte_eth_dev_stop(id);
	wished.merge |= 1ull << id;
	if (start(id, &wished) == 0)
		return 0;
	wished.merge &= ~(1ull << id);
	(void)start(id, &wished);
	return -ENOTSUP;
}

const struct dpdk_port *dpdk_port(uint16_t id)
{
	return id < RTE_MAX_ETHPORTS && __atomic_load_n(&ports[id].started, __ATOMIC_ACQUIRE)
	               ? &ports[id]
	               : NULL;
}

uint16_t dpdk_ports_end(void)
{
	return ports_end;
}

struct rte_mempool *dpdk_ports_pool(void)
{
	return pool;
}
