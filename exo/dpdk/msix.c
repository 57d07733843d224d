/* SPDX-License-Identifier: BSD-2-Clause */
#include "msix.h"

#include <errno.h>
#include <stdlib.h>

#include "../core/machine.h"
#include "../x86_64/x86.h"
#include "bus_pci_driver.h"
#include "bus_pci_private.h"
#include "internal.h"
#include "pci.h"

enum {
	STATUS = 0x06,
	STATUS_CAPABILITIES = 1 << 4,
	CAPABILITIES = 0x34,
	CAPABILITY_MSIX = 0x11,
	CAPABILITIES_MAX = 48, /* as many as fit: a list that is longer runs in a circle */
	CONTROL = 2,           /* offsets inside the capability */
	TABLE = 4,
	CONTROL_SIZE = 0x7ff,
	CONTROL_MASKED = 1 << 14,
	CONTROL_ENABLED = 1 << 15,
	TABLE_BAR = 7,
};

/* An entry of the table, in device memory. */
struct msix_entry {
	volatile uint32_t address_low, address_high, data, masked;
};

struct msix {
	struct msix *next;
	const struct rte_pci_device *device;
	struct pci_function place;
	unsigned capability, size; /* size: entries */
	struct msix_entry *table;
	unsigned n_allocated; /* vectors that this machine gave, from 0 on */
};

static struct msix *devices;
void (*dpdk_msix_received)(unsigned core);

static unsigned find_capability(const struct pci_function *f, unsigned id)
{
	unsigned at;

	if ((dpdk_pci_read(f, STATUS, 2) & STATUS_CAPABILITIES) == 0)
		return 0;
	at = dpdk_pci_read(f, CAPABILITIES, 1) & ~3u;
	for (int i = 0; at != 0 && i < CAPABILITIES_MAX; i++) {
		if (dpdk_pci_read(f, at, 1) == id)
			return at;
		at = dpdk_pci_read(f, at + 1, 1) & ~3u;
	}
	return 0;
}

static const struct rte_pci_device *device_of(const struct rte_intr_handle *handle)
{
	const struct rte_pci_device *device;

	FOREACH_DEVICE_ON_PCIBUS(device)
	{
		if (device->intr_handle == handle)
			return device;
	}
	return NULL;
}

/* Where the table lies, if it lies wholly in a BAR that is mapped. */
static struct msix_entry *find_table(const struct msix *m)
{
	uint32_t where = dpdk_pci_read(&m->place, m->capability + TABLE, 4);
	uint32_t bar = where & TABLE_BAR, offset = where & ~(uint32_t)TABLE_BAR;
	const struct rte_mem_resource *memory = &m->device->mem_resource[bar];

	if (bar >= PCI_MAX_RESOURCE || memory->addr == NULL || offset > memory->len ||
	    m->size * sizeof(struct msix_entry) > memory->len - offset)
		return NULL;
	return (struct msix_entry *)((char *)memory->addr + offset);
}

static struct msix *discover(const struct rte_pci_device *device)
{
	struct msix *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->device = device;
	m->place =
	        (struct pci_function){device->addr.bus, device->addr.devid, device->addr.function};
	m->capability = find_capability(&m->place, CAPABILITY_MSIX);
	if (m->capability != 0) {
		m->size = (dpdk_pci_read(&m->place, m->capability + CONTROL, 2) & CONTROL_SIZE) + 1;
		m->table = find_table(m);
	}
	if (m->table == NULL) {
		free(m);
		return NULL;
	}
	m->next = devices;
	devices = m;
	return m;
}

struct msix *dpdk_msix_of(const struct rte_intr_handle *handle)
{
	const struct rte_pci_device *device = device_of(handle);

	if (device == NULL)
		return NULL;
	for (struct msix *m = devices; m != NULL; m = m->next)
		if (m->device == device)
			return m;
	return discover(device);
}

static void received(void *core)
{
	if (dpdk_msix_received != NULL)
		dpdk_msix_received((unsigned)(uintptr_t)core);
}

static int allocate(struct msix *m, unsigned i, void (*other)(void *), void *handle)
{
	unsigned core = i == 0 ? 0 : (i - 1) % machine_cores();
	struct x86_msi msi;
	int vector = i == 0 ? x86_interrupt_alloc(core, other, handle, &msi)
	                    : x86_interrupt_alloc(core, received, (void *)(uintptr_t)core, &msi);

	if (vector < 0)
		return -ENOSPC;
	m->table[i].masked = 1;
	m->table[i].address_low = (uint32_t)msi.address;
	m->table[i].address_high = (uint32_t)(msi.address >> 32);
	m->table[i].data = msi.data;
	m->n_allocated = i + 1;
	return 0;
}

static void set_control(const struct msix *m, uint32_t set)
{
	uint32_t control = dpdk_pci_read(&m->place, m->capability + CONTROL, 2);

	dpdk_pci_write(&m->place, m->capability + CONTROL, 2,
	               (control & ~(uint32_t)CONTROL_MASKED) | set);
}

int dpdk_msix_enable(struct msix *m, unsigned queues, void (*other)(void *), void *handle)
{
	if (queues + 1 > m->size)
		return -ENOSPC;
	/* Entries are written while the function is masked as a whole. */
	set_control(m, CONTROL_ENABLED | CONTROL_MASKED);
	while (m->n_allocated < queues + 1)
		if (allocate(m, m->n_allocated, other, handle) != 0)
			return -ENOSPC;
	for (unsigned i = 0; i < queues + 1; i++)
		m->table[i].masked = 0;
	set_control(m, CONTROL_ENABLED);
	return 0;
}

void dpdk_msix_disable(struct msix *m)
{
	for (unsigned i = 0; i < m->n_allocated; i++)
		m->table[i].masked = 1;
}
