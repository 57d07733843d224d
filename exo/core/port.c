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
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>

enum {
	DESCRIPTORS_DEFAULT = 1024, /* of a queue whose driver does not say */
	VLAN_TAGS_MAX = 2,
};

/* What is known of a port. */
struct port {
	uint16_t rx_queues, tx_queues;
	uint32_t frame_max;
	struct rte_ether_addr mac;
	uint64_t offloads; /* RTE_ETH_TX_OFFLOAD_* in use */
	uint64_t rx_offloads;
	struct machine_lock *locks; /* one for each transmit queue; NULL: none is shared */
};

static struct port ports[EXO_PORTS_MAX];
static struct rte_mempool *pool;

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
	struct rte_eth_conf conf;
	uint16_t mtu = RTE_ETHER_MTU;

	if (rte_eth_dev_info_get(id, &info) || rte_eth_dev_conf_get(id, &conf))
		return -EXO_ENOENT;
	(void)rte_eth_dev_get_mtu(id, &mtu);
	(void)rte_eth_macaddr_get(id, &port->mac);
	port->rx_queues = info.nb_rx_queues;
	port->tx_queues = info.nb_tx_queues;
	port->frame_max = mtu + RTE_ETHER_HDR_LEN + VLAN_TAGS_MAX * RTE_VLAN_HLEN;
	port->offloads = conf.txmode.offloads;
	if (!(port->offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
		port->frame_max = RTE_MIN(port->frame_max, (uint32_t)RTE_MBUF_DEFAULT_DATAROOM);
	port->rx_offloads = conf.rxmode.offloads;
	for (uint16_t queue = 0; queue < port->tx_queues; queue++)
		*buffers += queue_descriptors(id, queue);
	if (port->tx_queues >= net.n_cores)
		return 0;
	port->locks = machine_alloc(port->tx_queues * sizeof(*port->locks));
	return port->locks ? 0 : -EXO_ENOMEM;
}

int port_start(void)
{
	/* What queues can hold, and a batch on every core: then a batch always finds buffers. */
	unsigned buffers = 2 * NET_BURST * net.n_cores;

	for (unsigned id = 0; id < net.n_ports; id++) {
		int error = learn((uint16_t)id, &buffers);

		if (error)
			return error;
	}
	/* Not those with queues alone: what a core sends may be for this machine. */
	net.n_pollers = net.n_cores;
	pool = rte_pktmbuf_pool_create("net_transmit", buffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
	                               SOCKET_ID_ANY);
	return pool ? 0 : -EXO_ENOMEM;
}

uint16_t port_queues(uint16_t id)
{
	return ports[id].rx_queues;
}

const struct rte_ether_addr *port_mac(uint16_t id)
{
	return &ports[id].mac;
}

uint32_t port_frame_max(uint16_t id)
{
	return ports[id].frame_max;
}

unsigned port_receive(uint16_t id, uint16_t queue, struct rte_mbuf **mbufs, unsigned n)
{
	return rte_eth_rx_burst(id, queue, mbufs, (uint16_t)n);
}

/* ---- Transmit ---- */

/* Appends a buffer to the chain; false: there is none. */
static bool grow(struct rte_mbuf *head, struct rte_mbuf **last, uint32_t *left)
{
	struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

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
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool), *last = head;
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

/* What a frame's headers say, for checksums. */
struct headers {
	uint32_t l3, l4, l4_length; /* offsets from the frame's start; bytes behind l4 */
	bool v4, tcp;
};

/* Whether lengths in the headers fit the frame: what the IP header covers lies inside it. */
static bool measure(const struct rte_mbuf *mbuf, struct headers *headers)
{
	uint32_t covered, l4_header;

	if (headers->v4)
		covered = rte_be_to_cpu_16(
		        rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, headers->l3)
		                ->total_length);
	else
		covered = sizeof(struct rte_ipv6_hdr) +
		          rte_be_to_cpu_16(
		                  rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv6_hdr *, headers->l3)
		                          ->payload_len);
	l4_header = headers->tcp ? sizeof(struct rte_tcp_hdr) : sizeof(struct rte_udp_hdr);
	if (covered > mbuf->pkt_len - headers->l3 ||
	    covered < headers->l4 - headers->l3 + l4_header ||
	    mbuf->data_len < headers->l4 + l4_header)
		return false;
	headers->l4_length = covered - (headers->l4 - headers->l3);
	return true;
}

/* Finds the headers; false: not IPv4 or IPv6 in Ethernet, with `l4`: not TCP or UDP in that. */
static bool parse(struct rte_mbuf *mbuf, bool l4, struct headers *headers)
{
	struct rte_net_hdr_lens lens;
	uint32_t type = rte_net_get_ptype(
	        mbuf, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	uint32_t l4_type = type & RTE_PTYPE_L4_MASK;

	headers->l4_length = 0;
	headers->v4 = RTE_ETH_IS_IPV4_HDR(type);
	headers->tcp = l4_type == RTE_PTYPE_L4_TCP;
	headers->l3 = mbuf->l2_len = lens.l2_len;
	headers->l4 = lens.l2_len + lens.l3_len;
	mbuf->l3_len = lens.l3_len;
	if (headers->v4 ? lens.l3_len < sizeof(struct rte_ipv4_hdr) || mbuf->data_len < headers->l4
	                : (type & RTE_PTYPE_L3_MASK) != RTE_PTYPE_L3_IPV6)
		return false;
	if (!l4)
		return true;
	return (headers->tcp || l4_type == RTE_PTYPE_L4_UDP) && measure(mbuf, headers);
}

static void set_l4_sum(struct rte_mbuf *mbuf, const struct headers *headers, rte_be16_t sum)
{
	if (headers->tcp)
		rte_pktmbuf_mtod_offset(mbuf, struct rte_tcp_hdr *, headers->l4)->cksum = sum;
	else
		rte_pktmbuf_mtod_offset(mbuf, struct rte_udp_hdr *, headers->l4)->dgram_cksum = sum;
}

/* RFC 1071 over the pseudo header (RFC 768, 9293, 8200) and what follows it. */
static void l4_in_software(struct rte_mbuf *mbuf, const struct headers *headers)
{
	void *ip = rte_pktmbuf_mtod_offset(mbuf, void *, headers->l3);
	uint16_t body = 0;
	uint32_t sum;

	set_l4_sum(mbuf, headers, 0);
	(void)rte_raw_cksum_mbuf(mbuf, headers->l4, headers->l4_length, &body);
	sum = body +
	      (uint32_t)(headers->v4 ? rte_ipv4_phdr_cksum(ip, 0) : rte_ipv6_phdr_cksum(ip, 0));
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	set_l4_sum(mbuf, headers, (rte_be16_t)(sum == 0 && !headers->tcp ? 0xffff : sum));
}

/* Whether the port computes this frame's checksum: it counts to the frame's end, so padding behind
 * the IP packet is left to us. */
static bool port_computes(uint16_t id, const struct rte_mbuf *mbuf, const struct headers *headers)
{
	uint64_t offload =
	        headers->tcp ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	return (ports[id].offloads & offload) && headers->l4 + headers->l4_length == mbuf->pkt_len;
}

static unsigned l4_by_port(uint16_t id, struct rte_mbuf *mbuf, const struct headers *headers)
{
	mbuf->ol_flags |= headers->v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	mbuf->ol_flags |= headers->tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if (rte_net_intel_cksum_prepare(mbuf))
		return EXO_EINVAL;
	return rte_eth_tx_prepare(id, 0, &mbuf, 1) == 1 ? 0 : EXO_EINVAL;
}

unsigned port_checksum(uint16_t id, struct rte_mbuf *mbuf, unsigned flags)
{
	struct headers headers;

	if (!(flags & (EXO_DESC_L3_SUM | EXO_DESC_L4_SUM)))
		return 0;
	if (!parse(mbuf, flags & EXO_DESC_L4_SUM, &headers))
		return EXO_EINVAL;
	if ((flags & EXO_DESC_L3_SUM) && headers.v4) {
		struct rte_ipv4_hdr *ip =
		        rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, headers.l3);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	if (!(flags & EXO_DESC_L4_SUM))
		return 0;
	if (port_computes(id, mbuf, &headers))
		return l4_by_port(id, mbuf, &headers);
	l4_in_software(mbuf, &headers);
	return 0;
}

unsigned port_send(unsigned core, uint16_t id, struct rte_mbuf **mbufs, unsigned n)
{
	struct port *port = &ports[id];
	uint16_t queue = (uint16_t)(core % port->tx_queues);
	unsigned sent;

	if (!port->locks)
		return rte_eth_tx_burst(id, queue, mbufs, (uint16_t)n);
	machine_lock(&port->locks[queue]);
	sent = rte_eth_tx_burst(id, queue, mbufs, (uint16_t)n);
	machine_unlock(&port->locks[queue]);
	return sent;
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
	if (rte_eth_stats_get(id, &stats))
		return;
	info->rx_packets = stats.ipackets;
	info->rx_bytes = stats.ibytes;
	info->tx_packets = stats.opackets;
	info->tx_bytes = stats.obytes;
	info->drops.nic = stats.imissed + stats.rx_nombuf;
	info->drops.nic_errors = stats.ierrors;
}
