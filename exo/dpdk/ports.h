/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ethernet ports, from probed to started, the same on the bare machine and on Linux: pure
 * rte_ethdev. Ports see every frame on their wire (promiscuous: who gets a frame is the
 * demultiplexer's business), keep VLAN tags where they are, and merge frames only where that is
 * wished.
 *
 * A started port is used through rte_ethdev by its id: rte_eth_rx_burst, rte_eth_tx_burst,
 * rte_eth_stats_get, rte_eth_link_get_nowait. Links come up while the machine runs: nothing here
 * waits for one.
 */
#ifndef DPDK_PORTS_H
#define DPDK_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_dev.h>
#include <rte_ether.h>
#include <rte_mempool.h>

/* What is wanted of every port; each gets as much as it can give. */
struct dpdk_ports_wish {
	uint16_t queues; /* pairs of receive and transmit queue, one per polling core; 1 or more */
	uint16_t rx_descriptors,
	        tx_descriptors; /* of each queue; adjusted to the device's limits */
	uint32_t max_frame;     /* bytes from destination address to payload's end, without FCS */
	uint64_t rx_offloads;   /* RTE_ETH_RX_OFFLOAD_…: checksums and the like */
	uint64_t tx_offloads;   /* RTE_ETH_TX_OFFLOAD_… */
	/* Whole frames that mbufs of received packets point to, contiguous, not cleared; NULL:
	 * mbufs carry their own memory. */
	void *(*frames)(size_t n);
	/* Whether a device has one pair to give, whatever it says; NULL: none is so. */
	bool (*single)(const struct rte_device *device);
	/* By id: ports that may merge segments of a TCP stream into longer frames (LRO). */
	uint64_t merge;
	/* The pool of one receive queue more, that rules alone bring frames to (steer.h); NULL, or
	 * NULL from it: there is none. */
	struct rte_mempool *(*spare)(uint16_t id, const struct rte_device *device);
	bool rx_interrupts; /* prepare queues for rte_eth_dev_rx_intr_enable */
	/* Of one port alone: its receive queue's pool. It hears its own address and groups only. */
	struct rte_mempool *own;
};

/* What a port gave. */
struct dpdk_port {
	bool started;
	bool common;        /* of those that were started together */
	bool rx_interrupts; /* rte_eth_dev_rx_intr_enable works; disabled at first */
	bool spare;         /* there is a receive queue behind the others for rules */
	uint16_t queues;
	uint32_t max_frame; /* a longer frame is dropped by the device */
	uint64_t rx_offloads, tx_offloads;
	struct rte_ether_addr mac;
	const char *driver; /* "net_virtio" */
	const char *device; /* "0000:00:03.0" */
};

/*
 * Makes one pool of mbufs for all ports, configures and starts each port that was probed. A port
 * that can't be started is named on stderr and closed. Returns one more than the highest id of a
 * started port; 0: none. Once.
 */
unsigned dpdk_ports_start(const struct dpdk_ports_wish *wish);

/* Likewise one port that was probed later, with a pool of its own. */
void dpdk_port_start(uint16_t id, const struct dpdk_ports_wish *wish);

/* Starts a port of dpdk_ports_start anew, which may merge from now on, where it can; nobody is to
 * be in its queues, which may be others then. 0 or -ENOTSUP, after which it is as it was. */
int dpdk_port_merge(uint16_t id);

/* A pool of n mbufs that point to a page each of `pages` (NULL: who reads them says where they
 * are), which the device knows by the addresses from `iova` on. NULL: no memory. */
struct rte_mempool *dpdk_ports_pool_of(const char *name, unsigned n, void *pages, uint64_t iova);

/* Port `id`, or NULL where none was started. Constant from dpdk_ports_start on. */
const struct dpdk_port *dpdk_port(uint16_t id);
/* Behind the last started port's id. */
uint16_t dpdk_ports_end(void);

/* The pool that receive queues are filled from. NULL: no ports. */
struct rte_mempool *dpdk_ports_pool(void);

#endif
