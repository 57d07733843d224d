/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform's half of DPDK's PCI bus: devices from configuration space, their BARs as uncached
 * memory or ports. A device's place is kept in its rte_pci_addr; the domain is always 0.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "../x86_64/x86.h"
#include "bus_pci_driver.h"
#include "bus_pci_private.h"
#include "eal_private.h"
#include "internal.h"
#include "pci.h"

static struct pci_function place_of(const struct rte_pci_device *device)
{
	return (struct pci_function){device->addr.bus, device->addr.devid, device->addr.function};
}

/* ---- BARs ---- */

/* What is writable in a BAR tells its size. The device must not decode addresses meanwhile. */
static uint32_t probe_bar(const struct pci_function *f, unsigned offset)
{
	uint32_t old = dpdk_pci_read(f, offset, 4), mask;

	dpdk_pci_write(f, offset, 4, UINT32_MAX);
	mask = dpdk_pci_read(f, offset, 4);
	dpdk_pci_write(f, offset, 4, old);
	return mask;
}

int dpdk_pci_read_bar(const struct pci_function *f, unsigned first, int i,
                      struct rte_mem_resource *resource)
{
	unsigned offset = first + 4 * (unsigned)i;
	uint64_t base = dpdk_pci_read(f, offset, 4), mask;
	bool wide = (base & (PCI_BAR_IO | PCI_BAR_TYPE)) == PCI_BAR_64BIT && i < 5;

	if ((base & PCI_BAR_IO) != 0)
		return 1;
	mask = probe_bar(f, offset) & ~0xfull;
	if (mask == 0)
		return wide ? 2 : 1;
	base &= ~0xfull;
	if (wide) {
		base |= (uint64_t)dpdk_pci_read(f, offset + 4, 4) << 32;
		mask |= (uint64_t)probe_bar(f, offset + 4) << 32;
	} else {
		mask |= 0xffffffffull << 32;
	}
	resource->phys_addr = base;
	resource->len = -mask;
	return wide ? 2 : 1;
}

static void read_bars(const struct pci_function *f, struct rte_pci_device *device)
{
	uint32_t command = dpdk_pci_read(f, PCI_COMMAND, 2);

	dpdk_pci_write(f, PCI_COMMAND, 2,
	               command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (int i = 0; i < PCI_MAX_RESOURCE;)
		i += dpdk_pci_read_bar(f, PCI_BAR0, i, &device->mem_resource[i]);
	dpdk_pci_write(f, PCI_COMMAND, 2, command);
}

/* ---- Scan ---- */

/*
 * Arguments that a device needs here and its user should not have to know: without its DDP package
 * (rte_firmware_read finds none) net_ice gives up, unless it may run in safe mode.
 */
static void add_default_devargs(struct rte_pci_device *device)
{
	const struct rte_pci_driver *driver;
	char devargs[64];

	FOREACH_DRIVER_ON_PCIBUS(driver)
	{
		if (strcmp(driver->driver.name, "net_ice") != 0 ||
		    rte_pci_match(driver, device) != 1)
			continue;
		snprintf(devargs, sizeof(devargs), "%s,safe-mode-support=1", device->name);
		if (rte_devargs_add(RTE_DEVTYPE_ALLOWED, devargs) == 0)
			pci_common_set(device);
	}
}

static struct rte_pci_device *describe(const struct pci_function *f)
{
	struct rte_pci_device *device = calloc(1, sizeof(*device));

	if (device == NULL)
		return NULL;
	device->device.bus = &rte_pci_bus.bus;
	device->addr = (struct rte_pci_addr){0, f->bus, f->device, f->function};
	device->id.vendor_id = (uint16_t)dpdk_pci_read(f, PCI_VENDOR, 2);
	device->id.device_id = (uint16_t)dpdk_pci_read(f, PCI_DEVICE, 2);
	device->id.subsystem_vendor_id = (uint16_t)dpdk_pci_read(f, PCI_SUBSYSTEM_VENDOR, 2);
	device->id.subsystem_device_id = (uint16_t)dpdk_pci_read(f, PCI_SUBSYSTEM, 2);
	device->id.class_id = dpdk_pci_read(f, PCI_CLASS, 4) >> 8;
	device->kdrv = RTE_PCI_KDRV_UIO_GENERIC; /* "bound to nobody else" */
	device->device.numa_node = 0;
	read_bars(f, device);
	device->max_vfs = dpdk_functions_plan(f);
	pci_common_set(device);
	if (device->device.devargs == NULL)
		add_default_devargs(device);
	return device;
}

int rte_pci_scan(void)
{
	for (unsigned i = 0; i < dpdk_pci_count(); i++) {
		struct rte_pci_device *device = describe(dpdk_pci_function(i));

		if (device == NULL)
			return -1;
		if (rte_pci_ignore_device(&device->addr))
			pci_free(device);
		else
			rte_pci_add_device(device);
	}
	return 0;
}

/* ---- Mapping ---- */

static bool map_bar(const struct rte_pci_device *device, struct rte_mem_resource *bar)
{
	if (bar->len == 0)
		return true;
	if (bar->phys_addr == 0) {
		x86_print("dpdk: %s: firmware gave a BAR no address\n", device->name);
		rte_errno = ENXIO;
		return false;
	}
	bar->addr = x86_device_map(bar->phys_addr, bar->len);
	if (bar->addr == NULL) {
		x86_print("dpdk: %s: no room to map %lx bytes at %lx\n", device->name, bar->len,
		          bar->phys_addr);
		rte_errno = ENOMEM;
	}
	return bar->addr != NULL;
}

/* Switches address decoding and bus mastering on, the interrupt line off. */
static void enable(const struct rte_pci_device *device)
{
	struct pci_function f = place_of(device);
	uint32_t command = dpdk_pci_read(&f, PCI_COMMAND, 2);

	dpdk_spare_plan(&f);
	x86_dma_trust(f.bus, f.device, f.function);
	dpdk_pci_write(&f, PCI_COMMAND, 2,
	               command | PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
	                       PCI_COMMAND_NO_INTX);
}

int rte_pci_map_device(struct rte_pci_device *device)
{
	for (int i = 0; i < PCI_MAX_RESOURCE; i++)
		if (!map_bar(device, &device->mem_resource[i]))
			return -1;
	enable(device);
	return 0;
}

void rte_pci_unmap_device(struct rte_pci_device *device)
{
	struct pci_function f = place_of(device);
	uint32_t command = dpdk_pci_read(&f, PCI_COMMAND, 2);

	/* The alias stays: mapping the same BAR again gives the same one. */
	dpdk_pci_write(&f, PCI_COMMAND, 2, command & ~(uint32_t)PCI_COMMAND_MASTER);
	for (int i = 0; i < PCI_MAX_RESOURCE; i++)
		device->mem_resource[i].addr = NULL;
}

int pci_uio_remap_resource(struct rte_pci_device *device)
{
	return -1; /* no device is ever unplugged */
}

/* ---- Configuration space: in pieces that suit their alignment ---- */

static unsigned piece(size_t left, unsigned offset)
{
	return offset % 4 == 0 && left >= 4 ? 4 : offset % 2 == 0 && left >= 2 ? 2 : 1;
}

static bool is_inside(size_t size, off_t offset)
{
	return offset >= 0 && offset < PCI_CONFIG_SIZE &&
	       size <= (size_t)(PCI_CONFIG_SIZE - offset);
}

int rte_pci_read_config(const struct rte_pci_device *device, void *to, size_t size, off_t offset)
{
	struct pci_function f = place_of(device);
	unsigned char *p = to;

	if (!is_inside(size, offset))
		return -1;
	for (size_t done = 0; done < size;) {
		unsigned at = (unsigned)offset + (unsigned)done, n = piece(size - done, at);
		uint32_t value = dpdk_pci_read(&f, at, n);

		memcpy(p + done, &value, n);
		done += n;
	}
	return (int)size;
}

int rte_pci_write_config(const struct rte_pci_device *device, const void *from, size_t size,
                         off_t offset)
{
	struct pci_function f = place_of(device);
	const unsigned char *p = from;

	if (!is_inside(size, offset))
		return -1;
	for (size_t done = 0; done < size;) {
		unsigned at = (unsigned)offset + (unsigned)done, n = piece(size - done, at);
		uint32_t value = 0;

		memcpy(&value, p + done, n);
		dpdk_pci_write(&f, at, n, value);
		done += n;
	}
	return (int)size;
}

/* ---- Ports ---- */

int rte_pci_ioport_map(struct rte_pci_device *device, int bar, struct rte_pci_ioport *ports)
{
	struct pci_function f = place_of(device);
	uint32_t base = dpdk_pci_read(&f, PCI_BAR0 + 4 * (unsigned)bar, 4);

	if ((base & PCI_BAR_IO) == 0 || (base & ~3u) == 0)
		return -1;
	enable(device);
	ports->dev = device;
	ports->base = base & ~3u;
	ports->len = 0;
	return 0;
}

int rte_pci_ioport_unmap(struct rte_pci_ioport *ports)
{
	return 0;
}

void rte_pci_ioport_read(struct rte_pci_ioport *ports, void *to, size_t size, off_t offset)
{
	uint16_t port = (uint16_t)(ports->base + (uint64_t)offset);
	unsigned char *p = to;

	for (size_t n; size > 0; size -= n, p += n, port += n) {
		uint32_t value;

		n = size >= 4 ? 4 : size >= 2 ? 2 : 1;
		value = n == 4 ? x86_in32(port) : n == 2 ? x86_in16(port) : x86_in8(port);
		memcpy(p, &value, n);
	}
}

void rte_pci_ioport_write(struct rte_pci_ioport *ports, const void *from, size_t size, off_t offset)
{
	uint16_t port = (uint16_t)(ports->base + (uint64_t)offset);
	const unsigned char *p = from;

	for (size_t n; size > 0; size -= n, p += n, port += n) {
		uint32_t value = 0;

		n = size >= 4 ? 4 : size >= 2 ? 2 : 1;
		memcpy(&value, p, n);
		if (n == 4)
			x86_out32(port, value);
		else if (n == 2)
			x86_out16(port, (uint16_t)value);
		else
			x86_out8(port, (uint8_t)value);
	}
}

/* ---- Addresses that devices use: physical ones, no IOMMU ---- */

bool pci_device_iommu_support_va(const struct rte_pci_device *device)
{
	return false;
}

enum rte_iova_mode pci_device_iova_mode(const struct rte_pci_driver *driver,
                                        const struct rte_pci_device *device)
{
	return RTE_IOVA_PA;
}
