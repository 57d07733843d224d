/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing EAL up: configuration, then the steps of rte_eal_init in its order, without processes,
 * files and service cores. */
#include "dpdk.h"

#include <stdlib.h>
#include <string.h>

#include <bus_driver.h>
#include <exo/error.h>
#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "../core/boot_info.h"
#include "../core/machine.h"
#include "../x86_64/x86.h"
#include "bus_pci_private.h"
#include "eal_internal_cfg.h"
#include "eal_memcfg.h"
#include "eal_private.h"
#include "internal.h"
#include "log.h"
#include "ports.h"
#include "thread.h"

enum {
	DESCRIPTORS = 256, /* of each queue */
	/* What a pair of queues takes: frames and mbufs for what it receives and answers, buffers
	 * for what it sends, and half as much for all else. */
	PAIR_BYTES = DESCRIPTORS * (2 * 4352 + 2560) * 3 / 2,
	CORE_BYTES = 1 << 20, /* what a core may keep of both */
};

uint64_t get_tsc_freq(void)
{
	return x86_tsc_hz();
}

static void configure(void)
{
	struct internal_config *own = eal_get_internal_configuration();
	struct rte_config *config = rte_eal_get_configuration();

	own->no_shconf = 1;
	own->in_memory = 1;
	own->legacy_mem = 1;
	own->no_telemetry = 1;
	own->process_type = RTE_PROC_PRIMARY;
	own->iova_mode = RTE_IOVA_PA;
	own->num_hugepage_sizes = 1;
	own->hugepage_info[0].hugepage_sz = RTE_PGSIZE_2M;
	CPU_SET(0, &own->ctrl_cpuset);
	config->process_type = RTE_PROC_PRIMARY;
	config->iova_mode = RTE_IOVA_PA;
	config->main_lcore = 0;
}

static void add_devargs(const char *command_line)
{
	char devargs[256];

	/* Else the first devargs would be the end of every device that has none. */
	rte_pci_bus.bus.conf.scan_mode = RTE_BUS_SCAN_BLOCKLIST;
	while (dpdk_option(&command_line, "dpdk.dev", devargs, sizeof(devargs)))
		if (rte_devargs_add(RTE_DEVTYPE_ALLOWED, devargs) != 0)
			x86_print("dpdk: can't understand dpdk.dev=%s\n", devargs);
}

/* The ports that lro= names. */
static uint64_t merging(const char *command_line)
{
	char list[64];
	uint64_t set = 0;

	if (!dpdk_option(&command_line, "lro", list, sizeof(list)))
		return 0;
	for (char *at = list, *end; *at != '\0'; at = *end == ',' ? end + 1 : end) {
		unsigned long id = strtoul(at, &end, 10);

		if (end == at || (*end != ',' && *end != '\0') || id >= 64) {
			x86_print("dpdk: lro=%s: numbers of ports with commas are expected\n",
			          list);
			return 0;
		}
		set |= 1ull << id;
	}
	return set;
}

struct step {
	const char *name;
	int (*run)(void);
};

static int init_timer(void)
{
	set_tsc_freq();
	return 0;
}

static int init_thread(void)
{
	dpdk_thread_init(0);
	return dpdk_threads_init();
}

static const struct step steps[] = {
        {"cores", rte_eal_cpu_init},
        {"bus scan", rte_bus_scan},
        {"memory zones", rte_eal_memzone_init},
        {"memory", rte_eal_memory_init},
        {"heap", rte_eal_malloc_heap_init},
        {"tail queues", rte_eal_tailqs_init},
        {"timer", init_timer},
        {"thread", init_thread},
};

/* A pair of queues for every core, as far as there is memory for what they hold. */
static uint16_t queues_each(void)
{
	const uint64_t size = x86_dma_region().size,
	               kept = (uint64_t)rte_lcore_count() * CORE_BYTES;
	const uint64_t pairs = (size - RTE_MIN(size, kept)) / PAIR_BYTES;
	const uint64_t each = pairs / RTE_MAX(rte_eth_dev_count_avail(), 1);

	return (uint16_t)RTE_MAX(RTE_MIN(each, rte_lcore_count()), 1u);
}

/* Which NICs spread what they receive, and over how many cores; which merge it. */
static void say_queues(unsigned n_ports)
{
	for (unsigned id = 0; id < n_ports; id++) {
		const struct dpdk_port *port = dpdk_port((uint16_t)id);

		if (port != NULL && port->queues > 1)
			x86_print("net: %s: %u pairs of queues%s\n", port->device, port->queues,
			          port->rx_interrupts ? "" : ", polled");
		if (port != NULL && port->spare)
			x86_print("net: %s: port %u has a queue to spare\n", port->device, id);
		if (port != NULL && (port->rx_offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0)
			x86_print("net: %s: port %u may merge segments of TCP (lro=)\n",
			          port->device, id);
	}
}

int dpdk_init(const struct boot_info *boot, unsigned *n_ports)
{
	struct dpdk_ports_wish wish = {
	        .rx_descriptors = DESCRIPTORS,
	        .tx_descriptors = DESCRIPTORS,
	        .max_frame = UINT16_MAX,
	        .frames = dpdk_frames,
	        .rx_interrupts = true,
	        .single = dpdk_functions_share,
	        .spare = dpdk_spare_pool,
	        .rx_offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM,
	        .tx_offloads = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
	                       RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO,
	};

	configure();
	dpdk_log_init(boot->command_line);
	add_devargs(boot->command_line);
	dpdk_pci_find(boot->command_line);
	dpdk_functions_ask(boot->command_line);
	dpdk_spare_ask(boot->command_line);
	for (size_t i = 0; i < RTE_DIM(steps); i++)
		if (steps[i].run() != 0) {
			x86_print("dpdk: can't set up %s\n", steps[i].name);
			return -EXO_ENOMEM;
		}
	if (rte_bus_probe() != 0)
		x86_print("dpdk: some NICs could not be probed\n");
	wish.queues = queues_each();
	wish.merge = merging(boot->command_line);
	dpdk_ports_start(&wish);
	dpdk_functions_start();
	*n_ports = dpdk_ports_end();
	for (unsigned id = 0; id < *n_ports; id++)
		dpdk_virtio_quicken((uint16_t)id);
	say_queues(*n_ports);
	dpdk_say_unclaimed(*n_ports);
	return 0;
}

void dpdk_poll(void)
{
	if (rte_rdtsc() < dpdk_threads_due())
		return;
	machine_vector_begin();
	dpdk_threads_run();
	machine_vector_end();
}

bool dpdk_option(const char **rest, const char *name, char *to, size_t size)
{
	size_t n = strlen(name);

	for (const char *word = *rest; *word != '\0';) {
		size_t length = strcspn(word, " ");

		*rest = word + length;
		if (length > n && strncmp(word, name, n) == 0 && word[n] == '=' &&
		    length - n - 1 < size) {
			memcpy(to, word + n + 1, length - n - 1);
			to[length - n - 1] = '\0';
			return true;
		}
		word += length;
		word += strspn(word, " ");
	}
	return false;
}
