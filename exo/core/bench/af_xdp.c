/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ci/bench puts beside the packet path on the host: Linux's AF_XDP in copy mode, over a veth
 * pair, driven by DPDK's net_af_xdp. One thread sends bursts at one end and receives them at the
 * other; a frame's cost is the thread's time: system calls, the way through veth (its interrupt
 * runs in the sender's system call), the XDP program, a copy into the socket's memory at each end.
 *
 *     bench_af_xdp IF1 IF2 BYTES    the interfaces of the pair; prints frames received per second
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

enum { BURST = 32, MBUFS = 16383, DESCRIPTORS = 1024, SECONDS = 1 };

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "af_xdp: %s\n", #condition);                               \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static struct rte_mempool *pool;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); /* the machine may be shared */
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint16_t open_port(unsigned number, const char *interface)
{
	struct rte_eth_conf conf = {.rxmode.mtu = 1500};
	char name[32], arguments[64];
	uint16_t id;

	snprintf(name, sizeof(name), "net_af_xdp%u", number);
	snprintf(arguments, sizeof(arguments), "iface=%.15s,force_copy=1", interface);
	MUST(rte_vdev_init(name, arguments) == 0);
	MUST(rte_eth_dev_get_port_by_name(name, &id) == 0);
	MUST(rte_eth_dev_configure(id, 1, 1, &conf) == 0);
	MUST(rte_eth_rx_queue_setup(id, 0, DESCRIPTORS, 0, NULL, pool) == 0);
	MUST(rte_eth_tx_queue_setup(id, 0, DESCRIPTORS, 0, NULL) == 0);
	MUST(rte_eth_dev_start(id) == 0);
	return id;
}

static unsigned send_burst(uint16_t port, uint16_t bytes)
{
	struct rte_mbuf *burst[BURST];
	unsigned sent;

	if (rte_pktmbuf_alloc_bulk(pool, burst, BURST))
		return 0;
	for (unsigned i = 0; i < BURST; i++)
		MUST(rte_pktmbuf_append(burst[i], bytes));
	for (unsigned i = 0; i < BURST; i++)
		memset(rte_pktmbuf_mtod(burst[i], uint8_t *), 0xff, 14);
	sent = rte_eth_tx_burst(port, 0, burst, BURST);
	rte_pktmbuf_free_bulk(burst + sent, BURST - sent);
	return sent;
}

static unsigned receive_burst(uint16_t port)
{
	struct rte_mbuf *burst[BURST];
	unsigned n = rte_eth_rx_burst(port, 0, burst, BURST);

	rte_pktmbuf_free_bulk(burst, n);
	return n;
}

static double rate(uint16_t from, uint16_t to, uint16_t bytes)
{
	uint64_t n = 0;
	double start, end;

	for (unsigned i = 0; i < 2000; i++) { /* until the links are up */
		(void)send_burst(from, bytes);
		n += receive_burst(to);
	}
	MUST(n > 0);
	n = 0;
	start = now();
	do {
		(void)send_burst(from, bytes);
		n += receive_burst(to);
	} while ((end = now()) < start + SECONDS);
	return (double)n / (end - start);
}

int main(int argc, char **argv)
{
	static char *arguments[] = {"af_xdp",
	                            "--no-huge",
	                            "-m",
	                            "128",
	                            "--no-pci",
	                            "--no-shconf",
	                            "--no-telemetry",
	                            "--log-level=critical",
	                            "-l",
	                            "0",
	                            NULL};
	uint16_t from, to;

	if (argc != 4)
		return 2;
	MUST(rte_eal_init(sizeof(arguments) / sizeof(arguments[0]) - 1, arguments) >= 0);
	pool = rte_pktmbuf_pool_create("frames", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	MUST(pool);
	from = open_port(0, argv[1]);
	to = open_port(1, argv[2]);
	printf("%.0f\n", rate(from, to, (uint16_t)strtoul(argv[3], NULL, 10)));
	return 0;
}
