/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual functions (SR-IOV: PCI Express 5.0, 9.3.3): NICs inside a NIC, each with a MAC address
 * and a pair of queues of its own, which the NIC itself demultiplexes for. `functions=N` on the
 * command line asks for N of every NIC that has them.
 *
 * A NIC's driver must know at its start how many there will be, and must run before they are
 * switched on, since theirs ask it for all they need. So they are planned when the bus is scanned
 * (dpdk_functions_plan), and become devices, and ports behind all others, once the NICs run
 * (dpdk_functions_start).
 *
 * Where there is an IOMMU, a function has a domain of its own. It reaches
 *
 *     descriptor rings and buffers to send from, which fill pages of their own: every memory zone
 *     that is reserved while `zones_of` names the domain is entered there
 *     its receive slots: a page's worth of addresses for each mbuf of its pool, which stay the same
 *     while the core says which frames they lead to (machine_dma_map)
 *
 * and nothing else. A NIC with a queue to spare (`spare=1` asks for one of every NIC whose driver
 * takes rules: steer.h) has such slots, too, in a domain that reaches all memory besides: the
 * kernel's driver says where its other queues receive to, and that none but this one names a slot.
 * So frames are given to the NIC, and taken from it at once, without a word to the driver. Without
 * an IOMMU a function is an ordinary port, whose DMA reaches everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_memzone.h>

#include "../core/machine.h"
#include "../dev/pci_assign.h"
#include "../x86_64/x86.h"
#include "bus_pci_driver.h"
#include "bus_pci_private.h"
#include "internal.h"
#include "pci.h"
#include "ports.h"
#include "steer.h"
#include "thread.h"

enum {
	PARENTS_MAX = 16,
	FUNCTIONS_MAX = 32,
	DESCRIPTORS = 128,       /* of each queue */
	SLOTS = 2 * DESCRIPTORS, /* half with the NIC, half with who reads */
	SENT_SPARE = 128,        /* buffers a core, besides what the queue holds */
	PAGE = 4096,

	EXTENDED = 0x100, /* capabilities beyond the first 256 bytes */
	EXTENDED_MAX = 64,
	CAPABILITY_SRIOV = 0x10,
	CONTROL = 0x08, /* offsets inside the capability */
	TOTAL = 0x0e,
	NUMBER = 0x10,
	OFFSET = 0x14,
	STRIDE = 0x16,
	DEVICE = 0x1a,
	PAGE_SIZE = 0x20,
	BARS = 0x24,
	CONTROL_ENABLE = 1 | 8, /* functions, and their memory */
	SETTLE_US = 100000,
};

struct parent {
	struct pci_function place;
	unsigned capability;
	uint16_t n;
	struct rte_mem_resource bars[PCI_MAX_RESOURCE]; /* of the first function */
};

struct function {
	struct rte_pci_device *device;
	struct x86_domain *domain; /* NULL: there is no IOMMU */
};

static struct parent parents[PARENTS_MAX];
static unsigned n_parents, n_wanted;
static struct function functions[FUNCTIONS_MAX];
static unsigned n_functions;
static struct x86_domain *domains[RTE_MAX_ETHPORTS]; /* of ports */
static struct rte_flow *rules[RTE_MAX_ETHPORTS];     /* what leads to their spare queues */

static bool spare_wanted;
static struct nic {
	struct pci_function place;
	struct x86_domain *domain;
} nics[PARENTS_MAX]; /* with such a domain */
static unsigned n_nics;

static struct x86_domain *zones_of;
static unsigned zones_rights;

/* ---- Planning: before any driver runs ---- */

void dpdk_functions_ask(const char *command_line)
{
	char value[8];

	if (dpdk_option(&command_line, "functions", value, sizeof(value)))
		n_wanted = (unsigned)strtoul(value, NULL, 10);
}

void dpdk_spare_ask(const char *command_line)
{
	char value[8];

	spare_wanted = dpdk_option(&command_line, "spare", value, sizeof(value)) && value[0] == '1';
}

/* Behind all memory that a driver may name. */
static uint64_t memory_end(void)
{
	struct x86_region dma = x86_dma_region();
	uint64_t end = dma.physical + dma.size;
	struct machine_range range;

	for (unsigned i = 0; machine_memory(i, &range); i++)
		end = RTE_MAX(end, (range.first + range.count) * PAGE);
	return end;
}

void dpdk_spare_plan(const struct pci_function *f)
{
	struct nic *nic = &nics[n_nics];

	if (!spare_wanted || n_nics == PARENTS_MAX)
		return;
	*nic = (struct nic){*f, x86_domain_all(f->bus, f->device, f->function, memory_end())};
	if (nic->domain != NULL)
		n_nics++;
}

static unsigned find_extended(const struct pci_function *f, unsigned id)
{
	unsigned at = EXTENDED;

	for (int i = 0; at >= EXTENDED && i < EXTENDED_MAX; i++) {
		uint32_t head = dpdk_pci_read(f, at, 4);

		if (head == 0 || head == UINT32_MAX)
			return 0;
		if ((head & 0xffff) == id)
			return at;
		at = head >> 20 & ~3u;
	}
	return 0;
}

/* Gives the functions' memory addresses where firmware has not: each BAR is as many pieces in a row
 * as there are functions. */
static bool place_bars(struct parent *parent)
{
	const struct pci_function *f = &parent->place;
	unsigned first = parent->capability + BARS;
	int step;

	for (int i = 0; i < PCI_MAX_RESOURCE; i += step) {
		struct rte_mem_resource *bar = &parent->bars[i];

		step = dpdk_pci_read_bar(f, first, i, bar);
		if (bar->len == 0 || bar->phys_addr != 0)
			continue;
		bar->phys_addr =
		        f->bus == 0 ? dev_pci_room(rte_align64pow2(bar->len * parent->n)) : 0;
		if (bar->phys_addr == 0)
			return false;
		dpdk_pci_write(f, first + 4 * (unsigned)i, 4, (uint32_t)bar->phys_addr);
		if (step == 2)
			dpdk_pci_write(f, first + 4 * (unsigned)i + 4, 4,
			               (uint32_t)(bar->phys_addr >> 32));
	}
	return true;
}

uint16_t dpdk_functions_plan(const struct pci_function *f)
{
	struct parent *parent = &parents[n_parents];
	unsigned total;

	if (n_wanted == 0 || n_parents == PARENTS_MAX)
		return 0;
	*parent = (struct parent){.place = *f, .capability = find_extended(f, CAPABILITY_SRIOV)};
	if (parent->capability == 0)
		return 0;
	/* The NIC's own queues take the place of one. */
	total = dpdk_pci_read(f, parent->capability + TOTAL, 2);
	parent->n = (uint16_t)RTE_MIN(n_wanted, total > 0 ? total - 1 : 0);
	if (parent->n == 0)
		return 0;
	dpdk_pci_write(f, parent->capability + CONTROL, 2, 0);
	dpdk_pci_write(f, parent->capability + NUMBER, 2, parent->n);
	dpdk_pci_write(f, parent->capability + PAGE_SIZE, 4, 1);
	if (!place_bars(parent)) {
		x86_print("net: %02x:%02x.%x: no addresses for its functions: let the firmware's "
		          "set-up enable SR-IOV\n",
		          f->bus, f->device, f->function);
		return 0;
	}
	n_parents++;
	return parent->n;
}

bool dpdk_functions_share(const struct rte_device *device)
{
	return RTE_DEV_TO_PCI_CONST(device)->max_vfs != 0;
}

/* ---- Devices: when the NICs run ---- */

static struct rte_pci_device *device_at(const struct pci_function *f)
{
	struct rte_pci_device *device;

	FOREACH_DEVICE_ON_PCIBUS(device)
	{
		if (device->addr.bus == f->bus && device->addr.devid == f->device &&
		    device->addr.function == f->function)
			return device;
	}
	return NULL;
}

/* The i-th function as a device: its own configuration space does not say what it is. */
static void add_device(const struct parent *parent, const struct rte_pci_device *nic, unsigned i)
{
	unsigned id = (unsigned)parent->place.bus << 8 | (unsigned)parent->place.device << 3 |
	              parent->place.function;
	struct rte_pci_device *device = calloc(1, sizeof(*device));

	if (device == NULL || n_functions == FUNCTIONS_MAX) {
		free(device);
		return;
	}
	id += dpdk_pci_read(&parent->place, parent->capability + OFFSET, 2) +
	      i * dpdk_pci_read(&parent->place, parent->capability + STRIDE, 2);
	device->device.bus = &rte_pci_bus.bus;
	device->addr = (struct rte_pci_addr){0, id >> 8 & 255, id >> 3 & 31, id & 7};
	device->id = nic->id;
	device->id.device_id =
	        (uint16_t)dpdk_pci_read(&parent->place, parent->capability + DEVICE, 2);
	device->kdrv = RTE_PCI_KDRV_UIO_GENERIC;
	for (int k = 0; k < PCI_MAX_RESOURCE; k++) {
		device->mem_resource[k] = parent->bars[k];
		device->mem_resource[k].phys_addr += i * parent->bars[k].len;
	}
	pci_common_set(device);
	functions[n_functions++] =
	        (struct function){device, x86_domain_make(id >> 8 & 255, id >> 3 & 31, id & 7)};
	rte_pci_add_device(device);
}

static void switch_on(const struct parent *parent)
{
	const struct rte_pci_device *nic = device_at(&parent->place);

	if (nic == NULL || nic->driver == NULL)
		return;
	dpdk_pci_write(&parent->place, parent->capability + CONTROL, 2, CONTROL_ENABLE);
	x86_delay_us(SETTLE_US);
	for (unsigned i = 0; i < parent->n; i++)
		add_device(parent, nic, i);
}

/* ---- Ports ---- */

const struct rte_memzone *__real_rte_memzone_reserve_aligned(const char *name, size_t size,
                                                             int socket, unsigned flags,
                                                             unsigned align);
const struct rte_memzone *__wrap_rte_memzone_reserve_aligned(const char *name, size_t size,
                                                             int socket, unsigned flags,
                                                             unsigned align);

/* What a function's driver sets up lies on pages of its own, which the function reaches. */
const struct rte_memzone *__wrap_rte_memzone_reserve_aligned(const char *name, size_t size,
                                                             int socket, unsigned flags,
                                                             unsigned align)
{
	const struct rte_memzone *zone;

	if (zones_of == NULL)
		return __real_rte_memzone_reserve_aligned(name, size, socket, flags, align);
	zone = __real_rte_memzone_reserve_aligned(name, RTE_ALIGN(size, PAGE), socket, flags,
	                                          RTE_MAX(align, (unsigned)PAGE));
	for (size_t at = 0; zone != NULL && at < zone->len; at += PAGE)
		if (!x86_domain_map(zones_of, zone->iova + at, zone->iova + at, zones_rights))
			return NULL;
	x86_domain_flush(zones_of); /* some units remember also that there was nothing */
	return zone;
}

static struct rte_mempool *make_sent_pool(uint16_t id, struct x86_domain *domain)
{
	struct rte_mempool *made;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "function-%u-sent", id);
	zones_of = domain;
	zones_rights = X86_DOMAIN_READ;
	made = rte_pktmbuf_pool_create(name, DESCRIPTORS + SENT_SPARE * machine_cores(), 0, 0,
	                               RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	zones_of = NULL;
	return made;
}

static struct rte_mempool *make_received_pool(uint16_t id, const char *kind,
                                              const struct x86_domain *domain)
{
	void *frames = domain == NULL ? dpdk_frames(SLOTS) : NULL;
	char name[RTE_MEMPOOL_NAMESIZE];

	if (domain == NULL && frames == NULL)
		return NULL;
	snprintf(name, sizeof(name), "%s-%u", kind, id);
	return dpdk_ports_pool_of(name, SLOTS, frames,
	                          domain == NULL ? rte_mem_virt2iova(frames) : x86_domain_window());
}

static void start_port(uint16_t id, struct x86_domain *domain)
{
	const struct dpdk_ports_wish wish = {
	        .queues = 1,
	        .rx_descriptors = DESCRIPTORS,
	        .tx_descriptors = DESCRIPTORS,
	        .max_frame = UINT16_MAX,
	        .rx_interrupts = true,
	        .rx_offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM,
	        .tx_offloads = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
	                       RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
	        .own = make_received_pool(id, "function", domain),
	};
	const struct dpdk_port *port;

	domains[id] = domain;
	if (wish.own == NULL || (domain != NULL && make_sent_pool(id, domain) == NULL)) {
		x86_print("net: no memory for function %u\n", id);
		return;
	}
	zones_of = domain;
	zones_rights = X86_DOMAIN_READ | X86_DOMAIN_WRITE;
	dpdk_port_start(id, &wish);
	zones_of = NULL;
	port = dpdk_port(id);
	if (port != NULL)
		x86_print("net: %s: a function: port %u%s\n", port->device, id,
		          domain == NULL ? ", unprotected: there is no IOMMU" : "");
}

struct rte_mempool *dpdk_spare_pool(uint16_t id, const struct rte_device *device)
{
	const struct rte_pci_addr *at = &RTE_DEV_TO_PCI_CONST(device)->addr;

	for (unsigned i = 0; i < n_nics; i++) {
		const struct pci_function *f = &nics[i].place;

		if (f->bus != at->bus || f->device != at->devid || f->function != at->function)
			continue;
		domains[id] = nics[i].domain;
		return make_received_pool(id, "spare", domains[id]);
	}
	return NULL;
}

static const struct function *function_of(uint16_t id)
{
	struct rte_eth_dev_info info;

	for (unsigned i = 0; rte_eth_dev_info_get(id, &info) == 0 && i < n_functions; i++)
		if (info.device == &functions[i].device->device)
			return &functions[i];
	return NULL;
}

/*
 * ethdev's start of a port sets its address again, which net_e1000_igb enters for the first pool:
 * the first function's, where the NIC's own queue has the pool behind the functions'. Before
 * anybody has a function, what is for the NIC becomes the NIC's again.
 */
static void take_own_address(uint16_t id)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;

	if (rte_eth_dev_info_get(id, &info) != 0 || info.device == NULL ||
	    strcmp(info.driver_name, "net_e1000_igb") != 0 || !dpdk_functions_share(info.device))
		return;
	if (rte_eth_macaddr_get(id, &mac) != 0 ||
	    rte_eth_dev_mac_addr_add(id, &mac, RTE_DEV_TO_PCI_CONST(info.device)->max_vfs) != 0)
		x86_print("net: port %u does not hear its own address\n", id);
}

void dpdk_functions_start(void)
{
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
	take_own_address(id);
	for (unsigned i = 0; i < n_parents; i++)
		switch_on(&parents[i]);
	if (n_functions == 0)
		return;
	dpdk_delays_serve = true; /* they ask the NIC's driver for their addresses */
	(void)rte_bus_probe();    /* who was probed before is passed over */
	RTE_ETH_FOREACH_DEV(id)
	{
		const struct function *function = function_of(id);

		if (function != NULL)
			start_port(id, function->domain);
	}
	dpdk_delays_serve = false;
}

/* ---- What the core asks ---- */

/* A NIC that has a domain, and whose driver takes no rules after all, has none. */
unsigned machine_dma_slots(unsigned port)
{
	const struct dpdk_port *p = port < RTE_MAX_ETHPORTS ? dpdk_port((uint16_t)port) : NULL;

	return p != NULL && domains[port] != NULL && (p->spare || !p->common) ? SLOTS : 0;
}

bool machine_dma_spare(unsigned port)
{
	return machine_dma_slots(port) != 0 && dpdk_port((uint16_t)port)->spare;
}

int machine_dma_steer(unsigned port, const struct flt_conjunction *flow, bool loose)
{
	int result = dpdk_steer((uint16_t)port, dpdk_port((uint16_t)port)->queues, flow, loose,
	                        &rules[port]);

	return result < 0 ? -EXO_ENOSYS : result;
}

void machine_dma_steer_end(unsigned port)
{
	dpdk_steer_end((uint16_t)port, rules[port]);
}

bool machine_dma_map(unsigned port, unsigned slot, uint64_t frame)
{
	return x86_domain_map(domains[port], x86_domain_window() + (uint64_t)slot * PAGE,
	                      frame * PAGE,
	                      frame == MACHINE_SPACE_NONE ? 0 : X86_DOMAIN_READ | X86_DOMAIN_WRITE);
}

void machine_dma_flush(unsigned port)
{
	x86_domain_flush(domains[port]);
}
