/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core for tests of the drivers: it stands where exo/core stands in the real image, describes its
 * ports on the console, answers ARP requests and ICMP echoes on each of them, and on a frame of
 * EtherType 0x88B6 prints what it counted and powers off. Each core polls the queue of its number;
 * with "halt" on the command line it sleeps where there is nothing to do.
 */
#include <rte_ethdev.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_arp.h>

#include "../../core/boot_info.h"
#include "../../core/machine.h"
#include "../../x86_64/x86.h"
#include "../dpdk.h"
#include "../ports.h"

enum { BURST = 32, ETHER_TYPE_STOP = 0x88b6 };

struct tally {
	uint64_t received, bytes, sent, refused; /* refused: by the transmit queue */
} __attribute__((aligned(64)));

static struct tally tallies[X86_CORES_MAX];
static volatile bool stopping;
static bool halting; /* "halt" on the command line: cores halt where there is nothing to do */
static uint64_t halts[X86_CORES_MAX];

/* ---- Answers: made in the frame that asks. 0: nothing to send. ---- */

static int answer_arp(struct rte_mbuf *m, uint16_t port)
{
	struct rte_arp_hdr *arp =
	        rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, RTE_ETHER_HDR_LEN);
	struct rte_arp_ipv4 *data = &arp->arp_data;
	rte_be32_t asked;

	if (m->data_len < RTE_ETHER_HDR_LEN + sizeof(*arp) ||
	    arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST))
		return 0;
	asked = data->arp_tip;
	arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
	data->arp_tip = data->arp_sip;
	data->arp_tha = data->arp_sha;
	data->arp_sip = asked;
	data->arp_sha = dpdk_port(port)->mac;
	return 1;
}

static int answer_echo(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip =
	        rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)(ip + 1);
	rte_be32_t to;
	uint32_t sum;

	if (m->data_len < RTE_ETHER_HDR_LEN + sizeof(*ip) + sizeof(*icmp) ||
	    ip->version_ihl != 0x45 || ip->next_proto_id != IPPROTO_ICMP ||
	    icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST)
		return 0;
	to = ip->dst_addr;
	ip->dst_addr = ip->src_addr;
	ip->src_addr = to;
	/* The type goes from 8 to 0: the checksum's high byte rises by 8 (RFC 1624). */
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	sum = rte_be_to_cpu_16(icmp->icmp_cksum) + 0x0800u;
	icmp->icmp_cksum = rte_cpu_to_be_16((uint16_t)(sum + (sum >> 16)));
	return 1;
}

static int answer(struct rte_mbuf *m, uint16_t port)
{
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	int good = 0;

	if (m->data_len < RTE_ETHER_HDR_LEN)
		return 0;
	switch (rte_be_to_cpu_16(ether->ether_type)) {
	case RTE_ETHER_TYPE_ARP:
		good = answer_arp(m, port);
		break;
	case RTE_ETHER_TYPE_IPV4:
		good = answer_echo(m);
		break;
	case ETHER_TYPE_STOP:
		stopping = true;
		break;
	}
	ether->dst_addr = ether->src_addr;
	ether->src_addr = dpdk_port(port)->mac;
	return good;
}

/* ---- Polling ---- */

/* How many frames it took. */
static unsigned poll_port(uint16_t port, uint16_t queue, struct tally *tally)
{
	struct rte_mbuf *frames[BURST], *answers[BURST];
	uint16_t n = rte_eth_rx_burst(port, queue, frames, BURST), out = 0, sent;

	for (uint16_t i = 0; i < n; i++) {
		tally->bytes += frames[i]->pkt_len;
		if (answer(frames[i], port))
			answers[out++] = frames[i];
		else
			rte_pktmbuf_free(frames[i]);
	}
	tally->received += n;
	sent = rte_eth_tx_burst(port, queue, answers, out);
	tally->sent += sent;
	tally->refused += out - sent;
	if (sent < out)
		rte_pktmbuf_free_bulk(answers + sent, out - sent);
	return n;
}

static unsigned poll_all(unsigned core)
{
	unsigned n = 0;
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port)
	{
		if (dpdk_port(port) != NULL && core < dpdk_port(port)->queues)
			n += poll_port(port, (uint16_t)core, &tallies[core]);
	}
	return n;
}

/* Only after a poll in vain: whatever a poll leaves in the queue came before the queue was armed
 * and interrupts nobody. Without a deadline, so that a lost interrupt fails the test. */
static void halt(void)
{
	uint64_t deadline = dpdk_sleep(machine_core(), UINT64_MAX);

	if (machine_tsc() < deadline && !stopping) {
		machine_idle(deadline);
		halts[machine_core()]++;
	}
}

/* ---- Reports ---- */

static void describe(uint16_t id)
{
	const struct dpdk_port *port = dpdk_port(id);
	const uint8_t *mac = port->mac.addr_bytes;

	x86_print("port %u: %s %s %02x:%02x:%02x:%02x:%02x:%02x frames up to %u, %u queues, %s\n",
	          id, port->driver, port->device, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
	          port->max_frame, port->queues, port->rx_interrupts ? "interrupts" : "polled");
}

static void report_port(uint16_t id)
{
	struct rte_eth_stats stats;
	struct rte_eth_link link;

	rte_eth_stats_get(id, &stats);
	rte_eth_link_get_nowait(id, &link);
	x86_print("port %u: link %s %u Mb/s, rx %lu (%lu bytes, %lu missed, %lu bad), tx %lu\n", id,
	          link.link_status ? "up" : "down", link.link_speed, stats.ipackets, stats.ibytes,
	          stats.imissed, stats.ierrors, stats.opackets);
}

static void report(void)
{
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
	{
		report_port(id);
	}
	for (unsigned core = 0; core < machine_cores(); core++)
		x86_print("core %u: received %lu, sent %lu, refused %lu, halted %lu times\n", core,
		          tallies[core].received, tallies[core].sent, tallies[core].refused,
		          halts[core]);
	x86_print("pool: %u mbufs in use\n", rte_mempool_in_use_count(dpdk_ports_pool()));
}

/* Frames that were sent are only freed when later ones are: let the counts settle. */
static void stop(void)
{
	uint16_t id;

	report();
	RTE_ETH_FOREACH_DEV(id)
	{
		rte_eth_dev_stop(id);
	}
	machine_power(EXO_POWER_EXIT, 0);
}

void core_main(const struct boot_info *boot)
{
	uint16_t id;

	halting = strstr(boot->command_line, "halt") != NULL;
	machine_vector_begin();
	RTE_ETH_FOREACH_DEV(id)
	{
		if (dpdk_port(id) != NULL)
			describe(id);
	}
	machine_release_cores();
	x86_print("polling\n");
	while (!stopping) {
		dpdk_poll();
		if (poll_all(0) == 0 && halting)
			halt();
	}
	stop();
	machine_panic("still here after power-off");
}

void core_secondary(void)
{
	machine_vector_begin();
	while (!stopping) {
		if (poll_all(machine_core()) == 0 && halting)
			halt();
	}
	for (;;)
		machine_idle(UINT64_MAX);
}
